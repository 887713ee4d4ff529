"""Modes, ratios, and the number of synthetic images of each class."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from .._core import check_count, largest_remainder
from ..data import MAX_LABELS

BY_CLASS = ("balance", "fill")  # modes that work class by class
ALL = -1  # the group of images that belong to no class


def check_mode(mode: str) -> str:
    """Checks that a mode is one of the four.

    Raises:
        ValueError: If it is not.
    """
    if mode not in ("append", "replace", "balance", "fill"):
        raise ValueError(f"mode must be 'append', 'replace', 'balance' or 'fill', but got {mode!r} instead.")
    return mode


def check_ratio(ratio: float, mode: str) -> float:
    """Checks a ratio: [0, 1] if synthetic images replace real ones, and [0, 1) if they are added.

    Raises:
        TypeError: If it is not a number.
        ValueError: If it is out of range.
    """
    if isinstance(ratio, bool) or not isinstance(ratio, numbers.Real):  # numpy's numbers are Real too
        raise TypeError(f"ratio must be a number, but got {type(ratio)} instead.")
    if not (0 <= ratio < 1 or (ratio == 1 and replaces_real(mode))):
        bounds = "[0, 1]" if replaces_real(mode) else "[0, 1)"
        raise ValueError(f"ratio must be in {bounds} for mode={mode!r}, but got {ratio} instead.")
    return float(ratio)


def check_num_classes(num_classes: int) -> int:
    """Checks the number of classes of the data.

    Raises:
        TypeError: If it is not an int.
        ValueError: If it is out of range.
    """
    if check_count("num_classes", num_classes, 1) > MAX_LABELS:
        raise ValueError(f"num_classes must be at most {MAX_LABELS:,}, but got {num_classes:,} instead.")
    return int(num_classes)


def check_known_classes(mode: str, known: bool) -> None:
    """Checks that images have known classes, if the mode works class by class.

    Raises:
        ValueError: If they do not.
    """
    if mode in BY_CLASS and not known:
        raise ValueError(
            f"mode={mode!r} must know the class of an image, but the label policy draws images of any class; use "
            "labels='same' or 'conditional'."
        )


def replaces_real(mode: str) -> bool:
    """Returns whether synthetic images replace real ones, instead of being added to them."""
    return mode in ("replace", "balance")


def synthetic_per_real(ratio: float, mode: str) -> float:
    """Returns how many synthetic images there are for each real image of the input."""
    return ratio if replaces_real(mode) else ratio / (1 - ratio)


def warn_about_fill(mode: str) -> None:
    """Warns about what ``mode="fill"`` does to rare classes."""
    if mode == "fill":
        warnings.warn(
            "mode='fill' makes rare classes mostly synthetic, and a classifier can learn that what looks synthetic is "
            "rare: it cost 10 and 23 points of balanced accuracy in two studies (docs/evidence.md). Use "
            "mode='balance' instead.",
            UserWarning,
            stacklevel=3,
        )


@dataclass(frozen=True)
class Slots:
    """The number of images of each class; ``ALL`` stands for all classes together.

    Attributes:
        groups (tuple of int): Classes, or ``(ALL,)``.
        counts (tuple of int): Number of images of each group.
    """

    groups: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """The number of images."""
        return sum(self.counts)

    def labels(self) -> Tensor:
        """Returns the group of each image, int64 ``(total,)``, sorted by group."""
        return torch.repeat_interleave(torch.tensor(self.groups), torch.tensor(self.counts))

    def interleaved(self) -> Tensor:
        """Returns indices of :meth:`labels` in an order that spreads each group evenly, int64 ``(total,)``."""
        shares = [(torch.arange(count, dtype=torch.float64) + 0.5) / count for count in self.counts if count]
        return torch.argsort(torch.cat(shares), stable=True) if shares else torch.empty(0, dtype=torch.int64)


def split_by_class(total: int, labels: Tensor | None, reachable: list[int] | None) -> Slots:
    """Splits synthetic images over the classes in proportion to the real images.

    Args:
        total (int): Number of synthetic images.
        labels (Tensor, optional): Classes of the real images.
        reachable (list of int, optional): Classes of which synthetic images exist; None if they have no class.

    Raises:
        ValueError: If there are no real images of these classes.
    """
    if labels is None or reachable is None:
        return Slots((ALL,), (total,))
    counts = torch.bincount(labels, minlength=max(reachable) + 1)[torch.tensor(reachable)]
    if total and int(counts.sum()) == 0:
        raise ValueError(f"The data must have images of the classes {reachable} of the source, but has none.")
    return Slots(tuple(reachable), tuple(largest_remainder(total, counts.tolist())))


def missing_images(labels: Tensor, classes: list[int] | None = None, to: int | None = None) -> Slots:
    """Returns the number of images that each class needs to reach the largest class, or ``to``.

    Args:
        labels (Tensor): Classes of the images, int64 ``(n,)``, with n above 0.
        classes (list of int, optional): The classes to count. Those without images are left out. Default: all.
        to (int, optional): Number of images that each class should have.
    """
    counts = torch.bincount(labels, minlength=max(classes) + 1 if classes else 0)
    present = [label for label in (range(len(counts)) if classes is None else classes) if counts[label] > 0]
    goal = int(counts.max()) if to is None else to
    missing = (goal - counts[torch.tensor(present, dtype=torch.int64)]).clamp(min=0)
    return Slots(tuple(present), tuple(missing.tolist()))


def check_can_balance(labels: Tensor, reachable: Iterable[int]) -> None:
    """Checks that there are synthetic images of every class, which ``mode="balance"`` requires.

    Raises:
        ValueError: If a class has none.
    """
    lacking = sorted(set(labels.tolist()) - set(reachable))
    if lacking:
        raise ValueError(
            f"The source must make every class of the data for mode='balance', but cannot make {lacking}: a class "
            "without synthetic images would tell a classifier which images are real. Use mode='replace'."
        )
