"""What is done about uneven classes: weights, real images again, synthetic ones."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..mixing import choose_entries, top_up
from ..synthesis import SyntheticPool


def weighted_targets(labels: Tensor, num_classes: int) -> Tensor:
    """Targets ``(n, num_classes)`` under which all classes weigh alike in a loss that is linear in its targets."""
    counts = torch.bincount(labels, minlength=num_classes)
    weights = len(labels) / (num_classes * counts.clamp(min=1).float())
    return F.one_hot(labels, num_classes) * weights[labels, None]


def even_rows(labels: Tensor, seed: int) -> Tensor:
    """Rows of all images, and of those of smaller classes again until each class has as many, int64 ``(n,)``."""
    missing = top_up(labels, present(labels), None)
    entries = {label: (labels == label).nonzero().flatten() for label in missing.groups}
    return torch.cat([torch.arange(len(labels)), choose_entries(missing, entries, seed, 0)])


def fill_up(images: Tensor, labels: Tensor, pool: SyntheticPool, seed: int) -> tuple[Tensor, Tensor]:
    """Brings each class up to the largest by synthetic images.

    Args:
        images (Tensor): uint8 ``(n, c, h, w)``.
        labels (Tensor): int64 ``(n,)``.
        pool (SyntheticPool): With the classes of the data, at the size of the images.
        seed (int): Of the draw.

    Returns:
        tuple: All images, the given ones first, and their labels.
    """
    missing = top_up(labels, present(labels), None)
    if not missing.total:
        return images, labels
    added = pool.sample(missing.total, missing.labels(), seed=seed)
    return torch.cat([images, added]), torch.cat([labels, missing.labels()])


def present(labels: Tensor) -> list[int]:
    """The classes that there are, sorted."""
    return sorted(set(labels.tolist()))
