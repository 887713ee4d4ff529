"""What the items of a data set are like, so that synthetic ones collate with real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from ._labels import CHOICES, LabelPolicy
from ._targets import TargetKind


@dataclass(frozen=True)
class ItemKind:
    """What an item is, besides its content.

    Attributes:
        container (type, optional): Of the entries of an item: tuple, list or a named tuple; None for an
            image alone.
        target (TargetKind, optional): Of the targets that come out; None where there are none.
        soft (bool): Whether targets must be made probabilities.
        weight (float, optional): Of a synthetic item in the loss; None: no weights come out.
        return_synthetic (bool): Whether a bool comes last.
    """

    container: type | None
    target: TargetKind | None
    soft: bool
    weight: float | None
    return_synthetic: bool

    @classmethod
    def of(cls, item: Any, policy: LabelPolicy | None, num_classes: int | None, return_synthetic: bool) -> ItemKind:
        """The kind of items like a real one, under a label policy.

        Raises:
            TypeError: If the item has other entries than the policy needs.
        """
        container = type(item) if isinstance(item, (tuple, list)) else None
        if policy is None:
            if container is not None and len(item) != 1:
                raise TypeError(
                    f"Items must be images alone for labels=None, but got {len(item)} entries; choose {CHOICES}."
                )
            return cls(container, None, False, None, return_synthetic)
        target = TargetKind.of(target_of(item))
        if policy.soft and num_classes is not None:
            target = target.as_soft(num_classes)
        return cls(container, target, policy.soft, policy.weight, return_synthetic)

    def make(self, image: Any, label: Tensor) -> Any:
        """A synthetic item out of its image and its class, or the probabilities of its classes."""
        if self.container is None:
            return image
        entries = (image,) if self.target is None else (image, self.target.make(label))
        return self._join(entries)

    def finish(self, item: Any, synthetic: bool) -> Any:
        """An item with what comes behind its entries, and with a soft target where all are."""
        if self.soft and not synthetic and self.target is not None:
            item = self._join((item[0], self.target.soften(item[1])))
        extra: tuple[Any, ...] = ()
        if self.weight is not None:
            extra += (torch.tensor(self.weight if synthetic else 1.0, dtype=torch.float32),)
        if self.return_synthetic:
            extra += (synthetic,)
        if not extra:
            return item
        return (*item, *extra) if self.container is not None else (item, *extra)

    def _join(self, entries: tuple[Any, ...]) -> Any:
        if self.container is None:
            return entries[0]
        return self.container(*entries) if hasattr(self.container, "_fields") else self.container(entries)


def target_of(item: Any) -> Any:
    """The label of an item ``(image, label)``.

    Raises:
        TypeError: If the item is no such pair.
    """
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        entries = f" of {len(item)} entries" if isinstance(item, (tuple, list, dict)) else ""
        raise TypeError(
            f"Items of a labelled data set must be (image, label), but got {type(item).__name__}{entries}; "
            "pass labels=None if it holds images alone."
        )
    return item[1]


def image_of(item: Any) -> Any:
    """The image of an item, which is the image or begins with it."""
    return item[0] if isinstance(item, (tuple, list)) and item else item


def traits(image: Any, with_shape: bool) -> str:
    """What must be alike of images, whatever transforms made of them, for a loader to collate them."""
    name, shape = type(image).__name__.lower(), ""
    if isinstance(image, (Tensor, np.ndarray)):
        name += f" {image.dtype}".replace("torch.", "")
        shape = " x ".join(map(str, image.shape))
    elif isinstance(image, PIL.Image.Image):
        name, shape = f"PIL {image.mode}", f"{image.height} x {image.width}"
    return f"{name} {shape}" if with_shape else name
