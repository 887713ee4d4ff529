"""Finds the image and the label in an item of a data set, or in a batch."""

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
class ItemPaths:
    """Paths to the image and the label in an item.

    An item is an image, ``(image, label)`` with any further entries, ``(image, {"labels": label})``, or a mapping
    such as ``{"image": image, "label": label}``. Lists, named tuples and the ``BatchFeature`` of transformers work in
    the same way, and so do batches. A path holds the keys that lead to a value, and is empty for the item itself.

    Example:
        >>> ItemPaths.of({"pixel_values": torch.zeros(3, 8, 8), "labels": 2})
        ItemPaths(image=('pixel_values',), label=('labels',))
    """

    image: Path
    label: Path | None  # None without a label

    @classmethod
    def of(cls, item: Any) -> ItemPaths:
        """Returns the paths in an item.

        Raises:
            ValueError: If it holds no image, or several.
        """
        label = find_label(item)
        found = find_images(item, label)
        if not found:  # a transform may have made a vector of the image
            found = [_first_path(item)]
        if len(found) != 1:
            raise ValueError(
                f"An item must hold one image, but has one at each of {[path[-1] for path in found]}; "
                "remove all but one."
            )
        return cls(found[0], label)

    def get(self, item: Any) -> tuple[Any, Any]:
        """Returns the image and the label of an item, or None in place of a missing label."""
        return get_at(item, self.image), None if self.label is None else get_at(item, self.label)

    def replace(self, item: Any, image: Any, label: Any) -> Any:
        """Returns a copy of an item with another image and label. The label is not used if the item has none."""
        out = replace_at(item, self.image, image)
        return out if self.label is None else replace_at(out, self.label, label)


def split_item(item: Any) -> tuple[Any, Any]:
    """Returns the image and the label of an item, or None in place of a missing label.

    Raises:
        ValueError: If it holds no image, or several.
    """
    return ItemPaths.of(item).get(item)


def get_at(item: Any, path: Path) -> Any:
    """Returns the value at a path."""
    for key in path:
        item = item[key]
    return item


def replace_at(item: Any, path: Path, value: Any) -> Any:
    """Returns a copy of an item with another value at a path. Containers keep their types."""
    if not path:
        return value
    child = replace_at(item[path[0]], path[1:], value) if len(path) > 1 else value
    if isinstance(item, Mapping):
        out = copy.copy(item) if isinstance(item, MutableMapping) else dict(item)
        out[path[0]] = child
        return out
    entries = list(item)
    entries[path[0]] = child
    return item._make(entries) if hasattr(item, "_make") else type(item)(entries)


def walk_leaves(item: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yields every leaf of an item with its path. A list of plain values is one leaf."""
    if isinstance(item, Mapping):
        children: Any = item.items()
    elif isinstance(item, (tuple, list)) and not all(_is_plain(entry) for entry in item):
        children = enumerate(item)
    else:
        yield path, item
        return
    for key, child in children:
        yield from walk_leaves(child, (*path, key))


def find_label(item: Any) -> Path | None:
    """Returns the path of the label: the second entry of a sequence, or the entry whose key names a label.

    If there is a mapping at this path, the function looks for the label in it. In a mapping without such a key, it
    looks for inner mappings that have one. Keys are tried in this order, ignoring case: ``labels``, ``label``, the
    first that contains "label" and does not hold text, then ``target``, ``targets``, ``class``, ``cls`` and ``y``.
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
    """Returns the key of the label in a mapping, or None if no key names a label."""
    keys = {key.lower(): key for key in reversed([key for key in item if isinstance(key, str)])}
    about = [key for key in item if isinstance(key, str) and "label" in key.lower()]
    ranked = [keys[name] for name in ("labels", "label") if name in keys]
    ranked += [key for key in about if not _is_text(item[key])] + about
    ranked += [keys[name] for name in _OTHER_LABEL_KEYS if name in keys]
    return ranked[0] if ranked else None


def find_images(item: Any, label: Path | None) -> list[Path]:
    """Returns the paths of images: declared images or, if there are none, tensors or arrays that look like images.

    If a mapping has two of the usual keys of images, such as ``image`` and ``pixel_values``, both are returned.
    """
    ranks: list[list[Path]] = [[], [], [], []]
    for path, leaf in walk_leaves(item):
        rank = None if path == label else _image_rank(leaf)
        if rank is not None:
            ranks[rank].append(path)
    found = next((paths for paths in ranks if paths), [])
    named = [path for paths in ranks for path in paths if path and path[-1] in IMAGE_KEYS]
    return named if len(named) > 1 and set(found) & set(named) else found


def _image_rank(leaf: Any) -> int | None:
    """Returns 0 for declared images, 1 for tensors, 2 for arrays, and 3 for either without a channel dimension."""
    if isinstance(leaf, (tv_tensors.Image, PIL.Image.Image)):
        return 0
    if isinstance(leaf, tv_tensors.TVTensor) or not isinstance(leaf, (Tensor, np.ndarray)) or leaf.ndim < 2:
        return None
    floats = leaf.is_floating_point() if isinstance(leaf, Tensor) else leaf.dtype.kind == "f"
    if not floats and leaf.dtype not in (torch.uint8, np.uint8):
        return None
    return 3 if leaf.ndim == 2 else 1 if isinstance(leaf, Tensor) else 2


def _first_path(item: Any) -> Path:
    if isinstance(item, Mapping):
        return (next((key for key in IMAGE_KEYS if key in item), next(iter(item), None)),)
    return (0,) if isinstance(item, (tuple, list)) and item else ()


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (numbers.Number, np.generic, str, bytes))


def _is_text(value: Any) -> bool:
    return isinstance(value, (str, bytes)) or (
        isinstance(value, (tuple, list)) and bool(value) and isinstance(value[0], (str, bytes))
    )


def describe_item(item: Any) -> str:
    """Describes an item or a batch for error messages, without its values.

    Example:
        >>> describe_item({"image": torch.zeros(3, 8, 8), "animal": 2})
        "a dict of ['image', 'animal']"
    """
    if isinstance(item, Mapping):
        return f"a {type(item).__name__} of {list(item)[:10]}"
    if isinstance(item, (tuple, list)):
        return f"a {type(item).__name__} of {[type(entry).__name__ for entry in item][:10]}"
    return f"a {type(item).__name__}" + (f" of shape {tuple(item.shape)}" if hasattr(item, "shape") else "")
