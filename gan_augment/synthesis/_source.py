"""What a source of synthetic images is, and how anything that names one becomes one."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from .._core import ROW_BYTES, ResizeMode, check_dense, check_space, quantize
from ..hub import from_pretrained, resolve_name
from ..models import MAX_CLASSES, Generator, check_labels


@runtime_checkable
class Source(Protocol):
    """Anything that gives synthetic images: a :class:`Generator`, a :class:`SyntheticPool`, or your own.

    An object with this ``sample`` is a source, whatever it holds: a StyleGAN, a diffusion model, a game
    engine. It may also have

    * ``num_classes`` (int): 0, or absent, is unconditional;
    * ``class_indices`` (sequence of int): the classes it can make, if not all of them.

    Example:
        >>> class Noise:
        ...     def sample(self, n, labels=None, *, seed=None):
        ...         return torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(seed or 0))
        >>> isinstance(Noise(), Source)
        True
    """

    def sample(self, n: int, labels: Any = None, *, seed: int | None = None) -> Tensor:
        """Draws ``n`` images, uint8 (0..255) or float (0..1), ``(n, channels, height, width)``.

        Args:
            n (int): Number of images.
            labels (Tensor, optional): int64 ``(n,)``, where the source has classes.
            seed (int, optional): The draw is a function of it.
        """
        ...  # pragma: no cover


SourceLike: TypeAlias = str | os.PathLike[str] | Source | Mapping[int, Any]


@dataclass(frozen=True)
class Geometry:
    """How the images behind a source were brought to its size, so that it can be undone.

    Attributes:
        resize_mode (str): ``"resize"``, ``"crop"`` or ``"pad"``; of an unknown source ``"crop"``, which lets it be
            resized and not stretched.
        source_size (tuple, optional): Height and width before that.
    """

    resize_mode: ResizeMode = "crop"
    source_size: tuple[int, int] | None = None


class ClassSources:
    """Several sources as one: a mapping from each class to the source of its images.

    Args:
        sources (mapping of int to source): A source with classes is asked for the key's class.

    Raises:
        ValueError: If the mapping is empty, a key is no class, or the sources' images were brought to
            size in different ways.
    """

    def __init__(self, sources: Mapping[int, Any]) -> None:
        if not sources:
            raise ValueError("A mapping of sources must name at least one class, but it is empty.")
        for key in sources:
            if isinstance(key, bool) or not isinstance(key, int) or key < 0:
                raise ValueError(f"A mapping of sources must have class indices as keys, but got {key!r}.")
        self.sources = {key: as_source(sources[key]) for key in sorted(sources)}
        for key, source in self.sources.items():
            if num_classes(source) and key not in class_indices(source):
                raise ValueError(
                    f"The source of class {key} must be unconditional or know that class, but its classes "
                    f"are {list(class_indices(source))[:20]}."
                )
        if len({geometry(source) for source in self.sources.values()}) > 1:
            raise ValueError(
                "The sources of a mapping must have brought images to size in one way, but did by "
                f"{sorted({str(geometry(source)) for source in self.sources.values()})}."
            )
        self.class_indices = tuple(self.sources)
        self.num_classes = max(self.class_indices) + 1

    def sample(self, n: int, labels: Any = None, *, seed: int | None = None) -> Tensor:
        """Draws images of the classes asked for; see :class:`Source`."""
        check_space(f"n={n}", n, ROW_BYTES)
        if labels is None:
            labels = spread_classes(self, n)
        labels = check_labels(labels, n, self.num_classes)
        unknown = sorted(set(labels.tolist()) - set(self.sources)) if labels is not None else []
        if labels is None or unknown:
            raise ValueError(f"labels must be classes of the mapping, {list(self.sources)}, but got {unknown}.")
        out: Tensor | None = None
        for key in labels.unique().tolist():
            source, rows = self.sources[key], (labels == key).nonzero().flatten()
            asked = labels[rows] if num_classes(source) else None
            images = draw(source, len(rows), asked, seed=None if seed is None else (seed + key) % 2**63)
            if out is None:
                out = images.new_empty((n, *images.shape[1:]))
            if images.shape[1:] != out.shape[1:]:
                raise ValueError(
                    f"The sources of a mapping must give images of one shape, but class {key} gives "
                    f"{tuple(images.shape[1:])} and another {tuple(out.shape[1:])}."
                )
            out[rows] = images
        return draw(self.sources[self.class_indices[0]], 0, None, seed=seed) if out is None else out


def as_source(source: Any) -> Source:
    """A source out of a zoo name, a folder of a generator or pool, a mapping, or any object with a ``sample``.

    Args:
        source: What names or is a source.

    Raises:
        TypeError: If it is none of these.
        ValueError: If a name means nothing.
    """
    if isinstance(source, (str, os.PathLike)):
        target = resolve_name(source)
        if isinstance(target, Path) and (target / "pool.json").is_file():
            from ._pool import SyntheticPool  # a pool is made of sources: neither file can come first

            return SyntheticPool.load(target)
        return from_pretrained(source)
    if isinstance(source, Mapping):
        return ClassSources(source)
    if not callable(getattr(source, "sample", None)):
        raise TypeError(
            "source must be a zoo name, a folder, a generator, a pool, a mapping from class to any of these, "
            f"or an object with a sample method, but got {type(source)} instead."
        )
    keywords = inspect.signature(source.sample).parameters
    if "seed" not in keywords and not any(each.kind is each.VAR_KEYWORD for each in keywords.values()):
        raise TypeError(f"A source must have sample(n, labels=None, *, seed=None), but {type(source)} takes no seed.")
    check_names(getattr(source, "class_names", None), num_classes(source))
    result: Source = source
    return result


def num_classes(source: Source) -> int:
    """Number of classes of a source; 0 is unconditional."""
    found = int(getattr(source, "num_classes", 0) or 0)
    if not 0 <= found <= MAX_CLASSES:
        raise ValueError(f"A source's num_classes must be between 0 and {MAX_CLASSES:,}, but got {found} instead.")
    return found


def check_names(names: Sequence[str] | None, num_classes: int) -> tuple[str, ...] | None:
    """Names of the classes, as many as there are.

    Raises:
        TypeError: If one is no text, or they have no order or another than that of the classes, as in a mapping.
        ValueError: If they are more or fewer.
    """
    if names is None:
        return None
    ordered = isinstance(names, (Sequence, np.ndarray)) and not isinstance(names, str)
    if not ordered or not all(isinstance(name, str) for name in names):
        raise TypeError(f"class_names must be a sequence of str, but got {str(names)[:100]!r}.")
    if len(names) != num_classes:
        raise ValueError(f"class_names must be {num_classes}, as many as num_classes, but got {len(names)}.")
    return tuple(names)


def class_indices(source: Source) -> Sequence[int]:
    """The classes that a source can make."""
    indices: Sequence[int] | None = getattr(source, "class_indices", None)
    return range(num_classes(source)) if indices is None else indices


def spread_classes(source: Source, n: int) -> Tensor:
    """``n`` classes of a source, in turn."""
    classes = torch.tensor(list(class_indices(source)), dtype=torch.int64)
    return classes[torch.arange(n) % len(classes)]


def geometry(source: Source) -> Geometry:
    """How the images behind a source were brought to its size; cropped, where it does not say."""
    if isinstance(source, Generator):
        return Geometry(source.config.resize_mode, source.config.source_size)
    if isinstance(source, ClassSources):
        return geometry(source.sources[source.class_indices[0]])
    known = getattr(source, "geometry", None)
    return known if isinstance(known, Geometry) else Geometry()


def draw(source: Source, n: int, labels: Tensor | None, *, seed: int | None) -> Tensor:
    """Images of a source as uint8 ``(n, c, h, w)`` on the CPU or the source's device, checked.

    Raises:
        TypeError: If the source gives no tensor.
        ValueError: If what it gives are not ``n`` images.
    """
    images = source.sample(n, seed=seed) if labels is None else source.sample(n, labels, seed=seed)
    if not isinstance(images, Tensor):
        raise TypeError(f"A source's sample must return a tensor, but got {type(images)} instead.")
    check_dense(images, "A source's images")
    if images.ndim != 4 or len(images) != n or images.shape[1] not in (1, 3) or 0 in images.shape[2:]:
        raise ValueError(
            f"A source's sample({n}) must return ({n}, 1 or 3, height, width), but got {tuple(images.shape)} instead."
        )
    try:
        return quantize(images.detach().as_subclass(Tensor))
    except ValueError as error:
        raise ValueError(f"A source's sample must return uint8 or float images of 0..1, but: {error}") from error
