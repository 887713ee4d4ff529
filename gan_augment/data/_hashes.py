"""Content hashes of images, so that no generator is judged on images that it has seen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor

from .._core import check_tensor


def fingerprint(image: Tensor) -> int:
    """Computes the content hash of an image: the first 8 bytes of the SHA-256 of its size and pixels.

    A grey image and the same image stored as RGB have the same fingerprint.

    Args:
        image (Tensor): Image before any resizing or padding, uint8 ``(channels, height, width)``.

    Raises:
        TypeError: If ``image`` is not a tensor.
        ValueError: If it has the wrong type or shape, or is empty.

    Example:
        >>> grey = torch.zeros(1, 2, 2, dtype=torch.uint8)
        >>> fingerprint(grey) == fingerprint(grey.repeat(3, 1, 1))
        True
    """
    check_tensor(image, "image")
    if image.dtype != torch.uint8 or image.ndim != 3 or 0 in image.shape:
        raise ValueError(
            f"image must be uint8 (channels, height, width), but got {image.dtype} of shape {tuple(image.shape)}."
        )
    if image.shape[0] == 3 and bool((image[0] == image[1]).all() and (image[1] == image[2]).all()):
        image = image[:1]
    digest = hashlib.sha256(repr(tuple(image.shape)).encode())
    digest.update(image.contiguous().numpy().tobytes())
    return int.from_bytes(digest.digest()[:8], "big", signed=True)


def content_hashes(images: Iterable[Tensor]) -> Tensor:
    """Returns the content hash of each image, int64 ``(n,)``."""
    return torch.tensor([fingerprint(image) for image in images], dtype=torch.int64)


def fingerprints(images: Iterable[Tensor]) -> Tensor:
    """Returns the sorted, distinct content hashes of images, int64 ``(m,)``."""
    return torch.tensor(sorted({fingerprint(image) for image in images}), dtype=torch.int64)


def seen(images: Iterable[Tensor], known: Tensor) -> Tensor:
    """Returns whether the content hash of each image is in ``known``, bool ``(n,)``."""
    return torch.isin(content_hashes(images), known)
