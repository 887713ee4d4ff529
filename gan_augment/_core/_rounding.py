"""Divides a count into whole numbers, and spreads indices over it."""

from __future__ import annotations

from collections.abc import Sequence


def largest_remainder(total: int, weights: Sequence[int]) -> list[int]:
    """Divides a total in proportion to weights into whole numbers that add up to it.

    Of equal remainders, the first ones are rounded up.

    Args:
        total (int): The count to divide.
        weights (sequence of int): Non-negative weights, not all zero unless the total is zero.

    Returns:
        list of int: One part for each weight, less than 1 from its exact share.

    Example:
        >>> largest_remainder(5, [1, 1, 2])
        [1, 1, 3]
    """
    if total == 0:
        return [0] * len(weights)
    whole = sum(weights)
    parts = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda place: -(total * weights[place] % whole))
    for place in by_remainder[: total - sum(parts)]:
        parts[place] += 1
    return parts


def evenly_spaced(count: int, most: int) -> list[int]:
    """Returns at most ``most`` of the indices below ``count``, evenly spaced.

    Example:
        >>> evenly_spaced(10, 3)
        [0, 3, 6]
    """
    return [index * count // most for index in range(most)] if count > most else list(range(count))
