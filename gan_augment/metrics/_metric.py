"""Metrics: their inputs, their definition and their results."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar, cast

from torch import Tensor

T = TypeVar("T")


class Estimate(NamedTuple):
    """A value and its standard error."""

    value: float
    spread: float

    @classmethod
    def of_share(cls, share: float, count: int) -> Estimate:
        """Returns a share 0..1 of ``count`` items with its binomial standard error, which is at least ``1 / count``.

        Example:
            >>> Estimate.of_share(0.5, 100)
            Estimate(value=0.5, spread=0.05)
        """
        return cls(share, math.sqrt(max(share * (1 - share), 1 / count) / count))


@dataclass(frozen=True)
class FeatureSets:
    """The features that a metric compares.

    Args:
        real (Tensor): Features of real images, float ``(n, d)``.
        synthetic (Tensor): Features of synthetic images, ``(m, d)``.
        train (Tensor, optional): Features of the images that the generator was trained on, ``(t, d)``.
        k (int): Rank of the nearest neighbour that gives the radius of a neighbourhood, such as 5 for the fifth.
            Default: 5.
    """

    real: Tensor
    synthetic: Tensor
    train: Tensor | None = None
    k: int = 5
    _computed: dict[Callable[..., Any], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def compute_once(self, function: Callable[[Tensor, Tensor, int], T]) -> T:
        """Returns ``function(real, synthetic, k)``, computed once for all metrics that share it."""
        if function not in self._computed:
            self._computed[function] = function(self.real, self.synthetic, self.k)
        return cast(T, self._computed[function])


@dataclass(frozen=True)
class Measurement:
    """A number with everything that it depends on. You cannot compare numbers with different labels.

    Args:
        name (str): Name of the metric, such as ``"kid"``.
        value (float): The number.
        spread (float, optional): Its standard error, if it is known.
        features (str): Name of the feature network.
        n_real (int): Number of real images.
        n_synthetic (int): Number of synthetic images.
        split (str): Split of the real images, such as ``"test"``.
        higher_is_better (bool, optional): Whether higher values are better. None if neither is.

    Example:
        >>> print(Measurement("kid", 0.0123, 0.0004, "efficientnet-lite0", 1000, 1000, "test"))
        kid[efficientnet-lite0, n=1000/1000, test] 0.0123 ±0.0004
    """

    name: str
    value: float
    spread: float | None
    features: str
    n_real: int
    n_synthetic: int
    split: str
    higher_is_better: bool | None = None

    @property
    def label(self) -> str:
        """Everything but the number: ``kid[efficientnet-lite0, n=1000/1000, test]``."""
        return f"{self.name}[{self.features}, n={self.n_real}/{self.n_synthetic}, {self.split}]"

    @property
    def number(self) -> str:
        """The value with its standard error, if it is known: ``0.0123 ±0.0004``."""
        return f"{self.value:.3g}" + ("" if self.spread is None else f" ±{self.spread:.2g}")

    def __str__(self) -> str:
        return f"{self.label} {self.number}"

    def to_dict(self) -> dict[str, Any]:
        """Returns the measurement as a dictionary that JSON can store."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Metric:
    """A metric of synthetic images, computed from features.

    Pass it to :func:`register_metric`, so that :func:`measure` and :func:`gan_augment.evaluate` compute it.

    Args:
        name (str): Key in results and name in tables, such as ``"kid"``.
        compute (callable): Maps :class:`FeatureSets` to an :class:`Estimate`, or to a float without standard error.
        higher_is_better (bool, optional): Whether higher values are better. Default: None, neither direction is.
        needs_train (bool): Whether to skip it if there are no features of training images. Default: False.
        counts_train (bool): Whether its label counts the training images instead of the unseen ones. Default: False.
        has_floor (bool): Whether :func:`measure_floor` computes it. Default: True.
        explain (callable, optional): Maps the :class:`Measurement`, and that of the floor or None, to a sentence for
            the text of an evaluation. Default: no sentence.

    Example:
        >>> def mean_shift(sets):
        ...     return float((sets.real.mean(0) - sets.synthetic.mean(0)).norm())
        >>> Metric("mean_shift", mean_shift, higher_is_better=False).name
        'mean_shift'
    """

    name: str
    compute: Callable[[FeatureSets], Estimate | float]
    higher_is_better: bool | None = None
    needs_train: bool = False
    counts_train: bool = False
    has_floor: bool = True
    explain: Callable[[Measurement, Measurement | None], str] | None = None

    def measure(self, sets: FeatureSets, features: str, split: str) -> Measurement:
        """Returns the value with the names and counts that it depends on."""
        found = self.compute(sets)
        value, spread = found if isinstance(found, Estimate) else (float(found), None)
        real, split = (sets.train, "train") if self.counts_train and sets.train is not None else (sets.real, split)
        counts = len(real), len(sets.synthetic)
        return Measurement(self.name, value, spread, features, *counts, split, self.higher_is_better)
