"""What a source has seen: the fingerprints of the images that it was trained on."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .._core import check_tensor
from ._source import ClassSources
from ._upscale import UpscaledSource


def check_fingerprints(fingerprints: Tensor) -> Tensor:
    """Fingerprints, sorted and distinct.

    Raises:
        TypeError: If they are no tensor.
        ValueError: If they are not int64 ``(m,)``.
    """
    check_tensor(fingerprints, "fingerprints")
    if fingerprints.dtype != torch.int64 or fingerprints.ndim != 1:
        raise ValueError(
            f"fingerprints must be int64 (m,), but got {fingerprints.dtype} of shape {tuple(fingerprints.shape)} "
            "instead; make them by gan_augment.data.fingerprints."
        )
    distinct: Tensor = torch.unique(fingerprints.detach().cpu())
    return distinct


def parts_of(source: Any) -> list[Tensor | None]:
    """The fingerprints of each generator or pool behind a source; None of one whose are not known."""
    if isinstance(source, ClassSources):
        return [each for part in source.sources.values() for each in parts_of(part)]
    if isinstance(source, UpscaledSource):
        return parts_of(source.source)
    own = getattr(source, "fingerprints", None)
    if own is None:
        own = getattr(getattr(source, "card", None), "fingerprints", None)
    return [None if own is None else check_fingerprints(own)]


def fingerprints_of(source: Any) -> Tensor | None:
    """The fingerprints of all images that a source was trained on, or None where they are not all known.

    They are those of its ``fingerprints``, as of a pool, or of its ``card``, as of a generator; of several sources in
    one, all of theirs. Where one of these does not know its own, there are none: half a list passes for a whole one.

    Args:
        source: A generator, a pool, or any :class:`Source`.

    Returns:
        Tensor: int64, sorted and distinct; see :func:`gan_augment.data.fingerprint`.

    Raises:
        TypeError: If what it has as fingerprints is no tensor.
        ValueError: If they are not int64 ``(m,)``.

    Example:
        >>> from gan_augment import from_pretrained
        >>> len(fingerprints_of(from_pretrained("dcgan-mnist-32")))
        55000
    """
    parts = parts_of(source)
    known = [part for part in parts if part is not None]
    return torch.unique(torch.cat(known)) if len(known) == len(parts) else None
