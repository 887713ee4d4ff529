"""The smallest effect that a study can show, and a test that needs no distribution."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch

from ._intervals import Interval, Verdict

ONE_POINT = 0.01
FEW_SPLITS = 5  # with fewer, chance alone decides how wide an interval is
EXACT_SPLITS = 16  # with more splits, signs are drawn at random


def power_sentence(found: Interval, n: int, splits: int) -> str:
    """Returns the smallest effect that can be shown, and how many test images and splits would show one point.

    With fewer than five splits, these numbers are left out, because chance can make them far too large.

    Args:
        found (Interval): Paired difference between two arms of the study, of any kind.
        n (int): Number of test images.
        splits (int): Number of splits.
    """
    effect = (found.high - found.low) / 2
    sentence = (
        f"With {n:,} test images and {splits} splits, the interval reaches about {effect * 100:.1f} points to either "
        "side. An effect of this size is shown in about half of such studies."
    )
    if effect <= ONE_POINT:
        return sentence
    if splits < FEW_SPLITS:
        return f"{sentence} Use {FEW_SPLITS} splits or more: with fewer, intervals can be wide by chance."
    times = (effect / ONE_POINT) ** 2  # a variance is inversely proportional to the numbers of both
    images, more = (math.ceil(times * each) for each in (n, splits))
    return f"{sentence} To show one point, it needs about {images:,} test images and {more:,} splits."


def sign_flip_test(differences: Sequence[float]) -> float:
    """Returns the p-value of a two-sided sign-flip test of the mean of independent differences.

    If there were no effect, each difference might as well have the other sign. The p-value is the share of all choices
    of signs whose mean is at least as far from zero (https://doi.org/10.2307/2984124). It does not assume a normal
    distribution. It cannot be below ``2 / 2**n``.

    Args:
        differences (sequence of float): One difference for each split. With more than 16, 65,536 choices are drawn.

    Example:
        >>> sign_flip_test([0.01, 0.02, 0.01, 0.03, 0.02])
        0.0625
    """
    values = torch.tensor(differences, dtype=torch.float64)
    if len(values) <= EXACT_SPLITS:
        signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=len(values))), dtype=torch.float64)
    else:
        rng = torch.Generator().manual_seed(0)
        signs = torch.randint(2, (2**EXACT_SPLITS, len(values)), generator=rng).double() * 2 - 1
        signs[0] = 1.0  # the observed signs are among those that are drawn
    means = (signs @ values).abs()
    return float((means >= values.sum().abs() * (1 - 1e-9)).double().mean())


def joint_verdict(found: Interval, p_value: float, splits: int) -> Verdict:
    """Returns the verdict of the interval if the sign-flip test shows it too, as far as it can with few splits."""
    return found.verdict if p_value <= max(0.05, 2 / 2**splits) else "no effect shown"
