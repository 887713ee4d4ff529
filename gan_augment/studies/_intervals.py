"""Confidence intervals of a mean and of paired differences, and the verdict that they allow."""

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
    """A mean and its confidence interval from Student's t-distribution.

    Attributes:
        mean (float): Mean of the values.
        low (float): Lower end of the interval.
        high (float): Upper end of the interval.
        n (int): Number of values.
        level (float): Confidence level, such as 0.95.
    """

    mean: float
    low: float
    high: float
    n: int
    level: float

    @classmethod
    def of(cls, values: Sequence[float], level: float = 0.95) -> Interval:
        """Computes the interval of the mean of independent values.

        Args:
            values (sequence of float): Two or more values.
            level (float): Confidence level. Default: 0.95.

        Raises:
            ValueError: If there are fewer than two values.

        Example:
            >>> Interval.of([1.0, 2.0, 3.0]).mean
            2.0
        """
        if len(values) < 2:
            raise ValueError(f"An interval must have at least 2 values, but got {len(values)}.")
        from scipy import stats

        mean, n = statistics.fmean(values), len(values)
        margin = float(stats.t.ppf((1 + level) / 2, n - 1)) * statistics.stdev(values) / math.sqrt(n)
        return cls(mean, mean - margin, mean + margin, n, level)

    @property
    def verdict(self) -> Verdict:
        """The verdict on an effect with this interval: an effect is shown if the interval excludes zero."""
        if self.low > 0:
            return "helps"
        return "hurts" if self.high < 0 else "no effect shown"


def paired_difference(treated: Sequence[float], control: Sequence[float], level: float = 0.95) -> Interval:
    """Computes the interval of the mean difference between paired runs.

    Args:
        treated (sequence of float): One value for each seed.
        control (sequence of float): The values of the same seeds without the treatment.
        level (float): Confidence level. Default: 0.95.

    Raises:
        ValueError: If the runs are not paired, or there are fewer than two pairs.

    Example:
        >>> paired_difference([0.97, 0.98, 0.97], [0.95, 0.955, 0.955]).verdict
        'helps'
    """
    if len(treated) != len(control):
        raise ValueError(
            f"treated and control must have one value for each seed, but got {len(treated)} and {len(control)} values."
        )
    return Interval.of([a - b for a, b in zip(treated, control)], level)


def crossed_difference(treated: Tensor, control: Tensor, labels: Tensor | None = None, level: float = 0.95) -> Interval:
    """Computes the interval of a difference in accuracy, over seeds and over test images at once.

    An interval over seeds alone describes these test images only. Here, seeds and images are crossed random effects
    whose variances add up, so the interval also allows for other test images. It is too wide if the effect
    varies neither between seeds nor between images. The degrees of freedom are Satterthwaite's (https://doi.org/10.2307/3002019).

    Args:
        treated (Tensor): Score of each seed on each test image, ``(seeds, n)``, such as 1 for a correct class.
        control (Tensor): Scores of the same seeds on the same images without the treatment.
        labels (Tensor, optional): Classes of the images, int64 ``(n,)``. They give the difference in balanced
            accuracy: the mean over the classes. Default: all images have the same weight.
        level (float): Confidence level. Default: 0.95.

    Raises:
        ValueError: If the scores are not paired, there are fewer than two seeds, or a class has fewer than two images.

    Example:
        >>> right = torch.rand(5, 200, generator=torch.Generator().manual_seed(0))
        >>> crossed_difference((right < 0.9).float(), (right < 0.8).float()).verdict
        'helps'
    """
    if treated.ndim != 2 or treated.shape != control.shape or len(treated) < 2:
        raise ValueError(
            "treated and control must be scores (seeds, n) of the same seeds and images, with at least 2 seeds, but "
            f"got {tuple(treated.shape)} and {tuple(control.shape)} instead."
        )
    labels = torch.zeros(treated.shape[1], dtype=torch.int64) if labels is None else labels
    classes = torch.bincount(labels).nonzero().flatten().tolist()
    if len(labels) != treated.shape[1] or int(torch.bincount(labels)[classes].min()) < 2:
        raise ValueError("labels must give each image its class, and each class at least 2 images.")
    from scipy import stats

    differences = treated.double() - control.double()
    seeds, weight = len(differences), 1 / len(classes)
    seed_means = torch.zeros(seeds, dtype=torch.float64)
    terms: list[tuple[float, int]] = []  # parts of the variance of the mean, with their degrees of freedom
    total_noise = 0.0
    for label in classes:
        values = differences[:, labels == label]
        n = values.shape[1]
        seed_means += weight * values.mean(1)
        image_means = values.mean(0)
        residual = values - image_means - values.mean(1, keepdim=True) + values.mean()
        noise = weight**2 * float(residual.square().sum()) / ((seeds - 1) * (n - 1)) / (seeds * n)
        total_noise += noise
        # The variance over images and the variance over seeds both include the residual, so subtract it once.
        terms += [(weight**2 * float(image_means.var()) / n, n - 1), (-noise, (seeds - 1) * (n - 1))]
    terms.append((float(seed_means.var()) / seeds, seeds - 1))
    variance = max(sum(term for term, _ in terms), total_noise)
    freedom = variance**2 / max(sum(term**2 / degrees for term, degrees in terms), 1e-300)
    mean = float(seed_means.mean())
    margin = float(stats.t.ppf((1 + level) / 2, max(freedom, 1.0))) * math.sqrt(variance)
    return Interval(mean, mean - margin, mean + margin, seeds, level)
