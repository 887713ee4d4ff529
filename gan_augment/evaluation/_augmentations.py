"""Ordinary augmentation, which classifiers use on real and synthetic images alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import v2

BatchTransform = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Augmentation:
    """Applies ordinary augmentation to float batches 0..1, optionally followed by MixUp or CutMix."""

    images: Callable[[Tensor], Tensor] | None = None
    blends: bool = False

    def blend(self, num_classes: int) -> BatchTransform | None:
        """Returns MixUp (https://arxiv.org/abs/1710.09412) or CutMix (https://arxiv.org/abs/1905.04899) at random."""
        if not self.blends:
            return None
        mixes = [v2.MixUp(alpha=0.4, num_classes=num_classes), v2.CutMix(num_classes=num_classes)]
        choice: BatchTransform = v2.RandomChoice(mixes)
        return choice


def random_affine(images: Tensor, degrees: float = 10.0, scale: float = 0.1, shift: float = 2.0) -> Tensor:
    """Rotates, scales and shifts each image by its own random amounts, and fills the borders with 0.

    Args:
        images (Tensor): Images, float ``(n, c, h, w)``.
        degrees (float): Maximum rotation in degrees. Default: 10.
        scale (float): Maximum relative change of size. Default: 0.1.
        shift (float): Maximum shift in pixels. Default: 2.
    """
    n, device = len(images), images.device
    angle = (torch.rand(n, device=device) * 2 - 1) * math.radians(degrees)
    zoom = 1 + (torch.rand(n, device=device) * 2 - 1) * scale
    move = (torch.rand(n, 2, device=device) * 2 - 1) * shift * 2 / images.shape[-1]
    cosine, sine = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    rows = [torch.stack([cosine, -sine, move[:, 0]], 1), torch.stack([sine, cosine, move[:, 1]], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def _flip_and_affine(images: Tensor) -> Tensor:
    """Mirrors each image with probability 0.5, then applies :func:`random_affine`."""
    mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    return random_affine(torch.where(mirrored, images.flip(3), images))


def _apply_to_each(transform: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Applies a uint8 transform to each image separately, because on a batch it draws one operation for all images."""
    whole = images.mul(255).round_().clamp_(0, 255).byte()
    return torch.stack([transform(image) for image in whole]).to(images.dtype).div_(255)


_trivial = partial(_apply_to_each, v2.TrivialAugmentWide())  # https://arxiv.org/abs/2103.10158
_rand = partial(_apply_to_each, v2.RandAugment(num_ops=2, magnitude=9))  # https://arxiv.org/abs/1909.13719
AUGMENTATIONS: dict[str, Augmentation] = {
    "none": Augmentation(),
    "affine": Augmentation(random_affine),
    "flip-affine": Augmentation(_flip_and_affine),
    "affine-mix": Augmentation(random_affine, blends=True),
    "trivial": Augmentation(_trivial),
    "trivial-mix": Augmentation(_trivial, blends=True),
    "rand": Augmentation(_rand),
    "rand-mix": Augmentation(_rand, blends=True),
}
