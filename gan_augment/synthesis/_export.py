"""Exports synthetic images as files that are marked as synthetic."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from .._core import (
    MARK,
    check_count,
    check_seed,
    check_space,
    holds_something,
    mix_seed,
    one_line,
    png_marks,
    write_folder_aside,
)
from .._version import __version__
from ._as_source import Source, as_source, draw, resolve_labels
from .pool._pool import SyntheticPool

MANIFEST = "metadata.jsonl"  # the name that Hugging Face's imagefolder reads
LONGEST_NAME = 100  # bytes of a folder's name, so that paths on Windows stay below 260 characters
DEVICES = re.compile("CON|PRN|AUX|NUL|(COM|LPT)[0-9\u00b9\u00b2\u00b3]", re.IGNORECASE)
CHUNK = 256  # images in memory at once
LEAST_FILE = 4096  # bytes that the smallest file takes on most disks


def export_images(
    source: Any,
    folder: str | os.PathLike[str],
    n: int | None = None,
    *,
    labels: Any = None,
    seed: int | None = 0,
) -> list[Path]:
    """Writes samples as PNG files that are marked as synthetic, with a manifest.

    Each file says that it is synthetic, in text fields that also name its source, and in XMP metadata (IPTC's digital
    source type). Each row of the manifest ``metadata.jsonl`` says so too, with the file, class, source and seed.
    torchvision's ``ImageFolder`` reads the folder, and so does ``datasets.load_dataset("imagefolder", data_dir=...)``.

    If the source has classes, the images of each are in a folder with the name of the class, or with its number:
    ``00``, ``01``, ... for 11 classes and more. A class name is changed if some operating system would not accept it as
    a folder, or could not tell it from another. ImageFolder sorts folders by name, which keeps the order of numbers,
    but not always that of class names.

    Args:
        source: A zoo name, a folder, a generator, a pool, a mapping, or any other :class:`Source`.
        folder (str or Path): New or empty folder. It stays as it was if the process is killed or the disk is full.
        n (int, optional): Number of images. Default: every image of a pool, once. Other sources require it.
        labels (sequence of int, int, optional): Class of each image, or of all. Default: the classes in turn.
        seed (int, optional): Seed of the images. None: drawn from torch's global generator. Default: 0.

    Returns:
        list of Path: The images.

    Raises:
        ValueError: If the folder holds something, an argument is out of range, or ``n`` is missing.
        OSError: If the disk is full.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.relative_to(folder).as_posix() for path in export_images("dcgan-mnist-32", folder, 2)]
        ['0/000000.png', '1/000001.png']
    """
    source, folder = as_source(source), Path(folder)
    export = prepare_export(source, folder, n, labels, seed, LEAST_FILE)
    inside, names, marks = _folder_names(source), source.class_names, make_marks(export.origin)
    files = []
    with write_folder_aside(folder) as aside, open(aside / MANIFEST, "x", encoding="utf-8") as manifest:
        for index, image in enumerate(export.images):
            label = None if export.labels is None else int(export.labels[index])
            name = Path("" if label is None else inside[label], f"{index:06}.png")
            (aside / name).parent.mkdir(exist_ok=True)
            (aside / name).write_bytes(as_png(image, marks))
            row = {"file_name": name.as_posix(), "synthetic": True, "source": export.source, "seed": export.seed}
            row |= {} if label is None else {"label": label, "class_name": names[label] if names else str(label)}
            manifest.write(json.dumps(row) + "\n")
            files.append(folder / name)
    return files


@dataclass(frozen=True)
class Export:
    """What to write: images one by one, the class of each, and where they came from."""

    images: Iterator[Tensor]
    labels: Tensor | None
    count: int
    source: str
    seed: int | None

    @property
    def origin(self) -> str:
        """The source, and the seed if it is known."""
        return self.source if self.seed is None else f"{self.source}, seed {self.seed}"


def prepare_export(
    source: Source,
    folder: Path,
    n: int | None,
    labels: Any,
    seed: int | None,
    least: int,
    order: Callable[[Tensor], Tensor] = lambda labels: torch.arange(len(labels)),
) -> Export:
    """Checks the arguments of an export, and returns what to write.

    Args:
        source (Source): The source.
        folder (Path): New or empty folder.
        n (int, optional): Number of images. None: every image of a pool.
        labels (optional): Class of each image, or of all images.
        seed (int, optional): Seed of the images.
        least (int): Smallest number of bytes that an image takes on the disk.
        order (callable): Takes the labels of the images, and returns the indices of the images in the order in which
            to write them. Default: their own order.

    Raises:
        ValueError: If the folder holds something, an argument is out of range, or ``n`` is missing.
    """
    pool = _whole_pool(source, labels) if n is None else None
    count = check_count("n", n, 1) if pool is None else len(pool)  # type: ignore[arg-type]
    check_space(f"n={count}", count, least, folder=folder)
    if pool is None:
        asked, seed = _check_labels_and_seed(source, count, labels, seed)
        asked = asked if asked is None or labels is None else asked[order(asked)]
        export = Export(_draw_in_chunks(source, count, asked, seed), asked, count, source.name, seed)
    else:
        rows = torch.arange(count) if pool.labels is None else order(pool.labels)
        asked = None if pool.labels is None else pool.labels[rows]
        export = Export(_rows_in_chunks(pool, rows), asked, count, pool.info.source, pool.info.seed)
    if holds_something(folder):
        raise ValueError(f"folder must be new or empty, but {str(folder)!r} holds something.")
    return export


def _whole_pool(source: Source, labels: Any) -> SyntheticPool:
    """Checks that a source is a pool, so that each of its images can be written."""
    if not isinstance(source, SyntheticPool):
        raise ValueError("n must be the number of images, but got None; only a pool can be written without n.")
    if labels is not None:
        raise ValueError("labels must be None if every image of a pool is written; pass n= to draw from the pool.")
    return source


def _check_labels_and_seed(source: Source, n: int, labels: Any, seed: int | None) -> tuple[Tensor | None, int]:
    """Returns the requested class of each image, and the seed.

    Raises:
        ValueError: If the source cannot make one of the classes, or an argument is out of range.
    """
    asked = resolve_labels(source, n, labels)
    missing = set() if asked is None else set(asked.tolist()) - set(source.class_indices)
    if missing:
        raise ValueError(f"labels must be classes that the source can make, but got {sorted(missing)[:20]}.")
    return asked, check_seed(seed)


def make_marks(source: str) -> dict[str, str]:
    """Returns the text fields that mark an image as synthetic, and name its source."""
    return {**dict([MARK]), "Software": f"gan-augment {__version__}", "Source": one_line(source)}


def _draw_in_chunks(source: Source, n: int, labels: Tensor | None, seed: int) -> Iterator[Tensor]:
    """Yields ``n`` images one by one. A larger ``n`` begins with the same images."""
    for chunk, start in enumerate(range(0, n, CHUNK)):
        asked = None if labels is None else labels[start : start + CHUNK]
        yield from draw(source, min(CHUNK, n - start), asked, seed=mix_seed(seed, chunk) if chunk else seed).cpu()


def _rows_in_chunks(pool: SyntheticPool, rows: Tensor) -> Iterator[Tensor]:
    for chunk in torch.split(rows, CHUNK):
        yield from pool.rows(chunk).cpu()


def as_png(image: Tensor, marks: dict[str, str]) -> bytes:
    """Returns an image as a PNG file. If there are text fields, XMP metadata also mark it as synthetic."""
    file = BytesIO()  # PIL raises no error if the disk is full
    F.to_pil_image(image).save(file, format="png", pnginfo=png_marks(marks) if marks else None)
    return file.getvalue()


def _folder_names(source: Source) -> list[str]:
    """Returns a different folder name for each class. The names differ even if the file system ignores case."""
    if not source.class_names:
        digits = len(str(source.num_classes - 1))
        return [f"{label:0{digits}}" for label in range(source.num_classes)]
    folders = [_folder_name(name) for name in source.class_names]
    while True:
        keys = [unicodedata.normalize("NFC", folder).casefold() for folder in folders]
        count = Counter(keys)
        if len(count) == len(keys):
            return folders
        folders = [
            _shortened(name, f"-{label}") if count[keys[label]] > 1 else name for label, name in enumerate(folders)
        ]


def _folder_name(name: str) -> str:
    """Returns the name of a class without characters or forms that are not allowed for folders on some system."""
    kept = "".join(letter if letter.isalnum() or letter in " -_.()" else "-" for letter in name).strip(" .")
    device = DEVICES.fullmatch(kept.partition(".")[0].rstrip())
    return _shortened(f"-{kept}" if device else kept or "-")


def _shortened(name: str, end: str = "") -> str:
    """Returns a name with a suffix, shortened to the longest that is allowed."""
    return name.encode()[: LONGEST_NAME - len(end)].decode(errors="ignore").rstrip(" .") + end
