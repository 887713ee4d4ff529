"""Where real and synthetic items stand in an augmented data set, in each mode."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .._core import ROW_BYTES, check_space
from ._plan import Slots, check_reachable, choose_positions, present, repeats, share_out, spread, top_up
from ._ratio import synthetic_share


@dataclass(frozen=True)
class Layout:
    """The places of a data set: which real item stands where, and which places are for synthetic images.

    Attributes:
        rows (Tensor): Real item of each place, int64 ``(n,)``; -1 at the places of added synthetic images.
        labels (Tensor, optional): Class of each place, int64 ``(n,)``; None where real items have none. At the
            places of added synthetic images, what their slot says.
        slots (Slots): The synthetic images.
        added (bool): Whether synthetic images have places of their own, instead of places of real items.
    """

    rows: Tensor
    labels: Tensor | None
    slots: Slots
    added: bool

    def slot_of(self, seed: int, epoch: int) -> Tensor:
        """The synthetic image at each place in an epoch, int64 ``(n,)``; -1 for a real item."""
        slots = torch.full((len(self.rows),), -1, dtype=torch.int64)
        if self.added:
            slots[self.rows < 0] = self.slots.in_turn()
        else:
            places = choose_positions(self.slots, self.labels, len(self.rows), seed, epoch)
            slots[places] = torch.arange(self.slots.total)
        return slots


def make_layout(
    mode: str,
    ratio: float,
    n_real: int,
    labels: Tensor | None,
    reachable: list[int] | None,
    number: int | None,
    to: int | None,
    seed: int,
) -> Layout:
    """Lays real and synthetic items out.

    Args:
        mode (str): As :class:`GANAugmentedDataset` takes it.
        ratio (float): Synthetic share of the result.
        n_real (int): Number of real items.
        labels (Tensor, optional): Their classes.
        reachable (list of int, optional): Classes that the source can make; None if its images have none.
        number (int, optional): Of synthetic images, in place of a ratio.
        to (int, optional): Items of each class, for ``"balance"`` and ``"fill"``.
        seed (int): Of the real items that come again.

    Raises:
        ValueError: If the real items and the source do not allow it.
    """
    if mode in ("balance", "fill"):
        if labels is None or reachable is None:
            raise ValueError(f"mode={mode!r} must know the class of an image: labels='same' or 'conditional'.")
        if mode == "fill":
            return _adding(top_up(labels, reachable, to), labels, n_real)
        return _balanced(ratio, labels, reachable, to, seed)
    eligible = n_real
    if labels is not None and reachable is not None:
        eligible = int(torch.isin(labels, torch.tensor(reachable)).sum())
    if number is None:
        number = round(synthetic_share(ratio, mode) * eligible)
    if mode == "append":
        _check_room(number)
    if mode == "replace" and number > eligible:
        raise ValueError(
            f"num_synthetic must be at most {eligible}, as many as there are real items that the source can "
            f"replace, but got {number} instead."
        )
    slots = share_out(number, labels, reachable)
    if mode == "append":
        return _adding(slots, labels, n_real)
    return Layout(torch.arange(n_real), labels, slots, added=False)


def _adding(slots: Slots, labels: Tensor | None, n_real: int) -> Layout:
    """Synthetic images evenly between the real items, their classes in turn."""
    _check_room(slots.total)
    made = spread(n_real, slots.total)
    rows = torch.full((len(made),), -1, dtype=torch.int64)
    rows[~made] = torch.arange(n_real)
    if labels is None:
        return Layout(rows, None, slots, added=True)
    classes = torch.empty_like(rows)
    classes[~made], classes[made] = labels, slots.labels()[slots.in_turn()]
    return Layout(rows, classes, slots, added=True)


def _balanced(ratio: float, labels: Tensor, reachable: list[int], to: int | None, seed: int) -> Layout:
    """Every class equally often, by real items that come again, and the same synthetic share in each."""
    check_reachable(labels, reachable)
    classes, largest = present(labels), int(torch.bincount(labels).max())
    goal = largest if to is None else to
    if goal < largest:
        raise ValueError(
            f"balance_to must be at least {largest}, as many as the largest class has, for mode='balance', but got "
            f"{goal} instead."
        )
    _check_room(goal * len(classes))
    missing, again = repeats(labels, seed, goal)
    extra = spread(len(labels), missing.total)
    rows = torch.empty(len(extra), dtype=torch.int64)
    rows[~extra], rows[extra] = torch.arange(len(labels)), again[missing.in_turn()]
    slots = Slots(tuple(classes), (round(ratio * goal),) * len(classes))
    return Layout(rows, labels[rows], slots, added=False)


def _check_room(count: int) -> None:
    """Refuses more added items than there is memory for, before their places are made."""
    check_space("The added part", count, ROW_BYTES, remedy="Lower `ratio`, `num_synthetic` or `balance_to`.")
