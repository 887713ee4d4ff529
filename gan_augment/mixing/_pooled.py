"""The pool behind an augmented data set: which of its images a class may get, and their targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..synthesis import Geometry, ImageKind, Source, SyntheticPool, match_shape
from ._labels import Fixed, LabelPolicy, Uniform
from ._plan import ALL, Slots

CHUNK = 1024


@dataclass(frozen=True)
class PooledImages:
    """A pool's images by group, with the targets of those that have no group.

    Attributes:
        pool (SyntheticPool): The images.
        entries (dict): Group -> places in the pool.
        targets (Tensor, optional): Target of each place, where the group does not say.
    """

    pool: SyntheticPool
    entries: dict[int, Tensor]
    targets: Tensor | None

    @classmethod
    def of(
        cls,
        source: Source,
        slots: Slots,
        policy: LabelPolicy | None,
        num_classes: int | None,
        kind: ImageKind | None,
        seed: int,
        progress: bool,
    ) -> PooledImages:
        """The pool of a source, generated if it is none yet, for these slots.

        A teacher gets its images in the shape of ``kind``, where that is given.

        Raises:
            ValueError: If a pool has no image for a class, or none that the policy would use.
        """
        options = None if policy is None else policy.classes(source)
        if options is not None:
            pool = source if isinstance(source, SyntheticPool) else _by_class(source, slots, options, seed, progress)
            entries = {
                group: torch.cat([pool.indices_of(label) for label in options[group]])
                for group, count in zip(slots.groups, slots.counts)
                if count
            }
            return cls(pool, entries, None)
        if policy is None:
            if not isinstance(source, SyntheticPool):
                source = SyntheticPool.generate(source, slots.total, seed=seed, progress=progress)
            return cls(source, {ALL: torch.arange(len(source))}, None)
        source_geometry = source.geometry

        def label(images: Tensor) -> tuple[Tensor, Tensor]:  # by a teacher, say, fitted on images like the real ones
            return policy.targets(_like_real(images, kind, source_geometry), num_classes)

        def usable(images: Tensor, labels: Tensor | None) -> Tensor:
            return label(images)[1]

        if not isinstance(source, SyntheticPool):
            source = SyntheticPool.generate(source, slots.total, seed=seed, keep=usable, progress=progress)
        targets, keep = _label(source, policy, label)
        if not bool(keep.any()):
            raise ValueError("The policy must use some images of the pool, but refuses every one of them.")
        return cls(source, {ALL: keep.nonzero().flatten()}, targets)


def _by_class(source: Source, slots: Slots, options: dict[int, list[int]], seed: int, progress: bool) -> SyntheticPool:
    """As many images of each class as it has slots."""
    asked = [
        options[group][place % len(options[group])]
        for group, count in zip(slots.groups, slots.counts)
        for place in range(count)
    ]
    return SyntheticPool.generate(source, len(asked), labels=asked, seed=seed, progress=progress)


def _label(
    pool: SyntheticPool, policy: LabelPolicy, label: Callable[[Tensor], tuple[Tensor, Tensor]]
) -> tuple[Tensor, Tensor]:
    """The target of each image of a pool, and whether the policy uses it."""
    if isinstance(policy, (Fixed, Uniform)):  # one target for all, without a look at them
        row, keep = label(pool.rows(torch.tensor([0])))
        return row.expand(len(pool), *row.shape[1:]), keep.expand(len(pool))
    parts = [label(pool.rows(rows)) for rows in torch.split(torch.arange(len(pool)), CHUNK)]
    return torch.cat([targets for targets, _ in parts]), torch.cat([keep for _, keep in parts])


def _like_real(images: Tensor, kind: ImageKind | None, geometry: Geometry) -> Tensor:
    return images if kind is None else match_shape(images, kind, geometry)
