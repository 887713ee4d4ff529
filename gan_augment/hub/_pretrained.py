"""Loads generators by name."""

from __future__ import annotations

import os

import torch

from .._core import HubName, one_line
from ..models import Generator, load_generator
from ._download import Access, local_folder, resolve_revision
from ._entries import GeneratorEntry
from ._plugins import warn_once


def from_pretrained(
    name_or_path: str | os.PathLike[str],
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
    device: str | torch.device = "cpu",
) -> Generator:
    """Loads a pretrained generator, in eval mode.

    Folders and installed generators of the zoo need no network. Nothing from the Hub or from a zoo package is unpickled
    or executed. If the terms of the training data forbid commercial use, there is one warning.

    Args:
        name_or_path (str or Path): A name of :func:`list_pretrained`, a repository ``org/name[@revision]`` on
            the Hugging Face Hub, or a folder that :meth:`Generator.save_pretrained` wrote.
        revision (str, optional): A branch, tag or commit of a repository on the Hub. Default: its main branch.
        token (str or bool, optional): A Hub access token. ``True`` requires the one that ``hf auth login`` saved,
            ``False`` uses none. Default: the saved one, if it exists.
        cache_dir (str or Path, optional): The folder for downloaded files. Default: the Hub's own cache.
        local_files_only (bool): Whether to look only in the cache, like ``HF_HUB_OFFLINE=1``. Default: False.
        force_download (bool): Whether to download the files again, even if they are in the cache. Default: False.
        device (str or torch.device): The device of the generator. Default: ``"cpu"``.

    Returns:
        Generator: The generator, with its card as ``generator.card``.

    Raises:
        FileNotFoundError: If a folder or a file in it is missing, or a file is not in the cache and downloading is
            not allowed.
        PermissionError: If the repository is gated, or the token gives no access.
        ConnectionError: If the Hub cannot be reached, or does not answer.
        ModuleNotFoundError: If the zoo has the name, but its package is not installed and the Hub has no copy.
        ValueError: If the name or revision is unknown, or a file fails verification.

    Example:
        >>> generator = from_pretrained("dcgan-mnist-32")
        >>> generator.sample(10, labels=list(range(10)), seed=0).shape
        torch.Size([10, 1, 32, 32])
    """
    target = resolve_revision(name_or_path, revision)
    entry = target if isinstance(target, GeneratorEntry) else None
    folder = local_folder(target, Access(token, cache_dir, local_files_only, force_download))
    try:
        generator = load_generator(folder, pinned=entry is not None and entry.vouched)
    except ValueError as error:
        if isinstance(target, HubName) or (entry and entry.folder is None):
            raise ValueError(f"{error} To download it again, delete {str(folder.parents[1])!r}.") from None
        if entry:
            raise ValueError(f"{error} It comes with {entry.distribution}: reinstall it.") from None
        raise
    card = generator.card
    if card and card.forbids_commercial_use:
        warn_of_terms(card.name, str(card.data.get("terms", "its card does not give the terms")))
    elif entry and not entry.commercial_use:
        warn_of_terms(entry.name, entry.data_terms)
    return generator.to(device)


def warn_of_terms(name: str, terms: str, stacklevel: int = 4) -> None:
    """Warns once that the terms of a network's training data forbid commercial use."""
    warn_once(f"{one_line(name)} was trained on data that forbid commercial use: {one_line(terms)}", stacklevel)
