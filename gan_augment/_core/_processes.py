"""Handles the signals that end a process, and locks a folder so that only one process uses it."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
LOCK = ".lock"
BUSY = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
LOCKED_BYTE = 2**20  # locked position on Windows, beyond the text, since locked bytes cannot be read


def end_by_signal(number: int) -> NoReturn:
    """Ends the process with a KeyboardInterrupt for Ctrl-C, or with exit status 128 plus the signal's number."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


@contextmanager
def on_end_signal(handle: Callable[[int], None]) -> Iterator[None]:
    """Calls a function in the main thread, with the signal's number, if a signal asks the process to end.

    The second time, the same signal ends the process. Signals that are ignored, for example by nohup, stay ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}

    def handler(number: int, _: FrameType | None) -> None:
        signal.signal(number, before[number])
        handle(number)

    for number in ENDING:
        known = signal.getsignal(number)
        if callable(known) or known == signal.SIG_DFL:
            before[number] = known
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, known in before.items():
            signal.signal(number, known)


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Locks an existing folder for the block, so that only one process (and thread) works in it.

    The system releases the lock when the process ends, even if it is killed.

    Raises:
        ValueError: If it is locked already. The message names the process.

    Warns:
        UserWarning: If the disk does not support locks.

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
        with contextlib.suppress(OSError):  # the lock also works on a full disk
            os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        if os.name == "posix":  # before the lock ends: afterwards it may be the file of another process
            path.unlink(missing_ok=True)
        os.close(descriptor)
        if os.name != "posix":  # Windows does not remove files that others have open
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
                    f"{str(folder)!r} is in use by {holder}; wait until it ends, stop it, or choose another folder."
                ) from None
            raise
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        os.close(descriptor)  # its owner ended and removed it between the two calls


def _lock(descriptor: int) -> None:
    """Locks an open file, or raises the system's error without waiting."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
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
            f"This disk does not support locks ({error.strerror}). Make sure that only one process uses this folder.",
            UserWarning,
            stacklevel=5,
        )
