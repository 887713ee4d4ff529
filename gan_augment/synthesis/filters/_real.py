"""Filters that compare candidates with real images: close enough to them, but not copies of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..._core import check_count, check_range, nearest_neighbours
from ...metrics import FeatureNetwork, check_images, copy_report, load_features, nearest_training_image
from ._filter import Filter, FilterInputs, check_candidates, check_classes, check_group_sizes


class RealDensity(Filter):
    """Keeps images whose ``k``-th nearest real image is close in feature space.

    This is the manifold of improved precision and recall (https://arxiv.org/abs/1904.06991), with one radius for all
    images. Precision rises. Diversity falls, because images of rare kinds are dropped first.

    Args:
        real (Tensor): Training images, uint8 ``(n, c, h, w)``, of the size that filters see. Never pass test images.
        labels (Tensor, optional): Their classes, integers ``(n,)``, so that only images of one class are compared.
        features (str or FeatureNetwork): Features in which distances are measured; see
            :func:`gan_augment.metrics.load_features`. Default: ``"random-convolutions"``.
        k (int): Rank of the nearest neighbour that distances are measured to, such as 5 for the fifth. Default: 5.
        quantile (float): Largest distance, as a quantile of the distances between real images, from 0 to 1. About this
            share of new real images would be kept. Default: 0.95.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument is out of range, or a class has at most ``k`` real images.

    Example:
        >>> real = torch.randint(100, 156, (40, 1, 16, 16), generator=torch.Generator().manual_seed(1)).byte()
        >>> candidates = torch.cat([real[:1], torch.zeros_like(real[:1])])
        >>> RealDensity(real)(candidates, None)
        tensor([ True, False])
    """

    images_per_class = 6  # k + 1

    def __init__(
        self,
        real: Tensor,
        labels: Tensor | None = None,
        features: str | FeatureNetwork = "random-convolutions",
        k: int = 5,
        quantile: float = 0.95,
    ) -> None:
        check_images(real, "real")
        self.k = check_count("k", k, 1)
        check_range("quantile", quantile, 0, 1)
        labels = None if labels is None else torch.as_tensor(labels)
        check_group_sizes(labels, len(real), k + 1, "real")
        self.quantile, self.has_labels = quantile, labels is not None
        self.features = load_features(features)
        self._shape = tuple(real.shape[1:])
        groups = torch.zeros(len(real), dtype=torch.int64) if labels is None else labels.cpu()
        rows = self._features(real)
        self._real = {group: rows[groups == group] for group in sorted(set(groups.tolist()))}
        self._thresholds = {
            group: float(torch.quantile(self._distances(own, group, torch.arange(len(own))), quantile))
            for group, own in self._real.items()
        }

    @classmethod
    def build(cls, inputs: FilterInputs) -> RealDensity:
        return cls(inputs.real, inputs.labels)

    def __call__(self, images: Tensor, labels: Tensor | None) -> Tensor:
        check_candidates(images, self._shape)
        groups = check_classes(labels, self._real) if self.has_labels else torch.zeros(len(images), dtype=torch.int64)
        rows = self._features(images)
        kept = torch.zeros(len(images), dtype=torch.bool)
        for group in sorted(set(groups.tolist())):
            own = groups == group
            kept[own] = self._distances(rows[own], group) <= self._thresholds[group]
        return kept

    def _distances(self, rows: Tensor, group: int, own: Tensor | None = None) -> Tensor:
        """Returns the distance of each row to its ``k``-th nearest real image of a group, float64 ``(n,)``."""
        return nearest_neighbours(rows.double(), self._real[group], self.k, own=own).squares[:, -1].sqrt()

    def _features(self, images: Tensor) -> Tensor:
        rows = self.features(images).detach().cpu().flatten(1)
        if not bool(rows.isfinite().all()):
            raise ValueError("features must be finite, but some are not.")
        return rows


@dataclass(frozen=True, eq=False)
class NotACopy(Filter):
    """Drops images that are nearly the same as a training image, in pixels at reduced size.

    Generators trained on few images copy them (https://arxiv.org/abs/2210.12231), and a copy teaches a classifier
    nothing new. Diversity rises. Precision falls, because the images closest to real ones are dropped.

    Args:
        real (Tensor): All training images of the generator, uint8 ``(n, c, h, w)``, at least two, of the size that
            filters see.
        percentile (float): Percentile of the distances between training images and their nearest neighbours, above 0
            and below 100. Images nearer than this are dropped. About the same share of new real images would be dropped
            too. Default: 5.
        side (int): Side in pixels to which images are reduced. Default: 16.
        flips (bool): Whether a mirrored copy is a copy too. Default: True.

    Attributes:
        threshold (float): Images nearer than this distance, in grey levels, are dropped.

    Raises:
        TypeError: If ``real`` is not a tensor, or ``side`` is not an int.
        ValueError: If ``real`` is not a batch of images, or a number is out of range.

    Example:
        >>> real = torch.randint(0, 256, (50, 1, 16, 16), dtype=torch.uint8)
        >>> candidates = torch.cat([real[:1].flip(-1), torch.zeros_like(real[:1])])
        >>> NotACopy(real)(candidates, None)
        tensor([False,  True])
    """

    real: Tensor = field(repr=False)
    percentile: float = 5.0
    side: int = 16
    flips: bool = True
    threshold: float = field(init=False)

    def __post_init__(self) -> None:
        check_images(self.real, "real", least=2)
        report = copy_report(self.real, self.real[:1], percentile=self.percentile, side=self.side, flips=self.flips)
        object.__setattr__(self, "threshold", report.threshold)

    @classmethod
    def build(cls, inputs: FilterInputs) -> NotACopy:
        return cls(inputs.real)

    def __call__(self, images: Tensor, labels: Tensor | None) -> Tensor:
        check_candidates(images, tuple(self.real.shape[1:]))
        nearest = nearest_training_image(self.real, images.to(self.real.device), side=self.side, flips=self.flips)
        return (nearest.distances >= self.threshold).cpu()
