"""Resolving names; nothing here opens a socket or imports torch."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TypeAlias

from .._core import HubName, hub_name
from ._registry import GeneratorEntry, UpscalerEntry, find_entry, list_pretrained

Target: TypeAlias = GeneratorEntry | HubName | Path


def resolve_name(name: str | os.PathLike[str]) -> Target:
    """Returns what the name of a generator stands for.

    The first that fits: a zoo name; an existing folder, or whatever is written as a path (with a leading ``.``,
    ``/`` or ``~``); ``org/name[@revision]`` on the Hub. Anything else is an error, so that a mistyped zoo name
    never reaches the network, although the Hub would accept it.

    Args:
        name (str or Path): The name.

    Returns:
        GeneratorEntry, HubName or Path: What it stands for. An entry need not be installed, and a path need not exist.

    Raises:
        TypeError: If it is neither a str nor a path.
        ValueError: If it is none of these, with the nearest names of the zoo; or if two zoo packages give it.

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
    # The last line refuses null bytes and names that are too long for the file system.
    if name and "\0" not in name and len(name) < 4096:
        if name[0] in "./~" or os.path.isabs(name):
            try:
                return Path(name).expanduser()
            except RuntimeError as error:
                raise ValueError(f"A path must be in a known home folder, but got {name[:200]!r}: {error}") from error
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
        f"A generator's name must be of the zoo, an existing folder or 'org/name[@revision]', but got "
        f"{name[:200]!r}; {hint}"
    )
