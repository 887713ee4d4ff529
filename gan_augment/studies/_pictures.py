"""Pictures for the report: real and synthetic images by class, a mixed batch, and the closest pairs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.utils import make_grid

from ..metrics import pairs_picture
from ..mixing import SyntheticMix
from ..synthesis import SyntheticPool, teacher_probabilities
from ._arms import Arm
from ._folder import SplitImages

MAX_CLASSES, COLUMNS = 10, 12
MAX_CANDIDATES = 2000
BATCH = 32
FRAME = (230, 97, 0)  # orange; it differs from the blue of the plots for colour-blind readers too


def report_pictures(pool: SyntheticPool, data: SplitImages, teacher: nn.Module, choice: Arm) -> dict[str, Tensor]:
    """Returns the report's pictures by caption, uint8 ``(c, h, w)``: the chosen arm's samples and real images."""
    images = pool.rows(torch.arange(min(len(pool), MAX_CANDIDATES)))
    labels = None if pool.labels is None else pool.labels[: len(images)]
    by_class = ", one row for each class" if 0 < pool.num_classes <= MAX_CLASSES else ""
    filtered = f"filtered by {' and '.join(choice.filters)}" if choice.filters else "unfiltered"
    probabilities = teacher_probabilities(teacher, images)
    sure = probabilities.amax(1) if labels is None else probabilities.gather(1, labels[:, None])[:, 0]
    order = sure.argsort(descending=True)
    of_class = "their likeliest class" if labels is None else "their class"
    classifier = f"probability of {of_class}, according to a classifier trained on the real images"
    batch = _batch_picture(pool, data, choice, probabilities.shape[1])
    pairs = pairs_picture(data.train, images)
    return {
        f"Synthetic images, {filtered}{by_class}": _grid(images, labels),
        f"Real training images{by_class}": _grid(data.train, data.train_labels if pool.num_classes else None),
        "A training batch; the synthetic images have an orange frame": batch,
        f"Synthetic images with the highest {classifier}": _tiles(images[order]),
        f"Synthetic images with the lowest {classifier}": _tiles(images[order.flip(0)]),
        "The synthetic images (left of each pair) that are closest to a training image (right)": pairs,
    }


def _grid(images: Tensor, labels: Tensor | None) -> Tensor:
    """Returns one row of images for each class, or the first images if there are no classes or too many."""
    if labels is None or int(labels.max()) >= MAX_CLASSES:
        return _tiles(images)
    rows = []
    for label in torch.bincount(labels).nonzero().flatten().tolist():
        row = images[labels == label][:COLUMNS]
        rows.append(torch.cat([row, row.new_zeros(COLUMNS - len(row), *row.shape[1:])]))
    return _tiles(torch.cat(rows), len(rows) * COLUMNS)


def _tiles(images: Tensor, count: int = 3 * COLUMNS) -> Tensor:
    grid: Tensor = make_grid(images[:count], COLUMNS, 2)
    return grid


def _batch_picture(pool: SyntheticPool, data: SplitImages, choice: Arm, num_classes: int) -> Tensor:
    """Returns a mixed batch in the order of the classes, with a frame around each synthetic image."""
    mix = SyntheticMix(pool, choice.ratio, labels=choice.policy, num_classes=num_classes, return_synthetic=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        rows = torch.randperm(len(data.train))[:BATCH]
        images, _, *_, synthetic = mix(data.train[rows], data.train_labels[rows])
    width = max(3, images.shape[-1] // 32)
    framed = torch.full((len(images), 3, *(side + 2 * width for side in images.shape[2:])), 255, dtype=torch.uint8)
    framed[synthetic] = torch.tensor(FRAME, dtype=torch.uint8)[:, None, None]
    framed[:, :, width:-width, width:-width] = images.expand(-1, 3, -1, -1)
    grid: Tensor = make_grid(framed[data.train_labels[rows].argsort(stable=True)], 8, 1, pad_value=255)
    return grid
