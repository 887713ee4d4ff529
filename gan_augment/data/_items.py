"""Where the image and the label of an item, or of a batch, are: one rule for everything that reads items."""

from __future__ import annotations

import copy
import numbers
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import PIL.Image
import torch
from torch import Tensor
from torchvision import tv_tensors

Path: TypeAlias = tuple[Any, ...]

IMAGE_KEYS = ("image", "images", "img", "imgs", "pixel_values")
_OTHER_LABEL_KEYS = ("target", "targets", "class", "cls", "y")


@dataclass(frozen=True)
class Places:
    """Where the image and the label of an item are.

    An item is an image, ``(image, label)`` with any further entries, ``(image, {"labels": label})``, or a
    mapping such as ``{"image": image, "label": label}``; lists, named tuples and transformers' ``BatchFeature``
    are read in the same way. A batch has the same structure as an item.

    Attributes:
        image (tuple): Keys that lead to the image; empty if the item is the image.
        label (tuple, optional): Keys that lead to the label; None without one.

    Example:
        >>> Places.of({"pixel_values": torch.zeros(3, 8, 8), "labels": 2})
        Places(image=('pixel_values',), label=('labels',))
    """

    image: Path
    label: Path | None

    @classmethod
    def of(cls, item: Any) -> Places:
        """The places in an item.

        Raises:
            ValueError: If it holds no image, or several.
        """
        label = find_label(item)
        found = find_images(item, label)
        if not found:  # what a transform made of an image may be a vector
            found = [_place_of_first(item)]
        if len(found) != 1:
            raise ValueError(
                f"An item must hold one image, but has one at each of {[path[-1] for path in found]}; "
                "leave all but one out."
            )
        return cls(found[0], label)


def split_item(item: Any) -> tuple[Any, Any]:
    """The image and the label of an item; None for a label that it does not have.

    Raises:
        ValueError: If it holds no image, or several.
    """
    places = Places.of(item)
    return get(item, places.image), None if places.label is None else get(item, places.label)


def get(item: Any, path: Path) -> Any:
    """What lies at a path."""
    for key in path:
        item = item[key]
    return item


def put(item: Any, path: Path, value: Any) -> Any:
    """A copy of an item with another value at a path; its containers keep their types."""
    if not path:
        return value
    child = put(item[path[0]], path[1:], value) if len(path) > 1 else value
    if isinstance(item, Mapping):
        out = copy.copy(item) if isinstance(item, MutableMapping) else dict(item)
        out[path[0]] = child
        return out
    entries = list(item)
    entries[path[0]] = child
    return item._make(entries) if hasattr(item, "_make") else type(item)(entries)


def walk(item: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every leaf of an item with its path; a list of plain values is one leaf."""
    if isinstance(item, Mapping):
        children: Any = item.items()
    elif isinstance(item, (tuple, list)) and not all(_is_plain(entry) for entry in item):
        children = enumerate(item)
    else:
        yield path, item
        return
    for key, child in children:
        yield from walk(child, (*path, key))


def find_label(item: Any) -> Path | None:
    """The place of the label: the second entry of a sequence, or the entry whose key speaks of labels.

    A mapping in the place of a label, and mappings in a mapping without such a key, are searched in the same way.

    Keys are tried in this order: ``labels``, ``label``, the first that contains "label" and holds no text,
    then ``target``, ``targets``, ``class``, ``cls`` and ``y``; without regard to case.
    """
    if isinstance(item, Mapping):
        key = label_key(item)
        nested = (
            (name, find_label(item[name])) for name in ([key] if key else item) if isinstance(item[name], Mapping)
        )
        return next(((name, *path) for name, path in nested if path), None if key is None else (key,))
    if not isinstance(item, (tuple, list)) or not item:
        return None
    place = min(1, len(item) - 1)
    if isinstance(item[place], Mapping):
        inner = find_label(item[place])
        return (place, *(inner or ())) if inner or place else None
    return (1,) if place else None


def label_key(item: Mapping[Any, Any]) -> str | None:
    """The key of the label in a mapping; None if no key speaks of labels."""
    keys = {key.lower(): key for key in reversed([key for key in item if isinstance(key, str)])}
    about = [key for key in item if isinstance(key, str) and "label" in key.lower()]
    ranked = [keys[name] for name in ("labels", "label") if name in keys]
    ranked += [key for key in about if not _is_text(item[key])] + about
    ranked += [keys[name] for name in _OTHER_LABEL_KEYS if name in keys]
    return ranked[0] if ranked else None


def find_images(item: Any, label: Path | None) -> list[Path]:
    """The places of images: what is declared as one or, without any, tensors, then arrays, that look like one.

    Entries of a mapping under two of the usual names for images (``image`` beside ``pixel_values``) both count.
    """
    ranks: list[list[Path]] = [[], [], [], []]
    for path, leaf in walk(item):
        rank = None if path == label else _image_rank(leaf)
        if rank is not None:
            ranks[rank].append(path)
    found = next((paths for paths in ranks if paths), [])
    named = [path for paths in ranks for path in paths if path and path[-1] in IMAGE_KEYS]
    return named if len(named) > 1 and set(found) & set(named) else found


def _image_rank(leaf: Any) -> int | None:
    """0 for declared images, 1 for tensors, 2 for arrays, 3 for either without a dim of channels."""
    if isinstance(leaf, (tv_tensors.Image, PIL.Image.Image)):
        return 0
    if isinstance(leaf, tv_tensors.TVTensor) or not isinstance(leaf, (Tensor, np.ndarray)) or leaf.ndim < 2:
        return None
    floats = leaf.is_floating_point() if isinstance(leaf, Tensor) else leaf.dtype.kind == "f"
    if not floats and leaf.dtype not in (torch.uint8, np.uint8):
        return None
    return 3 if leaf.ndim == 2 else 1 if isinstance(leaf, Tensor) else 2


def _place_of_first(item: Any) -> Path:
    if isinstance(item, Mapping):
        return (next((key for key in IMAGE_KEYS if key in item), next(iter(item), None)),)
    return (0,) if isinstance(item, (tuple, list)) and item else ()


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (numbers.Number, np.generic, str, bytes))


def _is_text(value: Any) -> bool:
    return isinstance(value, (str, bytes)) or (
        isinstance(value, (tuple, list)) and bool(value) and isinstance(value[0], (str, bytes))
    )


def describe(item: Any) -> str:
    """An item or a batch in words for messages, without its values.

    Example:
        >>> describe({"image": torch.zeros(3, 8, 8), "animal": 2})
        "a dict of ['image', 'animal']"
    """
    if isinstance(item, Mapping):
        return f"a {type(item).__name__} of {list(item)[:10]}"
    if isinstance(item, (tuple, list)):
        return f"a {type(item).__name__} of {[type(entry).__name__ for entry in item][:10]}"
    return f"a {type(item).__name__}" + (f" of shape {tuple(item.shape)}" if hasattr(item, "shape") else "")
