"""The data set that is wrapped: its class names, labels and transforms, and its images before the transforms."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset, Subset
from torchvision.datasets.vision import StandardTransform
from torchvision.transforms import v2

from .._core import as_names, evenly_spaced, progress_bar, stored_class_names
from ..data import PROBES, ItemPaths, TargetKind, find_class_names, find_labels, labels_match
from ..synthesis import ImageKind, Source, check_unit_range, of_image
from ._randomness import restored_random_state
from ._structure import image_of, target_of

_NO_TRANSFORM: tuple[str, Any] = ("nothing", None)


class ForwardsNames:
    """Forwards the attributes of torchvision's data sets from the wrapped data set, by name."""

    # A __getattr__ would also forward __getitems__, and loaders would bypass the wrapper.
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

    target_transform = property(attrgetter("dataset.target_transform"), doc="Transform of a target.")
    transforms = property(attrgetter("dataset.transforms"), doc="Transform of image and target.")


def _forward(dataset: Any, attribute: str, make: Callable[[Sequence[str]], Any]) -> Any:
    # The classes of a Subset without names of its own keep their names.
    while isinstance(dataset, Subset) and not hasattr(dataset, attribute) and stored_class_names(dataset) is None:
        dataset = dataset.dataset
    names = None if hasattr(dataset, attribute) else find_class_names(dataset)
    return getattr(dataset, attribute) if names is None else make(names)


def read_names(classes: Any, source: Source) -> tuple[str, ...]:
    """Returns the names of the data's classes, and warns if the source has no names to compare them with."""
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


def read_labels(dataset: Dataset[Any], progress: bool) -> Tensor:
    """Returns the class indices of all items. Reads every item if the data set does not store them."""
    labels, count = find_labels(dataset), len(dataset)  # type: ignore[arg-type]
    with restored_random_state():
        if labels is not None and labels_match(dataset, labels):
            return labels
        rows = [target_of(dataset[i]) for i in progress_bar(range(count), show=progress, desc="Reading labels")]
    return torch.tensor([TargetKind.class_of(row) for row in rows])


@dataclass(frozen=True)
class Pipeline:
    """The steps that make a synthetic image like the images of a data set."""

    kind: ImageKind  # the kind that an image must have before the transforms
    resize: bool  # whether to resize it to the size of that kind; False if the real images have several sizes
    transform: Callable[[Any], Any] | str | None
    keywords: tuple[str, ...]  # by which the data set calls its transform; empty if it calls it by position
    row: Any  # an item before the transforms, if these take whole items

    def on(self, dataset: Any) -> Callable[[Any, int], Any]:
        """Returns a function that transforms an image, given its class.

        Inherited transforms are those that the data set has when this method is called.
        """
        if callable(self.transform):
            own = of_image(self.transform)
            return lambda image, label: own(image)
        takes, transform = _NO_TRANSFORM if self.transform is None else find_transform(dataset)
        if takes == "image and label":
            return lambda image, label: transform(image, label)[0]
        if takes == "rows":
            return partial(self._apply_to_rows, transform)
        if takes == "image" and self.keywords:
            name = "image" if "image" in self.keywords else self.keywords[0]
            return lambda image, label: transform(**{**dict.fromkeys(self.keywords, label), name: image})[name]
        inherited = None if takes == "nothing" else of_image(transform)
        return lambda image, label: image if inherited is None else inherited(image)

    def on_batches(self, dataset: Any) -> Callable[[Tensor], Tensor] | None:
        """Returns the transform if it gives a whole batch the same images as :meth:`on`, and otherwise None."""
        takes, transform = ("image", self.transform) if callable(self.transform) else find_transform(dataset)
        plain = dataclasses.replace(self.kind, container="tensor", layout="chw", subclass=None)
        fits = self.resize and self.kind == plain and self.transform is not None and takes == "image"
        return transform if fits and _is_elementwise(transform) else None

    def _apply_to_rows(self, transform: Callable[[Any], Any], image: Any, label: int) -> Any:
        """Applies a transform that takes a mapping of lists."""
        row = ItemPaths.of(self.row).replace(self.row, image, label)
        out = transform({name: [value] for name, value in row.items()})
        return image_of({name: values[0] for name, values in out.items()})


def _is_elementwise(transform: Any) -> bool:
    """Returns whether a transform treats each value of an image by itself, and draws no random numbers."""
    if type(transform) is v2.Compose:
        return all(map(_is_elementwise, transform.transforms))
    return type(transform) in (v2.ToDtype, v2.Normalize)


def make_pipeline(dataset: Any, transform: Callable[[Any], Any] | str | None) -> Pipeline:
    """Returns the steps that synthetic images need, based on a few items of a data set with torchvision's interface."""
    if not (transform is None or transform == "inherit" or callable(transform)):
        raise TypeError(f"transform must be callable, 'inherit' or None, but got {transform!r} instead.")
    recorder = CallRecorder()
    raw = dataset if transform is None else without_transforms(dataset, recorder)
    takes, _ = find_transform(dataset) if transform == "inherit" else _NO_TRANSFORM
    with restored_random_state():  # random transforms must not change the caller's random state
        items = [_read_raw(raw, index, transform) for index in evenly_spaced(len(raw), PROBES)]
    images = [image_of(item) for item in items]
    kinds = [ImageKind.of(image) for image in images]
    if not callable(transform):
        for image in images:
            check_unit_range(image)
    channels = max(kind.channels for kind in kinds)  # there may be a few grey images among RGB ones
    one_size = len({(kind.height, kind.width) for kind in kinds}) == 1
    row = items[0] if takes == "rows" else None
    return Pipeline(dataclasses.replace(kinds[0], channels=channels), one_size, transform, recorder.keywords, row)


def _read_raw(raw: Any, index: int, transform: Any) -> Any:
    try:
        item = raw[index]
        image_of(item)
        return item
    except Exception as error:  # a data set may fail in any way without its transform
        if transform is None:
            raise
        raise ValueError(
            "The data set must also return images without its transforms, to show the form that synthetic images need, "
            f"but it fails ({type(error).__name__}: {error}). Pass transform=None if its images are uint8 or in 0..1. "
            "Otherwise, mix the batches of its loader with SyntheticMix."
        ) from error


def without_transforms(dataset: Any, recorder: CallRecorder | None = None) -> Any:
    """Returns a copy of a data set that calls the recorder instead of its transforms."""
    recorder = recorder or CallRecorder()
    if isinstance(dataset, Subset):
        return Subset(without_transforms(dataset.dataset, recorder), dataset.indices)
    if isinstance(dataset, ConcatDataset):
        return ConcatDataset([without_transforms(part, recorder) for part in dataset.datasets])
    if isinstance(dataset, ForwardsNames):
        return without_transforms(dataset.dataset, recorder)
    if _hugging_face_transform(dataset) is not None:
        return dataset.with_format(None)
    bare = copy.copy(dataset)
    for name in ("transforms", "transform", "target_transform"):
        if getattr(bare, name, None) is not None:  # not set to None, which some data sets would call
            setattr(bare, name, recorder)
    return bare


def find_transform(dataset: Any) -> tuple[str, Any]:
    """Returns what the transform of a data set takes, and the transform."""
    if isinstance(dataset, (Subset, ForwardsNames)):
        return find_transform(dataset.dataset)
    if isinstance(dataset, ConcatDataset):
        parts = [find_transform(part) for part in dataset.datasets]
        if any(part != parts[0] for part in parts):
            raise ValueError(
                "The parts of a ConcatDataset must share one transform for transform='inherit', but do not; pass a "
                "transform for synthetic images as transform=."
            )
        return parts[0]
    of_rows = _hugging_face_transform(dataset)
    if of_rows is not None:
        return "rows", of_rows
    single, joint = getattr(dataset, "transform", None), getattr(dataset, "transforms", None)
    if single is not None:
        return "image", single
    return _NO_TRANSFORM if joint is None or isinstance(joint, StandardTransform) else ("image and label", joint)


def _hugging_face_transform(dataset: Any) -> Any:
    """Returns the transform of a Hugging Face data set, from a mapping of lists to another, or None."""
    form: Any = getattr(dataset, "format", None)
    custom = isinstance(form, Mapping) and form.get("type") == "custom"
    return form["format_kwargs"]["transform"] if custom else None


class CallRecorder:
    """A transform that changes nothing, and records the keywords that it is called with."""

    def __init__(self) -> None:
        self.keywords: tuple[str, ...] = ()

    def __call__(self, *values: Any, **named: Any) -> Any:
        if not values:
            self.keywords = tuple(named)
            return named
        return values[0] if len(values) == 1 else values
