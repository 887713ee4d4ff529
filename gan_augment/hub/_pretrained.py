"""Loading a generator by its name."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from ..models import Generator
from ._files import WEIGHTS, load_generator, weights_sha256
from ._names import HubName, resolve_name
from ._registry import ZooEntry


def from_pretrained(name_or_path: str | os.PathLike[str], *, device: str | torch.device = "cpu") -> Generator:
    """Loads a pretrained generator, in eval mode; reads no network.

    Args:
        name_or_path (str or Path): A name of :func:`list_pretrained`, or a folder that
            :meth:`Generator.save_pretrained` wrote.
        device (str or torch.device): Where to put it. Default: ``"cpu"``.

    Returns:
        Generator: With its card as ``generator.card``.

    Raises:
        FileNotFoundError: If the folder, or a file in it, is missing.
        ValueError: If the name means nothing here, or a file is not what it should be.

    Example:
        >>> generator = from_pretrained("dcgan-mnist-32")
        >>> generator.sample(10, labels=list(range(10)), seed=0).shape
        torch.Size([10, 1, 32, 32])
    """
    target = resolve_name(name_or_path)
    if isinstance(target, HubName):
        raise ValueError(
            f"There is no folder {str(name_or_path)!r}; as a name it is a repository on the Hub, which this version "
            "does not download from: download its files and pass their folder."
        )
    if isinstance(target, Path):
        return load_generator(target).to(device)
    return _load_zoo(target).to(device)


def _load_zoo(entry: ZooEntry) -> Generator:
    generator = load_generator(entry.folder)
    if weights_sha256(entry.folder) != entry.sha256:
        raise ValueError(
            f"{entry.folder / WEIGHTS} must have the SHA-256 {entry.sha256} of the registry, but has another; "
            "reinstall gan-augment."
        )
    return generator
