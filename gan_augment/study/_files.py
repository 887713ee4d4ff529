"""What a study keeps in its folder, for its processes and for the next call: images, pools, outcomes."""

from __future__ import annotations

import zlib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from .._core import write_whole

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
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {"validation": outcome.validation, "test": outcome.test, "seconds": torch.tensor([outcome.seconds])}
    write_whole(path, save(tensors))


def read_outcome(path: Path) -> Outcome | None:
    """What a training has kept; None if there is nothing, or it cannot be read."""
    try:
        tensors = load_file(path)
        return Outcome(tensors["validation"], tensors["test"], float(tensors["seconds"]))
    except (FileNotFoundError, SafetensorError, KeyError):
        return None
