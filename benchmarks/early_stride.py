"""What the early stride of the small CNN saves at 64 px, and what it costs in accuracy.

    GAN_AUGMENT_DATA=DATA python -m benchmarks.early_stride

The first table shows the time of a training step with and without the stride, relative to a step at 32 px. The second
one shows the accuracy of both on held-out photographs and blood cells, and the paired difference over seeds.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch import Tensor

from gan_augment.evaluation import SmallCNN, accuracy, train_classifier
from gan_augment.studies import paired_difference

from .data import blood_cells, hymenoptera
from .timing import ratios

BATCH, TIMED = 64, 8  # images of a step, and steps of a measurement


def steps(side: int, early_stride: bool) -> None:
    images = torch.randint(0, 256, (BATCH, 3, side, side), dtype=torch.uint8)
    train(images, torch.arange(BATCH) % 4, TIMED, 0, early_stride)


def train(images: Tensor, labels: Tensor, count: int, seed: int, early_stride: bool) -> torch.nn.Module:
    def build(channels: int, classes: int) -> SmallCNN:
        return SmallCNN(channels, classes, early_stride=early_stride)

    return train_classifier(images, labels, num_classes=int(labels.max()) + 1, steps=count, seed=seed, build=build)


def cells(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """400 blood cells to train on and the others, of other photographs."""
    data, photos = blood_cells()
    names = sorted(set(photos))
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist()
    chosen = {names[index] for index in order[: len(names) // 2]}
    rows = torch.tensor([photo in chosen for photo in photos])
    assert data.labels is not None
    return data.train[rows], data.labels[rows], data.train[~rows], data.labels[~rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    for early_stride in (False, True):
        found = ratios(lambda: steps(32, False), lambda stride=early_stride: steps(64, stride), 7)
        slower = [1 / ratio for ratio in found]
        print(
            f"step at 64 px, early stride {early_stride}: {statistics.median(slower):.2f} x a step at 32 px", flush=True
        )
    photographs = hymenoptera()
    assert photographs.labels is not None
    assert photographs.held_out_labels is not None
    ants = (photographs.train, photographs.labels, photographs.held_out, photographs.held_out_labels)
    for name, data in (("photographs", lambda seed: ants), ("blood cells", cells)):
        scores: dict[bool, list[float]] = {False: [], True: []}
        for seed in range(options.seeds):
            images, labels, test, test_labels = data(seed)
            for early_stride in scores:
                started = time.perf_counter()
                model = train(images, labels, options.steps, seed, early_stride)
                scores[early_stride].append(100 * accuracy(model, test, test_labels))
                print(f"  {name}, seed {seed}, {early_stride}: {time.perf_counter() - started:.0f} s", flush=True)
        found = paired_difference(scores[True], scores[False])
        means = {key: statistics.fmean(values) for key, values in scores.items()}
        print(
            f"{name}: {means[False]:.2f}% without, {means[True]:.2f}% with early stride, difference "
            f"{found.mean:+.2f} ({found.low:+.2f} to {found.high:+.2f})"
        )


if __name__ == "__main__":
    main()
