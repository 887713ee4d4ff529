"""Progress bars for long work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

from tqdm.auto import tqdm

DELAY = 2.0  # seconds before a bar is shown


def progress_bar(items: Iterable[Any] | None = None, *, show: bool = True, **options: Any) -> tqdm[Any]:
    """Returns a progress bar that appears after two seconds, so that short work shows none.

    Args:
        items (iterable, optional): Items to iterate over.
        show (bool): Whether to show the bar. Default: True.
        **options: Options of ``tqdm``.

    Example:
        >>> sum(progress_bar(range(4)))
        6
    """
    # Without miniters=0, tqdm waits for another step as large as the first one of a resumed run.
    return _Bar(items, disable=not show, delay=DELAY, miniters=0, **options)


class _Bar(tqdm):  # type: ignore[type-arg]  # generic only in its stubs
    # Forked processes share tqdm's lock. If one is killed while it holds the lock, the others wait forever.
    _lock = threading.RLock()
    monitor_interval = 0  # no monitor thread, which might hold the lock during a fork

    def refresh(self, *args: Any, **kwargs: Any) -> Any:
        """Draws the bar, but not before the delay is over, even if its text changes."""
        if self.disable or time.time() >= self.start_t + (self.delay or 0.0):
            return super().refresh(*args, **kwargs)
        return None
