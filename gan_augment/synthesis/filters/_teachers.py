"""Filters with a classifier, the teacher, which says whether an image shows the requested class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..._core import check_range
from ...models import eval_mode
from ._filter import Filter, FilterInputs, check_classes, check_group_sizes

ENOUGH = 10  # images of a class from which a quantile can be taken


def teacher_probabilities(teacher: Callable[[Tensor], Any], images: Tensor, batch_size: int = 256) -> Tensor:
    """Returns the class probabilities ``(n, classes)`` that a classifier gives uint8 images.

    Args:
        teacher (callable): Maps float images 0..1, ``(n, c, h, w)``, to logits ``(n, classes)``. A module is called in
            eval mode on its own device.
        images (Tensor): uint8 ``(n, c, h, w)``.
        batch_size (int): Images per call. Default: 256.

    Raises:
        ValueError: If the teacher fails, or does not return finite logits ``(n, classes)``.
    """
    module = teacher if isinstance(teacher, nn.Module) else nn.Module()  # a function has no device and no mode
    device, out = next(module.parameters(), images).device, []
    with torch.no_grad(), eval_mode(module):
        for batch in torch.split(images, batch_size):
            try:
                logits = teacher(batch.to(device).float().div(255))
            except RuntimeError as error:
                raise ValueError(
                    f"A teacher must take float images 0..1 of shape {tuple(batch.shape)}, but failed ({error}). Wrap "
                    "it in a function that converts images to the size, channels and normalization that it needs."
                ) from error
            if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(batch):
                shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits)
                raise ValueError(f"A teacher must return logits ({len(batch)}, classes), but got {shape} instead.")
            if not bool(torch.isfinite(logits).all()):
                raise ValueError("A teacher must return finite logits, but some are not.")
            out.append(logits.float().softmax(dim=1).to(images.device))
    return torch.cat(out)


@dataclass(frozen=True)
class TeacherAgreement(Filter):
    """Keeps images whose likeliest class, according to a classifier, is the requested class.

    This is :class:`TeacherConfidence` without a threshold (https://arxiv.org/abs/1912.03837). Precision rises.
    Diversity falls, because the teacher is wrong about some good images that differ from its training images.

    Args:
        teacher (callable): Maps float images 0..1 ``(n, c, h, w)`` to logits ``(n, classes)``. Train it on training
            images only.

    Example:
        >>> keep = TeacherAgreement(lambda images: torch.tensor([[0.1, 0.0], [0.0, 4.0]]))
        >>> keep(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0]))
        tensor([ True, False])
    """

    needs_classes = True

    teacher: Callable[[Tensor], Any]

    @classmethod
    def build(cls, inputs: FilterInputs) -> TeacherAgreement:
        return cls(inputs.teacher)

    def __call__(self, images: Tensor, labels: Tensor | None) -> Tensor:
        if labels is None:
            raise ValueError("labels must be given for TeacherAgreement, but got None. Use TeacherConfidence instead.")
        probabilities = teacher_probabilities(self.teacher, images)
        return probabilities.argmax(dim=1) == _known(labels, probabilities)


@dataclass(frozen=True)
class TeacherConfidence(Filter):
    """Keeps images if a classifier is confident that they show the requested class.

    See https://arxiv.org/abs/1912.03837. Precision rises and diversity falls: with a strict threshold, only images
    like those that the teacher was trained on remain.

    Args:
        teacher (callable): Maps float images 0..1 ``(n, c, h, w)`` to logits ``(n, classes)``. Train it on training
            images only.
        threshold (float or mapping of int to float): Lowest probability, from 0 to 1, of the requested class, or of
            the likeliest class if there are no labels. A mapping has a threshold for each class; see
            :meth:`calibrate`. Default: 0.9. A study uses 0.5.

    Raises:
        ValueError: If a threshold is not between 0 and 1.

    Example:
        >>> keep = TeacherConfidence(lambda images: torch.tensor([[4.0, 0.0], [0.0, 4.0]]), threshold=0.9)
        >>> keep(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0]))
        tensor([ True, False])
    """

    teacher: Callable[[Tensor], Any]
    threshold: float | Mapping[int, float] = 0.9

    def __post_init__(self) -> None:
        for threshold in self.threshold.values() if isinstance(self.threshold, Mapping) else (self.threshold,):
            check_range("threshold", threshold, 0, 1)

    @classmethod
    def build(cls, inputs: FilterInputs) -> TeacherConfidence:
        return cls(inputs.teacher, 0.5)

    @classmethod
    def calibrate(
        cls, teacher: Callable[[Tensor], Any], images: Tensor, labels: Tensor | None, quantile: float = 0.5
    ) -> TeacherConfidence:
        """Builds a filter that keeps the most confident share of each class.

        Images with the same confidence are kept or dropped together, so a teacher that is certain of most images keeps
        more than this share.

        Args:
            teacher (callable): The classifier; see ``teacher`` of the class.
            images (Tensor): Candidates, uint8 ``(n, c, h, w)``, at least 10 of each class; see :func:`draw_candidates`.
            labels (Tensor, optional): Their classes, int64 ``(n,)``. None: one threshold for all images.
            quantile (float): Threshold of each class, as a quantile of the candidates' confidences, from 0 to 1. With
                0.75, the most confident quarter is kept. Default: 0.5.

        Raises:
            ValueError: If the quantile is out of range, or a class has too few images.

        Example:
            >>> images = torch.arange(20, dtype=torch.uint8)[:, None, None, None].expand(20, 1, 4, 4)
            >>> brightness = lambda images: torch.stack([images.mean((1, 2, 3)), torch.zeros(len(images))], dim=1)
            >>> keep = TeacherConfidence.calibrate(brightness, images, torch.zeros(20).long(), quantile=0.75)
            >>> int(keep(images, torch.zeros(20).long()).sum())
            5
        """
        check_range("quantile", quantile, 0, 1)
        check_group_sizes(labels, len(images), ENOUGH, "images")
        confidences = _confidences(teacher, images, labels)

        def threshold(values: Tensor) -> float:  # one of the values, since a mean of two might round past one
            return float(torch.quantile(values, quantile, interpolation="higher"))

        if labels is None:
            return cls(teacher, threshold(confidences))
        labels = labels.to(confidences.device)
        return cls(teacher, {label: threshold(confidences[labels == label]) for label in set(labels.tolist())})

    def __call__(self, images: Tensor, labels: Tensor | None) -> Tensor:
        if not isinstance(self.threshold, Mapping):
            return _confidences(self.teacher, images, labels) >= self.threshold
        labels = check_classes(labels, self.threshold)
        confidences = _confidences(self.teacher, images, labels)
        return confidences >= confidences.new_tensor([self.threshold[label] for label in labels.tolist()])


def _known(labels: Tensor, probabilities: Tensor) -> Tensor:
    """Checks that the probabilities have a column for each label, and returns the labels on their device."""
    if len(labels) and int(labels.max()) >= probabilities.shape[1]:
        raise ValueError(
            f"A teacher must know every requested class, but it gives {probabilities.shape[1]} probabilities and class "
            f"{int(labels.max())} was requested."
        )
    return labels.to(probabilities.device)


def _confidences(teacher: Callable[[Tensor], Any], images: Tensor, labels: Tensor | None) -> Tensor:
    """Returns the probability of each image's class, or of its likeliest class if there are no labels."""
    probabilities = teacher_probabilities(teacher, images)
    if labels is None:
        return probabilities.amax(dim=1)
    return probabilities.gather(1, _known(labels, probabilities)[:, None])[:, 0]
