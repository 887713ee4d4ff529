"""What a wrapped data set says of itself: its labels, its transforms, and what its images are before them."""

from __future__ import annotations

import copy
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset, Subset
from torchvision.datasets.vision import StandardTransform

from .._core import progress_bar
from ..data import PROBES, Places, TargetKind, find_class_names, find_labels, labels_hold, put, spread
from ..synthesis import ImageKind, call_transform, check_unit_range
from ._forward import ForwardsNames
from ._items import image_of, target_of
from ._plan import preserved_randomness

TRANSFORM_NAMES = ("transforms", "transform", "target_transform")


def find_names(dataset: Any) -> tuple[str, ...] | None:
    """Names of the classes of the items; None if not known."""
    with preserved_randomness():  # random transforms must not move the caller's randomness
        return find_class_names(dataset)


def read_labels(dataset: Dataset[Any], progress: bool = True) -> Tensor:
    """Class indices of all items, by reading every item where the data set keeps no list of them.

    Raises:
        TypeError: If an item has no label.
        ValueError: If a label is not a classification label.
    """
    labels, count = find_labels(dataset), len(dataset)  # type: ignore[arg-type]
    with preserved_randomness():
        if labels is not None and labels_hold(dataset, labels):
            return labels
        rows = [target_of(dataset[i]) for i in progress_bar(range(count), show=progress, desc="Reading labels")]
    return torch.tensor([TargetKind.class_of(row) for row in rows])


@dataclass(frozen=True)
class Pipeline:
    """What a synthetic image goes through to become like the images of a data set.

    Attributes:
        kind (ImageKind): What it must be before ``apply``.
        resize (bool): Whether to bring it to that kind's size; not where the real ones' sizes differ.
        transform (callable or "inherit" or None): The transforms that follow.
        keywords (tuple of str): By which the data set calls its transform; empty if by position.
        row (object, optional): An item before the transforms, if these take whole items.
    """

    kind: ImageKind
    resize: bool
    transform: Callable[[Any], Any] | str | None
    keywords: tuple[str, ...] = ()
    row: Any = None

    def apply(self, image: Any, label: int, dataset: Any) -> Any:
        """The transforms on an image; those of the data set as they are now, if they are inherited."""
        if callable(self.transform):
            return call_transform(self.transform, image)
        applied = None if self.transform is None else _applied(dataset)
        return image if applied is None else applied(image, label, self)


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
    bare_transform = _Bare()
    raw = dataset if transform is None else _raw(dataset, bare_transform)
    if transform == "inherit":
        _applied(dataset)  # refuses parts with several
    with preserved_randomness():  # random transforms must not move the caller's randomness
        items = [_item_before(raw, index, transform) for index in spread(len(raw), PROBES)]
    images = [image_of(item) for item in items]
    kinds = [ImageKind.of(image) for image in images]
    for image in images:
        if not callable(transform):
            check_unit_range(image)
    sizes = {(kind.height, kind.width) for kind in kinds}
    channels = max(kind.channels for kind in kinds)  # a few grey images among RGB ones
    applied = _applied(dataset) if transform == "inherit" else None
    resize = len(sizes) == 1 or transform is None or (transform == "inherit" and applied is None)
    row = items[0] if isinstance(applied, _OfRows) else None
    return Pipeline(dataclasses.replace(kinds[0], channels=channels), resize, transform, bare_transform.keywords, row)


def _item_before(raw: Any, index: int, transform: Any) -> Any:
    try:
        item = raw[index]
        image_of(item)
        return item
    except Exception as error:  # whatever a data set without its transform runs into
        if transform is None:
            raise
        raise ValueError(
            "The data set must give its images without its transforms, to learn what these expect, but fails "
            f"({type(error).__name__}: {error}); pass transform=None if its images are uint8 or in 0..1, and else mix "
            "the batches of its loader with SyntheticMix."
        ) from error


def _raw(dataset: Any, bare_transform: _Bare) -> Any:
    """The data set as it is before its transforms; a copy, as the original keeps them."""
    if isinstance(dataset, Subset):
        return Subset(_raw(dataset.dataset, bare_transform), dataset.indices)
    if isinstance(dataset, ConcatDataset):
        return ConcatDataset([_raw(part, bare_transform) for part in dataset.datasets])
    if isinstance(dataset, ForwardsNames):
        return _raw(dataset.dataset, bare_transform)
    if _row_transform(dataset) is not None:
        return dataset.with_format(None)
    bare = copy.copy(dataset)
    for name in TRANSFORM_NAMES:
        if getattr(bare, name, None) is not None:  # not None, as some data sets call it without a look
            setattr(bare, name, bare_transform)
    return bare


def _applied(dataset: Any) -> _Applied | None:
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
    rows = _row_transform(dataset)
    if rows is not None:
        return _OfRows(rows)
    single, joint = getattr(dataset, "transform", None), getattr(dataset, "transforms", None)
    if single is not None:
        return _ImageOnly(single)
    return None if joint is None or isinstance(joint, StandardTransform) else _Joint(joint)


def _row_transform(dataset: Any) -> Callable[[Any], Any] | None:
    """The transform of a Hugging Face data set, which takes and gives rows as a mapping of lists."""
    form = getattr(dataset, "format", None)
    if not isinstance(form, Mapping) or form.get("type") != "custom":
        return None
    transform: Callable[[Any], Any] = form["format_kwargs"]["transform"]
    return transform


class _Bare:
    """A transform that changes nothing, and remembers the keywords that it was called by."""

    def __init__(self) -> None:
        self.keywords: tuple[str, ...] = ()

    def __call__(self, *values: Any, **named: Any) -> Any:
        if not values:
            self.keywords = tuple(named)
            return named
        return values[0] if len(values) == 1 else values


@dataclass(frozen=True)
class _Applied(ABC):
    """A transform of a data set."""

    transform: Callable[..., Any]

    @abstractmethod
    def __call__(self, image: Any, label: int, pipeline: Pipeline) -> Any:
        """Transforms an image."""


class _ImageOnly(_Applied):
    """A transform of the image alone, called by position or, as Albumentations' are, by keyword."""

    def __call__(self, image: Any, label: int, pipeline: Pipeline) -> Any:
        if not pipeline.keywords:
            return call_transform(self.transform, image)
        name = "image" if "image" in pipeline.keywords else pipeline.keywords[0]
        return self.transform(**{**dict.fromkeys(pipeline.keywords, label), name: image})[name]


class _Joint(_Applied):
    """A transform of image and label; only its image is used."""

    def __call__(self, image: Any, label: int, pipeline: Pipeline) -> Any:
        return self.transform(image, label)[0]


class _OfRows(_Applied):
    """A transform of several items as a mapping of lists."""

    def __call__(self, image: Any, label: int, pipeline: Pipeline) -> Any:
        places = Places.of(pipeline.row)
        row = put(pipeline.row, places.image, image)
        row = row if places.label is None else put(row, places.label, label)
        out = self.transform({name: [value] for name, value in row.items()})
        return image_of({name: values[0] for name, values in out.items()})
