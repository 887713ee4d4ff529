"""Which items of an augmented data set are synthetic, and which images they get: pure functions."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .._core import largest_remainder, mix_seed

ALL = -1  # the group of images that are of no class in particular


@dataclass(frozen=True)
class Slots:
    """How many images each class gets; ``ALL`` stands for all classes together.

    Attributes:
        groups (tuple of int): Classes, or ``(ALL,)``.
        counts (tuple of int): Images of each.
    """

    groups: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """Number of images."""
        return sum(self.counts)

    def labels(self) -> Tensor:
        """The group of each image, int64 ``(total,)``, grouped."""
        return torch.repeat_interleave(torch.tensor(self.groups), torch.tensor(self.counts))

    def in_turn(self) -> Tensor:
        """The places of :meth:`labels` in an order that spreads each group evenly, int64 ``(total,)``."""
        shares = [(torch.arange(count, dtype=torch.float64) + 0.5) / count for count in self.counts if count]
        return torch.argsort(torch.cat(shares), stable=True) if shares else torch.empty(0, dtype=torch.int64)


def share_out(total: int, labels: Tensor | None, reachable: list[int] | None) -> Slots:
    """Divides synthetic images over the classes as the real ones are, where they can be made.

    Args:
        total (int): Number of synthetic images.
        labels (Tensor, optional): Classes of the real ones.
        reachable (list of int, optional): Classes that can be made; None if images are of no class.
    """
    if labels is None or reachable is None:
        return Slots((ALL,), (total,))
    counts = torch.bincount(labels, minlength=max(reachable) + 1)[torch.tensor(reachable)]
    if total and int(counts.sum()) == 0:
        raise ValueError(f"The data must have images of the classes {reachable} of the source, but has none.")
    return Slots(tuple(reachable), tuple(largest_remainder(total, counts.tolist())))


def top_up(labels: Tensor, reachable: list[int], to: int | None) -> Slots:
    """For each class that the data has, the number of images it lacks to reach the largest class, or ``to``."""
    counts = torch.bincount(labels, minlength=max(reachable) + 1)
    reachable = [label for label in reachable if counts[label] > 0]
    goal = int(counts.max()) if to is None else to
    missing = (goal - counts[torch.tensor(reachable, dtype=torch.int64)]).clamp(min=0)
    return Slots(tuple(reachable), tuple(missing.tolist()))


def present(labels: Tensor) -> list[int]:
    """The classes that occur, sorted."""
    return sorted(set(labels.tolist()))


def check_reachable(labels: Tensor, reachable: Iterable[int]) -> None:
    """Refuses to balance if the source cannot make every class.

    Raises:
        ValueError: If it cannot make a class that occurs.
    """
    lacking = sorted(set(labels.tolist()) - set(reachable))
    if lacking:
        raise ValueError(
            f"The source must make every class of the data for mode='balance', but cannot make {lacking}: a class "
            "without synthetic images would tell a classifier which images are real. Use mode='replace'."
        )


def repeats(labels: Tensor, seed: int, to: int | None = None) -> tuple[Slots, Tensor]:
    """The images that come again so that every class comes equally often.

    Args:
        labels (Tensor): Classes of the images, int64 ``(n,)``.
        seed (int): Of the draw, in which each image of a class comes again before any comes twice more.
        to (int, optional): Images of each class. Default: those of the largest one.

    Returns:
        tuple: How many images of each class come again, and their rows, grouped by class.
    """
    if len(labels) == 0:
        return Slots((), ()), torch.empty(0, dtype=torch.int64)
    missing = top_up(labels, present(labels), to)
    entries = {label: (labels == label).nonzero().flatten() for label in missing.groups}
    return missing, choose_entries(missing, entries, seed, 0)


def even_rows(labels: Tensor, seed: int) -> Tensor:
    """Rows of all images, and of those of smaller classes again until each class has as many, int64 ``(m,)``."""
    return torch.cat([torch.arange(len(labels)), repeats(labels, seed)[1]])


def spread(n: int, added: int) -> Tensor:
    """The places, out of ``n + added``, of images that are added evenly between ``n`` others, bool."""
    steps = torch.arange(n + added + 1) * added // (n + added)
    return steps[1:] > steps[:-1]


def choose_positions(slots: Slots, labels: Tensor | None, n: int, seed: int, epoch: int) -> Tensor:
    """The real items that are replaced in an epoch, in the slots' order, int64 ``(total,)``."""
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
    """The pool's image of each slot in an epoch; each once before any comes twice, int64 ``(total,)``."""
    rng = torch.Generator().manual_seed(mix_seed(seed, 1, epoch))
    chosen = []
    for group, count in zip(slots.groups, slots.counts):
        if count:
            available = entries[group]
            shuffled = available[torch.randperm(len(available), generator=rng)]
            chosen.append(shuffled[torch.arange(count) % len(shuffled)])
    return torch.cat(chosen) if chosen else torch.empty(0, dtype=torch.int64)


@contextmanager
def preserved_randomness() -> Iterator[None]:
    """Puts torch's, Python's and numpy's global generators back after a block, as they were before it."""
    # User transforms draw from numpy's legacy generator, if from numpy at all.
    torch_state, python_state = torch.get_rng_state(), random.getstate()
    numpy_state = np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        torch.set_rng_state(torch_state)
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002


def seed_everything(seed: int) -> None:
    """Seeds torch's (on the CPU), Python's and numpy's global generators."""
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
