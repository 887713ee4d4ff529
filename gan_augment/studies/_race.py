"""Races: candidates train on more seeds in each round, and the worse half of them drops out after it."""

from __future__ import annotations

import math


def race_rounds(candidates: int, first: int, last: int) -> list[tuple[int, int]]:
    """Returns the number of candidates and of seeds in each round, until one candidate is left.

    The numbers of seeds grow evenly from ``first`` to ``last`` (successive halving,
    https://proceedings.mlr.press/v51/jamieson16.html). Two candidates need a single round, with ``last`` seeds.

    Example:
        >>> race_rounds(5, 2, 5)
        [(5, 2), (3, 4), (2, 5)]
    """
    first, rounds = min(first, last), math.ceil(math.log2(candidates)) if candidates > 1 else 0
    found = []
    for index in range(rounds):
        part = index / (rounds - 1) if rounds > 1 else 1.0
        found.append((candidates, math.ceil(first + part * (last - first))))
        candidates = math.ceil(candidates / 2)
    return found


def race_trainings(candidates: int, first: int, last: int) -> int:
    """Returns the number of training runs in a race, without those that give the winner its remaining seeds."""
    done = total = 0
    for number, seeds in race_rounds(candidates, first, last):
        total += number * (seeds - done)
        done = seeds
    return total
