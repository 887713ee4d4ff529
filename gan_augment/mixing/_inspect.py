"""What a wrapped data set says of itself: its labels, its transforms, and what its images are before them."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset, Subset, TensorDataset
from torchvision.datasets.vision import StandardTransform

from .._core import progress_bar
from ..models import find_class_names
from ..synthesis import ImageKind, check_unit_range
from ._forward import ForwardsNames
from ._items import image_of, target_of
from ._plan import preserved_randomness
from ._targets import TargetKind, check_probabilities

TRANSFORM_NAMES = ("transforms", "transform", "target_transform")
LABEL_NAMES = ("targets", "labels")  # SVHN and STL10 say labels
PROBES = 8  # images looked at to learn what the images are


def find_labels(dataset: Any) -> Tensor | None:
    """Class indices of all items without reading any, int64 ``(n,)``; None if they are not kept.

    Looks for ``targets`` and ``labels``, through ``Subset``, ``ConcatDataset`` and ``TensorDataset``.
    """
    if _changes_targets(dataset):
        return None  # what is kept is not what the items say
    if isinstance(dataset, Subset):
        inner = find_labels(dataset.dataset)
        return None if inner is None else inner[torch.as_tensor(dataset.indices, dtype=torch.int64)]
    if isinstance(dataset, ConcatDataset):
        parts = [find_labels(part) for part in dataset.datasets]
        return None if any(part is None for part in parts) else torch.cat([p for p in parts if p is not None])
    values = dataset.tensors[1] if isinstance(dataset, TensorDataset) and len(dataset.tensors) > 1 else None
    for name in LABEL_NAMES:
        values = getattr(dataset, name, None) if values is None else values
    if values is None or len(values) != len(dataset):
        return None
    try:
        labels = torch.as_tensor(np.asarray(values))
    except (TypeError, ValueError):
        return None
    if labels.ndim == 2 and labels.is_floating_point():
        check_probabilities(labels)
        return labels.argmax(dim=1)
    return labels.long() if labels.ndim == 1 and not labels.is_floating_point() else None


def find_names(dataset: Any) -> tuple[str, ...] | None:
    """Names of the classes of the items, also inside ``Subset`` and ``ConcatDataset``; None if not known."""
    if isinstance(dataset, (Subset, ForwardsNames)):
        return find_names(dataset.dataset)
    if isinstance(dataset, ConcatDataset):
        parts = {find_names(part) for part in dataset.datasets}
        return parts.pop() if len(parts) == 1 else None
    return None if _changes_targets(dataset) else find_class_names(dataset)


def _changes_targets(dataset: Any) -> bool:
    """Whether the labels of the items may differ from those that the data set keeps and names."""
    joint = getattr(dataset, "transforms", None)
    separate = joint is None or isinstance(joint, StandardTransform)
    return getattr(dataset, "target_transform", None) is not None or not separate


def read_labels(dataset: Dataset[Any], progress: bool = True) -> Tensor:
    """Class indices of all items, by reading every item where the data set keeps no list of them.

    Raises:
        TypeError: If an item has no label.
    """
    labels, count = find_labels(dataset), len(dataset)  # type: ignore[arg-type]
    if labels is not None and _agree(dataset, labels):
        return labels
    with preserved_randomness():  # random transforms must not move the caller's randomness
        rows = [target_of(dataset[i]) for i in progress_bar(range(count), show=progress, desc="Reading labels")]
    for row in rows:
        TargetKind.of(row)
    return torch.tensor([TargetKind.class_of(row) for row in rows])


def _agree(dataset: Any, labels: Tensor) -> bool:
    """Whether the labels that a data set keeps are those of its items, at a few of them."""
    with preserved_randomness():
        return all(TargetKind.class_of(target_of(dataset[i])) == labels[i] for i in _spread(len(labels), PROBES))


@dataclass(frozen=True)
class Pipeline:
    """What a synthetic image goes through to become like the images of a data set.

    Attributes:
        kind (ImageKind): What it must be before ``apply``.
        resize (bool): Whether to bring it to that kind's size; not where the real ones' sizes differ.
        transform (callable or "inherit" or None): The transforms that follow.
    """

    kind: ImageKind
    resize: bool
    transform: Callable[[Any], Any] | str | None

    def apply(self, image: Any, label: int, dataset: Any) -> Any:
        """The transforms on an image; those of the data set as they are now, if they are inherited."""
        if callable(self.transform):
            return self.transform(image)
        applied = None if self.transform is None else _applied(dataset)
        return image if applied is None else applied(image, label)


def make_pipeline(dataset: Any, transform: Callable[[Any], Any] | str | None) -> Pipeline:
    """What synthetic images must go through; the data set is not changed.

    Args:
        dataset: Torchvision-style; also inside ``Subset`` and ``ConcatDataset``.
        transform (callable or "inherit" or None): As :class:`GANAugmentedDataset` takes it.

    Raises:
        TypeError: If it is none of these, or the items hold no images.
        ValueError: If the parts of a ``ConcatDataset`` have different transforms, or the images are
            normalised.
    """
    if not (transform is None or transform == "inherit" or callable(transform)):
        raise TypeError(f"transform must be callable, 'inherit' or None, but got {transform!r} instead.")
    raw = dataset if transform is None else _raw(dataset)
    if transform == "inherit":
        _applied(dataset)  # refuses parts with several
    with preserved_randomness():  # random transforms must not move the caller's randomness
        images = [_image_before(raw, index, transform) for index in _spread(len(raw), PROBES)]
    kinds = [ImageKind.of(image) for image in images]
    for image in images:
        if isinstance(image, Tensor) and not callable(transform):
            check_unit_range(image)
    sizes = {(kind.height, kind.width) for kind in kinds}
    channels = max(kind.channels for kind in kinds)  # a few grey images among RGB ones
    bare = transform is None or (transform == "inherit" and _applied(dataset) is None)
    return Pipeline(dataclasses.replace(kinds[0], channels=channels), len(sizes) == 1 or bare, transform)


def _image_before(raw: Any, index: int, transform: Any) -> Any:
    try:
        return image_of(raw[index])
    except Exception as error:  # whatever a data set without its transform runs into
        if transform is None:
            raise
        raise ValueError(
            "The data set must give its images without its transforms, to learn what these expect, but fails "
            f"({type(error).__name__}: {error}); pass transform=None and images like its own, or wrap it after "
            "the transforms."
        ) from error


def _spread(count: int, most: int) -> list[int]:
    return sorted({index * count // most for index in range(most)}) if count > most else list(range(count))


def _raw(dataset: Any) -> Any:
    """The data set as it is before its transforms; a copy, as the original keeps them."""
    if isinstance(dataset, Subset):
        return Subset(_raw(dataset.dataset), dataset.indices)
    if isinstance(dataset, ConcatDataset):
        return ConcatDataset([_raw(part) for part in dataset.datasets])
    if isinstance(dataset, ForwardsNames):
        return _raw(dataset.dataset)
    bare = copy.copy(dataset)
    for name in TRANSFORM_NAMES:
        if getattr(bare, name, None) is not None:  # not None, as some data sets call it without a look
            setattr(bare, name, _identity_pair if name == "transforms" else _identity)
    return bare


def _applied(dataset: Any) -> Callable[[Any, int], Any] | None:
    """What the transforms of a data set do to an image."""
    if isinstance(dataset, (Subset, ForwardsNames)):
        return _applied(dataset.dataset)
    if isinstance(dataset, ConcatDataset):
        parts = [_applied(part) for part in dataset.datasets]
        if any(part != parts[0] for part in parts):
            raise ValueError(
                "The parts of a ConcatDataset must share one transform for transform='inherit', but do not; pass "
                "the one for synthetic images as transform=."
            )
        return parts[0]
    single, joint = getattr(dataset, "transform", None), getattr(dataset, "transforms", None)
    if single is not None:
        return _ImageOnly(single)
    return None if joint is None or isinstance(joint, StandardTransform) else _Joint(joint)


def _identity(value: Any) -> Any:
    return value


def _identity_pair(image: Any, target: Any) -> tuple[Any, Any]:
    return image, target


@dataclass(frozen=True)
class _ImageOnly:
    """A transform of the image alone."""

    transform: Callable[[Any], Any]

    def __call__(self, image: Any, label: int) -> Any:
        return self.transform(image)


@dataclass(frozen=True)
class _Joint:
    """A transform of image and label, of which the image is wanted."""

    transform: Callable[[Any, Any], Any]

    def __call__(self, image: Any, label: int) -> Any:
        return self.transform(image, label)[0]
