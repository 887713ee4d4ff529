"""Checks of the images and features that metrics compare, and ways to make them fewer or smaller."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .._core import check_tensor, evenly_spaced

BLOCK = 256  # images that are converted to floats at a time


def check_images(images: Tensor, name: str = "images", *, least: int = 1, like: Tensor | None = None) -> None:
    """Checks that ``images`` holds ``least`` or more uint8 images, grey or RGB, with the channels of ``like``.

    Raises:
        TypeError: If they are not a tensor.
        ValueError: If they have the wrong type, shape, count or number of channels.
    """
    check_tensor(images, name)
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            f"{name} must be uint8 (n, 1 or 3, height, width) with n above 0, but got {images.dtype} of shape "
            f"{tuple(images.shape)} instead."
        )
    if len(images) < least:
        raise ValueError(f"{name} must be at least {least} images, but got {len(images)} instead.")
    if like is not None and images.shape[1] != like.shape[1]:
        raise ValueError(
            f"{name} must have {like.shape[1]} channels like the other images, but got {images.shape[1]} instead; "
            "convert them first."
        )


def check_same_size(images: Tensor, name: str, like: Tensor, others: str) -> None:
    """Checks that ``images`` are valid and have the channels and size of ``like``, the images named ``others``."""
    check_images(images, name, like=like)
    if images.shape[2:] != like.shape[2:]:
        raise ValueError(
            f"{name} must have the size of the {others} images, {tuple(like.shape[2:])}, but got "
            f"{tuple(images.shape[2:])} instead; resize them first."
        )


def check_features(**sets: tuple[Tensor, int]) -> tuple[Tensor, ...]:
    """Checks sets of features ``(n, d)``, each with its minimum ``n``, and returns them as float64 on the CPU."""
    for name, (features, minimum) in sets.items():
        check_tensor(features, name)
        if features.ndim != 2 or not features.is_floating_point():
            raise ValueError(
                f"{name} must be float features (n, d), but got {features.dtype} of shape {tuple(features.shape)}."
            )
        if len(features) < minimum:
            raise ValueError(f"{name} must hold at least {minimum} items, but got {len(features)} instead.")
        if not bool(features.isfinite().all()):
            raise ValueError(f"{name} must hold finite features, but some are not.")
    widths = [features.shape[1] for features, _ in sets.values()]
    if len(set(widths)) > 1:
        names, rows = " and ".join(sets), " and ".join(map(str, widths))
        raise ValueError(f"{names} must be features of one network, but got rows of {rows} instead.")
    return tuple(features.detach().to("cpu", torch.float64) for features, _ in sets.values())


def reduce_images(images: Tensor, side: int) -> Tensor:
    """Returns uint8 images as float32 0..255, resized to ``(side, side)`` with antialiasing."""
    blocks = torch.split(images, BLOCK)
    return torch.cat([F.interpolate(b.float(), size=(side, side), mode="bilinear", antialias=True) for b in blocks])


def evenly(images: Tensor, most: int) -> Tensor:
    """Returns at most ``most`` of the images, evenly spaced, so that every call returns the same ones."""
    return images if len(images) <= most else images[evenly_spaced(len(images), most)]
