"""Files and folders that are whole or absent: written aside in the same place, synced, and then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import socket
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from ._locking import LOCK

ASIDE = re.compile(r"\..+\.(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-[0-9a-f]{8}")
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
STALE_SECONDS = 24 * 3600.0  # of what another machine wrote, whose processes cannot be looked up here
SYNCS = 16
_own: set[str] = set()  # names that this process writes to now


class NoRoomError(OSError):
    """Says that the disk is full, the quota reached or the file too large, for what, and what to do."""

    def __str__(self) -> str:
        return str(self.strerror)


@contextmanager
def write_aside(path: Path, size: int | None = None) -> Iterator[Path]:
    """Gives a path to write a file to, which becomes ``path`` if the block ends well and is removed if it does not.

    The file is synced before it is renamed, and its folder afterwards, so that ``path`` is whole or as it was before,
    also when the process is killed or the power fails.

    Args:
        path (Path): The file, in a folder that exists.
        size (int, optional): Bytes that will be written, for the message if the disk is full.

    Raises:
        NoRoomError: If the disk is full; the message names ``path`` and the space that it needs.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with write_aside(Path(folder, "a.txt")) as aside:
        ...         _ = aside.write_text("whole")
        ...     [path.name for path in Path(folder).iterdir()]
        ['a.txt']
    """
    aside = aside_path(path)
    _own.add(aside.name)
    try:
        with explain_full_disk(path, size):
            yield aside
            _sync(aside)
            os.replace(aside, path)
            _sync(path.parent)
    finally:
        aside.unlink(missing_ok=True)
        _own.discard(aside.name)


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file that is whole or as it was before; see :func:`write_aside`."""
    with write_aside(path, len(data)) as aside:
        aside.write_bytes(data)


@contextmanager
def write_folder_aside(folder: Path, size: int | None = None) -> Iterator[Path]:
    """Gives a new folder to fill, which becomes ``folder`` if the block ends well and is removed if it does not.

    Args:
        folder (Path): Missing or empty. Missing parents are made, and what killed writers left beside it is removed.
        size (int, optional): Bytes that will be written, for the message if the disk is full.

    Raises:
        NoRoomError: If the disk is full; the message names ``folder`` and the space that it needs.
        ValueError: If somebody else filled ``folder`` meanwhile.
    """
    folder = Path(os.path.realpath(folder))  # a link may lead to another disk, and the rename must stay on one
    place = folder / "x" if os.path.ismount(folder) else folder  # what is mounted cannot be replaced, only filled
    make_folder(place.parent)
    remove_asides(place.parent)
    aside = aside_path(place)
    _own.add(aside.name)
    try:
        with explain_full_disk(folder, size):
            aside.mkdir()
            yield aside
            with ThreadPoolExecutor(SYNCS) as threads:  # the disk takes many together in the time of one
                for _ in threads.map(_sync, [aside, *aside.rglob("*")]):
                    pass
            _become(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        _own.discard(aside.name)


def _become(aside: Path, folder: Path) -> None:
    if aside.parent == folder:
        for each in sorted(aside.iterdir()):
            os.replace(each, folder / each.name)
        _sync(folder)
        return
    for name in (LOCK, *(os.listdir(folder) if folder.is_dir() else ())):  # of those who were killed here
        if name == LOCK or ASIDE.fullmatch(name):
            _remove(folder / name)
    if os.name == "nt" and folder.is_dir():  # elsewhere the rename itself replaces an empty folder
        folder.rmdir()
    try:
        os.replace(aside, folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        raise ValueError(
            f"{str(folder)!r} must be new or empty, but was filled meanwhile; take another folder."
        ) from error
    _sync(folder.parent)


def make_folder(folder: Path) -> None:
    """Makes a folder and its parents, so that they are still there if the power fails.

    Raises:
        ValueError: If a file is in the way.
    """
    missing = [each for each in (folder, *folder.parents) if not each.is_dir()]
    for each in missing:
        if each.exists():
            raise ValueError(f"{str(folder)!r} must be a folder, but {str(each)!r} is a file; take another path.")
    with explain_full_disk(folder):
        for each in reversed(missing):
            each.mkdir(exist_ok=True)
            _sync(each.parent)


def holds_something(path: Path) -> bool:
    """Whether a path is a file, or a folder with more in it than a lock and what killed writers left."""
    if not path.is_dir():
        return path.exists()
    return any(name != LOCK and not ASIDE.fullmatch(name) for name in os.listdir(path))


def remove_asides(folder: Path, locked: bool = False) -> None:
    """Removes what writers that were killed left half-written in a folder.

    Args:
        folder (Path): To look into; folders in it are not looked into.
        locked (bool): Whether this process holds the folder's lock, so that nobody else can be writing in it.
    """
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        match = ASIDE.fullmatch(path.name)
        if match and path.name not in _own and (locked or _is_stale(path, match["host"], int(match["pid"]))):
            _remove(path)


@contextmanager
def explain_full_disk(path: Path, size: int | None = None) -> Iterator[None]:
    """Says what to do if the block finds no room for a file or folder of ``size`` bytes.

    Raises:
        NoRoomError: In place of what the system raises.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL or isinstance(error, NoRoomError):
            raise
        needed = "more space than is left" if size is None else f"{size:,} bytes"
        raise NoRoomError(
            error.errno,
            f"{path} needs {needed}, but there is no room ({os.strerror(error.errno)}); free some space or raise the "
            "quota, and start again: what was written before is whole.",
        ) from error


def aside_path(path: Path) -> Path:
    """A name beside ``path`` that nobody else takes, which says whose it is."""
    short = path.name.encode(errors="ignore")[:100].decode(errors="ignore")  # a name is at most 255 bytes
    return path.with_name(f".{short}.{_host()}-{os.getpid()}-{secrets.token_hex(4)}")


def _host() -> str:
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


def _is_stale(path: Path, host: str, pid: int) -> bool:
    """Whether what writes a path is gone: its process, or, if that cannot be looked up, all signs of it for a day."""
    if host == _host() and os.name == "posix":
        return pid == os.getpid() or not _is_running(pid)
    try:
        return time.time() - path.stat().st_mtime > STALE_SECONDS
    except FileNotFoundError:
        return False


def _is_running(pid: int) -> bool:
    """Whether a process of this machine runs; in doubt, it does."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it belongs to somebody else
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return True
    return state != b"Z"  # killed, and not yet waited for


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _sync(path: Path) -> None:
    """Brings a file, or the names in a folder, to the disk."""
    is_folder = path.is_dir()
    if is_folder and os.name != "posix":  # elsewhere a folder cannot be opened
        return
    descriptor = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network drives have no such call
            raise
    finally:
        os.close(descriptor)
