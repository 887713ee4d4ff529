"""Holds the images of a mixed data set in one tensor and their targets in another, and gathers batches from them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Subset, default_collate
from torchvision.transforms.v2 import functional as F

from .._core import ROW_BYTES, check_space
from ..data import describe_item, get_at, replace_at, walk_leaves
from ..synthesis import ImageKind, as_channels_first, match_batch
from ._draw import PooledImages
from ._randomness import watch_draws
from ._reader import ItemReader
from ._structure import ItemKind, image_of
from ._wrapped import make_pipeline, without_transforms

Path: TypeAlias = tuple[Any, ...]
CHUNK = 256  # images of a pool that are converted at once


@dataclass(frozen=True)
class Tables:
    """Holds tensors with a row for each real image, followed by a row for each image of the pool."""

    n_real: int
    template: Any  # a batch in which the images and the other values are replaced
    image_path: Path
    images: Tensor  # before the transforms, (n, c, h, w)
    columns: list[tuple[Path, Tensor]]  # the other values of a batch: their path, and a row for each image

    @classmethod
    def of(cls, dataset: Any, reader: ItemReader, classes: Tensor | None) -> Tables:
        """Reads all images of a data set, and of the pool of its reader. ``classes`` are those of the real images."""
        kind, n_real = reader.kind, len(dataset)
        n_made = 0 if reader.pooled is None else len(reader.pooled.rows)
        item, _ = watch_draws(lambda: dataset[0])
        label_path = kind.paths.label
        if len(list(walk_leaves(item))) > (1 if label_path is None else 2):
            raise ValueError(
                f"Items must hold nothing but an image and a label, but got {describe_item(item)}; use a DataLoader."
            )
        template = _collate(kind, None if label_path is None else get_at(item, label_path))
        columns: list[tuple[Path, Tensor]] = []
        if label_path is not None and classes is not None:
            columns.append(
                (label_path, _make_targets(kind, get_at(template, label_path).dtype, classes, reader.pooled))
            )
        is_synthetic, extra = torch.arange(n_real + n_made) >= n_real, {}
        if kind.weight is not None:
            extra["weight"] = torch.tensor([1.0, kind.weight], dtype=torch.float32)[is_synthetic.long()]
        if kind.return_synthetic:
            extra["is_synthetic"] = is_synthetic
        in_mapping = isinstance(template, Mapping)  # in a tuple, they are the last entries
        columns += [((name if in_mapping else at,), extra[name]) for at, name in enumerate(extra, -len(extra))]
        image_path = kind.paths.image or ((0,) if extra else ())
        images = _read_images(dataset, reader.pooled, sum(column[0].nbytes for _, column in columns))
        return cls(n_real, template, image_path, images, columns)

    def batch(self, rows: Tensor, transform: Callable[[Tensor], Any] | None) -> Any:
        """Returns the batch of some rows, with the transform applied to all images at once."""
        images = self.images.index_select(0, rows)
        if transform is not None:
            images = transform(images)
            if not isinstance(images, Tensor) or len(images) != len(rows):
                raise ValueError(
                    f"transform must return a tensor of {len(rows)} images, but got {describe_item(images)}."
                )
            images = images.as_subclass(Tensor)  # a DataLoader also makes plain tensors of torchvision's images
        batch = replace_at(self.template, self.image_path, images)
        for path, column in self.columns:
            batch = replace_at(batch, path, column.index_select(0, rows))
        return batch


def check_same_in_each_epoch(dataset: Any) -> None:
    """Checks that the images of a data set do not depend on the epoch."""
    if hasattr(dataset, "set_epoch"):
        raise ValueError(
            f"The real images must be the same in each epoch, but {type(dataset).__name__} has a method set_epoch; "
            "use a DataLoader."
        )
    parts = dataset.datasets if isinstance(dataset, ConcatDataset) else ()
    for part in [dataset.dataset] if isinstance(dataset, Subset) else parts:
        check_same_in_each_epoch(part)


def _collate(kind: ItemKind, label: Any) -> Any:
    """Returns a batch of one item with this label, and a number in place of its image."""
    if kind.paths.label is not None:
        collated = default_collate([label])
        if type(collated) is not Tensor or collated.is_floating_point():
            raise TypeError(
                f"Labels must be class indices or one-hot integers, but got {label!r:.100}; use a DataLoader."
            )
    return default_collate([kind.finish(kind.make(torch.zeros(()), label), False)])


def _make_targets(kind: ItemKind, dtype: torch.dtype, classes: Tensor, pooled: PooledImages | None) -> Tensor:
    """Returns the targets of the real images, followed by those of the pool."""
    target = dataclasses.replace(kind.target, container=Tensor, dtype=dtype)
    targets = [target.make(classes.long())]
    if pooled is not None:
        targets.append(target.make(pooled.targets_at(torch.arange(len(pooled.rows)))))
    return torch.cat(targets)


def _read_images(dataset: Any, pooled: PooledImages | None, others: int) -> Tensor:
    """Returns all images before the transforms. The check of memory counts ``others`` more bytes for each image."""
    raw, n_real = without_transforms(dataset), len(dataset)
    kind = make_pipeline(dataset, "inherit").kind
    count = n_real + (0 if pooled is None else len(pooled.rows))
    shape = (kind.channels, kind.height, kind.width)
    each = math.prod(shape) * kind.dtype.itemsize + others + ROW_BYTES
    check_space(f"A BatchLoader of {count} images", count, each, remedy="Use a DataLoader.")
    images = torch.empty((count, *shape), dtype=kind.dtype)

    def read() -> None:
        for row in range(n_real):
            image = image_of(raw[row])
            if (found := ImageKind.of(image)) != kind:
                raise ValueError(
                    f"All real images must be of one size and kind before the transforms, {kind}, but image {row} is "
                    f"{found}. Resize them in the data set before you wrap it, or use a DataLoader."
                )
            images[row] = F.pil_to_tensor(image) if kind.container == "PIL" else as_channels_first(image)[0].detach()

    if watch_draws(read)[1]:
        raise ValueError(
            "The real images must always be the same before the transforms, but the data set draws random numbers; "
            "use a DataLoader."
        )
    if pooled is not None:
        for part in torch.split(torch.arange(len(pooled.rows)), CHUNK):
            images[n_real + part] = match_batch(pooled.pool.rows(pooled.rows[part]), kind, pooled.pool.geometry).cpu()
    return images
