"""Draws and filters the candidates for a pool, and draws again those that a filter drops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..._core import ROW_BYTES, check_count, check_seed, check_space, mix_seed, progress_bar, undo_resize
from .._as_source import Geometry, Source, as_source, draw, resolve_labels
from ..filters._filter import FilterLike, apply_filters

MAX_CANDIDATES_PER_IMAGE = 1000
ENOUGH_CANDIDATES, HOPELESS = 5000, 1e-3  # filters that keep a lower share of so many candidates are an error


def at_training_size(images: Tensor, geometry: Geometry) -> Tensor:
    """Resizes images of a source to the size of its training images, which is the size that a teacher knows."""
    if geometry.source_size is None or geometry.resize_mode == "crop":  # what a crop left out cannot be restored
        return images
    return undo_resize(images, *geometry.source_size, geometry.resize_mode, geometry.source_size)


def draw_candidates(source: Any, n: int, *, seed: int | None = 0) -> tuple[Tensor, Tensor | None]:
    """Draws images and their classes, like those that :meth:`SyntheticPool.generate` passes to filters.

    Use them to calibrate or try a filter. The images are uint8 ``(n, c, h, w)``, in the size of the source's training
    images. The classes are int64 ``(n,)``, those of the source in turn, or None.

    Args:
        source: A zoo name, a folder, a generator, a pool, a mapping, or any other :class:`Source`.
        n (int): Number of images.
        seed (int, optional): Seed of the images. None: drawn from torch's global generator. Default: 0.

    Raises:
        ValueError: If ``n`` or the seed is out of range.

    Example:
        >>> images, labels = draw_candidates("dcgan-mnist-32", 20)
        >>> images.shape, labels[:3].tolist()
        (torch.Size([20, 1, 28, 28]), [0, 1, 2])
    """
    check_space(f"n={n}", check_count("n", n, 1), ROW_BYTES)
    source = as_source(source)
    labels = resolve_labels(source, n)
    return at_training_size(draw(source, n, labels, seed=check_seed(seed)).cpu(), source.geometry), labels


@dataclass(eq=False)
class PoolFiller:
    """Yields ``(rows, images)`` until every row of a pool has an image that all filters keep.

    Each batch of candidates depends only on the seed and on the number of the batch.
    """

    source: Source
    size: int
    labels: Tensor | None
    seed: int
    filters: tuple[FilterLike, ...]
    batch_size: int
    progress: bool

    def __post_init__(self) -> None:
        self._batches = self._candidates = self._kept = 0
        first = None if self.labels is None else self.labels[:1]
        self.shape = tuple(draw(self.source, 1, first, seed=self.seed).shape[1:])

    @property
    def acceptance(self) -> float:
        """Share of the candidates so far that were kept."""
        return self._kept / max(self._candidates, 1)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        pending = torch.arange(self.size)
        tries = torch.zeros(self.size, dtype=torch.int64)
        with progress_bar(show=self.progress, total=self.size, desc="Generating", unit="img") as bar:
            while len(pending):
                dropped = []
                for rows in torch.split(pending, self.batch_size):
                    images, kept = self._candidates_for(rows)
                    if bool(kept.any()):
                        yield rows[kept], images[kept]
                    bar.update(int(kept.sum()))
                    dropped.append(rows[~kept])
                pending = torch.cat(dropped)
                tries[pending] += 1
                bar.set_postfix_str(f"{self.acceptance:.0%} kept", refresh=False)
                hopeless = self._candidates >= ENOUGH_CANDIDATES and self.acceptance < HOPELESS
                if len(pending) and (hopeless or int(tries.max()) >= MAX_CANDIDATES_PER_IMAGE):
                    self._give_up(int(pending[tries[pending].argmax()]))

    def _candidates_for(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        labels = None if self.labels is None else self.labels[rows]
        images = draw(self.source, len(rows), labels, seed=mix_seed(self.seed, self._batches)).cpu()
        if tuple(images.shape[1:]) != self.shape:
            raise ValueError(
                f"A source must give images of the same shape, but gave {tuple(images.shape[1:])} after {self.shape}."
            )
        kept = apply_filters(self.filters, at_training_size(images, self.source.geometry), labels)
        self._batches += 1
        self._candidates += len(rows)
        self._kept += int(kept.sum())
        return images, kept

    def _give_up(self, row: int) -> None:
        of_class = "" if self.labels is None else f" of class {int(self.labels[row])}"
        raise ValueError(
            f"Filters (or a label policy) must keep some candidates, but those for an image{of_class} were all refused "
            f"({self._kept} of {self._candidates} kept in all). Loosen the filters, or use another source."
        )
