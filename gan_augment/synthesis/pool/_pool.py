"""Pools: images that are generated ahead of time, in memory or on disk, and shared between processes."""

from __future__ import annotations

import copy
import json
import math
import multiprocessing
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..._core import ROW_BYTES, check_count, check_dense, check_seed, check_space, check_tensor
from ...models import MAX_CLASSES, check_labels, computed
from .._as_source import (
    FOLDERS,
    Geometry,
    Source,
    as_source,
    check_fingerprints,
    check_names,
    fingerprints_of,
    resolve_labels,
)
from ..filters._filter import FilterLike, as_filters
from ._arrays import MappedImages
from ._fill import PoolFiller
from ._folder import INFO, Identity, PoolInfo, open_pool, write_pool

NO_FLOAT64 = ("mps",)  # devices without this type


class SyntheticPool(Source):
    """Synthetic images and their classes, generated ahead of time.

    :class:`SyntheticMix` and :class:`GANAugmentedDataset` draw faster from a pool than from a generator. A pool that is
    loaded from a folder is memory-mapped, so it may be larger than memory. Worker processes share its images, and
    raise an error if another pool has replaced it in its folder.

    Args:
        images (Tensor): uint8 ``(n, 1 or 3, height, width)``.
        labels (Tensor, optional): Class of each image, integers ``(n,)``.
        num_classes (int, optional): Number of classes. Default: the largest label + 1, or 0 without labels.
        geometry (Geometry, optional): How the training images of the source were resized to its size.
        class_names (sequence of str, optional): A name for each class.
        info (PoolInfo, optional): Where the images came from.
        fingerprints (Tensor, optional): Content hashes of all training images of the source, int64 ``(m,)``; see
            :func:`gan_augment.data.fingerprint`. Default: not known.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument has a wrong shape or value, the counts differ, or there are no images.

    Example:
        >>> pool = SyntheticPool(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0, 1, 1]))
        >>> len(pool), pool[3][1], pool.num_classes
        (4, 1, 2)
    """

    image_shape = computed(lambda self: tuple(map(int, self._images.shape[1:])))

    def __init__(
        self,
        images: Tensor | MappedImages,
        labels: Tensor | None = None,
        *,
        num_classes: int | None = None,
        geometry: Geometry | None = None,
        class_names: Sequence[str] | None = None,
        info: PoolInfo | None = None,
        fingerprints: Tensor | None = None,
    ) -> None:
        if not isinstance(images, MappedImages):
            check_tensor(images, "A pool's images")
            if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
                raise ValueError(
                    "A pool's images must be uint8 (n, 1 or 3, height, width) with n above 0, but got "
                    f"{images.dtype} of shape {tuple(images.shape)} instead."
                )
        if labels is not None:
            labels = torch.as_tensor(labels)
            check_dense(labels, "A pool's labels")
        if num_classes is None:
            num_classes = 0 if labels is None else 1
            if labels is not None and labels.numel() and not labels.is_floating_point():  # NaN has no largest label
                num_classes = int(labels.long().max()) + 1
        if check_count("num_classes", num_classes, 0) > MAX_CLASSES:
            raise ValueError(f"A pool must have at most {MAX_CLASSES:,} classes, but got {num_classes:,} instead.")
        if (labels is None) != (num_classes == 0):
            raise ValueError(f"A pool must have labels if it has classes, but got num_classes={num_classes}.")
        self.num_classes = num_classes
        self.labels = check_labels(labels, len(images), num_classes)
        self.geometry = geometry or Geometry()
        self.class_names = check_names(class_names, num_classes)
        self.info = info or PoolInfo(source="images", seed=None, acceptance=1.0)
        self.fingerprints = None if fingerprints is None else check_fingerprints(fingerprints)
        self._images = images if isinstance(images, MappedImages) else images.contiguous()
        self._folder: Path | None = None
        self._identity: Identity | None = None
        # The rows in the order of their classes, and where each class begins.
        groups = torch.zeros(len(self), dtype=torch.int64) if self.labels is None else self.labels
        self._rows = torch.argsort(groups, stable=True)
        self._counts = torch.bincount(groups, minlength=max(self.num_classes, 1))
        self._starts = self._counts.cumsum(0) - self._counts
        self.class_indices = tuple(self._counts.nonzero().flatten().tolist()) if self.num_classes else ()
        self._has_all_classes = bool((self._counts > 0).all())

    def to(self, device: str | torch.device) -> SyntheticPool:
        """Moves the images to a device, and returns the pool.

        If the device is a GPU, :class:`SyntheticMix` can then replace images of batches on the GPU without waiting for
        it, except in the first batch. This requires that it knows the number of classes, and that the pool has images
        of each. The whole pool must fit into the memory of the device.
        """
        images = self.rows(torch.arange(len(self))) if isinstance(self._images, MappedImages) else self._images
        self._images = images.to(device)
        self.device = self._images.device
        place = "cpu" if self.device.type in NO_FLOAT64 else self.device  # where `sample` chooses the images
        self._rows, self._counts, self._starts = (each.to(place) for each in (self._rows, self._counts, self._starts))
        self._folder = None  # other processes get the images, not the folder
        return self

    @classmethod
    def generate(
        cls,
        source: Any,
        size: int,
        *,
        labels: Tensor | Sequence[int] | int | None = None,
        seed: int | None = 0,
        keep: FilterLike | Sequence[FilterLike] | None = None,
        batch_size: int = 256,
        device: str | torch.device | None = None,
        out: str | os.PathLike[str] | None = None,
        progress: bool = True,
    ) -> SyntheticPool:
        """Generates a pool.

        Args:
            source: A zoo name, a folder, a generator, a pool, a mapping, or any other :class:`Source`.
            size (int): Number of images.
            labels (sequence of int, int, optional): Class of each image, or of all. Default: the classes of the source
                in turn.
            seed (int, optional): The pool depends only on the seed and on ``batch_size``. None: drawn from torch's
                global generator. Default: 0.
            keep (filter or sequence of filters, optional): ``keep(images, labels)`` returns which candidates to keep.
                The others are drawn again. Filters get images in the size of the source's training images, such as 28
                px for digits that were padded to 32.
            batch_size (int): Images per call of the source. Default: 256.
            device (str or torch.device, optional): Device on which copies of the generators draw. Sources that draw on
                no device, such as pools, ignore it. Default: the devices of the generators.
            out (str or Path, optional): New or empty folder to which the pool is written while it is generated, for a
                pool larger than memory. Default: kept in memory.
            progress (bool): Whether to show a progress bar. Default: True.

        Raises:
            ValueError: If an argument is out of range, ``out`` holds something, there is no room for the pool, or
                the filters keep almost nothing.

        Example:
            >>> pool = SyntheticPool.generate("dcgan-mnist-32", 20, progress=False)
            >>> len(pool), pool.num_classes
            (20, 10)
        """
        name = str(source) if isinstance(source, (str, os.PathLike)) else type(source).__name__
        check_space(f"size={size}", check_count("size", size, 1), ROW_BYTES)
        check_count("batch_size", batch_size, 1)
        source = as_source(source)
        if device is not None and any(part.device is not None for part in source.parts()):
            fixed = {id(part): part for part in source.parts() if part.device is None}
            source = copy.deepcopy(source, fixed).to(device)  # does not copy the fixed parts
        asked = resolve_labels(source, size, labels)
        filters = as_filters(keep)
        seed = check_seed(seed)
        chunks = PoolFiller(source, size, asked, seed, filters, batch_size, progress)

        shape, each = (size, *chunks.shape), math.prod(chunks.shape)

        def info() -> PoolInfo:
            return PoolInfo(source=name, seed=seed, acceptance=chunks.acceptance)

        if out is not None:
            check_space(f"batch_size={batch_size}", min(size, batch_size), each + ROW_BYTES)
            check_space(f"size={size}", size, each, folder=Path(out))
            write_pool(Path(out), chunks, shape, asked, source, info)
            return cls.load(out)
        check_space(f"size={size}", size, each + ROW_BYTES)
        images = torch.empty(shape, dtype=torch.uint8)
        for rows, batch in chunks:
            images[rows] = batch
        return cls(
            images,
            asked,
            num_classes=int(source.num_classes),
            geometry=source.geometry,
            class_names=source.class_names,
            info=info(),
            fingerprints=fingerprints_of(source),
        )

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Tensor | tuple[Tensor, int]:
        """Returns the image ``(c, h, w)``, and its class if the pool has classes."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"index must be below {len(self)}, but got {index} instead.")
        image = self.rows(torch.tensor([index % len(self)]))[0]
        return image if self.labels is None else (image, int(self.labels[index]))

    def is_synthetic(self, index: int) -> bool:
        """Returns True, because every image of a pool is synthetic. So no generator trains on a pool by accident."""
        return True

    def rows(self, indices: Tensor) -> Tensor:
        """Returns a copy of the images at these indices, uint8 ``(n, c, h, w)``, on the device of the pool.

        Raises:
            ValueError: If the pool is in a folder, and its images have changed since they were opened.
        """
        if indices.dtype == torch.bool:
            indices = indices.nonzero().flatten()
        if isinstance(self._images, MappedImages):
            return self._images[indices]
        if self._images.is_cpu:  # numpy copies whole images; torch's indexing takes ten times as long
            return torch.from_numpy(self._images.numpy().take(indices.numpy(), axis=0))
        return self._images.index_select(0, indices.to(self._images.device, non_blocking=True))

    def indices_of(self, label: int) -> Tensor:
        """Returns the indices of the images of a class."""
        if not 0 <= label < self.num_classes:
            raise ValueError(f"label must be between 0 and {self.num_classes - 1}, but got {label} instead.")
        start = self._starts[label]
        return self._rows[start : start + self._counts[label]]

    def sample(self, n: int, labels: Tensor | Sequence[int] | int | None = None, *, seed: int | None = None) -> Tensor:
        """Draws images with replacement; see :meth:`Generator.sample`.

        Labels on a GPU that the pool was moved to are not checked, because the check would wait for the device.

        Raises:
            ValueError: If the pool holds no image of a requested class.
        """
        check_space(f"n={n}", check_count("n", n, 0), math.prod(self.image_shape) + ROW_BYTES)
        if isinstance(labels, Tensor) and self._trusts(labels):
            group = labels
        else:
            wanted = resolve_labels(self, n, labels)
            group = (torch.zeros(n, dtype=torch.int64) if wanted is None else wanted).to(self._counts.device)
        counts = self._counts[group]
        if n and not self._has_all_classes and int(counts.min()) == 0:
            missing = int(group[counts == 0][0])
            raise ValueError(f"The pool must hold images of each requested class, but has none of {missing}.")
        rng = torch.Generator().manual_seed(check_seed(seed))
        uniform = torch.rand(n, generator=rng, dtype=torch.float64).to(counts.device, non_blocking=True)
        return self.rows(self._rows[self._starts[group] + (uniform * counts).long()])

    def _trusts(self, labels: Tensor) -> bool:
        return self._has_all_classes and not labels.is_cpu and labels.device == self._counts.device

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes the pool to a new or empty folder, completely or not at all.

        Raises:
            OSError: If the disk is full, or the folder cannot be written to.
            ValueError: If the folder holds something.
        """
        chunks = ((rows, self.rows(rows).cpu()) for rows in torch.split(torch.arange(len(self)), 1024))
        write_pool(Path(folder), chunks, (len(self), *self.image_shape), self.labels, self, lambda: self.info)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, verify: bool = False) -> SyntheticPool:
        """Opens a pool that :meth:`save` wrote, memory-mapped.

        Args:
            folder (str or Path): The folder.
            verify (bool): Whether to read all images and verify their SHA-256. Default: False, which still
                detects a wrong size or type, but not damaged pixels.

        Raises:
            FileNotFoundError: If the folder holds no pool.
            ValueError: If a file is not what it should be. The message names it.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     SyntheticPool(torch.zeros(4, 1, 8, 8, dtype=torch.uint8)).save(folder)
            ...     len(SyntheticPool.load(folder))
            4
        """
        pool = cls._open(Path(folder))
        if verify and isinstance(pool._images, MappedImages):
            pool._images.verify()
        return pool

    @classmethod
    def _open(cls, folder: Path, known: Identity | None = None) -> SyntheticPool:
        arguments, identity = open_pool(folder, known)
        pool = cls(**arguments)
        pool._folder, pool._identity = folder.resolve(), identity
        return pool

    def __reduce__(self) -> str | tuple[Any, ...]:
        if self._folder is not None:  # another process maps the same files
            return _reopen, (self._folder, self._identity)
        return super().__reduce__()

    def __repr__(self) -> str:
        place = "memory" if self._folder is None else str(self._folder)
        return (
            f"SyntheticPool({len(self)} images of {self.image_shape}, num_classes={self.num_classes}, "
            f"source={json.dumps(self.info.source)}, in {place})"
        )


FOLDERS[INFO] = SyntheticPool.load


class _UnopenedPool(SyntheticPool):
    """A pool that a child process could not open. It raises the error when it is used."""

    def __init__(self, error: Exception) -> None:
        self.__dict__["error"] = error

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__"):
            return super().__getattribute__(name)
        raise self.__dict__["error"]


def _reopen(folder: Path, known: Identity) -> SyntheticPool:
    """Opens a pool that was pickled.

    In a child process, an error is raised only when the pool is used. A process that fails while it receives its work
    ends silently, and its parent would wait forever.
    """
    try:
        return SyntheticPool._open(folder, known)
    except (ValueError, OSError) as error:
        # multiprocessing sets _inheriting while a new process receives its work.
        starting = getattr(multiprocessing.current_process(), "_inheriting", False)
        if not starting and multiprocessing.parent_process() is None:
            raise
        return _UnopenedPool(error)
