"""KID of networks that learn from the same pass over the images, against networks that take turns.

    GAN_AUGMENT_DATA=DATA python -m benchmarks.simultaneous --data faces --seconds 80 --seeds 0 1

For each seed, the networks first take turns for so many seconds of training. Then both learn from the same pass for as
many seconds, and are also measured after as many steps. Learning rates are constant, so that the two can be compared at
any step. The real images of KID were held out. ``--features random-convolutions`` measures faster and says less.
"""

from __future__ import annotations

import argparse
import copy
import time
from dataclasses import replace

from torch import Tensor
from torch.utils.data import Subset

from gan_augment import Generator
from gan_augment.metrics import Estimate, FeatureNetwork, kid, load_features
from gan_augment.training import Recipe, get_recipe
from gan_augment.training._data import TrainingImages
from gan_augment.training._trainer import Trainer

from .data import celeba, mnist

SAMPLES, HELD_OUT, IMAGES = 1000, 1000, 10_000


def trained(
    images: TrainingImages, recipe: Recipe, seed: int, seconds: float, at: int = 0
) -> tuple[int, list[Generator]]:
    """Returns the steps of so many seconds, and the averaged generators after ``at`` steps and at the end."""
    trainer, kept, spent = Trainer(images, recipe, seed), list[Generator](), 0.0
    while spent < seconds or trainer.step_number <= at:
        started = time.perf_counter()
        trainer.step(0.0)
        spent += time.perf_counter() - started
        if trainer.step_number == at:
            kept.append(copy.deepcopy(trainer.averaged_generator()))
    return trainer.step_number, [*kept, trainer.averaged_generator()]


def quality(generator: Generator, real: Tensor, features: FeatureNetwork) -> Estimate:
    """The KID of samples, whose classes come equally often, against features of real images."""
    return kid(real, features(generator.sample(SAMPLES, seed=0)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=("digits", "faces"), required=True)
    parser.add_argument("--features", default="efficientnet-lite0")
    parser.add_argument("--seconds", type=float, default=80.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    digits = options.data == "digits"
    data, name, size = (mnist(), "conditional-light", 28) if digits else (celeba(HELD_OUT), "small-light", 64)
    recipe = get_recipe(name, image_size=size, cooldown=0.0)
    dataset = Subset(data.dataset(), range(min(len(data.train), IMAGES)))
    images = TrainingImages.from_dataset(dataset, size, "resize", conditional=recipe.conditional, progress=False)
    features = load_features(options.features)
    real = features(data.held_out[:HELD_OUT])
    for seed in options.seeds:
        steps, (turns,) = trained(images, replace(recipe, simultaneous=False), seed, options.seconds)
        both = replace(recipe, simultaneous=True)
        further, (same, longer) = trained(images, both, seed, options.seconds, at=steps)
        print(f"{options.data}, seed {seed}, {name}, {options.seconds:g} s of training each")
        for way, generator in (
            (f"taking turns, {steps} steps", turns),
            (f"same pass, {steps} steps", same),
            (f"same pass, {further} steps", longer),
        ):
            found = quality(generator, real, features)
            print(f"  {way}: KID {found.value:.4f} ±{found.spread:.4f}", flush=True)


if __name__ == "__main__":
    main()
