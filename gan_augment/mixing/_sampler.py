"""A batch sampler that puts the same number of synthetic items into each batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Sampler

from .._core import check_count, mix_seed
from ._dataset import GANAugmentedDataset
from ._positions import check_ratio, replaces_real
from ._randomness import process_group


class FixedRatioBatchSampler(Sampler[list[int]]):
    """Yields batches of indices that all hold exactly the same number of synthetic items.

    An epoch has every real item once, except for the few that are used twice to fill the last batches, or left out by
    ``drop_last``. Synthetic items are used in turn, as often as the ratio requires. The batches are a function of the
    seed and the epoch. In distributed training, they go to the ranks in turn.

    If the data set has different synthetic items in each epoch (``mode="replace"`` or ``"balance"``), call
    ``set_epoch`` of both the sampler and the data set before each epoch. If you call neither, the sampler sets both,
    and each iteration over it is a new epoch.

    Args:
        dataset: A :class:`GANAugmentedDataset`, or a bool for each item of another data set, True for synthetic items.
        batch_size (int): Number of items in a batch.
        ratio (float): Synthetic share of each batch, ``round(ratio * batch_size)`` items.
        shuffle (bool): Whether to shuffle the items. Default: True.
        drop_last (bool): Whether to leave out the real items that do not fill a batch on every rank. Default: False.
        seed (int): Seed of the order. Default: 0.
        num_replicas (int, optional): Number of ranks. Default: that of ``torch.distributed``, or 1.
        rank (int, optional): Rank of this process. Default: that of ``torch.distributed``, or 0.

    Raises:
        TypeError: If ``dataset`` has the wrong type.
        ValueError: If an argument is out of range, or there are no real items, or no synthetic items for a ratio
            above 0.

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
            raise ValueError(
                f"ratio must give at least one synthetic item in a batch of {batch_size}, but got {ratio}."
            )
        if self.real_per_batch == 0:
            raise ValueError(f"ratio must leave at least one real item in a batch of {batch_size}, but got {ratio}.")
        self.shuffle, self.drop_last, self.seed = shuffle, drop_last, check_count("seed", seed, 0)
        size, own = process_group() or (1, 0)
        self.num_replicas = check_count("num_replicas", size if num_replicas is None else num_replicas, 1)
        self.rank = check_count("rank", own if rank is None else rank, 0)
        if self.rank >= self.num_replicas:
            raise ValueError(f"rank must be below num_replicas={self.num_replicas}, but got {self.rank} instead.")
        self._epoch = self._start = self._position = 0
        self._leads = False  # whether it sets the epoch of the data set, because the user does not
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
        batches = self._n_real / (self.real_per_batch * self.num_replicas)
        return math.floor(batches) if self.drop_last else math.ceil(batches)

    def __iter__(self) -> Iterator[list[int]]:
        self._agree_on_epoch()
        start, self._start = self._start, 0  # a loaded state is used only once
        self._position = start
        orders = list(zip(self._orders(), (self.real_per_batch, self.synthetic_per_batch)))
        rng = torch.Generator().manual_seed(mix_seed(self.seed, 2, self._epoch))
        for number in range(len(self) * self.num_replicas):
            # Every rank shuffles every batch, so that all ranks keep the same random state.
            order = torch.randperm(self.batch_size, generator=rng)
            if number % self.num_replicas != self.rank or number // self.num_replicas < start:
                continue
            batch = torch.cat([_cycle(places, number * count, count) for places, count in orders])
            self._position = number // self.num_replicas + 1
            yield (batch[order] if self.shuffle else batch).tolist()

    def _agree_on_epoch(self) -> None:
        """Checks or sets the epoch of a data set that has different synthetic items in each epoch."""
        data = self.dataset
        if not isinstance(data, GANAugmentedDataset) or not replaces_real(data.mode):
            return
        if self._leads:
            self._epoch += 1
        elif not data.epoch_is_set and self._epoch == 0:
            self._leads = True
        if self._leads:
            data.set_epoch(self._epoch)
        elif not data.epoch_is_set or data.epoch != self._epoch:
            raise ValueError(
                f"The data set and the sampler must have the same epoch, {self._epoch}, because mode={data.mode!r} "
                "replaces different items in each epoch; call set_epoch on both."
            )

    def _orders(self) -> Iterator[Tensor]:
        """Yields the indices of the real items, and then those of the synthetic ones, in the order of the epoch."""
        mask = self._mask()
        for kind, places in enumerate(((~mask).nonzero().flatten(), mask.nonzero().flatten())):
            rng = torch.Generator().manual_seed(mix_seed(self.seed, kind, self._epoch))
            yield places[torch.randperm(len(places), generator=rng)] if self.shuffle else places

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.real_per_batch} real and {self.synthetic_per_batch} synthetic per batch, "
            f"{len(self)} batches, rank {self.rank} of {self.num_replicas})"
        )

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch; call ``set_epoch`` of the data set too. A loaded state of the same epoch is kept."""
        self._leads = False
        if check_count("epoch", epoch, 0) != self._epoch:
            self._epoch, self._start, self._position = epoch, 0, 0

    def state_dict(self) -> dict[str, Any]:
        """Returns the epoch, and how many of its batches this rank has yielded.

        A loader with workers fetches batches in advance. To resume exactly, set ``"batch"`` to the number of batches
        that you trained on.
        """
        return {"epoch": self._epoch, "batch": self._position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Loads a state, so that the next iteration continues after the batches that it counts."""
        self.set_epoch(state["epoch"])
        self._start = self._position = check_count("batch", state["batch"], 0)


def _cycle(places: Tensor, start: int, count: int) -> Tensor:
    """Returns ``count`` places from ``start`` on, starting over at the end."""
    return places[torch.arange(start, start + count) % max(len(places), 1)]
