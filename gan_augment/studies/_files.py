"""What a study keeps in its folder, for its processes and for the next call: images, pools, outcomes."""

from __future__ import annotations

import hashlib
import os
import shutil
import warnings
import zlib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from .._core import make_folder, write_whole
from ..training import pack, unpack

DATA = "data.safetensors"


class Outcome(NamedTuple):
    """Of one training: logits ``(n, num_classes)`` of the validation and test images, and its time."""

    validation: Tensor
    test: Tensor
    seconds: float


class Images(NamedTuple):
    """What one split trains on and is judged by: uint8 images, and int64 labels."""

    train: Tensor
    labels: Tensor
    validation: Tensor
    validation_labels: Tensor
    test: Tensor
    test_labels: Tensor


def slug(name: str) -> str:
    """A name as a file may have it; names that differ stay different."""
    plain = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in name)
    return plain if plain == name else f"{plain}-{zlib.crc32(name.encode()):08x}"


def write_images(
    folder: Path, images: Tensor, labels: Tensor, test: Tensor, splits: list[tuple[Tensor, Tensor]]
) -> None:
    """Puts the images that jobs read, and the rows of each split, where they find them."""
    used = torch.bincount(torch.cat([test, *(rows for split in splits for rows in split)])).nonzero().flatten()
    rows = {"test": test}
    for index, (train, validation) in enumerate(splits):
        rows |= {f"train-{index}": train, f"validation-{index}": validation}
    tensors = {"images": images[used], "labels": labels[used]}
    tensors |= {name: torch.searchsorted(used, places) for name, places in rows.items()}
    write_whole(folder / DATA, save(tensors))


@lru_cache(maxsize=1)
def _read(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / DATA)


@lru_cache(maxsize=1)
def _test_images(folder: Path) -> tuple[Tensor, Tensor]:
    tensors = _read(folder)
    return tensors["images"][tensors["test"]], tensors["labels"][tensors["test"]]


@lru_cache(maxsize=16)
def read_images(folder: Path, split: int) -> Images:
    """The images of a split; the test images are one tensor for all of them."""
    tensors = _read(folder)
    parts = [tensors[name] for name in (f"train-{split}", f"validation-{split}")]
    train, labels, validation, others = (tensors[kind][rows] for rows in parts for kind in ("images", "labels"))
    return Images(train, labels, validation, others, *_test_images(folder))


def forget_images() -> None:
    """Lets the images of earlier studies go."""
    for cached in (_read, _test_images, read_images):
        cached.cache_clear()


def pool_name(filters: tuple[str, ...]) -> str:
    """What the pool behind some filters is called."""
    return "-".join(filters) or "unfiltered"


def pool_folder(folder: Path, filters: tuple[str, ...], split: int) -> Path:
    """Where the pool of a split is."""
    return folder / "pools" / f"{pool_name(filters)}-{split}"


def write_outcome(path: Path, outcome: Outcome) -> None:
    make_folder(path.parent)
    write_whole(path, pack({"run": path.stem, **outcome._asdict()}))


def read_outcome(path: Path) -> Outcome | None:
    """What a training has kept; None if there is nothing.

    Warns:
        UserWarning: If it is damaged, by its hash, or of another training; then it counts as nothing.
    """
    try:
        state = unpack(path.read_bytes())
        if state.pop("run", None) != path.stem:
            raise ValueError("it is of another training")
        return Outcome(**state)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        _warn_damaged(path, str(error))
        return None


def _warn_damaged(path: Path, reason: str) -> None:
    warnings.warn(f"{path} is damaged ({reason}); it is made again.", UserWarning, stacklevel=3)


def write_record(folder: Path, seconds: float) -> None:
    """Keeps beside a pool what it must be known by when the study goes on: its hash, and the time that it took."""
    write_whole(_record(folder), pack({"seconds": seconds, "sha256": _digest(folder)}))


def read_record(folder: Path) -> float | None:
    """The seconds that a pool took; None if there is no whole pool, and then what there is of one is removed.

    Warns:
        UserWarning: If it is not what was written.
    """
    record = _record(folder)
    try:
        state = unpack(record.read_bytes())
        if not folder.is_dir() or state["sha256"] != _digest(folder):
            raise ValueError("its contents do not match their SHA-256")
        return float(state["seconds"])
    except FileNotFoundError:  # the study was stopped before the pool was whole
        pass
    except (ValueError, KeyError, TypeError) as error:
        _warn_damaged(folder, str(error))
    record.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    return None


def _record(folder: Path) -> Path:
    return folder.with_name(folder.name + ".record")


def _digest(folder: Path) -> str:
    """A hash of the names and contents of a folder's files."""
    digest = hashlib.sha256()
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        with open(path, "rb") as file:
            digest.update(f"{path.relative_to(folder)}/{os.fstat(file.fileno()).st_size}/".encode())
            while chunk := file.read(2**20):
                digest.update(chunk)
    return digest.hexdigest()
