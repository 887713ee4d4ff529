"""Compares accuracy with ClassVariation to the same augmentation alone, and to elastic deformation.

    GAN_AUGMENT_DATA=folder python -m benchmarks.variation
    GAN_AUGMENT_DATA=folder python -m benchmarks.variation --data mnist --augment affine --splits 5 --seeds 1
    python -m benchmarks.variation --speed

Each split draws ``count`` images, 10 classes alike, out of the training set. The small CNN is trained on them for 400
steps of 64, and tested on the 10,000 test images. The arms differ only in what comes before the ordinary augmentation:

* ``alone``: nothing.
* ``elastic``: ``v2.ElasticTransform(alpha=30, sigma=4)`` on a share ``p`` of the images; eight images share a draw.
* ``varied``: ``ClassVariation.fit(images, labels, p=p)``.

Differences are paired by split and seed, in points. The 95% intervals are over splits.

``--speed`` only prints milliseconds on one thread, the median of 20 rounds in which all take turns: ClassVariation on a
batch of 64 uint8 and float images, and on one image; and ElasticTransform on the same batch, which gets one draw.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torchvision.transforms import v2

from gan_augment import ClassVariation
from gan_augment.evaluation import AUGMENTATIONS, accuracy, train_classifier
from gan_augment.studies import paired_difference

from .data import Data, fashion_mnist, mnist
from .few_images import draw
from .timing import in_turn

DATA: dict[str, Callable[[], Data]] = {"mnist": mnist, "fashion": fashion_mnist}
ARMS = ("alone", "elastic", "varied")
SHARING = 8  # images that share an elastic deformation, which takes as long for one image as for eight


def elastic(p: float) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Elastic deformation of a share of the images."""
    transform = v2.RandomApply([v2.ElasticTransform(alpha=30.0, sigma=4.0)], p)
    return lambda images, labels: (torch.cat([transform(each) for each in images.split(SHARING)]), labels)


def compare(data: Data, split: int, augment: str, options: argparse.Namespace) -> dict[str, list[float]]:
    """Accuracy of each arm in percent, for each seed."""
    rows = draw(data.labels, options.count, split)
    images, labels = data.train[rows], data.labels[rows]
    transforms = {"alone": None, "elastic": elastic(options.p)}
    if "varied" in options.arms:
        transforms["varied"] = ClassVariation.fit(images, labels, p=options.p, progress=False)
    ordinary, dtype = AUGMENTATIONS[augment], torch.bfloat16 if options.bf16 else None
    found: dict[str, list[float]] = {arm: [] for arm in options.arms}
    for seed in range(options.seeds):
        for arm, accuracies in found.items():
            model = train_classifier(
                images, labels, num_classes=10, steps=options.steps, seed=seed, mix=transforms[arm],
                augment=ordinary.images, blend=ordinary.blend(10), dtype=dtype,
            )  # fmt: skip
            with torch.autocast("cpu", dtype, enabled=options.bf16):
                accuracies.append(100 * accuracy(model, data.held_out, data.held_out_labels))
    return found


def print_speed() -> None:
    torch.set_num_threads(1)
    for channels, size in ((1, 28), (3, 32), (3, 64)):
        variation = ClassVariation(torch.randn(12, 2, 8, 8) / 20, torch.randn(4, channels, 8) / 10, p=1.0)
        images = torch.randint(256, (64, channels, size, size), dtype=torch.uint8)
        peer, floats = v2.ElasticTransform(alpha=30.0, sigma=4.0), images / 255
        works = {
            "uint8": partial(variation, images),
            "float": partial(variation, floats),
            "one": partial(variation, images[0]),
            "elastic": partial(peer, images),
        }
        times = in_turn(list(works.values()), rounds=20)
        medians = (f"{name} {1000 * statistics.median(each):.2f}" for name, each in zip(works, times))
        print(f"{channels} x {size} x {size}: {', '.join(medians)} ms", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=list(DATA), default=list(DATA))
    parser.add_argument("--augment", nargs="+", choices=list(AUGMENTATIONS), default=["affine", "affine-mix"])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS)
    parser.add_argument("--count", type=int, default=100, help="images of a split (default: 100)")
    parser.add_argument("--splits", type=int, default=3, help="number of splits (default: 3)")
    parser.add_argument("--first-split", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=2, help="number of classifiers of each arm (default: 2)")
    parser.add_argument("--steps", type=int, default=400, help="training steps (default: 400)")
    parser.add_argument("--p", type=float, default=0.5, help="share of the images that are changed (default: 0.5)")
    parser.add_argument("--bf16", action="store_true", help="train and test in bfloat16, where the processor is fast")
    parser.add_argument("--speed", action="store_true", help="only print how long a batch takes")
    options = parser.parse_args()
    if options.speed:
        print_speed()
        return
    data = {name: DATA[name]() for name in options.data}
    found: dict[tuple[str, str], list[dict[str, list[float]]]] = {}
    for split in range(options.first_split, options.first_split + options.splits):
        for name in options.data:
            for augment in options.augment:
                started = time.perf_counter()
                arms = compare(data[name], split, augment, options)
                found.setdefault((name, augment), []).append(arms)
                line = {
                    "data": name,
                    "augment": augment,
                    "split": split,
                    **arms,
                    "seconds": time.perf_counter() - started,
                }
                print(json.dumps(line), flush=True)
    for (name, augment), splits in found.items():
        means = {arm: [statistics.fmean(arms[arm]) for arms in splits] for arm in options.arms}
        print(f"{name}, {augment}: {', '.join(f'{arm} {statistics.fmean(each):.2f}' for arm, each in means.items())}")
        for arm in options.arms[1:] if options.splits > 1 else ():
            gain = paired_difference(means[arm], means[options.arms[0]])
            print(f"  {arm} - {options.arms[0]}: {gain.mean:+.2f} points ({gain.low:+.2f} to {gain.high:+.2f})")


if __name__ == "__main__":
    main()
