"""Synthetic images as files, each marked as what it is."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from .._core import check_count, check_seed, check_space, holds_something, mix_seed, one_line, write_folder_aside
from .._version import __version__
from ..models import check_labels
from ._source import Source, as_source, check_names, draw, spread_classes

LONGEST_NAME = 100  # bytes of a folder's name, so that a path on Windows stays below its 260 characters
DEVICES = re.compile("CON|PRN|AUX|NUL|(COM|LPT)[0-9\u00b9\u00b2\u00b3]", re.IGNORECASE)
CHUNK = 256  # images that are in memory at once
LEAST_FILE = 4096  # bytes that a file takes on most disks, however small it is


def export_images(
    source: Any,
    folder: str | os.PathLike[str],
    n: int,
    *,
    labels: Any = None,
    seed: int | None = 0,
) -> list[Path]:
    """Writes samples as PNG files that say in their text fields that they are synthetic, and of what source.

    Where there are classes, each has a folder, named as the class is, or by its number: ``00``, ``01``, ... of 11 and
    more. Characters that a folder's name cannot have become ``-``, names of Windows devices (``CON``, ``NUL.txt``) get
    a ``-`` in front, and names of more than 100 bytes are cut. Classes whose folders would then be one, also on a disk
    that ignores capitals, have their number appended. ImageFolder numbers classes by the alphabet of the folders that
    are there, which is the order of numbers, but need not be that of names.

    Args:
        source: A zoo name, folder, generator, pool, mapping, or any :class:`Source`.
        folder (str or Path): Made if missing. Must not hold anything. It is filled when all images are written: a kill
            or a full disk leaves it as it was.
        n (int): Number of images.
        labels (sequence of int, int, optional): Class of each image, or of all. Default: the classes in turn.
        seed (int, optional): The images are a function of it, of ``n`` and of ``labels``; the first 256 are those of
            the source's ``sample``. None: drawn from torch's global generator.

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
    classes = source.num_classes
    asked = spread_classes(source, n) if classes and labels is None else labels
    asked = check_labels(asked, n, classes)
    missing = set() if asked is None else set(asked.tolist()) - set(source.class_indices)
    if missing:
        raise ValueError(f"labels must be classes that the source can make, but got {sorted(missing)[:20]}.")
    seed = check_seed(seed)
    if holds_something(folder):
        raise ValueError(f"folder must be new or empty, but {str(folder)!r} holds something.")
    inside = _folder_names(source)
    marks = PngInfo()
    marks.add_text("Synthetic", "true")
    marks.add_text("Software", f"gan-augment {__version__}")
    marks.add_text("Source", f"{one_line(source.name)}, seed {seed}")
    files = []
    with write_folder_aside(folder) as aside:
        for index, image in enumerate(_images(source, n, asked, seed)):
            name = Path("" if asked is None else inside[int(asked[index])], f"{index:06}.png")
            (aside / name).parent.mkdir(exist_ok=True)
            file = BytesIO()  # a picture that is saved to a full disk says nothing of it
            _as_picture(image).save(file, format="png", pnginfo=marks)
            (aside / name).write_bytes(file.getvalue())
            files.append(folder / name)
    return files


def _images(source: Source, n: int, labels: Tensor | None, seed: int) -> Iterator[Tensor]:
    for chunk, start in enumerate(range(0, n, CHUNK)):
        asked = None if labels is None else labels[start : start + CHUNK]
        yield from draw(source, min(CHUNK, n - start), asked, seed=mix_seed(seed, chunk) if chunk else seed).cpu()


def _as_picture(image: Tensor) -> Image.Image:
    return Image.fromarray(image.squeeze(0).numpy() if len(image) == 1 else image.permute(1, 2, 0).numpy())


def _folder_names(source: Source) -> list[str]:
    """A folder for each class, no two of which are one, even to a disk that ignores capitals."""
    classes = source.num_classes
    names = check_names(source.class_names, classes)
    if not names:
        return [f"{label:0{len(str(classes - 1))}}" for label in range(classes)]
    folders = [_folder_name(name) for name in names]
    while True:
        keys = [unicodedata.normalize("NFC", folder).casefold() for folder in folders]
        count = Counter(keys)
        if len(count) == len(keys):
            return folders
        folders = [
            _shortened(name, f"-{label}") if count[keys[label]] > 1 else name for label, name in enumerate(folders)
        ]


def _folder_name(name: str) -> str:
    """A class's name without what a folder's name cannot have, on Windows either."""
    kept = "".join(letter if letter.isalnum() or letter in " -_.()" else "-" for letter in name).strip(" .")
    device = DEVICES.fullmatch(kept.partition(".")[0].rstrip())
    return _shortened(f"-{kept}" if device else kept or "-")


def _shortened(name: str, end: str = "") -> str:
    """A name with an end, cut to what a disk takes."""
    name = name.encode()[: LONGEST_NAME - len(end)].decode(errors="ignore").rstrip(" .")
    return name + end
