"""Pictures for a report: what was mixed in, class by class, and what a classifier thinks of it."""

from __future__ import annotations

import torch
import torchvision
from torch import Tensor, nn

from ..metrics import pairs_picture
from ..synthesis import SyntheticPool, teacher_probabilities
from ._files import Images

CLASSES, COLUMNS = 10, 12
CANDIDATES = 2000


def report_pictures(pool: SyntheticPool, data: Images, teacher: nn.Module, filtered: str) -> dict[str, Tensor]:
    """Pictures by their captions, uint8 ``(c, h, w)``.

    Args:
        pool (SyntheticPool): Of which the chosen arm drew.
        data (Images): Of the same split.
        teacher (nn.Module): Trained on its training images.
        filtered (str): By what the pool was filtered, in words.
    """
    images = pool.rows(torch.arange(min(len(pool), CANDIDATES)))
    pictures = {"Real training images" + _rows(pool): _grid(data.train, data.labels if pool.num_classes else None)}
    labels = None if pool.labels is None else pool.labels[: len(images)]
    pictures[f"What was mixed in, {filtered}" + _rows(pool)] = _grid(images, labels)
    probabilities = teacher_probabilities(teacher, images)
    sure = probabilities.amax(1) if labels is None else probabilities.gather(1, labels[:, None])[:, 0]
    order = sure.argsort(descending=True)
    of = "its class" if labels is not None else "a class"
    pictures[f"Of which a classifier of the real images is surest that they show {of}"] = _tiles(images[order])
    pictures["Of which it is least sure"] = _tiles(images[order.flip(0)])
    pictures["Synthetic images (left of each pair) that come closest to a training image (right)"] = pairs_picture(
        data.train, images
    )
    return pictures


def _rows(pool: SyntheticPool) -> str:
    return ", a row for each class" if 0 < pool.num_classes <= CLASSES else ""


def _grid(images: Tensor, labels: Tensor | None) -> Tensor:
    """A row of each class, or of whatever comes first."""
    if labels is None or int(labels.max()) >= CLASSES:
        return _tiles(images)
    rows = []
    for label in torch.bincount(labels).nonzero().flatten().tolist():
        own = images[labels == label][:COLUMNS]
        rows.append(torch.cat([own, own.new_zeros(COLUMNS - len(own), *own.shape[1:])]))
    return _tiles(torch.cat(rows), len(rows) * COLUMNS)


def _tiles(images: Tensor, count: int = 3 * COLUMNS) -> Tensor:
    grid: Tensor = torchvision.utils.make_grid(images[:count], COLUMNS, 2)
    return grid
