"""The metrics by name. To add one, add a file to this folder and an entry to METRICS."""

from __future__ import annotations

from ._distances import COVERAGE, DENSITY, FID, KID, PRECISION, RECALL
from ._memorization import AUTHENTICITY, CT
from ._metric import Metric

METRICS: dict[str, Metric] = {
    metric.name: metric for metric in (KID, FID, PRECISION, RECALL, DENSITY, COVERAGE, AUTHENTICITY, CT)
}


def register_metric(metric: Metric) -> None:
    """Adds a metric, so that :func:`measure` and :func:`gan_augment.evaluate` compute it from now on.

    Raises:
        TypeError: If ``metric`` is not a :class:`Metric`.
        ValueError: If another metric has its name.
    """
    if not isinstance(metric, Metric):
        raise TypeError(f"metric must be a Metric, but got {metric!r} instead.")
    if metric.name in METRICS:
        raise ValueError(f"The metric's name must differ from {tuple(METRICS)}, but got {metric.name!r}.")
    METRICS[metric.name] = metric
