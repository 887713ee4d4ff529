"""Saves a generator to its folder: ``config.json``, weights, card, picture, fingerprints and discriminator."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from .._core import CONFIG, FORMAT, MAX_CONFIG, MAX_WEIGHTS, listing, stored_tensors, write_files
from .._version import __version__
from ._card import Card
from ._sampling import card_grid

if TYPE_CHECKING:
    from ._discriminator import Discriminator
    from ._generator import Generator
    from ._projected import ProjectedDiscriminator

WEIGHTS = "generator.safetensors"
CARD = "README.md"
FINGERPRINTS = "fingerprints.safetensors"
DISCRIMINATOR = "discriminator.safetensors"
GRID = "grid.png"
OPTIONAL_FILES = {FINGERPRINTS, DISCRIMINATOR, GRID}
FILE_LIMITS = {
    CONFIG: MAX_CONFIG,
    CARD: 2**20,
    WEIGHTS: MAX_WEIGHTS,
    FINGERPRINTS: 2**27,
    DISCRIMINATOR: MAX_WEIGHTS,
    GRID: 2**25,
}


def save_pretrained(
    generator: Generator,
    folder: str | os.PathLike[str],
    *,
    discriminator: Discriminator | ProjectedDiscriminator | None = None,
    half_precision: bool = False,
) -> None:
    """Writes a generator to a folder that :func:`from_pretrained` reads.

    Args:
        generator (Generator): The generator, with its card if it has one.
        folder (str or Path): Created if it is missing; files of an earlier generator in it are replaced.
        discriminator (Discriminator or ProjectedDiscriminator, optional): The discriminator it was trained against, for
            further training; see :func:`load_discriminator`.
        half_precision (bool): Whether to store the weights as float16, in half the space. Default: False.

    Raises:
        ValueError: If a weight is not finite, or would not be finite in half precision; if the discriminator has a
            different image size or number of channels; or if the card is too long.

    Example:
        >>> import tempfile
        >>> from gan_augment import Generator, GeneratorConfig
        >>> generator = Generator(GeneratorConfig(image_size=16))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     generator.save_pretrained(folder)
        ...     again = Generator.from_pretrained(folder)
        >>> bool((again.sample(2, seed=0) == generator.sample(2, seed=0)).all())
        True
    """
    from safetensors.torch import save

    card = generator.card or Card(name="generator")
    contents = {WEIGHTS: save(stored_tensors(generator, half_precision))}
    networks = {"generator": generator.config.to_dict()}
    if discriminator is not None:
        for name in ("image_size", "channels"):
            ours, theirs = getattr(generator.config, name), getattr(discriminator.config, name)
            if ours != theirs:
                raise ValueError(
                    f"The discriminator's {name} must be the generator's {ours}, but got {theirs} instead."
                )
        contents[DISCRIMINATOR] = save(stored_tensors(discriminator, half_precision))
        networks["discriminator"] = discriminator.config.to_dict()
    if card.fingerprints is not None:
        contents[FINGERPRINTS] = save({"fingerprints": card.fingerprints})
    stored = copy.deepcopy(generator).half().float() if half_precision else generator
    contents[GRID] = card_grid(stored)  # drawn with the weights as they will be loaded
    config = {"format": FORMAT, "gan_augment": __version__, **networks, "files": listing(contents)}
    contents[CARD] = card.to_readme(generator.config, GRID).encode()
    contents[CONFIG] = (json.dumps(config, indent=2) + "\n").encode()
    write_files(Path(folder), contents, OPTIONAL_FILES)
