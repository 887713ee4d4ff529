"""The zoo: pretrained networks with names, each pinned by a hash. Nothing here imports torch.

gan-augment ships some entries, and also knows those of gan-augment-faces. Other installed packages may add more.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from .._core import CONFIG, HubName, hub_name, one_line, plain, read_file, short
from ._plugins import read_plugins, warn_once

ZOO_FOLDER = Path(__file__).parent / "zoo"
FORMAT = 1
OFFICIAL = {"faces": "gan-augment-faces"}  # extras of gan-augment and their distributions, listed in ZOO_FOLDER
MAX_BYTES, MAX_ENTRIES, MAX_TEXT = 2**20, 1000, 400


@dataclass(frozen=True, kw_only=True)
class ZooEntry:
    """A pretrained network of the zoo.

    Attributes:
        name (str): The name for :func:`from_pretrained` or :meth:`Upscaler.load`.
        sha256 (str): SHA-256 of ``config.json``, which has the hashes of all other files except the card.
        license (str): Licence of the weights, spelled as on the Hub.
        data_terms (str): Terms of the training data.
        commercial_use (bool): Whether these terms allow commercial use.
        description (str): A line of text.
        distribution (str): Name of the pip package that ships it.
        install (str): The command that installs it.
        folder (Path, optional): The folder of its files, or None if it is not installed.
        hub (HubName, optional): The repository and commit on the Hugging Face Hub with the same files.
        vouched (bool): Whether gan-augment's own registry has its hash.
    """

    name: str
    sha256: str
    license: str
    data_terms: str
    commercial_use: bool
    description: str
    distribution: str
    install: str
    folder: Path | None = None
    hub: HubName | None = None
    vouched: bool = False


@dataclass(frozen=True, kw_only=True)
class GeneratorEntry(ZooEntry):
    """A generator of the zoo.

    Attributes:
        image_size (int): Side of its images in pixels.
        channels (int): 1 or 3.
        num_classes (int): Number of classes; 0 if it is unconditional.
    """

    image_size: int
    channels: int
    num_classes: int


@dataclass(frozen=True, kw_only=True)
class UpscalerEntry(ZooEntry):
    """A super-resolution network of the zoo.

    Attributes:
        scale (int): Factor by which it enlarges each side.
    """

    scale: int


def zoo_entries() -> dict[str, ZooEntry]:
    """Returns all entries of the zoo by name, sorted, whether they are installed or not.

    If two zoo packages define the same name, both entries are left out. If a package uses a name of gan-augment's own
    registry with a different hash, its entry is left out. In both cases, there is one warning.

    Example:
        >>> zoo_entries()["dcgan-mnist-32"].commercial_use
        True
    """
    return _zoo()[0]


def find_entry(name: str) -> ZooEntry | None:
    """Returns the entry with a name, or None if the zoo does not have the name.

    Raises:
        ValueError: If two zoo packages define an entry with this name.
    """
    if not _is_name(name):
        return None
    own = _own_entries(ZOO_FOLDER).get(name)
    if own is not None and own.folder is not None:  # no package can replace it
        return own
    known, ambiguous = _zoo()
    if name in ambiguous:
        raise ValueError(f"{ambiguous[name]}; uninstall one of them.")
    return known.get(name)


def not_installed(entry: ZooEntry) -> ModuleNotFoundError:
    """Returns the error for an entry that is not installed, with the command to install it and its terms."""
    return ModuleNotFoundError(
        f"{entry.name!r} comes with {entry.distribution}, which is not installed: run {entry.install} "
        f"(weights: {entry.license}; data: {entry.data_terms})."
    )


def list_pretrained(installed: bool | None = None) -> list[str]:
    """Returns the names of the zoo's generators, sorted.

    Args:
        installed (bool, optional): Whether to return only generators that are installed (True), or only those that are
            not (False). Default: both. ``gan-augment list`` shows how to install the others.

    Example:
        >>> "dcgan-mnist-32" in list_pretrained(installed=True)
        True
    """
    return _names(GeneratorEntry, installed)


def list_upscalers(installed: bool | None = None) -> list[str]:
    """Returns the names of the zoo's networks for super-resolution, sorted; see :func:`list_pretrained`."""
    return _names(UpscalerEntry, installed)


def _names(kind: type[ZooEntry], installed: bool | None) -> list[str]:
    entries = [entry for entry in zoo_entries().values() if isinstance(entry, kind)]
    return [entry.name for entry in entries if installed is None or installed == (entry.folder is not None)]


def _zoo() -> tuple[dict[str, ZooEntry], dict[str, str]]:
    """Returns the entries by name, and the problem with each name that two packages define."""
    known: dict[str, ZooEntry] = dict(_own_entries(ZOO_FOLDER))
    given: dict[str, list[ZooEntry]] = {}
    for entry in read_plugins(read_zoo):
        given.setdefault(entry.name, []).append(entry)
    ambiguous = {}
    for name, entries in given.items():
        if name in known:
            known[name] = _official(known[name], entries)
        elif len(entries) == 1:
            known[name] = entries[0]
        else:
            owners = " and ".join(entry.distribution for entry in entries)
            ambiguous[name] = f"The zoo packages {owners} both define {name!r}, so neither is used"
            warn_once(f"{ambiguous[name]}; uninstall one of them.")
    return dict(sorted(known.items())), ambiguous


def _official(entry: ZooEntry, given: list[ZooEntry]) -> ZooEntry:
    """Returns an entry of our registry, in the folder of a package that has the same files if it is not ours."""
    for other in given:
        if (type(other), other.sha256) != (type(entry), entry.sha256):
            warn_once(
                f"{entry.name!r} of the zoo package {other.distribution} is not used, because gan-augment's registry "
                f"has another network of that name; upgrade gan-augment and {other.distribution}, or uninstall the "
                "latter."
            )
        elif entry.folder is None:
            entry = replace(entry, folder=other.folder, distribution=other.distribution)
    return entry


@functools.cache
def _own_entries(folder: Path) -> dict[str, ZooEntry]:
    """Returns the entries of gan-augment's own registry by name, with those of its extras."""
    entries = read_zoo(folder, "gan-augment")
    for extra, distribution in OFFICIAL.items():
        entries += read_zoo(folder, distribution, extra)
    return {entry.name: replace(entry, vouched=True) for entry in entries}


def read_zoo(folder: Path, distribution: str, extra: str | None = None) -> list[ZooEntry]:
    """Reads a ``zoo.json`` and the folders of its entries next to it. The file of an extra has no such folders."""
    file = f"{extra or 'zoo'}.json"
    install = f'pip install "gan-augment[{extra}]"' if extra else f"pip install {distribution}"
    data = read_file(folder, file, MAX_BYTES)
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} must be JSON, but reading it failed: {one_line(error)}.") from None
    if not isinstance(content, dict) or not {"format", "generators"} <= set(content) <= {"format", *_KINDS}:
        raise ValueError(f"{file} must have the keys 'format', 'generators' and 'upscalers', but is {short(content)}.")
    if content["format"] != FORMAT:
        raise ValueError(f"{file} must be of format {FORMAT}, but is of {short(content['format'])}.")
    entries: list[ZooEntry] = []
    for key, kind in _KINDS.items():
        given = content.get(key, [])
        if not isinstance(given, list) or len(given) > MAX_ENTRIES:
            raise ValueError(f"{file} must have a list of at most {MAX_ENTRIES} {key}, but has {short(given)}.")
        for values in given:
            _check_entry(values, kind, f"An entry of {key} in {file}")
            values["hub"] = hub_name(values.get("hub", ""))
            place = None if extra else _entry_folder(folder, values["name"])
            entries.append(kind(**values, distribution=distribution, install=install, folder=place))
    names = [entry.name for entry in entries]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{file} must have each name once, but repeats {short(twice)}.")
    return entries


def _is_name(text: str) -> bool:
    return len(text) <= 64 and re.fullmatch(r"[a-z0-9]+([.-][a-z0-9]+)*", text) is not None


def _is_text(text: str) -> bool:
    return 0 < len(text) <= MAX_TEXT and plain(text) == text


def _is_pinned_hub_name(text: str) -> bool:
    target = hub_name(text)
    return target is not None and re.fullmatch(r"[0-9a-f]{40}", target.revision or "") is not None


_KINDS: dict[str, type[ZooEntry]] = {"generators": GeneratorEntry, "upscalers": UpscalerEntry}
_FIELDS: dict[str, tuple[type, Callable[[Any], Any], str]] = {  # type, test and description of the values in the file
    "name": (str, _is_name, "lower-case letters and digits, with single - and . between them, at most 64 in all"),
    "sha256": (str, re.compile(r"[0-9a-f]{64}").fullmatch, "64 hexadecimal digits"),
    "license": (str, re.compile(r"[a-z0-9][a-z0-9.+-]{1,63}").fullmatch, "a licence name from the Hub"),
    "data_terms": (str, _is_text, f"a line of at most {MAX_TEXT} characters"),
    "commercial_use": (bool, lambda _: True, "true or false"),
    "description": (str, _is_text, f"a line of at most {MAX_TEXT} characters"),
    "hub": (str, _is_pinned_hub_name, "org/name@commit, with all 40 digits of the commit"),
    "image_size": (int, lambda size: 1 <= size <= 2**16, "between 1 and 65536"),
    "channels": (int, lambda channels: channels in (1, 3), "1 or 3"),
    "num_classes": (int, lambda count: 0 <= count <= 2**20, "between 0 and 1048576"),
    "scale": (int, lambda scale: 2 <= scale <= 64, "between 2 and 64"),
}


def _check_entry(values: Any, kind: type[ZooEntry], where: str) -> None:
    known = {field.name for field in fields(kind)} & set(_FIELDS)
    required = known - {"hub"}
    if not isinstance(values, dict) or not required <= set(values) <= known:
        found = short(sorted(values)) if isinstance(values, dict) else short(values)
        raise ValueError(f"{where} must have the keys {sorted(required)}, but has {found}.")
    for key, value in values.items():
        expected, is_good, words = _FIELDS[key]
        if type(value) is not expected or not is_good(value):
            raise ValueError(f"{where} must have {key!r}: {words}; but has {short(value)}.")


def _entry_folder(folder: Path, name: str) -> Path:
    place = folder / name
    if not (place / CONFIG).is_file():
        raise ValueError(f"The folder {name!r} must lie beside zoo.json with its {CONFIG}, but does not.")
    if not place.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"The folder {name!r} must lie beside zoo.json, but is a link to {str(place.resolve())!r}.")
    return place
