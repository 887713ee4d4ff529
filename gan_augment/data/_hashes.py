"""Content hashes of images: what a generator has seen must not be what it is judged on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor

from .._core import check_tensor


def fingerprint(image: Tensor) -> int:
    """The content hash of one image: the first 8 bytes of a SHA-256 over its size and pixels.

    A grey image and the same image stored as RGB have the same fingerprint.

    Args:
        image (Tensor): uint8 ``(channels, height, width)``, before any resizing or padding.

    Raises:
        TypeError: If it is no tensor.
        ValueError: If it is of another type or shape, or empty.

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


def fingerprints(images: Iterable[Tensor]) -> Tensor:
    """The sorted, distinct fingerprints of images, int64 ``(m,)``."""
    return torch.tensor(sorted({fingerprint(image) for image in images}), dtype=torch.int64)


def seen(images: Iterable[Tensor], known: Tensor) -> Tensor:
    """Which of the images have a fingerprint among the known, bool ``(n,)``."""
    return torch.isin(torch.tensor([fingerprint(image) for image in images], dtype=torch.int64), known)
