"""Resolves the names of generators, without opening a socket or importing torch."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TypeAlias

from .._core import HubName, hub_name
from ._entries import GeneratorEntry, UpscalerEntry, find_entry, list_pretrained

Target: TypeAlias = GeneratorEntry | HubName | Path


def resolve_name(name: str | os.PathLike[str]) -> Target:
    """Returns what the name of a generator stands for.

    The first rule that fits decides: a name of the zoo; an existing folder, or anything written like a path (with a
    leading ``.``, ``/`` or ``~``); ``org/name[@revision]`` on the Hub. Anything else is an error, so that a mistyped
    name of the zoo never reaches the network.

    Args:
        name (str or Path): The name.

    Returns:
        GeneratorEntry, HubName or Path: The entry need not be installed, and the path need not exist.

    Raises:
        TypeError: If it is neither a str nor a path.
        ValueError: If no rule fits (the message suggests similar names of the zoo), or two zoo packages define it.

    Example:
        >>> resolve_name("someone/faces@v1")
        HubName(repo_id='someone/faces', revision='v1')
    """
    if isinstance(name, os.PathLike):
        return Path(name)
    if not isinstance(name, str):
        raise TypeError(f"A generator's name must be a str or a path, but got {type(name)} instead.")
    entry = find_entry(name)
    if isinstance(entry, GeneratorEntry):
        return entry
    if name and "\0" not in name and len(name) < 4096:  # what the file system cannot name is refused below
        if name[0] in "./~" or os.path.isabs(name):
            return expand_home(name)
        if len(name) < 256 and os.path.isdir(name):
            return Path(name)
    if hub := hub_name(name):
        return hub
    known = list_pretrained()
    near = difflib.get_close_matches(name.lower().replace("_", "-"), known, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"the zoo has {known}."
    if isinstance(entry, UpscalerEntry):
        hint = f"load this upscaler with Upscaler.load({name!r})."
    raise ValueError(
        f"A generator's name must be a name in the zoo, an existing folder or 'org/name[@revision]', but got "
        f"{name[:200]!r}; {hint}"
    )


def expand_home(name: str | os.PathLike[str]) -> Path:
    """Converts a name to a path, and expands ``~`` at its start."""
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise ValueError(f"The home folder in {str(name)[:200]!r} is not known; pass a full path: {error}") from None
