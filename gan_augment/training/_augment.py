"""Differentiable augmentation (https://arxiv.org/abs/2006.10738), each operation with a probability.

Reals and fakes pass through it, in the steps of both networks. An operation that is always on leaks into
the samples, and there a classifier would learn it; hence the probability, which training anneals to zero.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def _per_image(images: Tensor, low: float, high: float) -> Tensor:
    return torch.empty(len(images), 1, 1, 1, device=images.device).uniform_(low, high)


def brightness(images: Tensor) -> Tensor:
    """Adds up to +-0.5 (images are -1..1)."""
    return images + _per_image(images, -0.5, 0.5)


def saturation(images: Tensor) -> Tensor:
    """Scales the distance from grey by 0 to 2; no effect on grey images."""
    grey = images.mean(dim=1, keepdim=True)
    return (images - grey) * _per_image(images, 0.0, 2.0) + grey


def contrast(images: Tensor) -> Tensor:
    """Scales the distance from the image's mean by 0.5 to 1.5."""
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - mean) * _per_image(images, 0.5, 1.5) + mean


def translation(images: Tensor) -> Tensor:
    """Shifts by up to an eighth of the side; zeros come in."""
    n, _, height, width = images.shape
    reach = max(round(height / 8), 1)
    offsets = torch.randint(0, 2 * reach + 1, (2, n, 1), device=images.device)
    padded = F.pad(images, [reach] * 4)
    rows = (offsets[0] + torch.arange(height, device=images.device))[:, None, :, None]
    columns = (offsets[1] + torch.arange(width, device=images.device))[:, None, None, :]
    batch = torch.arange(n, device=images.device)[:, None, None, None]
    channel = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
    return padded[batch, channel, rows, columns]


def cutout(images: Tensor) -> Tensor:
    """Zeroes a square of half the side, centred anywhere."""
    n, _, height, width = images.shape
    centre_y = torch.randint(0, height, (n, 1, 1, 1), device=images.device)
    centre_x = torch.randint(0, width, (n, 1, 1, 1), device=images.device)
    rows = torch.arange(height, device=images.device)[None, None, :, None]
    columns = torch.arange(width, device=images.device)[None, None, None, :]
    down, right = rows - centre_y, columns - centre_x
    inside = (-(height // 4) <= down) & (down < height // 4) & (-(width // 4) <= right) & (right < width // 4)
    return images * ~inside


POLICIES: dict[str, tuple[Callable[[Tensor], Tensor], ...]] = {
    "color": (brightness, saturation, contrast),
    "translation": (translation,),
    "cutout": (cutout,),
}


def diff_augment(images: Tensor, policies: tuple[str, ...], probability: float) -> Tensor:
    """Augments images ``(n, c, h, w)`` in -1..1; each policy hits each image with the probability.

    Args:
        images (Tensor): A batch, real or generated; gradients pass through.
        policies (tuple of str): Out of ``"color"``, ``"translation"`` and ``"cutout"``.
        probability (float): From 0 (the identity) to 1.
    """
    if probability <= 0:
        return images
    for policy in policies:
        augmented = images
        for operation in POLICIES[policy]:
            augmented = operation(augmented)
        hit = torch.rand(len(images), 1, 1, 1, device=images.device) < probability
        images = torch.where(hit, augmented, images)
    return images
