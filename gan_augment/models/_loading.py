"""Loads generators and discriminators from their folder, after strict checks of files, sizes and values."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .._core import CONFIG, one_line, read_config, read_file, read_tensors
from ._card import Card
from ._config import DiscriminatorConfig, GeneratorConfig
from ._discriminator import Discriminator
from ._generator import Generator
from ._layered import LayeredConfig, LayeredGenerator
from ._projected import FEATURE_MAPS, LEAST_SIDE, ProjectedConfig, ProjectedDiscriminator, build_discriminator
from ._sampling import draw_latents, eval_mode
from ._saving import CARD, DISCRIMINATOR, FILE_LIMITS, FINGERPRINTS, OPTIONAL_FILES, WEIGHTS

LARGEST = 1e30  # in float32, other images may overflow once a value comes near 3e38


def load_generator(folder: Path, *, pinned: bool = False) -> Generator:
    """Loads a generator in eval mode, on the CPU, in float32.

    Args:
        folder (Path): Folder that :func:`save_pretrained` wrote.
        pinned (bool): Whether a registry pins its hashes, so that the weights need no test. Default: False.

    Raises:
        FileNotFoundError: If the folder or a file other than the card is missing.
        ValueError: If a file does not match ``config.json``. The message names the file and the reason.

    Warns:
        UserWarning: If the card is missing or parts of it cannot be read.
    """
    config_file = _read_config(folder)
    given, files = config_file["generator"], config_file["files"]
    kind = LayeredConfig if isinstance(given, dict) and "layers" in given else GeneratorConfig
    with _usable(folder / CONFIG):
        config = kind.from_dict(given)
    with torch.device("meta"):  # only shapes: no memory or random numbers are used before the files are checked
        generator = LayeredGenerator(config) if isinstance(config, LayeredConfig) else Generator(config)
    _load_weights(generator, folder, WEIGHTS, files)
    generator.eval()
    if not pinned:
        with _usable(folder / WEIGHTS):
            _check_finite_images(generator)
    known = None
    if FINGERPRINTS in files:
        known = read_tensors(folder, FINGERPRINTS, files, None, FILE_LIMITS[FINGERPRINTS]).get("fingerprints")
        if known is None:
            raise ValueError(f"{folder / FINGERPRINTS} must hold a tensor 'fingerprints', but does not.")
    generator.card = _read_card(folder, known)
    return generator


def load_discriminator(folder: str | os.PathLike[str]) -> Discriminator | ProjectedDiscriminator | None:
    """Loads the discriminator from a generator's folder, in training mode, on the CPU, in float32.

    It returns None if the generator was saved without a discriminator.

    Args:
        folder (str or Path): Folder that :func:`save_pretrained` wrote.

    Raises:
        FileNotFoundError: If the folder or a file is missing.
        ValueError: If a file does not match ``config.json``. The message names the file and the reason.

    Example:
        >>> import tempfile
        >>> from gan_augment import save_pretrained
        >>> generator, discriminator = Generator(GeneratorConfig(16)), Discriminator(DiscriminatorConfig(16))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_pretrained(generator, folder, discriminator=discriminator)
        ...     again = load_discriminator(folder)
        >>> again.config == discriminator.config
        True
    """
    folder = Path(folder)
    config_file = _read_config(folder)
    if DISCRIMINATOR not in config_file["files"]:
        return None
    given = config_file["discriminator"]
    kind = ProjectedConfig if isinstance(given, dict) and "features" in given else DiscriminatorConfig
    with _usable(folder / CONFIG):
        config = kind.from_dict(given)
    with torch.device("meta"):
        discriminator = build_discriminator(config)
    _load_weights(discriminator, folder, DISCRIMINATOR, config_file["files"])
    labels = torch.zeros(1, dtype=torch.int64) if config.num_classes else None
    with _usable(folder / DISCRIMINATOR):
        if isinstance(discriminator, ProjectedDiscriminator):
            _check_finite_heads(discriminator, labels)
        else:
            check_finite(discriminator, torch.ones(1, config.channels, config.image_size, config.image_size), labels)
    return discriminator


def listed_files(folder: Path) -> list[str]:
    """Returns the names of the files that the ``config.json`` of a generator's folder lists.

    Raises:
        FileNotFoundError: If it is missing.
        ValueError: If it does not describe a generator.
    """
    return list(_read_config(folder)["files"])


def _read_config(folder: Path) -> dict[str, Any]:
    config = read_config(folder, ("generator", "discriminator"), WEIGHTS, OPTIONAL_FILES)
    if ("discriminator" in config) != (DISCRIMINATOR in config["files"]):
        raise ValueError(
            f"{folder / CONFIG} must have both 'discriminator' and {DISCRIMINATOR} under 'files', or neither."
        )
    return config


@contextmanager
def _usable(path: Path) -> Iterator[None]:
    """Names the file in an error about its content."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path} is not usable: {one_line(error)}") from None


def _load_weights(network: nn.Module, folder: Path, name: str, files: dict[str, Any]) -> None:
    tensors = read_tensors(folder, name, files, network.state_dict(), FILE_LIMITS[name])
    network.load_state_dict(tensors, assign=True)
    network.to(memory_format=torch.channels_last)


def _read_card(folder: Path, fingerprints: Tensor | None) -> Card:
    """Reads as much of the card as possible, since people edit it and the weights do not depend on it."""
    path, limit, text, problem = folder / CARD, FILE_LIMITS[CARD], "", None
    if not path.is_file():
        problem = "it is missing"
    elif path.stat().st_size > limit:
        problem = f"it is larger than {limit:,} bytes"
    else:
        text = read_file(folder, CARD, limit).decode("utf-8", errors="replace")
    card, wrong = Card.from_edited_readme(text, folder.name.encode(errors="replace").decode(), fingerprints)
    if problem or wrong:
        warnings.warn(
            f"{path} is not a complete card: {one_line(problem or wrong).rstrip('.')}. The readable parts are kept; "
            "the terms of the training data may be missing.",
            UserWarning,
            stacklevel=4,
        )
    return card


def check_finite(network: nn.Module, *inputs: Any) -> Any:
    """Runs a network once, checks that no layer overflows or comes close to it, and returns the output.

    Raises:
        ValueError: If the output of a layer is not finite or beyond 1e30. The message names the layer.
    """

    def check(name: str, _module: nn.Module, _inputs: Any, out: Any) -> None:
        known = isinstance(out, Tensor) and out.is_floating_point() and out.numel()
        if known and not all(abs(bound) < LARGEST for bound in out.detach().aminmax()):
            raise ValueError(f"Weights must give finite values, but those of {name or 'the network'} are too large.")

    # In inference mode, layers would prepare their weights for sampling, which takes longer than this check.
    with ExitStack() as hooks, torch.no_grad(), eval_mode(network):
        for name, module in network.named_modules():
            hooks.enter_context(module.register_forward_hook(partial(check, name)))
        return network(*inputs)


def _check_finite_heads(discriminator: ProjectedDiscriminator, labels: Tensor | None) -> None:
    """Does the same for what judges the features, without the network that computes them."""
    channels = FEATURE_MAPS[discriminator.config.features].channels
    sides = [LEAST_SIDE // 2 ** (level + 2) for level in range(len(channels))]
    maps = [torch.ones(1, count, side, side) for count, side in zip(channels, sides)]
    for head, each in zip(discriminator.heads, check_finite(discriminator.mixer, maps)):
        check_finite(head, each, labels, 1.0)


def _check_finite_images(generator: Generator) -> None:
    """Checks that an image does not overflow, drawn from the class whose weights stand out most."""
    labels = None
    if generator.num_classes:
        largest = torch.zeros(generator.num_classes)
        for module in generator.modules():
            if isinstance(module, nn.Embedding):
                rows = module.weight.detach().abs().amax(1).cpu().float()
                largest = torch.maximum(largest, rows / rows.median().clamp(min=1e-30))
        labels = largest.argmax()[None]
    check_finite(generator, draw_latents(generator, 1, 0, labels), labels)
