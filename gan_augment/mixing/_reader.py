"""Reads real items of a data set, and makes synthetic items like them from the images of a pool."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..synthesis import match_batch, match_each
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

    def read(self, dataset: Any, numbers: list[int], seed: Callable[[int], None] | None = None) -> list[Any]:
        """Reads several items: the real item ``i`` for a number ``i >= 0``, and the pool's entry ``j`` for ``-1 - j``.

        If ``seed`` is given, it is called before each item with the item's place in ``numbers``, and items are read one
        by one.
        """
        batched = getattr(dataset, "__getitems__", None)
        rows = [number for number in numbers if number >= 0]
        real: Iterator[Any]
        if seed is not None:
            real = (batched([row])[0] if batched else dataset[row] for row in rows)
        else:
            real = iter(batched(rows) if batched and rows else [dataset[row] for row in rows])
        synthetic, items = self._make(dataset, [-1 - number for number in numbers if number < 0]), []
        for place, number in enumerate(numbers):
            if seed is not None:
                seed(place)
            items.append(next(synthetic if number < 0 else real))
        if self.kind.is_finished:
            return items
        return [self.kind.finish(item, number < 0) for item, number in zip(items, numbers)]

    def _make(self, dataset: Any, entries: list[int]) -> Iterator[Any]:
        """Yields a synthetic item for each entry of the pool."""
        if self.pooled is None or not entries:
            return
        chosen = torch.tensor(entries)
        labels = self.pooled.targets_at(chosen)
        classes = labels if labels.ndim == 1 else labels.argmax(dim=1)
        images = self._images(dataset, self.pooled, chosen, classes.tolist())
        yield from map(self.kind.make, images, self.kind.targets(labels))

    def _images(self, dataset: Any, pooled: PooledImages, entries: Tensor, classes: list[int]) -> Iterator[Any]:
        """Yields the transformed image for each entry of the pool."""
        pool, kind, resize = pooled.pool, self.pipeline.kind, self.pipeline.resize
        pixels = kind.channels * kind.height * kind.width if resize else math.prod(pool.image_shape)
        count = max(CHUNK_BYTES // (pixels * kind.dtype.itemsize), 1)
        transform, at_once = self.pipeline.on(dataset), self.pipeline.on_batches(dataset)
        for start in range(0, len(entries), count):
            images = pool.rows(pooled.rows.index_select(0, entries[start : start + count]))
            if at_once is not None:
                yield from at_once(match_batch(images, kind, pool.geometry)).unbind()
            else:
                matched = match_each(images, kind, pool.geometry, resize=resize)
                yield from map(transform, matched, classes[start : start + count])
