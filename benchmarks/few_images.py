"""What a recipe for few images is worth: coverage, agreement and copies, and whether mixing its samples in helps.

    GAN_AUGMENT_DATA=folder python -m benchmarks.few_images --data fashion --count 365 --budget 10m
    GAN_AUGMENT_DATA=folder python -m benchmarks.few_images --data mnist --count 100 --budget 5m --draws 5 --mix
    GAN_AUGMENT_DATA=folder python -m benchmarks.few_images --data cifar --set 'reconstruction="perceptual"'

Each draw takes ``count`` images, the classes alike, out of the training set, and fits a generator to them.

* GAN-train: a classifier trained on samples alone, tested on the test images; beside it the same classifier
  trained on the real images of the draw, with the same steps and ordinary augmentation.
* Agreement: share of samples that a classifier trained on all real training images gives the class asked for.
* Diversity within classes: the root mean square distance of two samples of a class in that classifier's
  features, relative to that of two real test images of it.
* Nearest: median distance in pixels of a sample to its nearest training image, relative to that of test images.
* Mixing: accuracy with ``ratio`` of each batch synthetic, less that without, over the same classifier seeds;
  the interval is over draws.

Ordinary augmentation is a shift of up to 2 px and, except for digits and X-rays, a horizontal flip.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gan_augment import Generator, SyntheticMix, SyntheticPool, fit
from gan_augment.evaluation import SmallCNN, accuracy, predict, train_classifier
from gan_augment.metrics import ClassifierFeatures, copy_report, diversity_report
from gan_augment.models import sample_grid
from gan_augment.studies import paired_difference

from .data import (
    FACES_HELD_OUT,
    Data,
    celeba,
    cifar10,
    fashion_mnist,
    hymenoptera,
    mnist,
    pneumonia,
    split_cells,
)
from .options import add_set

POOL, STEPS, JUDGE_STEPS = 10_000, 600, 3_000
SETS: dict[str, Callable[[], Data]] = {
    "fashion": fashion_mnist,
    "mnist": mnist,
    "cifar": cifar10,
    "cells": split_cells,
    "hymenoptera": hymenoptera,
    "celeba": lambda: celeba(FACES_HELD_OUT, attributes=("Male", "Smiling")),
    "pneumonia": pneumonia,
}
UNFLIPPED = ("mnist", "pneumonia")


def draw(labels: Tensor, count: int, seed: int) -> Tensor:
    """Indices of ``count`` images, as many of each class as can be."""
    rng = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=rng)
    number = int(labels.max()) + 1
    shares = [count // number + (index < count % number) for index in range(number)]
    return torch.cat([order[labels[order] == label][:share] for label, share in enumerate(shares)])


def shift(images: Tensor) -> Tensor:
    """Each image of a batch by its own -2 to 2 px."""
    n, _, height, width = images.shape
    offsets = torch.randint(0, 5, (2, n, 1))
    rows = (offsets[0] + torch.arange(height))[:, None, :, None]
    columns = (offsets[1] + torch.arange(width))[:, None, None, :]
    batch, channel = torch.arange(n)[:, None, None, None], torch.arange(images.shape[1])[None, :, None, None]
    return F.pad(images, [2] * 4)[batch, channel, rows, columns]


def flip_and_shift(images: Tensor) -> Tensor:
    """The same after a horizontal flip of half of them."""
    return shift(torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images.flip(3), images))


def gan_train(samples: Tensor, asked: Tensor, data: Data, augment: Any, classifiers: int) -> list[float]:
    """Accuracy in percent of classifiers that are trained on samples only, one for each seed."""
    trained = (
        train_classifier(samples, asked, num_classes=int(asked.max()) + 1, steps=STEPS, augment=augment, seed=seed)
        for seed in range(classifiers)
    )
    return [100 * accuracy(model, data.held_out, data.held_out_labels) for model in trained]


def measure(generator: Generator, data: Data, rows: Tensor, judge: SmallCNN, options: Any) -> dict[str, Any]:
    """All figures of one generator."""
    images, labels, test, test_labels = data.train, data.labels, data.held_out, data.held_out_labels
    augment, number = shift if options.data in UNFLIPPED else flip_and_shift, generator.num_classes
    common = {"num_classes": number, "steps": STEPS, "augment": augment}
    asked = torch.arange(POOL) % number
    samples = generator.sample(POOL, asked, seed=1)
    copies = copy_report(images[rows], samples[:2000], test[:2000], flips=False)
    held_out = copy_report(images[rows], test[:2000], flips=False)
    figures: dict[str, Any] = {
        "agreement": 100 * float((predict(judge, samples) == asked).float().mean()),
        "diversity": diversity_report(
            test[:2000], samples[:2000], test_labels[:2000], asked[:2000], ClassifierFeatures(judge)
        ).relative,
        "nearest": copies.distance / held_out.distance,
        "near_copies": copies.near_copies,
        "near_copies_expected": copies.expected,
    }
    control, mixed = [], []
    mix = SyntheticMix(SyntheticPool(samples, asked), ratio=options.ratio)
    for seed in range(options.classifiers):
        real = train_classifier(images[rows], labels[rows], seed=seed, **common)
        control.append(accuracy(real, test, test_labels))
        if options.mix:
            both = train_classifier(images[rows], labels[rows], seed=seed, mix=mix, **common)
            mixed.append(accuracy(both, test, test_labels))
    figures["gan_train"] = statistics.fmean(gan_train(samples, asked, data, augment, options.classifiers))
    figures["real"] = 100 * statistics.fmean(control)
    if mixed:
        figures["gains"] = [100 * (b - a) for a, b in zip(control, mixed)]
        figures["gain"] = statistics.fmean(figures["gains"])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=SETS, default="fashion")
    parser.add_argument("--count", type=int, default=365)
    parser.add_argument("--recipe", default="tiny-conditional")
    parser.add_argument("--budget", default="10m")
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--first-draw", type=int, default=0)
    parser.add_argument("--classifiers", type=int, default=3, help="classifier seeds for each figure")
    parser.add_argument("--ratio", type=float, default=0.5)
    parser.add_argument("--mix", action="store_true", help="also train classifiers on real and synthetic images")
    add_set(parser, "a field of the recipe")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    data = SETS[options.data]()
    images, labels, test, test_labels = data.train, data.labels, data.held_out, data.held_out_labels
    augment = shift if options.data in UNFLIPPED else flip_and_shift
    judge = train_classifier(images, labels, num_classes=int(labels.max()) + 1, steps=JUDGE_STEPS, augment=augment)
    print(f"judge, on {len(images):,} real images: {100 * accuracy(judge, test, test_labels):.2f} %", flush=True)
    results = []
    for number in range(options.first_draw, options.first_draw + options.draws):
        rows = draw(labels, options.count, number)
        dataset = [(images[row], int(labels[row])) for row in rows]
        started = time.perf_counter()
        fitted = fit(
            dataset, options.recipe, image_size=images.shape[-1], resize_mode="resize", budget=options.budget,
            seed=number, progress=False, **dict(options.set),
        )  # fmt: skip
        seconds = time.perf_counter() - started
        figures = measure(fitted.generator, data, rows, judge, options)
        results.append({"draw": number, "steps": fitted.steps, "seconds": seconds, "losses": fitted.losses, **figures})
        print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in results[-1].items()}), flush=True)
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            sample_grid(fitted.generator).save(options.out / f"{options.data}-{options.count}-{number}.png")
            text = json.dumps({"options": vars(options), "results": results}, indent=2, default=str)
            (options.out / f"{options.data}-{options.count}.json").write_text(text + "\n")
    for name in ("gan_train", "real", "agreement", "diversity", "nearest"):
        print(f"{name}: {statistics.fmean(result[name] for result in results):.3f}")
    if options.mix and len(results) > 1:
        gain = paired_difference([result["gain"] for result in results], [0.0] * len(results))
        print(
            f"gain of ratio {options.ratio}: {gain.mean:+.2f} points, 95 % interval {gain.low:+.2f} to {gain.high:+.2f}"
        )


if __name__ == "__main__":
    main()
