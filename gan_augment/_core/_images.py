"""Converts images between types, value ranges and sizes."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import PIL.Image
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from ._checks import check_dense

ResizeMode = Literal["resize", "crop", "pad"]


def as_uint8(image: Any) -> Tensor:
    """Converts a single image to a uint8 tensor ``(channels, height, width)`` with 1 or 3 channels.

    Args:
        image: A PIL image, a tensor ``(h, w)`` or ``(c, h, w)``, or an array ``(h, w)``, ``(h, w, c)`` or
            ``(c, h, w)``. Tensors and arrays are uint8 (0..255) or float (0..1).

    Raises:
        TypeError: If it is not an image.
        ValueError: If its mode, shape or values are not those of a grey or RGB image.
    """
    if isinstance(image, PIL.Image.Image):
        if image.mode not in ("1", "L", "P", "RGB"):
            raise ValueError(
                f"A PIL image must have mode '1', 'L', 'P' or 'RGB', but got {image.mode!r}; convert it first."
            )
        image = F.pil_to_tensor(image.convert("L" if image.mode in ("1", "L") else "RGB"))
    elif isinstance(image, np.ndarray):
        image = from_array(image)
    if not isinstance(image, Tensor):
        raise TypeError(f"An image must be a PIL image, a tensor or an array, but got {type(image)} instead.")
    check_dense(image, "Images")
    image = image.as_subclass(Tensor)
    if image.ndim == 2:
        image = image[None]
    if image.ndim != 3 or image.shape[0] not in (1, 3) or 0 in image.shape:
        raise ValueError(f"An image must have shape (1 or 3, height, width), but got {tuple(image.shape)} instead.")
    return quantize(image)


def from_array(image: np.ndarray[Any, Any]) -> Tensor:
    """Converts an array ``(..., h, w, c)``, ``(..., c, h, w)`` or ``(h, w)`` to a tensor with channels first.

    Raises:
        ValueError: If its values are neither uint8 nor float.
    """
    if image.dtype != np.uint8 and image.dtype.kind != "f":
        raise ValueError(f"Images must be uint8 (0..255) or float (0..1), but got {image.dtype} instead.")
    image = np.moveaxis(image, -1, -3) if channels_last(image) else image
    return torch.from_numpy(np.array(image, order="C"))


def channels_last(image: np.ndarray[Any, Any]) -> bool:
    """Returns whether the channels of an array are last, as in OpenCV, Albumentations and Matplotlib."""
    return image.ndim >= 3 and image.shape[-1] in (1, 3)


def quantize(images: Tensor) -> Tensor:
    """Converts float images 0..1 to uint8 0..255, and returns uint8 images unchanged.

    Raises:
        ValueError: If the images have the wrong type, or values outside 0..1.
    """
    if images.dtype == torch.uint8:
        return images
    if not images.is_floating_point():
        raise ValueError(f"Images must be uint8 (0..255) or float (0..1), but got {images.dtype} instead.")
    if images.numel() and not (float(images.min()) >= 0 and float(images.max()) <= 1):
        raise ValueError(
            f"Float images must be between 0 and 1, but got {float(images.min()):.3g} to "
            f"{float(images.max()):.3g}; pass the images before you normalize them."
        )
    return images.mul(255).round_().to(torch.uint8)


def to_signed(images: Tensor) -> Tensor:
    """Converts uint8 images to float -1..1, the range of the networks."""
    return images.float().div_(127.5).sub_(1)


def to_channels(images: Tensor, channels: int) -> Tensor:
    """Converts images ``(..., c, h, w)`` between grey and RGB."""
    if images.shape[-3] == channels:
        return images
    if channels == 3:
        return images.repeat_interleave(3, dim=-3)
    grey: Tensor = F.rgb_to_grayscale(images)
    return grey


def resize_to_square(image: Tensor, image_size: int, resize_mode: ResizeMode) -> Tensor:
    """Makes uint8 images ``(..., h, w)`` square, by resizing, cropping or padding.

    Raises:
        ValueError: If an image is larger than the square that it should be padded to.
    """
    height, width = image.shape[-2:]
    if resize_mode == "pad" and max(height, width) > image_size:
        raise ValueError(
            f"Images must be at most {image_size} px for resize_mode='pad', but got {height} x {width}; "
            "try resize_mode='crop' or a larger image_size."
        )
    if resize_mode != "resize":
        side = image_size if resize_mode == "pad" else min(height, width)
        image = F.center_crop(image, [side, side])  # pads smaller images with black
    resized: Tensor = F.resize(image, [image_size, image_size], antialias=True)
    return resized


def undo_resize(
    images: Tensor, height: int, width: int, resize_mode: ResizeMode, source: tuple[int, int] | None
) -> Tensor:
    """Inverts :func:`resize_to_square`: brings a generator's images to the size of real ones.

    Args:
        images (Tensor): uint8 ``(..., s, s)``.
        height (int): Height of the real images.
        width (int): Width of the real images.
        resize_mode (str): How the training images were made square.
        source (tuple, optional): Height and width of the training images before they were made square.

    Raises:
        ValueError: If there is no inverse, because a square crop does not contain all of a wide image.
    """
    if images.shape[-2:] == (height, width):
        return images
    if resize_mode == "pad" and source is None and max(height, width) <= images.shape[-1]:
        source = (height, width)  # the training images had many sizes; this may be one of them
    if resize_mode == "pad" and source is not None:
        top, left = (images.shape[-2] - source[0]) // 2, (images.shape[-1] - source[1]) // 2
        images = images[..., top : top + source[0], left : left + source[1]]
        if images.shape[-2:] == (height, width):
            return images
    shape = source if resize_mode == "resize" else images.shape[-2:]  # None: images of any shape were made square
    if shape is not None and abs(height / width - shape[0] / shape[1]) > 0.02 * shape[0] / shape[1]:
        raise ValueError(
            f"Synthetic images must have the shape of the real ones, but got {shape[0]} x {shape[1]} for "
            f"real images of {height} x {width}; crop the real ones first."
        )
    resized: Tensor = F.resize(images, [height, width], antialias=True)
    return resized


def to_uint8(images: Tensor) -> Tensor:
    """Converts images -1..1 to uint8 0..255."""
    return images.float().mul(127.5).add_(127.5).round_().clamp_(0, 255).to(torch.uint8)
