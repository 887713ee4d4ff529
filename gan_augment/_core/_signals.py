"""Signals that ask a process to end, so that it can save its work first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def end_by_signal(number: int) -> NoReturn:
    """Ends like the signal: a KeyboardInterrupt for Ctrl-C, and exit status 128 plus the number for others."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


@contextmanager
def on_end_signal(handle: Callable[[int], None]) -> Iterator[None]:
    """Calls a function with the number of a signal that asks the process to end, in the main thread.

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
