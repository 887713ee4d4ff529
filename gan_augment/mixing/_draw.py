"""Synthetic images with their targets: drawn for a batch, or from a pool for a data set."""

from __future__ import annotations

import copy
import itertools
import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .._core import draw_seed
from ..synthesis import ClassSources, ImageKind, Source, SourceLike, SyntheticPool, as_source, draw, match_shape
from ._positions import ALL, Slots
from .policies._policy import LabelPolicy, keeps_classes, label_images

MAX_ROUNDS = 64
CHUNK = 1024  # images of a pool that are labelled at once


class DeviceSources:
    """A source, and copies on other devices of the generators that the user named."""

    def __init__(self, given: SourceLike, device: str | torch.device | None) -> None:
        self.source, self._named = as_source(given), _is_named(given)
        self._device = None if device is None else torch.device(device)
        self._copies: dict[torch.device, Source] = {}
        if device is not None and not _has_device(self.source, self._named):
            raise ValueError(
                f"device must be None for a source that draws on no device, but got {device!r} for {self.source.name}."
            )

    def on(self, device: torch.device) -> Source:
        device = self._device or device
        if device not in self._copies:
            self._copies[device] = self._copy(self.source, self._named, device)
        return self._copies[device]

    def _copy(self, source: Any, named: Any, device: torch.device) -> Source:
        if isinstance(named, dict):
            return ClassSources({key: self._copy(source.sources[key], named[key], device) for key in named})
        # An object that the user passed stays where it is, unless `device` asks for a copy elsewhere.
        stays = source.device in (None, device) or not (named or self._device)
        copied: Source = source if stays else copy.deepcopy(source).to(device)
        return copied

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_copies": {}}  # another process must not touch their devices


def _is_named(given: Any) -> Any:
    """Returns whether the user gave a name or a folder; for a mapping, a dict that says so for each class."""
    if isinstance(given, Mapping):
        return {key: _is_named(each) for key, each in given.items()}
    return isinstance(given, (str, os.PathLike))


def _has_device(source: Any, named: Any) -> bool:
    if isinstance(named, dict):
        return any(_has_device(source.sources[key], each) for key, each in named.items())
    return source.device is not None


class Choices:
    """Draws one of the source's classes for each class of the data, for many images at once."""

    def __init__(self, options: Mapping[int, Sequence[int]]) -> None:
        self.classes = torch.tensor(sorted(options))  # of the data
        self._counts = torch.zeros(max(options) + 1, dtype=torch.int64)
        self._counts[self.classes] = torch.tensor([len(options[label]) for label in sorted(options)])
        self._starts = self._counts.cumsum(0) - self._counts
        self._flat = torch.tensor([each for label in sorted(options) for each in options[label]])
        self._first_missing = next(label for label in itertools.count() if label not in options)

    def cover(self, num_classes: int | None) -> bool:
        """Returns whether the source has a class for each of the first ``num_classes`` classes of the data."""
        return num_classes is not None and num_classes <= self._first_missing

    def draw(self, wanted: Tensor) -> Tensor:
        """Returns one of the source's classes for each class of the data, on the same device."""
        uniform = torch.rand(len(wanted))  # one draw for each, even if there is only one class to choose
        counts, starts, flat, uniform = (
            each.to(wanted.device, non_blocking=True) for each in (self._counts, self._starts, self._flat, uniform)
        )
        return flat[starts[wanted] + (uniform * counts[wanted]).long()]


def draw_labelled(
    source: Source,
    policy: LabelPolicy | None,
    n: int,
    classes: Tensor | None,  # the data's class of each image, int64 (n,)
    choices: Choices | None,  # draws the source's class for each of them; None: any class
    num_classes: int | None,
    as_real: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor]:
    """Draws ``n`` synthetic uint8 images, and the targets that the policy gives them: -1 without a policy."""
    if classes is not None and choices is not None and keeps_classes(policy):
        return draw(source, n, choices.draw(classes), seed=draw_seed()), classes  # nothing waits for a GPU here
    missing = torch.arange(n)
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for _ in range(MAX_ROUNDS):
        wanted = None if classes is None else classes[missing]
        asked = _random_classes(source, len(missing)) if wanted is None or choices is None else choices.draw(wanted)
        images = draw(source, len(missing), asked, seed=draw_seed())
        targets, keep = label_images(policy, images, wanted, num_classes, as_real)
        if not parts and bool(keep.all()):
            return images, targets
        parts.append((images[keep.to(images.device)], targets[keep], missing[keep]))
        missing = missing[~keep]
        if len(missing) == 0:
            images, targets, places = (torch.cat(each) for each in zip(*parts))
            order = places.argsort()
            return images[order.to(images.device)], targets[order]
    raise ValueError(
        f"A label policy must accept some images, but {type(policy).__name__} left {len(missing)} of {n} without a "
        f"label after {MAX_ROUNDS} draws; lower its threshold, or use another source."
    )


def _random_classes(source: Source, n: int) -> Tensor | None:
    known = source.class_indices
    if not len(known):
        return None
    chosen = [known[place] for place in torch.randint(len(known), (n,)).tolist()]
    return torch.tensor(chosen, dtype=torch.int64)


@dataclass(frozen=True)
class PooledImages:
    """A pool, and which of its images each class of a data set can get."""

    pool: SyntheticPool
    rows: Tensor  # rows of the pool that the policy uses, grouped by class, int64 (m,)
    entries: dict[int, Tensor]  # class -> the indices of its images in rows
    targets: Tensor  # one for each image, or for each class if the policy does not use the images
    target_of: Tensor  # the index in targets for each of rows, int64 (m,)

    def targets_at(self, entries: Tensor) -> Tensor:
        """Returns the targets of images, given their indices in ``rows``."""
        return self.targets.index_select(0, self.target_of.index_select(0, entries))  # twice as fast as indexing


def make_pooled(
    source: Source,
    slots: Slots,
    policy: LabelPolicy | None,
    num_classes: int | None,
    kind: ImageKind | None,  # the size and channels in which the policy must see the images
    seed: int,
    progress: bool,
) -> PooledImages:
    """Labels the images of a pool for the slots of a data set, or generates a pool for them first."""
    options = None if policy is None else policy.source_classes(source)
    uses_images = policy is not None and policy.uses_images
    counts = {group: count for group, count in slots.counts.items() if count}

    def as_real(images: Tensor) -> Tensor:
        return images if kind is None else match_shape(images, kind, source.geometry)

    def label(images: Tensor, classes: list[int] | None) -> tuple[Tensor, Tensor]:
        return label_images(policy, images, None if classes is None else torch.tensor(classes), num_classes, as_real)

    if isinstance(source, SyntheticPool):
        pool = source
    else:
        asked, class_of = None, {}
        if options is not None:
            asked = [options[group][i % len(options[group])] for group, count in counts.items() for i in range(count)]
            class_of = {each: group for group, several in options.items() for each in several}

        def is_used(images: Tensor, labels: Tensor | None) -> Tensor:
            known = None if options is None or labels is None else [class_of[each] for each in labels.tolist()]
            return label(images, known)[1]

        keep = is_used if uses_images else None
        pool = SyntheticPool.generate(source, slots.total, labels=asked, seed=seed, keep=keep, progress=progress)

    rows: list[Tensor] = []
    targets: list[Tensor] = []
    target_of: list[Tensor] = []
    entries: dict[int, Tensor] = {}
    n_rows = n_targets = 0
    for group in counts:
        members = torch.arange(len(pool))
        if options is not None:
            members = torch.cat([pool.indices_of(each) for each in options[group]])
        parts = torch.split(members if uses_images else members[:1], CHUNK)  # one image of a class is enough
        labelled = [label(pool.rows(part), None if options is None else [group] * len(part)) for part in parts]
        found, used = (torch.cat(each) for each in zip(*labelled))
        if not bool(used.any()):
            of_class = "" if group == ALL else f" for class {group}"
            raise ValueError(f"The policy must use some images of the pool, but refuses every one of them{of_class}.")
        members, found = members[used.expand(len(members))], found[used]
        entries[group] = torch.arange(len(members)) + n_rows
        target_of.append(torch.arange(len(found)).expand(len(members)) + n_targets)
        rows.append(members)
        targets.append(found)
        n_rows, n_targets = n_rows + len(members), n_targets + len(found)
    _warn_about_repeats(max(math.ceil(count / len(entries[group])) for group, count in counts.items()))
    return PooledImages(pool, torch.cat(rows), entries, torch.cat(targets), torch.cat(target_of))


def _warn_about_repeats(times: int) -> None:
    if times > 1:
        warnings.warn(
            f"The pool has too few images: some appear {times} times per epoch. Generate a larger pool.",
            UserWarning,
            stacklevel=4,
        )
