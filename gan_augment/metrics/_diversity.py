"""Diversity: how much samples differ from each other, relative to real images."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from .._core import check_tensor, nearest_neighbours
from ._inputs import check_images, evenly, reduce_images

Features = Callable[[Tensor], Tensor]

DUPLICATE = 0.2  # two samples are the same if they are closer than this share of the distance between real images
COLLAPSED, NARROW = 0.5, 0.8  # lower values of relative diversity, or of the share of distinct samples, are reported
ENOUGH = 8  # samples that a class needs to be reported separately


def contrast_features(images: Tensor) -> Tensor:
    """Returns the local contrast of uint8 images at 16 px, float32 ``(n, c * 256)``.

    This is each pixel minus the mean of its 5 x 5 neighbourhood, divided by the root of 0.01 plus the variance there.
    The divisor is at least a tenth of the range, so that noise is not enlarged.
    """
    pixels = reduce_images(images, 16) / 255
    mean = F.avg_pool2d(pixels, 5, 1, 2, count_include_pad=False)
    variance = F.avg_pool2d(pixels.square(), 5, 1, 2, count_include_pad=False) - mean.square()
    return ((pixels - mean) / (variance.clamp(min=0) + 0.01).sqrt()).flatten(1)


def _within(features: Tensor) -> float:
    """Returns the mean squared distance between two different rows: twice the total variance."""
    return 2 * float(features.double().var(dim=0).sum())


def _classes(images: Tensor, labels: Tensor | None, name: str) -> dict[int, Tensor]:
    """Returns the indices of each class with at least two images; a single class if there are no labels."""
    if labels is None:
        return {0: torch.arange(len(images), device=images.device)}
    check_tensor(labels, name)
    if labels.shape != (len(images),) or labels.is_floating_point():
        raise ValueError(
            f"{name} must be one integer for each of {len(images)} images, but got {labels.dtype} of shape "
            f"{tuple(labels.shape)} instead."
        )
    members = {label: (labels == label).nonzero().flatten() for label in sorted(set(labels.tolist()))}
    enough = {label: indices for label, indices in members.items() if len(indices) >= 2}
    if not enough:
        raise ValueError(f"{name} must have a class with at least 2 images, but none has; pass no labels.")
    return enough


@dataclasses.dataclass(frozen=True)
class Diversity:
    """The diversity of samples.

    Attributes:
        relative (float): Root mean square distance between two samples (of the same class), divided by that between
            two real images. It is 1 for equal diversity, 0 for a single repeated image, and about sqrt(1 - 1/k) for k
            repeated images.
        duplicates (float): Share of samples, 0..1, that almost equal another sample: their distance is less than a
            fifth of that between two real images.
        duplicates_real (float): The same share among an equal number of real images.
        lowest (float, optional): Relative diversity of the least diverse class.
        lowest_class (int, optional): That class. None without labels, or if no class has 8 samples.
        count (int): Number of samples.
    """

    relative: float
    duplicates: float
    duplicates_real: float
    lowest: float | None
    lowest_class: int | None
    count: int

    def to_dict(self) -> dict[str, float]:
        """Returns the numbers for a log, without those that are None."""
        return {key: float(value) for key, value in dataclasses.asdict(self).items() if value is not None}

    @property
    def sentence(self) -> str:
        """Returns a sentence that explains the numbers."""
        worst = min(self.relative, 1 - (self.duplicates - self.duplicates_real))
        state = "Collapse" if worst < COLLAPSED else "Less diverse than real images" if worst < NARROW else "Diverse"
        text = (
            f"{state}: samples differ from each other {self.relative:.2f} times as much as real images do, and "
            f"{self.duplicates:.0%} are almost equal to another sample (real images: {self.duplicates_real:.0%})"
        )
        if self.lowest is not None and self.lowest < NARROW:
            text += f"; class {self.lowest_class} is the least diverse ({self.lowest:.2f})"
        return text + "."


def _duplicates(rows: Tensor, classes: dict[int, Tensor], limits: dict[int, float]) -> float:
    """Returns the share of rows with another row of their class closer than the limit."""
    found = 0
    for label, members in classes.items():
        own = torch.arange(len(members), device=rows.device)
        nearest = nearest_neighbours(rows[members], rows[members], own=own, exact=True)
        found += int((nearest.squares.sqrt() < limits[label]).sum())
    return found / sum(len(members) for members in classes.values())


def diversity_report(
    real: Tensor,
    samples: Tensor,
    real_labels: Tensor | None = None,
    labels: Tensor | None = None,
    features: Features | None = None,
) -> Diversity:
    """Looks for collapse: of the whole generator, of one class, or onto a few images.

    Args:
        real (Tensor): Real images, uint8 ``(m, c, h, w)``, at least two. They may differ in size from the samples.
        samples (Tensor): Synthetic images, uint8 ``(n, c, h, w)``, at least two.
        real_labels (Tensor, optional): Integers ``(m,)``. Pass both labels or neither.
        labels (Tensor, optional): Integers ``(n,)``. With labels, only images of the same class are compared.
        features (callable, optional): Maps uint8 images to features ``(n, d)``. Default: :func:`contrast_features`.

    Raises:
        ValueError: If the images are not uint8, the labels do not match them, a class has fewer than two real images,
            or all real images are the same.

    Example:
        >>> real = torch.randint(0, 256, (100, 1, 16, 16), dtype=torch.uint8)
        >>> diversity_report(real, real[:3].repeat(20, 1, 1, 1)).duplicates
        1.0
    """
    check_images(samples, "samples", least=2)
    check_images(real, "real", least=2, like=samples)
    if (labels is None) != (real_labels is None):
        raise ValueError("labels and real_labels must be given together, but only one is; pass both or none.")
    featurize = features or contrast_features
    rows, real_rows = featurize(samples), featurize(real)
    classes, real_classes = _classes(samples, labels, "labels"), _classes(real, real_labels, "real_labels")
    if missing := sorted(set(classes) - set(real_classes)):
        raise ValueError(
            f"real must have at least 2 images of each class of the samples, but class {missing[0]} has fewer."
        )
    wanted = {label: _within(real_rows[real_classes[label]]) for label in classes}
    if not min(wanted.values()) > 0:
        raise ValueError("real must be different images (in each class), but they are all the same.")
    got = {label: _within(rows[members]) for label, members in classes.items()}
    limits = {label: DUPLICATE * math.sqrt(square) for label, square in wanted.items()}
    as_many = {label: evenly(real_classes[label], len(members)) for label, members in classes.items()}
    ratios = {c: math.sqrt(got[c] / wanted[c]) for c, members in classes.items() if len(members) >= ENOUGH}
    lowest = min(ratios, key=ratios.__getitem__) if ratios and labels is not None else None
    return Diversity(
        relative=math.sqrt(sum(got.values()) / sum(wanted.values())),
        duplicates=_duplicates(rows, classes, limits),
        duplicates_real=_duplicates(real_rows, as_many, limits),
        lowest=None if lowest is None else ratios[lowest],
        lowest_class=lowest,
        count=len(samples),
    )
