"""The epoch of a data set, and how far it was read, in memory that all worker processes share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from ._randomness import find_world_size

# Each worker counts in a cell of its own, so that no count is lost without a lock.
_CELLS = 128
_EPOCH, _ABOVE, _FETCHED = 0, 1, 2
_MANY = 3  # passes after which a sampler that draws with replacement has drawn most of its indices


class SharedEpoch:
    """The epoch that was set, and the number of items that were fetched, as all worker processes see them."""

    def __init__(self, length: int, known: int) -> None:
        # `known` is the number of items of the wrapped data set. A sampler that was made for it draws no others.
        self.length = length
        state = torch.zeros(_FETCHED + _CELLS, dtype=torch.int64)
        state[_EPOCH] = -1
        state[_ABOVE] = known == length  # whether an index above `known` was fetched, or cannot be
        self._share(state, torch.zeros(0 if known == length else known, dtype=torch.bool))

    def _share(self, state: Tensor, seen: Tensor) -> None:
        self._tensors = (state, seen)
        for tensor in self._tensors:
            tensor.share_memory_()  # type: ignore[no-untyped-call]
        # The same memory, but faster to read and write.
        self._state, self._seen = state.numpy().data, seen.numpy()

    def __getstate__(self) -> dict[str, Any]:
        return {"length": self.length, "tensors": self._tensors}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.length = state["length"]
        self._share(*state["tensors"])  # a plain pickle gave them memory of their own

    @property
    def is_set(self) -> bool:
        return self._state[_EPOCH] >= 0

    @property
    def fetched(self) -> int:
        return sum(self._state[_FETCHED:])

    @property
    def current(self) -> int:
        """The epoch that was set last. If none was set, the pass of the item that was fetched last."""
        return self._state[_EPOCH] if self.is_set else self._pass_of(max(self.fetched - 1, 0))

    @property
    def coming(self) -> int:
        """The epoch of the item that is fetched next."""
        return self._state[_EPOCH] if self.is_set else self._pass_of(self.fetched)

    def _pass_of(self, item: int) -> int:
        # Ranks do not share memory, but they share the items of a pass.
        return item * find_world_size() // self.length

    def set(self, epoch: int) -> None:
        self._state[_EPOCH] = epoch

    def count(self, places: list[int]) -> None:
        worker = get_worker_info()
        cell = 0 if worker is None else 1 + worker.id % (_CELLS - 1)
        self._state[_FETCHED + cell] += len(places)
        if self._state[_ABOVE]:
            return
        if places and max(places) >= len(self._seen):
            self._state[_ABOVE] = 1
        else:
            self._seen[places] = True

    def finds_outdated_sampler(self, last: int | None) -> bool:
        """Returns whether the sampler seems to know only the wrapped data set; true at most once."""
        # `last`, the index that was fetched last, tells the end of a shuffled pass from the middle of a pass in order.
        # It is -1 at the end of an epoch, and None if other processes fetch too.
        if self._state[_ABOVE]:
            return False
        known, ranks = len(self._seen), find_world_size()
        fetched = self.fetched * ranks  # each rank draws a part of the indices
        if fetched < known:
            return False
        ended = last not in (None, known - 1) or fetched >= self.length
        found = (ended and self._seen.all()) or (fetched >= _MANY * known and self._seen[-ranks:].any())
        if found:
            self._state[_ABOVE] = 1  # one warning is enough, whichever process gives it
        return bool(found)
