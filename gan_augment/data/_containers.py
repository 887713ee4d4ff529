"""Lists the entries of folders and archives, and reads them."""

from __future__ import annotations

import bz2
import contextlib
import errno
import gzip
import hashlib
import io
import lzma
import os
import stat
import tarfile
import tempfile
import zipfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias

MAX_BYTES = 8 * 2**30
MAX_FILES = 1_000_000
MAX_FILE_BYTES = 2**27
MAX_DEPTH = 64  # levels of nested folders
_ZIP, _TAR = (".zip",), (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")

_ZIP_ENTRY = b"PK\1\2"  # begins each entry of the directory at the end of a zip file
_TOO_MUCH = "it must hold at most {:,} files and {:,} bytes in total, but holds more"

_CLUTTER = {
    *("__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found", "__pycache__"),
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
}
_CLUTTER_REASON, _LINK_REASON = "hidden or created by the system", "links in an archive"
_DECOMPRESS: dict[str, Callable[[Path], Any]] = {
    **dict.fromkeys(("gz", "tgz"), gzip.open),
    **dict.fromkeys(("bz2", "tbz2"), bz2.open),
    **dict.fromkeys(("xz", "txz"), lzma.open),
}


@dataclass(frozen=True)
class Entry:
    """A file or a folder in a folder or an archive."""

    parts: tuple[str, ...]  # path below the root, split at slashes
    key: str | int  # by which the container finds it
    is_folder: bool = False
    size: int = 0  # decompressed bytes; 0 for folders, and for files outside archives
    path: tuple[str, ...] = ()  # full path, if parts leave out the folder of a split


class Folder:
    """A user's folder. Links in it are followed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def find_entries(self, skipped: dict[tuple[str, ...], str]) -> list[Entry]:
        """Returns all entries except clutter. Links to a parent folder are skipped, and broken links raise an error."""
        entries: list[Entry] = []
        root = self.path.stat()
        # Each folder has the identities of itself and the folders above it.
        folders: list[tuple[Path, tuple[str, ...], set[Any]]] = [(self.path, (), {(root.st_dev, root.st_ino)})]
        while folders:
            folder, parts, above = folders.pop()
            if len(parts) > MAX_DEPTH:
                raise ValueError(f"{'/'.join(parts)!r} is more than {MAX_DEPTH} folders deep")
            for name in os.listdir(folder):
                path, inner = folder / name, (*parts, name)
                if is_clutter(name):
                    skipped[inner] = _CLUTTER_REASON
                    continue
                try:
                    found = path.stat()
                except OSError as error:
                    if error.errno not in (errno.ENOENT, errno.ELOOP):
                        raise
                    raise ValueError(f"{'/'.join(inner)!r} is a broken link; remove or repair it") from None
                identity = found.st_dev, found.st_ino
                if stat.S_ISREG(found.st_mode):
                    entries.append(Entry(inner, str(path)))
                elif not stat.S_ISDIR(found.st_mode):
                    skipped[inner] = "not files"
                elif identity in above:
                    skipped[inner] = "links to a parent folder"
                else:
                    entries.append(Entry(inner, str(path), is_folder=True))
                    folders.append((path, inner, {*above, identity}))
        return entries

    def open(self, entry: Entry) -> IO[bytes]:
        return open(entry.key, "rb")


class _Archive(ABC):
    """Base class of archives. Each process opens its own file, since a fork would share the position in it."""

    def __init__(self, path: Path, max_bytes: int, max_files: int) -> None:
        self.path = path
        self.max_bytes, self.max_files = max_bytes, max_files
        self._opened: tuple[int, Any, IO[bytes]] | None = None
        self._identity: str | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def __del__(self) -> None:
        if self._opened is not None:
            self._opened[2].close()

    def _archive(self) -> Any:
        if self._opened is None or self._opened[0] != os.getpid():
            with contextlib.ExitStack() as stack:
                file = stack.enter_context(self._open_file())
                archive = self._parse(file)
                # Entries are found by their index, so the archive must be the same.
                if self._identity is not None and self._identity != self._identify(archive):
                    raise ValueError("it changed after it was opened; open it again")
                stack.pop_all()  # success: the file stays open
            self._opened = os.getpid(), archive, file
        return self._opened[1]

    def _open_file(self) -> IO[bytes]:
        return open(self.path, "rb")

    @abstractmethod
    def _parse(self, file: IO[bytes]) -> Any:
        """Returns the archive in a file."""

    @abstractmethod
    def _read_entries(self, archive: Any, skipped: dict[tuple[str, ...], str]) -> Iterator[Entry]:
        """Yields all entries except links, which are not followed in archives."""

    @abstractmethod
    def _describe(self, archive: Any) -> Iterator[tuple[Any, ...]]:
        """Yields those properties of each entry that would differ in another archive at the same path."""

    def _identify(self, archive: Any) -> str:
        digest = hashlib.sha256()
        for member in self._describe(archive):
            digest.update(repr(member).encode())
        return digest.hexdigest()

    def find_entries(self, skipped: dict[tuple[str, ...], str]) -> list[Entry]:
        """Returns all entries except clutter and links, after checking their number, size and paths."""
        archive = self._archive()
        kept: list[Entry] = []
        total = 0
        for count, entry in enumerate(self._read_entries(archive, skipped), 1):
            total += entry.size
            if count > self.max_files or total > self.max_bytes:
                raise ValueError(_TOO_MUCH.format(self.max_files, self.max_bytes))
            if ".." in entry.parts or len(entry.parts) > MAX_DEPTH:
                raise ValueError(
                    f"it holds {'/'.join(entry.parts)[:200]!r}, which is outside the archive or nested too deeply"
                )
            clutter = next((place for place, part in enumerate(entry.parts, 1) if is_clutter(part)), None)
            if clutter is not None:
                skipped[entry.parts[:clutter]] = _CLUTTER_REASON
                if clutter > 1:
                    kept.append(Entry(entry.parts[: clutter - 1], 0, is_folder=True))
            elif entry.parts:
                kept.append(entry)
        twice = find_repeated(kept)
        if twice:
            raise ValueError(f"it holds {'/'.join(min(twice))!r} twice")
        self._identity = self._identify(archive)
        return kept


class _ZipReader(io.BufferedReader):
    """Reads a zip file, and refuses a directory with too many entries before zipfile builds an object for each."""

    def __init__(self, path: Path, refusal: str, max_files: int) -> None:
        super().__init__(io.FileIO(path))
        self.refusal, self.max_files = refusal, max_files

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)  # zipfile reads the directory in one piece
        if data.startswith(_ZIP_ENTRY) and data.count(_ZIP_ENTRY) > self.max_files:
            raise ValueError(self.refusal)
        return data


class Zip(_Archive):
    """A zip file, read in place."""

    def _open_file(self) -> IO[bytes]:
        return _ZipReader(self.path, _TOO_MUCH.format(self.max_files, self.max_bytes), self.max_files)

    def open(self, entry: Entry) -> IO[bytes]:
        archive = self._archive()
        file: IO[bytes] = archive.open(archive.infolist()[int(entry.key)])
        return file

    def _parse(self, file: IO[bytes]) -> zipfile.ZipFile:
        archive = zipfile.ZipFile(file)
        first = min((member.header_offset for member in archive.infolist()), default=0)
        file.seek(0)
        if first > 0 and file.read(4) == b"PK\3\4":
            raise ValueError("it contains two archives, and only the last can be read; zip their files again")
        return archive

    def _read_entries(self, archive: zipfile.ZipFile, skipped: dict[tuple[str, ...], str]) -> Iterator[Entry]:
        for number, member in enumerate(archive.infolist()):
            parts = split_path(member.filename)
            if stat.S_ISLNK(member.external_attr >> 16):
                skipped[parts] = _LINK_REASON
                yield Entry(parts[:-1], number, is_folder=True)
            elif member.flag_bits & 1:
                raise ValueError(f"{member.filename!r} is encrypted; unpack the archive first")
            else:
                yield Entry(parts, number, member.filename.endswith(("/", "\\")), member.file_size)

    def _describe(self, archive: zipfile.ZipFile) -> Iterator[tuple[Any, ...]]:
        return ((member.filename, member.CRC, member.file_size) for member in archive.infolist())


class Tar(_Archive):
    """A tar archive, read in place; a compressed one is decompressed once to a temporary file."""

    def open(self, entry: Entry) -> IO[bytes]:
        archive = self._archive()
        file: IO[bytes] = archive.extractfile(archive.getmembers()[int(entry.key)])
        return file

    def _open_file(self) -> IO[bytes]:
        decompress = _DECOMPRESS.get(self.path.name.lower().rpartition(".")[2])
        if decompress is None:
            return super()._open_file()
        limit = self.max_bytes + 2048 * self.max_files  # a header and padding for each file
        with contextlib.ExitStack() as stack:
            plain = stack.enter_context(tempfile.TemporaryFile())
            with decompress(self.path) as file:
                while data := file.read(2**20):
                    if plain.tell() + len(data) > limit:
                        raise ValueError(f"it must hold at most {self.max_bytes:,} bytes, but holds more")
                    plain.write(data)
            plain.seek(0)
            stack.pop_all()  # success: the temporary file stays open
        return plain

    def _parse(self, file: IO[bytes]) -> tarfile.TarFile:
        return tarfile.open(fileobj=file, mode="r:")

    def _read_entries(self, archive: tarfile.TarFile, skipped: dict[tuple[str, ...], str]) -> Iterator[Entry]:
        for number, member in enumerate(archive):
            parts = split_path(member.name)
            if member.isreg() and not member.issparse():
                yield Entry(parts, number, size=member.size)
            elif member.isdir():
                yield Entry(parts, number, is_folder=True)
            else:
                skipped[parts] = _LINK_REASON if member.issym() or member.islnk() else "not files"
                yield Entry(parts[:-1], number, is_folder=True)
        # tarfile silently stops at a damaged header.
        file: Any = archive.fileobj
        file.seek(archive.offset)
        if file.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
            raise ValueError("it is damaged or cut off, since its end marker is missing; pack it again")
        while block := file.read(2**20):
            if block.strip(tarfile.NUL):
                raise ValueError(
                    "it continues after its end marker, as if it were two archives in one file; pack it again"
                )

    def _describe(self, archive: tarfile.TarFile) -> Iterator[tuple[Any, ...]]:
        return ((member.name, member.size, member.mtime, member.type) for member in archive)


Container: TypeAlias = Folder | Zip | Tar  # all can be pickled, and used after a fork


def open_container(path: Path, max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES) -> Container | None:
    """Returns the folder or the archive at a path, judged by its suffix, or None if it is neither."""
    if path.is_dir():
        return Folder(path)
    name = path.name.lower()
    kind = Zip if name.endswith(_ZIP) else Tar if name.endswith(_TAR) else None
    return None if kind is None else kind(path, max_bytes, max_files)


def split_path(name: str) -> tuple[str, ...]:
    """Returns the parts of a path in an archive, which Windows programs may write with backslashes."""
    return tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))


def is_clutter(part: str) -> bool:
    """Returns whether a part of a path is hidden, or was created by a system or program for itself."""
    return part.startswith(".") or part.casefold() in _CLUTTER


def find_repeated(entries: Iterable[Entry]) -> list[tuple[str, ...]]:
    """Returns the paths of files that occur several times."""
    counts = Counter(entry.parts for entry in entries if not entry.is_folder)
    return [parts for parts, count in counts.items() if count > 1]


@contextlib.contextmanager
def reading(path: str | Path, expected: str) -> Iterator[None]:
    """Names the file in every error, since damaged files raise a dozen types of errors, mostly undocumented."""
    try:
        yield
    except Exception as error:
        raise ValueError(
            f"{str(path)!r} must be {expected}, but reading it failed: {str(error).rstrip('.') or repr(error)}."
        ) from error
