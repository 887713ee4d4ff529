"""Paired differences and what they allow to say."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["helps", "no effect shown", "hurts"]


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval by Student's t.

    Attributes:
        mean (float): Of the values.
        low (float): Lower end.
        high (float): Upper end.
        n (int): Number of values.
        level (float): Confidence, such as 0.95.
    """

    mean: float
    low: float
    high: float
    n: int
    level: float

    @classmethod
    def of(cls, values: Sequence[float], level: float = 0.95) -> Interval:
        """The interval of the mean of independent values.

        Raises:
            ValueError: If there are fewer than two.

        Example:
            >>> Interval.of([1.0, 2.0, 3.0]).mean
            2.0
        """
        if len(values) < 2:
            raise ValueError(f"An interval must have at least 2 values, but got {len(values)}.")
        from scipy import stats

        mean, n = statistics.fmean(values), len(values)
        reach = stats.t.ppf((1 + level) / 2, n - 1) * statistics.stdev(values) / math.sqrt(n)
        return cls(mean, mean - reach, mean + reach, n, level)

    @property
    def verdict(self) -> Verdict:
        """What it says as the interval of an effect: the whole of it must lie on one side of zero."""
        if self.low > 0:
            return "helps"
        return "hurts" if self.high < 0 else "no effect shown"


def paired_difference(treated: Sequence[float], control: Sequence[float], level: float = 0.95) -> Interval:
    """The interval of the mean difference of paired runs.

    Args:
        treated (sequence of float): One value a seed.
        control (sequence of float): The same seeds without the treatment.
        level (float): Confidence.

    Raises:
        ValueError: If the runs are not paired, or fewer than two.

    Example:
        >>> paired_difference([0.97, 0.98, 0.97], [0.95, 0.955, 0.955]).verdict
        'helps'
    """
    if len(treated) != len(control):
        raise ValueError(f"Paired runs must be as many on both sides, but got {len(treated)} and {len(control)}.")
    return Interval.of([a - b for a, b in zip(treated, control)], level)
