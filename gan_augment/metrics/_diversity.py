"""Whether a generator has collapsed: how far its samples differ from each other, relative to real images."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from .._core import check_tensor
from ._features import check_images

Features = Callable[[Tensor], Tensor]

DUPLICATE = 0.2  # of the distance between two real images: below, two samples count as the same
COLLAPSED, NARROW = 0.5, 0.8  # relative diversity, or share of samples that are no duplicates, below which it is said
ENOUGH = 8  # samples of a class, to say something of that class


def check_batch(images: Tensor, name: str, least: int = 1, channels: int | None = None) -> None:
    """Refuses what is not a batch of at least so many uint8 images, with as many channels as another batch.

    Raises:
        ValueError: With what it is instead.
    """
    check_images(images, name)
    if len(images) < least:
        raise ValueError(f"{name} must be at least {least} images, but got {len(images)} instead.")
    if channels is not None and images.shape[1] != channels:
        raise ValueError(
            f"{name} must have {channels} channels as the other images have, but got {images.shape[1]} instead; "
            "convert them first."
        )


def reduce_images(images: Tensor, side: int) -> Tensor:
    """uint8 images as float32 0..255 of ``(side, side)``, antialiased; 256 at a time, to bound memory."""
    blocks = torch.split(images, 256)
    return torch.cat([F.interpolate(b.float(), size=(side, side), mode="bilinear", antialias=True) for b in blocks])


def evenly(images: Tensor, most: int) -> Tensor:
    """At most so many of the images, evenly spaced: the same ones in every call."""
    if len(images) <= most:
        return images
    return images[torch.arange(most, device=images.device) * len(images) // most]


def contrast_features(images: Tensor) -> Tensor:
    """What is seen at 16 px of each image, whatever its brightness: each pixel's difference from its surroundings.

    Args:
        images (Tensor): uint8 ``(n, c, h, w)``.

    Returns:
        Tensor: float32 ``(n, c * 256)``: pixels minus the mean of their 5 x 5 surroundings, divided by the
        standard deviation there (never by less than a tenth of the range, which would enlarge noise).
    """
    pixels = reduce_images(images, 16) / 255
    mean = F.avg_pool2d(pixels, 5, 1, 2, count_include_pad=False)
    variance = F.avg_pool2d(pixels.square(), 5, 1, 2, count_include_pad=False) - mean.square()
    return ((pixels - mean) / (variance.clamp(min=0) + 0.01).sqrt()).flatten(1)


def _within(features: Tensor) -> float:
    """The mean squared distance of two different rows: twice the total variance, with no need of pairs."""
    return 2 * float(features.double().var(dim=0).sum())


def _classes(images: Tensor, labels: Tensor | None, name: str, least: int = 2) -> dict[int, Tensor]:
    """The indices of each class that has enough images; one class if there are no labels."""
    if labels is None:
        return {0: torch.arange(len(images), device=images.device)}
    check_tensor(labels, name)
    if labels.shape != (len(images),) or labels.is_floating_point():
        raise ValueError(
            f"{name} must be one integer for each of {len(images)} images, but got {labels.dtype} of shape "
            f"{tuple(labels.shape)} instead."
        )
    members = {label: (labels == label).nonzero().flatten() for label in sorted(set(labels.tolist()))}
    enough = {label: indices for label, indices in members.items() if len(indices) >= least}
    if not enough:
        raise ValueError(f"{name} must have a class of at least {least} images, but none has; pass no labels.")
    return enough


def diversity(images: Tensor, labels: Tensor | None = None, features: Features | None = None) -> float:
    """The root mean square distance between two images of a batch, or of the same class of it.

    Args:
        images (Tensor): uint8 ``(n, c, h, w)``, at least two.
        labels (Tensor, optional): Integers ``(n,)``. Classes count alike; those of one image do not count.
        features (callable, optional): From such images to ``(n, d)``; :func:`contrast_features` by default.

    Raises:
        ValueError: If the images or labels are no such ones.

    Example:
        >>> image = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
        >>> diversity(image.repeat(10, 1, 1, 1))
        0.0
    """
    check_batch(images, "images", least=2)
    rows = (features or contrast_features)(images)
    classes = _classes(images, labels, "labels").values()
    return math.sqrt(sum(_within(rows[members]) for members in classes) / len(classes))


def relative_diversity(
    real: Tensor,
    samples: Tensor,
    real_labels: Tensor | None = None,
    labels: Tensor | None = None,
    features: Features | None = None,
) -> float:
    """How diverse samples are: 1 is as diverse as the real images, 0 is one image again and again.

    A generator of only k images still has about sqrt(1 - 1/k), which its duplicates betray: see
    :class:`Diversity`. Noise is diverse too, and may lie above 1. For the arguments see :func:`diversity_report`.

    Example:
        >>> real = torch.randint(0, 256, (100, 1, 16, 16), dtype=torch.uint8)
        >>> relative_diversity(real, real[:1].repeat(50, 1, 1, 1))
        0.0
    """
    return diversity_report(real, samples, real_labels, labels, features).relative


@dataclasses.dataclass(frozen=True)
class Diversity:
    """The diversity of samples.

    Attributes:
        relative (float): 1 is as diverse as the real images (within the classes), 0 is a single image.
        duplicates (float): Share of samples, 0..1, that almost equal another: nearer than a fifth of the
            distance between two real images.
        duplicates_real (float): The same share among as many real images.
        lowest (float, optional): The relative diversity of the least diverse class.
        lowest_class (int, optional): That class; none without labels, or with under 8 samples in each.
        count (int): Of samples.
    """

    relative: float
    duplicates: float
    duplicates_real: float
    lowest: float | None
    lowest_class: int | None
    count: int

    def to_dict(self) -> dict[str, float]:
        """As numbers for a log, without those that there are not."""
        return {key: float(value) for key, value in dataclasses.asdict(self).items() if value is not None}

    @property
    def sentence(self) -> str:
        """What it says, for people."""
        worst = min(self.relative, 1 - (self.duplicates - self.duplicates_real))
        state = "Collapse" if worst < COLLAPSED else "Less diverse than real images" if worst < NARROW else "Diverse"
        text = (
            f"{state}: samples differ {self.relative:.2f} times as much as real images, and "
            f"{self.duplicates:.0%} almost equal another (reals: {self.duplicates_real:.0%})"
        )
        if self.lowest is not None and self.lowest < NARROW:
            text += f"; least diverse is class {self.lowest_class} with {self.lowest:.2f}"
        return text + "."


def _duplicates(rows: Tensor, classes: dict[int, Tensor], limits: dict[int, float]) -> float:
    """The share of rows with another row of their class within the limit."""
    found = 0
    for label, members in classes.items():
        distances = torch.cdist(rows[members], rows[members], compute_mode="donot_use_mm_for_euclid_dist")
        found += int((distances.fill_diagonal_(math.inf).amin(dim=1) < limits[label]).sum())
    return found / sum(len(members) for members in classes.values())


def diversity_report(
    real: Tensor,
    samples: Tensor,
    real_labels: Tensor | None = None,
    labels: Tensor | None = None,
    features: Features | None = None,
) -> Diversity:
    """Looks for collapse: of the whole generator, of one class, and onto a few images.

    Args:
        real (Tensor): Real images, uint8 ``(m, c, h, w)``, of any size.
        samples (Tensor): uint8 ``(n, c, h, w)``, at least two.
        real_labels (Tensor, optional): Integers ``(m,)``, given if and only if ``labels`` are.
        labels (Tensor, optional): Integers ``(n,)``; distances are then those within classes.
        features (callable, optional): From uint8 images to ``(n, d)``; :func:`contrast_features` by default.

    Raises:
        ValueError: If the images or labels are no such ones, a class has no two real images, or the real
            images are all the same.

    Example:
        >>> real = torch.randint(0, 256, (100, 1, 16, 16), dtype=torch.uint8)
        >>> diversity_report(real, real[:3].repeat(20, 1, 1, 1)).duplicates
        1.0
    """
    check_batch(samples, "samples", least=2)
    check_batch(real, "real", least=2, channels=samples.shape[1])
    if (labels is None) != (real_labels is None):
        raise ValueError("labels and real_labels must be given together, but only one is; pass both or none.")
    featurize = features or contrast_features
    rows, real_rows = featurize(samples), featurize(real)
    classes, real_classes = _classes(samples, labels, "labels"), _classes(real, real_labels, "real_labels")
    if missing := sorted(set(classes) - set(real_classes)):
        raise ValueError(
            f"real must have at least 2 images of each class of the samples, but class {missing[0]} has not."
        )
    wanted = {label: _within(real_rows[real_classes[label]]) for label in classes}
    if not min(wanted.values()) > 0:
        raise ValueError("real must be images that differ (in each class), but they are all the same.")
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
