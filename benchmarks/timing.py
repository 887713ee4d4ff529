"""Times two or more things in turn, and gives the ratios of their times."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch


def seconds(work: Callable[[], object]) -> float:
    """How long a call takes, with all that it started on a GPU."""
    _wait()
    started = time.perf_counter()
    work()
    _wait()
    return time.perf_counter() - started


def _wait() -> None:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def in_turn(works: list[Callable[[], object]], rounds: int, repeats: int = 1) -> list[list[float]]:
    """Seconds of each work in each round: all take turns, ``repeats`` times in a round, after one round for warmth."""
    found: list[list[float]] = []
    for _ in range(rounds + 1):
        sums = [0.0] * len(works)
        for _ in range(repeats):
            for place, work in enumerate(works):
                sums[place] += seconds(work)
        found.append(sums)
    return [list(each) for each in zip(*found[1:])]


def ratios(first: Callable[[], object], second: Callable[[], object], rounds: int, repeats: int = 1) -> list[float]:
    """The time of the first over the time of the second, in each round."""
    times = in_turn([first, second], rounds, repeats)
    return [one / other for one, other in zip(*times)]
