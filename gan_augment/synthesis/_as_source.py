"""Turns names, folders, mappings and other objects into sources, and draws checked images from them."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor

from .._core import ROW_BYTES, check_dense, check_space, check_tensor, quantize
from ..hub import from_pretrained, resolve_name
from ..models import MAX_CLASSES, Card, check_labels, computed
from ..models import Geometry as Geometry
from ..models import Source as Source

FOLDERS: dict[str, Callable[[Path], Source]] = {}  # loaders of folders other than generators, by a file in them


class Samples(Protocol):
    """Any object with the ``sample`` of a :class:`Source`."""

    def sample(self, n: int, labels: Any = None, *, seed: int | None = None) -> Tensor: ...  # pragma: no cover


SourceLike: TypeAlias = str | os.PathLike[str] | Samples | Mapping[int, Any]


class AdaptedSource(Source):
    """Turns an object with a method ``sample`` into a :class:`Source`. Attributes that it lacks get their defaults."""

    name = computed(lambda self: type(self.adapted).__name__ if self.card is None else self.card.name)

    def __init__(self, adapted: Samples) -> None:
        self.adapted = adapted
        for name in ("num_classes", "class_indices", "class_names", "geometry", "card", "fingerprints"):
            value = getattr(adapted, name, None)
            if name == "class_indices" and isinstance(value, (Tensor, np.ndarray)):
                value = value.tolist()
            if value is not None:
                setattr(self, name, value)

    def sample(self, n: int, labels: Any = None, *, seed: int | None = None) -> Tensor:
        return self.adapted.sample(n, *(() if labels is None else (labels,)), seed=seed)


def fingerprints_of(source: Source) -> Tensor | None:
    """Returns the content hashes of all images that a source was trained on, or None if some are not known.

    They are int64 ``(m,)``, sorted and distinct; see :func:`gan_augment.data.fingerprint`.

    Args:
        source (Source): A generator, a pool, or any other source, including one that draws from several others.

    Example:
        >>> from gan_augment import from_pretrained
        >>> len(fingerprints_of(from_pretrained("dcgan-mnist-32")))
        55000
    """
    parts = [part.fingerprints for part in source.parts()]
    known = [each for each in parts if each is not None]
    return check_fingerprints(torch.cat(known)) if len(known) == len(parts) else None


class ClassSources(Source):
    """Combines several sources into one: a mapping from each class to the source of its images.

    Args:
        sources (mapping of int to source): A source for each class. A class-conditional source draws the class that is
            its key.

    Raises:
        ValueError: If the mapping is empty, a key is not a class index, a source cannot draw the class of its key, or
            the sources have different geometries.
    """

    partial = True
    fingerprints = computed(fingerprints_of)

    def __init__(self, sources: Mapping[int, Any]) -> None:
        if not sources:
            raise ValueError("A mapping of sources must name at least one class, but it is empty.")
        for key in sources:
            if isinstance(key, bool) or not isinstance(key, int) or key < 0:
                raise ValueError(f"A mapping of sources must have class indices as keys, but got {key!r}.")
        self.sources = {key: as_source(sources[key]) for key in sorted(sources)}
        self.class_indices = tuple(self.sources)
        self.num_classes = max(self.class_indices) + 1
        for key, source in self.sources.items():
            if source.num_classes and key not in source.class_indices:
                raise ValueError(
                    f"The source of class {key} must be unconditional or know that class, but its classes "
                    f"are {list(source.class_indices)[:20]}."
                )
        geometries = {source.geometry for source in self.sources.values()}
        if len(geometries) > 1:
            raise ValueError(
                f"All sources of a mapping must have the same geometry, but got {sorted(map(str, geometries))}."
            )
        self.geometry = geometries.pop()

    def sample(self, n: int, labels: Any = None, *, seed: int | None = None) -> Tensor:
        check_space(f"n={n}", n, ROW_BYTES)
        classes = class_labels(self, n, labels)
        unknown = sorted(set(classes.tolist()) - set(self.sources))
        if unknown:
            raise ValueError(f"labels must be classes of the mapping, {list(self.sources)}, but got {unknown}.")
        out: Tensor | None = None
        for key in sorted(set(classes.tolist())):
            source, rows = self.sources[key], (classes == key).nonzero().flatten()
            asked = classes[rows] if source.num_classes else None
            images = draw(source, len(rows), asked, seed=None if seed is None else (seed + key) % 2**63)
            if out is None:
                out = images.new_empty((n, *images.shape[1:]))
            if images.shape[1:] != out.shape[1:]:
                raise ValueError(
                    f"The sources of a mapping must give images of the same shape, but class {key} gives "
                    f"{tuple(images.shape[1:])} and another class {tuple(out.shape[1:])}."
                )
            out[rows] = images.to(out.device)
        return draw(self.sources[self.class_indices[0]], 0, None, seed=seed) if out is None else out

    def parts(self) -> list[Source]:
        return [part for source in self.sources.values() for part in source.parts()]

    def to(self, device: Any) -> ClassSources:
        for source in self.sources.values():
            source.to(device)
        return self


def as_source(source: Any) -> Source:
    """Returns the source that a name, a folder, a mapping or an object stands for.

    Args:
        source: A zoo name, a folder of a generator or pool, a mapping from class to any of these, or an object with a
            ``sample`` like that of a :class:`Source`.

    Raises:
        TypeError: If it is none of these, or an attribute of the source has the wrong type.
        ValueError: If no generator has this name, or an attribute of the source has a wrong value.
    """
    if isinstance(source, (str, os.PathLike)):
        target = resolve_name(source)
        for file, load in FOLDERS.items():
            if isinstance(target, Path) and (target / file).is_file():
                return load(target)
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
    result = source if isinstance(source, Source) else AdaptedSource(source)
    check_attributes(result)
    return result


def check_attributes(source: Source) -> None:
    """Checks that the attributes of a source have the right types and ranges, and agree with each other."""
    classes = source.num_classes
    if isinstance(classes, bool) or not isinstance(classes, (int, np.integer)):
        raise TypeError(f"A source's num_classes must be an int, but got {classes!r:.100} instead.")
    if not 0 <= classes <= MAX_CLASSES:
        raise ValueError(f"A source's num_classes must be between 0 and {MAX_CLASSES:,}, but got {classes} instead.")
    indices, shape = source.class_indices, source.image_shape
    if not _all_are(int, indices):
        raise TypeError(f"A source's class_indices must be a sequence of int, but got {indices!r:.100} instead.")
    if bool(classes) != bool(len(indices)) or not all(0 <= index < classes for index in indices):
        raise ValueError(
            f"A source's class_indices must be one or more of its {classes} classes (num_classes), from 0, but got "
            f"{list(indices)[:20]} instead."
        )
    check_names(source.class_names, classes)
    if shape is not None and not (_all_are(int, shape) and len(shape) == 3):
        raise TypeError(f"A source's image_shape must be (channels, height, width) or None, but got {shape!r:.100}.")
    for name, kind in (("geometry", Geometry), ("card", Card), ("device", torch.device)):
        value = getattr(source, name)
        if not isinstance(value, kind) and (value is not None or kind is Geometry):
            raise TypeError(f"A source's {name} must be a {kind.__name__}, but got {value!r:.100} instead.")
    for part in source.parts():
        if part.fingerprints is not None:
            check_fingerprints(part.fingerprints)


def check_fingerprints(fingerprints: Tensor) -> Tensor:
    """Checks that fingerprints are int64 ``(m,)``, and returns them sorted and without duplicates."""
    check_tensor(fingerprints, "fingerprints")
    if fingerprints.dtype != torch.int64 or fingerprints.ndim != 1:
        raise ValueError(
            f"fingerprints must be int64 (m,), but got {fingerprints.dtype} of shape {tuple(fingerprints.shape)} "
            "instead; make them with gan_augment.data.fingerprints."
        )
    distinct: Tensor = torch.unique(fingerprints.detach().cpu())
    return distinct


def check_names(names: Sequence[str] | None, num_classes: int) -> tuple[str, ...] | None:
    """Checks that there is a name for each class, and returns the names as a tuple, or None if there are none."""
    if names is None:
        return None
    if not _all_are(str, names):
        raise TypeError(f"class_names must be a sequence of str, but got {str(names)[:100]!r}.")
    if len(names) != num_classes:
        raise ValueError(f"class_names must be {num_classes} names, one for each class, but got {len(names)}.")
    return tuple(names)


def _all_are(kind: type, values: Any) -> bool:
    """Returns whether values are a sequence of one type. NumPy's integers count as int."""
    if isinstance(values, str) or not isinstance(values, (Sequence, np.ndarray)):
        return False
    return all(isinstance(value, (kind, np.integer) if kind is int else kind) for value in values)


def resolve_labels(source: Source, n: int, labels: Any = None) -> Tensor | None:
    """Returns the class of each image, by default the classes of the source in turn, or None if it has no classes."""
    if labels is None and source.num_classes:
        # Only the classes that are needed, because there may be thousands.
        classes = torch.tensor(list(source.class_indices[: max(n, 1)]), dtype=torch.int64)
        labels = classes[torch.arange(n) % len(classes)]
    return check_labels(labels, n, int(source.num_classes))


def class_labels(source: Source, n: int, labels: Any = None) -> Tensor:
    """Returns the class of each image like :func:`resolve_labels`, for a source with classes."""
    return cast(Tensor, resolve_labels(source, n, labels))


def draw(source: Samples, n: int, labels: Tensor | None, *, seed: int | None) -> Tensor:
    """Draws images of a source and checks them, uint8 ``(n, c, h, w)`` on the device of the source.

    Raises:
        TypeError: If the source does not return a tensor.
        ValueError: If the tensor does not hold ``n`` images.
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
        raise ValueError(
            f"A source's sample must return uint8 images or float images in 0..1, but did not: {error}"
        ) from error
