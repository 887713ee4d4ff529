"""Signals that ask a process to end: so that work can be put away first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def end_by(number: int) -> NoReturn:
    """Ends as a signal does: what Ctrl-C sends is a KeyboardInterrupt, others exit with 128 and their number."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


@contextmanager
def on_ending(handle: Callable[[int], None]) -> Iterator[None]:
    """Calls a function in place of ending, in the main thread; a signal that is ignored, as by nohup, stays so.

    The same signal ends the process as before when it comes a second time.

    Args:
        handle (callable): Takes the signal's number.
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
