"""Batches with an exact share of synthetic images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.distributed
from torch import Tensor
from torch.utils.data import Sampler

from .._core import check_count, mix_seed
from ._dataset import GANAugmentedDataset
from ._ratio import check_ratio, takes_places


class FixedRatioBatchSampler(Sampler[list[int]]):
    """Yields batches of indices of which each holds exactly the same number of synthetic items.

    Every real item comes once in an epoch, but for the few that fill up the last batches, or are left out
    by ``drop_last``; synthetic items come in turn, as often as the ratio needs. The batches are a function
    of the seed and the epoch; ranks take turns at them.

    In a data set whose synthetic items are others in each epoch (``mode="replace"`` or ``"balance"``), the
    epoch of both must be the same: call ``set_epoch`` of both before each epoch. If you call neither, the
    sampler does it, and each time that you iterate is a new epoch.

    Args:
        dataset: A :class:`GANAugmentedDataset`, or a bool for each item of any data set, True for
            synthetic ones.
        batch_size (int): Items a batch.
        ratio (float): Synthetic share of each batch, ``round(ratio * batch_size)`` items.
        shuffle (bool): Whether real items are in random order.
        drop_last (bool): Whether to leave out the real items that fill no batch on every rank.
        seed (int): Of the order.
        num_replicas (int, optional): Number of ranks. Default: as ``torch.distributed`` says, or 1.
        rank (int, optional): Of this process. Default: the same.

    Raises:
        ValueError: If an argument is out of range, or there are no items of a kind that each batch needs.

    Example:
        >>> sampler = FixedRatioBatchSampler([False] * 6 + [True] * 4, batch_size=4, ratio=0.25, shuffle=False)
        >>> [sum(index >= 6 for index in batch) for batch in sampler]
        [1, 1]
    """

    def __init__(
        self,
        dataset: GANAugmentedDataset | Sequence[bool] | Tensor,
        batch_size: int,
        ratio: float,
        *,
        shuffle: bool = True,
        drop_last: bool = False,
        seed: int = 0,
        num_replicas: int | None = None,
        rank: int | None = None,
    ) -> None:
        self.dataset = dataset
        self.batch_size = check_count("batch_size", batch_size, 1)
        self.synthetic_per_batch = round(check_ratio(ratio, "append") * batch_size)
        self.real_per_batch = batch_size - self.synthetic_per_batch
        if ratio > 0 and self.synthetic_per_batch == 0:
            raise ValueError(f"ratio must put a synthetic item into a batch of {batch_size}, but {ratio} does not.")
        if self.real_per_batch == 0:
            raise ValueError(f"ratio must leave a real item in a batch of {batch_size}, but {ratio} does not.")
        self.shuffle, self.drop_last, self.seed = shuffle, drop_last, check_count("seed", seed, 0)
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        if num_replicas is None:
            num_replicas = torch.distributed.get_world_size() if distributed else 1
        if rank is None:
            rank = torch.distributed.get_rank() if distributed else 0
        self.num_replicas = check_count("num_replicas", num_replicas, 1)
        self.rank = check_count("rank", rank, 0)
        if rank >= num_replicas:
            raise ValueError(f"rank must be below num_replicas={num_replicas}, but got {rank} instead.")
        self._epoch = self._start = self._position = 0
        self._leads = False  # whether it sets the epochs of the data set, since nobody else does
        mask = self._mask()
        self._n_real = int((~mask).sum())
        if self._n_real == 0 or (self.synthetic_per_batch and self._n_real == len(mask)):
            raise ValueError("dataset must have real items, and synthetic ones for a ratio above 0.")
        if len(self) == 0:
            raise ValueError(
                f"dataset must fill a batch on every rank for drop_last=True, but {self._n_real} real items do not."
            )

    def _mask(self) -> Tensor:
        if isinstance(self.dataset, GANAugmentedDataset):
            return self.dataset.synthetic_mask(self._epoch)
        mask = self.dataset if isinstance(self.dataset, Tensor) else torch.tensor(list(self.dataset))
        if mask.dtype != torch.bool or mask.ndim != 1:
            raise TypeError(
                f"dataset must be a GANAugmentedDataset, or a bool for each item, but got {type(self.dataset)} of "
                f"{mask.dtype} instead."
            )
        return mask

    def __len__(self) -> int:
        """Batches of this rank in an epoch."""
        batches = self._n_real / (self.real_per_batch * self.num_replicas)
        return math.floor(batches) if self.drop_last else math.ceil(batches)

    def __iter__(self) -> Iterator[list[int]]:
        self._agree_on_epoch()
        start, self._start = self._start, 0  # of a state that was loaded, and only once
        self._position = start
        real, synthetic = self._orders()
        rng = torch.Generator().manual_seed(mix_seed(self.seed, 2, self._epoch))
        for number in range(len(self) * self.num_replicas):
            # Every rank shuffles every batch, so that all stay at the same random state.
            order = torch.randperm(self.batch_size, generator=rng)
            if number % self.num_replicas != self.rank or number // self.num_replicas < start:
                continue
            batch = torch.cat(
                [
                    _turn(real, number * self.real_per_batch, self.real_per_batch),
                    _turn(synthetic, number * self.synthetic_per_batch, self.synthetic_per_batch),
                ]
            )
            self._position = number // self.num_replicas + 1
            yield (batch[order] if self.shuffle else batch).tolist()

    def _agree_on_epoch(self) -> None:
        """Holds a data set whose synthetic items change to this epoch."""
        data = self.dataset
        if not isinstance(data, GANAugmentedDataset) or not takes_places(data.mode):
            return
        if self._leads:
            self._epoch += 1
        elif not data.epoch_is_set and self._epoch == 0:
            self._leads = True
        if self._leads:
            data.set_epoch(self._epoch)
        elif not data.epoch_is_set or data.epoch != self._epoch:
            raise ValueError(
                f"The data set must be in the sampler's epoch, {self._epoch}, for mode={data.mode!r}, as other items "
                "are synthetic in each; call set_epoch of both."
            )

    def _orders(self) -> tuple[Tensor, Tensor]:
        mask = self._mask()
        orders = []
        for kind, places in enumerate(((~mask).nonzero().flatten(), mask.nonzero().flatten())):
            rng = torch.Generator().manual_seed(mix_seed(self.seed, kind, self._epoch))
            orders.append(places[torch.randperm(len(places), generator=rng)] if self.shuffle else places)
        return orders[0], orders[1]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.real_per_batch} real and {self.synthetic_per_batch} synthetic a batch, "
            f"{len(self)} batches, rank {self.rank} of {self.num_replicas})"
        )

    def set_epoch(self, epoch: int) -> None:
        """Goes to the beginning of an epoch, or stays where a loaded state of it is; tell the data set too."""
        self._leads = False
        if check_count("epoch", epoch, 0) != self._epoch:
            self._epoch, self._start, self._position = epoch, 0, 0

    def state_dict(self) -> dict[str, Any]:
        """Epoch, and batches of this rank that were handed out in it.

        A loader with workers asks ahead: to resume where training was, put the batches that were trained
        on in place of ``"batch"``.
        """
        return {"epoch": self._epoch, "batch": self._position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on after a batch of an epoch; the next iteration begins there."""
        self.set_epoch(state["epoch"])
        self._start = self._position = check_count("batch", state["batch"], 0)


def _turn(places: Tensor, start: int, count: int) -> Tensor:
    """``count`` places from ``start`` on, around and around."""
    return places[torch.arange(start, start + count) % max(len(places), 1)]
