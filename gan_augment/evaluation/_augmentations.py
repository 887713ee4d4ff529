"""Ordinary augmentation, by name: what synthetic images have to beat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms import v2

from ._classifiers import BatchTransform, random_affine


@dataclass(frozen=True)
class Augmentation:
    """Ordinary augmentation of float batches 0..1.

    Args:
        images (callable, optional): ``images -> images``.
        blends (bool): Whether MixUp or CutMix, one of the two for each batch, follows.
    """

    images: Callable[[Tensor], Tensor] | None = None
    blends: bool = False

    def blend(self, num_classes: int) -> BatchTransform | None:
        """What follows on images and labels: https://arxiv.org/abs/1710.09412, https://arxiv.org/abs/1905.04899."""
        if not self.blends:
            return None
        choice: BatchTransform = v2.RandomChoice(
            [v2.MixUp(alpha=0.4, num_classes=num_classes), v2.CutMix(num_classes=num_classes)]
        )
        return choice


def flip_and_affine(images: Tensor) -> Tensor:
    """Half of the images mirrored, then :func:`random_affine`."""
    mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    return random_affine(torch.where(mirrored, images.flip(3), images))


def trivial_augment(images: Tensor) -> Tensor:
    """TrivialAugment, one operation for each image: https://arxiv.org/abs/2103.10158."""
    return _each(v2.TrivialAugmentWide(), images)


def random_augment(images: Tensor) -> Tensor:
    """RandAugment, two operations for each image: https://arxiv.org/abs/1909.13719."""
    return _each(v2.RandAugment(num_ops=2, magnitude=9), images)


def _each(transform: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """A transform of whole numbers, drawn anew for each image: on a batch it would be one for all."""
    whole = images.mul(255).round_().clamp_(0, 255).byte()
    return torch.stack([transform(image) for image in whole]).to(images.dtype).div_(255)


AUGMENTATIONS: dict[str, Augmentation] = {
    "none": Augmentation(),
    "affine": Augmentation(random_affine),
    "flip-affine": Augmentation(flip_and_affine),
    "affine-mix": Augmentation(random_affine, blends=True),
    "trivial": Augmentation(trivial_augment),
    "trivial-mix": Augmentation(trivial_augment, blends=True),
    "rand": Augmentation(random_augment),
    "rand-mix": Augmentation(random_augment, blends=True),
}
