"""A picture of fixed samples."""

from __future__ import annotations

from io import BytesIO

import torch
from PIL import Image
from torchvision.utils import make_grid

from ..models import Generator

SIDE = 10
WIDTH = 1320  # pixels, of a hundred images of 128 px
CARD_WIDTH = 660  # of a hundred of 64 px: half a megabyte
PADDING = 2


def sample_grid(generator: Generator, seed: int = 0, width: int = WIDTH) -> Image.Image:
    """A picture of fixed samples in rows of ten, or fewer if they are large.

    Args:
        generator (Generator): With classes there is a row for each of the first ten.
        seed (int): Of the latents, the same ones for the same seed.
        width (int): Of the picture in pixels, at most, if one image is not wider.
    """
    columns = max(1, min(SIDE, width // (generator.config.image_size + PADDING)))
    rows = min(generator.num_classes, SIDE) or columns
    labels = torch.arange(rows).repeat_interleave(columns) if generator.num_classes else None
    samples = generator.sample(rows * columns, labels, seed=seed).cpu()
    grid = make_grid(samples, nrow=columns, padding=PADDING, pad_value=255)
    picture = Image.fromarray(grid.permute(1, 2, 0).numpy())
    zoom = max(1, 480 // picture.width)  # small pixels are seen better as squares
    return picture.resize((picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST)


def card_grid(generator: Generator) -> bytes:
    """The PNG of a card: what ``sample(..., seed=0)`` gave where it was written."""
    file = BytesIO()
    sample_grid(generator, width=CARD_WIDTH).save(file, format="png", optimize=True)
    return file.getvalue()
