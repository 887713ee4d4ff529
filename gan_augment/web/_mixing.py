"""A mixed batch of uploaded and synthetic images."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import torch

from .._core import one_line
from ..mixing import SyntheticMix
from ..models import Generator
from ._generators import classes_of
from ._pictures import Tile
from ._uploads import Upload

_lock = threading.Lock()  # SyntheticMix draws from torch's global generator, which all threads share


@dataclass(frozen=True)
class MixedBatch:
    """A batch with the number of its synthetic images.

    Attributes:
        tiles (list of Tile): The images; synthetic ones name their source.
        num_synthetic (int): Number of synthetic images.
    """

    tiles: list[Tile]
    num_synthetic: int


def mix_batch(
    upload: Upload, generator: Generator, source: str, *, ratio: float, labels: str | int, count: int, seed: int
) -> MixedBatch:
    """Draws a batch of uploaded images, and replaces a share of it with synthetic ones.

    Args:
        upload (Upload): The real images.
        generator (Generator): The source of the synthetic images.
        source (str): Its name.
        ratio (float): Synthetic share of the batch, 0..1.
        labels (str or int): Label policy: ``"same"``, ``"uniform"`` or a class of the upload.
        count (int): Number of images in the batch, or of all if there are fewer.
        seed (int): Seed of the batch. With the same seed, every ratio starts from the same real images.

    Raises:
        ValueError: If the generator does not fit the classes, with a sentence that says what to do.
    """
    known, mix = upload.class_names, make_mix(upload, generator, ratio, labels)
    with _lock, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        rows = torch.randperm(len(upload.images))[:count]
        images, targets, extra = mix(upload.images[rows], upload.labels[rows])
    tiles = [
        Tile(image, known[int(target)] if target.ndim == 0 else _soft(target, known), source if synthetic else "")
        for image, target, synthetic in zip(images, targets, extra.tolist())
    ]
    return MixedBatch(tiles, int(extra.sum()))


def make_mix(upload: Upload, generator: Generator, ratio: float, labels: str | int) -> SyntheticMix:
    """Returns the transform, or raises an error that names both lists of classes if they differ."""
    known, theirs = list(upload.class_names), [name for name, _ in classes_of(generator)]
    if not 0 <= ratio <= 1:  # a changed page can send anything
        raise ValueError(f"The ratio must be between 0 and 1, but got {ratio}.")
    try:
        return SyntheticMix(
            generator, ratio, labels=labels, num_classes=len(known), classes=known, return_synthetic=True
        )
    except ValueError:
        if labels != "same" or known == theirs:
            raise
        raise ValueError(
            f"The generator must have the classes of your images ({one_line(', '.join(known))}), but its classes are: "
            f"{one_line(', '.join(theirs) or 'none')}. Choose another generator, or another label for the synthetic "
            "images."
        ) from None


def _soft(target: torch.Tensor, known: tuple[str, ...]) -> str:
    """Returns the class of a row of probabilities, or says that all classes are equal."""
    return known[int(target.argmax())] if float(target.max()) > 0.999 else "all classes equally"
