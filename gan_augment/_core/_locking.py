"""A lock on a folder, which ends with the process that holds it."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = ".lock"
BUSY = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
BEYOND = 2**20  # the byte that is locked on Windows, which nobody may read then


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Holds a folder, so that no other process (or thread) that locks it works in it during the block.

    The system gives the lock back when the process ends, however it ends: a killed one leaves nothing to clean up.

    Args:
        folder (Path): An existing folder.

    Raises:
        ValueError: If somebody holds it, naming the process.

    Warns:
        UserWarning: If the disk has no locks.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, lock_folder(Path(folder)):
        ...     with lock_folder(Path(folder)):
        ...         pass
        Traceback (most recent call last):
        ...
        ValueError: ... is in use by process ...
    """
    path = folder / LOCK
    descriptor = _open_locked(path, folder)
    try:
        os.ftruncate(descriptor, 0)
        with contextlib.suppress(OSError):  # on a full disk the lock holds all the same
            os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        if os.name == "posix":  # while the lock is held, so that nobody's but our own goes
            path.unlink(missing_ok=True)
        os.close(descriptor)
        if os.name != "posix":  # which removes no open file, and so nobody else's
            with contextlib.suppress(OSError):
                path.unlink()


def _open_locked(path: Path, folder: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor)
        except OSError as error:
            holder = os.read(descriptor, 1000).decode(errors="replace") or "another process"
            os.close(descriptor)
            if error.errno in BUSY:
                raise ValueError(
                    f"{str(folder)!r} is in use by {holder}; wait until it ends, stop it, or take another folder."
                ) from error
            raise
        if _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)  # its holder ended, and removed it, between the two calls


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _lock(descriptor: int) -> None:
    """Locks an open file, or raises what the system says at once."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, BEYOND, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL):
            raise
        warnings.warn(
            f"This disk has no locks ({error.strerror}): see that no two processes work in the same folder.",
            UserWarning,
            stacklevel=5,
        )
