"""Images as HTML figures and films. Synthetic ones are marked inside the file, like exported images."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from torch import Tensor
from torchvision.transforms.v2.functional import to_pil_image

from .._core import png_marks
from ..synthesis import as_png, make_marks

USUAL, LARGEST = 88, 256  # pixels of a tile
MILLISECONDS = 80  # of a frame of a film


@dataclass(frozen=True)
class Tile:
    """An image with the text below it.

    Attributes:
        image (Tensor): uint8 ``(c, h, w)``.
        caption (str): Text, such as the class.
        source (str): Name of the source of a synthetic image; empty for a real one.
    """

    image: Tensor
    caption: str = ""
    source: str = ""


def figures(tiles: Sequence[Tile], label: str, *, framed: bool = False) -> str:
    """Returns images as a list of figures, which fits any width.

    Args:
        tiles (sequence of Tile): The images.
        label (str): Name of the list for screen readers.
        framed (bool): Whether to put a frame and a label on synthetic images. Default: False.
    """
    items = "".join(_figure(tile, framed) for tile in tiles)
    side = min(max((tile.image.shape[2] for tile in tiles), default=0), LARGEST)
    style = f' style="--ga-side: {side}px"' if side > USUAL else ""  # so that enlarged images show what they gained
    return f'<ul class="ga-tiles"{style} aria-label="{html.escape(label)}">{items}</ul>'


def _figure(tile: Tile, framed: bool) -> str:
    caption, kind = html.escape(tile.caption), "synthetic" if tile.source else "real"
    about = html.escape(f"{kind} image" + (f", {tile.caption}" if tile.caption else ""))
    mark = " <b>synthetic</b>" if framed and tile.source else ""
    css = ' class="ga-synthetic"' if mark else ""
    below = f"<figcaption>{caption}{mark}</figcaption>" if caption or mark else ""
    return f'<li><figure{css}><img alt="{about}" src="{data_address(png(tile))}">{below}</figure></li>'


def png(tile: Tile) -> bytes:
    """Returns a tile as a PNG file. The file of a synthetic image is marked."""
    if tile.source:
        return as_png(tile.image, make_marks(tile.source))
    file = BytesIO()
    to_pil_image(tile.image).save(file, format="png")
    return file.getvalue()


def film(images: Tensor, source: str) -> bytes:
    """Returns images ``(n, c, h, w)`` as an animated PNG that runs to its end and back, marked as synthetic."""
    there = [to_pil_image(image) for image in images]
    frames, file = [*there, *there[-2:0:-1]], BytesIO()
    options = {"save_all": True, "append_images": frames[1:], "duration": MILLISECONDS, "loop": 0}
    frames[0].save(file, format="png", pnginfo=png_marks(make_marks(source)), **options)
    return file.getvalue()


def data_address(data: bytes) -> str:
    """Returns a PNG file as a data URL, so that the page does not need to fetch it."""
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"
