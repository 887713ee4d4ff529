"""Modes and ratios: how many images of each class are synthetic, and which, as functions of seed and epoch."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from .._core import ROW_BYTES, check_count, check_space, largest_remainder, mix_seed
from ..data import MAX_LABELS

BY_CLASS = ("balance", "fill")  # modes that work class by class
ALL = -1  # the group of images that belong to no class


def check_mode(mode: str) -> str:
    if mode not in ("append", "replace", "balance", "fill"):
        raise ValueError(f"mode must be 'append', 'replace', 'balance' or 'fill', but got {mode!r} instead.")
    return mode


def check_ratio(ratio: float, mode: str) -> float:
    """Checks that a ratio is in [0, 1] if synthetic images replace real ones, and in [0, 1) if they are added."""
    if isinstance(ratio, bool) or not isinstance(ratio, numbers.Real):  # numpy's numbers are Real too
        raise TypeError(f"ratio must be a number, but got {type(ratio)} instead.")
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
    lacking = sorted(set(labels.tolist()) - set(reachable))
    if lacking:
        raise ValueError(
            f"The source must make every class of the data for mode='balance', but cannot make {lacking}: a class "
            "without synthetic images would tell a classifier which images are real. Use mode='replace'."
        )


def warn_about_fill(mode: str) -> None:
    if mode == "fill":
        warnings.warn(
            "mode='fill' makes rare classes mostly synthetic, and a classifier can learn that what looks synthetic is "
            "rare: it cost 10 and 23 points of balanced accuracy in two studies (docs/evidence.md). Use "
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


def _split_by_class(total: int, labels: Tensor | None, reachable: list[int] | None) -> Slots:
    """Splits synthetic images over the classes in proportion to the real images."""
    if labels is None or reachable is None:
        return Slots({ALL: total})
    counts = torch.bincount(labels, minlength=max(reachable) + 1)[torch.tensor(reachable)]
    if total and int(counts.sum()) == 0:
        raise ValueError(f"The data must have images of the classes {reachable} of the source, but has none.")
    return Slots(dict(zip(reachable, largest_remainder(total, counts.tolist()))))


@dataclass(frozen=True)
class Layout:
    """The items of a data set: real items, and slots for synthetic images."""

    rows: Tensor  # the real item at each position, int64 (n,); -1 for an added synthetic image
    labels: Tensor | None  # class of each position, int64 (n,); None if real items have no labels
    slots: Slots
    added: bool  # whether synthetic images are added, instead of replacing real items

    def slot_of(self, seed: int, epoch: int) -> Tensor:
        """Returns the slot at each position in an epoch, int64 ``(n,)``; -1 for a real item."""
        slots = torch.full((len(self.rows),), -1, dtype=torch.int64)
        if self.added:
            slots[self.rows < 0] = self.slots.interleaved()
        else:
            slots[self._choose_positions(seed, epoch)] = torch.arange(self.slots.total)
        return slots

    def _choose_positions(self, seed: int, epoch: int) -> Tensor:
        """Returns the positions of the real items that are replaced, in the order of the slots, int64 ``(total,)``."""
        rng = torch.Generator().manual_seed(mix_seed(seed, 0, epoch))
        order, wanted = torch.randperm(len(self.rows), generator=rng), self.slots.counts
        if self.labels is None or ALL in wanted:
            return order[: self.slots.total]
        by_class = order[torch.argsort(self.labels[order], stable=True)]
        counts = torch.bincount(self.labels, minlength=max(wanted) + 1)
        starts = (counts.cumsum(0) - counts).tolist()
        return torch.cat([by_class[starts[label] : starts[label] + count] for label, count in wanted.items()])


def make_layout(
    mode: str,
    ratio: float,
    n_real: int,
    labels: Tensor | None,
    reachable: list[int] | None,
    num_synthetic: int | None,
    balance_to: int | None,
    seed: int,
) -> Layout:
    """Makes the layout of a data set. ``reachable`` are the classes that the source can make, None for any class."""
    check_known_classes(mode, reachable is not None)
    eligible = n_real
    if labels is not None and reachable is not None:
        if mode == "fill":
            return _add(missing_images(labels, reachable, balance_to), labels, n_real)
        if mode == "balance":
            return _balance(ratio, labels, reachable, balance_to, seed)
        eligible = int(torch.isin(labels, torch.tensor(reachable)).sum())
    number = round(synthetic_per_real(ratio, mode) * eligible) if num_synthetic is None else num_synthetic
    if mode == "append":
        return _add(_split_by_class(number, labels, reachable), labels, n_real)
    if number > eligible:
        raise ValueError(
            f"num_synthetic must be at most {eligible}, the number of real items that the source can replace, but got "
            f"{number} instead."
        )
    return Layout(torch.arange(n_real), labels, _split_by_class(number, labels, reachable), added=False)


def _add(slots: Slots, labels: Tensor | None, n_real: int) -> Layout:
    """Adds synthetic images evenly between the real items, with their classes interleaved."""
    _check_room(slots.total)
    rows = _interleave(torch.arange(n_real), torch.full((slots.total,), -1))
    classes = None if labels is None else _interleave(labels, slots.labels()[slots.interleaved()])
    return Layout(rows, classes, slots, added=True)


def _balance(ratio: float, labels: Tensor, reachable: list[int], balance_to: int | None, seed: int) -> Layout:
    """Repeats real items until all classes are equally large, and replaces the same share of each class."""
    check_can_balance(labels, reachable)
    largest = int(torch.bincount(labels).max())
    goal = largest if balance_to is None else balance_to
    if goal < largest:
        raise ValueError(
            f"balance_to must be at least {largest}, the size of the largest class, for mode='balance', but got "
            f"{goal} instead."
        )
    missing = missing_images(labels, to=goal)
    _check_room(goal * len(missing.counts))
    rows = _interleave(torch.arange(len(labels)), _repeat(labels, missing, seed)[missing.interleaved()])
    return Layout(rows, labels[rows], Slots(dict.fromkeys(missing.counts, round(ratio * goal))), added=False)


def _check_room(count: int) -> None:
    check_space("The added part", count, ROW_BYTES, remedy="Lower `ratio`, `num_synthetic` or `balance_to`.")


def _interleave(values: Tensor, added: Tensor) -> Tensor:
    """Returns the values with the added ones evenly spread between them."""
    out = torch.empty(len(values) + len(added), dtype=values.dtype)
    steps = torch.arange(len(out) + 1) * len(added) // len(out)
    is_added = steps[1:] > steps[:-1]
    out[~is_added], out[is_added] = values, added
    return out


def oversampled_rows(labels: Tensor, seed: int) -> Tensor:
    """Returns the rows of all images, followed by repeats from smaller classes until all classes are equally large.

    Args:
        labels (Tensor): Classes of the images, int64 ``(n,)``.
        seed (int): Seed of the draw. Within a class, the numbers of repeats of two images differ by at most one.

    Returns:
        Tensor: int64 ``(m,)``.
    """
    rows = torch.arange(len(labels))
    return torch.cat([rows, _repeat(labels, missing_images(labels), seed)]) if len(labels) else rows


def _repeat(labels: Tensor, missing: Slots, seed: int) -> Tensor:
    """Returns rows of images to repeat, grouped by class, as many as are missing."""
    return choose_entries(missing, {label: (labels == label).nonzero().flatten() for label in missing.counts}, seed, 0)


def choose_entries(slots: Slots, entries: dict[int, Tensor], seed: int, epoch: int) -> Tensor:
    """Returns an entry of its class for each slot in an epoch; no entry is used twice before all are used once."""
    rng = torch.Generator().manual_seed(mix_seed(seed, 1, epoch))
    chosen = []
    for group, count in slots.counts.items():
        if count:
            available = entries[group]
            shuffled = available[torch.randperm(len(available), generator=rng)]
            chosen.append(shuffled[torch.arange(count) % len(shuffled)])
    return torch.cat(chosen) if chosen else torch.empty(0, dtype=torch.int64)
