"""What a recipe does with the training images, and the order in which steps take them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .._core import ResizeMode, mix_seed
from ..data import TrainingImages
from .recipes._options import Options, within

if TYPE_CHECKING:
    from .recipes._recipe import Recipe

_EPOCH = 2  # the stream of random numbers of the orders


@dataclass(frozen=True, kw_only=True)
class DataOptions(Options):
    """What a recipe does with the images.

    Args:
        image_size (int): Side of the images in pixels: 16, 28, 32, 64, 128 or 256. Default: 64.
        channels (int, optional): 1 or 3. Default: as many as the images have.
        resize_mode (str): How images get this size: ``"crop"`` (default), ``"resize"`` or ``"pad"``.
        conditional (bool): Whether the generator learns the classes. Default: False.
        flip (bool): Whether the generator also learns mirrored images. Default: False.
        balance_classes (bool): Whether every class is drawn equally often, even if it is rare. Default: False.
        held_out (float): Share of the images that is held out from training. The KID on these images chooses the
            generator that is kept. Default: 0, which keeps the last generator.
    """

    image_size: int = 64
    channels: int | None = None
    resize_mode: ResizeMode = "crop"
    conditional: bool = False
    flip: bool = False
    balance_classes: bool = False
    held_out: float = within(0.0, 1.0, 0.0)

    @staticmethod
    def problems(recipe: Recipe) -> Iterator[str]:
        if recipe.balance_classes and not recipe.conditional:
            yield "balance_classes needs conditional=True, because the classes are not read otherwise"


class Order:
    """An endless order of the images, one permutation after another, as a function of the seed and the position.

    If it is ``balanced``, every class comes equally often, and images of rare classes are repeated.
    """

    def __init__(self, images: TrainingImages, seed: int, *, balanced: bool = False) -> None:
        self.seed, self.count = seed, len(images)
        self.classes: list[Tensor] = []
        if balanced and images.labels is not None:
            self.classes = [(images.labels == c).nonzero().flatten() for c in range(images.num_classes)]
            self.count = images.num_classes * max(len(rows) for rows in self.classes)

    def indices(self, position: int, size: int) -> Tensor:
        """Returns the indices of the images from ``position`` to ``position + size``, int64 ``(size,)``."""
        first, start = divmod(position, self.count)
        last = (position + size - 1) // self.count
        rows = torch.cat([self._epoch(epoch) for epoch in range(first, last + 1)])
        return rows[start : start + size]

    def _epoch(self, epoch: int) -> Tensor:
        rng = torch.Generator().manual_seed(mix_seed(self.seed, _EPOCH, epoch))
        order = torch.randperm(self.count, generator=rng)
        if not self.classes:
            return order
        each = self.count // len(self.classes)
        return torch.cat([_repeated(members, each, rng) for members in self.classes])[order]


def _repeated(members: Tensor, count: int, rng: torch.Generator) -> Tensor:
    rounds = -(-count // len(members))
    shuffled = [members[torch.randperm(len(members), generator=rng)] for _ in range(rounds)]
    return torch.cat(shuffled)[:count]
