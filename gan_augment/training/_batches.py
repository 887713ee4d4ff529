"""The images of each step: a function of the seed and the position, so that a restart needs no state."""

from __future__ import annotations

import torch
from torch import Tensor

from .._core import mix_seed
from ._data import TrainingImages

_EPOCH = 2  # the stream of random numbers that orders are drawn from


class Order:
    """An endless order of the images: one permutation after another.

    Args:
        images (TrainingImages): The images to order.
        seed (int): Seed of the order.
        balanced (bool): Whether every class comes equally often; images of rare classes are repeated. Default: False.
    """

    def __init__(self, images: TrainingImages, seed: int, *, balanced: bool = False) -> None:
        self.seed, self.count = seed, len(images)
        self.classes: list[Tensor] = []
        if balanced and images.labels is not None:
            self.classes = [(images.labels == c).nonzero().flatten() for c in range(images.num_classes)]
            self.count = images.num_classes * max(len(rows) for rows in self.classes)

    def indices(self, position: int, size: int) -> Tensor:
        """Returns the indices of the images from ``position`` to ``position + size``, int64 ``(size,)``."""
        first = position // self.count
        last = (position + size - 1) // self.count
        rows = torch.cat([self._epoch(epoch) for epoch in range(first, last + 1)])
        start = position - first * self.count
        return rows[start : start + size]

    def _epoch(self, epoch: int) -> Tensor:
        rng = torch.Generator().manual_seed(mix_seed(self.seed, _EPOCH, epoch))
        order = torch.randperm(self.count, generator=rng)
        if not self.classes:
            return order
        each = self.count // len(self.classes)
        rows = torch.cat([self._repeat(members, each, rng) for members in self.classes])
        return rows[order]

    @staticmethod
    def _repeat(members: Tensor, each: int, rng: torch.Generator) -> Tensor:
        rounds = -(-each // len(members))
        shuffled = [members[torch.randperm(len(members), generator=rng)] for _ in range(rounds)]
        return torch.cat(shuffled)[:each]
