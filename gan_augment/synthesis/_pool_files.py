"""A pool as files: images.npy, labels.npy and pool.json; no pickles, and exact sizes."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .._version import __version__
from ._source import Geometry

FORMAT = 1
MAX_INFO_BYTES = 2**20


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
    info: Callable[[], PoolInfo],
) -> None:
    """Writes a pool aside, chunk by chunk, and moves it to ``folder`` when it is whole.

    Raises:
        ValueError: If the folder holds something already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"A pool must be written to a new or empty folder, but {str(folder)!r} holds something.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        images = np.lib.format.open_memmap(aside / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
        for rows, batch in chunks:
            images[rows.numpy()] = batch.numpy()
        images.flush()
        del images
        if labels is not None:
            np.save(aside / "labels.npy", labels.numpy(), allow_pickle=False)
        description = {
            "format": FORMAT,
            "gan_augment": __version__,
            "synthetic": True,
            "shape": list(shape),
            "num_classes": num_classes,
            "geometry": dataclasses.asdict(geometry),
            **dataclasses.asdict(info()),
        }
        (aside / "pool.json").write_text(json.dumps(description, indent=2) + "\n")
        os.chmod(aside, 0o755)
        os.replace(aside, folder)  # an empty folder may be replaced
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def open_pool(
    folder: Path,
) -> tuple[np.memmap[Any, Any], Tensor | None, int, Geometry, PoolInfo]:
    """Opens a pool's files: images (memory-mapped), labels, number of classes, geometry and info.

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
        if len(data) > MAX_INFO_BYTES:
            raise ValueError(f"it is larger than {MAX_INFO_BYTES:,} bytes")
        description = json.loads(data)
        if description["format"] != FORMAT:
            raise ValueError(f"its format is {description['format']!r}, not {FORMAT}; upgrade gan-augment")
        shape = tuple(int(side) for side in description["shape"])
        num_classes = int(description["num_classes"])
        fit, source_size = description["geometry"]["fit"], description["geometry"]["source_size"]
        if fit not in ("resize", "crop", "pad"):
            raise ValueError(f"its fit is {fit!r}")
        geometry = Geometry(fit, None if source_size is None else (int(source_size[0]), int(source_size[1])))
        info = PoolInfo(*(description[field.name] for field in dataclasses.fields(PoolInfo)))
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise ValueError(f"{path} must describe a pool, but: {error!r}") from error
    images = _open_array(folder / "images.npy", np.dtype(np.uint8), shape, mmap=True)
    labels = None
    if num_classes:
        array = _open_array(folder / "labels.npy", np.dtype(np.int64), shape[:1], mmap=False)
        labels = torch.from_numpy(array)
    return images, labels, num_classes, geometry, info


def _open_array(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], *, mmap: bool) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"A pool's folder must hold {path.name}, but {str(path.parent)!r} does not.")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path} must be a whole .npy file, but: {error}") from error
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(f"{path} must hold {dtype} {shape}, but holds {array.dtype} {array.shape}.")
    return array if mmap else np.array(array)
