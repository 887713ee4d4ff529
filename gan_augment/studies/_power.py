"""The smallest effect that a study can show, and a test that does not assume a normal distribution."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

ONE_POINT = 0.01
MOST_SEEDS, MOST_IMAGES = 1000, 10**7  # larger numbers would not be practical
EXACT_SPLITS = 16  # with more splits, signs are drawn at random


@dataclass(frozen=True)
class Variances:
    """Variances of a paired difference in accuracy: between test images, between splits, and of single predictions."""

    images: float
    splits: float
    residual: float

    @classmethod
    def of(cls, treated: Tensor, control: Tensor) -> Variances:
        """Estimates the variances from the scores of two arms, ``(splits, n)``, with at least 2 splits and 2 images."""
        differences = treated.double() - control.double()
        splits, n = differences.shape
        by_image, by_split = differences.mean(0), differences.mean(1)
        errors = differences - by_image - by_split[:, None] + differences.mean()
        residual = float(errors.square().sum()) / ((splits - 1) * (n - 1))
        images = max(float(by_image.var()) - residual / splits, 0.0)
        return cls(images, max(float(by_split.var()) - residual / n, 0.0), residual)

    def smallest_effect(self, n: int, splits: int) -> float:
        """Returns the half width of a 95% interval with ``n`` test images."""
        from scipy import stats

        variance = self.images / n + self.splits / splits + self.residual / (n * splits)
        return float(stats.t.ppf(0.975, splits - 1)) * math.sqrt(variance)


def power_sentence(variances: Variances, n: int, splits: int) -> str:
    """Returns a sentence on the smallest effect that can be shown, and on what it would take to show one point."""
    effect = variances.smallest_effect(n, splits)
    smallest = f"{effect:.1%}".replace("%", " points")
    sentence = f"With {n:,} test images and {splits} splits, the smallest effect that can be shown is about {smallest}."
    if effect <= ONE_POINT:
        return sentence
    more_images = _first(n, MOST_IMAGES, lambda images: variances.smallest_effect(images, splits))
    more_splits = _first(splits, MOST_SEEDS, lambda count: variances.smallest_effect(n, count))
    ways = [f"{more_images:,} test images"] if more_images else []
    ways += [f"{more_splits:,} splits"] if more_splits else []
    if not ways:
        return f"{sentence} To show one point, the study needs both more test images and more splits."
    return f"{sentence} To show one point, the study needs about {' or '.join(ways)}."


def _first(low: int, high: int, effect: Callable[[int], float]) -> int | None:
    """Returns the smallest number up to ``high`` with which one point can be shown, or None."""
    if effect(high) > ONE_POINT:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if effect(middle) <= ONE_POINT else (middle + 1, high)
    return low


def sign_flip_test(differences: Sequence[float]) -> float:
    """Returns the p-value of a two-sided sign-flip test of the mean of independent differences.

    Without an effect, each difference would be as likely to have the opposite sign. The p-value is the share of all
    combinations of signs whose mean is at least as far from zero as the observed mean
    (https://doi.org/10.2307/2984124). The test does not assume a normal distribution. With ``n`` differences, the
    p-value cannot be below ``2 / 2**n``.

    Args:
        differences (sequence of float): One difference for each split. With more than 16, the test draws 65,536 random
            combinations of signs.

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


def agrees(p_value: float, splits: int) -> bool:
    """Returns whether the sign-flip test shows an effect; with five or fewer splits, all must have the same sign."""
    return bool(p_value <= max(0.05, 2 / 2**splits))
