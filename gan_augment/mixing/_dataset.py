"""The data set that mixes synthetic images into another one."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from .._core import MAX_SEED, check_count, mix_seed
from ..data import check_label_range, find_class_names, read_target
from ..synthesis import SourceLike, as_source
from ._draw import make_pooled
from ._epochs import SharedEpoch
from ._layout import Plan, make_layout
from ._positions import check_counts, check_mode, check_num_classes, check_ratio, warn_about_fill
from ._randomness import SeededReader, restored_random_state
from ._reader import ItemReader
from ._structure import ItemKind, describe_image, image_of, target_of
from ._wrapped import ForwardsNames, make_pipeline, read_labels
from .policies._registry import Labels, resolve_policy


class GANAugmentedDataset(ForwardsNames, Dataset[Any]):
    """Mixes synthetic images into a map-style data set at a given ratio.

    By default, synthetic images replace real ones. Length and order stay the same, so samplers, subsets and weights
    that were made for the data set remain valid.

    The seed, the epoch and the index alone decide whether an item is synthetic, and which image and target it has. The
    number of workers, their start method, the rank, the order and restarts do not matter. Call
    :meth:`set_epoch` before each epoch: then random transforms of all items are also functions of the epoch. If you
    never call it, transforms draw from the global generators as usual. A new epoch then begins each time that all
    workers and ranks together have fetched ``len(self)`` items, so that every real image is used.

    A source that is not a pool is sampled once, into a pool that is just large enough. For different images in each
    epoch, pass a larger :class:`SyntheticPool`.

    Args:
        dataset (Dataset): Map-style data set. Its items are ``(image, label)``, with or without further entries, or
            mappings that hold both; or images alone if ``labels=None``. If there are further entries, a synthetic item
            has empty text, -1 or NaN there.
        source: A zoo name, folder, generator, pool, mapping from class to any of these, or any :class:`Source`.
        ratio (float): Synthetic share of the result, ``n_synthetic / (n_real + n_synthetic)``, in total and in every
            class that the source can make. ``"fill"`` ignores it. Default: 0.1.
        num_synthetic (int, optional): Number of synthetic images, instead of a ratio.
        mode (str): ``"replace"`` (the default) replaces real items, different ones in each epoch. ``"append"`` adds
            synthetic items evenly between the real ones, with classes interleaved. The data set becomes longer, so
            make samplers, subsets and weights after wrapping. ``"balance"`` repeats real items until all classes are
            equally large, and then replaces the same share of each; the source must make every class. ``"fill"`` adds
            items until each class is as large as the largest one. It warns, because a classifier can learn that images
            that look synthetic belong to rare classes.
        balance_to (int, optional): Number of items of each class, for ``"balance"`` and ``"fill"``. Default: the size
            of the largest class.
        labels: The label policy; see :class:`SyntheticMix`. Default: ``"same"``.
        num_classes (int, optional): Number of classes of the data. Default: the length of its ``classes``, or the
            largest label + 1.
        seed (int): Seed of the pool and of every epoch. Default: 0.
        transform (callable or "inherit" or None): Transform of synthetic images. ``"inherit"`` (the default) applies
            the data set's own transforms to an image of the kind that they expect. None applies no transform. A
            callable gets a synthetic image in the form that images of the data set have before its transforms.
        return_synthetic (bool): Whether items end with a bool, True for synthetic items. Default: False.
        progress (bool): Whether to show a bar while a pool is generated. Default: True.

    Raises:
        TypeError: If an argument has the wrong type, or items of the data set are not labelled images.
        ValueError: If the data set is empty, an argument is out of range, the source is unconditional and there is no
            label policy for it, or synthetic images cannot be converted to the kind of the real ones.

    Example:
        >>> from torch.utils.data import TensorDataset
        >>> real = TensorDataset(torch.rand(30, 1, 28, 28), torch.arange(30) % 10)
        >>> train = GANAugmentedDataset(real, "dcgan-mnist-32", ratio=0.25, progress=False)
        >>> len(train), int(train.synthetic_mask().sum())
        (30, 8)
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        source: SourceLike,
        ratio: float = 0.1,
        *,
        num_synthetic: int | None = None,
        mode: str = "replace",
        balance_to: int | None = None,
        labels: Labels = "same",
        num_classes: int | None = None,
        seed: int = 0,
        transform: Callable[[Any], Any] | str | None = "inherit",
        return_synthetic: bool = False,
        progress: bool = True,
    ) -> None:
        self._n_real = _check_dataset(dataset)
        self.dataset = dataset
        self.mode = check_mode(mode)
        self.ratio = check_ratio(ratio, mode)
        self.seed = check_count("seed", seed, 0)
        check_counts(num_synthetic, balance_to, mode)
        source = as_source(source)
        policy = resolve_policy(labels, source)
        self.num_classes = None if num_classes is None else check_num_classes(num_classes)
        with restored_random_state():  # random transforms must not change the caller's random state
            item, names = dataset[0], None if policy is None else find_class_names(dataset)
        real_labels = None if policy is None else self._read_labels(item, names, progress)
        items = ItemKind.of(item, policy, self.num_classes, return_synthetic)
        if policy is not None:
            if self.num_classes is not None:
                policy.check_classes(source, self.num_classes)
            policy.check_names(source, names)
        pipeline = make_pipeline(dataset, transform)
        options = None if policy is None else policy.source_classes(source)
        reachable = None if options is None else sorted(options)
        warn_about_fill(mode)
        self._layout = make_layout(
            mode, self.ratio, self._n_real, real_labels, reachable, num_synthetic, balance_to, self.seed
        )
        self._planned: Plan | None = None
        self._epoch, self._seeded = SharedEpoch(len(self), self._n_real), SeededReader()
        slots, pooled = self._layout.slots, None
        if slots.total:
            shape = pipeline.kind if pipeline.resize else None
            pooled = make_pooled(source, slots, policy, self.num_classes, shape, self.seed, progress)
        self._reader = ItemReader(items, pipeline, pooled)
        if pooled is not None:
            self._check_like_real()

    def _read_labels(self, item: Any, names: tuple[str, ...] | None, progress: bool) -> Tensor:
        """Returns the classes of the real items, and sets the number of classes."""
        _, kind = read_target(target_of(item))
        labels = read_labels(self.dataset, progress)
        if int(labels.min()) < 0:
            raise ValueError(f"labels must be 0 or above, but got {int(labels.min())} instead.")
        check_label_range(labels)
        if self.num_classes is None:
            self.num_classes = kind.num_classes or max(int(labels.max()) + 1, len(names or ()))
        check_label_range(labels, self.num_classes)
        return labels

    def _check_like_real(self) -> None:
        """Checks that synthetic images can be collated with the real ones."""
        with restored_random_state():
            first, last = (image_of(self.dataset[index]) for index in (0, self._n_real - 1))
            image = image_of(self._reader.read(self.dataset, [-1])[0])
        one_size = self._reader.pipeline.resize and describe_image(first, True) == describe_image(last, True)
        if describe_image(image, one_size) != describe_image(first, one_size):
            raise ValueError(
                f"Synthetic images must be like the real ones, {describe_image(first, True)}, but after transform= "
                f"they are {describe_image(image, True)}."
            )

    def __len__(self) -> int:
        return len(self._layout)

    def __getitem__(self, index: int) -> Any:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[Any]:
        """Returns the items at several indices, with the ``__getitems__`` of the wrapped data set if it has one.

        After the first call of :meth:`set_epoch`, an index gives the same item each time within an epoch.
        """
        if len(indices) == 0:
            return []
        places = self._check_indices(indices)
        epoch = self._epoch.coming
        self._epoch.count(places)
        self._warn_about_sampler(places)
        items = self._plan(epoch).items.data  # faster to read one by one than the array

        def read(places: list[int], seed: Callable[[int], None] | None = None) -> list[Any]:
            return self._reader.read(self.dataset, [items[place] for place in places], seed)

        if not self._epoch.is_set:
            return read(places)
        seed = mix_seed(self.seed, 2, epoch)
        return self._seeded.read(read, places, lambda place: mix_seed(seed, places[place]))

    def _plan(self, epoch: int) -> Plan:
        """Returns which items are synthetic in an epoch, and which images of the pool they get."""
        if self._planned is None or self._planned.epoch != epoch:
            pooled = self._reader.pooled
            self._planned = self._layout.plan({} if pooled is None else pooled.entries, self.seed, epoch)
        return self._planned

    def _check_indices(self, indices: Iterable[Any]) -> list[int]:
        """Returns the positions at indices: integers, or tensors or arrays of one integer."""
        count = len(self)
        numbers = [index if type(index) is int else _as_integer(index) for index in indices]
        if min(numbers) < -count or max(numbers) >= count:
            wrong = next(index for index in numbers if not -count <= index < count)
            raise IndexError(f"index must be below {count}, but got {wrong} instead.")
        return [index + count if index < 0 else index for index in numbers]

    def _warn_about_sampler(self, places: list[int] | None = None) -> None:
        """Warns once if the sampler only knows the wrapped data set; ``places`` are the indices fetched last."""
        in_worker = get_worker_info() is not None
        if in_worker and self._epoch.is_set:
            return  # the main process will warn at the next set_epoch
        if self._epoch.finds_outdated_sampler(None if in_worker else -1 if places is None else places[-1]):
            warnings.warn(
                f"No index above {self._n_real - 1} was fetched in a whole epoch, though there are {len(self)} items: "
                "the sampler was probably created before you wrapped the data set. Create it from the "
                f"{type(self).__name__}, or use mode='replace'.",
                UserWarning,
                stacklevel=4,
            )

    @property
    def epoch(self) -> int:
        """The epoch that was set last. If none was set, the number of the pass that was read last, counted from 0."""
        return self._epoch.current

    @property
    def epoch_is_set(self) -> bool:
        """Whether :meth:`set_epoch` was ever called. If so, an epoch lasts until it is called again."""
        return self._epoch.is_set

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch, in this process and in all its worker processes.

        Call it before each epoch, like ``DistributedSampler.set_epoch``: synthetic images get new positions, a pool
        that is larger than needed gives other images, and random transforms become a function of the epoch.
        ``transformers.Trainer`` calls it; Lightning does not. A transform that reads the state of a random generator
        but never changes it, such as one that draws within ``torch.random.fork_rng``, is not a function of the epoch.

        Raises:
            ValueError: If the epoch is negative or too large.
        """
        epoch = check_count("epoch", epoch, 0)
        if epoch > MAX_SEED:  # shared memory holds int64
            raise ValueError(f"epoch must be at most 2**63 - 1, but got {epoch} instead.")
        self._warn_about_sampler()
        self._epoch.set(epoch)
        if hasattr(self.dataset, "set_epoch"):
            self.dataset.set_epoch(epoch)

    def is_synthetic(self, index: int) -> bool:
        """Returns whether an item is synthetic in the current :attr:`epoch`."""
        return bool(self._plan(self.epoch).items[self._check_indices([index])[0]] < 0)

    def synthetic_mask(self, epoch: int | None = None) -> Tensor:
        """Returns which items are synthetic in an epoch, bool ``(len(self),)``. Default: the current epoch."""
        return torch.from_numpy(self._plan(self.epoch if epoch is None else epoch).items < 0)

    @property
    def class_counts(self) -> dict[int, tuple[int, int]]:
        """Class -> number of (real, synthetic) items. Real items that are replaced do not count."""
        if self.num_classes is None:
            raise AttributeError("There are no classes to count: labels=None.")
        targets, synthetic = torch.tensor(self.targets), self.synthetic_mask()
        real = torch.bincount(targets[~synthetic], minlength=self.num_classes)
        added = torch.bincount(targets[synthetic], minlength=self.num_classes)
        return {label: (int(real[label]), int(added[label])) for label in range(self.num_classes)}

    @property
    def targets(self) -> list[int]:
        """The class of every item in the current epoch. Missing if targets are probabilities."""
        if self._layout.labels is None or self._reader.kind.soft:
            raise AttributeError("Items have no class: there are no labels, or they are probabilities.")
        out, items = self._layout.classes(), torch.from_numpy(self._plan(self.epoch).items)
        if self._reader.pooled is not None:
            out[items < 0] = self._reader.pooled.targets_at(-1 - items[items < 0])
        return out.tolist()

    @property
    def labels(self) -> list[int]:
        """The same as :attr:`targets`. If a subclass changes :attr:`targets`, these change too."""
        return self.targets

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self._n_real} real, {self._layout.slots.total} synthetic, mode={self.mode!r}, "
            f"num_classes={self.num_classes})"
        )


def _as_integer(index: Any) -> int:
    try:
        number: Any = index.item() if isinstance(index, (Tensor, np.ndarray)) else index
        return operator.index(number)
    except (TypeError, ValueError, RuntimeError):  # a tensor of several values raises a RuntimeError
        raise TypeError(f"index must be an integer, but got {index!r:.100} instead.") from None


def _check_dataset(dataset: Any) -> int:
    if isinstance(dataset, IterableDataset):
        raise TypeError(
            "dataset must be map-style, but got an IterableDataset; mix into its batches with SyntheticMix instead."
        )
    if isinstance(dataset, Mapping):  # for example, the splits of a Hugging Face data set
        raise TypeError(f"dataset must be one data set, but got a mapping of {list(dataset)[:10]}; pass one of them.")
    if not (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")):
        raise TypeError(f"dataset must be map-style, but got {type(dataset)} instead.")
    if len(dataset) == 0:
        raise ValueError("dataset must hold at least one item, but it is empty.")
    return len(dataset)
