"""A pool as files: images.npy, labels.npy, fingerprints.npy and pool.json; no pickles, and exact sizes."""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .._version import __version__
from ..models import MAX_CLASSES, check_types
from ._source import Geometry

FORMAT = 1
MAX_INFO_BYTES = 2**20
MAX_FINGERPRINTS = 2**24


@dataclass(frozen=True)
class PoolInfo:
    """Where a pool came from.

    Attributes:
        source (str): Name or type of the source.
        seed (int, optional): Of the draw.
        acceptance (float): Share of the candidates that the filters kept.
    """

    source: str
    seed: int | None
    acceptance: float


def write_pool(
    folder: Path,
    chunks: Iterable[tuple[Tensor, Tensor]],
    shape: tuple[int, ...],
    labels: Tensor | None,
    num_classes: int,
    geometry: Geometry,
    class_names: Sequence[str] | None,
    fingerprints: Tensor | None,
    info: Callable[[], PoolInfo],
) -> None:
    """Writes a pool aside, chunk by chunk, and moves it to ``folder`` when it is whole.

    Raises:
        ValueError: If the folder holds something already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"A pool must be written to a new or empty folder, but {str(folder)!r} holds something.")
    if fingerprints is not None and len(fingerprints) > MAX_FINGERPRINTS:
        raise ValueError(f"A pool's fingerprints must be at most {MAX_FINGERPRINTS:,}, but are {len(fingerprints):,}.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.with_name(f".{folder.name}.{secrets.token_hex(6)}")
    aside.mkdir()
    try:
        images = np.lib.format.open_memmap(aside / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
        for rows, batch in chunks:
            images[rows.numpy()] = batch.numpy()
        images.flush()
        del images
        if labels is not None:
            np.save(aside / "labels.npy", labels.numpy(), allow_pickle=False)
        if fingerprints is not None:
            np.save(aside / "fingerprints.npy", fingerprints.numpy(), allow_pickle=False)
        description = {
            "format": FORMAT,
            "gan_augment": __version__,
            "synthetic": True,
            "shape": list(shape),
            "num_classes": num_classes,
            "geometry": dataclasses.asdict(geometry),
            "class_names": None if class_names is None else list(class_names),
            "fingerprints": None if fingerprints is None else len(fingerprints),
            **dataclasses.asdict(info()),
        }
        (aside / "pool.json").write_text(json.dumps(description, indent=2) + "\n")
        os.replace(aside, folder)  # an empty folder may be replaced
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def open_pool(
    folder: Path,
) -> tuple[np.memmap[Any, Any], Tensor | None, int, Geometry, list[str] | None, Tensor | None, PoolInfo]:
    """Opens a pool: images (memory-mapped), labels, number of classes, geometry, class names, fingerprints and info.

    Raises:
        FileNotFoundError: If one is missing.
        ValueError: If one is not what pool.json says.
    """
    path = folder / "pool.json"
    if not path.is_file():
        raise FileNotFoundError(f"A pool is a folder with a pool.json, but {str(folder)!r} has none.")
    with open(path, "rb") as file:
        data = file.read(MAX_INFO_BYTES + 1)
    try:
        shape, num_classes, geometry, names, count, info = _parse(data)
    except (ValueError, KeyError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"{path} must describe a pool, but: {str(error)[:500]}") from error
    images = _open_array(folder / "images.npy", np.dtype(np.uint8), shape)
    labels = None
    if num_classes:
        array = _open_array(folder / "labels.npy", np.dtype(np.int64), shape[:1])
        labels = torch.from_numpy(np.array(array))
        if not (int(labels.min()) >= 0 and int(labels.max()) < num_classes):
            raise ValueError(f"{folder / 'labels.npy'} must hold classes below {num_classes}, but holds others.")
    fingerprints = None if count is None else _open_fingerprints(folder / "fingerprints.npy", count)
    return images, labels, num_classes, geometry, names, fingerprints, info


def _open_fingerprints(path: Path, count: int) -> Tensor:
    array = _open_array(path, np.dtype(np.int64), (count,))
    fingerprints = torch.from_numpy(np.array(array))
    if not bool((fingerprints[1:] > fingerprints[:-1]).all()):
        raise ValueError(f"{path} must hold fingerprints in rising order, but does not.")
    return fingerprints


def _parse(data: bytes) -> tuple[tuple[int, ...], int, Geometry, list[str] | None, int | None, PoolInfo]:
    """What pool.json says: shape, number of classes, geometry, class names, how many fingerprints, and info."""
    if len(data) > MAX_INFO_BYTES:
        raise ValueError(f"it is larger than {MAX_INFO_BYTES:,} bytes")
    values = json.loads(data)
    if values["format"] != FORMAT:
        raise ValueError(f"its format is {values['format']!r}, not {FORMAT}; upgrade gan-augment")
    size, channels, height, width = values["shape"]
    _check_ints("shape", [size, channels, height, width], 1, 2**40)
    if channels not in (1, 3):
        raise ValueError(f"its images have {channels} channels, not 1 or 3")
    _check_ints("num_classes", [values["num_classes"]], 0, MAX_CLASSES)
    fit, source_size = values["geometry"]["fit"], values["geometry"]["source_size"]
    if fit not in ("resize", "crop", "pad"):
        raise ValueError(f"its fit is {fit!r:.100}")
    if source_size is not None:
        _check_ints("source_size", source_size, 1, 65536)
        if len(source_size) != 2 or (fit == "pad" and (source_size[0] > height or source_size[1] > width)):
            raise ValueError(f"its source_size is {source_size!r:.100}")
        source_size = (source_size[0], source_size[1])
    names = values["class_names"]
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise ValueError("its class_names are no list of text")
    count = values.get("fingerprints")  # absent in a folder of an older version
    if count is not None:
        _check_ints("fingerprints", [count], 0, MAX_FINGERPRINTS)
    info = PoolInfo(*(values[field.name] for field in dataclasses.fields(PoolInfo)))
    check_types(info)
    return (size, channels, height, width), values["num_classes"], Geometry(fit, source_size), names, count, info


def _check_ints(name: str, values: list[Any], low: int, high: int) -> None:
    for value in values:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"its {name} has {value!r:.100}, which must be a whole number from {low} to {high}")


def _open_array(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """Maps a .npy file of exactly this type and shape; reads no pickles."""
    if not path.is_file():
        raise FileNotFoundError(f"A pool's folder must hold {path.name}, but {str(path.parent)!r} does not.")
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, OSError, EOFError, SyntaxError, TypeError, TokenError, ArithmeticError) as error:
        raise ValueError(f"{path} must be a whole .npy file, but: {error}") from error
    if array.offset + array.nbytes != path.stat().st_size:
        raise ValueError(f"{path} must be a whole .npy file, but is of another size than its header says.")
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(f"{path} must hold {dtype} {shape}, but holds {array.dtype} {array.shape}.")
    return array
