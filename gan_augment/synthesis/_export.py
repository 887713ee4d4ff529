"""Exports synthetic images as files that are marked as synthetic."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL.PngImagePlugin import PngInfo
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from .._core import check_count, check_seed, check_space, holds_something, mix_seed, one_line, write_folder_aside
from .._version import __version__
from ._as_source import Source, as_source, draw, resolve_labels

LONGEST_NAME = 100  # bytes of a folder's name, so that paths on Windows stay below 260 characters
DEVICES = re.compile("CON|PRN|AUX|NUL|(COM|LPT)[0-9\u00b9\u00b2\u00b3]", re.IGNORECASE)
CHUNK = 256  # images in memory at once
LEAST_FILE = 4096  # bytes that the smallest file takes on most disks


def export_images(
    source: Any,
    folder: str | os.PathLike[str],
    n: int,
    *,
    labels: Any = None,
    seed: int | None = 0,
) -> list[Path]:
    """Writes samples as PNG files. Text fields in each file say that it is synthetic, and name its source.

    If the source has classes, the images of each are in a folder with the name of the class, or with its number:
    ``00``, ``01``, ... for 11 classes and more. A class name is changed if some system would not accept it, or could
    not tell it from another. ImageFolder sorts folders by name, which keeps the order of numbers, but not always that
    of class names.

    Args:
        source: A zoo name, a folder, a generator, a pool, a mapping, or any other :class:`Source`.
        folder (str or Path): New or empty folder. It stays as it was if the process is killed or the disk is full.
        n (int): Number of images.
        labels (sequence of int, int, optional): Class of each image, or of all. Default: the classes in turn.
        seed (int, optional): Seed of the images. None: drawn from torch's global generator. Default: 0.

    Returns:
        list of Path: The files.

    Raises:
        ValueError: If the folder holds something, or an argument is out of range.
        OSError: If the disk is full.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.relative_to(folder).as_posix() for path in export_images("dcgan-mnist-32", folder, 2)]
        ['0/000000.png', '1/000001.png']
    """
    source, folder = as_source(source), Path(folder)
    check_space(f"n={n}", check_count("n", n, 1), LEAST_FILE, folder=folder)
    asked, seed = check_labels_and_seed(source, n, labels, seed)
    check_is_empty(folder)
    inside = _folder_names(source)
    marks = make_marks(f"{source.name}, seed {seed}")
    files = []
    with write_folder_aside(folder) as aside:
        for index, image in enumerate(draw_in_chunks(source, n, asked, seed)):
            name = Path("" if asked is None else inside[int(asked[index])], f"{index:06}.png")
            (aside / name).parent.mkdir(exist_ok=True)
            (aside / name).write_bytes(as_png(image, marks))
            files.append(folder / name)
    return files


def check_labels_and_seed(source: Source, n: int, labels: Any, seed: int | None) -> tuple[Tensor | None, int]:
    """Returns the requested class of each image, and the seed.

    Raises:
        ValueError: If the source cannot make one of the classes, or an argument is out of range.
    """
    asked = resolve_labels(source, n, labels)
    missing = set() if asked is None else set(asked.tolist()) - set(source.class_indices)
    if missing:
        raise ValueError(f"labels must be classes that the source can make, but got {sorted(missing)[:20]}.")
    return asked, check_seed(seed)


def check_is_empty(folder: Path) -> None:
    if holds_something(folder):
        raise ValueError(f"folder must be new or empty, but {str(folder)!r} holds something.")


def make_marks(source: str) -> dict[str, str]:
    """Returns the text fields that mark an image as synthetic, and name its source."""
    return {"Synthetic": "true", "Software": f"gan-augment {__version__}", "Source": one_line(source)}


def draw_in_chunks(source: Source, n: int, labels: Tensor | None, seed: int) -> Iterator[Tensor]:
    """Yields ``n`` images one by one. A larger ``n`` begins with the same images."""
    for chunk, start in enumerate(range(0, n, CHUNK)):
        asked = None if labels is None else labels[start : start + CHUNK]
        yield from draw(source, min(CHUNK, n - start), asked, seed=mix_seed(seed, chunk) if chunk else seed).cpu()


def as_png(image: Tensor, marks: dict[str, str]) -> bytes:
    """Returns an image as a PNG file with text fields."""
    fields, file = PngInfo(), BytesIO()  # PIL raises no error if the disk is full
    for name, text in marks.items():
        fields.add_text(name, text)
    F.to_pil_image(image).save(file, format="png", pnginfo=fields)
    return file.getvalue()


def _folder_names(source: Source) -> list[str]:
    """Returns a different folder name for each class, also for file systems that ignore case."""
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
