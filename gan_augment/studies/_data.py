"""The images of a study: those to train on, to choose by and to test on, and which belong together."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from .._core import as_uint8, check_count, check_space, largest_remainder, mix_seed
from ..data import open_images, split_item
from ..training import TrainingImages

ATTEMPTS = 100
MOST_SHARED = 0.1  # of the test images: as many are oversights, more are another mistake


@dataclass(frozen=True)
class StudyData:
    """Images of one size with their labels, and the rows of them that may be trained on, or are tested on.

    Attributes:
        images (TrainingImages): All of them.
        pool (Tensor): Rows to train on and to choose by, int64.
        test (Tensor): Rows to test on, int64.
        groups (Tensor, optional): Group of each row, int64: a group is never on two sides.
        left_out (int): Images that are stored twice, and would have been on two sides.
    """

    images: TrainingImages
    pool: Tensor
    test: Tensor
    groups: Tensor | None = None
    left_out: int = 0

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
        """Reads both data sets whole, or splits the test images off the one."""
        if isinstance(test, (int, float)) and not 0 < test < 1:
            raise ValueError(
                f"test must be test images, or a share between 0 and 1 to hold out, but got {test} instead."
            )
        opened = open_images(dataset)
        side = common_side(opened) if image_size is None else check_count("image_size", image_size, 1)
        check_space(f"image_size={side}", len(opened), 3 * side * side, remedy="Use a smaller size.")  # type: ignore[arg-type]
        images = TrainingImages.from_dataset(opened, side, "crop", progress=progress)
        of_rows = _group_numbers(groups, opened, len(images))
        if isinstance(test, float):
            rows = torch.arange(len(images))
            held_out = hold_out(images.classes, of_rows, test, seed)
            return cls(images, rows[~held_out], rows[held_out], of_rows)._without_twins()
        channels = images.images.shape[1]
        others = TrainingImages.from_dataset(open_images(test), side, "crop", channels=channels, progress=progress)
        names = (others.class_names, images.class_names)
        if others.num_classes != images.num_classes or (None not in names and names[0] != names[1]):
            raise ValueError(
                f"test must have the classes of the data set, {images.class_names or images.num_classes}, but got "
                f"{others.class_names or others.num_classes} instead."
            )
        whole, count = _join(images, others), len(images)
        if of_rows is not None:
            of_rows = torch.cat([of_rows, torch.full((len(others),), -1)])
        if isinstance(groups, str):
            both = set(_groups_of_files(groups, opened)) & set(_groups_of_files(groups, open_images(test)))
            if both:
                raise ValueError(f"A group must be on one side, but {min(both)!r} is in the test and in the data set.")
        return cls(whole, torch.arange(count), torch.arange(count, len(whole)), of_rows)._without_twins()

    def _without_twins(self) -> StudyData:
        """The same without the test images that are to be trained on too; many of them are a mistake."""
        hashes = self.images.hashes
        shared = torch.isin(hashes[self.test], hashes[self.pool])
        if int(shared.sum()) > MOST_SHARED * len(self.test):
            raise ValueError(
                f"Test images must be others than those to train on, but {int(shared.sum())} of {len(self.test)} are "
                "the same."
            )
        return dataclasses.replace(self, test=self.test[~shared], left_out=int(shared.sum()))

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self.images.num_classes

    def split(self, index: int, count: int | None, validation: float, seed: int) -> tuple[Tensor, Tensor]:
        """Rows to train on and to choose by, of the split of an index; both in random order.

        Args:
            index (int): Of the split.
            count (int, optional): Images to train on. Default: all that are not for validation.
            validation (float): Share to choose by: of the images, or beside ``count`` as many as make it up.
            seed (int): Of the study.
        """
        split_seed = mix_seed(seed, 11, index)
        rows = self.pool[torch.randperm(len(self.pool), generator=torch.Generator().manual_seed(split_seed))]
        classes, groups = self.images.classes[rows], None if self.groups is None else self.groups[rows]
        total = len(rows) if count is None else round(count / (1 - validation))
        if total > len(rows):
            raise ValueError(
                f"count must leave {validation:.0%} of the images for validation, but with them {count} are {total}, "
                f"and there are {len(rows)}."
            )
        held_out = hold_out(classes, groups, validation * total / len(rows), split_seed)
        chosen, others = rows[~held_out], rows[held_out]
        twins = torch.isin(self.images.hashes[others], self.images.hashes[chosen])
        others = others[~twins]  # what is stored twice is not on two sides
        return (chosen if count is None else chosen[first_of_classes(classes[~held_out], count)]), others


def common_side(dataset: Any) -> int:
    """The side that the first images of a data set have in common.

    Raises:
        ValueError: If they are of several sizes, or not square.
    """
    sizes: set[tuple[int, ...]] = set()
    if len(dataset) == 0:
        raise ValueError("dataset must hold at least one image, but it is empty.")
    for index in range(min(len(dataset), 20)):
        image, label = split_item(dataset[index])
        if label is None:
            raise ValueError("dataset must have labels: its items must be (image, label), but are images alone.")
        sizes.add(tuple(as_uint8(image).shape[1:]))
    height, width = next(iter(sizes))
    if len(sizes) > 1 or height != width:
        raise ValueError(f"image_size must be given where images are not all square and of one size: {sorted(sizes)}.")
    return height


def hold_out(classes: Tensor, groups: Tensor | None, share: float, seed: int) -> Tensor:
    """Which rows to hold out, bool ``(n,)``: about a share, whole groups, and of every class on both sides.

    Raises:
        ValueError: If there is no such split.
    """
    held_out = torch.zeros(len(classes), dtype=torch.bool)
    if share == 0:
        return held_out
    known = _kinds(classes)
    for attempt in range(ATTEMPTS):
        rng = torch.Generator().manual_seed(mix_seed(seed, 12, attempt))
        if groups is None:
            order = torch.randperm(len(classes), generator=rng)
            held_out[order[first_of_classes(classes[order], max(round(share * len(classes)), known))]] = True
        else:
            held_out = _whole_groups(classes, groups, share, rng)
        if all(_kinds(classes[side]) == known for side in (held_out, ~held_out)):
            return held_out
        held_out = torch.zeros_like(held_out)
    raise ValueError(
        f"Every class must have images on both sides, but none of {ATTEMPTS} ways to hold {share:.0%} of "
        f"{len(classes)} images out had; give more images of the rarest class, or smaller groups."
    )


def _kinds(classes: Tensor) -> int:
    return int((torch.bincount(classes) > 0).sum())


def _whole_groups(classes: Tensor, groups: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Takes groups in random order, where they bring the classes nearer to their share."""
    number = int(classes.max()) + 1
    members = torch.from_numpy(np.unique(groups.numpy(), return_inverse=True)[1])
    counts = torch.zeros(int(members.max()) + 1, number).index_put_(
        (members, classes), torch.ones(len(classes)), accumulate=True
    )
    missing = torch.bincount(classes, minlength=number) * share
    chosen = torch.zeros(len(counts), dtype=torch.bool)
    for group in torch.randperm(len(counts), generator=rng).tolist():
        if (missing - counts[group]).abs().sum() < missing.abs().sum():
            missing -= counts[group]
            chosen[group] = True
    return chosen[members]


def first_of_classes(labels: Tensor, count: int) -> Tensor:
    """Which rows to take, bool ``(n,)``: the first of each class, in proportion and at least one, ``count`` in all.

    Raises:
        ValueError: If the count is less than the classes, or more than the rows.
    """
    sizes = torch.bincount(labels).tolist()
    present = [min(size, 1) for size in sizes]
    if not sum(present) <= count <= len(labels):
        raise ValueError(
            f"count must be between the {sum(present)} classes and the {len(labels)} images, but got {count}."
        )
    shares = largest_remainder(count, sizes)
    if any(share < one for share, one in zip(shares, present)):  # one of each first
        rest = largest_remainder(count - sum(present), [size - one for size, one in zip(sizes, present)])
        shares = [one + share for one, share in zip(present, rest)]
    keep = torch.zeros(len(labels), dtype=torch.bool)
    for label, share in enumerate(shares):
        keep[(labels == label).nonzero().flatten()[:share]] = True
    return keep


def _group_numbers(groups: Sequence[Hashable] | str | None, dataset: Any, count: int) -> Tensor | None:
    if groups is None:
        return None
    named = _groups_of_files(groups, dataset) if isinstance(groups, str) else groups
    if len(named) != count:
        raise ValueError(f"groups must name the group of each of the {count} images, but got {len(named)} instead.")
    # Tensors and NaN are equal to no key of a dict, so each image would be a group of its own.
    keys = [group.item() if isinstance(group, Tensor) else group for group in named]
    missing = next((index for index, key in enumerate(keys) if key != key), None)
    if missing is not None:
        raise ValueError(f"groups must name the group of each image, but that of image {missing} is {keys[missing]}.")
    numbers: dict[Hashable, int] = {}
    return torch.tensor([numbers.setdefault(key, len(numbers)) for key in keys])


def _groups_of_files(pattern: str, dataset: Any) -> list[str]:
    """What the first parenthesis of a regular expression finds in each file's path."""
    names = getattr(dataset, "names", None) or [path for path, _ in getattr(dataset, "samples", ())]
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"groups must be a regular expression, but got {pattern!r}: {error}.") from error
    if not names or not expression.groups:
        raise ValueError(
            f"groups={pattern!r} must have a parenthesis, and the data set be a folder or zip of classes; else pass "
            "the group of each image."
        )
    found = [expression.search(str(name)) for name in names]
    if None in found:
        missing = names[found.index(None)]
        raise ValueError(f"groups={pattern!r} must be found in the path of every image, but is not in {missing!r}.")
    return [str(match.group(1)) for match in found if match]


def _join(images: TrainingImages, others: TrainingImages) -> TrainingImages:
    return TrainingImages(
        images=torch.cat([images.images, others.images]),
        labels=torch.cat([images.classes, others.classes]),
        num_classes=images.num_classes,
        source_size=images.source_size if images.source_size == others.source_size else None,
        class_names=images.class_names,
        hashes=torch.cat([images.hashes, others.hashes]),
    )
