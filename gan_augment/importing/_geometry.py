"""Lists the usual strides and paddings of convolutions in generators, each with a cost: the rarer, the higher."""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import NamedTuple

from ..models import conv_side
from ._hypothesis import Hints

MAX_SIDE = 512


class Geometry(NamedTuple):
    """How a convolution moves over its input."""

    stride: int
    padding: int
    output_padding: int


@lru_cache(maxsize=10_000)
def reachable_sides(side: int, kernels: tuple[int, ...], number: int, hints: Hints) -> frozenset[int]:
    """Returns all sides that images may have after convolutions with these kernels.

    ``number`` is the number of convolutions before them.
    """
    if not kernels:
        return frozenset((side,))
    kernel, *rest = kernels
    after: set[int] = set()
    for before in (side, 2 * side) if kernel % 2 else (side,):
        for transposed in (True, False):
            for geometry in likely_geometries(transposed, kernel, before, 1, number, False, hints):
                layer = {"kind": "conv_transpose" if transposed else "conv", "kernel_size": kernel}
                after.add(conv_side({**layer, **geometry._asdict()}, before))
    possible = (new for new in after if 1 <= new <= MAX_SIDE)
    return frozenset().union(*(reachable_sides(new, tuple(rest), number + 1, hints) for new in possible))


def likely_geometries(
    transposed: bool, kernel: int, side: int, out: int, number: int, after_even: bool, hints: Hints
) -> dict[Geometry, float]:
    """Returns the usual geometries that agree with the hints, with costs. If there are none, returns all that agree.

    ``side`` is the side of the input, ``out`` the number of output channels, ``number`` the number of convolutions
    before this one, and ``after_even`` whether all of them have even kernels.
    """
    usual = _usual_geometries(transposed, kernel, side, out, after_even)
    wanted = [
        None if hint is None or number >= len(hint) else hint[number]
        for hint in (hints.strides, hints.paddings, hints.output_paddings)
    ]
    if wanted == [None, None, None]:
        if side > 1:
            return usual
        # For a single pixel, every stride gives the same output. Keep the likeliest stride of each padding.
        likeliest: dict[tuple[int, int], Geometry] = {}
        for each in sorted(usual, key=lambda geometry: usual[geometry]):
            likeliest.setdefault((each.padding, each.output_padding), each)
        return {each: usual[each] for each in likeliest.values()}
    agreeing = {each: cost for each, cost in usual.items() if all(w in (None, g) for w, g in zip(wanted, each))}
    if agreeing:
        return agreeing
    strides, paddings, outputs = (
        others if hint is None else (hint,) for hint, others in zip(wanted, ((1, 2), range(kernel), (0, 1)))
    )
    return {
        Geometry(stride, padding, output): 2.0 + output
        for stride, padding, output in itertools.product(strides, paddings, outputs)
        if stride >= 1 and padding >= 0 and (0 <= output < stride if transposed else output == 0)
    }


def _usual_geometries(transposed: bool, kernel: int, side: int, out: int, after_even: bool) -> dict[Geometry, float]:
    """Returns the geometries of published generators, each with its cost."""
    costs: dict[tuple[int, int, int], float]
    half = kernel // 2
    if not transposed:
        costs = {(1, 0, 0): 1.5 if kernel > 1 else 0.0} | ({(1, half, 0): 0.0} if kernel % 2 else {})
    elif kernel == 1:  # the last layer of some networks for digits cuts 32 pixels to 28
        costs = {(1, 0, 0): 0.5, (1, 2, 0): 0.0} if side == 32 and out == 1 else {(1, 0, 0): 0.0, (1, 2, 0): 3.0}
    else:
        costs = {(stride, padding, 0): 2.0 for stride, padding in ((1, 1), (2, 1), (2, 2), (2, 3))}
        costs |= {(1, 0, 0): 1.0, (2, 0, 0): 1.0}
        first = 0.0 if side > 1 else 1.0  # a map of one pixel is rarely doubled
        if kernel % 2 == 0:
            costs |= {(2, half - 1, 0): first, (4, max(half - 2, 0), 0): 2.0, (1, 0, 0): 2.0}
        else:
            tripled, refined = after_even and kernel == 5, after_even and kernel == 3
            costs[2, half, 1] = (1.0 if tripled or refined else 0.2) + first
            costs[1, half, 0] = (0.8 if tripled else 0.1 if refined else 0.4) + first
            costs[2, half, 0] = 1.2 + first
            costs[3, max(half - 1, 0), 0] = (0.2 if tripled else 1.5) + first  # the last step from 32 to 96 pixels
        if side == 1:
            costs[1, 0, 0] = 0.0 if kernel > 2 else 1.0
    return {Geometry(*numbers): cost for numbers, cost in costs.items()}
