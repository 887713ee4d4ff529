"""Filters: which candidates enter a pool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from .._core import check_tensor
from ..models import eval_mode

Filter: TypeAlias = Callable[[Tensor, Tensor | None], Tensor]
ENOUGH = 10  # candidates of a class, from which a quantile of it is taken


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
class TeacherAgreement:
    """Keeps images whose likeliest class, to a classifier, is the class asked for.

    :class:`TeacherConfidence` without a threshold (filtering as in https://arxiv.org/abs/1912.03837): wrong labels
    go, so precision rises, and diversity falls by the images that the teacher mistakes, new ones among them.

    Args:
        teacher (callable): Maps float images 0..1 ``(n, c, h, w)`` to logits ``(n, classes)``; fitted on
            training images only.

    Example:
        >>> keep = TeacherAgreement(lambda images: torch.tensor([[0.1, 0.0], [0.0, 4.0]]))
        >>> keep(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0]))
        tensor([ True, False])
    """

    teacher: Callable[[Tensor], Any]

    def __call__(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """Which of the uint8 images to keep, bool ``(n,)``."""
        if labels is None:
            raise ValueError("A teacher can only agree with a class asked for, but none was; use TeacherConfidence.")
        probabilities = teacher_probabilities(self.teacher, images)
        return probabilities.argmax(dim=1) == _known(labels, probabilities)


@dataclass(frozen=True)
class TeacherConfidence:
    """Keeps images of which a classifier is sure that they show the class asked for.

    As in https://arxiv.org/abs/1912.03837. It raises precision and lowers diversity: a strict threshold
    keeps what the teacher knows already.

    Args:
        teacher (callable): Maps float images 0..1 ``(n, c, h, w)`` to logits ``(n, classes)``; fitted on
            training images only.
        threshold (float or mapping of int to float): The least probability of the class asked for; of the
            likeliest, where none was. Or one of each class, as :meth:`calibrate` makes them.

    Raises:
        ValueError: If a threshold is no probability.

    Example:
        >>> keep = TeacherConfidence(lambda images: torch.tensor([[4.0, 0.0], [0.0, 4.0]]), threshold=0.9)
        >>> keep(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0]))
        tensor([ True, False])
    """

    teacher: Callable[[Tensor], Any]
    threshold: float | Mapping[int, float] = 0.9

    def __post_init__(self) -> None:
        for threshold in self.threshold.values() if isinstance(self.threshold, Mapping) else (self.threshold,):
            check_threshold(threshold)

    @classmethod
    def calibrate(
        cls, teacher: Callable[[Tensor], Any], images: Tensor, labels: Tensor | None, quantile: float = 0.5
    ) -> TeacherConfidence:
        """One with a threshold for each class, so that the most confident share of each is kept.

        The thresholds are found once, from candidates at hand: a filter sees batches, and the last of a pool hold
        one or two images of a class, of which there is no quantile. Images of one confidence are kept together: of a
        teacher that is quite certain of most, more than the share.

        Args:
            teacher (callable): As of the class.
            images (Tensor): Candidates as a filter sees them, such as those of :func:`draw_candidates`; uint8
                ``(n, c, h, w)``, at least 10 of each class.
            labels (Tensor, optional): Their classes, int64 ``(n,)``. None: one threshold for all.
            quantile (float): Of the confidences within a class; 0.75 keeps the upper quarter.

        Raises:
            ValueError: If it is not between 0 and 1, or there are too few images of a class.

        Example:
            >>> images = torch.arange(20, dtype=torch.uint8)[:, None, None, None].expand(20, 1, 4, 4)
            >>> brightness = lambda images: torch.stack([images.mean((1, 2, 3)), torch.zeros(len(images))], dim=1)
            >>> keep = TeacherConfidence.calibrate(brightness, images, torch.zeros(20).long(), quantile=0.75)
            >>> int(keep(images, torch.zeros(20).long()).sum())
            5
        """
        if not 0 <= quantile <= 1:
            raise ValueError(f"quantile must be between 0 and 1, but got {quantile} instead.")
        check_group_sizes(labels, len(images), ENOUGH)
        confidences = _confidences(teacher, images, labels)
        if labels is None:
            return cls(teacher, _quantile(confidences, quantile))
        labels = labels.to(confidences.device)
        return cls(teacher, {k: _quantile(confidences[labels == k], quantile) for k in set(labels.tolist())})

    def __call__(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """Which of the uint8 images to keep, bool ``(n,)``."""
        if not isinstance(self.threshold, Mapping):
            return _confidences(self.teacher, images, labels) >= self.threshold
        if labels is None:
            raise ValueError("labels must be given for thresholds of classes, but got None; use one threshold.")
        unknown = sorted(set(labels.tolist()) - set(self.threshold))
        if unknown:
            raise ValueError(f"threshold must have every class asked for, but has none of {unknown[:20]}.")
        confidences = _confidences(self.teacher, images, labels)
        return confidences >= confidences.new_tensor([self.threshold[label] for label in labels.tolist()])


def _quantile(values: Tensor, quantile: float) -> float:
    """A quantile that is one of the values, not one between two of them, which float32 might round past one."""
    return float(torch.quantile(values, quantile, interpolation="higher"))


def _known(labels: Tensor, probabilities: Tensor) -> Tensor:
    """The labels on the device of the probabilities, all of which must be among their classes."""
    if len(labels) and int(labels.max()) >= probabilities.shape[1]:
        raise ValueError(
            f"A teacher must know every class asked for, but it gives {probabilities.shape[1]} "
            f"and class {int(labels.max())} was asked."
        )
    return labels.to(probabilities.device)


def _confidences(teacher: Callable[[Tensor], Any], images: Tensor, labels: Tensor | None) -> Tensor:
    """The probability of each image's class, or of its likeliest where there are no labels."""
    probabilities = teacher_probabilities(teacher, images)
    if labels is None:
        return probabilities.amax(dim=1)
    return probabilities.gather(1, _known(labels, probabilities)[:, None])[:, 0]


def check_threshold(threshold: float) -> None:
    """Refuses what is no probability."""
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold must be between 0 and 1, but got {threshold} instead.")


def check_group_sizes(labels: Tensor | None, n: int, least: int, name: str = "images") -> None:
    """Refuses labels that are not ``n`` integers, and classes (or a whole, without labels) of too few images.

    Raises:
        ValueError: With the class that has too few.
    """
    if labels is None:
        if n < least:
            raise ValueError(f"{name} must be at least {least}, but got {n} instead.")
        return
    check_tensor(labels, "labels")
    if labels.shape != (n,) or labels.dtype not in (torch.int64, torch.int32, torch.int16, torch.uint8, torch.int8):
        raise ValueError(f"labels must be {n} integers, but got {labels.dtype} of shape {tuple(labels.shape)} instead.")
    counts = Counter(labels.tolist()).most_common()
    if not counts or counts[-1][1] < least:
        few = f"{counts[-1][1]} of class {counts[-1][0]}" if counts else "none"
        raise ValueError(f"{name} must be at least {least} of each class, but got {few} instead.")


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
