"""Which items of a data set are synthetic, and which images they get: pure functions of seed and epoch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .._core import ROW_BYTES, check_space, mix_seed
from ._counts import (
    ALL,
    Slots,
    check_can_balance,
    check_known_classes,
    missing_images,
    split_by_class,
    synthetic_per_real,
)


@dataclass(frozen=True)
class Layout:
    """The items of a data set: real items, and slots for synthetic images.

    Attributes:
        rows (Tensor): The real item at each position, int64 ``(n,)``; -1 for an added synthetic image.
        labels (Tensor, optional): Class of each position, int64 ``(n,)``; None if real items have no labels. For an
            added synthetic image, it is the group of its slot.
        slots (Slots): The number of synthetic images of each class.
        added (bool): Whether synthetic images are added, instead of replacing real items.
    """

    rows: Tensor
    labels: Tensor | None
    slots: Slots
    added: bool

    def slot_of(self, seed: int, epoch: int) -> Tensor:
        """Returns the slot at each position in an epoch, int64 ``(n,)``; -1 for a real item."""
        slots = torch.full((len(self.rows),), -1, dtype=torch.int64)
        if self.added:
            slots[self.rows < 0] = self.slots.interleaved()
        else:
            positions = choose_positions(self.slots, self.labels, len(self.rows), seed, epoch)
            slots[positions] = torch.arange(self.slots.total)
        return slots


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
    """Makes the layout of a data set.

    Args:
        mode (str): The mode of :class:`GANAugmentedDataset`.
        ratio (float): Synthetic share of the result.
        n_real (int): Number of real items.
        labels (Tensor, optional): Classes of the real items.
        reachable (list of int, optional): Classes of which synthetic images exist; None if they have no class.
        num_synthetic (int, optional): Number of synthetic images, instead of a ratio.
        balance_to (int, optional): Number of items of each class, for ``"balance"`` and ``"fill"``.
        seed (int): Seed of the real items that ``"balance"`` repeats.

    Raises:
        ValueError: If the real items or the source do not allow it.
    """
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
        _check_room(number)
        return _add(split_by_class(number, labels, reachable), labels, n_real)
    if number > eligible:
        raise ValueError(
            f"num_synthetic must be at most {eligible}, the number of real items that the source can replace, but got "
            f"{number} instead."
        )
    return Layout(torch.arange(n_real), labels, split_by_class(number, labels, reachable), added=False)


def _add(slots: Slots, labels: Tensor | None, n_real: int) -> Layout:
    """Adds synthetic images evenly between the real items, with their classes interleaved."""
    _check_room(slots.total)
    added = _spread(n_real, slots.total)
    rows = torch.full((len(added),), -1, dtype=torch.int64)
    rows[~added] = torch.arange(n_real)
    if labels is None:
        return Layout(rows, None, slots, added=True)
    classes = torch.empty_like(rows)
    classes[~added], classes[added] = labels, slots.labels()[slots.interleaved()]
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
    _check_room(goal * len(missing.groups))
    repeated = _repeat(labels, missing, seed)
    added = _spread(len(labels), missing.total)
    rows = torch.empty(len(added), dtype=torch.int64)
    rows[~added], rows[added] = torch.arange(len(labels)), repeated[missing.interleaved()]
    slots = Slots(missing.groups, (round(ratio * goal),) * len(missing.groups))
    return Layout(rows, labels[rows], slots, added=False)


def _check_room(count: int) -> None:
    """Refuses more added items than fit into memory."""
    check_space("The added part", count, ROW_BYTES, remedy="Lower `ratio`, `num_synthetic` or `balance_to`.")


def _spread(n: int, added: int) -> Tensor:
    """Returns which of ``n + added`` positions hold the added images, evenly spread, bool ``(n + added,)``."""
    steps = torch.arange(n + added + 1) * added // (n + added)
    return steps[1:] > steps[:-1]


def _repeat(labels: Tensor, missing: Slots, seed: int) -> Tensor:
    """Returns rows of images to repeat, grouped by class, as many as are missing."""
    entries = {label: (labels == label).nonzero().flatten() for label in missing.groups}
    return choose_entries(missing, entries, seed, 0)


def oversampled_rows(labels: Tensor, seed: int) -> Tensor:
    """Returns the rows of all images, followed by repeats from smaller classes until all classes are equally large.

    Args:
        labels (Tensor): Classes of the images, int64 ``(n,)``.
        seed (int): Seed of the draw. Within a class, numbers of repeats differ by at most one.

    Returns:
        Tensor: int64 ``(m,)``.
    """
    rows = torch.arange(len(labels))
    return torch.cat([rows, _repeat(labels, missing_images(labels), seed)]) if len(labels) else rows


def choose_positions(slots: Slots, labels: Tensor | None, n: int, seed: int, epoch: int) -> Tensor:
    """Returns the real items that are replaced in an epoch, in the order of the slots, int64 ``(total,)``."""
    rng = torch.Generator().manual_seed(mix_seed(seed, 0, epoch))
    order = torch.randperm(n, generator=rng)
    if labels is None or slots.groups == (ALL,):
        return order[: slots.total]
    by_class = order[torch.argsort(labels[order], stable=True)]
    counts = torch.bincount(labels, minlength=max(slots.groups) + 1)
    starts = (counts.cumsum(0) - counts).tolist()
    parts = [by_class[starts[group] : starts[group] + count] for group, count in zip(slots.groups, slots.counts)]
    return torch.cat(parts)


def choose_entries(slots: Slots, entries: dict[int, Tensor], seed: int, epoch: int) -> Tensor:
    """Returns an entry of its group for each slot in an epoch; no entry is used twice before all are used once."""
    rng = torch.Generator().manual_seed(mix_seed(seed, 1, epoch))
    chosen = []
    for group, count in zip(slots.groups, slots.counts):
        if count:
            available = entries[group]
            shuffled = available[torch.randperm(len(available), generator=rng)]
            chosen.append(shuffled[torch.arange(count) % len(shuffled)])
    return torch.cat(chosen) if chosen else torch.empty(0, dtype=torch.int64)
