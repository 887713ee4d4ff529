"""The images of a study and their splits into training, validation and test images."""

from __future__ import annotations

import dataclasses
import os
import re
import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from .._core import as_uint8, check_count, check_space, largest_remainder, mix_seed
from ..data import TrainingImages, open_images, split_item
from ..evaluation import OnSeen

ATTEMPTS = 100  # random splits to try until every class is on both sides
MAX_DUPLICATES = 0.1  # share of the test images that may be dropped as duplicates before it is an error


@dataclass(frozen=True)
class StudyData:
    """Labelled images of one size, and which of them are test images."""

    images: TrainingImages
    train_rows: Tensor  # of the images for training and validation
    test_rows: Tensor
    groups: Tensor | None = None  # of each row; all images of a group are on the same side of a split
    num_duplicates: int = 0  # test images that were dropped because the training images contain them

    @classmethod
    def read(
        cls,
        dataset: Dataset[Any] | str | os.PathLike[str],
        test: Dataset[Any] | str | os.PathLike[str] | float,
        groups: Sequence[Hashable] | str | None,
        image_size: int | None,
        seed: int,
        progress: bool,
    ) -> StudyData:
        """Reads the data set and the test images, or holds out a share of the data set as test images."""
        if isinstance(test, (int, float)) and not 0 < test < 1:
            raise ValueError(f"test must be a data set, or the share to hold out, between 0 and 1, but got {test}.")
        opened = open_images(dataset)
        side = common_image_size(opened) if image_size is None else check_count("image_size", image_size, 1)
        check_space(f"image_size={side}", len(opened), 3 * side * side, remedy="Use a smaller size.")  # type: ignore[arg-type]
        images = TrainingImages.from_dataset(opened, side, "crop", progress=progress)
        numbers = _number_groups(groups, opened, len(images))
        if isinstance(test, float):
            rows = torch.arange(len(images))
            held_out = draw_held_out(images.classes, numbers, test, seed)
            return cls(images, rows[~held_out], rows[held_out], numbers)._without_duplicates()
        opened_test = open_images(test)
        others = read_others("test", opened_test, images, progress)
        if isinstance(groups, str):
            shared = set(_groups_in_paths(groups, opened)) & set(_groups_in_paths(groups, opened_test))
            if shared:
                raise ValueError(
                    f"All images of a group must be on one side, but {min(shared)!r} is both in the test images and in "
                    "the data set."
                )
        if numbers is not None:
            numbers = torch.cat([numbers, torch.full((len(others),), -1)])
        count = len(images)
        rows = torch.arange(count + len(others))
        return cls(_join(images, others), rows[:count], rows[count:], numbers)._without_duplicates()

    def _without_duplicates(self) -> StudyData:
        """Drops test images that the training images contain; many of them are an error."""
        hashes = self.images.hashes
        shared = torch.isin(hashes[self.test_rows], hashes[self.train_rows])
        count = int(shared.sum())
        if count > MAX_DUPLICATES * len(self.test_rows):
            raise ValueError(
                f"The test images must not be training images, but {count} of {len(self.test_rows)} are; remove them "
                "from one of the two."
            )
        return dataclasses.replace(self, test_rows=self.test_rows[~shared], num_duplicates=count)

    @property
    def num_classes(self) -> int:
        return self.images.num_classes

    def split(self, index: int, count: int | None, validation: float, seed: int) -> tuple[Tensor, Tensor]:
        """Draws the rows of the training and validation images of one split, in random order."""
        split_seed = mix_seed(seed, 11, index)
        rows = self.train_rows
        rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(split_seed))]
        classes, groups = self.images.classes[rows], None if self.groups is None else self.groups[rows]
        total = len(rows) if count is None else round(count / (1 - validation))
        if total > len(rows):
            raise ValueError(
                f"count must leave enough images for validation, but {count} training images and {validation:.0%} "
                f"validation images add up to {total}, and there are only {len(rows)} images."
            )
        held_out = draw_held_out(classes, groups, validation * total / len(rows), split_seed)
        chosen, others = rows[~held_out], rows[held_out]
        duplicates = torch.isin(self.images.hashes[others], self.images.hashes[chosen])
        others = others[~duplicates]
        return (chosen if count is None else chosen[first_rows_by_class(classes[~held_out], count)]), others


def read_others(name: str, dataset: Any, images: TrainingImages, progress: bool) -> TrainingImages:
    """Reads other images in the size and with the channels of the study's images, and checks their classes.

    ``name`` is the name of the argument in error messages.
    """
    channels, side = images.images.shape[1:3]
    opened = open_images(dataset)
    check_space(f"{name} with image_size={side}", len(opened), channels * side * side, remedy="Use a smaller size.")  # type: ignore[arg-type]
    others = TrainingImages.from_dataset(opened, side, "crop", channels=channels, name=name, progress=progress)
    names = (others.class_names, images.class_names)
    if others.num_classes != images.num_classes or (None not in names and names[0] != names[1]):
        raise ValueError(
            f"{name} must have the classes of the data set, {images.class_names or images.num_classes}, but got "
            f"{others.class_names or others.num_classes} instead."
        )
    return others


def check_test_images(name: str, found: int, number: int, on_seen: OnSeen) -> list[str]:
    """Raises an error if an argument contains test images, or warns and returns a note with ``on_seen="warn"``."""
    if found and on_seen == "refuse":
        raise ValueError(
            f"The {name} must not contain test images, but contains {found:,} of {number:,}; remove them from it."
        )
    if not found:
        return []
    note = f"The {name} contains {found:,} of the {number:,} test images."
    warnings.warn(note, UserWarning, stacklevel=2)
    return [note]


def common_image_size(dataset: Any) -> int:
    """Returns the side that the first images of a data set have in common, and refuses images without labels."""
    sizes: set[tuple[int, ...]] = set()
    if len(dataset) == 0:
        raise ValueError("dataset must hold at least one image, but it is empty.")
    for index in range(min(len(dataset), 20)):
        image, label = split_item(dataset[index])
        if label is None:
            raise ValueError("dataset must have labels: its items must be (image, label), but they are images alone.")
        sizes.add(tuple(as_uint8(image).shape[1:]))
    height, width = next(iter(sizes))
    if len(sizes) > 1 or height != width:
        raise ValueError(
            f"image_size must be given unless all images are square and have one size, but got {sorted(sizes)}."
        )
    return height


def draw_held_out(classes: Tensor, groups: Tensor | None, share: float, seed: int) -> Tensor:
    """Draws about this share of the rows to hold out, bool ``(n,)``. Groups stay whole, both sides have every class."""
    if share == 0:
        return torch.zeros(len(classes), dtype=torch.bool)
    num_classes = len(torch.unique(classes))
    for attempt in range(ATTEMPTS):
        rng = torch.Generator().manual_seed(mix_seed(seed, 12, attempt))
        if groups is None:
            order = torch.randperm(len(classes), generator=rng)
            wanted = max(round(share * len(classes)), num_classes)
            held_out = torch.zeros(len(classes), dtype=torch.bool)
            held_out[order[first_rows_by_class(classes[order], wanted)]] = True
        else:
            held_out = _draw_whole_groups(classes, groups, share, rng)
        if all(len(torch.unique(classes[side])) == num_classes for side in (held_out, ~held_out)):
            return held_out
    raise ValueError(
        f"Every class must have images on both sides of a split, but {ATTEMPTS} random splits with {share:.0%} of "
        f"{len(classes)} images held out all left a class without images on one side; add images of the rarest class, "
        "or use smaller groups."
    )


def _draw_whole_groups(classes: Tensor, groups: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Adds groups in random order if they bring the held-out classes closer to their share."""
    number = int(classes.max()) + 1
    members = torch.unique(groups, return_inverse=True)[1]
    cells = torch.bincount(members * number + classes, minlength=(int(members.max()) + 1) * number)
    counts = cells.view(-1, number).float()  # of each class in each group
    missing = torch.bincount(classes, minlength=number) * share
    chosen = torch.zeros(len(counts), dtype=torch.bool)
    for group in torch.randperm(len(counts), generator=rng).tolist():
        if (missing - counts[group]).abs().sum() < missing.abs().sum():
            missing -= counts[group]
            chosen[group] = True
    return chosen[members]


def first_rows_by_class(labels: Tensor, count: int) -> Tensor:
    """Selects ``count`` rows, bool ``(n,)``: the first of each class, in proportion, and at least one of each."""
    sizes = torch.bincount(labels).tolist()
    present = [min(size, 1) for size in sizes]
    if not sum(present) <= count <= len(labels):
        raise ValueError(
            f"count must be between the {sum(present)} classes and the {len(labels)} images, but got {count}."
        )
    shares = largest_remainder(count, sizes)
    if any(share < one for share, one in zip(shares, present)):  # give one to each class first
        rest = largest_remainder(count - sum(present), [size - one for size, one in zip(sizes, present)])
        shares = [one + share for one, share in zip(present, rest)]
    keep = torch.zeros(len(labels), dtype=torch.bool)
    for label, share in enumerate(shares):
        keep[(labels == label).nonzero().flatten()[:share]] = True
    return keep


def _number_groups(groups: Sequence[Hashable] | str | None, dataset: Any, count: int) -> Tensor | None:
    """Returns the group of each image as a number."""
    if groups is None:
        return None
    named = _groups_in_paths(groups, dataset) if isinstance(groups, str) else groups
    if len(named) != count:
        raise ValueError(f"groups must name the group of each of the {count} images, but got {len(named)} instead.")
    # As keys of a dict, equal tensors would differ from each other, and so would NaN.
    keys = [group.item() if isinstance(group, Tensor) else group for group in named]
    for index, key in enumerate(keys):
        if key != key:
            raise ValueError(f"groups must name the group of each image, but that of image {index} is {key}.")
    numbers: dict[Hashable, int] = {}
    return torch.tensor([numbers.setdefault(key, len(numbers)) for key in keys])


def _groups_in_paths(pattern: str, dataset: Any) -> list[str]:
    """Returns what the first capture group of a regular expression matches in each image's path."""
    names = getattr(dataset, "names", None) or [path for path, _ in getattr(dataset, "samples", ())]
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"groups must be a regular expression, but got {pattern!r}: {error}.") from None
    if not names or not expression.groups:
        raise ValueError(
            f"groups={pattern!r} must have a capture group, and the data set must be a folder or zip of classes; "
            "otherwise pass the group of each image."
        )
    matches = [expression.search(str(name)) for name in names]
    if None in matches:
        missing = names[matches.index(None)]
        raise ValueError(f"groups={pattern!r} must match the path of every image, but does not match {missing!r}.")
    return [str(match.group(1)) for match in matches if match]


def _join(images: TrainingImages, others: TrainingImages) -> TrainingImages:
    return dataclasses.replace(
        images,
        images=torch.cat([images.images, others.images]),
        labels=torch.cat([images.classes, others.classes]),
        source_size=images.source_size if images.source_size == others.source_size else None,
        hashes=torch.cat([images.hashes, others.hashes]),
        marked=torch.cat([images.marked, others.marked]),
    )
