"""Synthetic images with their targets: drawn for a batch, or taken from the pool of a data set."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .._core import draw_seed
from ..synthesis import (
    ClassSources,
    Geometry,
    ImageKind,
    Source,
    SourceLike,
    SyntheticPool,
    as_source,
    draw,
    match_shape,
)
from ._plan import ALL, Slots
from ._policy import LabelPolicy, label_images

MAX_ROUNDS = 64
CHUNK = 1024  # images of a pool that are labelled at once


class DeviceSources:
    """A source, and copies of its generators on other devices.

    A generator that the user named belongs to the mix, so it draws on the device of each batch. An object that the
    user passed stays where it is, unless ``device`` asks for a copy elsewhere. Only the source itself is pickled: the
    copies could be on devices that another process must not touch.

    Args:
        given: What the user passed as the source.
        device (str or torch.device, optional): Device to draw on, instead of that of the batch.

    Raises:
        ValueError: If no part of the source draws on a device.
    """

    def __init__(self, given: SourceLike, device: str | torch.device | None) -> None:
        self.source, self._named = as_source(given), _is_named(given)
        self._device = None if device is None else torch.device(device)
        self._copies: dict[torch.device, Source] = {}
        if device is not None and not _has_device(self.source, self._named):
            raise ValueError(
                f"device must be None for a source that draws on no device, but got {device!r} for {self.source.name}."
            )

    def on(self, device: torch.device) -> Source:
        """Returns the source to draw from for a batch on a device."""
        device = self._device or device
        if device not in self._copies:
            self._copies[device] = self._copy(self.source, self._named, device)
        return self._copies[device]

    def _copy(self, source: Any, named: Any, device: torch.device) -> Source:
        if isinstance(named, dict):
            return ClassSources({key: self._copy(source.sources[key], named[key], device) for key in named})
        stays = source.device in (None, device) or not (named or self._device)
        copied: Source = source if stays else copy.deepcopy(source).to(device)
        return copied

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_copies": {}}


def _is_named(given: Any) -> Any:
    """Returns whether the user gave a name or a folder; a dict of answers for a mapping."""
    if isinstance(given, Mapping):
        return {key: _is_named(each) for key, each in given.items()}
    return isinstance(given, (str, os.PathLike))


def _has_device(source: Any, named: Any) -> bool:
    if isinstance(named, dict):
        return any(_has_device(source.sources[key], each) for key, each in named.items())
    return source.device is not None


def draw_labelled(
    source: Source,
    policy: LabelPolicy | None,
    n: int,
    classes: Tensor | None,
    options: dict[int, list[int]] | None,
    num_classes: int | None,
    as_real: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor | None]:
    """Draws synthetic uint8 images and the targets that the policy gives them.

    Args:
        source (Source): The source of the images.
        policy (LabelPolicy, optional): None for no targets.
        n (int): Number of images, above 0.
        classes (Tensor, optional): The data's class of each image, int64 ``(n,)``. None: random classes of the source.
        options (dict, optional): The policy's ``source_classes`` of the source, to draw ``classes`` from.
        num_classes (int, optional): Number of classes of the data.
        as_real (callable): Gives synthetic images the size and channels of the real images.

    Raises:
        ValueError: If the policy refuses nearly all images.
    """
    missing = torch.arange(n)
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for _ in range(MAX_ROUNDS):
        wanted = None if classes is None else classes[missing]
        if wanted is None or options is None:
            asked = _random_classes(source, len(missing))
        else:
            asked = _choose_classes(wanted, options)
        images = draw(source, len(missing), asked, seed=draw_seed())
        if policy is None:
            return images, None
        targets, keep = label_images(policy, as_real(images) if policy.uses_images else images, wanted, num_classes)
        if not parts and bool(keep.all()):
            return images, targets
        parts.append((images[keep.to(images.device)], targets[keep], missing[keep]))
        missing = missing[~keep]
        if len(missing) == 0:
            order = torch.cat([places for _, _, places in parts]).argsort()
            images = torch.cat([images for images, _, _ in parts])
            return images[order.to(images.device)], torch.cat([targets for _, targets, _ in parts])[order]
    raise ValueError(
        f"A label policy must accept some images, but {type(policy).__name__} left {len(missing)} of {n} without a "
        f"label after {MAX_ROUNDS} draws; lower its threshold, or use another source."
    )


def _random_classes(source: Source, n: int) -> Tensor | None:
    """Draws ``n`` classes of a source; returns None if it has no classes."""
    known = torch.tensor(list(source.class_indices), dtype=torch.int64)
    return known[torch.randint(len(known), (n,))] if len(known) else None


def _choose_classes(wanted: Tensor, options: dict[int, list[int]]) -> Tensor:
    """Returns one of the source's classes for each class of the data, at random if there are several."""
    choices = [options[label] for label in wanted.tolist()]
    places = (torch.rand(len(choices)) * torch.tensor([len(each) for each in choices])).long().tolist()
    return torch.tensor([each[place] for each, place in zip(choices, places)], dtype=torch.int64)


@dataclass(frozen=True)
class PooledImages:
    """The pool behind a data set: which of its images each group of slots can get, and their targets.

    Attributes:
        pool (SyntheticPool): The images.
        rows (Tensor): Rows of the pool that the policy uses, grouped, int64 ``(m,)``.
        places (dict): Group -> places of its images in ``rows``.
        targets (Tensor, optional): Targets of ``rows``; or one target for each group, if the policy does not depend on
            the images. None without targets.
        group_of (Tensor, optional): The row of ``targets`` for each slot, if there is one for each group.
    """

    pool: SyntheticPool
    rows: Tensor
    places: dict[int, range]
    targets: Tensor | None
    group_of: Tensor | None

    def targets_of(self, slots: Tensor | int, entries: Tensor) -> Tensor:
        """Returns the targets of slots, given the place in ``rows`` of every slot's image; -1 without targets."""
        if self.targets is None:
            return torch.full_like(entries[slots], -1)
        return self.targets[entries[slots] if self.group_of is None else self.group_of[slots]]


def make_pooled(
    source: Source,
    slots: Slots,
    policy: LabelPolicy | None,
    num_classes: int | None,
    kind: ImageKind | None,
    seed: int,
    progress: bool,
) -> PooledImages:
    """Labels the images of a pool for the slots of a data set, and generates the pool if there is none.

    Args:
        source (Source): A pool, or a source to generate one from.
        slots (Slots): The number of synthetic images of each group.
        policy (LabelPolicy, optional): None for no targets.
        num_classes (int, optional): Number of classes of the data.
        kind (ImageKind, optional): The size and channels in which the policy must see the images.
        seed (int): Seed of a generated pool.
        progress (bool): Whether to show a bar while a pool is generated.

    Raises:
        ValueError: If the pool has no image for a class, or none that the policy uses.
    """
    if policy is None:
        pool = source
        if not isinstance(pool, SyntheticPool):
            pool = SyntheticPool.generate(source, slots.total, seed=seed, progress=progress)
        return PooledImages(pool, torch.arange(len(pool)), {ALL: range(len(pool))}, None, None)
    options = policy.source_classes(source)
    counts = {group: count for group, count in zip(slots.groups, slots.counts) if count}
    label = _Labeller(policy, options, num_classes, kind, source.geometry)
    if isinstance(source, SyntheticPool):
        pool = source
    else:
        asked = None
        if options is not None:
            asked = [options[group][i % len(options[group])] for group, count in counts.items() for i in range(count)]
        keep = label.uses if policy.uses_images else None
        pool = SyntheticPool.generate(source, slots.total, labels=asked, seed=seed, keep=keep, progress=progress)
    rows, targets, places, start = [], [], {}, 0
    for group in counts:
        members = torch.arange(len(pool))
        if options is not None:
            members = torch.cat([pool.indices_of(each) for each in options[group]])
        members, found = label.members(pool, members, group)
        if len(members) == 0:
            of_class = "" if group == ALL else f" for class {group}"
            raise ValueError(f"The policy must use some images of the pool, but refuses every one of them{of_class}.")
        rows.append(members)
        targets.append(found)
        places[group] = range(start, start + len(members))
        start += len(members)
    group_of = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(list(counts.values())))
    return PooledImages(pool, torch.cat(rows), places, torch.cat(targets), None if policy.uses_images else group_of)


@dataclass(frozen=True)
class _Labeller:
    """Labels synthetic images as a policy says.

    Attributes:
        policy (LabelPolicy): The policy.
        options (dict, optional): Its ``source_classes``.
        num_classes (int, optional): Number of classes of the data.
        kind (ImageKind, optional): The size and channels in which the policy must see the images.
        geometry (Geometry): How the images were brought to the source's size.
    """

    policy: LabelPolicy
    options: dict[int, list[int]] | None
    num_classes: int | None
    kind: ImageKind | None
    geometry: Geometry

    def __call__(self, images: Tensor, classes: Tensor | None) -> tuple[Tensor, Tensor]:
        """Returns the targets of images, and which images to use."""
        if self.kind is not None and self.policy.uses_images:
            images = match_shape(images, self.kind, self.geometry)
        return label_images(self.policy, images, classes, self.num_classes)

    def uses(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """Returns which candidates of the source's classes the policy uses, as a filter."""
        if self.options is None or labels is None:
            return self(images, None)[1]
        class_of = {asked: target for target, several in self.options.items() for asked in several}
        return self(images, torch.tensor([class_of[label] for label in labels.tolist()]))[1]

    def members(self, pool: SyntheticPool, rows: Tensor, group: int) -> tuple[Tensor, Tensor]:
        """Returns the rows of a pool that the policy uses for a group, and their targets, or one target for all."""
        parts = torch.split(rows, CHUNK) if self.policy.uses_images else [rows[:1]]  # the same for all, without a look
        labelled = []
        for part in parts:
            classes = None if self.options is None else torch.full((len(part),), group)
            labelled.append(self(pool.rows(part), classes))
        targets, keep = (torch.cat(each) for each in zip(*labelled))
        if not self.policy.uses_images:
            return (rows if keep else rows[:0]), targets
        return rows[keep], targets[keep]
