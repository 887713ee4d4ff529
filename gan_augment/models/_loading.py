"""Loads generators and discriminators from their folder, after strict checks of files, sizes and values."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from .._core import CONFIG, one_line, read_config, read_file, read_tensors
from ._card import Card
from ._config import DiscriminatorConfig, GeneratorConfig
from ._discriminator import Discriminator
from ._folder import CARD, DISCRIMINATOR, FILE_LIMITS, FINGERPRINTS, OPTIONAL_FILES, WEIGHTS
from ._generator import Generator
from ._layered import LayeredConfig, LayeredGenerator
from ._sampling import draw_latents, eval_mode

LARGEST = 1e30  # in float32, other images may overflow once a value comes near 3e38

_Config = TypeVar("_Config", GeneratorConfig, DiscriminatorConfig)


def load_generator(folder: Path, *, pinned: bool = False) -> Generator:
    """Loads a generator in eval mode, on the CPU, in float32.

    Args:
        folder (Path): Folder that :func:`save_pretrained` wrote.
        pinned (bool): Whether a registry pins its hashes. Then the weights are not tested. Default: False.

    Raises:
        FileNotFoundError: If the folder or a file other than the card is missing.
        ValueError: If a file does not match ``config.json``. The message names the file and the reason.

    Warns:
        UserWarning: If the card is missing or parts of it cannot be read.
    """
    config_file = _read_config(folder)
    given = config_file["generator"]
    kind = LayeredConfig if isinstance(given, dict) and "layers" in given else GeneratorConfig
    config = _network_config(kind, given, folder)
    with torch.device("meta"):  # only shapes: no memory or random numbers are used before the files are checked
        generator = LayeredGenerator(config) if isinstance(config, LayeredConfig) else Generator(config)
    tensors = _read_tensors(folder, WEIGHTS, config_file, generator.state_dict())
    generator.load_state_dict(tensors, assign=True)
    generator.to(memory_format=torch.channels_last).eval()
    if not pinned:
        try:
            _check_finite_images(generator)
        except ValueError as error:
            raise ValueError(f"{folder / WEIGHTS} is not usable: {error}") from error
    known = None
    if FINGERPRINTS in config_file["files"]:
        known = _read_tensors(folder, FINGERPRINTS, config_file, None).get("fingerprints")
        if known is None:
            raise ValueError(f"{folder / FINGERPRINTS} must hold a tensor 'fingerprints', but does not.")
    generator.card = _read_card(folder, known)
    return generator


def load_discriminator(folder: str | os.PathLike[str]) -> Discriminator | None:
    """Loads the discriminator from a generator's folder, in training mode, on the CPU, in float32.

    Args:
        folder (str or Path): Folder that :func:`save_pretrained` wrote.

    Returns:
        Discriminator, optional: None if the generator was saved without one.

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
    config = _network_config(DiscriminatorConfig, config_file["discriminator"], folder)
    with torch.device("meta"):
        discriminator = Discriminator(config)
    tensors = _read_tensors(folder, DISCRIMINATOR, config_file, discriminator.state_dict())
    discriminator.load_state_dict(tensors, assign=True)
    image = torch.ones(1, config.channels, config.image_size, config.image_size)
    try:
        check_finite(discriminator, image, torch.zeros(1, dtype=torch.int64) if config.num_classes else None)
    except ValueError as error:
        raise ValueError(f"{folder / DISCRIMINATOR} is not usable: {error}") from error
    return discriminator.to(memory_format=torch.channels_last)


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


def _network_config(kind: type[_Config], values: Any, folder: Path) -> _Config:
    try:
        return kind.from_dict(values)
    except ValueError as error:
        raise ValueError(f"{folder / CONFIG} is not usable: {one_line(error)}") from error


def _read_tensors(folder: Path, name: str, config: dict[str, Any], expected: Any) -> dict[str, Tensor]:
    return read_tensors(folder, name, config["files"], expected, FILE_LIMITS[name])


def _read_card(folder: Path, fingerprints: Tensor | None) -> Card:
    """Reads as much of the card as possible, since people edit it and the weights do not depend on it."""
    path, text = folder / CARD, ""
    if not path.is_file():
        problem: str | None = "it is missing"
    elif path.stat().st_size > FILE_LIMITS[CARD]:
        problem = f"it is larger than {FILE_LIMITS[CARD]:,} bytes"
    else:
        text, problem = read_file(folder, CARD, FILE_LIMITS[CARD]).decode("utf-8", errors="replace"), None
    card, wrong = Card.from_edited_readme(text, folder.name.encode(errors="replace").decode(), fingerprints)
    if problem or wrong:
        warnings.warn(
            f"{path} is not a complete card: {one_line(problem or wrong).rstrip('.')}. The readable parts are kept; "
            "the terms of the training data may be missing.",
            UserWarning,
            stacklevel=4,
        )
    return card


def check_finite(network: nn.Module, *inputs: Tensor | None) -> Any:
    """Runs a network once and checks that the output of no layer overflows, or almost does.

    Args:
        network (nn.Module): Network with finite weights.
        *inputs (Tensor): Inputs of the network.

    Returns:
        Any: Output of the network.

    Raises:
        ValueError: If an output is not finite or beyond 1e30. The message names the layer.
    """

    def check(name: str, out: Any) -> None:
        known = isinstance(out, Tensor) and out.is_floating_point() and out.numel()
        if known and not float(out.detach().abs().max()) < LARGEST:
            raise ValueError(f"Weights must give finite values, but those of {name or 'the network'} are too large.")

    hooks = [
        module.register_forward_hook(lambda _module, _inputs, out, name=name: check(name, out))
        for name, module in network.named_modules()
    ]
    try:
        with torch.inference_mode(), eval_mode(network):
            return network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()


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
