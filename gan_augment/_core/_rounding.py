"""Divides a count into whole numbers, and spreads indices over it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence


def largest_remainder(
    total: int, weights: Sequence[int], *, limits: Sequence[int] | None = None, order: Iterable[int] | None = None
) -> list[int]:
    """Divides a total in proportion to weights into whole numbers that add up to it.

    Args:
        total (int): The count to divide.
        weights (sequence of int): Non-negative weights, not all zero unless the total is zero.
        limits (sequence of int, optional): The most that each part may get. The others get what exceeds a limit.
        order (iterable of int, optional): All places, in the order in which parts with equal remainders are
            rounded up. Default: from first to last.

    Returns:
        list of int: One part for each weight. Without limits, each is less than 1 from its exact share.

    Raises:
        ValueError: If the total exceeds the sum of the limits.

    Example:
        >>> largest_remainder(5, [1, 1, 2])
        [1, 1, 3]
        >>> largest_remainder(5, [1, 1, 2], limits=[5, 5, 2])
        [2, 1, 2]
    """
    if limits is not None and total > sum(limits):
        raise ValueError(f"total must be at most {sum(limits)}, the sum of the limits, but got {total} instead.")
    if total == 0:
        return [0] * len(weights)
    whole = sum(weights)
    parts = [total * weight // whole for weight in weights]
    if limits is not None:
        parts = [min(part, limit) for part, limit in zip(parts, limits)]
    places = range(len(weights)) if order is None else order
    by_remainder = sorted(places, key=lambda place: whole * parts[place] - total * weights[place])
    missing = total - sum(parts)
    for place in itertools.cycle(by_remainder):
        if missing == 0:
            break
        if limits is None or parts[place] < limits[place]:
            parts[place] += 1
            missing -= 1
    return parts


def evenly_spaced(count: int, most: int) -> list[int]:
    """Returns at most ``most`` of the indices below ``count``, evenly spaced.

    Example:
        >>> evenly_spaced(10, 3)
        [0, 3, 6]
    """
    return [index * count // most for index in range(most)] if count > most else list(range(count))
