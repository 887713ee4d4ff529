"""Items per second through a wrapped data set and a plain one, and through a loader of whole batches.

    python -m benchmarks.dataset_speed

Both sides of each ratio read the same number of items in turn in one process. Above 1, ours is faster.
"""

from __future__ import annotations

import statistics
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import ImageFolder
from torchvision.io import write_jpeg
from torchvision.transforms import v2

from gan_augment import BatchLoader, GANAugmentedDataset, SyntheticPool

from .timing import ratios

RATIO, BATCH, CLASSES = 0.25, 64, 10
TO_FLOAT = v2.ToDtype(torch.float32, scale=True)


class TensorImages(Dataset):
    """A data set like torchvision's: uint8 images in memory (noise: only the time counts), targets and a transform."""

    def __init__(self, count: int, size: int, transform: Callable[[torch.Tensor], torch.Tensor] | None) -> None:
        self.images, labels = noise(count, size)
        self.targets, self.transform = labels.tolist(), transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = self.images[index]
        return image if self.transform is None else self.transform(image), self.targets[index]


def noise(count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, size, size), generator=generator, dtype=torch.uint8)
    return images, torch.arange(count) % CLASSES


def paired_speeds(ours: Iterable[object], peer: Iterable[object], rounds: int) -> list[float]:
    """Returns ratios of the items per second of two loaders of equally many items, which are read in turn."""
    return ratios(*(partial(deque, loader, maxlen=0) for loader in (peer, ours)), rounds)


def through_loader(dataset: Dataset, workers: int) -> DataLoader:
    return DataLoader(dataset, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)


def tensor_ratios(size: int, workers: int, epoch: int | None, rounds: int = 15, count: int = 6400) -> list[float]:
    """uint8 tensors in memory with ``v2.ToDtype`` alone, before ``set_epoch`` if the epoch is None."""
    plain = TensorImages(count, size, TO_FLOAT)
    wrapped = GANAugmentedDataset(plain, SyntheticPool(*noise(2000, size)), RATIO, progress=False)
    if epoch is not None:
        wrapped.set_epoch(epoch)
    return paired_speeds(through_loader(wrapped, workers), through_loader(plain, workers), rounds)


def batch_loader_ratios(size: int, rounds: int = 15, count: int = 6400) -> list[float]:
    """The same uint8 tensors through a ``BatchLoader``, in a new epoch each round."""
    plain = TensorImages(count, size, TO_FLOAT)
    wrapped = GANAugmentedDataset(plain, SyntheticPool(*noise(2000, size)), RATIO, progress=False)
    batches = BatchLoader(wrapped, BATCH)

    class Epochs:
        """Sets the next epoch and then yields its batches, so that the time includes the plan of the epoch."""

        epoch = 0

        def __iter__(self) -> Iterator[object]:
            wrapped.set_epoch(self.epoch)
            self.epoch += 1
            yield from batches

    return paired_speeds(Epochs(), through_loader(plain, 0), rounds)


def by_hand_ratios(size: int, rounds: int = 15, count: int = 6400) -> list[float]:
    """A ``BatchLoader`` against the shortest loop over the same tensors, which mixes nothing in."""
    plain = TensorImages(count, size, TO_FLOAT)
    labels = torch.tensor(plain.targets)
    wrapped = GANAugmentedDataset(plain, SyntheticPool(*noise(2000, size)), RATIO, progress=False)

    class ByHand:
        def __iter__(self) -> Iterator[object]:
            for rows in torch.randperm(count).split(BATCH):
                yield TO_FLOAT(plain.images.index_select(0, rows)), labels.index_select(0, rows)

    return paired_speeds(BatchLoader(wrapped, BATCH), ByHand(), rounds)


def write_photos(folder: Path, count: int) -> None:
    """Writes JPEG files that are 500 px wide and 335 to 395 px high, as photographs have several shapes."""
    generator = torch.Generator().manual_seed(0)
    for index in range(count):
        coarse = torch.randint(0, 256, (1, 3, 48, 64), generator=generator, dtype=torch.uint8)
        image = v2.functional.resize(coarse, [335 + 20 * (index % 4), 500], antialias=True)[0]
        path = folder / f"class{index % CLASSES}" / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_jpeg(image, str(path), quality=90)


def folder_ratios(workers: int, epoch: int | None, rounds: int = 7, count: int = 320) -> list[float]:
    """An ``ImageFolder`` of JPEG files with ``RandomResizedCrop``, wrapped against plain."""
    transform = v2.Compose([v2.RandomResizedCrop(224), v2.ToImage(), TO_FLOAT])
    with tempfile.TemporaryDirectory() as name:
        write_photos(Path(name), count)
        plain = ImageFolder(name, transform)
        wrapped = GANAugmentedDataset(plain, SyntheticPool(*noise(400, 64)), RATIO, progress=False)
        if epoch is not None:
            wrapped.set_epoch(epoch)
        return paired_speeds(through_loader(wrapped, workers), through_loader(plain, workers), rounds)


def main() -> None:
    for size in (28, 64):
        show(f"{size} px tensors, BatchLoader against a DataLoader", batch_loader_ratios(size))
        show(f"{size} px tensors, BatchLoader against a loop by hand without mixing", by_hand_ratios(size))
    for workers in (0, 2):
        for epoch in (None, 0):
            when = "before" if epoch is None else "after"
            for size in (28, 64):
                show(f"{size} px tensors, {workers} workers, {when} set_epoch", tensor_ratios(size, workers, epoch))
            show(f"JPEG files, {workers} workers, {when} set_epoch", folder_ratios(workers, epoch))


def show(name: str, found: list[float]) -> None:
    low, _, high = statistics.quantiles(found, n=4)
    print(f"{name}: {statistics.median(found):.2f} x the items/s ({low:.2f} to {high:.2f})", flush=True)


if __name__ == "__main__":
    main()
