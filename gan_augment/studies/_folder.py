"""The folder of a study: configuration, images, pools and outcomes, for its processes and for the next call."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from .._core import holds_something, lock_folder, make_folder, remove_asides, write_whole
from ..synthesis import SyntheticPool
from ..training import pack, unpack

CONFIG = "config.json"
NOT_IDENTIFYING = (
    "command",
    "processes",
    "device",
    "data",
    "test",
    "source",
    "reference",
    "gan_augment",
)  # may differ between two calls
LONGEST_NAME = 100  # letters, of a file name
IMAGES = "data.safetensors"


class Outcome(NamedTuple):
    """The result of one training run: logits ``(n, num_classes)`` of validation and test images, and its seconds."""

    validation: Tensor
    test: Tensor
    seconds: float


class SplitImages(NamedTuple):
    """The images and labels of one split: uint8 ``(n, c, h, w)`` and int64 ``(n,)``."""

    train: Tensor
    train_labels: Tensor
    validation: Tensor
    validation_labels: Tensor
    test: Tensor
    test_labels: Tensor


@contextmanager
def study_folder(out: str | os.PathLike[str] | None) -> Iterator[Path]:
    """Locks the folder of a study for this process; without ``out``, makes a temporary folder."""
    if out is None:
        with tempfile.TemporaryDirectory() as temporary:
            yield Path(temporary)
        return
    folder = Path(out).resolve()
    make_folder(folder)
    with lock_folder(folder):
        for each in (folder, folder / "runs", folder / "pools"):
            remove_asides(each, locked=True)
        yield folder


def write_config(folder: Path, config: dict[str, Any]) -> None:
    """Writes the configuration of a study, and refuses a folder that holds another study or something else."""
    path = folder / CONFIG
    text = json.dumps(config, indent=2)
    if path.exists():
        known, new = _read_config(path), json.loads(text)
        differing = [key for key, value in new.items() if key not in NOT_IDENTIFYING and known.get(key) != value]
        if differing:
            raise ValueError(
                f"out must be a new folder or hold the same study, but {folder} holds one that differs in "
                f"{', '.join(differing)}; choose another folder, or delete this one."
            )
    elif holds_something(folder):
        raise ValueError(f"out must be a new or empty folder or hold a study, but {folder} holds something else.")
    write_whole(path, (text + "\n").encode())


def _read_config(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text())
        if not isinstance(known, dict):
            raise ValueError(f"it holds {type(known).__name__}")
    except ValueError as error:
        raise ValueError(
            f"{path} must be the configuration of a study, but cannot be read ({error}); use a new folder."
        ) from None
    return known


def file_name(name: str) -> str:
    """Returns a file name. Different names give different file names."""
    plain = _plain(name)
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return plain if plain == name and len(name) <= LONGEST_NAME else f"{plain[:LONGEST_NAME]}-{digest}"


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in name)


def write_images(
    folder: Path, images: Tensor, labels: Tensor, test: Tensor, splits: list[tuple[Tensor, Tensor]]
) -> None:
    """Writes the images of a study, and the rows that each split uses."""
    used = torch.bincount(torch.cat([test, *(rows for split in splits for rows in split)])).nonzero().flatten()
    rows = {"test": test}
    for index, (train, validation) in enumerate(splits):
        rows |= {f"train-{index}": train, f"validation-{index}": validation}
    tensors = {"images": images[used], "labels": labels[used]}
    tensors |= {name: torch.searchsorted(used, places) for name, places in rows.items()}
    write_whole(folder / IMAGES, save(tensors))
    for cached in (_read_images, read_split):  # drop the images of earlier studies
        cached.cache_clear()


@lru_cache(maxsize=1)
def _read_images(folder: Path) -> tuple[dict[str, Tensor], tuple[Tensor, Tensor]]:
    """Returns all tensors, and the images and labels of the test images, which all splits share."""
    tensors = load_file(folder / IMAGES)
    return tensors, (tensors["images"][tensors["test"]], tensors["labels"][tensors["test"]])


@lru_cache(maxsize=16)
def read_split(folder: Path, split: int) -> SplitImages:
    """Reads the images of a split."""
    tensors, test = _read_images(folder)
    rows = [tensors[name] for name in (f"train-{split}", f"validation-{split}")]
    train, validation = ((tensors["images"][part], tensors["labels"][part]) for part in rows)
    return SplitImages(*train, *validation, *test)


def pool_name(filters: tuple[str, ...]) -> str:
    return "-".join(filters) or "unfiltered"


def pool_folder(folder: Path, filters: tuple[str, ...], split: int) -> Path:
    return folder / "pools" / f"{pool_name(filters)}-{split}"


def load_pool(folder: Path, filters: tuple[str, ...], split: int) -> SyntheticPool:
    """Loads the pool of a split, and verifies its hashes."""
    return SyntheticPool.load(pool_folder(folder, filters, split), verify=True)


def write_outcome(path: Path, outcome: Outcome) -> None:
    make_folder(path.parent)
    write_whole(path, pack({"run": path.stem, **outcome._asdict()}))


def read_outcome(path: Path) -> Outcome | None:
    """Reads an outcome and verifies its hash; returns None if it is missing, or warns if it is damaged."""
    try:
        state = unpack(path.read_bytes())
        if state.pop("run", None) != path.stem:
            raise ValueError("it belongs to another training run")
        return Outcome(**state)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        _warn_damaged(path, str(error))
        return None


def outcome_paths(folder: Path) -> Iterable[Path]:
    return (folder / "runs").glob("*.safetensors")


def count_outcomes(paths: Iterable[Path], classifier: str) -> int:
    """Returns the number of outcomes of a classifier. The keys of its arms start with its name."""
    start = _plain(f"{classifier}, ")
    return sum(path.name.startswith(start) for path in paths)


def _warn_damaged(path: Path, reason: str) -> None:
    warnings.warn(f"{path} is damaged ({reason}); the study creates it again.", UserWarning, stacklevel=3)


def write_record(folder: Path, seconds: float) -> None:
    """Writes a record beside a finished pool: the seconds that it took, and a hash that verifies it later."""
    write_whole(_record(folder), pack({"seconds": seconds, "sha256": _digest(folder)}))


def read_record(folder: Path) -> float | None:
    """Returns the seconds that a pool took, or None if it is incomplete or damaged; it is then removed."""
    record = _record(folder)
    try:
        state = unpack(record.read_bytes())
        if not folder.is_dir() or state["sha256"] != _digest(folder):
            raise ValueError("its contents do not match their SHA-256")
        return float(state["seconds"])
    except FileNotFoundError:  # the study was stopped before the pool was complete
        pass
    except (ValueError, KeyError, TypeError) as error:
        _warn_damaged(folder, str(error))
    record.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    return None


def make_once(folder: Path, make: Callable[[], object]) -> float:
    """Makes a pool unless it is there, and returns the seconds that it took."""
    seconds = read_record(folder)
    if seconds is None:
        make_folder(folder.parent)
        started = time.perf_counter()
        make()
        seconds = time.perf_counter() - started
        write_record(folder, seconds)
    return seconds


def _record(folder: Path) -> Path:
    return folder.with_name(folder.name + ".record")


def _digest(folder: Path) -> str:
    """Returns a hash of the names and contents of all files in a folder."""
    digest = hashlib.sha256()
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        with open(path, "rb") as file:
            digest.update(f"{path.relative_to(folder)}/{os.fstat(file.fileno()).st_size}/".encode())
            while chunk := file.read(2**20):
                digest.update(chunk)
    return digest.hexdigest()
