"""Reads real items of a data set, and makes synthetic items like them from the images of a pool."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..synthesis import match_each
from ._draw import PooledImages
from ._structure import ItemKind
from ._wrapped import Pipeline

CHUNK_BYTES = 2**20  # of synthetic images that are matched at once


@dataclass(frozen=True)
class ItemReader:
    """Reads real items of a data set, and makes synthetic items like them."""

    kind: ItemKind
    pipeline: Pipeline
    pooled: PooledImages | None  # None if there are no synthetic images

    def read(
        self, dataset: Any, rows: list[int], entries: Tensor, seed: Callable[[int], None] | None = None
    ) -> list[Any]:
        """Reads several items. Row -1 stands for a synthetic item, which gets the next of the entries of the pool.

        If ``seed`` is given, it is called before each item with the item's index in ``rows``, and items are read one by
        one.
        """
        batched = getattr(dataset, "__getitems__", None)
        real_rows = [row for row in rows if row >= 0]
        real: Iterator[Any]
        if seed is not None:
            real = (batched([row])[0] if batched else dataset[row] for row in real_rows)
        else:
            real = iter(batched(real_rows) if batched and real_rows else [dataset[row] for row in real_rows])
        synthetic, items = self._make(dataset, entries), []
        for place, row in enumerate(rows):
            if seed is not None:
                seed(place)
            items.append(next(synthetic if row < 0 else real))
        if self.kind.is_finished:
            return items
        return [self.kind.finish(item, row < 0) for item, row in zip(items, rows)]

    def _make(self, dataset: Any, entries: Tensor) -> Iterator[Any]:
        """Yields a synthetic item for each entry of the pool."""
        if self.pooled is None or len(entries) == 0:
            return
        labels = self.pooled.targets_at(entries)
        classes = labels if labels.ndim == 1 else labels.argmax(dim=1)
        transform = self.pipeline.on(dataset)
        for image, label, target in zip(
            self._images(self.pooled, entries), classes.tolist(), self.kind.targets(labels)
        ):
            yield self.kind.make(transform(image, label), target)

    def _images(self, pooled: PooledImages, entries: Tensor) -> Iterator[Any]:
        """Yields the image for each entry of the pool, in the kind that the transforms expect."""
        pool, kind, resize = pooled.pool, self.pipeline.kind, self.pipeline.resize
        pixels = kind.channels * kind.height * kind.width if resize else math.prod(pool.image_shape)
        count = max(CHUNK_BYTES // (pixels * kind.dtype.itemsize), 1)
        for rows in torch.split(pooled.rows[entries], count):
            yield from match_each(pool.rows(rows), kind, pool.geometry, resize=resize)
