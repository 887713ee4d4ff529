"""The label policies of the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ..._core import check_range
from ...data import MAX_LABELS
from ...synthesis import Source, teacher_probabilities
from ._policy import LabelPolicy, check_given


@dataclass(frozen=True)
class Same(LabelPolicy):
    """Gives a synthetic image the target of the real image that it replaces or joins. Both show the same class.

    The source must have the classes of the data. Only a mapping from class to source may leave classes out.
    """

    name = "same"
    uses_images = False
    same_classes = True

    def source_classes(self, source: Source) -> dict[int, list[int]]:
        return {label: [label] for label in source.class_indices}

    def data_classes(self, source: Source) -> int | None:
        """Returns the number of classes of the source; None for a mapping, which may leave classes out."""
        return None if source.partial else source.num_classes

    def check_classes(self, source: Source, num_classes: int) -> None:
        """Checks that source and data have the same number of classes; a mapping may have fewer."""
        known = source.num_classes
        if known > num_classes or (known < num_classes and not source.partial):
            raise ValueError(
                f"The source must have as many classes as the data for labels='same', but it has {known} and the data "
                f"have {num_classes}; pass num_classes= if some classes of the data have no images, or map the classes "
                "with labels=Conditional(class_map={...})."
            )


@dataclass(frozen=True)
class Conditional(LabelPolicy):
    """Gives the class that the source was asked for, through an optional map to the data's classes.

    Args:
        class_map (mapping of int to int, optional): A class of the source -> a class of the data. Classes of the
            source that it leaves out are not drawn. Classes of the data that it does not reach get no synthetic
            images, and the ratio holds in each of the others. Default: each class to itself.
    """

    name = "conditional"
    uses_images = False
    class_map: Mapping[int, int] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for key, value in (self.class_map or {}).items():
            if not (_is_class(key) and _is_class(value)):
                raise ValueError(f"class_map must map class indices to class indices, but has {key!r}: {value!r}.")
        if self.class_map is not None and not self.class_map:
            raise ValueError("class_map must name at least one class, but it is empty.")

    @property
    def same_classes(self) -> bool:
        return self.class_map is None

    def source_classes(self, source: Source) -> dict[int, list[int]]:
        """Returns, for each class of the data that the map reaches, the source's classes that it maps there."""
        reached: dict[int, list[int]] = {}
        for asked, target in (self.class_map or {label: label for label in source.class_indices}).items():
            reached.setdefault(target, []).append(asked)
        return reached


@dataclass(frozen=True)
class Fixed(LabelPolicy):
    """Gives every synthetic image the same class, which may be an additional class.

    Args:
        label (int): The class.
    """

    uses_images = False
    label: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _is_class(self.label):
            raise ValueError(f"A fixed label must be a class index, but got {self.label!r} instead.")

    def targets(self, images: Tensor, classes: Tensor | None, num_classes: int | None) -> tuple[Tensor, Tensor]:
        return torch.full((len(images),), self.label), torch.ones(len(images), dtype=torch.bool)

    def check_classes(self, source: Source, num_classes: int) -> None:
        check_given([self.label], num_classes)


@dataclass(frozen=True)
class Uniform(LabelPolicy):
    """Gives every class the same probability: LSRO (https://arxiv.org/abs/1701.07717)."""

    name = "uniform"
    soft = True
    uses_images = False

    def targets(self, images: Tensor, classes: Tensor | None, num_classes: int | None) -> tuple[Tensor, Tensor]:
        if num_classes is None:
            raise ValueError("num_classes must be given for labels='uniform' if labels are class indices.")
        rows = torch.full((len(images), num_classes), 1 / num_classes)
        return rows, torch.ones(len(images), dtype=torch.bool)


@dataclass(frozen=True)
class Teacher(LabelPolicy):
    """Labels each synthetic image with a classifier.

    Args:
        teacher (callable): Maps float images 0..1 ``(n, c, h, w)`` to logits ``(n, num_classes)``. Fit it on
            training images only.
        kind (str): ``"hard"`` gives the most likely class, and does not use images for which its probability is
            below the threshold. ``"soft"`` gives the probabilities, for all images.
        threshold (float): Lowest probability for ``"hard"``, 0..1.
    """

    teacher: Callable[[Tensor], Any]
    kind: Literal["hard", "soft"] = "hard"
    threshold: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.teacher):
            raise TypeError(f"teacher must be callable, but got {type(self.teacher)} instead.")
        if self.kind not in ("hard", "soft"):
            raise ValueError(f"kind must be 'hard' or 'soft', but got {self.kind!r} instead.")
        check_range("threshold", self.threshold, 0, 1)

    @property
    def soft(self) -> bool:
        return self.kind == "soft"

    def targets(self, images: Tensor, classes: Tensor | None, num_classes: int | None) -> tuple[Tensor, Tensor]:
        probabilities = teacher_probabilities(self.teacher, images).cpu()
        if num_classes is not None and probabilities.shape[1] != num_classes:
            raise ValueError(
                f"A teacher must know the {num_classes} classes of the data, but gives {probabilities.shape[1]}."
            )
        if self.soft:
            return probabilities, torch.ones(len(images), dtype=torch.bool)
        confidence, labels = probabilities.max(dim=1)
        return labels, confidence >= self.threshold


def _is_class(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_LABELS
