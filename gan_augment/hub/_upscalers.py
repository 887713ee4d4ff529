"""Saves and loads networks for super-resolution: our folders, SRGAN checkpoints, and files that spandrel reads."""

from __future__ import annotations

import difflib
import itertools
import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .._core import (
    CONFIG,
    FORMAT,
    check_pinned,
    first_line,
    listing,
    read_config,
    read_tensors,
    stored_tensors,
    write_files,
)
from .._version import __version__
from ..importing import find_networks, read_checkpoint
from ..models import SRGAN, SRGANConfig
from ._entries import UpscalerEntry, find_entry, list_upscalers, not_installed
from ._names import expand_home
from ._pretrained import warn_of_terms

WEIGHTS = "upscaler.safetensors"
MAX_ATTEMPTS = 16  # groups of tensors in a file


def save_upscaler(network: SRGAN, folder: str | os.PathLike[str], *, half_precision: bool = False) -> None:
    """Saves a network to a folder that :func:`load_upscaler` reads.

    Args:
        network (SRGAN): The network.
        folder (str or Path): The folder, which is created if it does not exist.
        half_precision (bool): Whether to store the weights as float16. Default: ``False``.

    Raises:
        ValueError: If a stored weight would not be finite.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_upscaler(SRGAN(SRGANConfig(width=8, blocks=1)), folder)
        ...     load_upscaler(folder).config.width
        8
    """
    from safetensors.torch import save

    contents = {WEIGHTS: save(stored_tensors(network, half_precision))}
    networks = {"upscaler": network.config.to_dict()}
    config = {"format": FORMAT, "gan_augment": __version__, **networks, "files": listing(contents)}
    contents[CONFIG] = (json.dumps(config, indent=2) + "\n").encode()
    write_files(Path(folder), contents)


def load_upscaler(name_or_path: str | os.PathLike[str]) -> nn.Module:
    """Loads a network that enlarges images in 0..1, in eval mode and float32.

    Args:
        name_or_path (str or Path): A name of :func:`list_upscalers`, a folder that :func:`save_upscaler` wrote, or
            a checkpoint from another project.

    Raises:
        FileNotFoundError: If the file does not exist.
        ModuleNotFoundError: If it requires spandrel or a zoo package that is not installed.
        ValueError: If the name does not exist, or the file holds no network for super-resolution.
    """
    path = _find(name_or_path)
    if path.is_dir():
        return _load_ours(path)
    networks = find_networks(read_checkpoint(path).tensors)
    groups = [tensors for _, tensors in itertools.islice(networks, MAX_ATTEMPTS)]
    for tensors in groups:
        try:
            network = SRGAN.from_checkpoint(tensors)
        except ValueError as error:
            raise ValueError(f"{path} is not usable: {error}") from None
        if network is not None:
            return network
    return _load_with_spandrel(max(groups, key=len, default={}), path)


def _find(name: str | os.PathLike[str]) -> Path:
    entry = find_entry(name) if isinstance(name, str) else None
    if isinstance(entry, UpscalerEntry):
        if entry.folder is None:
            raise not_installed(entry)
        check_pinned(entry.folder, entry.sha256, f"reinstall {entry.distribution}")
        if not entry.commercial_use:
            warn_of_terms(entry.name, entry.data_terms, stacklevel=6)  # the caller of Upscaler.load
        return entry.folder
    path = expand_home(name)
    if isinstance(name, str) and not os.path.exists(path) and not {"/", os.sep} & set(name):
        near = sorted(list_upscalers(), key=lambda known: -difflib.SequenceMatcher(None, name.lower(), known).ratio())
        raise ValueError(
            f"An upscaler's name must be one of {near}, or an existing folder or file, but got {name[:200]!r}."
        )
    return path


def _load_ours(folder: Path) -> SRGAN:
    config = read_config(folder, ("upscaler",), WEIGHTS)
    try:
        structure = SRGANConfig.from_dict(config["upscaler"])
    except ValueError as error:
        raise ValueError(f"{folder / CONFIG} is not usable: {error}") from None
    with torch.device("meta"):
        network = SRGAN(structure)
    network.load_state_dict(read_tensors(folder, WEIGHTS, config["files"], network.state_dict()), assign=True)
    return network.eval()


def _load_with_spandrel(tensors: dict[str, Tensor], path: Path) -> nn.Module:
    try:
        import spandrel
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"{path} is not an SRGAN; other networks require spandrel: run pip install 'gan-augment[upscale]'."
        ) from None
    try:
        model: Any = spandrel.ModelLoader(device="cpu").load_from_state_dict(tensors)
    except Exception as error:  # its architectures raise different types
        raise ValueError(
            f"{path} must hold a network for super-resolution, but loading it failed: {first_line(error)}."
        ) from error
    if not isinstance(model, spandrel.ImageModelDescriptor) or (model.input_channels, model.output_channels) != (3, 3):
        raise ValueError(
            f"{path} must enlarge RGB images, but its network is of another kind, or has another number of channels."
        )
    return _SpandrelNetwork(model).eval().float()


class _SpandrelNetwork(nn.Module):
    """A network of spandrel, which pads images to the size that the network needs."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model, self.network = model, model.model

    def forward(self, images: Tensor) -> Tensor:
        large: Tensor = self.model(images)
        return large

    def __reduce__(self) -> tuple[Any, ...]:
        parameter = next(self.network.parameters())
        return _restore, (self.network.state_dict(), parameter.device, parameter.dtype)


def _restore(tensors: dict[str, Tensor], device: torch.device, dtype: torch.dtype) -> nn.Module:
    """Restores a pickled network from its tensors, because spandrel's descriptors cannot be pickled."""
    return _load_with_spandrel(tensors, Path("The pickled upscaler")).to(device, dtype)
