"""Distances between two sets of features: KID, the Frechet distance, and k-nearest-neighbour manifolds; in float64."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from .._core import check_tensor

ROWS = 1024  # of a distance or kernel matrix that are held at a time


class Estimate(NamedTuple):
    """A value and the standard error of it."""

    value: float
    spread: float

    @classmethod
    def of_share(cls, share: float, count: int) -> Estimate:
        """A share 0..1 of so many items, with its binomial standard error: at 0 and 1 that of one item, ``1 / count``.

        Example:
            >>> Estimate.of_share(0.5, 100)
            Estimate(value=0.5, spread=0.05)
        """
        return cls(share, math.sqrt(max(share * (1 - share), 1 / count) / count))


class PrecisionRecall(NamedTuple):
    """Share of synthetic items inside the real manifold, and of real items inside the synthetic one."""

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """How densely real items surround synthetic ones, and the share of real items that have a synthetic one near."""

    density: float
    coverage: float


def kid(real: Tensor, synthetic: Tensor) -> Estimate:
    """Kernel Inception Distance (https://arxiv.org/abs/1801.01401) over features of any network.

    The unbiased estimator of the squared maximum mean discrepancy under the kernel ``(x . y / d + 1) ** 3``,
    over all pairs: two halves of one set give 0 on average, whatever their sizes, and single values may be
    negative. It serves from about 50 items a side, where the Frechet distance needs thousands.

    Args:
        real (Tensor): Features ``(n, d)``.
        synthetic (Tensor): Features ``(m, d)``.

    Returns:
        Estimate: The value, and its standard error by the delete-one jackknife of both sets. Libraries that
        print the deviation over random subsets print another, larger, number.

    Raises:
        ValueError: If a side has fewer than 3 items, or they are no finite features of one length.

    Example:
        >>> x = torch.randn(100, 8, generator=torch.Generator().manual_seed(0))
        >>> near, far = kid(x[:50], x[50:]), kid(x[:50], x[50:] + 1)
        >>> abs(near.value) < 3 * near.spread < far.value
        True
    """
    real, synthetic = _check_pair(real, synthetic, minimum=3)
    n, m = len(real), len(synthetic)
    within_real = torch.cat([_kernel(block, real).sum(1) for block in torch.split(real, ROWS)]) - _self_kernel(real)
    within_synthetic = torch.cat([_kernel(block, synthetic).sum(1) for block in torch.split(synthetic, ROWS)])
    within_synthetic -= _self_kernel(synthetic)
    across_real = torch.empty(n, dtype=torch.float64)
    across_synthetic = torch.zeros(m, dtype=torch.float64)
    for start in range(0, n, ROWS):
        kernel = _kernel(real[start : start + ROWS], synthetic)
        across_real[start : start + ROWS] = kernel.sum(1)
        across_synthetic += kernel.sum(0)
    total_real, total_synthetic, total_across = within_real.sum(), within_synthetic.sum(), across_real.sum()
    mean_real, mean_synthetic = total_real / (n * (n - 1)), total_synthetic / (m * (m - 1))
    # The same estimate without item i, for each i, out of the sums over its row.
    without_real = (total_real - 2 * within_real) / ((n - 1) * (n - 2)) + mean_synthetic
    without_real -= 2 * (total_across - across_real) / ((n - 1) * m)
    without_synthetic = (total_synthetic - 2 * within_synthetic) / ((m - 1) * (m - 2)) + mean_real
    without_synthetic -= 2 * (total_across - across_synthetic) / (n * (m - 1))
    variance = (n - 1) * without_real.var(correction=0) + (m - 1) * without_synthetic.var(correction=0)
    value = mean_real + mean_synthetic - 2 * total_across / (n * m)
    return Estimate(float(value), float(variance.sqrt()))


def frechet_distance(real: Tensor, synthetic: Tensor) -> float:
    """The Frechet distance between Gaussians fitted to two sets (https://arxiv.org/abs/1706.08500).

    With features of Inception it is FID. It is biased upwards, the more the fewer the items: compare only
    values of equal counts, and prefer :func:`kid` below some thousands.

    Args:
        real (Tensor): Features ``(n, d)``.
        synthetic (Tensor): Features ``(m, d)``.

    Raises:
        ValueError: If a side has fewer than 2 items, or they are no finite features of one length.

    Example:
        >>> x = torch.randn(100, 8)
        >>> round(frechet_distance(x, x + 2), 6)
        32.0
    """
    real, synthetic = _check_pair(real, synthetic, minimum=2)
    shift = (real.mean(0) - synthetic.mean(0)).square().sum()
    a, b = _covariance_root(real), _covariance_root(synthetic)
    # tr((A'A B'B)^(1/2)) is the sum of the singular values of A B': always real, no matrix square root is needed.
    cross = torch.linalg.svdvals(a @ b.T).sum()
    return max(0.0, float(shift + a.square().sum() + b.square().sum() - 2 * cross))


def precision_recall(real: Tensor, synthetic: Tensor, k: int = 5) -> PrecisionRecall:
    """Improved precision and recall (https://arxiv.org/abs/1904.06991).

    A set's manifold is the union of balls around its items, each as far as the item's ``k``-th neighbour.

    Args:
        real (Tensor): Features ``(n, d)``.
        synthetic (Tensor): Features ``(m, d)``.
        k (int): Neighbour that gives the radius.

    Returns:
        PrecisionRecall: Both 0..1.

    Raises:
        ValueError: If a side has no more than ``k`` items, or they are no finite features of one length.

    Example:
        >>> x = torch.randn(100, 8)
        >>> precision_recall(x, x.clone())
        PrecisionRecall(precision=1.0, recall=1.0)
    """
    real, synthetic = _check_pair(real, synthetic, minimum=_check_neighbours(k) + 1)
    real_radii, synthetic_radii = _radii(real, k), _radii(synthetic, k)
    covered, inside = 0, torch.zeros(len(synthetic), dtype=torch.bool)
    for rows, distances in _distances(real, synthetic):
        inside |= (distances < real_radii[rows, None]).any(0)
        covered += int((distances < synthetic_radii).any(1).sum())
    return PrecisionRecall(float(inside.double().mean()), covered / len(real))


def density_coverage(real: Tensor, synthetic: Tensor, k: int = 5) -> DensityCoverage:
    """Density and coverage (https://arxiv.org/abs/2002.09797): as precision and recall, and robust to outliers.

    Args:
        real (Tensor): Features ``(n, d)``.
        synthetic (Tensor): Features ``(m, d)``.
        k (int): Neighbour that gives the radius of the balls around the real items.

    Returns:
        DensityCoverage: Density from 0, about 1 for two samples of one distribution; coverage 0..1.

    Raises:
        ValueError: If a side has no more than ``k`` items, or they are no finite features of one length.

    Example:
        >>> x = torch.randn(100, 8)
        >>> density_coverage(x, x[:6].repeat(10, 1)).coverage < 0.5
        True
    """
    balls, covered = density_counts(real, synthetic, k)
    return DensityCoverage(float(balls.double().mean()) / k, float(covered.double().mean()))


def density_counts(real: Tensor, synthetic: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """In how many real balls each synthetic item lies, int64 ``(m,)``, and which real balls hold one, bool ``(n,)``."""
    real, synthetic = _check_pair(real, synthetic, minimum=_check_neighbours(k) + 1)
    radii = _radii(real, k)
    balls, covered = torch.zeros(len(synthetic), dtype=torch.int64), []
    for rows, distances in _distances(real, synthetic):
        near = distances < radii[rows, None]
        balls += near.sum(0)
        covered.append(near.any(1))
    return balls, torch.cat(covered)


def check_features(**sets: tuple[Tensor, int]) -> tuple[Tensor, ...]:
    """Sets of features by name, each with the least number of its items, as float64 on the CPU.

    Raises:
        ValueError: If one has fewer, or they are no finite features of one length.
    """
    for name, (features, minimum) in sets.items():
        check_tensor(features, name)
        if features.ndim != 2 or not features.is_floating_point():
            raise ValueError(
                f"{name} must be float features (n, d), but got {features.dtype} of shape {tuple(features.shape)}."
            )
        if len(features) < minimum:
            raise ValueError(f"{name} must hold at least {minimum} items, but got {len(features)} instead.")
        if not bool(features.isfinite().all()):
            raise ValueError(f"{name} must hold finite features, but some are not.")
    widths = [features.shape[1] for features, _ in sets.values()]
    if len(set(widths)) > 1:
        names, rows = " and ".join(sets), " and ".join(map(str, widths))
        raise ValueError(f"{names} must be features of one network, but got rows of {rows} instead.")
    return tuple(features.detach().to("cpu", torch.float64) for features, _ in sets.values())


def _check_pair(real: Tensor, synthetic: Tensor, minimum: int) -> tuple[Tensor, Tensor]:
    real, synthetic = check_features(real=(real, minimum), synthetic=(synthetic, minimum))
    return real, synthetic


def _check_neighbours(k: int) -> int:
    if k < 1:
        raise ValueError(f"k must be at least 1, but got {k} instead.")
    return k


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1).pow(3)


def _self_kernel(x: Tensor) -> Tensor:
    return (x.square().sum(1) / x.shape[1] + 1).pow(3)


def _covariance_root(features: Tensor) -> Tensor:
    """A matrix of at most ``d`` rows whose product with itself, transposed first, is the covariance."""
    centred = (features - features.mean(0)) / math.sqrt(len(features) - 1)
    if len(centred) > centred.shape[1]:
        centred = torch.linalg.qr(centred, mode="r").R
    return centred


def _distances(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Squared Euclidean distances of all pairs, some rows at a time."""
    centre = y.mean(0)  # near the origin the products below cancel least
    x, y = x - centre, y - centre
    squares = y.square().sum(1)
    for start in range(0, len(x), ROWS):
        block = x[start : start + ROWS]
        yield slice(start, start + ROWS), (block.square().sum(1)[:, None] + squares - 2 * block @ y.T).clamp_(min=0)


def _radii(x: Tensor, k: int) -> Tensor:
    """The squared distance of each item to its ``k``-th neighbour."""
    parts = []
    for rows, distances in _distances(x, x):
        distances.diagonal(rows.start).zero_()  # an item is its own nearest, which rounding must not change
        parts.append(distances.kthvalue(k + 1, dim=1).values)
    return torch.cat(parts)
