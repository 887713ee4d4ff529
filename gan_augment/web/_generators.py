"""What the page shows of a generator: its card, samples, and walks between latents."""

from __future__ import annotations

import itertools
import os
import threading
import warnings
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from .._core import to_uint8
from ..hub import find_entry, from_pretrained, list_pretrained, list_upscalers
from ..models import Generator, draw_latents
from ..synthesis import Upscaler

LOADED = 4  # networks that are kept in memory
FRAMES = 24  # of a film
NORMAL_LIMIT = 4.0  # a bound of normal latents that changes almost nothing
_lock = threading.Lock()


def names(further: tuple[str, ...] = ()) -> list[str]:
    """Returns the generators to choose from: those that are installed, and further ones.

    Example:
        >>> "dcgan-mnist-32" in names()
        True
    """
    installed = list_pretrained(installed=True)
    first = [name for name in ("dcgan-mnist-32",) if name in installed]
    return list(dict.fromkeys([*further, *first, *installed]))


def load(name: str) -> Generator:
    """Loads a generator, or returns it from memory."""
    with _lock:  # two visitors load it once
        return _load(name)


@lru_cache(maxsize=LOADED)
def _load(name: str) -> Generator:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the page shows the terms
        return from_pretrained(name)


def load_upscaler(name: str) -> Upscaler:
    """Loads an installed upscaler by its name in the zoo, or returns it from memory."""
    if name not in list_upscalers(installed=True):
        raise ValueError(f"The upscaler must be one of {list_upscalers(installed=True)}, but got {name!r}.")
    with _lock:
        return _load_upscaler(name)


@lru_cache(maxsize=LOADED)
def _load_upscaler(name: str) -> Upscaler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Upscaler.load(name)


def title(name: str) -> str:
    """Returns a short name: the last part of a path, or the folder of the run if the generator is in one."""
    if not os.path.isdir(name):
        return name
    path = Path(name)
    return path.parent.name if path.name == "generator" and path.parent.name else path.name


def by_title(names: Sequence[str]) -> dict[str, str]:
    """Returns the names of generators by the titles that visitors see. Titles have no path, and all differ.

    Of the folders ``runs/a/cats`` and ``runs/b/cats``, the second is ``cats (2)``.
    """
    found: dict[str, str] = {}
    for name in names:
        shown = title(name)
        for number in itertools.count(2):
            if shown not in found and (shown == name or shown not in names):
                break
            shown = f"{title(name)} ({number})"
        found[shown] = name
    return found


def facts(name: str, generator: Generator) -> dict[str, str]:
    """Returns what a visitor should know about a generator: images, data, licence, terms and limits.

    Example:
        >>> facts("dcgan-mnist-32", load("dcgan-mnist-32"))["Licence of the weights"]
        'mit'
    """
    config, card, entry = generator.config, generator.card, find_entry(name)
    data = card.data if card else {}
    kind = "grey" if config.channels == 1 else "RGB"
    classes = ", ".join(name for name, _ in classes_of(generator))
    forbids = card is not None and card.forbids_commercial_use
    found = {
        "Images": f"synthetic, {config.image_size} x {config.image_size} px, {kind}",
        "Classes": classes or "none (unconditional)",
        "Training data": data.get("description", entry.description if entry else ""),
        "Licence of the weights": (card.license if card else None) or (entry.license if entry else ""),
        "Terms of the data": data.get("terms", entry.data_terms if entry else ""),
        "Commercial use": "not allowed" if forbids else "allowed" if data.get("commercial_use") else "",
        "Limits": data.get("limits", ""),
    }
    unknown = "unknown: the card does not say"
    return {key: str(value) if value else unknown for key, value in found.items()}


def classes_of(generator: Generator) -> list[tuple[str, int]]:
    """Returns the name and the number of each class."""
    return [(name, label) for label, name in enumerate(generator.class_names or map(str, range(generator.num_classes)))]


def truncation_limit(generator: Generator) -> float | None:
    """Returns the truncation above which samples hardly change, or None if the generator takes no truncation."""
    if generator.config.anchors:
        return None
    return 1.0 if generator.config.latent == "uniform" else NORMAL_LIMIT


def sample(
    generator: Generator, n: int, label: int | None, seed: int, truncation: float | None
) -> tuple[Tensor, list[str]]:
    """Draws images, and returns them with the name of the class of each.

    Args:
        generator (Generator): The generator.
        n (int): Number of images.
        label (int, optional): Class of all images. None: the classes in turn.
        seed (int): Seed.
        truncation (float, optional): Bound of the latents; the limit and None mean no truncation.
    """
    limit = truncation_limit(generator)
    bound = None if limit is None or truncation is None or truncation >= limit else truncation
    images = generator.sample(n, _label(generator, label), seed=seed, truncation=bound).cpu()
    known = {number: name for name, number in classes_of(generator)}
    return images, [known.get(number, "") for number in labels_of(generator, n, label)]


def labels_of(generator: Generator, n: int, label: int | None) -> list[int]:
    """Returns the class of each image that :func:`sample` draws; -1 without classes."""
    if not generator.num_classes:
        return [-1] * n
    return [index % generator.num_classes if label is None else label for index in range(n)]


def walk(generator: Generator, seeds: tuple[int, int], label: int | None, shares: list[float]) -> Tensor:
    """Draws images between the samples of two seeds, on the arc between their latents.

    Args:
        generator (Generator): The generator.
        seeds (tuple of int): The two seeds.
        label (int, optional): Class of all images. Default: the first one.
        shares (list of float): Position of each image, from 0 (the first sample) to 1 (the second sample).

    Returns:
        Tensor: uint8 images ``(len(shares), c, s, s)``.
    """
    number = (_label(generator, label) or 0) if generator.num_classes else None
    labels = None if number is None else torch.tensor([number])
    one, other = (draw_latents(generator, 1, seed, labels) for seed in seeds)
    latents = torch.cat([_between(one, other, share) for share in shares])
    with torch.inference_mode():
        images = generator(latents, None if labels is None else labels.expand(len(shares)))
    return to_uint8(images)


def _between(one: Tensor, other: Tensor, share: float) -> Tensor:
    """Interpolates on an arc, because a straight line passes near the centre of the sphere on which latents lie."""
    angle = torch.arccos(torch.cosine_similarity(one, other, dim=1).clamp(-0.999, 0.999))[:, None]
    return (torch.sin((1 - share) * angle) * one + torch.sin(share * angle) * other) / torch.sin(angle)


def _label(generator: Generator, label: int | None) -> int | None:
    """Returns the class, or None for an unconditional generator."""
    return label if generator.num_classes else None
