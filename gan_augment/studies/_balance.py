"""What is done about uneven classes: weights, real images again, synthetic ones."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..mixing import present, top_up
from ..synthesis import SyntheticPool


def weighted_targets(labels: Tensor, num_classes: int) -> Tensor:
    """Targets ``(n, num_classes)`` under which all classes weigh alike in a loss that is linear in its targets."""
    counts = torch.bincount(labels, minlength=num_classes)
    weights = len(labels) / (num_classes * counts.clamp(min=1).float())
    return F.one_hot(labels, num_classes) * weights[labels, None]


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
