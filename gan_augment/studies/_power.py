"""The smallest effect that a study can show, and a test that assumes no distribution."""

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
    """Returns how small an effect the study can show, and how many test images and splits one point would need.

    With fewer than five splits, it leaves out these numbers, because chance can make them far too large.

    Args:
        found (Interval): Paired difference between two arms of the study, of any kind.
        n (int): Number of test images.
        splits (int): Number of splits.
    """
    effect = (found.high - found.low) / 2
    sentence = (
        f"With {n:,} test images and {splits} splits, chance can move the result by about {effect * 100:.1f} points to "
        f"either side ({found.level * 100:g}% interval). Such a study can show a true effect of this size about half "
        "of the time, and a smaller one less often."
    )
    if effect <= ONE_POINT:
        return sentence
    if splits < FEW_SPLITS:
        return f"{sentence} Use {FEW_SPLITS} splits or more: with fewer, intervals can be wide by chance."
    times = (effect / ONE_POINT) ** 2  # a variance is inversely proportional to the numbers of both
    images, more = (math.ceil(times * each) for each in (n, splits))
    return (
        f"{sentence} To show an effect of one point as often, use about {images:,} test images and {more:,} seeds, "
        "each with its own split."
    )


def sign_flip_test(differences: Sequence[float]) -> float:
    """Returns the p-value of a two-sided sign-flip test of the mean of independent differences.

    Without an effect, each difference is equally likely to have either sign. The p-value is the share of all choices of
    signs whose mean is at least as far from zero as the observed one (https://doi.org/10.2307/2984124). The test does
    not assume a normal distribution. The p-value cannot be below ``2 / 2**n``.

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
    """Returns the verdict of the interval if the sign-flip test agrees, and ``"no effect shown"`` otherwise.

    The test agrees if the p-value is at most 0.05 or, with five or fewer splits, the smallest possible.
    """
    return found.verdict if p_value <= max(0.05, 2 / 2**splits) else "no effect shown"
