"""Networks for super-resolution as files: ours, SRGAN's, and whatever spandrel knows."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .._version import __version__
from ..models import SRGAN, SRGANConfig
from ._files import CONFIG, FORMAT, digest, network_tensors, read_file, read_tensors, write_aside
from ._words import first_line
from .importing import networks, read_checkpoint

WEIGHTS = "upscaler.safetensors"
MAX_ATTEMPTS = 16  # groups of tensors in a file


def save_upscaler(network: SRGAN, folder: str | os.PathLike[str], *, half_precision: bool = False) -> None:
    """Writes a network to a folder that :func:`load_upscaler` reads.

    Args:
        network (SRGAN): What to save.
        folder (str or Path): Made if missing.
        half_precision (bool): Whether to store the weights as float16.

    Raises:
        ValueError: If a weight is not finite, or not in half precision.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_upscaler(SRGAN(SRGANConfig(width=8, blocks=1)), folder)
        ...     load_upscaler(folder).config.width
        8
    """
    from safetensors.torch import save

    weights = save(network_tensors(network, half_precision))
    config = {
        "format": FORMAT,
        "gan_augment": __version__,
        "upscaler": network.config.to_dict(),
        "files": {WEIGHTS: digest(weights)},
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with write_aside(folder / CONFIG) as config_aside, write_aside(folder / WEIGHTS) as weights_aside:
        weights_aside.write_bytes(weights)
        config_aside.write_text(json.dumps(config, indent=2) + "\n")


def load_upscaler(path: str | os.PathLike[str]) -> nn.Module:
    """Loads a network that takes images in 0..1 to larger ones, in eval mode and float32.

    Args:
        path (str or Path): A folder that :func:`save_upscaler` wrote, or a checkpoint of others.

    Raises:
        FileNotFoundError: If there is no such file.
        ModuleNotFoundError: If it takes spandrel, which is not installed.
        ValueError: If it is no network for super-resolution.
    """
    path = Path(path)
    if path.is_dir():
        return _load_ours(path)
    groups = [tensors for _, tensors in itertools.islice(networks(read_checkpoint(path)), MAX_ATTEMPTS)]
    for tensors in groups:
        try:
            network = SRGAN.from_foreign(tensors)
        except ValueError as error:
            raise ValueError(f"{path} is not usable: {error}") from error
        if network is not None:
            return network
    return _by_spandrel(max(groups, key=len, default={}), path)


def _load_ours(folder: Path) -> SRGAN:
    path = folder / CONFIG
    try:
        config = json.loads(read_file(folder, CONFIG))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} must be JSON, but: {error}") from error
    if not isinstance(config, dict) or set(config) != {"format", "gan_augment", "upscaler", "files"}:
        raise ValueError(f"{path} must be that of an upscaler, but is not.")
    files = config["files"]
    if config["format"] != FORMAT or not isinstance(files, dict) or set(files) != {WEIGHTS}:
        raise ValueError(f"{path} must be of format {FORMAT} and list {WEIGHTS}, but is or does not.")
    known = files[WEIGHTS]
    if not isinstance(known, dict) or set(known) != {"bytes", "sha256"}:
        raise ValueError(f"{path} must give bytes and sha256 for {WEIGHTS}, but has {known!r:.200}.")
    try:
        structure = SRGANConfig.from_dict(config["upscaler"])
    except ValueError as error:
        raise ValueError(f"{path} is not usable: {error}") from error
    with torch.device("meta"):
        network = SRGAN(structure)
    network.load_state_dict(read_tensors(folder, WEIGHTS, files, network.state_dict()), assign=True)
    return network.eval()


def _by_spandrel(tensors: dict[str, Tensor], path: Path) -> nn.Module:
    try:
        import spandrel
    except ImportError as error:
        raise ModuleNotFoundError(
            f"{path} is no SRGAN; for other networks install spandrel: pip install 'gan-augment[upscale]'."
        ) from error
    load: Callable[[dict[str, Any]], Any] = spandrel.ModelLoader(device="cpu").load_from_state_dict
    try:
        model = load(tensors)
    except Exception as error:  # of any of its architectures
        raise ValueError(f"{path} must hold a network for super-resolution, but: {first_line(error)}.") from error
    if getattr(model, "input_channels", 3) != 3 or getattr(model, "output_channels", 3) != 3:
        raise ValueError(f"{path} must enlarge RGB images, but takes {model.input_channels} channels.")
    network: nn.Module = model.model.eval().float()
    return network
