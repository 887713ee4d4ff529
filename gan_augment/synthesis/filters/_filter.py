"""The base class of filters, and how filters are applied to candidates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from ..._core import check_tensor
from ...models import Discriminator, ProjectedDiscriminator, Source


@dataclass(frozen=True)
class FilterInputs:
    """What a study builds a filter from. The images and the teacher are those of one training split.

    Attributes:
        real (Tensor): The training images, uint8 ``(n, c, h, w)``.
        labels (Tensor, optional): Their classes, int64 ``(n,)``. It is None if the source has no classes.
        teacher (nn.Module): A classifier that was trained on these images. It maps float images 0..1 to logits.
        source (Source): The source of the candidates.
        discriminator (Discriminator, optional): The discriminator of the source, only if the filter needs it.
    """

    real: Tensor
    labels: Tensor | None
    teacher: nn.Module
    source: Source
    discriminator: Discriminator | ProjectedDiscriminator | None = None


class Filter:
    """Base class of filters, which keep or drop candidates when a pool is generated.

    A filter defines ``__call__``. If it also defines :meth:`build`, a study can use it by its name in ``FILTERS``. A
    pool also takes a function ``(images, labels) -> bools``.

    Attributes:
        needs_classes (bool): Whether only sources with classes can be filtered. Default: False.
        needs_discriminator (bool): Whether the filter needs the discriminator of the source. Default: False.
        images_per_class (int): How many training images of each class the filter needs. Default: 1.

    Example:
        >>> class Bright(Filter):
        ...     def __call__(self, images, labels):
        ...         return images.float().mean(dim=(1, 2, 3)) > 100
        >>> Bright()(torch.tensor([0, 200], dtype=torch.uint8)[:, None, None, None].expand(2, 1, 8, 8), None)
        tensor([False,  True])
    """

    needs_classes: bool = False
    needs_discriminator: bool = False
    images_per_class: int = 1

    def __call__(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """Returns which images to keep, bool ``(n,)``.

        Args:
            images (Tensor): Candidates, uint8 ``(n, c, h, w)``, in the size of the source's training images.
            labels (Tensor, optional): Requested class of each, int64 ``(n,)``. None if the source has no classes.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__(images, labels).")

    @classmethod
    def build(cls, inputs: FilterInputs) -> Filter:
        """Builds the filter for a study. Default: without arguments."""
        return cls()


FilterLike: TypeAlias = Filter | Callable[[Tensor, Tensor | None], Tensor]


def as_filters(keep: FilterLike | Sequence[FilterLike] | None) -> tuple[FilterLike, ...]:
    """Converts None, one filter or several filters to a tuple of filters."""
    filters = () if keep is None else tuple(keep) if isinstance(keep, (tuple, list)) else (keep,)
    for each in filters:
        if not callable(each):
            raise TypeError(f"keep must be a filter, (images, labels) -> bools, or several, but got {each!r}.")
    return filters


def apply_filters(filters: Sequence[FilterLike], images: Tensor, labels: Tensor | None) -> Tensor:
    """Returns which images all filters keep, bool ``(n,)`` on the CPU.

    Raises:
        ValueError: If a filter returns anything but one bool for each image.
    """
    kept = torch.ones(len(images), dtype=torch.bool)
    for keep in filters:
        mask = torch.as_tensor(keep(images, labels)).cpu()
        if mask.dtype != torch.bool or mask.shape != kept.shape:
            raise ValueError(
                f"A filter must return {len(images)} bools, but got {mask.dtype} of shape {tuple(mask.shape)}."
            )
        kept &= mask
    return kept


def check_candidates(images: Tensor, shape: tuple[int, ...]) -> None:
    """Checks that candidates are uint8 and have the shape of training images."""
    if images.dtype != torch.uint8 or tuple(images.shape[1:]) != shape:
        raise ValueError(
            f"Candidates must be uint8 images of the shape of the training images, {shape}, but got {images.dtype} "
            f"of shape {tuple(images.shape)} instead."
        )


def check_classes(labels: Tensor | None, known: Collection[int]) -> Tensor:
    """Checks that a filter knows the class of each candidate, and returns the classes on the CPU."""
    if labels is None:
        raise ValueError(
            "labels must be given for a filter that was built with classes, but got None; pass one for each candidate."
        )
    unknown = sorted(set(labels.tolist()) - set(known))
    if unknown:
        raise ValueError(f"labels must be classes that the filter knows, {list(known)[:20]}, but got {unknown[:20]}.")
    return labels.cpu()


def check_group_sizes(labels: Tensor | None, n: int, least: int, name: str) -> None:
    """Checks that there are at least ``least`` images of each class or, without labels, at least ``least`` in all."""
    if labels is None:
        if n < least:
            raise ValueError(f"{name} must be at least {least}, but got {n} instead.")
        return
    check_tensor(labels, "labels")
    if labels.shape != (n,) or labels.dtype not in (torch.int64, torch.int32, torch.int16, torch.uint8, torch.int8):
        raise ValueError(f"labels must be {n} integers, but got {labels.dtype} of shape {tuple(labels.shape)} instead.")
    counts = Counter(labels.tolist()).most_common()
    if not counts or counts[-1][1] < least:
        few = f"{counts[-1][1]} of class {counts[-1][0]}" if counts else "none"
        raise ValueError(f"{name} must be at least {least} of each class, but got {few} instead.")
