"""Puts the networks of a finished run of train_zoo.py into the zoo, with their card, and pins them.

    python -m tools.release_zoo dcgan-celeba-64 runs/celeba
    python -m tools.measure_zoo dcgan-celeba-64 --json figures.json
    python -m tools.release_zoo dcgan-celeba-64 zoo/faces/gan_augment_faces/dcgan-celeba-64 --figures figures.json
    gan-augment push --zoo org --public
    python -m tools.release_zoo dcgan-celeba-64 --hub org/dcgan-celeba-64@COMMIT

The first writes the files and pins their hash in ``zoo.json``. The second call adds what was measured to the card, and
changes no weight. The last pins the repository and the commit that ``push`` printed, so that the generator can be
downloaded if its package is not installed. ``--discriminator`` ships the discriminator of another folder: a projected
one would ask everybody who fine-tunes the generator for the extra ``eval``.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from gan_augment import save_pretrained
from gan_augment._core import config_sha256
from gan_augment.models import load_discriminator, load_generator

from .zoo_entries import ENTRIES

ROOT = Path(__file__).parents[1]
CORE = ROOT / "gan_augment/hub/zoo/zoo.json"
FACES = ROOT / "zoo/faces/gan_augment_faces/zoo.json"
COPIES = {FACES: ROOT / "gan_augment/hub/zoo/faces.json"}  # by which gan-augment knows what it does not ship


def find(name: str) -> tuple[Path, dict[str, object]]:
    """The zoo.json that lists a generator, and what it says."""
    for path in (CORE, FACES):
        content = json.loads(path.read_text(encoding="utf-8"))
        if any(entry["name"] == name for entry in content["generators"]):
            return path, content
    raise SystemExit(f"Add an entry for {name} to {CORE} or {FACES} first.")


def release(
    name: str, run: Path, judge: Path | None, figures: Path | None, registered: dict[str, object], target: Path
) -> None:
    """Writes the files of an entry."""
    entry = ENTRIES[name]
    source = run / "generator" if (run / "generator").is_dir() else run
    generator, discriminator = load_generator(source), load_discriminator(judge or source)
    if generator.card is None:
        raise SystemExit("The run's generator has no card.")
    generator.config = dataclasses.replace(generator.config, class_names=entry.class_names)
    generator.card = dataclasses.replace(
        generator.card,
        name=name,
        license=str(registered["license"]),
        datasets=entry.datasets,
        data={"terms": registered["data_terms"], "commercial_use": registered["commercial_use"], **entry.about},
        measured=json.loads(figures.read_text())["measured"] if figures else [],
    )
    save_pretrained(generator, target, discriminator=discriminator, half_precision=True)
    print(f"{target}: {sum(file.stat().st_size for file in target.iterdir()):,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=ENTRIES)
    parser.add_argument("run", type=Path, nargs="?", help="the run's folder, or that of a generator")
    parser.add_argument("--discriminator", type=Path, help="folder of a generator whose discriminator is shipped")
    parser.add_argument("--figures", type=Path, help="what tools.measure_zoo wrote")
    parser.add_argument("--hub", metavar="ORG/NAME@COMMIT", help="where it was published")
    arguments = parser.parse_args()
    path, content = find(arguments.name)
    registered = next(entry for entry in content["generators"] if entry["name"] == arguments.name)
    folder = path.parent / arguments.name
    if arguments.run:
        release(arguments.name, arguments.run, arguments.discriminator, arguments.figures, registered, folder)
        registered.pop("hub", None)  # which has the earlier files
    registered["sha256"] = config_sha256(folder)
    if arguments.hub:
        registered["hub"] = arguments.hub
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    for each in {path, COPIES.get(path, path)}:
        each.write_text(text, encoding="utf-8")
        print(f"{each}: sha256 {registered['sha256']}")


if __name__ == "__main__":
    main()
