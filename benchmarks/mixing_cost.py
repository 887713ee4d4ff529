"""What mixing costs: a training loop with and without it, and a loader over a wrapped and a plain data set.

    python -m benchmarks.mixing_cost

Both sides of each ratio run in turn in one process; the medians of the paired ratios are printed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from gan_augment import GANAugmentedDataset, SyntheticMix, SyntheticPool
from gan_augment.evaluation import SmallCNN

SOURCE, RATIO, ROUNDS = "dcgan-mnist-32", 0.25, 7


class Digits(Dataset):
    """As a torchvision data set: uint8 images (noise: only the time counts), targets and a transform."""

    def __init__(self, count: int, transform: Callable[[torch.Tensor], torch.Tensor]) -> None:
        generator = torch.Generator().manual_seed(0)
        self.images = torch.randint(0, 256, (count, 1, 28, 28), generator=generator, dtype=torch.uint8)
        self.targets = [index % 10 for index in range(count)]
        self.transform = transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = self.images[index]
        return image if self.transform is None else self.transform(image), self.targets[index]


def paired(first: Callable[[], None], second: Callable[[], None]) -> float:
    """Median of the ratios of the times of two functions that run in turn."""
    ratios = []
    for round_ in range(ROUNDS + 1):
        times = []
        for function in (first, second):
            started = time.perf_counter()
            function()
            times.append(time.perf_counter() - started)
        if round_:
            ratios.append(times[0] / times[1])
    return statistics.median(ratios)


def training_loop(mix: SyntheticMix | None, images: torch.Tensor, labels: torch.Tensor) -> Callable[[], None]:
    model = SmallCNN(1, 10).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters())

    def run() -> None:
        for _ in range(40):
            batch, targets = images, labels
            if mix is not None:
                batch, targets = mix(batch, targets)
            optimizer.zero_grad()
            F.cross_entropy(model(batch), targets).backward()
            optimizer.step()

    return run


def main() -> None:
    pool = SyntheticPool.generate(SOURCE, 4000, progress=False)
    images, labels = torch.rand(64, 1, 28, 28), torch.randint(0, 10, (64,))
    plain = training_loop(None, images, labels)
    for name, source in (("pool", pool), ("live generator", SOURCE)):
        cost = paired(training_loop(SyntheticMix(source, RATIO), images, labels), plain)
        aim = " (aim: at most 1.03)" if source is pool else ""
        print(f"training loop with SyntheticMix from a {name}: {cost:.3f} x the loop without{aim}")
    to_float = v2.ToDtype(torch.float32, scale=True)
    for name, transform in (
        ("random affine", v2.Compose([v2.RandomAffine(10, (0.1, 0.1)), to_float])),
        ("to float alone", to_float),
    ):
        real = Digits(4000, transform)
        for seeded in (False, True):
            wrapped = GANAugmentedDataset(real, pool, RATIO, mode="replace")
            if seeded:
                wrapped.set_epoch(0)
            for workers in (0, 2):
                speed = paired(reader(real, workers), reader(wrapped, workers))
                when = "after" if seeded else "before"
                print(
                    f"items/s of GANAugmentedDataset, {name}, {workers} workers, {when} set_epoch: "
                    f"{speed:.2f} x the plain data set's (aim: at least 0.95)"
                )


def reader(dataset: Dataset, workers: int) -> Callable[[], None]:
    """Reads a data set once through a loader."""
    loader = DataLoader(dataset, 64, shuffle=True, num_workers=workers)

    def run() -> None:
        for _ in loader:
            pass

    return run


if __name__ == "__main__":
    main()
