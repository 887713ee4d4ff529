r"""Trains a generator of the zoo on images that are not shipped.

    GAN_AUGMENT_DATA=... python -m tools.train_zoo dcgan-celeba-64 runs/celeba --budget 3h
    GAN_AUGMENT_DATA=... python -m tools.train_zoo dcgan-celeba-64 runs/faces --init runs/celeba/generator \
        --set 'discriminator="projected"' --set discriminator_width=32 --budget 65m

Run it again on the same folder to go on after a stop. ``--init`` goes on from an earlier generator, such as the one in
the zoo. ``--set`` changes a field of the recipe. ``zoo_entries.py`` has the data and the settings.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.options import add_set
from gan_augment import fit, resume

from .zoo_entries import ENTRIES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=ENTRIES)
    parser.add_argument("out", type=Path)
    parser.add_argument("--budget", default="60m", help="of training, with what was trained before a stop")
    parser.add_argument("--init", help="a zoo name or folder to go on from")
    add_set(parser, "a field of the recipe")
    arguments = parser.parse_args()
    entry = ENTRIES[arguments.name]
    images = entry.load().dataset()
    if (arguments.out / "config.json").exists():
        result = resume(arguments.out, images, budget=arguments.budget)
    else:
        settings = {**entry.overrides, "steps": 1_000_000, **dict(arguments.set)}
        result = fit(images, entry.recipe, init=arguments.init, budget=arguments.budget, out=arguments.out, **settings)
    print(f"{result.steps} steps in {result.seconds:.0f} s; kept step {result.kept_step}: {result.losses}")
    print("\n".join(result.findings))


if __name__ == "__main__":
    main()
