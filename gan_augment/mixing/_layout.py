"""The order of real and synthetic items in a data set, as a function of seed and epoch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

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

    It stores at most 4 bytes for each item. The plan of an epoch needs 4 bytes more.
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
        entries = choose_entries(self.slots, available, seed, epoch).numpy()
        items = self._rows().astype(_index_type(max(len(self), int(entries.max(initial=0)) + 1)))
        items[self._places_added if self.added else self._places_replaced(seed, epoch)] = -1 - entries
        return Plan(epoch, items)

    def classes(self) -> Tensor:
        """Returns the class at each position, int64 ``(n,)``: of its real item, or of the image that is added there."""
        if self.labels is None:
            raise AttributeError("The items have no classes.")
        classes = self.labels.long().numpy()[self._rows()]
        if self.added:
            classes[self._places_added] = self.slots.labels().numpy()
        return torch.from_numpy(classes)

    def _rows(self) -> NDArray[np.integer]:
        """Returns the index of the real item at each position; 0 if an image is added there."""
        if self.repeated is not None:
            return self.repeated.numpy()
        if not self.added:
            return np.arange(len(self), dtype=_index_type(len(self)))
        is_real = np.ones(len(self), dtype=bool)
        is_real[self._places_added] = False
        rows = np.zeros(len(self), dtype=_index_type(len(self)))
        rows[is_real] = np.arange(self.n_real, dtype=rows.dtype)
        return rows

    @cached_property
    def _places_added(self) -> NDArray[np.integer]:
        """The positions of the added images, in the order of the slots, ``(total,)``."""
        places = np.empty(self.slots.total, dtype=_index_type(len(self)))
        evenly = (np.arange(1, len(places) + 1) * len(self) - 1) // max(len(places), 1)
        places[self.slots.interleaved().numpy()] = evenly
        return places

    def _places_replaced(self, seed: int, epoch: int) -> NDArray[np.integer]:
        """Returns the positions of the real items that are replaced, in the order of the slots, ``(total,)``."""
        rng = torch.Generator().manual_seed(mix_seed(seed, 0, epoch))
        order = np.empty(len(self), dtype=_index_type(len(self)))
        torch.randperm(len(self), generator=rng, out=torch.from_numpy(order))
        wanted = self.slots.counts
        if self.labels is None or ALL in wanted:
            return order[: self.slots.total]
        rows = order if self.repeated is None else self.repeated.numpy()[order]
        by_class = group_by_class(torch.from_numpy(self.labels.numpy()[rows]), torch.from_numpy(order))
        return np.concatenate(
            [order[:0], *(by_class[label][:count].numpy() for label, count in wanted.items() if count)]
        )


@dataclass(frozen=True)
class Plan:
    """Holds the item at each position in an epoch."""

    epoch: int
    items: NDArray[np.integer]  # the index of a real item, or -1 - the entry of the pool of a synthetic one


def _index_type(count: int) -> type[np.signedinteger[Any]]:
    return np.int32 if count < 2**31 else np.int64


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
    return Layout(len(labels), labels, slots, repeated=torch.from_numpy(rows.numpy().astype(_index_type(len(labels)))))


def _check_room(count: int) -> None:
    check_space("The added part", count, ROW_BYTES, remedy="Lower `ratio`, `num_synthetic` or `balance_to`.")


def _interleave(values: Tensor, added: Tensor) -> Tensor:
    """Returns the values with the added ones evenly spread between them."""
    out = torch.empty(len(values) + len(added), dtype=values.dtype)
    steps = torch.arange(len(out) + 1) * len(added) // len(out)
    is_added = steps[1:] > steps[:-1]
    out[~is_added], out[is_added] = values, added
    return out
