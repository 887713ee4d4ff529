"""Makes the batches of a mixed data set from tensors in memory, by index arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate

from .._core import check_count, evenly_spaced, mix_seed
from ..data import PROBES, walk_leaves
from ._dataset import GANAugmentedDataset
from ._randomness import process_group, watch_draws
from ._tables import Tables, check_same_in_each_epoch
from ._wrapped import find_transform

_REMEDY = "Pass transform=, which gets whole batches, or use a DataLoader."


class BatchLoader:
    """Yields batches of a :class:`GANAugmentedDataset` from memory, several times faster than a ``DataLoader``.

    The loader reads every real image once, before the transforms, and keeps all real and synthetic images in one
    tensor. Each batch then takes only a few operations on tensors, without worker processes. Batches have the same
    structure, types and values as those of a ``DataLoader``.

    If you call ``dataset.set_epoch``, the loader follows it. Otherwise, each iteration over the loader is a new epoch,
    counted from 0, and the epoch of the data set does not change. The order is a function of the seed and the epoch.
    In distributed training, each of n ranks gets every n-th item, as with a ``DistributedSampler``.

    If you change the images or transforms of the data set, create a new loader.

    Args:
        dataset (GANAugmentedDataset): The data set. Its real images must have one size before the transforms. Its items
            must hold an image and a class, or only an image.
        batch_size (int): Number of items in a batch, at least 1.
        shuffle (bool): Whether to shuffle the items in each epoch. Default: True.
        drop_last (bool): Whether to leave out the last batch if it is smaller than the others. Default: False.
        transform (callable or "inherit" or None): Transform of a batch of real and synthetic images ``(n, c, h, w)``,
            uint8 or float. A random transform of torchvision makes one choice for the whole batch. ``"inherit"`` uses
            the transform of the data set, which must not be random. It must give the same result for a batch as for
            each image; the loader compares a few items. None applies no transform. Default: ``"inherit"``.
        seed (int): Seed of the order, at least 0. Default: 0.

    Raises:
        TypeError: If an argument has the wrong type, or the labels are neither class indices nor one-hot integers.
        ValueError: If ``batch_size`` or ``seed`` is too small, or the real images differ in size, change from epoch to
            epoch or do not fit into memory. Also if items hold more than an image and a class, or the transform of the
            data set does not work on whole batches.

    Example:
        >>> from torch.utils.data import TensorDataset
        >>> real = TensorDataset(torch.rand(30, 1, 28, 28), torch.arange(30) % 10)
        >>> train = GANAugmentedDataset(real, "dcgan-mnist-32", ratio=0.25, progress=False)
        >>> [len(labels) for images, labels in BatchLoader(train, batch_size=16)]
        [16, 14]
    """

    def __init__(
        self,
        dataset: GANAugmentedDataset,
        batch_size: int,
        *,
        shuffle: bool = True,
        drop_last: bool = False,
        transform: Callable[[Tensor], Tensor] | str | None = "inherit",
        seed: int = 0,
    ) -> None:
        if type(dataset) is not GANAugmentedDataset:  # a subclass may give other items
            raise TypeError(f"dataset must be a GANAugmentedDataset, but got {type(dataset)} instead.")
        if not (transform is None or transform == "inherit" or callable(transform)):
            raise TypeError(f"transform must be callable, 'inherit' or None, but got {transform!r} instead.")
        self.dataset = dataset
        self.batch_size = check_count("batch_size", batch_size, 1)
        self.shuffle, self.drop_last, self.seed = shuffle, drop_last, check_count("seed", seed, 0)
        self._passes = 0  # iterations over the loader before set_epoch was called
        check_same_in_each_epoch(dataset.dataset)
        self._transform: Any = _inherited(dataset.dataset) if transform == "inherit" else transform
        self._tables = Tables.of(dataset.dataset, dataset._reader, dataset._layout.labels)
        if transform == "inherit":
            self._check_like_items()

    def __len__(self) -> int:
        batches = self._share / self.batch_size
        return math.floor(batches) if self.drop_last else math.ceil(batches)

    def __iter__(self) -> Iterator[Any]:
        """Yields the batches of an epoch."""
        epoch = self.dataset.epoch if self.dataset.epoch_is_set else self._passes
        self._passes += not self.dataset.epoch_is_set
        for rows in torch.split(self._rows(epoch), self.batch_size)[: len(self)]:
            yield self._tables.batch(rows, self._transform)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.dataset!r}, batch_size={self.batch_size}, {len(self)} batches)"

    @property
    def _share(self) -> int:
        """The number of items of each rank."""
        return math.ceil(len(self.dataset) / (process_group() or (1, 0))[0])

    def _rows(self, epoch: int) -> Tensor:
        """Returns the rows of the tables that this rank reads in an epoch, in that order."""
        size, rank = process_group() or (1, 0)
        places = torch.arange(len(self.dataset))
        if self.shuffle:
            rng = torch.Generator().manual_seed(mix_seed(self.seed, 3, epoch))
            places = places[torch.randperm(len(places), generator=rng)]
        own = places[torch.arange(rank, self._share * size, size) % len(places)].numpy()
        items = self.dataset._plan(epoch).items[own].astype(np.int64)
        return torch.from_numpy(np.where(items < 0, self._tables.n_real - 1 - items, items))

    def _check_like_items(self) -> None:
        """Checks that batches of a few items equal those that a ``DataLoader`` makes from the same items."""
        n_real = self._tables.n_real
        real, made = evenly_spaced(n_real, PROBES), evenly_spaced(len(self._tables.images) - n_real, PROBES)
        rows = torch.tensor(real + [n_real + entry for entry in made])

        def read() -> tuple[Any, Any]:
            items = self.dataset._reader.read(self.dataset.dataset, real + [-1 - entry for entry in made])
            return default_collate(items), default_collate(items[:1])

        try:
            expected, draws_for_items = watch_draws(read)
            found, draws = watch_draws(lambda: [self._tables.batch(each, self._transform) for each in (rows, rows[:1])])
            if draws or draws_for_items:
                raise ValueError("the transform draws random numbers")
            if not all(map(_is_same, found, expected)):
                raise ValueError("their values or types differ")
        except Exception as error:  # a transform may fail in any way on a batch
            raise ValueError(
                "Batches must equal the collated items of the data set if transform='inherit', but do not "
                f"({type(error).__name__}: {error}). {_REMEDY}"
            ) from error


def _inherited(dataset: Any) -> Any:
    takes, transform = find_transform(dataset)
    if takes in ("image and label", "rows"):
        raise ValueError(f"The transform of the data set must take an image alone, but takes {takes}. {_REMEDY}")
    return transform


def _is_same(one: Any, other: Any) -> bool:
    """Returns whether two batches have the same structure, types and values."""
    leaves, twins = list(walk_leaves(one)), list(walk_leaves(other))
    return len(leaves) == len(twins) and all(
        path == twin_path and type(leaf) is type(twin) and leaf.dtype == twin.dtype and torch.equal(leaf, twin)
        for (path, leaf), (twin_path, twin) in zip(leaves, twins)
    )
