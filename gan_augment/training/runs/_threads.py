"""The number of threads with which a network trains fastest."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

TRIALS = 5


def fastest_threads(work: Callable[[], object], seconds: float) -> int:
    """Returns the number of threads with which some work is fastest: 1, 2, 4 and so on, up to torch's own number.

    Small networks gain little from more threads. On a busy machine the threads wait for each other: two threads have
    been ten times slower than one.

    Args:
        work (callable): The work to measure, a few times with each number.
        seconds (float): Time after which no further number is tried; at least two are.

    Returns:
        int: The number. Torch's own setting is left as it was.
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
    """Returns the median time of a few calls, without the first, which starts threads and chooses kernels."""
    began = time.perf_counter()
    times: list[float] = []
    while len(times) <= TRIALS and (not times or time.perf_counter() - began < seconds):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:] or times)


@contextmanager
def threads_kept() -> Iterator[None]:
    """Restores torch's number of threads at the end."""
    own = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(own)
