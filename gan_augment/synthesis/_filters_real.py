"""Filters that compare candidates with real images: near enough to them, and no copies of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from .._core import check_count, check_dense, check_tensor
from ..metrics import FeatureNetwork, copy_report, load_features, nearest_training_image
from ._filters import check_group_sizes

ROWS, COLUMNS = 1024, 4096  # of a matrix of distances that are held at a time


class RealDensity:
    """Keeps images that lie where real images lie: whose ``k``-th nearest real one is near in feature space.

    How near is what the real images say of each other: the quantile of their distances to their ``k``-th nearest
    others. The manifolds are those of precision and recall (https://arxiv.org/abs/1904.06991), with one radius for
    all. It raises precision, and lowers diversity where real images are sparse: rare kinds go first.

    Args:
        real (Tensor): Training images, uint8 ``(n, c, h, w)``, of the size that filters see; never test images.
        labels (Tensor, optional): Their classes, integers ``(n,)``; candidates are then compared with those of their
            class. None: with all.
        features (str or FeatureNetwork): What measures; see :func:`gan_augment.metrics.load_features`.
        k (int): Which neighbour.
        quantile (float): Of the distances among real images, 0..1: about this share of new real images would be kept.

    Raises:
        TypeError: If ``features`` are no features, or ``k`` is no int.
        ValueError: If the images or labels are no such ones, or there are no more than ``k`` of a class.

    Example:
        >>> real = torch.randint(100, 156, (40, 1, 16, 16), generator=torch.Generator().manual_seed(1)).byte()
        >>> candidates = torch.cat([real[:1], torch.zeros_like(real[:1])])
        >>> RealDensity(real)(candidates, None)
        tensor([ True, False])
    """

    def __init__(
        self,
        real: Tensor,
        labels: Tensor | None = None,
        features: str | FeatureNetwork = "random-convolutions",
        k: int = 5,
        quantile: float = 0.95,
    ) -> None:
        check_real(real)
        self.k = check_count("k", k, 1)
        if not 0 <= quantile <= 1:
            raise ValueError(f"quantile must be between 0 and 1, but got {quantile} instead.")
        if labels is not None:
            labels = torch.as_tensor(labels)
            check_dense(labels, "labels")
            labels = labels.cpu()
        check_group_sizes(labels, len(real), k + 1, "real")
        self.quantile, self.has_labels = quantile, labels is not None
        self.features = load_features(features)
        self._shape = tuple(real.shape[1:])
        groups = torch.zeros(len(real), dtype=torch.int64) if labels is None else labels
        rows = self._features(real)
        self._real = {group: rows[groups == group] for group in sorted(set(groups.tolist()))}
        # An image is its own nearest, so its k-th other one is the next.
        radii = {group: _kth_distance(own, own, k + 1) for group, own in self._real.items()}
        self._thresholds = {group: float(torch.quantile(radius, quantile)) for group, radius in radii.items()}

    def __call__(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """Which of the uint8 images to keep, bool ``(n,)``."""
        if tuple(images.shape[1:]) != self._shape:
            raise ValueError(
                f"real must have the shape of the candidates, {tuple(images.shape[1:])}, but has {self._shape} instead."
            )
        if self.has_labels and labels is None:
            raise ValueError("labels must be given where real images have classes, but got None; pass real alone.")
        groups = torch.zeros(len(images), dtype=torch.int64)
        if self.has_labels and labels is not None:
            groups = labels.cpu()
        unknown = sorted(set(groups.tolist()) - set(self._real))
        if unknown:
            raise ValueError(f"real must hold images of each class asked for, but has none of {unknown[:20]}.")
        rows = self._features(images)
        kept = torch.zeros(len(images), dtype=torch.bool)
        for group in sorted(set(groups.tolist())):
            own = groups == group
            kept[own] = _kth_distance(rows[own], self._real[group], self.k) <= self._thresholds[group]
        return kept

    def _features(self, images: Tensor) -> Tensor:
        rows = self.features(images).detach().cpu().flatten(1)
        if not bool(rows.isfinite().all()):
            raise ValueError("features must be finite, but some are not.")
        return rows


def _kth_distance(rows: Tensor, others: Tensor, k: int) -> Tensor:
    """The Euclidean distance of each row to the ``k``-th nearest of the others, float64."""
    parts = []
    for block in torch.split(rows.double(), ROWS):
        distances = (torch.cdist(block, column.double()) for column in torch.split(others, COLUMNS))
        nearest = [each.topk(min(k, each.shape[1]), largest=False).values for each in distances]
        parts.append(torch.cat(nearest, dim=1).kthvalue(k).values)
    return torch.cat(parts)


@dataclass(frozen=True, eq=False)
class NotACopy:
    """Drops images that nearly repeat a training image, in pixels at reduced size.

    A near copy is nearer to a training image than those are to each other but for a percentile; see
    :func:`gan_augment.metrics.copy_report`. Generators of few images copy them (https://arxiv.org/abs/2210.12231),
    and a copy teaches a classifier nothing that the image did not. It raises diversity and lowers precision, for what
    is nearest to real images goes.

    Args:
        real (Tensor): All training images of the generator, uint8 ``(n, c, h, w)``, at least two, of the size that
            filters see.
        percentile (float): Of the distances of training images to their nearest others, between 0 and 100; about
            this share of new real images would be dropped too.
        side (int): To which images are reduced.
        flips (bool): Whether mirrored copies are copies too.

    Attributes:
        threshold (float): The distance in grey levels below which an image is dropped.

    Raises:
        ValueError: If the images are no such ones, or a number is out of range.

    Example:
        >>> real = torch.randint(0, 256, (50, 1, 16, 16), dtype=torch.uint8)
        >>> candidates = torch.cat([real[:1].flip(-1), torch.randint(0, 256, (1, 1, 16, 16), dtype=torch.uint8)])
        >>> NotACopy(real)(candidates, None)
        tensor([False,  True])
    """

    real: Tensor = field(repr=False)
    percentile: float = 5.0
    side: int = 16
    flips: bool = True
    threshold: float = field(init=False)

    def __post_init__(self) -> None:
        check_real(self.real, least=2)
        check_count("side", self.side, 1)
        report = copy_report(self.real, self.real[:1], percentile=self.percentile, side=self.side, flips=self.flips)
        object.__setattr__(self, "threshold", report.threshold)

    def __call__(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """Which of the uint8 images to keep, bool ``(n,)``."""
        if images.shape[1:] != self.real.shape[1:]:
            raise ValueError(
                f"real must have the shape of the candidates, {tuple(images.shape[1:])}, but has "
                f"{tuple(self.real.shape[1:])} instead."
            )
        nearest = nearest_training_image(self.real, images.to(self.real.device), side=self.side, flips=self.flips)
        return (nearest.distances >= self.threshold).cpu()


def check_real(real: Tensor, least: int = 1) -> None:
    """Refuses what is not a batch of at least so many uint8 images.

    Raises:
        TypeError: If it is no tensor.
        ValueError: With what it is instead.
    """
    check_tensor(real, "real")
    if real.dtype != torch.uint8 or real.ndim != 4 or real.shape[1] not in (1, 3) or 0 in real.shape[1:]:
        raise ValueError(
            f"real must be uint8 (n, 1 or 3, height, width), but got {real.dtype} of shape {tuple(real.shape)} instead."
        )
    if len(real) < least:
        raise ValueError(f"real must be at least {least} images, but got {len(real)} instead.")
