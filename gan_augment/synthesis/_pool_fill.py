"""Filling a pool: candidates are drawn, filtered, and drawn again where they were refused."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..models import mix_seed
from ..models.images import unfit_images
from ._filters import Filter, apply_filters
from ._source import Source, draw, geometry

MAX_CANDIDATES_PER_IMAGE = 1000
ENOUGH_CANDIDATES, HOPELESS = 5000, 1e-3


class PoolFiller:
    """Iterates over ``(rows, images)`` until every row of a pool has its image.

    Args:
        source (Source): Draws the candidates.
        size (int): Number of rows.
        labels (Tensor, optional): Class of each row.
        seed (int): Each batch of candidates is a function of it and of the batch's number.
        filters (tuple of filters): All must keep a candidate.
        batch_size (int): Candidates a batch.
        progress (bool): Whether to show a bar.

    Attributes:
        shape (tuple of int): Of one image.
        acceptance (float): Share of the candidates that were kept so far.
    """

    def __init__(
        self,
        source: Source,
        size: int,
        labels: Tensor | None,
        seed: int,
        filters: tuple[Filter, ...],
        batch_size: int,
        progress: bool,
    ) -> None:
        self.source, self.size, self.labels, self.seed = source, size, labels, seed
        self.filters, self.batch_size, self.progress = filters, batch_size, progress
        self.geometry = geometry(source)
        self._batches = self._candidates = self._kept = 0
        probe = draw(source, 1, None if labels is None else labels[:1], seed=seed)
        self.shape: tuple[int, int, int] = (probe.shape[1], probe.shape[2], probe.shape[3])

    @property
    def acceptance(self) -> float:
        return self._kept / max(self._candidates, 1)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        pending = torch.arange(self.size)
        tries = torch.zeros(self.size, dtype=torch.int64)
        with tqdm(total=self.size, desc="Generating", unit="img", disable=not self.progress) as bar:
            while len(pending):
                refused = []
                for rows in torch.split(pending, self.batch_size):
                    images, kept = self._candidates_for(rows)
                    if bool(kept.any()):
                        yield rows[kept], images[kept]
                    bar.update(int(kept.sum()))
                    refused.append(rows[~kept])
                pending = torch.cat(refused)
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
                f"A source must give images of one shape, but gave {tuple(images.shape[1:])} after {self.shape}."
            )
        kept = apply_filters(self.filters, self._as_trained(images), labels)
        self._batches += 1
        self._candidates += len(rows)
        self._kept += int(kept.sum())
        return images, kept

    def _as_trained(self, images: Tensor) -> Tensor:
        """Images as those that the source was trained on were, which is what a teacher knows."""
        size, fit = self.geometry.source_size, self.geometry.fit
        if size is None or fit == "crop":  # a crop stays one: what it left out is gone
            return images
        return unfit_images(images, *size, fit, size)

    def _give_up(self, row: int) -> None:
        where = "" if self.labels is None else f" of class {int(self.labels[row])}"
        raise ValueError(
            f"Filters (or a label policy) must keep some candidates, but those for an image{where} "
            f"were all refused ({self._kept} of {self._candidates} kept in all); loosen them or use another source."
        )
