"""The folder of a pool: images.npy, labels.npy, fingerprints.npy and pool.json. It holds no pickles."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from ..._core import check_types, holds_something, write_folder_aside
from ..._version import __version__
from ...models import MAX_CLASSES, Geometry, Source
from .._as_source import check_names, fingerprints_of
from ._arrays import MappedImages, Stamp, array_bytes, file_sha256, open_inside, read_array, write_images

FORMAT = 1
MAX_INFO_BYTES = 2**20
MAX_FINGERPRINTS = 2**24
IMAGES, LABELS, FINGERPRINTS, INFO = "images.npy", "labels.npy", "fingerprints.npy", "pool.json"


@dataclass(frozen=True)
class PoolInfo:
    """Where the images of a pool came from: the source, the seed, and the share of candidates that filters kept."""

    source: str
    seed: int | None
    acceptance: float


class Identity(NamedTuple):
    """Identifies a pool in a folder: hash of pool.json, which holds all other hashes, and stamp of images.npy."""

    sha256: str
    stamp: Stamp


class _Description(NamedTuple):
    """Content of pool.json: what the files hold, and other arguments of the pool."""

    shape: tuple[int, ...]
    fingerprints: int | None
    sha256: dict[str, str]
    arguments: dict[str, Any]


def write_pool(
    folder: Path,
    chunks: Iterable[tuple[Tensor, Tensor]],
    shape: tuple[int, ...],
    labels: Tensor | None,
    source: Source,
    info: Callable[[], PoolInfo],
) -> None:
    """Writes a pool of a source to a new or empty folder. Chunks are ``(rows, images)``; ``info`` is called last."""
    if holds_something(folder):
        raise ValueError(f"A pool must be written to a new or empty folder, but {str(folder)!r} holds something.")
    fingerprints = fingerprints_of(source)
    if fingerprints is not None and len(fingerprints) > MAX_FINGERPRINTS:
        raise ValueError(f"A pool's fingerprints must be at most {MAX_FINGERPRINTS:,}, but are {len(fingerprints):,}.")
    arrays = {LABELS: labels, FINGERPRINTS: fingerprints}
    small = {name: array_bytes(array) for name, array in arrays.items() if array is not None}
    with write_folder_aside(folder, math.prod(shape) + sum(map(len, small.values()))) as aside:
        for name, data in small.items():
            (aside / name).write_bytes(data)
        write_images(aside / IMAGES, chunks, shape)
        description = {
            "format": FORMAT,
            "gan_augment": __version__,
            "synthetic": True,
            "shape": list(shape),
            "num_classes": int(source.num_classes),
            "geometry": dataclasses.asdict(source.geometry),
            "class_names": None if source.class_names is None else list(source.class_names),
            "fingerprints": None if fingerprints is None else len(fingerprints),
            **dataclasses.asdict(info()),
            "sha256": {name: _sha256(aside / name) for name in sorted([IMAGES, *small])},
        }
        (aside / INFO).write_text(json.dumps(description, indent=2) + "\n")


def open_pool(folder: Path, known: Identity | None = None) -> tuple[dict[str, Any], Identity]:
    """Opens the folder of a pool, and returns the pool's arguments and identity.

    If ``known`` is given, any other pool raises an error.
    """
    path = folder / INFO
    if not path.is_file():
        raise FileNotFoundError(f"A pool is a folder with a pool.json, but {str(folder)!r} has none.")
    data = _read_info(path)
    identity = hashlib.sha256(data).hexdigest()
    if known is not None and identity != known.sha256:
        raise ValueError(f"The pool in {str(folder)!r} was replaced by another after it was loaded; load it again.")
    try:
        said = _parse(data)
    except (ValueError, KeyError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"{path} must describe a pool, but does not: {repr(error)[:500]}") from None
    images = MappedImages(folder / IMAGES, said.shape, said.sha256.get(IMAGES), None if known is None else known.stamp)
    labels, classes = None, said.arguments["num_classes"]
    if classes:
        labels = read_array(folder / LABELS, said.shape[0], said.sha256.get(LABELS))
        if not (int(labels.min()) >= 0 and int(labels.max()) < classes):
            raise ValueError(f"{folder / LABELS} must hold classes below {classes}, but holds others.")
    fingerprints = None
    if said.fingerprints is not None:
        fingerprints = read_array(folder / FINGERPRINTS, said.fingerprints, said.sha256.get(FINGERPRINTS))
        if not bool((fingerprints[1:] > fingerprints[:-1]).all()):
            raise ValueError(f"{folder / FINGERPRINTS} must hold fingerprints in rising order, but does not.")
    if _read_info(path) != data:  # some files may be those of the old pool, and some those of the new one
        raise ValueError(f"The pool in {str(folder)!r} was replaced by another while it was opened; load it again.")
    arguments = {"images": images, "labels": labels, "fingerprints": fingerprints, **said.arguments}
    return arguments, Identity(identity, images.stamp)


def _read_info(path: Path) -> bytes:
    with open_inside(path) as file:
        return file.read(MAX_INFO_BYTES + 1)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return file_sha256(file)


def _parse(data: bytes) -> _Description:
    if len(data) > MAX_INFO_BYTES:
        raise ValueError(f"it is larger than {MAX_INFO_BYTES:,} bytes")
    values = json.loads(data)
    if values["format"] != FORMAT:
        raise ValueError(f"its format is {values['format']!r}, not {FORMAT}; upgrade gan-augment")
    size, channels, height, width = values["shape"]
    _check_ints("shape", [size, channels, height, width], 1, 2**40)
    if channels not in (1, 3):
        raise ValueError(f"its images have {channels} channels, not 1 or 3")
    classes = values["num_classes"]
    _check_ints("num_classes", [classes], 0, MAX_CLASSES)
    resize_mode, source_size = values["geometry"]["resize_mode"], values["geometry"]["source_size"]
    geometry = Geometry(resize_mode, source_size and tuple(source_size))
    check_types(geometry)
    if source_size is not None:
        _check_ints("source_size", source_size, 1, 65536)
        if resize_mode == "pad" and (source_size[0] > height or source_size[1] > width):
            raise ValueError(f"its source_size is {source_size}, but its images are smaller")
    names = check_names(values["class_names"], classes)
    count = values.get("fingerprints")  # missing in a folder of an older version
    if count is not None:
        _check_ints("fingerprints", [count], 0, MAX_FINGERPRINTS)
    info = PoolInfo(*(values[field.name] for field in dataclasses.fields(PoolInfo)))
    check_types(info)
    hashes = values.get("sha256", {})  # missing in a folder of an older version
    if not isinstance(hashes, dict) or not all(
        isinstance(each, str) and re.fullmatch("[0-9a-f]{64}", each) for each in hashes.values()
    ):
        raise ValueError("its sha256 are not hashes")
    expected = {IMAGES, *([LABELS] if classes else []), *([] if count is None else [FINGERPRINTS])}
    if {"sha256", "fingerprints"} <= set(values) and set(hashes) != expected:
        raise ValueError(f"its sha256 lists {sorted(hashes)}, which do not fit its num_classes and fingerprints")
    arguments = {"num_classes": classes, "geometry": geometry, "class_names": names, "info": info}
    return _Description(tuple(values["shape"]), count, hashes, arguments)


def _check_ints(name: str, values: list[Any], low: int, high: int) -> None:
    for value in values:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"its {name} has {value!r:.100}, which must be a whole number from {low} to {high}")
