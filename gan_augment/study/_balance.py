"""What is done about uneven classes: weights, real images again, synthetic ones."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..mixing import Slots, choose_entries, top_up
from ..synthesis import SyntheticPool


def weighted_targets(labels: Tensor, num_classes: int) -> Tensor:
    """Targets ``(n, num_classes)`` under which all classes weigh alike in a loss that is linear in its targets."""
    counts = torch.bincount(labels, minlength=num_classes)
    weights = len(labels) / (num_classes * counts.clamp(min=1).float())
    return F.one_hot(labels, num_classes) * weights[labels, None]


def fill_up(
    images: Tensor, labels: Tensor, pool: SyntheticPool | None, ratio: float, seed: int, repeat: bool
) -> tuple[Tensor, Tensor]:
    """Brings classes up towards the largest: by a share of synthetic images, and by real ones again for the rest.

    Args:
        images (Tensor): uint8 ``(n, c, h, w)``.
        labels (Tensor): int64 ``(n,)``.
        pool (SyntheticPool, optional): With the classes of the data, at the size of the images.
        ratio (float): Synthetic share of what is added.
        seed (int): Of the draw.
        repeat (bool): Whether real ones come again, each once before any twice; else the rest stays missing.

    Returns:
        tuple: All images and their labels.
    """
    entries = {label: (labels == label).nonzero().flatten() for label in sorted(set(labels.tolist()))}
    missing = top_up(labels, list(entries), None)
    share = 0.0 if pool is None else ratio
    drawn = Slots(missing.groups, tuple(round(share * count) for count in missing.counts))
    rest = tuple(count - made if repeat else 0 for count, made in zip(missing.counts, drawn.counts))
    again = choose_entries(Slots(missing.groups, rest), entries, seed, 0)
    parts, added = [images, images[again]], [labels, labels[again]]
    if pool is not None and drawn.total:
        parts.append(pool.sample(drawn.total, drawn.labels(), seed=seed))
        added.append(drawn.labels())
    return torch.cat(parts), torch.cat(added)
