"""Paired differences and what they allow to say."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

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
        reach = float(stats.t.ppf((1 + level) / 2, n - 1)) * statistics.stdev(values) / math.sqrt(n)
        return cls(mean, mean - reach, mean + reach, n, level)

    @property
    def verdict(self) -> Verdict:
        """What it says as the interval of an effect: the whole of it must lie on one side of zero."""
        if self.low > 0:
            return "helps"
        return "hurts" if self.high < 0 else "no effect shown"

    @property
    def verdict_words(self) -> str:
        """The verdict as it stands in a sentence."""
        return in_words(self.verdict)


def in_words(verdict: Verdict) -> str:
    """A verdict as it stands in a sentence."""
    return f"{verdict} here" if verdict != "no effect shown" else "shows no effect here"


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


def crossed_difference(treated: Tensor, control: Tensor, labels: Tensor | None = None, level: float = 0.95) -> Interval:
    """The interval of a difference in accuracy, over seeds and over test images at once.

    An interval over seeds alone speaks of these test images only: on others, of which there may be few, the
    difference would be another. Here seeds and images are crossed random effects, whose variances add up; the degrees
    of freedom are Satterthwaite's (https://doi.org/10.2307/3002019). Where neither seeds nor images differ in effect,
    which no one meets, it is wider than it need be.

    Args:
        treated (Tensor): Score of each seed on each test image, ``(seeds, n)``, such as 1 where it is right.
        control (Tensor): The same seeds and images without the treatment.
        labels (Tensor, optional): Classes of the images, int64 ``(n,)``: the difference is then the mean of those of
            the classes, of balanced accuracy. Default: all images count alike.
        level (float): Confidence.

    Raises:
        ValueError: If the scores are not paired, there are fewer than two seeds, or a class has fewer than two images.

    Example:
        >>> right = torch.rand(5, 200, generator=torch.Generator().manual_seed(0))
        >>> crossed_difference((right < 0.9).float(), (right < 0.8).float()).verdict
        'helps'
    """
    if treated.ndim != 2 or treated.shape != control.shape or len(treated) < 2:
        raise ValueError(
            "treated and control must be scores (seeds, n) of the same seeds and images, of at least 2 seeds, but got "
            f"{tuple(treated.shape)} and {tuple(control.shape)} instead."
        )
    labels = torch.zeros(treated.shape[1], dtype=torch.int64) if labels is None else labels
    classes = torch.bincount(labels).nonzero().flatten().tolist()
    if len(labels) != treated.shape[1] or int(torch.bincount(labels)[classes].min()) < 2:
        raise ValueError("labels must give each image its class, and each class at least 2 images.")
    from scipy import stats

    differences = treated.double() - control.double()
    seeds, weight = len(differences), 1 / len(classes)
    of_seeds = torch.zeros(seeds, dtype=torch.float64)
    terms: list[tuple[float, int]] = []  # of the variance of the mean, with their degrees of freedom
    least = 0.0
    for label in classes:
        values = differences[:, labels == label]
        n = values.shape[1]
        of_seeds += weight * values.mean(1)
        of_images = values.mean(0)
        residual = values - of_images - values.mean(1, keepdim=True) + values.mean()
        noise = weight**2 * float(residual.square().sum()) / ((seeds - 1) * (n - 1)) / (seeds * n)
        least += noise
        # The variance over images and that over seeds both hold the residual: once too often.
        terms += [(weight**2 * float(of_images.var()) / n, n - 1), (-noise, (seeds - 1) * (n - 1))]
    terms.append((float(of_seeds.var()) / seeds, seeds - 1))
    variance = max(sum(term for term, _ in terms), least)
    freedom = variance**2 / max(sum(term**2 / degrees for term, degrees in terms), 1e-300)
    mean = float(of_seeds.mean())
    reach = float(stats.t.ppf((1 + level) / 2, max(freedom, 1.0))) * math.sqrt(variance)
    return Interval(mean, mean - reach, mean + reach, seeds, level)
