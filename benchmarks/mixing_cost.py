"""What mixing costs: a training loop with and without it, and a loader over a wrapped and a plain data set.

    python benchmarks/mixing_cost.py

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
from gan_augment.study import SmallCNN

SOURCE, RATIO, ROUNDS = "dcgan-mnist-32", 0.25, 7


class Digits(Dataset):
    """Real-looking digits as a torchvision data set has them: PIL-like uint8 images, a transform, targets."""

    def __init__(self, count: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.images = torch.randint(0, 256, (count, 1, 28, 28), generator=generator, dtype=torch.uint8)
        self.targets = [index % 10 for index in range(count)]
        self.transform = v2.Compose([v2.RandomAffine(10, (0.1, 0.1)), v2.ToDtype(torch.float32, scale=True)])

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
    real = Digits(4000)
    wrapped = GANAugmentedDataset(real, pool, RATIO, mode="replace")
    for workers in (0, 2):

        def read(dataset: Dataset, workers: int = workers) -> Callable[[], None]:
            loader = DataLoader(dataset, 64, shuffle=True, num_workers=workers)
            return lambda: [None for _ in loader] and None

        for epoch in (None, 0):
            if epoch is not None:
                wrapped.set_epoch(epoch)
            else:
                wrapped._epoch.fill_(-1)
            speed = paired(read(real), read(wrapped))
            seeded = ", seeded transforms (after set_epoch)" if epoch is not None else ""
            print(f"items/s of GANAugmentedDataset, {workers} workers{seeded}: {speed:.3f} x the plain one (aim: 0.95)")


if __name__ == "__main__":
    main()
