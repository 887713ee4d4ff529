"""Reads an uploaded zip file of images, within limits."""

from __future__ import annotations

import re
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import Dataset

from .._core import plain
from ..data import TrainingImages, open_images
from ._limits import Limits

SIDE = 64  # pixels; larger images are made smaller, for the page and its studies
LONGEST_NAME = 80
ADVICE = "Drop a zip file with one folder of images for each class."


@dataclass(frozen=True)
class Upload:
    """The images of a zip file.

    Attributes:
        path (Path): The file.
        images (Tensor): uint8 ``(n, c, s, s)``.
        labels (Tensor): int64 ``(n,)``.
        class_names (tuple of str): Name of each class.
        resized (bool): Whether the images had other sizes.
        notes (tuple of str): Sentences on what was left out.
    """

    path: Path
    images: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    resized: bool
    notes: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The number of images and their classes."""
        counts = self.labels.bincount(minlength=len(self.class_names)).tolist()
        shown = ", ".join(f"{name} ({count:,})" for name, count in list(zip(self.class_names, counts))[:10])
        more = f" and {len(counts) - 10} more" if len(counts) > 10 else ""
        size = f"{self.images.shape[3]} px" + (", cropped and resized" if self.resized else "")
        return f"{self.path.name}: {len(self.images):,} images of {size}. Classes: {shown}{more}."


def safe_name(name: str) -> str:
    """Returns the name of an uploaded file without folders and unusual characters.

    Example:
        >>> safe_name("../../etc/my photos.ZIP")
        'my-photos.zip'
    """
    stem, _, suffix = plain(re.split(r"[\\/]", name)[-1]).rpartition(".")
    kept = re.sub(r"[^\w-]+", "-", stem or suffix).strip("-")[:LONGEST_NAME]
    return f"{kept or 'upload'}.{suffix.lower()}" if stem and suffix.isalnum() else kept or "upload"


def read_upload(path: Path, limits: Limits) -> Upload:
    """Reads every image of a zip file, and makes large ones smaller.

    Args:
        path (Path): The file.
        limits (Limits): Its limits.

    Raises:
        ValueError: If it is not a zip file, is damaged, exceeds a limit, or holds no classes. The message names the
            file without its folder.
    """
    try:
        return _read(path, limits)
    except (ValueError, TypeError) as error:
        sentence = str(error).replace(str(path), path.name).rstrip(".")
        raise ValueError(f"{sentence}. {ADVICE}") from error


def _read(path: Path, limits: Limits) -> Upload:
    if path.suffix.lower() != ".zip":
        raise ValueError(f"The upload must be a .zip file, but got {path.name!r}.")
    if path.stat().st_size > limits.upload_bytes:
        raise ValueError(f"{path.name!r} must be at most {limits.upload_bytes:,} bytes, but is larger.")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dataset: Any = open_images(path, max_bytes=limits.unpacked_bytes, max_files=limits.entries)
        _check(dataset, path.name, limits)
        first = dataset[0][0].size
        side = first[0] if first[0] == first[1] <= SIDE else SIDE
        timed = _Timed(dataset, limits)
        try:
            read = TrainingImages.from_dataset(timed, side, "crop", progress=False)
        except ValueError as error:
            raise timed.refused or error from None  # without advice for programmers
    if read.labels is None:  # not possible after the checks
        raise ValueError(f"{path.name!r} holds no classes.")
    notes = tuple(str(each.message).replace(str(path), path.name) for each in caught)
    names = read.class_names or tuple(map(str, range(read.num_classes)))
    return Upload(path, read.images, read.labels, names, read.source_size != (side, side), notes)


def _check(dataset: Any, name: str, limits: Limits) -> None:
    count = len(dataset)
    if count > limits.images:
        raise ValueError(f"{name!r} must hold at most {limits.images:,} images, but holds {count:,}.")
    if dataset.labels is None:
        raise ValueError(f"{name!r} must hold one folder for each class, but its {count:,} images have no classes.")
    if (classes := len(set(dataset.labels))) > limits.classes:
        raise ValueError(f"{name!r} must hold at most {limits.classes:,} classes, but holds {classes:,}.")


class _Timed(Dataset[Any]):
    """Returns the items of a data set until the time is over, and remembers why one was refused."""

    def __init__(self, dataset: Any, limits: Limits) -> None:
        self.dataset, self.limits = dataset, limits
        self.classes = dataset.classes
        self.end = time.monotonic() + limits.reading_seconds
        self.refused: ValueError | None = None

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        try:
            if time.monotonic() > self.end:
                raise ValueError(
                    f"The images must be read within {self.limits.reading_seconds:g} seconds, but in this time only "
                    f"{index:,} of {len(self):,} were read; upload fewer or smaller ones."
                )
            return self.dataset[index]
        except ValueError as error:
            self.refused = error
            raise
