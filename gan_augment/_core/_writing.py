"""Writes files and folders completely or not at all: to a temporary name beside them, synced, then renamed."""

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

from ._processes import LOCK

ASIDE = re.compile(r"\..+\.(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-[0-9a-f]{8}")
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
STALE_SECONDS = 24 * 3600.0  # age of files from another machine, whose processes cannot be checked here
SYNCS = 16  # threads
_own: set[str] = set()  # temporary names in use by this process


class NoRoomError(OSError):
    """Raised if a disk or quota is full, or a file too large. The message names the file and the remedy."""

    def __str__(self) -> str:
        return str(self.strerror)


@contextmanager
def write_aside(path: Path, size: int | None = None) -> Iterator[Path]:
    """Yields a temporary path, and renames it to ``path`` after the block, or removes it if the block fails.

    The file is synced before it is renamed, and its folder afterwards. So ``path`` is complete or unchanged, even if
    the process is killed or the power fails.

    Args:
        path (Path): The file, in an existing folder.
        size (int, optional): Number of bytes, for the message if the disk is full.

    Raises:
        NoRoomError: If the disk is full.
        ValueError: If ``path`` is a folder or a device, which a rename would replace.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with write_aside(Path(folder, "a.txt")) as aside:
        ...         _ = aside.write_text("whole")
        ...     [path.name for path in Path(folder).iterdir()]
        ['a.txt']
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{str(path)!r} must be a file, but is a folder or a device; choose another path.")
    with _removed_aside(path, path, size) as aside:
        yield aside
        _sync(aside)
        os.replace(aside, path)
        _sync(path.parent)


@contextmanager
def _removed_aside(path: Path, written: Path, size: int | None) -> Iterator[Path]:
    """Yields a temporary path beside ``path``, and removes what is left there after the block."""
    aside = aside_path(path)
    _own.add(aside.name)
    try:
        with explain_full_disk(written, size):
            yield aside
    finally:
        _remove(aside)
        _own.discard(aside.name)


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file completely or not at all; see :func:`write_aside`."""
    with write_aside(path, len(data)) as aside:
        aside.write_bytes(data)


@contextmanager
def write_folder_aside(folder: Path, size: int | None = None) -> Iterator[Path]:
    """Yields a temporary folder, and renames it to ``folder`` after the block, or removes it if the block fails.

    Args:
        folder (Path): Folder that is missing or empty. Missing parents are created, and temporary files of killed
            processes beside it are removed.
        size (int, optional): Number of bytes, for the message if the disk is full.

    Raises:
        NoRoomError: If the disk is full.
        ValueError: If another process wrote to ``folder`` during the block.
    """
    folder = Path(os.path.realpath(folder))  # a link may lead to another disk, where a rename would fail
    place = folder / "x" if os.path.ismount(folder) else folder  # a mount point cannot be replaced, only filled
    make_folder(place.parent)
    remove_asides(place.parent)
    with _removed_aside(place, folder, size) as aside:
        aside.mkdir()
        yield aside
        with ThreadPoolExecutor(SYNCS) as threads:  # many syncs together take the time of one
            list(threads.map(_sync, [aside, *aside.rglob("*")]))
        _rename_folder(aside, folder)


def _rename_folder(aside: Path, folder: Path) -> None:
    if aside.parent == folder:
        for each in sorted(aside.iterdir()):
            os.replace(each, folder / each.name)
        _sync(folder)
        return
    for name in (LOCK, *(os.listdir(folder) if folder.is_dir() else ())):  # left by killed processes
        if name == LOCK or ASIDE.fullmatch(name):
            _remove(folder / name)
    if os.name == "nt" and folder.is_dir():  # on other systems, the rename replaces an empty folder
        folder.rmdir()
    try:
        os.replace(aside, folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        raise ValueError(
            f"{str(folder)!r} must be new or empty, but another process wrote to it; choose another folder."
        ) from None
    _sync(folder.parent)


def make_folder(folder: Path) -> None:
    """Creates a folder and its parents, and syncs them so that they survive a power failure.

    Raises:
        ValueError: If a file has the name of the folder or a parent.
    """
    missing = [each for each in (folder, *folder.parents) if not each.is_dir()]
    if file := next((each for each in missing if each.exists()), None):
        raise ValueError(f"{str(folder)!r} must be a folder, but {str(file)!r} is a file; choose another path.")
    with explain_full_disk(folder):
        for each in reversed(missing):
            each.mkdir(exist_ok=True)
            _sync(each.parent)


def holds_something(path: Path) -> bool:
    """Returns whether a path is a file, or a folder with more than a lock and temporary files of killed processes."""
    if not path.is_dir():
        return path.exists()
    return any(name != LOCK and not ASIDE.fullmatch(name) for name in os.listdir(path))


def remove_asides(folder: Path, locked: bool = False) -> None:
    """Removes temporary files of killed processes from a folder, but not from its subfolders.

    If ``locked``, this process holds the lock of the folder, and removes every temporary file but its own.
    """
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        match = ASIDE.fullmatch(path.name)
        if match and path.name not in _own and (locked or _is_stale(path, match["host"], int(match["pid"]))):
            _remove(path)


@contextmanager
def explain_full_disk(path: Path, size: int | None = None) -> Iterator[None]:
    """Raises a :class:`NoRoomError`, which says what to do, if the disk is full during the block.

    Args:
        path (Path): File or folder that is written.
        size (int, optional): Its size in bytes.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL or isinstance(error, NoRoomError):
            raise
        needed = "more space than is left" if size is None else f"{size:,} bytes"
        raise NoRoomError(
            error.errno,
            f"{path} needs {needed}, but there is not enough space ({os.strerror(error.errno)}); free some space or "
            "raise the quota, and start again. Files written before this one are complete.",
        ) from None


def aside_path(path: Path) -> Path:
    """Returns a unique temporary path beside ``path``, with the machine and process in its name."""
    short = path.name.encode(errors="ignore")[:100].decode(errors="ignore")  # a name is at most 255 bytes
    return path.with_name(f".{short}.{_host()}-{os.getpid()}-{secrets.token_hex(4)}")


def _host() -> str:
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


def _is_stale(path: Path, host: str, pid: int) -> bool:
    """Returns whether the writing process has ended, or whether the path is a day old if that cannot be checked."""
    if host == _host() and os.name == "posix":
        return pid == os.getpid() or not _is_running(pid)
    try:
        return time.time() - path.stat().st_mtime > STALE_SECONDS
    except FileNotFoundError:
        return False


def _is_running(pid: int) -> bool:
    """Returns whether a process of this machine is running, or may be."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it belongs to another user
        return True
    with contextlib.suppress(OSError, IndexError):
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
        return state != b"Z"  # a zombie: killed, but not yet waited for
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _sync(path: Path) -> None:
    """Syncs a file, or the names in a folder, to the disk."""
    is_folder = path.is_dir()
    if is_folder and os.name != "posix":  # Windows cannot open folders
        return
    descriptor = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network drives do not support it
            raise
    finally:
        os.close(descriptor)
