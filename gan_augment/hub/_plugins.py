"""Finds installed zoo packages through their entry points, without importing them."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .._core import one_line, short

if TYPE_CHECKING:
    from ._entries import ZooEntry

GROUP = "gan_augment.zoo"
_warned: set[str] = set()


def read_plugins(read: Callable[[Path, str], list[ZooEntry]]) -> list[ZooEntry]:
    """Returns the entries of all zoo packages, and warns once about each package that cannot be read."""
    entries = []
    for distribution, value in _entry_points(_paths_now()):
        try:
            entries += read(_package_folder(value), distribution)
        except Exception as error:  # a broken package must not hide the others
            warn_once(f"The zoo package {distribution} is not used: {one_line(error)}")
    return entries


def warn_once(words: str, stacklevel: int = 2) -> None:
    """Warns, unless the same warning was given in this process before."""
    if words not in _warned:
        warnings.warn(words, UserWarning, stacklevel=stacklevel)
        _warned.add(words)  # not if a filter made an error of it, which the next call must raise again


def _paths_now() -> tuple[tuple[str, int], ...]:
    """Returns the folders of the import path and when they changed, so that newly installed packages are found."""
    return tuple((path, os.stat(path or ".").st_mtime_ns) for path in sys.path if os.path.exists(path or "."))


@functools.lru_cache(maxsize=1)
def _entry_points(paths: tuple[tuple[str, int], ...]) -> list[tuple[str, str]]:
    """Returns pairs of a distribution and the package that its entry point names.

    Each distribution is read separately, because ``importlib.metadata.entry_points()`` fails if one is broken.
    """
    found: dict[str, list[str]] = {}
    for distribution in importlib.metadata.distributions():
        try:
            text = distribution.read_text("entry_points.txt") or ""
            if GROUP not in text:
                continue
            name = one_line(distribution.metadata["Name"])
            values = [point.value for point in distribution.entry_points if point.group == GROUP]
        except Exception as error:
            where = one_line(getattr(distribution, "_path", "a distribution"))
            warn_once(f"The zoo package at {where} is not used, because its metadata cannot be read: {one_line(error)}")
            continue
        found.setdefault(name, values)  # Python imports the first one on the import path
    return [(name, value) for name, values in sorted(found.items()) for value in values]


def _package_folder(value: str) -> Path:
    """Returns the folder of a package that has ``zoo.json``, without importing it."""
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", value, re.ASCII):
        raise ValueError(f"Its entry point must name a package, but is {short(value)}.")
    top, *inside = value.split(".")
    spec = importlib.util.find_spec(top)
    for location in (spec and spec.submodule_search_locations) or ():
        folder = Path(location, *inside)
        if (folder / "zoo.json").is_file():
            return folder
    raise ValueError(f"The package {value!r} that its entry point names must have a zoo.json, but has none.")
