"""How many threads a network trains fastest on."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

TRIALS = 5


def fastest_threads(work: Callable[[], object], seconds: float) -> int:
    """The number of threads that some work is fastest on: 1, 2, 4 and so on, up to torch's own number.

    Small networks gain little from more threads, and on a busy machine the threads wait for each other: two of them
    have been ten times slower than one.

    Args:
        work (callable): What to measure, a few times with each number.
        seconds (float): Time after which to try no more; at least two numbers are tried.

    Returns:
        int: The number; torch's own is left as it was.
    """
    own = torch.get_num_threads()
    counts = [count for count in (1, 2, 4, 8, 16, 32, 64, 128) if count < own] + [own]
    fastest, best, deadline = own, float("inf"), time.perf_counter() + seconds
    if own == 1:
        return own
    try:
        for index, count in enumerate(counts):
            if index > 1 and time.perf_counter() > deadline:
                break
            torch.set_num_threads(count)
            taken = _median_seconds(work, seconds / 4)
            if taken >= best:
                break
            fastest, best = count, taken
    finally:
        torch.set_num_threads(own)
    return fastest


def _median_seconds(work: Callable[[], object], seconds: float) -> float:
    """Of a few calls, without the first, which starts threads and chooses kernels, if there is time for more."""
    began = time.perf_counter()
    times: list[float] = []
    while len(times) <= TRIALS and (not times or time.perf_counter() - began < seconds):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:] or times)


@contextmanager
def threads_kept() -> Iterator[None]:
    """Gives torch its number of threads back in the end."""
    own = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(own)
