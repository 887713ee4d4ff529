"""Moving a generator to a few images of another kind: fine-tuned against from scratch, for the same time.

    GAN_AUGMENT_DATA=DATA python -m benchmarks.finetuning --init FOLDER --minutes 15 --out OUT

FOLDER is a pretrained generator of faces at 64 px with its discriminator, such as ``small/generator`` in what
``recipes.py --case celeba`` wrote. All runs train on the same 500 anime faces; KID and the rest are against others,
which no run has seen. "real" is further anime faces in the place of samples: the floor. "init" is the pretrained
generator as it is.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gan_augment import fit, from_pretrained
from gan_augment.metrics import load_features
from gan_augment.training import get_recipe

from .data import anime_faces
from .options import add_set_of_tiny, fields_of
from .recipes import Trained, record, sample_generator, summarize


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--init", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=15.0, help="of training, for each run")
    parser.add_argument("--recipes", default="tiny,small", help="names, separated by commas")
    add_set_of_tiny(parser)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder for runs, grids and figures; new")
    parser.add_argument("--n", type=int, default=1000, help="samples, and held-out images")
    options = parser.parse_args()
    if options.out.exists():
        parser.error(f"{options.out} must be new, but exists")
    return options


def main() -> None:
    options = parse()
    options.out.mkdir(parents=True)
    data = anime_faces(500, options.seed)
    further = data.held_out[options.n : 2 * options.n]
    networks = [load_features("efficientnet-lite0")]
    rows: list[dict[str, Any]] = []

    def add(trained: Trained) -> None:
        record(trained, rows, data, networks, "anime", options)

    start = from_pretrained(options.init)
    add(Trained("real", further, 0, 0, 0))
    add(Trained("init", sample_generator(start, data, options)[0], 0, 0, 0))
    for recipe, init in [(recipe, init) for recipe in options.recipes.split(",") for init in (options.init, None)]:
        name = f"{recipe} {'from scratch' if init is None else 'fine-tuned'}"
        result = fit(
            data.dataset(), recipe, init=init, budget=options.minutes * 60, out=options.out / name.replace(" ", "-"),
            seed=options.seed, progress=False, image_size=64, flip=True,
            **fields_of(recipe, options),
        )  # fmt: skip
        images = sample_generator(result.generator, data, options)[0]
        steps, note = result.steps, f"kept step {result.kept_step}"
        add(Trained(name, images, result.seconds, steps, get_recipe(recipe).batch_size, note=note))
    summarize(rows, networks)


if __name__ == "__main__":
    main()
