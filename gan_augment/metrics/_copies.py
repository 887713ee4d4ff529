"""Measures how close samples come to training images in pixels, and finds the closest pairs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.utils import make_grid

from .._core import check_count, check_number, nearest_neighbours
from ._feature_networks import FeaturesLike, load_features
from ._inputs import check_images, check_same_size, evenly, reduce_images
from ._metric import Estimate

PROBES = 512  # training images whose distances to their nearest neighbours are the reference
SAME = 1.0  # grey levels; training images that are closer are the same image


class Nearest(NamedTuple):
    """The nearest training image of each sample: its distance, float32 ``(n,)``, and its index, int64 ``(n,)``."""

    distances: Tensor
    indices: Tensor


@dataclasses.dataclass(frozen=True)
class _Space:
    """How images are compared: reduced to ``side`` pixels, mirrored if ``flips``, shifted by up to ``shift`` pixels."""

    side: int
    flips: bool
    shift: int

    def __post_init__(self) -> None:
        check_count("side", self.side, 1)
        check_count("shift", self.shift, 0)

    def _crop(self, images: Tensor, top: int, left: int) -> Tensor:
        height, width = images.shape[-2] - 2 * self.shift, images.shape[-1] - 2 * self.shift
        return reduce_images(images[..., top : top + height, left : left + width], self.side)

    def anchors(self, images: Tensor) -> Tensor:
        """Returns the middle of each image, ``(n, d)``, to compare with the views of other images."""
        return self._crop(images, self.shift, self.shift).flatten(1)

    def views(self, images: Tensor) -> Iterator[Tensor]:
        """Yields all shifted and flipped views of the images, each ``(n, d)``."""
        for top in range(2 * self.shift + 1):
            for left in range(2 * self.shift + 1):
                view = self._crop(images, top, left)
                yield view.flatten(1)
                if self.flips:
                    yield view.flip(-1).flatten(1)

    def nearest(self, images: Tensor, anchors: Tensor, own: Tensor | None = None) -> Nearest:
        """Finds the nearest anchor of each image in any view, except its ``own``."""
        found = [nearest_neighbours(view, anchors, own=own) for view in self.views(images)]
        squares, view = torch.cat([each.squares for each in found], dim=1).min(dim=1)
        indices = torch.cat([each.indices for each in found], dim=1).gather(1, view[:, None])[:, 0]
        return Nearest((squares / anchors.shape[1]).sqrt(), indices)


def _check(samples: Tensor, training: Tensor, name: str, shift: int) -> None:
    check_same_size(samples, name, training, "training")
    if 2 * shift >= min(samples.shape[2:]):
        raise ValueError(f"shift must be less than half the side of the images, but got {shift} instead.")


def nearest_training_image(
    training: Tensor, samples: Tensor, *, side: int = 16, flips: bool = True, shift: int = 0
) -> Nearest:
    """Finds the nearest training image of each sample: its index, and its distance at reduced size.

    Distances are root mean square differences of the pixels in grey levels 0..255.

    Args:
        training (Tensor): Training images, uint8 ``(m, c, h, w)``. They take ``m * c * side * side`` floats of memory.
        samples (Tensor): Synthetic images, uint8 ``(n, c, h, w)``.
        side (int): Side in pixels to which both are reduced, with antialiasing. Default: 16.
        flips (bool): Whether mirrored images count as copies. Default: True.
        shift (int): Number of pixels, before the reduction, by which a copy may be shifted in each direction. A shift
            of 2 takes 25 times as long as none. Default: 0.

    Raises:
        ValueError: If the images are not uint8, or differ in size or channels.

    Example:
        >>> training = torch.randint(0, 256, (20, 3, 32, 32), dtype=torch.uint8)
        >>> nearest_training_image(training, training[[7, 3]].flip(-1)).indices.tolist()
        [7, 3]
    """
    check_images(training, "training")
    _check(samples, training, "samples", shift)
    space = _Space(side, flips, shift)
    return space.nearest(samples, space.anchors(training))


@dataclasses.dataclass(frozen=True)
class Copies:
    """How close samples come to training images.

    Attributes:
        distance (float): Median distance between a sample and its nearest training image, in grey levels 0..255.
        distance_real (float): Median distance between a training image and its nearest other training image.
        closest (float): Smallest distance of all samples. For a copy, it is much smaller than ``distance_real``.
        near_copies (float): Share of samples, 0..1, closer to a training image than ``threshold``.
        threshold (float): Percentile of the distances between training images and their nearest neighbours, in grey
            levels, without duplicates.
        expected (float): Share of near copies among new real images: measured if there are held-out images, else the
            percentile itself.
        held_out (bool): Whether there are held-out images.
        count (int): Number of samples.
    """

    distance: float
    distance_real: float
    closest: float
    near_copies: float
    threshold: float
    expected: float
    held_out: bool
    count: int

    @property
    def relative(self) -> float:
        """Returns ``distance / distance_real``: about 1 for new real images, 0 for copies."""
        return self.distance / self.distance_real if self.distance_real else math.inf

    @property
    def suspicious(self) -> bool:
        """Returns whether near copies exceed twice the expected share by more than two standard errors."""
        error = Estimate.of_share(self.expected, self.count).spread
        return self.near_copies > 2 * self.expected + 2 * error

    def to_dict(self) -> dict[str, float]:
        """Returns the numbers for a log."""
        return {**{key: float(value) for key, value in dataclasses.asdict(self).items()}, "relative": self.relative}

    @property
    def sentence(self) -> str:
        """Returns a sentence that explains the numbers."""
        return (
            f"{self.near_copies:.0%} of the samples and {self.expected:.0%} of "
            f"{'held-out' if self.held_out else 'new'} real images are near copies of training images. The median "
            f"distance from a sample to the nearest training image is {self.relative:.2f} times that between "
            "neighbouring training images. The samples show "
            + ("signs of copying; look at the closest pairs." if self.suspicious else "no sign of copying.")
        )


def copy_report(
    training: Tensor,
    samples: Tensor,
    held_out: Tensor | None = None,
    *,
    percentile: float = 5.0,
    side: int = 16,
    flips: bool = True,
    shift: int = 0,
) -> Copies:
    """Compares the distances from samples to training images with those between training images.

    Blurred or flat samples are close to many images without being copies, so look at :func:`closest_pairs` too.

    Args:
        training (Tensor): All training images, uint8 ``(m, c, h, w)``, at least two. The threshold comes from 512 of
            them, evenly spaced, which are compared with all others.
        samples (Tensor): Synthetic images, uint8 ``(n, c, h, w)``.
        held_out (Tensor, optional): Unseen real images, uint8 ``(k, c, h, w)``; at most 512 are used.
        percentile (float): Percentile of the nearest distances among training images. A sample closer than this is a
            near copy. Default: 5.
        side (int): See :func:`nearest_training_image`. Default: 16.
        flips (bool): Whether mirrored images count as copies. Default: True.
        shift (int): Number of pixels by which a copy may be shifted. Default: 0.

    Raises:
        ValueError: If the images are not uint8 or differ in size or channels, or ``percentile`` is out of range.

    Example:
        >>> training = torch.randint(0, 256, (50, 1, 16, 16), dtype=torch.uint8)
        >>> copy_report(training, training[:10]).near_copies
        1.0
    """
    check_images(training, "training", least=2)
    _check(samples, training, "samples", shift)
    if held_out is not None:
        _check(held_out, training, "held_out", shift)
    check_number("percentile", percentile)
    if not 0 < percentile < 100:
        raise ValueError(f"percentile must be between 0 and 100, but got {percentile} instead.")
    space = _Space(side, flips, shift)
    anchors = space.anchors(training)
    own = evenly(torch.arange(len(training), device=training.device), PROBES)
    floor = space.nearest(training[own], anchors, own).distances
    distinct = floor[floor > SAME]
    threshold = float(torch.quantile(distinct, percentile / 100)) if len(distinct) else SAME
    distances = space.nearest(samples, anchors).distances
    expected = percentile / 100
    if held_out is not None:
        expected = float((space.nearest(evenly(held_out, PROBES), anchors).distances < threshold).float().mean())
    return Copies(
        distance=float(distances.median()),
        distance_real=float(floor.median()),
        closest=float(distances.min()),
        near_copies=float((distances < threshold).float().mean()),
        threshold=threshold,
        expected=expected,
        held_out=held_out is not None,
        count=len(samples),
    )


class ClosestPairs(NamedTuple):
    """Indices of samples and of their nearest training images, closest first, and the distances.

    Distances are float32, in grey levels 0..255 or in units of the features.
    """

    samples: Tensor
    training: Tensor
    distances: Tensor


def closest_pairs(
    training: Tensor,
    samples: Tensor,
    n: int = 8,
    *,
    features: FeaturesLike | None = None,
    side: int = 16,
    flips: bool = True,
    shift: int = 0,
) -> ClosestPairs:
    """Finds the samples that are closest to a training image, in pixels or in features.

    Args:
        training (Tensor): Training images, uint8 ``(m, c, h, w)``.
        samples (Tensor): Synthetic images, uint8 ``(k, c, h, w)``.
        n (int): Maximum number of pairs. Default: 8.
        features (optional): Feature network to compare in; see :func:`load_features`. Default: None, compare pixels.
        side (int): For pixels: see :func:`nearest_training_image`. Default: 16.
        flips (bool): For pixels: whether mirrored images count as copies. Default: True.
        shift (int): For pixels: number of pixels by which a copy may be shifted. Default: 0.

    Raises:
        ValueError: If ``n`` is not positive, the images are not uint8, or they differ in size or channels.

    Example:
        >>> training = torch.randint(0, 256, (20, 1, 16, 16), dtype=torch.uint8)
        >>> samples = torch.cat([255 - training[:3], training[[5]]])
        >>> closest_pairs(training, samples, 1)[:2]
        (tensor([3]), tensor([5]))
    """
    check_count("n", n, 1)
    check_images(training, "training")
    check_images(samples, "samples", like=training)
    if features is None:
        distances, indices = nearest_training_image(training, samples, side=side, flips=flips, shift=shift)
    else:
        network = load_features(features)
        found = nearest_neighbours(network(samples).double(), network(training).double())
        distances, indices = found.squares[:, 0].sqrt(), found.indices[:, 0]
    order = torch.argsort(distances, stable=True)[:n]
    return ClosestPairs(order, indices[order], distances[order].float())


def pairs_picture(
    training: Tensor, samples: Tensor, pairs: ClosestPairs | None = None, *, columns: int = 4, gap: int = 2
) -> Tensor:
    """Draws pairs as a picture, uint8 ``(c, height, width)``: each sample left of its nearest training image.

    Args:
        training (Tensor): Training images, uint8 ``(m, c, h, w)``.
        samples (Tensor): Synthetic images, uint8 ``(k, c, h, w)``, with the same size and channels.
        pairs (ClosestPairs, optional): Pairs to draw, row by row. Default: the eight of :func:`closest_pairs`.
        columns (int): Number of pairs in a row. Default: 4.
        gap (int): Number of white pixels around a pair. Default: 2.

    Raises:
        ValueError: If the images differ in size or channels, or ``columns`` or ``gap`` is out of range.

    Example:
        >>> training = torch.randint(0, 256, (20, 1, 16, 16), dtype=torch.uint8)
        >>> pairs_picture(training, training[:4], columns=2).shape
        torch.Size([1, 38, 70])
    """
    check_images(training, "training")
    check_same_size(samples, "samples", training, "training")
    check_count("columns", columns, 1)
    check_count("gap", gap, 0)
    pairs = closest_pairs(training, samples) if pairs is None else pairs
    both = torch.cat([samples[pairs.samples], training[pairs.training]], dim=3)
    if len(both) == 1:  # make_grid draws no frame around a single image
        return F.pad(both[0], (gap, gap, gap, gap), value=255)
    grid: Tensor = make_grid(both, columns, gap, pad_value=255)
    return grid[: both.shape[1]]  # it repeats grey images in three channels
