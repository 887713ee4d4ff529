"""Samples beside their nearest training images: what a person must look at before a word on copying is believed."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ._copies import nearest_training_image
from ._diversity import check_batch
from ._load_features import FeaturesLike, load_features
from ._memorization import nearest


class ClosestPairs(NamedTuple):
    """Samples and their nearest training images, closest first.

    Attributes:
        samples (Tensor): int64 ``(n,)``: which samples.
        training (Tensor): int64 ``(n,)``: the nearest training image of each.
        distances (Tensor): float32 ``(n,)``: in grey levels 0..255, or in units of the features.
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
    """The samples that come nearest to a training image, in pixels or in features.

    Args:
        training (Tensor): uint8 ``(m, c, h, w)``.
        samples (Tensor): uint8 ``(k, c, h, w)``.
        n (int): How many pairs; as many as there are samples, if those are fewer.
        features (optional): Where to compare, as of :func:`load_features`. Default: pixels.
        side (int): Of pixels: see :func:`nearest_training_image`, as for the others.
        flips (bool): Of pixels: whether mirrored copies are copies too.
        shift (int): Of pixels: by how many of them a copy may be shifted.

    Raises:
        ValueError: If the images are no such ones.

    Example:
        >>> training = torch.randint(0, 256, (20, 1, 16, 16), dtype=torch.uint8)
        >>> samples = torch.cat([255 - training[:3], training[[5]]])
        >>> closest_pairs(training, samples, 1)[:2]
        (tensor([3]), tensor([5]))
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, but got {n} instead.")
    check_batch(training, "training")
    check_batch(samples, "samples", channels=training.shape[1])
    if features is None:
        distances, indices = nearest_training_image(training, samples, side=side, flips=flips, shift=shift)
    else:
        network = load_features(features)
        distances, indices = nearest(network(samples).double(), network(training).double())
    order = torch.argsort(distances, stable=True)[:n]
    return ClosestPairs(order, indices[order], distances[order].float())


def pairs_picture(
    training: Tensor, samples: Tensor, pairs: ClosestPairs | None = None, *, columns: int = 4, gap: int = 2
) -> Tensor:
    """A picture of pairs: each sample with its nearest training image to the right of it, row by row, closest first.

    Args:
        training (Tensor): uint8 ``(m, c, h, w)``.
        samples (Tensor): uint8 ``(k, c, h, w)``, of the same size.
        pairs (ClosestPairs, optional): Default: the eight of :func:`closest_pairs`.
        columns (int): Pairs beside each other.
        gap (int): White pixels around a pair.

    Returns:
        Tensor: uint8 ``(c, height, width)``.

    Raises:
        ValueError: If the images are of two sizes, or a number is out of range.

    Example:
        >>> training = torch.randint(0, 256, (20, 1, 16, 16), dtype=torch.uint8)
        >>> pairs_picture(training, training[:4], columns=2).shape
        torch.Size([1, 38, 70])
    """
    check_batch(training, "training")
    check_batch(samples, "samples", channels=training.shape[1])
    if samples.shape[2:] != training.shape[2:]:
        raise ValueError(
            f"samples must have the size of the training images, {tuple(training.shape[2:])}, but got "
            f"{tuple(samples.shape[2:])} instead; resize them first."
        )
    if columns < 1 or gap < 0:
        raise ValueError(f"columns must be at least 1 and gap not negative, but got {columns} and {gap} instead.")
    pairs = closest_pairs(training, samples) if pairs is None else pairs
    both = torch.cat([samples[pairs.samples], training[pairs.training]], dim=3)
    channels, height, width = both.shape[1:]
    columns = min(columns, len(both))
    rows = math.ceil(len(both) / columns)
    size = (channels, gap + rows * (height + gap), gap + columns * (width + gap))
    picture = torch.full(size, 255, dtype=torch.uint8, device=both.device)
    for index, image in enumerate(both):
        top, left = gap + index // columns * (height + gap), gap + index % columns * (width + gap)
        picture[:, top : top + height, left : left + width] = image
    return picture
