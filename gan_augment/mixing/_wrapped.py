"""The data set that is wrapped: its class names, labels and transforms, and its images before the transforms."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset, Subset
from torchvision.datasets.vision import StandardTransform

from .._core import as_names, evenly_spaced, progress_bar, stored_class_names
from ..data import PROBES, ItemPaths, TargetKind, find_class_names, find_labels, labels_match, replace_at
from ..synthesis import ImageKind, Source, call_transform, check_unit_range
from ._items import image_of, target_of
from ._randomness import restored_random_state

TRANSFORM_NAMES = ("transforms", "transform", "target_transform")


class ForwardsNames:
    """Forwards the attributes of torchvision's data sets from the wrapped data set.

    It forwards them by name. A ``__getattr__`` would also forward ``__getitems__``, which a loader calls if it
    exists, and so bypass the wrapper.
    """

    dataset: Any

    @property
    def classes(self) -> Any:
        """Names of the classes."""
        return _forward(self.dataset, "classes", list)

    @property
    def class_to_idx(self) -> Any:
        """Mapping from the name of a class to its index."""
        return _forward(self.dataset, "class_to_idx", lambda names: {name: at for at, name in enumerate(names)})

    @property
    def transform(self) -> Any:
        """The wrapped data set's transform of an image."""
        return self.dataset.transform

    @transform.setter
    def transform(self, transform: Any) -> None:
        self.dataset.transform = transform

    @property
    def target_transform(self) -> Any:
        """The wrapped data set's transform of a target."""
        return self.dataset.target_transform

    @property
    def transforms(self) -> Any:
        """The wrapped data set's transform of image and target."""
        return self.dataset.transforms


def _forward(dataset: Any, attribute: str, make: Callable[[Sequence[str]], Any]) -> Any:
    # The classes of a Subset without names of its own keep their names.
    while isinstance(dataset, Subset) and not hasattr(dataset, attribute) and stored_class_names(dataset) is None:
        dataset = dataset.dataset
    names = None if hasattr(dataset, attribute) else find_class_names(dataset)
    return getattr(dataset, attribute) if names is None else make(names)


def find_names(dataset: Any) -> tuple[str, ...] | None:
    """Returns the names of the classes of the items; None if they are not known."""
    with restored_random_state():  # random transforms must not change the caller's random state
        return find_class_names(dataset)


def read_names(classes: Any, source: Source) -> tuple[str, ...]:
    """Returns the names of the data's classes from a sequence, a mapping or a data set.

    Warns if the source has no names to compare them with.

    Raises:
        TypeError: If ``classes`` has another type, or has no names.
    """
    names = find_class_names(classes) or as_names(classes)
    if names is None:
        raise TypeError(
            "classes must be names in the order of the labels, a mapping such as class_to_idx, or a data set that has "
            f"them, but got {classes!r:.100}."
        )
    if source.class_names is None:
        warnings.warn(
            "The source has no class names, so `classes` cannot be compared with them. Look at samples of each class.",
            UserWarning,
            stacklevel=3,
        )
    return names


def read_labels(dataset: Dataset[Any], progress: bool = True) -> Tensor:
    """Returns the class indices of all items. Reads every item if the data set does not keep a list of them.

    Raises:
        TypeError: If an item has no label.
        ValueError: If a label is not a classification label.
    """
    labels, count = find_labels(dataset), len(dataset)  # type: ignore[arg-type]
    with restored_random_state():
        if labels is not None and labels_match(dataset, labels):
            return labels
        rows = [target_of(dataset[i]) for i in progress_bar(range(count), show=progress, desc="Reading labels")]
    return torch.tensor([TargetKind.class_of(row) for row in rows])


@dataclass(frozen=True)
class Pipeline:
    """The steps that make a synthetic image like the images of a data set.

    Attributes:
        kind (ImageKind): The kind that an image must have before ``apply``.
        resize (bool): Whether to resize it to that kind's size; false if the real images have several sizes.
        transform (callable or "inherit" or None): The transforms that follow.
        keywords (tuple of str): Keywords by which the data set calls its transform; empty if it calls it by position.
        row (object, optional): An item before the transforms, if these take whole items.
    """

    kind: ImageKind
    resize: bool
    transform: Callable[[Any], Any] | str | None
    keywords: tuple[str, ...] = ()
    row: Any = None

    def apply(self, image: Any, label: int, dataset: Any) -> Any:
        """Applies the transforms to an image. Inherited transforms are those that the data set has now."""
        if callable(self.transform):
            return call_transform(self.transform, image)
        inherited = None if self.transform is None else _find_transform(dataset)
        return image if inherited is None else inherited(image, label, self)


def make_pipeline(dataset: Any, transform: Callable[[Any], Any] | str | None) -> Pipeline:
    """Returns the steps for synthetic images. The data set is not changed.

    Args:
        dataset: A data set like torchvision's, also inside ``Subset`` and ``ConcatDataset``.
        transform (callable or "inherit" or None): The argument of :class:`GANAugmentedDataset`.

    Raises:
        TypeError: If ``transform`` has another type, or the items hold no images.
        ValueError: If the parts of a ``ConcatDataset`` have different transforms, or the images are normalised.
    """
    if not (transform is None or transform == "inherit" or callable(transform)):
        raise TypeError(f"transform must be callable, 'inherit' or None, but got {transform!r} instead.")
    recorder = _CallRecorder()
    raw = dataset if transform is None else _without_transforms(dataset, recorder)
    inherited = _find_transform(dataset) if transform == "inherit" else None
    with restored_random_state():  # random transforms must not change the caller's random state
        items = [_read_raw(raw, index, transform) for index in evenly_spaced(len(raw), PROBES)]
    images = [image_of(item) for item in items]
    kinds = [ImageKind.of(image) for image in images]
    if not callable(transform):
        for image in images:
            check_unit_range(image)
    sizes = {(kind.height, kind.width) for kind in kinds}
    channels = max(kind.channels for kind in kinds)  # there may be a few grey images among RGB ones
    resize = len(sizes) == 1 or (not callable(transform) and inherited is None)
    row = items[0] if isinstance(inherited, _RowTransform) else None
    return Pipeline(dataclasses.replace(kinds[0], channels=channels), resize, transform, recorder.keywords, row)


def _read_raw(raw: Any, index: int, transform: Any) -> Any:
    try:
        item = raw[index]
        image_of(item)
        return item
    except Exception as error:  # a data set may fail in any way without its transform
        if transform is None:
            raise
        raise ValueError(
            "The data set must give its images without its transforms, to learn what these expect, but fails "
            f"({type(error).__name__}: {error}); pass transform=None if its images are uint8 or in 0..1, and else mix "
            "the batches of its loader with SyntheticMix."
        ) from error


def _without_transforms(dataset: Any, recorder: _CallRecorder) -> Any:
    """Returns a copy of a data set that calls the recorder instead of its transforms."""
    if isinstance(dataset, Subset):
        return Subset(_without_transforms(dataset.dataset, recorder), dataset.indices)
    if isinstance(dataset, ConcatDataset):
        return ConcatDataset([_without_transforms(part, recorder) for part in dataset.datasets])
    if isinstance(dataset, ForwardsNames):
        return _without_transforms(dataset.dataset, recorder)
    if _hugging_face_transform(dataset) is not None:
        return dataset.with_format(None)
    bare = copy.copy(dataset)
    for name in TRANSFORM_NAMES:
        if getattr(bare, name, None) is not None:  # not set to None, which some data sets would call
            setattr(bare, name, recorder)
    return bare


def _find_transform(dataset: Any) -> _Transform | None:
    """Returns the transform of a data set, as a function of an image."""
    if isinstance(dataset, (Subset, ForwardsNames)):
        return _find_transform(dataset.dataset)
    if isinstance(dataset, ConcatDataset):
        parts = [_find_transform(part) for part in dataset.datasets]
        if any(part != parts[0] for part in parts):
            raise ValueError(
                "The parts of a ConcatDataset must share one transform for transform='inherit', but do not; pass "
                "the one for synthetic images as transform=."
            )
        return parts[0]
    of_rows = _hugging_face_transform(dataset)
    if of_rows is not None:
        return _RowTransform(of_rows)
    single, joint = getattr(dataset, "transform", None), getattr(dataset, "transforms", None)
    if single is not None:
        return _ImageTransform(single)
    return None if joint is None or isinstance(joint, StandardTransform) else _JointTransform(joint)


def _hugging_face_transform(dataset: Any) -> Callable[[Any], Any] | None:
    """Returns the transform of a Hugging Face data set, which maps rows to rows, as a mapping of lists."""
    form = getattr(dataset, "format", None)
    if not isinstance(form, Mapping) or form.get("type") != "custom":
        return None
    transform: Callable[[Any], Any] = form["format_kwargs"]["transform"]
    return transform


class _CallRecorder:
    """A transform that changes nothing, and records the keywords that it is called with."""

    def __init__(self) -> None:
        self.keywords: tuple[str, ...] = ()

    def __call__(self, *values: Any, **named: Any) -> Any:
        if not values:
            self.keywords = tuple(named)
            return named
        return values[0] if len(values) == 1 else values


@dataclass(frozen=True)
class _Transform(ABC):
    """A transform of a data set, as a function of an image."""

    transform: Callable[..., Any]

    @abstractmethod
    def __call__(self, image: Any, label: int, pipeline: Pipeline) -> Any:
        """Transforms an image."""


class _ImageTransform(_Transform):
    """A transform of the image alone, called by position or, like Albumentations', by keyword."""

    def __call__(self, image: Any, label: int, pipeline: Pipeline) -> Any:
        if not pipeline.keywords:
            return call_transform(self.transform, image)
        name = "image" if "image" in pipeline.keywords else pipeline.keywords[0]
        return self.transform(**{**dict.fromkeys(pipeline.keywords, label), name: image})[name]


class _JointTransform(_Transform):
    """A transform of image and label, of which only the image is used."""

    def __call__(self, image: Any, label: int, pipeline: Pipeline) -> Any:
        return self.transform(image, label)[0]


class _RowTransform(_Transform):
    """A transform of several items, as a mapping of lists."""

    def __call__(self, image: Any, label: int, pipeline: Pipeline) -> Any:
        places = ItemPaths.of(pipeline.row)
        row = replace_at(pipeline.row, places.image, image)
        row = row if places.label is None else replace_at(row, places.label, label)
        out = self.transform({name: [value] for name, value in row.items()})
        return image_of({name: values[0] for name, values in out.items()})
