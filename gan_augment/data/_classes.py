"""Finds the labels and class names of a data set without reading all its items."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset, Subset, TensorDataset
from torchvision.datasets.vision import StandardTransform

from .._core import as_names, differing_class, evenly_spaced, stored_class_names
from ._items import ItemPaths, find_label, label_key, split_item
from ._targets import MAX_LABELS, TargetKind, read_target

_LABEL_NAMES = ("targets", "labels")  # SVHN and STL10 have labels
_WRAPPED = ("dataset", "subset", "base_dataset", "base", "ds", "_dataset")
PROBES = 8  # number of random items to read when checking what a data set stores
_PROBED_CLASSES = 64  # one more item is read from each class, up to this number of classes


def find_labels(dataset: Any) -> Tensor | None:
    """Returns the class indices of all items without reading any, int64 ``(n,)``, or None if they are not stored.

    Looks for ``targets`` and ``labels``, and for a column of a Hugging Face data set, even inside ``Subset``,
    ``ConcatDataset`` and ``TensorDataset``. The stored labels may differ from those of the items: see
    :func:`labels_match`.
    """
    if isinstance(dataset, Subset):
        inner = find_labels(dataset.dataset)
        return None if inner is None else inner[torch.as_tensor(dataset.indices, dtype=torch.int64)]
    if isinstance(dataset, ConcatDataset):
        parts = [find_labels(part) for part in dataset.datasets]
        return None if any(part is None for part in parts) else torch.cat([p for p in parts if p is not None])
    return None if _transforms_targets(dataset) else _stored_labels(dataset)


def _stored_labels(dataset: Any) -> Tensor | None:
    values = dataset.tensors[1] if isinstance(dataset, TensorDataset) and len(dataset.tensors) > 1 else None
    for name in _LABEL_NAMES:
        values = getattr(dataset, name, None) if values is None else values
    column = label_column(dataset)
    if values is None and column is not None:
        values = dataset.with_format(None)[column][:]
    if values is None or not hasattr(values, "__len__") or len(values) != len(dataset):
        return None
    try:
        labels = read_target(values, len(dataset))[0]
    except (TypeError, ValueError):
        return None  # reading an item will raise the error
    return labels.argmax(dim=1) if labels.ndim == 2 else labels


def labels_match(dataset: Any, labels: Tensor) -> bool:
    """Compares labels with those of a few items, chosen from many classes, and returns whether they match."""
    if len(labels) != len(dataset):
        return False
    return all(label_at(dataset, index) == labels[index] for index in _choose_probes(len(labels), labels))


def _choose_probes(count: int, labels: Tensor | None) -> list[int]:
    """Returns the indices of a few random items, always the same, and of one item from each of many classes."""
    chosen = random.Random(0).sample(range(count), min(PROBES, count))
    if labels is not None:
        first = _first_of_each_class(labels.numpy())
        chosen += first[evenly_spaced(len(first), _PROBED_CLASSES)].tolist()
    return list(dict.fromkeys(chosen))


def _first_of_each_class(labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """Returns the index of the first item of each class, in the order of the classes."""
    if labels.min() < 0 or labels.max() >= MAX_LABELS:  # not classes; reading an item will raise the error
        found: NDArray[np.int64] = np.unique(labels, return_index=True)[1]
        return found
    first = np.full(int(labels.max()) + 1, len(labels))
    np.minimum.at(first, labels, np.arange(len(labels)))
    return first[first < len(labels)]


def label_at(dataset: Any, index: int) -> int | None:
    """Returns the class of an item, or None if it has none."""
    try:
        return TargetKind.class_of(split_item(dataset[index])[1])
    except (TypeError, ValueError):
        return None


def find_class_names(dataset: Any) -> tuple[str, ...] | None:
    """Returns the class names of the items, in the order of their labels, or None if they are not known.

    Looks where torchvision, timm, Hugging Face, fastai, MedMNIST and others store them, even inside ``Subset``,
    ``ConcatDataset`` and other wrappers. Reads a few items to check whether a wrapper or a transform changes labels,
    because then the names of the inner data set do not fit the items.

    Raises:
        ValueError: If the parts of a ``ConcatDataset`` give one class different names.
    """
    if type(dataset) is Subset:
        return stored_class_names(dataset) or find_class_names(dataset.dataset)
    if isinstance(dataset, ConcatDataset):
        return stored_class_names(dataset) or _class_names_of_parts(dataset)
    if not hasattr(dataset, "__len__") or len(dataset) == 0:
        return stored_class_names(dataset)
    names = stored_class_names(dataset) or _class_names_of_features(dataset)
    if names is not None:
        labels = _stored_labels(dataset)
        if labels is None:
            return None if _transforms_targets(dataset) or _changes_labels(dataset, names) else names
        return names if labels_match(dataset, labels) else None
    inner = _wrapped_by(dataset)
    return find_class_names(inner) if inner is not None and _keeps_labels(dataset, inner) else None


def _wrapped_by(dataset: Any) -> Any:
    inner = next((getattr(dataset, name) for name in _WRAPPED if hasattr(dataset, name)), None)
    if inner is None:  # under another attribute
        held = [value for value in getattr(dataset, "__dict__", {}).values() if _is_dataset(value)]
        inner = held[0] if len(held) == 1 else None
    return None if isinstance(inner, type) or not hasattr(inner, "__getitem__") else inner


def _is_dataset(value: Any) -> bool:
    return isinstance(value, Dataset) or (hasattr(value, "features") and callable(getattr(value, "with_format", None)))


def _changes_labels(dataset: Any, names: tuple[str, ...]) -> bool:
    """Returns whether a wrapper has the class names of the data set inside, but gives its items other labels."""
    inner = _wrapped_by(dataset)
    if inner is None or not hasattr(inner, "__len__") or len(inner) != len(dataset):
        return False
    return stored_class_names(inner) == names and not _keeps_labels(dataset, inner)


def _class_names_of_parts(dataset: ConcatDataset[Any]) -> tuple[str, ...] | None:
    parts = [find_class_names(part) for part in dataset.datasets]
    known = sorted((names for names in parts if names is not None), key=len, reverse=True)
    for names in known[1:]:
        index = differing_class(known[0], names)
        if index is not None and type(dataset) is ConcatDataset:  # a subclass may change labels
            raise ValueError(
                f"The parts of a ConcatDataset must have the same classes, but class {index} is {known[0][index]!r} in "
                f"one and {names[index]!r} in another; give the parts the same labels, and set `classes` of the "
                "ConcatDataset to their names."
            )
        if index is not None:
            return None
    return known[0] if known and len(known) == len(parts) else None


def label_column(dataset: Any) -> str | None:
    """Returns the label column of a Hugging Face data set, or None if there is no such column."""
    features = getattr(dataset, "features", None)
    if not isinstance(features, Mapping) or not callable(getattr(dataset, "with_format", None)) or len(dataset) == 0:
        return None
    columns = {name: as_names(getattr(feature, "names", None)) for name, feature in features.items()}
    path = ItemPaths.of(dataset[0]).label
    if path is not None and path[0] in columns:
        return str(path[0])
    named = [name for name, names in columns.items() if names is not None]
    return named[0] if len(named) == 1 else label_key(features) if not named else None


def _class_names_of_features(dataset: Any) -> tuple[str, ...] | None:
    column = label_column(dataset)
    if column is None:
        return None
    feature = dataset.features[column]
    for key in (find_label(feature) or ()) if isinstance(feature, Mapping) else ():  # nested columns
        feature = feature[key]
    feature = getattr(feature, "feature", feature)  # of each entry, for a list of labels
    return as_names(getattr(feature, "names", None))


def _transforms_targets(dataset: Any) -> bool:
    joint = getattr(dataset, "transforms", None)
    if joint is not None and not isinstance(joint, StandardTransform):
        return True
    return getattr(dataset, "target_transform", None) is not None


def _keeps_labels(wrapper: Any, inner: Any) -> bool:
    """Returns whether a few items of a wrapper have the labels of the items inside."""
    places = getattr(wrapper, "indices", None)
    places = range(len(inner)) if places is None else places
    if len(places) != len(wrapper):
        return False
    labels = find_labels(inner)
    chosen = _choose_probes(len(wrapper), None if labels is None else labels[torch.as_tensor(places)])
    found = [label_at(wrapper, index) for index in chosen]
    return None not in found and found == [label_at(inner, int(places[index])) for index in chosen]
