"""Whether a generator copies: how near its samples come to training images, relative to those among each other."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ._diversity import check_batch, evenly, reduce_images

PROBES = 512  # training images whose nearest others are the floor
SAME = 1.0  # grey levels below which two training images are one image, stored twice


class Nearest(NamedTuple):
    """The nearest training image of each sample.

    Attributes:
        distances (Tensor): float32 ``(n,)``: root mean square difference of the pixels, in grey levels 0..255.
        indices (Tensor): int64 ``(n,)``: which training image it is.
    """

    distances: Tensor
    indices: Tensor


@dataclasses.dataclass(frozen=True)
class _Space:
    """Where images are compared: reduced to a side, with or without flips and shifts of one of the two."""

    side: int
    flips: bool
    shift: int

    def __post_init__(self) -> None:
        if self.side < 1 or self.shift < 0:
            raise ValueError(
                f"side must be positive and shift not negative, but got {self.side} and {self.shift} instead."
            )

    def _crop(self, images: Tensor, top: int, left: int) -> Tensor:
        height, width = images.shape[-2] - 2 * self.shift, images.shape[-1] - 2 * self.shift
        return reduce_images(images[..., top : top + height, left : left + width], self.side)

    def anchors(self, images: Tensor) -> Tensor:
        """The middle of each image, that shifted views of another are compared with, ``(n, d)``."""
        return self._crop(images, self.shift, self.shift).flatten(1)

    def views(self, images: Tensor) -> Iterator[Tensor]:
        """All shifted and flipped views of the images, each ``(n, d)``."""
        for top in range(2 * self.shift + 1):
            for left in range(2 * self.shift + 1):
                view = self._crop(images, top, left)
                yield view.flatten(1)
                if self.flips:
                    yield view.flip(-1).flatten(1)

    def nearest(self, images: Tensor, anchors: Tensor, own: Tensor | None = None) -> Nearest:
        """The nearest anchor of each image in any view, never its own; one block of anchors at a time."""
        center = anchors.mean(dim=0)  # small numbers: the squares below lose no precision
        squares = (anchors - center).square().sum(dim=1)
        best = torch.full((len(images),), math.inf, device=images.device)
        indices = torch.zeros(len(images), dtype=torch.int64, device=images.device)
        for view in self.views(images):
            doubled = -2 * (view - center)
            for start in range(0, len(anchors), 4096):
                block = slice(start, start + 4096)
                scores = torch.addmm(squares[block], doubled, (anchors[block] - center).T)
                if own is not None:
                    inside = (own >= start) & (own < start + scores.shape[1])
                    scores[inside, own[inside] - start] = math.inf
                score, place = scores.min(dim=1)
                score += doubled.square().sum(dim=1) / 4
                nearer = score < best
                best, indices = torch.where(nearer, score, best), torch.where(nearer, place + start, indices)
        chosen = anchors[indices]
        exact = torch.stack([(view - chosen).square().mean(dim=1).sqrt() for view in self.views(images)])
        return Nearest(exact.amin(dim=0), indices)


def _check(samples: Tensor, training: Tensor, name: str, shift: int) -> None:
    check_batch(samples, name, channels=training.shape[1])
    if samples.shape[2:] != training.shape[2:]:
        raise ValueError(
            f"{name} must have the size of the training images, {tuple(training.shape[2:])}, but got "
            f"{tuple(samples.shape[2:])} instead; resize them first."
        )
    if 2 * shift >= min(samples.shape[2:]):
        raise ValueError(f"shift must be under half the side of the images, but got {shift} instead.")


def nearest_training_image(
    training: Tensor, samples: Tensor, *, side: int = 16, flips: bool = True, shift: int = 0
) -> Nearest:
    """The training image that is nearest to each sample, in pixels at reduced size.

    Args:
        training (Tensor): uint8 ``(m, c, h, w)``. Memory grows with ``m * c * side * side`` floats only.
        samples (Tensor): uint8 ``(n, c, h, w)``.
        side (int): To which both are reduced, antialiased.
        flips (bool): Whether mirrored copies are copies too.
        shift (int): By how many pixels of the original size a copy may be shifted, each way, such as 2. The time
            grows with its square: 2 takes 25 times as long as 0, so it is for the end of a run.

    Raises:
        ValueError: If the images are no such ones.

    Example:
        >>> training = torch.randint(0, 256, (20, 3, 32, 32), dtype=torch.uint8)
        >>> nearest_training_image(training, training[[7, 3]].flip(-1)).indices.tolist()
        [7, 3]
    """
    check_batch(training, "training")
    _check(samples, training, "samples", shift)
    space = _Space(side, flips, shift)
    return space.nearest(samples, space.anchors(training))


@dataclasses.dataclass(frozen=True)
class Copies:
    """How near samples come to training images.

    Attributes:
        distance (float): Median distance of a sample to its nearest training image, in grey levels 0..255.
        distance_real (float): Median distance of a training image to its nearest other one.
        closest (float): The smallest distance of all samples: of a copy it is a small part of ``distance_real``.
        near_copies (float): Share of samples, 0..1, nearer to a training image than ``threshold``.
        threshold (float): The percentile of the distances of training images to their nearest others, in grey
            levels; training images that are stored twice are left out of it.
        expected (float): The share that new real images have: that of the held-out ones where they were given,
            or else the percentile by itself.
        held_out (bool): Whether there were held-out images.
        count (int): Of samples.
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
        """``distance / distance_real``: about 1 for new real images, 0 for copies."""
        return self.distance / self.distance_real if self.distance_real else math.inf

    @property
    def suspicious(self) -> bool:
        """Whether near copies are over twice the expected share, by more than two standard errors."""
        error = math.sqrt(max(self.expected * (1 - self.expected), 1 / self.count) / self.count)
        return self.near_copies > 2 * self.expected + 2 * error

    def to_dict(self) -> dict[str, float]:
        """As numbers for a log."""
        return {**{key: float(value) for key, value in dataclasses.asdict(self).items()}, "relative": self.relative}

    @property
    def sentence(self) -> str:
        """What it says, for people."""
        return (
            f"{self.near_copies:.0%} of samples are near copies of training images (of "
            f"{'held-out' if self.held_out else 'new'} real images: {self.expected:.0%}), and the median is "
            f"{self.relative:.2f} times as far as real images from each other: "
            + ("copies; look at them beside their nearest." if self.suspicious else "no sign of copying.")
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
    """Compares how near samples come to training images with how near those come to each other.

    Blurred or flat samples are near to many images without copying any: look at the pairs before judging.

    Args:
        training (Tensor): All images of the training, uint8 ``(m, c, h, w)``, at least two; of these 512, evenly
            spaced, are compared with all others for the floor.
        samples (Tensor): uint8 ``(n, c, h, w)``.
        held_out (Tensor, optional): Real images that were not trained on, uint8 ``(k, c, h, w)``; up to 512 count.
        percentile (float): Of the nearest distances among training images, below which a sample is a near copy.
        side (int): See :func:`nearest_training_image`, as for the others.
        flips (bool): Whether mirrored copies are copies too.
        shift (int): By how many pixels a copy may be shifted.

    Raises:
        ValueError: If the images or the percentile are no such ones.

    Example:
        >>> training = torch.randint(0, 256, (50, 1, 16, 16), dtype=torch.uint8)
        >>> copy_report(training, training[:10]).near_copies
        1.0
    """
    check_batch(training, "training", least=2)
    _check(samples, training, "samples", shift)
    if held_out is not None:
        _check(held_out, training, "held_out", shift)
    if not 0 < percentile < 100:
        raise ValueError(f"percentile must be between 0 and 100, but got {percentile} instead.")
    space = _Space(side, flips, shift)
    anchors = space.anchors(training)
    own = evenly(torch.arange(len(training), device=training.device), PROBES)
    floor = space.nearest(training[own], anchors, own).distances
    distinct = floor[floor > SAME]
    threshold = float(torch.quantile(distinct, percentile / 100)) if len(distinct) else SAME
    distances = space.nearest(samples, anchors).distances

    def share(values: Tensor) -> float:
        return float((values < threshold).float().mean())

    return Copies(
        distance=float(distances.median()),
        distance_real=float(floor.median()),
        closest=float(distances.min()),
        near_copies=share(distances),
        threshold=threshold,
        expected=percentile / 100
        if held_out is None
        else share(space.nearest(evenly(held_out, PROBES), anchors).distances),
        held_out=held_out is not None,
        count=len(samples),
    )
