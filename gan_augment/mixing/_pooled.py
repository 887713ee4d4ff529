"""The pool behind an augmented data set: which of its images each class can get, and their targets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..synthesis import ImageKind, Source, SyntheticPool, match_shape
from ._counts import ALL, Slots
from ._policy import LabelPolicy, label_images

CHUNK = 1024  # images that are labelled at once


@dataclass(frozen=True)
class PooledImages:
    """A pool, and its images for each group of slots with their targets.

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
    class_of = {asked: group for group, several in (options or {}).items() for asked in several}

    def as_real(images: Tensor) -> Tensor:
        return images if kind is None else match_shape(images, kind, source.geometry)

    def label(images: Tensor, classes: list[int] | None) -> tuple[Tensor, Tensor]:
        return label_images(policy, images, None if classes is None else torch.tensor(classes), num_classes, as_real)

    def uses(images: Tensor, labels: Tensor | None) -> Tensor:
        known = None if options is None or labels is None else [class_of[each] for each in labels.tolist()]
        return label(images, known)[1]

    if isinstance(source, SyntheticPool):
        pool = source
    else:
        asked = None
        if options is not None:
            asked = [options[group][i % len(options[group])] for group, count in counts.items() for i in range(count)]
        keep = uses if policy.uses_images else None
        pool = SyntheticPool.generate(source, slots.total, labels=asked, seed=seed, keep=keep, progress=progress)
    rows, targets, places, start = [], [], {}, 0
    for group in counts:
        members = torch.arange(len(pool))
        if options is not None:
            members = torch.cat([pool.indices_of(each) for each in options[group]])
        # A policy that does not use the images is shown the first one only.
        parts = torch.split(members, CHUNK) if policy.uses_images else [members[:1]]
        labelled = [label(pool.rows(part), None if options is None else [group] * len(part)) for part in parts]
        found, used = (torch.cat(each) for each in zip(*labelled))
        if policy.uses_images:
            members, found = members[used], found[used]
        if not bool(used.any()):
            of_class = "" if group == ALL else f" for class {group}"
            raise ValueError(f"The policy must use some images of the pool, but refuses every one of them{of_class}.")
        rows.append(members)
        targets.append(found)
        places[group] = range(start, start + len(members))
        start += len(members)
    group_of = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(list(counts.values())))
    return PooledImages(pool, torch.cat(rows), places, torch.cat(targets), None if policy.uses_images else group_of)
