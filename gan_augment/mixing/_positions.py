"""Modes and ratios: how many images of each class are synthetic, and which images of a pool they are."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .._core import check_count, check_number, mix_seed
from ..data import MAX_LABELS

BY_CLASS = ("balance", "fill")  # modes that work class by class
ALL = -1  # the group of images that belong to no class


def check_mode(mode: str) -> str:
    if mode not in ("append", "replace", "balance", "fill"):
        raise ValueError(f"mode must be 'append', 'replace', 'balance' or 'fill', but got {mode!r} instead.")
    return mode


def check_ratio(ratio: float, mode: str) -> float:
    """Checks that a ratio is in [0, 1] if synthetic images replace real ones, and in [0, 1) if they are added."""
    check_number("ratio", ratio)
    if not (0 <= ratio < 1 or (ratio == 1 and replaces_real(mode))):
        bounds = "[0, 1]" if replaces_real(mode) else "[0, 1)"
        raise ValueError(f"ratio must be in {bounds} for mode={mode!r}, but got {ratio} instead.")
    return float(ratio)


def check_counts(num_synthetic: int | None, balance_to: int | None, mode: str) -> None:
    if num_synthetic is not None:
        check_count("num_synthetic", num_synthetic, 0)
        if mode in BY_CLASS:
            raise ValueError(f"num_synthetic must not be given for mode={mode!r}; see balance_to.")
    if balance_to is not None:
        check_count("balance_to", balance_to, 1)
        if mode not in BY_CLASS:
            raise ValueError(f"balance_to is for mode='balance' and 'fill', but got mode={mode!r}.")


def check_num_classes(num_classes: int) -> int:
    if check_count("num_classes", num_classes, 1) > MAX_LABELS:
        raise ValueError(f"num_classes must be at most {MAX_LABELS:,}, but got {num_classes:,} instead.")
    return int(num_classes)


def check_known_classes(mode: str, known: bool) -> None:
    """Checks that the label policy knows the class of each image, if the mode works class by class."""
    if mode in BY_CLASS and not known:
        raise ValueError(
            f"mode={mode!r} needs to know the class of each image, but the label policy draws images of any class; use "
            "labels='same' or 'conditional'."
        )


def check_can_balance(labels: Tensor, reachable: Iterable[int]) -> None:
    lacking = sorted(set(torch.bincount(labels).nonzero().flatten().tolist()) - set(reachable))
    if lacking:
        raise ValueError(
            f"The source must make every class of the data for mode='balance', but cannot make {lacking}: a class "
            "without synthetic images would tell a classifier which images are real. Use mode='replace'."
        )


def warn_about_fill(mode: str) -> None:
    if mode == "fill":
        warnings.warn(
            "mode='fill' makes rare classes mostly synthetic, and a classifier can learn that what looks synthetic is "
            "rare: it cost 10 and 23 points of balanced accuracy in two studies (docs/evidence-untuned.md). Use "
            "mode='balance' instead.",
            UserWarning,
            stacklevel=3,
        )


def replaces_real(mode: str) -> bool:
    """Returns whether synthetic images replace real ones, instead of being added to them."""
    return mode in ("replace", "balance")


def synthetic_per_real(ratio: float, mode: str) -> float:
    """Returns how many synthetic images there are for each real image of the input."""
    return ratio if replaces_real(mode) else ratio / (1 - ratio)


@dataclass(frozen=True)
class Slots:
    """The number of images of each class, or ``{ALL: n}`` for images of any class."""

    counts: dict[int, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def labels(self) -> Tensor:
        """Returns the class of each image, grouped by class, int64 ``(total,)``."""
        classes, counts = (torch.tensor(list(each), dtype=torch.int64) for each in (self.counts, self.counts.values()))
        return torch.repeat_interleave(classes, counts)

    def interleaved(self) -> Tensor:
        """Returns indices of :meth:`labels` in an order that spreads each class evenly, int64 ``(total,)``."""
        shares = [(torch.arange(n, dtype=torch.float64) + 0.5) / n for n in self.counts.values() if n]
        return torch.argsort(torch.cat(shares), stable=True) if shares else torch.empty(0, dtype=torch.int64)


def missing_images(labels: Tensor, classes: list[int] | None = None, to: int | None = None) -> Slots:
    """Returns the number of images that each class needs to reach the largest class, or ``to``.

    Args:
        labels (Tensor): Classes of the images, int64 ``(n,)``, with n above 0.
        classes (list of int, optional): The classes to count. Those without images are left out. Default: all.
        to (int, optional): Number of images that each class should have.
    """
    counts = torch.bincount(labels, minlength=max(classes) + 1 if classes else 0)
    goal = int(counts.max()) if to is None else to
    found = counts.tolist()
    asked = range(len(found)) if classes is None else classes
    return Slots({label: max(goal - found[label], 0) for label in asked if found[label]})


def oversampled_rows(labels: Tensor, seed: int) -> Tensor:
    """Returns the rows of all images, followed by repeats from smaller classes until all classes are equally large.

    Args:
        labels (Tensor): Classes of the images, int64 ``(n,)``.
        seed (int): Seed of the draw. Within a class, the numbers of repeats of two images differ by at most one.

    Returns:
        Tensor: int64 ``(m,)``.
    """
    rows = torch.arange(len(labels))
    return torch.cat([rows, repeated_rows(labels, missing_images(labels), seed)]) if len(labels) else rows


def repeated_rows(labels: Tensor, missing: Slots, seed: int) -> Tensor:
    """Returns the rows of images to repeat, grouped by class, as many as each class lacks."""
    by_class = group_by_class(labels, torch.arange(len(labels)))
    return choose_entries(missing, {label: by_class[label] for label in missing.counts}, seed, 0)


def group_by_class(labels: Tensor, rows: Tensor) -> list[Tensor]:
    """Splits rows by their labels: entry 0 of the list has the rows of class 0, in their order, and so on."""
    # numpy sorts integers of one or two bytes in linear time, and wakes no threads.
    own = compact(labels).numpy()
    grouped = rows.numpy()[np.argsort(own, kind="stable")]
    return list(torch.split(torch.from_numpy(grouped), np.bincount(own).tolist()))


def compact(numbers: Tensor) -> Tensor:
    """Converts integers, which must not be negative, to the smallest type that holds them."""
    largest = int(numbers.numpy().max()) if len(numbers) else 0
    types = (torch.uint8, torch.int16, torch.int32, torch.int64)
    return numbers.to(next(dtype for dtype in types if largest <= torch.iinfo(dtype).max))


def choose_entries(slots: Slots, entries: dict[int, Tensor], seed: int, epoch: int) -> Tensor:
    """Returns an entry of its class for each slot in an epoch; no entry is used twice before all are used once."""
    rng = torch.Generator().manual_seed(mix_seed(seed, 1, epoch))
    chosen = []
    for group, count in slots.counts.items():
        if count:
            available = entries[group].numpy()
            order = torch.randperm(len(available), generator=rng).numpy()
            chosen.append(np.resize(available[order], count))  # repeats them in order if there are too few
    return torch.from_numpy(np.concatenate(chosen)) if chosen else torch.empty(0, dtype=torch.int64)
