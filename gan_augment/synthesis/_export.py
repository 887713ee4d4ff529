"""Synthetic images as files, each marked as what it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from .._version import __version__
from ..hub import write_aside
from ..models import check_count, check_labels, check_seed
from ._source import as_source, draw, num_classes, spread_classes


def export_images(
    source: Any,
    folder: str | os.PathLike[str],
    n: int,
    *,
    labels: Any = None,
    seed: int | None = 0,
) -> list[Path]:
    """Writes samples as PNG files that say in their text fields that they are synthetic, and of what source.

    Args:
        source: A zoo name, folder, generator, pool, mapping, or any :class:`Source`.
        folder (str or Path): Made if missing; where there are classes, each has a folder in it, as ImageFolder
            reads them. Must not hold anything.
        n (int): Number of images.
        labels (sequence of int, int, optional): Class of each image, or of all. Default: the classes in turn.
        seed (int, optional): The images are a function of it. None: drawn from torch's global generator.

    Returns:
        list of Path: The files.

    Raises:
        ValueError: If the folder holds something, or an argument is out of range.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.relative_to(folder).as_posix() for path in export_images("dcgan-mnist-32", folder, 2)]
        ['0/000000.png', '1/000001.png']
    """
    source, folder = as_source(source), Path(folder)
    name = getattr(getattr(source, "card", None), "name", type(source).__name__)
    check_count("n", n, 1)
    classes = num_classes(source)
    asked = spread_classes(source, n) if classes and labels is None else labels
    asked = check_labels(asked, n, classes)
    seed = check_seed(seed)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"folder must be new or empty, but {str(folder)!r} holds something.")
    names = getattr(source, "class_names", None)
    marks = PngInfo()
    marks.add_text("Synthetic", "true")
    marks.add_text("Software", f"gan-augment {__version__}")
    marks.add_text("Source", f"{name}, seed {seed}")
    files = []
    images = draw(source, n, asked, seed=seed).cpu()
    for index, image in enumerate(images):
        label = None if asked is None else int(asked[index])
        inside = folder if label is None else folder / _folder_name(names[label] if names else str(label))
        inside.mkdir(parents=True, exist_ok=True)
        files.append(inside / f"{index:06}.png")
        with write_aside(files[-1]) as aside:
            _as_picture(image).save(aside, format="png", pnginfo=marks)
    return files


def _as_picture(image: Tensor) -> Image.Image:
    return Image.fromarray(image.squeeze(0).numpy() if len(image) == 1 else image.permute(1, 2, 0).numpy())


def _folder_name(name: str) -> str:
    """A class's name without what a folder's name cannot have."""
    kept = "".join(letter if letter.isalnum() or letter in " -_.()" else "-" for letter in name).strip(" .")
    return kept or "-"
