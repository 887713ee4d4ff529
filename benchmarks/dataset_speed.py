"""Items per second through a wrapped data set and a plain one, and how the wrapper grows with the data.

    python -m benchmarks.dataset_speed

Both sides of each ratio read the same number of items in turn in one process. Above 1, ours is faster.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import ImageFolder
from torchvision.io import write_jpeg
from torchvision.transforms import v2

from gan_augment import BatchLoader, GANAugmentedDataset, SyntheticPool

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


class CountedItems(Dataset):
    """A data set of any length that holds only its targets."""

    def __init__(self, count: int) -> None:
        self.targets = torch.arange(count) % CLASSES
        self.image = torch.zeros(3, 8, 8, dtype=torch.uint8)

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.image, int(self.targets[index])


def noise(count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, size, size), generator=generator, dtype=torch.uint8)
    return images, torch.arange(count) % CLASSES


def paired_speeds(ours: Iterable[object], peer: Iterable[object], rounds: int) -> list[float]:
    """Returns ratios of the items per second of two loaders of equally many items, which are read in turn."""
    ratios = []
    for _ in range(rounds + 1):
        times = []
        for loader in (ours, peer):
            started = time.perf_counter()
            for _ in loader:
                pass
            times.append(time.perf_counter() - started)
        ratios.append(times[1] / times[0])
    return ratios[1:]


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
    for workers in (0, 2):
        for epoch in (None, 0):
            when = "before" if epoch is None else "after"
            for size in (28, 64):
                show(f"{size} px tensors, {workers} workers, {when} set_epoch", tensor_ratios(size, workers, epoch))
            show(f"JPEG files, {workers} workers, {when} set_epoch", folder_ratios(workers, epoch))


def show(name: str, ratios: list[float]) -> None:
    low, _, high = statistics.quantiles(ratios, n=4)
    print(
        f"{name}: {statistics.median(ratios):.2f} x the plain data set's items/s ({low:.2f} to {high:.2f})", flush=True
    )


if __name__ == "__main__":
    main()
