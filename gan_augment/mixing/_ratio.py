"""Counts out of ratios."""

from __future__ import annotations

import math
import numbers
import warnings

import torch

from .._core import check_count
from ..data import MAX_LABELS


def check_ratio(ratio: float, mode: str) -> float:
    """A ratio that the mode can give: [0, 1] in place of real images, [0, 1) in addition to them.

    Raises:
        TypeError: If it is no number.
        ValueError: If it is out of range.
    """
    if isinstance(ratio, bool) or not isinstance(ratio, numbers.Real):  # numpy's numbers are
        raise TypeError(f"ratio must be a number, but got {type(ratio)} instead.")
    if not (0 <= ratio < 1 or (ratio == 1 and takes_places(mode))):
        bounds = "[0, 1]" if takes_places(mode) else "[0, 1)"
        raise ValueError(f"ratio must be in {bounds} for mode={mode!r}, but got {ratio} instead.")
    return float(ratio)


def check_num_classes(num_classes: int) -> int:
    """Checks a number of classes of the data.

    Raises:
        TypeError: If it is not an int.
        ValueError: If it is out of range.
    """
    if check_count("num_classes", num_classes, 1) > MAX_LABELS:
        raise ValueError(f"num_classes must be at most {MAX_LABELS:,}, but got {num_classes:,} instead.")
    return int(num_classes)


def check_mode(mode: str) -> str:
    """One of the four modes.

    Raises:
        ValueError: If it is another.
    """
    if mode not in ("append", "replace", "balance", "fill"):
        raise ValueError(f"mode must be 'append', 'replace', 'balance' or 'fill', but got {mode!r} instead.")
    return mode


def takes_places(mode: str) -> bool:
    """Whether synthetic images take the places of real ones, instead of being added to them."""
    return mode in ("replace", "balance")


def warn_of_fill(mode: str) -> None:
    """Warns of what filling rare classes up does, if that is the mode."""
    if mode == "fill":
        warnings.warn(
            "mode='fill' makes rare classes mostly synthetic, and a classifier can learn that what looks synthetic is "
            "rare: it cost 10 and 23 points of balanced accuracy in two studies (docs/evidence.md). Use "
            "mode='balance' instead.",
            UserWarning,
            stacklevel=3,
        )


def synthetic_share(ratio: float, mode: str) -> float:
    """Synthetic images per real image that was there: ``ratio``, or ``ratio / (1 - ratio)`` by appending."""
    return ratio if takes_places(mode) else ratio / (1 - ratio)


def stochastic_round(value: float) -> int:
    """A neighbouring whole number whose expectation is the value; drawn from torch's global generator."""
    whole = math.floor(value)
    if value == whole:
        return whole  # ratio 0 is the identity for the random state as well
    return whole + int(torch.rand(()).item() < value - whole)
