"""A data set of image files, in a folder or an archive."""

from __future__ import annotations

import struct
import warnings
from typing import IO, Any

import PIL.Image
from PIL.Image import Transpose
from torch.utils.data import Dataset

from ._containers import MAX_FILE_BYTES, Container, reading
from ._layout import describe_skipped, find_layout, image_formats

MAX_PIXELS = 2**26
_ORIENTATION = 0x0112  # EXIF tag
_UPRIGHT = {  # the operation that turns an image upright, by the value of this tag
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}


class ImageFiles(Dataset[Any]):
    """Images in a folder or an archive, with classes if there is one folder per class.

    ``names`` are their paths in the folder or archive. ``labels`` is None if there are no classes, and ``classes`` if
    these have no names.
    """

    def __init__(self, container: Container, split: str | None) -> None:
        self._container = container
        skipped: dict[tuple[str, ...], str] = {}
        layout = find_layout(container, split, skipped)
        self._images = layout.images
        self.names = ["/".join(image.parts) for image in layout.images]
        self.labels = self.targets = layout.labels  # torchvision's name is targets
        self.classes = layout.classes
        if skipped:
            warnings.warn(describe_skipped(container.path, skipped), UserWarning, stacklevel=3)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Any:
        entry = self._images[index]
        with reading(self._container.path / "/".join(entry.path), "an image"):
            if entry.size > MAX_FILE_BYTES:
                raise ValueError(f"it is larger than {MAX_FILE_BYTES:,} bytes")
            with self._container.open(entry) as file:
                image = _decode(file)
        return image if self.labels is None else (image, self.labels[index])


def _decode(file: IO[bytes]) -> PIL.Image.Image:
    """Reads an upright grey or RGB image, or the first frame of an animation."""
    try:
        opened = PIL.Image.open(file, formats=image_formats())
    except PIL.UnidentifiedImageError as error:  # its message names a Python object, not the file
        raise ValueError("it is damaged, or has an unsupported format") from error
    with opened as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"it has {image.width} x {image.height} pixels, more than {MAX_PIXELS:,}")
        if image.mode.startswith(("I", "F")):
            raise ValueError(f"it has more than 8 bits per channel (mode {image.mode!r})")
        image.load()  # a damaged file fails here, and not in getexif
        # Pillow turns TIFF files itself, but before version 10 their EXIF data still ask for it.
        turn = None if image.format == "TIFF" else _UPRIGHT.get(_orientation(image))
        upright = image if turn is None else image.transpose(turn)
        if turn is not None:  # the copy must not ask for another turn
            upright.info = {key: value for key, value in image.info.items() if key == "transparency"}
        if upright.mode == "P" and "transparency" in upright.info:
            upright = upright.convert("RGBA")  # avoids a warning of Pillow
        return upright.convert("L" if upright.mode in ("1", "L", "LA", "La") else "RGB")


def _orientation(image: PIL.Image.Image) -> Any:
    """Returns the orientation in the EXIF data, or None if they are damaged."""
    try:
        return image.getexif().get(_ORIENTATION)
    except (SyntaxError, ValueError, TypeError, LookupError, AttributeError, OverflowError, struct.error):
        return None
