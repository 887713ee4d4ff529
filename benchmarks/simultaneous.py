"""KID of networks that learn from the same pass over the images, against networks that take turns.

    GAN_AUGMENT_DATA=DATA python -m benchmarks.simultaneous --data digits faces --steps 2000 --seeds 0 1 2 3

For each seed, two runs start from the same weights. In one, the networks take turns for so many steps. In the other,
both learn from the same pass: for as many steps, and for as long as the first run. How long a step takes is measured
in turn, so that both runs are the same on a busy machine. Learning rates are constant, so that the runs can be compared
at any step.

KID compares samples with held-out images, in the features of a classifier of the data's own labels (``labels``) and in
those of ``--features``. Lower is better. The table has the mean over seeds, the standard deviation, and the mean
difference to taking turns with its 95% confidence interval.
"""

from __future__ import annotations

import argparse
import copy
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from torch.utils.data import Subset

from gan_augment import Generator
from gan_augment.data import TrainingImages
from gan_augment.evaluation import train_classifier
from gan_augment.metrics import ClassifierFeatures, FeatureNetwork, kid, load_features
from gan_augment.studies import paired_difference
from gan_augment.training import Recipe, get_recipe
from gan_augment.training._trainer import Trainer

from .data import Data, celeba, fashion_mnist, mnist
from .options import add_set
from .timing import ratios

SAMPLES, HELD_OUT, IMAGES = 500, 1000, 10_000
WAYS = ("taking turns", "same pass, equal steps", "same pass, equal time")
DATA: dict[str, tuple[Callable[[], Data], str]] = {
    "digits": (mnist, "conditional-light"),
    "clothes": (fashion_mnist, "conditional-light"),
    "faces": (partial(celeba, HELD_OUT, 32, ("Male", "Smiling")), "small-light"),
}


def images_of(data: Data, recipe: Recipe) -> TrainingImages:
    """The first images as a trainer reads them."""
    some = Subset(data.dataset(), range(min(len(data.train), IMAGES)))
    return TrainingImages.from_dataset(
        some, recipe.image_size, "resize", conditional=recipe.conditional, progress=False
    )


def time_ratio(images: TrainingImages, recipe: Recipe) -> float:
    """The time of a step in turns, divided by that of a step of both networks from the same pass."""
    turns, both = (Trainer(images, replace(recipe, simultaneous=same), 0) for same in (False, True))
    return statistics.median(ratios(lambda: turns.step(0.0), lambda: both.step(0.0), rounds=15, repeats=4))


def trained(images: TrainingImages, recipe: Recipe, seed: int, steps: Sequence[int]) -> list[Generator]:
    """The averaged generators after these numbers of steps, which rise."""
    trainer, kept = Trainer(images, recipe, seed), list[Generator]()
    for number in steps:
        while trainer.step_number < number:
            trainer.step(0.0)
        kept.append(copy.deepcopy(trainer.averaged_generator()))
    return kept


def compare(name: str, steps: int, seeds: list[int], features: FeatureNetwork, fields: dict[str, Any]) -> None:
    """Trains on one data set, and prints each KID and then the table."""
    load, base = DATA[name]
    data = load()
    recipe = get_recipe(base, image_size=data.train.shape[-1], cooldown=0.0, **fields)
    images = images_of(data, recipe)
    judge = train_classifier(data.train, data.labels, num_classes=int(data.labels.max()) + 1)
    networks: list[FeatureNetwork] = [ClassifierFeatures(judge, "labels"), features]
    real = [network(data.held_out[:HELD_OUT]) for network in networks]
    ratio = time_ratio(images, recipe)
    print(f"{name}: {recipe}, {steps} steps; a step in turns takes {ratio:.2f} x the time", flush=True)
    found: dict[tuple[str, str], list[float]] = {}
    for seed in seeds:
        made = trained(images, replace(recipe, simultaneous=False), seed, [steps])
        made += trained(images, replace(recipe, simultaneous=True), seed, [steps, round(steps * ratio)])
        for way, generator in zip(WAYS, made):
            samples = generator.sample(SAMPLES, seed=0)
            for network, held_out in zip(networks, real):
                value = kid(held_out, network(samples)).value
                found.setdefault((network.name, way), []).append(value)
                print(f"  seed {seed}, {network.name}, {way}: {value:.5f}", flush=True)
    print_table(found)


def print_table(found: dict[tuple[str, str], list[float]]) -> None:
    """Prints a row for each network and way."""
    for (network, way), values in found.items():
        row = f"| {network} | {way} | {statistics.fmean(values):.5f} ±{statistics.stdev(values):.5f} |"
        if way != WAYS[0]:
            change = paired_difference(values, found[network, WAYS[0]])
            row += f" {change.mean:+.5f} ({change.low:+.5f} to {change.high:+.5f}) |"
        print(row, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=DATA, nargs="+", default=["digits", "faces"])
    parser.add_argument("--features", default="efficientnet-lite0")
    parser.add_argument("--steps", type=int, default=2000, help="of the run in turns")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="two or more")
    add_set(parser, "a field of the recipe")
    options = parser.parse_args()
    features = load_features(options.features)
    for name in options.data:
        compare(name, options.steps, options.seeds, features, dict(options.set))


if __name__ == "__main__":
    main()
