"""Whole numbers: seeds, parts of a count, and evenly spaced indices."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import torch

from ._checks import check_count

MAX_SEED = 2**63 - 1


def draw_seed() -> int:
    """Draws a seed from torch's global generator."""
    return int(torch.randint(MAX_SEED, ()).item())


def mix_seed(*parts: int) -> int:
    """Hashes several numbers to one seed (splitmix64, https://doi.org/10.1145/2660193.2660195)."""
    state = 0
    for part in parts:
        state = ((state ^ part) + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state >> 1


def seed_device(seed: int, device: torch.device) -> None:
    """Seeds the random generators of a device, like :func:`torch.manual_seed`, but faster on the CPU."""
    # Where CUDA is installed but not in use, torch writes a stack trace for each seed, which slows small steps.
    if device.type == "cpu" and not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


def check_seed(seed: int | None) -> int:
    """Checks a seed and returns it, or draws one from torch's global generator if it is None."""
    if seed is None:
        return draw_seed()
    seed = check_count("seed", seed, 0)
    if seed > MAX_SEED:
        raise ValueError(f"seed must be at most 2**63 - 1, but got {seed} instead.")
    return seed


def largest_remainder(
    total: int, weights: Sequence[int], *, limits: Sequence[int] | None = None, order: Iterable[int] | None = None
) -> list[int]:
    """Divides a total in proportion to weights into whole numbers that add up to it.

    Without limits, each part is less than 1 from its exact share.

    Args:
        total (int): The count to divide.
        weights (sequence of int): Non-negative weights, not all zero unless the total is zero.
        limits (sequence of int, optional): The most that each part may get. The others get what exceeds a limit.
        order (iterable of int, optional): All places, in the order in which parts with equal remainders are
            rounded up. Default: from first to last.

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
    whole, most = sum(weights), [total] * len(weights) if limits is None else limits
    parts = [min(total * weight // whole, limit) for weight, limit in zip(weights, most)]
    places = range(len(weights)) if order is None else order
    by_remainder = sorted(places, key=lambda place: whole * parts[place] - total * weights[place])
    missing = total - sum(parts)
    for place in itertools.cycle(by_remainder):
        if missing == 0:
            break
        if parts[place] < most[place]:
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
