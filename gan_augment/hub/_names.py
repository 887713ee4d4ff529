"""From a name to what it means, by pure code: nothing here opens a socket."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TypeAlias

from .._core import HubName, hub_name
from ._registry import REGISTRY, ZooEntry, list_pretrained

Target: TypeAlias = ZooEntry | HubName | Path


def resolve_name(name: str | os.PathLike[str]) -> Target:
    """What a name of a generator means.

    In this order: a zoo name; an existing folder, or whatever is written as a path (with a leading ``.``,
    ``/`` or ``~``); ``org/name[@revision]`` on the Hub. Anything else is an error, so that a mistyped zoo
    name, which would be a valid Hub name, never reaches the network.

    Args:
        name (str or Path): The name.

    Returns:
        ZooEntry, HubName or Path: What it means; a path need not exist.

    Raises:
        TypeError: If it is neither a str nor a path.
        ValueError: If it means nothing; with the nearest names of the zoo.

    Example:
        >>> resolve_name("someone/faces@v1")
        HubName(repo_id='someone/faces', revision='v1')
    """
    if isinstance(name, os.PathLike):
        return Path(name)
    if not isinstance(name, str):
        raise TypeError(f"A generator's name must be a str or a path, but got {type(name)} instead.")
    if name in REGISTRY:
        return REGISTRY[name]
    # Null bytes and over-long names are for the last line to refuse, not for the file system.
    if name and "\0" not in name and len(name) < 4096:
        if name[0] in "./~" or os.path.isabs(name):
            try:
                return Path(name).expanduser()
            except RuntimeError as error:
                raise ValueError(f"A path must be of a known home folder, but got {name[:200]!r}: {error}") from error
        if len(name) < 256 and os.path.isdir(name):
            return Path(name)
    if hub := hub_name(name):
        return hub
    near = difflib.get_close_matches(name.lower().replace("_", "-"), REGISTRY, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"the zoo has {list_pretrained()}."
    raise ValueError(
        f"A generator's name must be of the zoo, an existing folder or 'org/name[@revision]', but got "
        f"{name[:200]!r}; {hint}"
    )
