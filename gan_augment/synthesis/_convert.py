"""Converts synthetic images to the kind of the real ones: container, type, values, size and channels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from .._core import channels_last, check_dense, from_array, to_channels, undo_resize
from ..models import Geometry

_CHANNELS = {"L": 1, "RGB": 3}


@dataclass(frozen=True)
class ImageKind:
    """Everything about an image except its content.

    Attributes:
        container (str): ``"PIL"``, ``"tensor"``, ``"tv_tensors.Image"`` or ``"array"``.
        dtype (torch.dtype): Type of the values; uint8 is 0..255, float is 0..1.
        channels (int): Number of channels, 1 or 3.
        height (int): Height in pixels.
        width (int): Width in pixels.
        layout (str): ``"chw"``; for arrays also ``"hwc"``; ``"hw"`` without a dimension for channels.
        subclass (type, optional): Class of a tensor that is not a plain ``Tensor``, such as fastai's or MONAI's.
    """

    container: str
    dtype: torch.dtype
    channels: int
    height: int
    width: int
    layout: str = "chw"
    subclass: type[Tensor] | None = None

    @classmethod
    def of(cls, image: Any) -> ImageKind:
        """Returns the kind of an image ``(c, h, w)``, of the images of a batch ``(n, c, h, w)``, or of a PIL image.

        Raises:
            TypeError: If it is not an image.
            ValueError: If synthetic images cannot be converted to its mode, type or shape.
        """
        if isinstance(image, PIL.Image.Image):
            if image.mode not in _CHANNELS:
                raise ValueError(
                    f"PIL images must be of mode 'L' or 'RGB', but got {image.mode!r}; convert them first."
                )
            return cls("PIL", torch.uint8, _CHANNELS[image.mode], image.height, image.width)
        if not isinstance(image, (Tensor, np.ndarray)):
            raise TypeError(f"An image must be a PIL image, a tensor or an array, but got {type(image)} instead.")
        plain, layout = as_channels_first(image)
        if plain.ndim not in (3, 4) or plain.shape[-3] not in (1, 3) or 0 in plain.shape[-2:]:
            raise ValueError(
                "Images must have shape (1 or 3, height, width) or (n, 1 or 3, height, width), but got "
                f"{tuple(image.shape)} instead."
            )
        if plain.dtype != torch.uint8 and not plain.is_floating_point():
            raise ValueError(f"Images must be uint8 or float, but got {plain.dtype} instead.")
        container, subclass = "tensor", None
        if isinstance(image, np.ndarray):
            container = "array"
        elif isinstance(image, tv_tensors.Image):
            container = "tv_tensors.Image"
        elif type(image) is not Tensor:
            subclass = type(image)
        channels, height, width = plain.shape[-3:]
        return cls(container, plain.dtype, channels, height, width, layout, subclass)

    def __str__(self) -> str:
        dtype = str(self.dtype).removeprefix("torch.")
        return f"{self.container} {dtype} {self.channels} x {self.height} x {self.width}"


def as_channels_first(image: Tensor | np.ndarray[Any, Any]) -> tuple[Tensor, str]:
    """Returns an image or a batch as a tensor ``(..., c, h, w)``, and its layout; see :class:`ImageKind`."""
    if isinstance(image, np.ndarray):
        last, plain = channels_last(image), from_array(image)
    else:
        check_dense(image, "Real images")
        last, plain = False, image.as_subclass(Tensor)
    return (plain[None], "hw") if plain.ndim == 2 else (plain, "hwc" if last else "chw")


def to_container(image: Tensor, kind: ImageKind) -> Any:
    """Converts a plain tensor ``(..., c, h, w)`` to the container and layout of real images, with the same values."""
    if kind.layout != "chw":
        image = image.squeeze(-3) if kind.layout == "hw" else image.movedim(-3, -1)
    if kind.container == "array":
        return image.cpu().contiguous().numpy()
    if kind.container == "tv_tensors.Image":
        return tv_tensors.Image(image)
    return image if kind.subclass is None else image.as_subclass(kind.subclass)


def match_shape(images: Tensor, kind: ImageKind, geometry: Geometry) -> Tensor:
    """Converts synthetic uint8 images ``(n, c, h, w)`` to the channels and size of real ones.

    Raises:
        ValueError: If their shape cannot be matched.
    """
    images = undo_resize(images, kind.height, kind.width, geometry.resize_mode, geometry.source_size)
    return to_channels(images, kind.channels)


def match_batch(images: Tensor, kind: ImageKind, geometry: Geometry) -> Tensor:
    """Converts synthetic uint8 images ``(n, c, h, w)`` to the shape, type and value range of real ones.

    Args:
        images (Tensor): Synthetic images.
        kind (ImageKind): Kind of the real images.
        geometry (Geometry): Geometry of the source.

    Raises:
        ValueError: If the shape cannot be matched.

    Example:
        >>> kind = ImageKind.of(torch.zeros(8, 3, 28, 28))
        >>> out = match_batch(torch.zeros(2, 1, 32, 32, dtype=torch.uint8), kind, Geometry("pad", (28, 28)))
        >>> out.shape, out.dtype
        (torch.Size([2, 3, 28, 28]), torch.float32)
    """
    images = match_shape(images, kind, geometry)
    return images if kind.dtype == torch.uint8 else images.to(kind.dtype).div_(255)


def match_image(image: Tensor, kind: ImageKind, geometry: Geometry, *, resize: bool = True) -> Any:
    """Converts a synthetic uint8 image ``(c, h, w)`` to exactly the kind of the real ones.

    Args:
        image (Tensor): Synthetic image.
        kind (ImageKind): Kind of the real images.
        geometry (Geometry): Geometry of the source.
        resize (bool): Whether to convert it to their size too. Otherwise, only padding is cut off. Default: True.
    """
    return match_each(image[None], kind, geometry, resize=resize)[0]


def match_each(images: Tensor, kind: ImageKind, geometry: Geometry, *, resize: bool = True) -> list[Any]:
    """Converts synthetic uint8 images ``(n, c, h, w)`` to a list of images; see :func:`match_image`."""
    if not resize:
        unpadded = geometry.source_size if geometry.resize_mode == "pad" else None
        height, width = unpadded or images.shape[2:]
        kind = dataclasses.replace(kind, height=height, width=width)
    if kind.container == "PIL":
        return [F.to_pil_image(image) for image in match_shape(images, kind, geometry)]
    return [to_container(image, kind) for image in match_batch(images, kind, geometry).unbind()]


def call_transform(transform: Any, image: Any) -> Any:
    """Calls a user's transform, by keyword if it comes from Albumentations."""
    return of_image(transform)(image)


def of_image(transform: Any) -> Callable[[Any], Any]:
    """Returns a function that applies a user's transform, which may come from Albumentations, to one image."""
    if any(each.__module__.split(".")[0] == "albumentations" for each in type(transform).__mro__):
        return lambda image: transform(image=image)["image"]
    function: Callable[[Any], Any] = transform
    return function


def check_unit_range(
    images: Any, remedy: str = "Mix before you normalize them, or pass the same normalization as transform=."
) -> None:
    """Checks that float images are not normalized yet, so that synthetic images of 0..1 do not stand out among them.

    Raises:
        ValueError: If values are outside 0..1 by more than interpolation can overshoot. The message ends with
            ``remedy``.
    """
    if isinstance(images, np.ndarray) and images.dtype.kind == "f":
        images = torch.from_numpy(np.asarray(images))
    if not isinstance(images, Tensor) or not images.is_floating_point() or images.numel() == 0:
        return
    low, high = (float(bound) for bound in images.detach().aminmax())
    if not (low >= -0.1 and high <= 1.1):  # NaN fails this too
        raise ValueError(f"Float images must be between 0 and 1, but got {low:.3g} to {high:.3g}. {remedy}")
