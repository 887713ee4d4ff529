"""What the items of a data set are like, so that synthetic ones collate with real ones."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor
from torchvision import tv_tensors

from ..data import Places, TargetKind, describe, get, put
from ._policy import CHOICES, LabelPolicy


@dataclass(frozen=True)
class ItemKind:
    """What an item is, besides its content.

    Attributes:
        places (Places): Where its image and its label are.
        blank (object): An item without image and label; its other entries say nothing.
        target (TargetKind, optional): Of the targets that come out; None without targets.
        soft (bool): Whether targets must be made probabilities.
        weight (float, optional): Of a synthetic item in the loss; None: no weights come out.
        return_synthetic (bool): Whether a bool comes last.
    """

    places: Places
    blank: Any
    target: TargetKind | None
    soft: bool
    weight: float | None
    return_synthetic: bool

    @classmethod
    def of(cls, item: Any, policy: LabelPolicy | None, num_classes: int | None, return_synthetic: bool) -> ItemKind:
        """The kind of items like a real one, under a label policy.

        Raises:
            TypeError: If the item has other entries than the policy needs, or entries that no synthetic item
                can have.
            ValueError: If it holds several images, or no target of a classification.
        """
        places = Places.of(item)
        if policy is None and places.label is not None:
            raise TypeError(
                f"Items must be images alone for labels=None, but got {len(item)} entries; choose {CHOICES}."
            )
        target = None if policy is None else TargetKind.of(target_of(item))
        if target is not None and policy is not None and policy.soft and num_classes is not None:
            target = target.as_soft(num_classes)
        blank = put(item, places.image, None)
        blank = _blanked(blank if places.label is None else put(blank, places.label, None))
        weight = None if policy is None else policy.weight
        return cls(places, blank, target, policy is not None and policy.soft, weight, return_synthetic)

    def make(self, image: Any, label: Tensor) -> Any:
        """A synthetic item out of its image and its class, or the probabilities of its classes."""
        item = put(self.blank, self.places.image, image)
        if self.target is None or self.places.label is None:
            return item
        return put(item, self.places.label, self.target.make(label))

    def finish(self, item: Any, synthetic: bool) -> Any:
        """An item with what comes behind its entries, and with a soft target where all are."""
        if self.soft and not synthetic and self.target is not None and self.places.label is not None:
            item = put(item, self.places.label, self.target.soften(get(item, self.places.label)))
        extra: dict[str, Any] = {}
        if self.weight is not None:
            extra["weight"] = torch.tensor(self.weight if synthetic else 1.0, dtype=torch.float32)
        if self.return_synthetic:
            extra["is_synthetic"] = synthetic
        return with_extra(item, extra)


def with_extra(item: Any, extra: dict[str, Any]) -> Any:
    """An item with further entries: by name in a mapping, else behind its own."""
    if not extra:
        return item
    if isinstance(item, Mapping):
        for name, value in extra.items():
            item = put(item, (name,), value)
        return item
    return (*item, *extra.values()) if isinstance(item, (tuple, list)) else (item, *extra.values())


def target_of(item: Any) -> Any:
    """The label of an item.

    Raises:
        TypeError: If it has none.
    """
    path = Places.of(item).label
    if path is None:
        raise TypeError(
            'Items of a labelled data set must be (image, label) or mappings with a key "label", but got '
            f"{describe(item)}; rename the entry of the label, or pass labels=None if the items have no labels."
        )
    return get(item, path)


def image_of(item: Any) -> Any:
    """The image of an item."""
    return get(item, Places.of(item).image)


def traits(image: Any, with_shape: bool) -> str:
    """What must be alike of images, whatever transforms made of them, for a loader to collate them."""
    name, shape = type(image).__name__.lower(), ""
    if isinstance(image, (Tensor, np.ndarray)):
        name = "array" if isinstance(image, np.ndarray) else name  # those of a memory map collate with others
        name += f" {image.dtype}".replace("torch.", "")
        shape = " x ".join(map(str, image.shape))
    elif isinstance(image, PIL.Image.Image):
        name, shape = f"PIL {image.mode}", f"{image.height} x {image.width}"
    return f"{name} {shape}" if with_shape else name


def _blanked(value: Any) -> Any:
    """The same structure with values that say nothing: empty text, -1, NaN, False."""
    if isinstance(value, Mapping):
        for key in list(value):
            value = put(value, (key,), _blanked(value[key]))
        return value
    if isinstance(value, (tuple, list)):
        for place, entry in enumerate(value):
            value = put(value, (place,), _blanked(entry))
        return value
    if value is None or isinstance(value, (bool, np.bool_, str, bytes, pathlib.PurePath)):
        return value if value is None else type(value)()
    if isinstance(value, (int, float, np.integer, np.floating)):
        return type(value)(float("nan") if isinstance(value, (float, np.floating)) else -1 if _signed(value) else 0)
    if isinstance(value, Tensor) and not isinstance(value, tv_tensors.TVTensor):
        nothing = float("nan") if value.is_floating_point() else -1 if _signed(value) else 0
        return torch.full_like(value, nothing)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return np.full_like(value, float("nan") if value.dtype.kind == "f" else -1 if value.dtype.kind == "i" else 0)
    raise TypeError(
        "Besides image and label an item must hold text, numbers, or tensors of numbers, since a synthetic item has "
        f"no other entries, but got {type(value).__name__}; leave it out of the items."
    )


def _signed(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.dtype in (torch.int8, torch.int16, torch.int32, torch.int64)
    return not isinstance(value, np.unsignedinteger)
