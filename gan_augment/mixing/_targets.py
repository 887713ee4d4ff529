"""The exact type of a single target, so that synthetic ones collate with real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ._labels import one_hot


def check_probabilities(rows: Tensor) -> None:
    """Refuses rows that are no probabilities of classes: several labels at once, or values to regress.

    Raises:
        ValueError: If a row has a negative entry, or does not sum to 1.
    """
    sums = rows.detach().double().sum(dim=1)
    if len(rows) and not (float(rows.detach().min()) >= 0 and bool((sums - 1).abs().max() < 0.02)):
        raise ValueError(
            "Labels of floats must be probabilities of the classes, at least 0 and of sum 1, but are not; several "
            "labels at once and values to regress cannot be mixed, except with labels=None."
        )


@dataclass(frozen=True)
class TargetKind:
    """What a target is, besides its class.

    Attributes:
        container (type): ``int``, ``Tensor`` or a numpy integer type.
        dtype (torch.dtype, optional): Of a tensor.
        num_classes (int, optional): Of a vector of probabilities; None for a class index.
    """

    container: type
    dtype: torch.dtype | None = None
    num_classes: int | None = None

    @classmethod
    def of(cls, target: Any) -> TargetKind:
        """The kind of a target.

        Raises:
            TypeError: If it is neither a class index nor a vector.
            ValueError: If the vector holds no probabilities.
        """
        if type(target) is int or isinstance(target, np.integer):
            return cls(type(target))
        if isinstance(target, Tensor) and target.dtype != torch.bool:
            if target.ndim == 0 and not target.is_floating_point() and not target.is_complex():
                return cls(Tensor, target.dtype)
            if target.ndim == 1 and target.is_floating_point():
                check_probabilities(target[None])
                return cls(Tensor, target.dtype, len(target))
        shown = f"{target.dtype} tensor {tuple(target.shape)}" if isinstance(target, Tensor) else repr(target)
        raise TypeError(
            "A label must be a class index (an int or an integer tensor of 0 dims) or a vector of "
            f"probabilities, but got {shown[:100]}; is this a data set for classification?"
        )

    @staticmethod
    def class_of(target: Any) -> int:
        """The class of a target; the likeliest, of probabilities."""
        if isinstance(target, Tensor) and target.ndim == 1:
            return int(target.argmax())
        return int(target)

    def as_soft(self, num_classes: int) -> TargetKind:
        """The kind of float probabilities of that many classes."""
        return self if self.num_classes is not None else TargetKind(Tensor, torch.float32, num_classes)

    def soften(self, target: Any) -> Any:
        """A real target as one of this soft kind."""
        return target if isinstance(target, Tensor) and target.ndim == 1 else self.make(int(target))

    def make(self, target: int | Tensor) -> Any:
        """A target of this kind out of a class index or a row of probabilities."""
        if self.num_classes is not None:
            row = torch.as_tensor(target)
            if row.ndim == 0:
                row = one_hot(row[None], self.num_classes)[0]
            return row.to(self.dtype)
        if self.dtype is not None:
            return torch.as_tensor(target).to(self.dtype)
        return self.container(int(target))
