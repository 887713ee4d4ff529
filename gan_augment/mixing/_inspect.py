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
from tqdm.auto import tqdm

from ..synthesis import ImageKind, check_unit_range
from ._forward import ForwardsNames
from ._plan import preserved_randomness
from ._targets import TargetKind

TRANSFORM_NAMES = ("transforms", "transform", "target_transform")
LABEL_NAMES = ("targets", "labels")  # SVHN and STL10 say labels
QUIET_COUNT = 1000  # reading fewer items takes no progress bar
PROBES = 8  # images looked at to learn what the images are


def find_labels(dataset: Any) -> Tensor | None:
    """Class indices of all items without reading any, int64 ``(n,)``; None if they are not kept.

    Looks for ``targets`` and ``labels``, through ``Subset``, ``ConcatDataset`` and ``TensorDataset``.
    """
    if getattr(dataset, "target_transform", None) is not None:
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
        return labels.argmax(dim=1)
    return labels.long() if labels.ndim == 1 and not labels.is_floating_point() else None


def find_class_count(dataset: Any) -> int:
    """The length of the ``classes`` of a data set, also inside ``Subset`` and ``ConcatDataset``; 0 without."""
    if isinstance(dataset, Subset):
        return find_class_count(dataset.dataset)
    if isinstance(dataset, ConcatDataset):
        return max(find_class_count(part) for part in dataset.datasets)
    names = getattr(dataset, "classes", None)
    return 0 if names is None else len(names)


def read_labels(dataset: Dataset[Any], progress: bool = True) -> Tensor:
    """Class indices of all items, by reading every item where the data set keeps no list of them.

    Raises:
        TypeError: If an item has no label.
    """
    labels = find_labels(dataset)
    if labels is not None:
        return labels
    count = len(dataset)  # type: ignore[arg-type]
    quiet = not progress or count < QUIET_COUNT
    with preserved_randomness():  # random transforms must not move the caller's randomness
        rows = [target_of(dataset[i]) for i in tqdm(range(count), desc="Reading labels", disable=quiet)]
    for row in rows:
        TargetKind.of(row)
    return torch.tensor([TargetKind.class_of(row) for row in rows])


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


@dataclass(frozen=True)
class Pipeline:
    """What a synthetic image goes through to become like the images of a data set.

    Attributes:
        kind (ImageKind): What it must be before ``apply``.
        resize (bool): Whether to bring it to that kind's size; not where the real ones' sizes differ.
        apply (callable, optional): ``(image, class) -> image``, the transforms that follow.
    """

    kind: ImageKind
    resize: bool
    apply: Callable[[Any, int], Any] | None


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
    applied = _ImageOnly(transform) if callable(transform) else None if transform is None else _applied(dataset)
    with preserved_randomness():  # random transforms must not move the caller's randomness
        images = [image_of(raw[index]) for index in _spread(len(raw), PROBES)]
    kinds = [ImageKind.of(image) for image in images]
    for image in images:
        if isinstance(image, Tensor) and not callable(transform):
            check_unit_range(image)
    sizes = {(kind.height, kind.width) for kind in kinds}
    channels = max(kind.channels for kind in kinds)  # a few grey images among RGB ones
    return Pipeline(dataclasses.replace(kinds[0], channels=channels), len(sizes) == 1 or applied is None, applied)


def image_of(item: Any) -> Any:
    """The image of an item, which is the image or begins with it."""
    return item[0] if isinstance(item, (tuple, list)) and item else item


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
