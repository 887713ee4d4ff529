"""Loading a generator by its name."""

from __future__ import annotations

import os
import warnings

import torch

from .._core import HubName, check_pinned, one_line
from ..models import Generator, load_generator
from ._download import fetch, resolve_revision
from ._registry import ZooEntry

_warned: set[tuple[str, str]] = set()


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

    The zoo ships with the package, so its names and folders need no network; nothing that comes from the Hub
    is unpickled or executed. Where the training data forbid commercial use, a warning says so, once.

    Args:
        name_or_path (str or Path): A name of :func:`list_pretrained`, a repository on the Hugging Face Hub as
            ``org/name[@revision]``, or a folder that :meth:`Generator.save_pretrained` wrote.
        revision (str, optional): A branch, tag or commit of a repository on the Hub. Default: its main branch.
        token (str or bool, optional): Of the Hub; ``True`` for the one that ``hf auth login`` kept, ``False``
            for none. Default: that one, if there is one.
        cache_dir (str or Path, optional): Where files are kept. Default: the Hub's own cache.
        local_files_only (bool): Whether to look in the cache alone, as with ``HF_HUB_OFFLINE=1``.
        force_download (bool): Whether to download again what is in the cache.
        device (str or torch.device): Where to put it. Default: ``"cpu"``.

    Returns:
        Generator: With its card as ``generator.card``.

    Raises:
        FileNotFoundError: If the folder, or a file in it, is missing, or a file is not in the cache and nothing
            may be downloaded.
        PermissionError: If the repository is gated, or the token does not do.
        ConnectionError: If the Hub cannot be reached, or does not serve.
        ValueError: If the name or revision means nothing, or a file is not what it should be.

    Example:
        >>> generator = from_pretrained("dcgan-mnist-32")
        >>> generator.sample(10, labels=list(range(10)), seed=0).shape
        torch.Size([10, 1, 32, 32])
    """
    target = resolve_revision(name_or_path, revision)
    if isinstance(target, HubName):
        folder = fetch(target, False, token, cache_dir, local_files_only, force_download)
        try:
            generator = load_generator(folder)
        except ValueError as error:
            raise ValueError(f"{error} To download it again, delete {str(folder.parents[1])!r}.") from error
    elif isinstance(target, ZooEntry):
        check_pinned(target.folder, target.sha256)
        generator = load_generator(target.folder, pinned=True)
    else:
        generator = load_generator(target)
    _warn_of_terms(generator)
    return generator.to(device)


def _warn_of_terms(generator: Generator) -> None:
    card = generator.card
    if card is None or not card.forbids_commercial_use:
        return
    terms = str(card.data.get("terms", "its card does not say whose"))
    if (card.name, terms) not in _warned:
        words = f"{one_line(card.name)} was trained on data that forbid commercial use: {one_line(terms)}"
        warnings.warn(words, UserWarning, stacklevel=3)
        _warned.add((card.name, terms))
