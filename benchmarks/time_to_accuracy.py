"""How accuracy grows with the budget of a fit to few images.

    GAN_AUGMENT_DATA=folder python -m benchmarks.time_to_accuracy --budgets 30s 60s 120s --draws 2
    GAN_AUGMENT_DATA=folder python -m benchmarks.time_to_accuracy --data mnist --budgets 60s --set batch_size=32

Each draw takes ``count`` images, the same number of each class, out of the training set. For each budget, a generator
is fitted to them, and a classifier is trained on its samples only. The accuracy on the 10,000 test images is GAN-train
of ``benchmarks.few_images``. A budget is wall-clock time, so nothing else must run meanwhile. ``--steps`` fits for a
number of steps instead: a loaded machine then changes the seconds, and not the accuracy.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import torch

from gan_augment import fit

from .data import fashion_mnist, mnist
from .few_images import POOL, draw, flip_and_shift, gan_train, shift
from .options import add_set

DATA = {"mnist": (mnist, shift), "fashion": (fashion_mnist, flip_and_shift)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=list(DATA), nargs="+", default=list(DATA))
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--recipe", default="tiny-conditional")
    lengths = parser.add_mutually_exclusive_group()
    lengths.add_argument("--budgets", nargs="+", default=["30s", "60s", "120s"])
    lengths.add_argument("--steps", type=int, nargs="+", help="steps of each fit, instead of its budget")
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--first-draw", type=int, default=0)
    parser.add_argument("--classifiers", type=int, default=2, help="classifier seeds for each generator")
    add_set(parser, "a field of the recipe")
    parser.add_argument("--out", type=Path, help="file to which a line of JSON is added for each fit")
    options = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)  # on budgets that are too short, which are of interest here
    limits: list[dict[str, Any]] = [{"budget": each} for each in options.budgets]
    if options.steps:
        limits = [{"steps": each} for each in options.steps]
    for name in options.data:
        read, augment = DATA[name]
        data = read()
        for limit in limits:
            means = []
            for number in range(options.first_draw, options.first_draw + options.draws):
                rows = draw(data.labels, options.count, number)
                dataset = [(data.train[row], int(data.labels[row])) for row in rows]
                started = time.perf_counter()
                fitted = fit(
                    dataset, options.recipe, image_size=28, resize_mode="resize", seed=number, progress=False,
                    **limit, **dict(options.set),
                )  # fmt: skip
                seconds = time.perf_counter() - started
                asked = torch.arange(POOL) % 10
                samples = fitted.generator.sample(POOL, asked, seed=1)
                found = gan_train(samples, asked, data, augment, options.classifiers)
                means.append(statistics.fmean(found))
                result = {
                    "data": name, "draw": number, **limit, "set": dict(options.set), "steps": fitted.steps,
                    "seconds": round(seconds, 2), "loss": round(fitted.losses["reconstruction"], 4),
                    "accuracies": [round(each, 2) for each in found],
                }  # fmt: skip
                print(json.dumps(result), flush=True)
                if options.out is not None:
                    with options.out.open("a") as file:
                        file.write(json.dumps(result) + "\n")
            spread = f" (of draws: {min(means):.2f} to {max(means):.2f})"
            print(f"{name}, {', '.join(map(str, limit.values()))}: {statistics.fmean(means):.2f} %{spread}", flush=True)


if __name__ == "__main__":
    main()
