"""Writes pools and samples as zip files, with a text that describes them."""

from __future__ import annotations

import re
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from .._core import write_aside
from .._version import __version__
from ..models import Generator
from ..synthesis import SyntheticPool, UpscaledSource, Upscaler, export_images

FORMATS = ("images", "pool")
_USE = {
    "images": "Each class is a folder of PNG files; `torchvision.datasets.ImageFolder` reads them.",
    "pool": 'Unpack the file, and mix it in with `SyntheticMix("pool", ratio=0.25)`.',
}


def write_pool_zip(
    generator: Generator,
    name: str,
    folder: Path,
    *,
    count: int,
    label: int | None = None,
    seed: int = 0,
    kind: str = "images",
    upscaler: Upscaler | None = None,
) -> Path:
    """Draws images and writes them as a zip file, with the card of the generator and a text.

    Args:
        generator (Generator): The generator.
        name (str): Its name.
        folder (Path): Folder of the file.
        count (int): Number of images.
        label (int, optional): Class of all images. Default: the classes in turn.
        seed (int): Seed. Default: 0.
        kind (str): ``"images"`` for marked PNG files, or ``"pool"`` for :meth:`SyntheticPool.load`. Default:
            ``"images"``.
        upscaler (Upscaler, optional): Enlarges the images.

    Returns:
        Path: The file.

    Raises:
        ValueError: If an argument is out of range.
    """
    if kind not in FORMATS:
        raise ValueError(f"The format must be one of {FORMATS}, but got {kind!r} instead.")
    source: Any = generator if upscaler is None else UpscaledSource(generator, upscaler)
    label = label if generator.num_classes else None
    stem = re.sub(r"[^\w.@-]+", "-", name)  # names on the Hub have a slash, and folders may have signs of addresses
    path = folder / f"{stem}-{count}-synthetic-{kind}.zip"
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        place = Path(temporary)
        if kind == "pool":
            SyntheticPool.generate(source, count, labels=label, seed=seed, out=place / "pool", progress=False)
        else:
            export_images(source, place / "images", count, labels=label, seed=seed)
        (place / "README.md").write_text(_about(name, count, seed, kind, upscaler), encoding="utf-8")
        if generator.card is not None:
            (place / "CARD.md").write_text(generator.card.to_readme(generator.config), encoding="utf-8")
        with write_aside(path) as aside, zipfile.ZipFile(aside, "w") as archive:  # PNG files are compressed already
            compression = zipfile.ZIP_DEFLATED if kind == "pool" else zipfile.ZIP_STORED
            for file in sorted(each for each in place.rglob("*") if each.is_file()):
                archive.write(file, file.relative_to(place), compression)
    return path


def _about(name: str, count: int, seed: int, kind: str, upscaler: Upscaler | None) -> str:
    enlarged = f", enlarged {upscaler.scale} times by {upscaler.name}" if upscaler else ""
    return (
        f"# Synthetic images\n\nAll {count:,} images are synthetic. gan-augment {__version__} drew them from the "
        f"generator {name} with seed {seed}{enlarged}. Say so when you publish or share one.\n\n{_USE[kind]}\n\n"
        "CARD.md states the training data, the licence, the terms and the limits of the generator.\n"
    )
