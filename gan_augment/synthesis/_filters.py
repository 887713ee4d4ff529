"""Filters: which candidates enter a pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ..models import eval_mode

Filter: TypeAlias = Callable[[Tensor, Tensor | None], Tensor]


def teacher_probabilities(teacher: Callable[[Tensor], Any], images: Tensor, batch_size: int = 256) -> Tensor:
    """Class probabilities ``(n, classes)`` that a classifier gives uint8 images.

    Args:
        teacher (callable): Maps float images 0..1, ``(n, c, h, w)``, to logits ``(n, classes)``. A module is
            called in eval mode, on its device, and left as it was.
        images (Tensor): uint8 ``(n, c, h, w)``.
        batch_size (int): Images a call.

    Raises:
        ValueError: If the teacher gives anything but finite logits ``(n, classes)``.
    """
    is_module = isinstance(teacher, nn.Module)
    parameter = next(teacher.parameters(), None) if isinstance(teacher, nn.Module) else None
    device = images.device if parameter is None else parameter.device
    out = []
    with torch.no_grad(), eval_mode(teacher) if is_module else nullcontext():  # type: ignore[arg-type]
        for batch in torch.split(images, batch_size):
            try:
                logits = teacher(batch.to(device).float().div(255))
            except RuntimeError as error:
                raise ValueError(
                    f"A teacher must take float images 0..1 of {tuple(batch.shape)}, but failed ({error}); wrap it in "
                    "what brings such images to the size, channels and normalisation that it was fitted on."
                ) from error
            if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(batch):
                shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits)
                raise ValueError(f"A teacher must return logits ({len(batch)}, classes), but got {shape} instead.")
            if not bool(torch.isfinite(logits).all()):
                raise ValueError("A teacher must return finite logits, but some are not.")
            out.append(logits.float().softmax(dim=1).to(images.device))
    return torch.cat(out)


@dataclass(frozen=True)
class TeacherConfidence:
    """Keeps images of which a classifier is sure that they show the class asked for.

    As in https://arxiv.org/abs/1912.03837. It raises precision and lowers diversity: a strict threshold
    keeps what the teacher knows already.

    Args:
        teacher (callable): Maps float images 0..1 ``(n, c, h, w)`` to logits ``(n, classes)``; fitted on
            training images only.
        threshold (float): The least probability of the class asked for; of the likeliest, where none was.

    Example:
        >>> keep = TeacherConfidence(lambda images: torch.tensor([[4.0, 0.0], [0.0, 4.0]]), threshold=0.9)
        >>> keep(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0]))
        tensor([ True, False])
    """

    teacher: Callable[[Tensor], Any]
    threshold: float = 0.9

    def __post_init__(self) -> None:
        check_threshold(self.threshold)

    def __call__(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """Which of the uint8 images to keep, bool ``(n,)``."""
        probabilities = teacher_probabilities(self.teacher, images)
        if labels is None:
            return probabilities.amax(dim=1) >= self.threshold
        if len(labels) and int(labels.max()) >= probabilities.shape[1]:
            raise ValueError(
                f"A teacher must know every class asked for, but it gives {probabilities.shape[1]} "
                f"and class {int(labels.max())} was asked."
            )
        labels = labels.to(probabilities.device)
        return probabilities.gather(1, labels[:, None])[:, 0] >= self.threshold


def check_threshold(threshold: float) -> None:
    """Refuses what is no probability."""
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold must be between 0 and 1, but got {threshold} instead.")


def as_filters(keep: Filter | Sequence[Filter] | None) -> tuple[Filter, ...]:
    """None, one filter or several as a tuple.

    Raises:
        TypeError: If something in it is no filter.
    """
    filters = () if keep is None else tuple(keep) if isinstance(keep, (tuple, list)) else (keep,)
    for each in filters:
        if not callable(each):
            raise TypeError(f"keep must be a filter, (images, labels) -> bools, or several, but got {each!r}.")
    return filters


def apply_filters(filters: tuple[Filter, ...], images: Tensor, labels: Tensor | None) -> Tensor:
    """Which images all filters keep, bool ``(n,)`` on the CPU.

    Raises:
        ValueError: If a filter gives anything but a bool per image.
    """
    kept = torch.ones(len(images), dtype=torch.bool)
    for keep in filters:
        mask = torch.as_tensor(keep(images, labels)).cpu()
        if mask.dtype != torch.bool or mask.shape != kept.shape:
            raise ValueError(
                f"A filter must return {len(images)} bools, but got {mask.dtype} of shape {tuple(mask.shape)}."
            )
        kept &= mask
    return kept
