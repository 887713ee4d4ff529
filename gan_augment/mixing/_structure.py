"""Finds images and labels in items and batches, and makes synthetic items with the same structure."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
import PIL.Image
import torch
from torch import Tensor
from torchvision import tv_tensors

from ..data import (
    ItemPaths,
    TargetKind,
    describe_item,
    find_images,
    find_label,
    get_at,
    read_target,
    replace_at,
    split_item,
    walk_leaves,
)
from ..synthesis import (
    Geometry,
    ImageKind,
    as_channels_first,
    call_transform,
    match_batch,
    match_image,
    to_container,
)
from .policies._policy import CHOICES, LabelPolicy

LabelsGetter: TypeAlias = Callable[[Any], Any] | Literal["default"] | None
_UNSUPPORTED = (tv_tensors.BoundingBoxes, tv_tensors.Mask, tv_tensors.Video)


@dataclass
class Inputs:
    """The inputs of a call of a transform, and the images and labels in them."""

    whole: Any
    paths: ItemPaths
    image: Any
    labels: Any
    single: bool  # whether there is one image instead of a batch

    @classmethod
    def find(cls, inputs: Any, labels_getter: LabelsGetter, transform: str = "SyntheticMix") -> Inputs:
        """Finds the one image or batch and, unless the getter is None, the labels. Errors name the ``transform``."""
        leaves = list(walk_leaves(inputs))
        for _, leaf in leaves:
            if isinstance(leaf, _UNSUPPORTED) or type(leaf).__name__ == "KeyPoints":
                raise ValueError(
                    f"{transform} is for classification and cannot take items with {type(leaf).__name__}, which would "
                    "not fit the new images."
                )
        labels_at = None if labels_getter is None else _find_labels(inputs, labels_getter, leaves)
        places = find_images(inputs, labels_at)
        if len(places) != 1:
            raise ValueError(
                f"{transform} must be given one image, or one batch of images, but found {len(places)} "
                f"among {[type(leaf).__name__ for _, leaf in leaves][:20]}."
            )
        paths = ItemPaths(places[0], labels_at)
        image, labels = paths.get(inputs)
        dims = 3 if isinstance(image, PIL.Image.Image) else image.ndim
        several_labels = isinstance(labels, (Tensor, np.ndarray)) and labels.ndim > 0
        if dims not in (2, 3, 4) or (dims == 2 and several_labels):  # one grey image may have 2
            raise ValueError(f"Images must have 3 dims (one image) or 4 (a batch), but got {dims} instead.")
        return cls(inputs, paths, image, labels, single=dims < 4)

    def has_other_rows(self, n: int) -> bool:
        """Returns whether anything except the images and labels has an entry for each of ``n`` images."""
        image_at, labels_at = self.paths.image, self.paths.label
        others = [(path, leaf) for path, leaf in walk_leaves(self.whole) if path not in (image_at, labels_at)]
        # Lists of anything except plain values are not leaves: their entries are.
        parents = {path[:-1] for path, _ in others if path} - {(), image_at[:-1], (labels_at or ())[:-1]}
        candidates = [leaf for _, leaf in others] + [get_at(self.whole, path) for path in parents]
        return any(
            (isinstance(entry, (tuple, list)) and len(entry) == n)
            or (isinstance(entry, (Tensor, np.ndarray)) and entry.ndim > 0 and len(entry) == n)
            for entry in candidates
        )

    def rebuild(self, image: Any, labels: Any, extra: dict[str, Any]) -> Any:
        """Returns the same structure with another image and other labels, followed by further entries."""
        return _with_extra(self.paths.replace(self.whole, image, labels), extra)


def _find_labels(
    inputs: Any, labels_getter: Callable[[Any], Any] | Literal["default"], leaves: list[Any]
) -> tuple[Any, ...]:
    if labels_getter == "default":
        found = find_label(inputs)
        if found is None:
            raise ValueError(
                f"Could not find the labels in {describe_item(inputs)}; pass (images, labels), a labels_getter, or "
                "labels=None if there are none. A data set passes no labels to its transform: mix the batches of "
                "its loader, or wrap it with GANAugmentedDataset."
            )
        return found
    labels = labels_getter(inputs)
    places: list[tuple[Any, ...]] = [path for path, leaf in leaves if leaf is labels]
    if len(places) != 1:
        raise ValueError(
            "labels_getter must return an object that is in the input exactly once, not a copy, but its result is "
            f"found {len(places)} times; pass another labels_getter."
        )
    return places[0]


@dataclass(frozen=True)
class ItemKind:
    """Everything about an item of a data set except its image and label."""

    paths: ItemPaths
    blank: Any  # an item without image and label, whose other entries are neutral
    target: TargetKind  # not used if items have no targets
    soft: bool  # whether targets must be made probabilities
    weight: float | None  # of a synthetic item in the loss; None if items have no weights
    return_synthetic: bool  # whether items end with a bool

    @classmethod
    def of(cls, item: Any, policy: LabelPolicy | None, num_classes: int | None, return_synthetic: bool) -> ItemKind:
        """Returns the kind of items that have the structure of a real item, and targets of a label policy."""
        paths = ItemPaths.of(item)
        if policy is None:
            if paths.label is not None:
                raise TypeError(
                    f"Items must be images alone for labels=None, but got {len(item)} entries; choose {CHOICES}."
                )
            target, soft, weight = TargetKind(Tensor, torch.int64), False, None
        else:
            target, soft, weight = read_target(target_of(item))[1], policy.soft, policy.weight
            if soft and num_classes is not None:
                target = target.as_soft(num_classes)
        return cls(paths, _neutral(paths.replace(item, None, None)), target, soft, weight, return_synthetic)

    @cached_property
    def is_pair(self) -> bool:
        """Whether an item is a tuple of image and label."""
        return type(self.blank) is tuple and len(self.blank) == 2 and self.paths == ItemPaths((0,), (1,))

    @property
    def is_finished(self) -> bool:
        """Whether :meth:`finish` changes nothing."""
        return not self.soft and self.weight is None and not self.return_synthetic

    def targets(self, labels: Tensor) -> list[Any]:
        """Makes a target from each class ``(n,)``, or from the probabilities of classes ``(n, classes)``."""
        if self.target.container is Tensor:
            return list(self.target.make(labels))
        if self.target.container is int and labels.ndim == 1 and not self.target.boxed:
            return labels.tolist()
        return [self.target.make(label) for label in labels]

    def make(self, image: Any, target: Any) -> Any:
        """Makes a synthetic item from its image and its target."""
        return (image, target) if self.is_pair else self.paths.replace(self.blank, image, target)

    def finish(self, item: Any, synthetic: bool) -> Any:
        """Adds the weight and the bool to an item, and makes a real target soft if all targets are."""
        if self.soft and not synthetic:
            image, label = self.paths.get(item)
            item = self.paths.replace(item, image, self.target.make(read_target(label)[0]))
        extra: dict[str, Any] = {}
        if self.weight is not None:
            extra["weight"] = torch.tensor(self.weight if synthetic else 1.0, dtype=torch.float32)
        if self.return_synthetic:
            extra["is_synthetic"] = synthetic
        return _with_extra(item, extra)


def _with_extra(item: Any, extra: dict[str, Any]) -> Any:
    """Returns an item with further entries: by name in a mapping, otherwise at the end."""
    if not extra:
        return item
    if isinstance(item, Mapping):
        for name, value in extra.items():
            item = replace_at(item, (name,), value)
        return item
    return (*item, *extra.values()) if isinstance(item, (tuple, list)) else (item, *extra.values())


def target_of(item: Any) -> Any:
    """Returns the label of an item, which must have one."""
    paths = ItemPaths.of(item)
    if paths.label is None:
        raise TypeError(
            'Items of a labelled data set must be (image, label) or mappings with a key "label", but got '
            f"{describe_item(item)}; rename the entry of the label, or pass labels=None if the items have no labels."
        )
    return paths.get(item)[1]


def image_of(item: Any) -> Any:
    return split_item(item)[0]


def describe_image(image: Any, with_shape: bool) -> str:
    """Describes the properties that images must share to be collated. It accepts any output of a transform."""
    name, shape = type(image).__name__.lower(), ""
    if isinstance(image, (Tensor, np.ndarray)):
        name = "array" if isinstance(image, np.ndarray) else name  # memory maps collate with other arrays
        name += f" {image.dtype}".replace("torch.", "")
        shape = " x ".join(map(str, image.shape))
    elif isinstance(image, PIL.Image.Image):
        name, shape = f"PIL {image.mode}", f"{image.height} x {image.width}"
    return f"{name} {shape}" if with_shape else name


def _neutral(value: Any) -> Any:
    """Returns the same structure with neutral values: empty text, False, NaN, -1, or 0 for unsigned integers."""
    if isinstance(value, (Mapping, tuple, list)):
        for key in list(value) if isinstance(value, Mapping) else range(len(value)):
            value = replace_at(value, (key,), _neutral(value[key]))
        return value
    if value is None or isinstance(value, (bool, np.bool_, str, bytes, pathlib.PurePath)):
        return value if value is None else type(value)()
    if isinstance(value, (int, float, np.integer, np.floating)):
        return type(value)(_filler(isinstance(value, (float, np.floating)), not isinstance(value, np.unsignedinteger)))
    if isinstance(value, Tensor) and not isinstance(value, tv_tensors.TVTensor):
        signed = value.dtype.is_signed and not value.is_complex()
        return torch.full_like(value, _filler(value.is_floating_point(), signed))
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return np.full_like(value, _filler(value.dtype.kind == "f", value.dtype.kind == "i"))
    raise TypeError(
        "In addition to image and label, an item may hold text, numbers, and tensors of numbers, because other "
        f"entries have no neutral value for a synthetic item, but got {type(value).__name__}; remove this entry."
    )


def _filler(is_float: bool, is_signed: bool) -> float:
    return float("nan") if is_float else -1 if is_signed else 0


def match_rows(images: Tensor, kind: ImageKind, geometry: Geometry, transform: Callable[[Any], Any] | None) -> Tensor:
    """Returns synthetic uint8 images like the real ones of a batch, as a plain tensor ``(n, c, h, w)``."""
    if transform is None:
        return match_batch(images, kind, geometry)
    return torch.stack([as_channels_first(match_one(image, kind, geometry, transform))[0] for image in images])


def match_one(image: Tensor, kind: ImageKind, geometry: Geometry, transform: Callable[[Any], Any] | None) -> Any:
    """Returns a synthetic uint8 image like a real one, after a transform if there is one."""
    if transform is None:
        return match_image(image, kind, geometry)
    is_tensor = kind.container not in ("PIL", "array")
    before = dataclasses.replace(kind, container="tensor", subclass=None) if is_tensor else kind
    after = call_transform(transform, match_image(image, before, geometry))
    if isinstance(after, Tensor) and is_tensor:  # a transform may not keep the class of tensor
        after = to_container(after.as_subclass(Tensor), kind)
    found = ImageKind.of(after)
    if found != kind:
        raise ValueError(f"transform must return images like the real ones, {kind}, but returned {found}.")
    return after


def take_rows(whole: Any, rows: Tensor) -> Any:
    """Returns rows of a tensor or an array, in the same class, layout and memory format."""
    if isinstance(whole, np.ndarray):
        return whole[rows.numpy()]
    return edit_rows(whole, lambda own: own[rows.to(own.device)])


def edit_rows(whole: Any, edit: Callable[[Tensor], Tensor]) -> Any:
    """Returns a tensor or an array with edited rows, in the same class, layout and memory format."""
    if isinstance(whole, np.ndarray):
        return to_container(edit(as_channels_first(whole)[0]), ImageKind.of(whole))
    # A tensor class of a user keeps its attributes by itself; those of torchvision are set again afterwards.
    torchvisions = isinstance(whole, tv_tensors.TVTensor)
    own = whole.as_subclass(Tensor) if torchvisions else whole
    out = edit(own)
    if own.ndim == 4 and not own.is_contiguous() and own.is_contiguous(memory_format=torch.channels_last):
        out = out.contiguous(memory_format=torch.channels_last)
    if torchvisions:
        return tv_tensors.wrap(out, like=whole)
    return out if type(out) is type(whole) else out.as_subclass(type(whole))
