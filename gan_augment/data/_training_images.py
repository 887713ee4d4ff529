"""Holds the images of a data set in memory. They are read and resized only once."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from .._core import (
    ResizeMode,
    as_uint8,
    check_range,
    check_seed,
    largest_remainder,
    progress_bar,
    resize_to_square,
    to_channels,
)
from ._classes import find_class_names
from ._hashes import fingerprint
from ._items import split_item
from ._marked import is_marked_item, name_of_item
from ._targets import TargetKind


@dataclass(frozen=True)
class TrainingImages:
    """A data set in the form that the trainer uses.

    Attributes:
        images (Tensor): uint8 ``(n, channels, image_size, image_size)``.
        labels (Tensor, optional): int64 ``(n,)``.
        num_classes (int): Number of classes; 0 without labels.
        source_size (tuple, optional): Height and width of the original images, if they are all the same.
        class_names (tuple of str, optional): Names of the classes, if the data set has one for every label.
        hashes (Tensor): Content hash of each original image, int64 ``(n,)``.
        marked (Tensor): Whether each image is marked as synthetic, bool ``(n,)``.
    """

    images: Tensor
    labels: Tensor | None
    num_classes: int
    source_size: tuple[int, int] | None
    class_names: tuple[str, ...] | None
    hashes: Tensor
    marked: Tensor

    @classmethod
    def from_dataset(
        cls,
        dataset: Dataset[Any],
        image_size: int,
        resize_mode: ResizeMode,
        *,
        channels: int | None = None,
        conditional: bool = True,
        allow_synthetic: bool = False,
        name: str = "dataset",
        remedy: str = "remove them",
        progress: bool = True,
    ) -> TrainingImages:
        """Reads every item of a map-style data set. Only one original image is in memory at a time.

        Args:
            dataset (Dataset): Items are images (PIL, uint8 or float 0..1), ``(image, label, ...)``, or mappings
                that hold both; see :class:`gan_augment.data.ItemPaths`.
            image_size (int): Side to resize the images to, in pixels.
            resize_mode (str): How to make them square: ``"resize"``, ``"crop"`` or ``"pad"``.
            channels (int, optional): 1 or 3. Default: 1 if every image is grey, else 3.
            conditional (bool): Whether to keep the labels. Default: True.
            allow_synthetic (bool): Whether images that are marked as synthetic are accepted. Default: False.
            name (str): Name of the argument in the error message about marked images. Default: ``"dataset"``.
            remedy (str): Instruction that ends this message. Default: ``"remove them"``.
            progress (bool): Whether to show a progress bar. Default: True.

        Raises:
            TypeError: If the data set is not map-style, or an item is not an image.
            ValueError: If the data set is empty, an item cannot be read, an image is marked as synthetic, or a label is
                not a class index.
        """
        if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
            raise TypeError(f"dataset must be map-style (with a length), but got {type(dataset)} instead.")
        count = len(dataset)
        if count == 0:
            raise ValueError("dataset must hold at least one image, but it is empty.")
        images = torch.empty((count, channels or 1, image_size, image_size), dtype=torch.uint8)
        hashes = torch.empty(count, dtype=torch.int64)
        marked = torch.zeros(count, dtype=torch.bool)
        labels, sizes = [], set()
        for index in progress_bar(range(count), show=progress, desc="Reading images", leave=False):
            image, label = _read_item(dataset, index)
            marked[index] = is_marked_item(dataset, index, image)
            original, fitted = _bring_to_size(image, index, image_size, resize_mode)
            if channels is None and len(fitted) > images.shape[1]:
                images = to_channels(images, 3)
            images[index] = to_channels(fitted, images.shape[1])
            hashes[index] = fingerprint(original)
            sizes.add((original.shape[1], original.shape[2]))
            if conditional:
                labels.append(_class_index(label, index))
        if not allow_synthetic and bool(marked.any()):
            first = name_of_item(dataset, int(marked.nonzero()[0]))
            raise ValueError(
                f"{name} must hold real images, but {int(marked.sum()):,} of its {count:,} images are marked as "
                f"synthetic (the first is {first}); {remedy}."
            )
        num_classes = max(labels) + 1 if conditional else 0
        missing = next((label for label, found in enumerate(sorted(set(labels))) if label != found), None)
        if missing is not None:
            raise ValueError(f"Labels must be 0, 1, 2, ... without gaps, but no image is of class {missing}.")
        names = find_class_names(dataset)
        return cls(
            images=images,
            labels=torch.tensor(labels) if conditional else None,
            num_classes=num_classes,
            class_names=names[:num_classes] if num_classes and names and len(names) >= num_classes else None,
            source_size=sizes.pop() if len(sizes) == 1 else None,
            hashes=hashes,
            marked=marked,
        )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def fingerprints(self) -> Tensor:
        """The sorted, distinct hashes of the original images, int64."""
        distinct: Tensor = torch.unique(self.hashes)
        return distinct

    def digest(self) -> dict[str, Any]:
        """Returns the number and a hash of the images and labels, which identify them."""
        data = hashlib.sha256(self.images.contiguous().numpy().data)
        data.update(b"" if self.labels is None else self.labels.numpy().tobytes())
        return {"count": len(self), "sha256": data.hexdigest()}

    @property
    def classes(self) -> Tensor:
        """The label of each image, int64 ``(n,)``: all 0 without labels."""
        return torch.zeros(len(self), dtype=torch.int64) if self.labels is None else self.labels

    def class_counts(self) -> list[int]:
        """Returns the number of images of each class; empty without classes."""
        return [] if self.labels is None else torch.bincount(self.labels, minlength=self.num_classes).tolist()

    def subset(self, indices: Sequence[int] | Tensor) -> TrainingImages:
        """Returns the images at these indices, in this order, with all classes of the data set.

        Args:
            indices (sequence of int): At least one index. Each is at least 0 and less than the number of images.

        Raises:
            ValueError: If there are no indices, or one is not an integer or out of range.
        """
        chosen = torch.as_tensor(indices)
        if chosen.ndim != 1 or len(chosen) == 0 or chosen.dtype not in (torch.int64, torch.int32):
            raise ValueError(f"indices must be one or more integers, but got {indices!r} instead.")
        if int(chosen.min()) < 0 or int(chosen.max()) >= len(self):
            raise ValueError(f"indices must be from 0 to {len(self) - 1}, but got {chosen.min()} to {chosen.max()}.")
        labels = None if self.labels is None else self.labels[chosen]
        rows = {name: getattr(self, name)[chosen] for name in ("images", "hashes", "marked")}
        return dataclasses.replace(self, labels=labels, **rows)

    def with_mirrored(self) -> TrainingImages:
        """Returns the images, and after them their mirror images."""
        labels = None if self.labels is None else self.labels.repeat(2)
        images = torch.cat([self.images, self.images.flip(3)])
        twice = {name: getattr(self, name).repeat(2) for name in ("hashes", "marked")}
        return dataclasses.replace(self, images=images, labels=labels, **twice)

    def split(self, held_out: float | int, seed: int) -> tuple[TrainingImages, TrainingImages | None]:
        """Holds out images of every class in proportion. Every class keeps at least one training image.

        Args:
            held_out (float or int): A share 0..1 as a float, or a count as an int.
            seed (int): Seed of the draw.

        Returns:
            tuple: The training images, and the held-out images or None, both in the order of the data set.

        Raises:
            TypeError: If ``held_out`` is not a number.
            ValueError: If the share or the count is out of range.
        """
        labels = self.classes
        counts = torch.bincount(labels).tolist()
        total = _held_out_count(held_out, counts)
        rng = torch.Generator().manual_seed(check_seed(seed))
        shuffled = torch.randperm(len(self), generator=rng)
        held = torch.zeros(len(self), dtype=torch.bool)
        order = torch.randperm(len(counts), generator=rng).tolist()  # breaks ties
        limits = [max(count - 1, 0) for count in counts]
        for label, count in enumerate(largest_remainder(total, counts, limits=limits, order=order)):
            held[shuffled[labels[shuffled] == label][:count]] = True
        if total == 0:
            return self, None
        return self.subset((~held).nonzero().flatten()), self.subset(held.nonzero().flatten())


def _held_out_count(held_out: float | int, counts: list[int]) -> int:
    most = sum(counts) - sum(count > 0 for count in counts)
    if isinstance(held_out, bool) or not isinstance(held_out, (int, float)):
        raise TypeError(f"held_out must be a share or a count, but got {type(held_out)} instead.")
    if isinstance(held_out, float):
        check_range("held_out", held_out, 0, 1)
        return min(round(held_out * sum(counts)), most)
    if not 0 <= held_out <= most:
        raise ValueError(
            f"held_out must be between 0 and {most}, so that every class keeps an image, but got {held_out} instead."
        )
    return held_out


def _read_item(dataset: Any, index: int) -> tuple[Any, Any]:
    """Returns the image and the label of an item."""
    with _naming(index):
        return split_item(dataset[index])


def _bring_to_size(image: Any, index: int, image_size: int, resize_mode: ResizeMode) -> tuple[Tensor, Tensor]:
    """Returns the image of an item as a tensor, in its original size and in the size that was asked for."""
    with _naming(index):
        original = as_uint8(image)
    try:
        return original, resize_to_square(original, image_size, resize_mode)
    except ValueError as error:
        raise ValueError(f"Item {index} of the data set does not fit: {error}") from None


@contextlib.contextmanager
def _naming(index: int) -> Iterator[None]:
    """Names the item in errors."""
    try:
        yield
    except TypeError as error:
        raise TypeError(f"Item {index} of the data set is not an image: {error}") from error
    except (ValueError, OSError) as error:
        raise ValueError(
            f"Item {index} of the data set cannot be read: {error} "
            "The data set must return original images, without transforms."
        ) from error


def _class_index(label: Any, index: int) -> int:
    remedy = "put the images into one folder for each class, or take a recipe without classes, such as 'tiny'."
    if label is None:
        raise ValueError(f"Items must be (image, label) to learn classes, but item {index} has no label; {remedy}")
    try:
        value = TargetKind.class_of(label)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Item {index} of the data set has no class: {error} To learn classes, {remedy}") from None
    if value < 0:
        raise ValueError(f"A label must be a class index from 0, but item {index} has {value}; {remedy}")
    return value
