"""Puts the networks of a finished run of train_zoo.py into the package's zoo, with their card.

    python -m examples.release_zoo dcgan-celeba-64 runs/celeba
    python -m examples.measure_zoo dcgan-celeba-64 --json figures.json
    python -m examples.release_zoo dcgan-celeba-64 gan_augment/hub/zoo/dcgan-celeba-64 --figures figures.json

Each call prints the hash to pin in ``gan_augment/hub/_registry.py``. The second adds what was measured to the card, and
changes no weight.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from gan_augment import save_pretrained
from gan_augment._core import config_sha256
from gan_augment.hub import REGISTRY
from gan_augment.models import load_discriminator, load_generator

from .zoo_entries import ENTRIES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=ENTRIES)
    parser.add_argument("run", type=Path, help="the run's folder, or that of a generator")
    parser.add_argument("--figures", type=Path, help="what examples.measure_zoo wrote")
    arguments = parser.parse_args()
    entry, registered = ENTRIES[arguments.name], REGISTRY[arguments.name]
    source = arguments.run / "generator" if (arguments.run / "generator").is_dir() else arguments.run
    generator, discriminator = load_generator(source), load_discriminator(source)
    if generator.card is None:
        raise SystemExit("The run's generator has no card.")
    generator.config = dataclasses.replace(generator.config, class_names=entry.class_names)
    generator.card = dataclasses.replace(
        generator.card,
        name=arguments.name,
        license=registered.license,
        datasets=entry.datasets,
        data={"terms": registered.data_terms, "commercial_use": registered.commercial_use, **entry.about},
        measured=json.loads(arguments.figures.read_text())["measured"] if arguments.figures else [],
    )
    save_pretrained(generator, registered.folder, discriminator=discriminator, half_precision=True)
    size = sum(file.stat().st_size for file in registered.folder.iterdir())
    print(f"{registered.folder}: {size:,} bytes, sha256 {config_sha256(registered.folder)}")


if __name__ == "__main__":
    main()
