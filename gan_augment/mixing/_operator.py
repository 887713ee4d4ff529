"""Registers SyntheticMix as a custom torch operator, at which ``torch.compile`` does not break the graph."""

from __future__ import annotations

import itertools
import weakref
from typing import Any

import torch
from torch import Tensor

_MIXES: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
_NUMBERS = itertools.count()

# Two calls with the same input differ, and a CUDA graph would repeat the draws of its first run.
_TAGS = [torch.Tag.nondeterministic_seeded]
if hasattr(torch.Tag, "cudagraph_unsafe"):
    _TAGS.append(torch.Tag.cudagraph_unsafe)
torch.library.define(
    "gan_augment::mix",
    "(Tensor images, Tensor labels, int number) -> (Tensor, Tensor)",
    tags=_TAGS,
)


def register(mix: Any) -> int:
    """Returns a number by which :func:`mix_by_number` finds the transform while it exists."""
    number = next(_NUMBERS)
    _MIXES[number] = mix
    return number


def mix_by_number(images: Tensor, labels: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Mixes a batch with a registered transform. Images and class indices keep their shapes and types."""
    mixed: tuple[Tensor, Tensor] = torch.ops.gan_augment.mix(images, labels, number)
    return mixed


def fits(images: Any, labels: Any) -> bool:
    """Returns whether the operator accepts the inputs: a batch of plain tensors, with a class index for each image."""
    return (
        type(images) is Tensor
        and type(labels) is Tensor
        and images.ndim == 4
        and not images.requires_grad
        and labels.ndim == 1
        and labels.dtype == torch.int64
    )


@torch.library.impl("gan_augment::mix", "CompositeExplicitAutograd")
def _run(images: Tensor, labels: Tensor, number: int) -> tuple[Tensor, Tensor]:
    mixed, targets = _MIXES[number]._mix((images, labels))
    # torch requires new tensors with the strides that _shapes promises.
    return torch.empty_like(images).copy_(mixed), torch.empty_like(labels).copy_(targets)


@torch.library.register_fake("gan_augment::mix")  # type: ignore[untyped-decorator]
def _shapes(images: Tensor, labels: Tensor, number: int) -> tuple[Tensor, Tensor]:
    return torch.empty_like(images), torch.empty_like(labels)
