"""Metrics that compare two sets of features: KID, Frechet distance, precision, recall, density and coverage."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from .._core import check_count, nearest_neighbours
from ._inputs import check_features
from ._metric import Estimate, FeatureSets, Measurement, Metric

ROWS = 1024  # rows of a distance or kernel matrix that are in memory at a time


class PrecisionRecall(NamedTuple):
    """Share of the synthetic items that are close to real items, and the other way round."""

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """How densely real items surround synthetic ones, and the share of real items with a synthetic item nearby."""

    density: float
    coverage: float


def kid(real: Tensor, synthetic: Tensor) -> Estimate:
    """Computes the Kernel Inception Distance (https://arxiv.org/abs/1801.01401) of features from any network.

    This is the unbiased estimator of the squared maximum mean discrepancy with the kernel ``(x . y / d + 1) ** 3``.
    It is 0 on average for two halves of one set, so a single value may be negative. About 50 items in each set are
    enough. The standard error is that of the delete-one jackknife of both sets. Other libraries print the standard
    deviation over random subsets, which is larger.

    Args:
        real (Tensor): Features ``(n, d)``, at least 3.
        synthetic (Tensor): Features ``(m, d)``, at least 3.

    Raises:
        ValueError: If a set has too few items, or the features are not finite or differ in length.

    Example:
        >>> x = torch.randn(100, 8, generator=torch.Generator().manual_seed(0))
        >>> near, far = kid(x[:50], x[50:]), kid(x[:50], x[50:] + 1)
        >>> abs(near.value) < 3 * near.spread < far.value
        True
    """
    real, synthetic = check_features(real=(real, 3), synthetic=(synthetic, 3))
    n, m = len(real), len(synthetic)
    within_real, within_synthetic = _kernel_sums(real), _kernel_sums(synthetic)
    across_real = torch.empty(n, dtype=torch.float64)
    across_synthetic = torch.zeros(m, dtype=torch.float64)
    for start in range(0, n, ROWS):
        kernel = _kernel(real[start : start + ROWS], synthetic)
        across_real[start : start + ROWS] = kernel.sum(1)
        across_synthetic += kernel.sum(0)
    total_real, total_synthetic, total_across = within_real.sum(), within_synthetic.sum(), across_real.sum()
    mean_real, mean_synthetic = total_real / (n * (n - 1)), total_synthetic / (m * (m - 1))
    # The estimate without item i, for each i, from the sums over its row.
    without_real = (total_real - 2 * within_real) / ((n - 1) * (n - 2)) + mean_synthetic
    without_real -= 2 * (total_across - across_real) / ((n - 1) * m)
    without_synthetic = (total_synthetic - 2 * within_synthetic) / ((m - 1) * (m - 2)) + mean_real
    without_synthetic -= 2 * (total_across - across_synthetic) / (n * (m - 1))
    variance = (n - 1) * without_real.var(correction=0) + (m - 1) * without_synthetic.var(correction=0)
    value = mean_real + mean_synthetic - 2 * total_across / (n * m)
    return Estimate(float(value), float(variance.sqrt()))


def frechet_distance(real: Tensor, synthetic: Tensor) -> float:
    """Computes the Frechet distance between Gaussians fitted to two sets (https://arxiv.org/abs/1706.08500).

    With features of Inception this is FID. It is biased upwards, and the bias grows as the counts fall. Compare only
    values with equal counts, and prefer :func:`kid` below a few thousand items.

    Args:
        real (Tensor): Features ``(n, d)``, at least 2.
        synthetic (Tensor): Features ``(m, d)``, at least 2.

    Raises:
        ValueError: If a set has too few items, or the features are not finite or differ in length.

    Example:
        >>> x = torch.randn(100, 8)
        >>> round(frechet_distance(x, x + 2), 6)
        32.0
    """
    real, synthetic = check_features(real=(real, 2), synthetic=(synthetic, 2))
    shift = (real.mean(0) - synthetic.mean(0)).square().sum()
    a, b = _covariance_root(real), _covariance_root(synthetic)
    # tr((A'A B'B)^(1/2)) is the sum of the singular values of A B', which is real and needs no matrix square root.
    cross = torch.linalg.svdvals(a @ b.T).sum()
    return max(0.0, float(shift + a.square().sum() + b.square().sum() - 2 * cross))


def precision_recall(real: Tensor, synthetic: Tensor, k: int = 5) -> PrecisionRecall:
    """Computes improved precision and recall, two shares 0..1 (https://arxiv.org/abs/1904.06991).

    An item is close to a set if it lies in the ball around one of its items. The radius of a ball is the distance to
    the ``k``-th nearest neighbour in the same set.

    Args:
        real (Tensor): Features ``(n, d)``, more than ``k``.
        synthetic (Tensor): Features ``(m, d)``, more than ``k``.
        k (int): Rank of the nearest neighbour that gives the radius, such as 5 for the fifth. Default: 5.

    Raises:
        ValueError: If a set has too few items, or the features are not finite or differ in length.

    Example:
        >>> x = torch.randn(100, 8)
        >>> precision_recall(x, x.clone())
        PrecisionRecall(precision=1.0, recall=1.0)
    """
    least = check_count("k", k, 1) + 1
    real, synthetic = check_features(real=(real, least), synthetic=(synthetic, least))
    real_radii, synthetic_radii = _radii(real, k), _radii(synthetic, k)
    covered, inside = 0, torch.zeros(len(synthetic), dtype=torch.bool)
    for rows, distances in _distances(real, synthetic):
        inside |= (distances < real_radii[rows, None]).any(0)
        covered += int((distances < synthetic_radii).any(1).sum())
    return PrecisionRecall(float(inside.double().mean()), covered / len(real))


def density_coverage(real: Tensor, synthetic: Tensor, k: int = 5) -> DensityCoverage:
    """Computes density and coverage (https://arxiv.org/abs/2002.09797), which are robust to outliers.

    Density is about 1 for two samples of one distribution, and may be higher. Coverage is a share, 0..1.

    Args:
        real (Tensor): Features ``(n, d)``, more than ``k``.
        synthetic (Tensor): Features ``(m, d)``, more than ``k``.
        k (int): Rank of the nearest neighbour that gives the radius of the balls around real items, such as 5 for the
            fifth. Default: 5.

    Raises:
        ValueError: If a set has too few items, or the features are not finite or differ in length.

    Example:
        >>> x = torch.randn(100, 8)
        >>> density_coverage(x, x[:6].repeat(10, 1)).coverage < 0.5
        True
    """
    balls, covered = _density_counts(real, synthetic, k)
    return DensityCoverage(float(balls.mean()) / k, float(covered.mean()))


def _density_counts(real: Tensor, synthetic: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Returns the number of real balls around each synthetic item, and whether each real ball holds one, 1 or 0."""
    least = check_count("k", k, 1) + 1
    real, synthetic = check_features(real=(real, least), synthetic=(synthetic, least))
    radii = _radii(real, k)
    balls, covered = torch.zeros(len(synthetic), dtype=torch.int64), []
    for rows, distances in _distances(real, synthetic):
        near = distances < radii[rows, None]
        balls += near.sum(0)
        covered.append(near.any(1))
    return balls.double(), torch.cat(covered).double()


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1).pow(3)


def _kernel_sums(x: Tensor) -> Tensor:
    """Returns the sum of the kernel of each item with all others."""
    own = (x.square().sum(1) / x.shape[1] + 1).pow(3)
    return torch.cat([_kernel(block, x).sum(1) for block in torch.split(x, ROWS)]) - own


def _covariance_root(features: Tensor) -> Tensor:
    """Returns a matrix ``R`` of at most ``d`` rows such that ``R.T @ R`` is the covariance."""
    centred = (features - features.mean(0)) / math.sqrt(len(features) - 1)
    return torch.linalg.qr(centred, mode="r").R if len(centred) > centred.shape[1] else centred


def _distances(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yields slices of rows of ``x`` and their squared Euclidean distances to all of ``y``."""
    centre = y.mean(0)  # near the origin, the differences below lose less precision
    x, y = x - centre, y - centre
    squares = y.square().sum(1)
    for start in range(0, len(x), ROWS):
        block = x[start : start + ROWS]
        yield slice(start, start + ROWS), (block.square().sum(1)[:, None] + squares - 2 * block @ y.T).clamp_(min=0)


def _radii(x: Tensor, k: int) -> Tensor:
    """Returns the squared distance of each item to its ``k``-th nearest neighbour."""
    return nearest_neighbours(x, x, k, own=torch.arange(len(x))).squares[:, -1]


def _explain_kid(measured: Measurement, floor: Measurement | None) -> str:
    text = f"The KID of the samples is {measured.number}"
    if floor is None:
        return f"{text}; that of real images is about 0 (pass train= to measure this floor)."
    text += f", and that of real training images, the floor, is {floor.number}: "
    if measured.value - floor.value > 2 * math.hypot(measured.spread or 0, floor.spread or 0):
        return text + "the samples differ from real images."
    return text + "this number of images shows no difference from real images."


def _share_of(what: str) -> Callable[[Measurement, Measurement | None], str]:
    """Returns a function that explains a measured share of ``what``."""

    def explain(measured: Measurement, floor: Measurement | None) -> str:
        return f"{measured.value:.0%} of the {what}" + ("." if floor is None else f" (floor: {floor.value:.0%}).")

    return explain


def _precision(sets: FeatureSets) -> Estimate:
    return Estimate.of_share(sets.compute_once(precision_recall).precision, len(sets.synthetic))


def _recall(sets: FeatureSets) -> Estimate:
    return Estimate.of_share(sets.compute_once(precision_recall).recall, len(sets.real))


def _density(sets: FeatureSets) -> Estimate:
    balls, _ = sets.compute_once(_density_counts)
    return Estimate(float(balls.mean()) / sets.k, float(balls.std()) / sets.k / math.sqrt(len(balls)))


def _coverage(sets: FeatureSets) -> Estimate:
    _, covered = sets.compute_once(_density_counts)
    return Estimate.of_share(float(covered.mean()), len(covered))


KID = Metric("kid", lambda sets: kid(sets.real, sets.synthetic), higher_is_better=False, explain=_explain_kid)
FID = Metric("fid", lambda sets: frechet_distance(sets.real, sets.synthetic), higher_is_better=False)
# The standard errors of these four take the neighbourhoods as fixed.
PRECISION = Metric("precision", _precision, True, explain=_share_of("samples are close to real images"))
RECALL = Metric("recall", _recall, True, explain=_share_of("real images are close to samples"))
DENSITY = Metric("density", _density, True)
COVERAGE = Metric("coverage", _coverage, True, explain=_share_of("real images have a sample among their neighbours"))
