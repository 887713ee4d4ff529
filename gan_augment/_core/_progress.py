"""Progress bars, for work that takes long enough to look at one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

from tqdm.auto import tqdm

DELAY = 2.0  # seconds before a bar is shown


def progress_bar(items: Iterable[Any] | None = None, *, show: bool = True, **options: Any) -> tqdm[Any]:
    """Makes a bar that appears after two seconds, so that short work shows none.

    Args:
        items (iterable, optional): What to go through.
        show (bool): Whether to show it at all.
        **options: Of ``tqdm``.

    Example:
        >>> sum(progress_bar(range(4)))
        6
    """
    # miniters=0: else tqdm waits for another step as large as the first one of a resumed run.
    return _Bar(items, disable=not show, delay=DELAY, miniters=0, **options)


class _Bar(tqdm):  # type: ignore[type-arg]  # generic in its stubs alone
    # tqdm's lock is one of all forked processes, and one that is killed while it holds it stops the others for ever.
    _lock = threading.RLock()
    monitor_interval = 0  # a thread that would hold the lock while others fork

    def refresh(self, *args: Any, **kwargs: Any) -> Any:
        """Draws the bar, also when its words change, but not before its time."""
        if self.disable or time.time() >= self.start_t + (self.delay or 0.0):
            return super().refresh(*args, **kwargs)
        return None
