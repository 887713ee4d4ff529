"""Drawing synthetic images together with their targets, as a label policy says."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .._core import draw_seed
from ..synthesis import Source, draw
from ._labels import LabelPolicy

MAX_ROUNDS = 64


def random_classes(source: Source, n: int) -> Tensor | None:
    """``n`` classes of a source at random, from torch's global generator; None if it has no classes."""
    known = torch.tensor(list(source.class_indices), dtype=torch.int64)
    return known[torch.randint(len(known), (n,))] if len(known) else None


def ask_for(classes: Tensor, options: dict[int, list[int]]) -> Tensor:
    """For each target one of the source's classes that stand for it, at random where there are several."""
    picks = [options[label] for label in classes.tolist()]
    places = (torch.rand(len(picks)) * torch.tensor([len(pick) for pick in picks])).long().tolist()
    return torch.tensor([pick[place] for pick, place in zip(picks, places)], dtype=torch.int64)


def draw_of_classes(source: Source, classes: Tensor, options: dict[int, list[int]]) -> Tensor:
    """A synthetic uint8 image for each target, of which there must be one at least."""
    return draw(source, len(classes), ask_for(classes, options), seed=draw_seed())


def draw_of_any(
    source: Source, policy: LabelPolicy | None, n: int, num_classes: int | None, seen: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor | None]:
    """``n`` > 0 synthetic uint8 images and the policy's targets.

    Args:
        source (Source): Draws the images.
        policy (LabelPolicy, optional): Gives them their targets, or refuses them.
        n (int): Number of images.
        num_classes (int, optional): Of the data.
        seen (callable): What the policy sees of them, ``images -> images``.

    Raises:
        ValueError: If the policy refuses nearly all images.
    """
    if policy is None:
        return draw(source, n, random_classes(source, n), seed=draw_seed()), None
    images, targets, missing = [], [], n
    for _ in range(MAX_ROUNDS):
        batch = draw(source, missing, random_classes(source, missing), seed=draw_seed())
        labels, keep = policy.targets(seen(batch), num_classes)
        images.append(batch[keep.to(batch.device)])
        targets.append(labels[keep])
        missing -= int(keep.sum())
        if missing == 0:
            return torch.cat(images), torch.cat(targets)
    raise ValueError(
        f"A label policy must accept some images, but {type(policy).__name__} left {missing} of {n} without a label "
        f"after {MAX_ROUNDS} draws; lower its threshold, or use another source."
    )
