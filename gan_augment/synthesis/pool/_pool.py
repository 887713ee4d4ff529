"""Pools: images generated ahead, indexable, on disk or in memory, shared between processes."""

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
from .._source import (
    FOLDERS,
    Geometry,
    Source,
    as_source,
    check_fingerprints,
    check_names,
    fingerprints_of,
    spread_classes,
)
from ..filters._filter import FilterLike, as_filters
from ._arrays import MappedImages
from ._files import INFO, Identity, PoolInfo, open_pool, write_pool
from ._fill import PoolFiller


class SyntheticPool(Source):
    """Synthetic images and their classes, generated ahead.

    A pool is a source: :class:`SyntheticMix` and :class:`GANAugmentedDataset` draw from it faster than
    from a generator. One that was loaded is memory-mapped, so it may be larger than memory. It is pickled as its
    folder's name and hashes, so that worker processes share it, and refuse another pool that took its place.

    Args:
        images (Tensor): uint8 ``(n, 1 or 3, height, width)``.
        labels (Tensor, optional): Class of each image, integers ``(n,)``.
        num_classes (int, optional): Default: the largest label + 1; 0 without labels.
        geometry (Geometry, optional): How the images behind it were brought to its size.
        class_names (sequence of str, optional): Names of the classes, where they are known.
        fingerprints (Tensor, optional): Of all images that the generators behind it were trained on, int64 ``(m,)``,
            see :func:`gan_augment.data.fingerprint`; None: not known.

    Raises:
        TypeError: If images or fingerprints are no tensor.
        ValueError: If images, labels, class names or fingerprints are not of these shapes, types, counts and values,
            or there are none.

    Example:
        >>> pool = SyntheticPool(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0, 1, 1]))
        >>> len(pool), pool[3][1], pool.num_classes
        (4, 1, 2)
    """

    image_shape = computed(lambda self: tuple(self._images.shape[1:]))
    class_indices = computed(lambda self: tuple(self._counts.nonzero().flatten().tolist()) if self.num_classes else ())
    _error: Exception  # what is wrong with a pool that a child process could not open

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
        if labels is not None:
            labels = torch.as_tensor(labels)
            check_dense(labels, "A pool's labels")
        dtype = images.dtype if isinstance(images, Tensor) else torch.uint8
        if dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
            raise ValueError(
                "A pool's images must be uint8 (n, 1 or 3, height, width) with n above 0, "
                f"but got {dtype} {tuple(images.shape)} instead."
            )
        if num_classes is None:
            num_classes = 0 if labels is None else 1
            if labels is not None and labels.numel() and not labels.is_floating_point():  # NaN has no largest label
                num_classes = int(labels.long().max()) + 1
        if check_count("num_classes", num_classes, 0) > MAX_CLASSES:
            raise ValueError(f"A pool must have at most {MAX_CLASSES:,} classes, but got {num_classes:,} instead.")
        self.num_classes = num_classes
        if (labels is None) != (num_classes == 0):
            raise ValueError(f"A pool must have labels where it has classes, but got num_classes={num_classes}.")
        self.labels = check_labels(labels, len(images), num_classes)
        self.geometry = geometry or Geometry()
        self.class_names = check_names(class_names, num_classes)
        self.info = info or PoolInfo(source="images", seed=None, acceptance=1.0)
        self.fingerprints = None if fingerprints is None else check_fingerprints(fingerprints)
        self._images = images
        self._folder: Path | None = None
        self._identity: Identity | None = None
        self._group()

    def _group(self) -> None:
        # Rows by class, and where each class begins: what sampling by class looks up.
        labels = torch.zeros(len(self), dtype=torch.int64) if self.labels is None else self.labels
        self._rows = torch.argsort(labels, stable=True)
        counts = torch.bincount(labels, minlength=max(self.num_classes, 1))
        self._starts, self._counts = counts.cumsum(0) - counts, counts

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
            source: A zoo name, folder, generator, pool, mapping, or any :class:`Source`.
            size (int): Number of images.
            labels (sequence of int, int, optional): Class of each image, or of all. Default: the source's
                classes in turn, so that they are even.
            seed (int, optional): The pool is a function of it and of ``batch_size``. None: drawn from
                torch's global generator.
            keep (filter or sequence of filters, optional): ``keep(images, labels)`` says which candidates
                enter; those that do not are drawn again, so that size and classes are as asked. Images are
                uint8, of the size that the source's training images had where it is known (28 px for
                digits that were padded to 32), which is what a teacher was fitted on.
            batch_size (int): Images per call of the source.
            device (str, optional): Where a generator runs. Default: where it is.
            out (str or Path, optional): Folder to write it to as it grows, for a pool larger than memory;
                must be new or empty. Default: kept in memory.
            progress (bool): Whether to show a bar.

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
        if device is not None and source.device is not None:
            source = copy.deepcopy(source).to(device)
        classes = source.num_classes
        asked = spread_classes(source, size) if classes and labels is None else labels
        asked = check_labels(asked, size, classes)
        names = check_names(source.class_names, classes)
        filters = as_filters(keep)
        seed = check_seed(seed)
        chunks = PoolFiller(source, size, asked, seed, filters, batch_size, progress)

        each = math.prod(chunks.shape)
        at_once = min(size, batch_size) if out is not None else size
        check_space(f"size={size}" if out is None else f"batch_size={batch_size}", at_once, each + ROW_BYTES)
        if out is not None:
            check_space(f"size={size}", size, each, folder=Path(out))

        def info() -> PoolInfo:
            return PoolInfo(source=name, seed=seed, acceptance=chunks.acceptance)

        shape, prints = (size, *chunks.shape), fingerprints_of(source)
        if out is not None:
            write_pool(Path(out), chunks, shape, asked, classes, source.geometry, names, prints, info)
            return cls.load(out)
        images = torch.empty(shape, dtype=torch.uint8)
        for rows, batch in chunks:
            images[rows] = batch
        return cls(
            images,
            asked,
            num_classes=classes,
            geometry=source.geometry,
            class_names=names,
            info=info(),
            fingerprints=prints,
        )

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Tensor | tuple[Tensor, int]:
        """The image ``(c, h, w)``, and its class where the pool has classes."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"index must be below {len(self)}, but got {index} instead.")
        image = self.rows(torch.tensor([index % len(self)]))[0]
        return image if self.labels is None else (image, int(self.labels[index]))

    def rows(self, indices: Tensor) -> Tensor:
        """The images at these places, uint8 ``(n, c, h, w)``, a copy.

        Raises:
            ValueError: If the pool lies in a folder, and its images were changed since they were opened.
        """
        return self._images[indices] if isinstance(self._images, Tensor) else self._images.rows(indices)

    def indices_of(self, label: int) -> Tensor:
        """The places of the images of a class."""
        if not 0 <= label < self.num_classes:
            raise ValueError(f"label must be between 0 and {self.num_classes - 1}, but got {label} instead.")
        start = self._starts[label]
        return self._rows[start : start + self._counts[label]]

    def sample(self, n: int, labels: Tensor | Sequence[int] | int | None = None, *, seed: int | None = None) -> Tensor:
        """Draws images with replacement, as a generator does; see :meth:`Generator.sample`.

        Raises:
            ValueError: If the pool holds no image of a class asked for.
        """
        channels, height, width = self.image_shape
        check_space(f"n={n}", check_count("n", n, 0), channels * height * width + ROW_BYTES)
        if labels is None and self.num_classes:
            labels = spread_classes(self, n)
        wanted = check_labels(labels, n, self.num_classes)
        group = torch.zeros(n, dtype=torch.int64) if wanted is None else wanted
        counts = self._counts[group]
        if n and int(counts.min()) == 0:
            missing = int(group[counts == 0][0])
            raise ValueError(f"The pool must hold images of each class asked for, but has none of {missing}.")
        rng = torch.Generator().manual_seed(check_seed(seed))
        places = (torch.rand(n, generator=rng, dtype=torch.float64) * counts).long()
        return self.rows(self._rows[self._starts[group] + places])

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes the pool to a folder that must be new or empty; whatever fails, nothing half-written is left.

        Raises:
            OSError: If the disk is full, or the folder cannot be written to.
            ValueError: If it is neither new nor empty.
        """
        chunks = ((rows, self.rows(rows)) for rows in torch.split(torch.arange(len(self)), 1024))
        shape = (len(self), *self.image_shape)
        write_pool(
            Path(folder),
            chunks,
            shape,
            self.labels,
            self.num_classes,
            self.geometry,
            self.class_names,
            self.fingerprints,
            lambda: self.info,
        )

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, verify: bool = False) -> SyntheticPool:
        """Opens a pool that :meth:`save` wrote, memory-mapped.

        Args:
            folder (str or Path): Of the pool.
            verify (bool): Whether to read all images and compare their SHA-256. Without it damaged pixels are not
                found, but files of another length or type are.

        Raises:
            FileNotFoundError: If the folder holds no pool.
            ValueError: If a file is not what it should be, naming it.

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
        files = open_pool(folder, known)
        pool = cls(
            files.images,
            files.labels,
            num_classes=files.num_classes,
            geometry=files.geometry,
            class_names=files.class_names,
            info=files.info,
            fingerprints=files.fingerprints,
        )
        pool._folder, pool._identity = folder.resolve(), files.identity
        return pool

    def __reduce__(self) -> str | tuple[Any, ...]:
        if self._folder is not None:  # another process maps the same file, and no other that took its place
            return SyntheticPool._reopen, (self._folder, self._identity)
        return super().__reduce__()

    @classmethod
    def _reopen(cls, folder: Path, known: Identity) -> SyntheticPool:
        """Opens a pool that was pickled; in a process that others started, what is wrong is said at its first use.

        A process that fails while it receives its work ends without a word to those who wait for it.
        """
        try:
            return cls._open(folder, known)
        except (ValueError, OSError) as error:
            if not is_child_process():
                raise
            pool = cls.__new__(cls)
            pool._error = error
            return pool

    def __getattr__(self, name: str) -> Any:
        error = self.__dict__.get("_error")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}") if error is None else error

    def __repr__(self) -> str:
        place = "memory" if self._folder is None else str(self._folder)
        return (
            f"SyntheticPool({len(self)} images of {self.image_shape}, num_classes={self.num_classes}, "
            f"source={json.dumps(self.info.source)}, in {place})"
        )


FOLDERS[INFO] = SyntheticPool.load


def is_child_process() -> bool:
    """Whether this process was started by multiprocessing, also while it still receives its work."""
    starting = getattr(multiprocessing.current_process(), "_inheriting", False)
    return starting or multiprocessing.parent_process() is not None
