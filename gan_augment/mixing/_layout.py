"""The order of real and synthetic items in a data set, as a function of seed and epoch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .._core import ROW_BYTES, check_space, largest_remainder, mix_seed
from ._positions import (
    ALL,
    Slots,
    check_can_balance,
    check_known_classes,
    choose_entries,
    compact,
    group_by_class,
    missing_images,
    repeated_rows,
    synthetic_per_real,
)


@dataclass(frozen=True)
class Layout:
    """The items of a data set: real items, and slots for synthetic images.

    An epoch needs at most 4 bytes for each item, and 8 for each synthetic image. Values that are quick to compute from
    a position are not stored.
    """

    n_real: int
    labels: Tensor | None  # class of each real item, integers (n_real,); None if real items have no labels
    slots: Slots
    added: bool = False  # whether synthetic images are added between the real items, instead of replacing some
    repeated: Tensor | None = None  # the real item at each position, integers (n,), if some are repeated

    def __len__(self) -> int:
        if self.repeated is not None:
            return len(self.repeated)
        return self.n_real + self.slots.total if self.added else self.n_real

    def plan(self, available: dict[int, Tensor], seed: int, epoch: int) -> Plan:
        """Returns the plan of an epoch, given the entries of the pool that each class can get."""
        slot_of = None if self.added else self._slots_of_replaced(seed, epoch)
        return Plan(self, epoch, slot_of, choose_entries(self.slots, available, seed, epoch).numpy())

    def _slots_of_replaced(self, seed: int, epoch: int) -> NDArray[np.integer]:
        positions = self._choose_positions(seed, epoch).numpy()
        slot_of = np.full(len(self), -1, dtype=positions.dtype)
        slot_of[positions] = np.arange(len(positions), dtype=positions.dtype)
        return slot_of

    def _choose_positions(self, seed: int, epoch: int) -> Tensor:
        """Returns the positions of the real items that are replaced, in the order of the slots, ``(total,)``."""
        rng = torch.Generator().manual_seed(mix_seed(seed, 0, epoch))
        order, wanted = torch.randperm(len(self), generator=rng, dtype=_index_type(len(self))), self.slots.counts
        if self.labels is None or ALL in wanted:
            return order[: self.slots.total]
        places = order.numpy() if self.repeated is None else self.repeated.numpy()[order.numpy()]
        by_class = group_by_class(torch.from_numpy(self.labels.numpy()[places]), order)
        return torch.cat([by_class[label][:count] for label, count in wanted.items() if count] or [order[:0]])

    @cached_property
    def added_slots(self) -> NDArray[np.integer]:
        """The slot of each added image, in the order of their positions."""
        return self.slots.interleaved().to(_index_type(self.slots.total)).numpy()

    def classes(self) -> Tensor:
        """Returns the class at each position, int64 ``(n,)``: of its real item, or of the image that is added there."""
        if self.labels is None:
            raise AttributeError("The items have no classes.")
        if not self.added:
            return self.labels.long() if self.repeated is None else self.labels[self.repeated].long()
        out = torch.empty(len(self), dtype=torch.int64)
        is_added = self.split(np.arange(len(self)))[1]
        out[torch.from_numpy(~is_added)] = self.labels.long()
        out[torch.from_numpy(is_added)] = self.slots.labels()[torch.from_numpy(self.added_slots)]
        return out

    def split(self, places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Returns how many images are added before each position, and whether the item there is an added image."""
        before, after = (positions * self.slots.total // len(self) for positions in (places, places + 1))
        return before, after > before


@dataclass(frozen=True)
class Plan:
    """Holds which items are synthetic in an epoch, and which images of a pool they get."""

    layout: Layout
    epoch: int
    slot_of: NDArray[np.integer] | None  # the slot at each position, -1 for a real item; None if images are added
    entries: NDArray[np.int64]  # entry of the pool for each slot

    def slots_at(self, places: NDArray[np.int64]) -> NDArray[np.integer]:
        """Returns the slot at each position, -1 for a real item."""
        if self.slot_of is not None:
            return self.slot_of[places]
        before, is_added = self.layout.split(places)
        slots = np.full(len(places), -1)
        slots[is_added] = self.layout.added_slots[before[is_added]]
        return slots

    def rows_at(self, places: NDArray[np.int64]) -> NDArray[np.integer]:
        """Returns the index of the real item at each position. It has no meaning if the item there is synthetic."""
        if self.layout.repeated is not None:
            return self.layout.repeated.numpy()[places]
        return places - self.layout.split(places)[0] if self.layout.added else places


def _index_type(count: int) -> torch.dtype:
    return torch.int32 if count < 2**31 else torch.int64


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
    labels = None if labels is None else compact(labels)
    if labels is not None and reachable is not None:
        if mode == "fill":
            return _add(missing_images(labels, reachable, balance_to), labels, n_real)
        if mode == "balance":
            return _balance(ratio, labels, reachable, balance_to, seed)
        counts = torch.bincount(labels, minlength=max(reachable) + 1)
        eligible = int(counts[torch.tensor(reachable)].sum())
    number = round(synthetic_per_real(ratio, mode) * eligible) if num_synthetic is None else num_synthetic
    if mode == "append":
        return _add(_split_by_class(number, labels, reachable), labels, n_real)
    if number > eligible:
        raise ValueError(
            f"num_synthetic must be at most {eligible}, the number of real items that the source can replace, but got "
            f"{number} instead."
        )
    return Layout(n_real, labels, _split_by_class(number, labels, reachable))


def _split_by_class(total: int, labels: Tensor | None, reachable: list[int] | None) -> Slots:
    """Splits synthetic images over the classes in proportion to the real images."""
    if labels is None or reachable is None:
        return Slots({ALL: total})
    counts = torch.bincount(labels, minlength=max(reachable) + 1)[torch.tensor(reachable)]
    if total and int(counts.sum()) == 0:
        raise ValueError(f"The data must have images of the classes {reachable} of the source, but has none.")
    return Slots(dict(zip(reachable, largest_remainder(total, counts.tolist()))))


def _add(slots: Slots, labels: Tensor | None, n_real: int) -> Layout:
    """Adds synthetic images evenly between the real items, with their classes interleaved."""
    _check_room(slots.total)
    return Layout(n_real, labels, slots, added=True)


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
    rows = _interleave(torch.arange(len(labels)), repeated_rows(labels, missing, seed)[missing.interleaved()])
    slots = Slots(dict.fromkeys(missing.counts, round(ratio * goal)))
    return Layout(len(labels), labels, slots, repeated=rows.to(_index_type(len(labels))))


def _check_room(count: int) -> None:
    check_space("The added part", count, ROW_BYTES, remedy="Lower `ratio`, `num_synthetic` or `balance_to`.")


def _interleave(values: Tensor, added: Tensor) -> Tensor:
    """Returns the values with the added ones evenly spread between them."""
    out = torch.empty(len(values) + len(added), dtype=values.dtype)
    steps = torch.arange(len(out) + 1) * len(added) // len(out)
    is_added = steps[1:] > steps[:-1]
    out[~is_added], out[is_added] = values, added
    return out
