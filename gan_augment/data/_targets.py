"""Reads labels as classes or as probabilities, and writes them back in their own form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .._core import check_dense

MAX_LABELS = 2**20  # maximum number of classes, since each has a count, and a column of soft labels

_ONE = (
    "a class index (an integer, or a tensor that holds one) or a vector of probabilities (one-hot, or floats that sum "
    "to 1)"
)
_MANY = "class indices (integers) or rows of probabilities (one-hot, or floats that sum to 1)"
_TOO_WIDE = (torch.uint16, torch.uint32, torch.uint64)


@dataclass(frozen=True)
class TargetKind:
    """The form of a label, without its class.

    Attributes:
        container (type): ``int``, ``bool``, a numpy scalar type, ``list``, ``tuple``, ``numpy.ndarray``, or a
            tensor class.
        dtype (torch.dtype or numpy.dtype, optional): Type of its numbers.
        boxed (bool): Whether a class index has its own dimension, as in ``(n, 1)``.
        num_classes (int, optional): Length of a vector of probabilities. None for a class index.
    """

    container: type
    dtype: Any = None
    boxed: bool = False
    num_classes: int | None = None

    @staticmethod
    def class_of(target: Any) -> int:
        """Returns the class of a single label; for probabilities, the most likely one."""
        value = read_target(target)[0]
        return int(value.argmax() if value.ndim else value)

    def as_soft(self, num_classes: int) -> TargetKind:
        """Returns this kind of label, but with float probabilities of ``num_classes`` classes."""
        dtype = self.dtype
        floats = dtype.is_floating_point if isinstance(dtype, torch.dtype) else getattr(dtype, "kind", "") == "f"
        return self if floats else TargetKind(Tensor, torch.float32, num_classes=self.num_classes or num_classes)

    def make(self, target: int | Tensor) -> Any:
        """Makes labels of this kind from class indices ``()`` or ``(n,)``, or probabilities ``(c,)`` or ``(n, c)``."""
        values = torch.as_tensor(target)
        if self.num_classes is not None and not values.is_floating_point():
            values = one_hot(values.reshape(-1), self.num_classes).reshape(*values.shape, self.num_classes)
        if self.boxed:
            values = values[..., None]
        if issubclass(self.container, Tensor):
            values = values.to(self.dtype)
            return values if self.container is Tensor else values.as_subclass(self.container)
        if issubclass(self.container, np.ndarray):  # or a row of a memory map
            return values.cpu().numpy().astype(self.dtype)
        if self.container in (list, tuple):
            kept = values.to(self.dtype).tolist()
            return tuple(kept) if self.container is tuple else kept
        scalar: Any = self.container  # int, bool, or a numpy scalar type
        return scalar(values.item())


def read_target(target: Any, rows: int | None = None) -> tuple[Tensor, TargetKind]:
    """Converts a label, or the labels of a batch of ``rows`` images, to a tensor, and also returns their form.

    Returns:
        tuple: Class indices, int64 ``()`` or ``(rows,)``, or float probabilities ``(c,)`` or ``(rows, c)``; and
        their :class:`TargetKind`.

    Raises:
        TypeError: If it is neither a number nor a tensor, array or list of numbers.
        ValueError: If it has the wrong shape, or is a multi-label or regression target.

    Example:
        >>> read_target(torch.tensor([0, 1, 0]))[0], read_target([[2], [1]], rows=2)[0]
        (tensor([0., 1., 0.]), tensor([2, 1]))
    """
    values, dtype = _as_tensor(target)
    batched = rows is not None
    if batched and (values.ndim not in (1, 2) or len(values) != rows):
        raise ValueError(f"labels must have shape ({rows},) or ({rows}, num_classes), but got {tuple(values.shape)}.")
    dims, floats = values.ndim - batched, values.is_floating_point()
    boxed = dims == 1 and values.shape[-1] == 1 and not floats
    what = f"labels must be {_MANY}" if batched else f"A label must be {_ONE}"
    if floats and dims == 0 and not batched:
        raise TypeError(f"{what}, but got {_shown(target)}; is this a data set for classification?")
    if dims > 1 or (floats and dims == 0) or 0 in values.shape[batched:]:
        raise ValueError(f"{what}, but got {_shown(target)}.")
    container = type(target)
    if dims == 0 or boxed:
        return (values[..., 0] if boxed else values).long(), TargetKind(container, dtype, boxed)
    if not floats and not bool(((values == 0) | (values == 1)).all() and (values.sum(-1) == 1).all()):
        raise ValueError(f"{what}, but got {_shown(target)}, which is not one-hot. {_REMEDY}")
    if floats:
        _check_probabilities(values if batched else values[None])
    return values if floats else values.float(), TargetKind(container, dtype, False, values.shape[-1])


def is_target(label: Any) -> bool:
    """Returns whether a label is a class index or class probabilities."""
    try:
        read_target(label)
    except (TypeError, ValueError):
        return False
    return True


_REMEDY = "Multi-label and regression targets are not classes; leave the labels out to use images only."


def _check_probabilities(rows: Tensor) -> None:
    sums = rows.detach().double().sum(dim=1)
    if len(rows) and not (float(rows.detach().min()) >= 0 and bool((sums - 1).abs().max() < 0.02)):
        raise ValueError(
            f"Float labels must be class probabilities that are at least 0 and sum to 1, but are not. {_REMEDY}"
        )


def one_hot(labels: Tensor, num_classes: int) -> Tensor:
    """Returns class indices ``(n,)`` as rows of float32 probabilities ``(n, num_classes)``.

    Raises:
        ValueError: If a label is out of range.
    """
    check_label_range(labels, num_classes)
    return F.one_hot(labels.long(), num_classes).float()


def check_label_range(labels: Tensor, num_classes: int = MAX_LABELS) -> None:
    """Checks that labels are not negative, and that they are below ``num_classes`` or, by default, not absurdly large.

    Raises:
        ValueError: If a label is out of range. The message names the first one.
    """
    if len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < num_classes):
        wrong = labels[(labels < 0) | (labels >= num_classes)][0].item()
        raise ValueError(f"labels must be between 0 and {num_classes - 1}, but got {wrong} instead.")


def _as_tensor(target: Any) -> tuple[Tensor, Any]:
    """Returns the numbers of a label as a plain tensor, and the dtype to write them back in."""
    if isinstance(target, Tensor):
        check_dense(target, "Labels")
        plain = target.as_subclass(Tensor)
        if plain.dtype in _TOO_WIDE or plain.is_complex():
            raise ValueError(f"Labels must have a signed integer type or uint8, but got {plain.dtype}.")
        return plain, plain.dtype
    if isinstance(target, (bool, int, float, list, tuple, np.ndarray, np.generic)):
        array = np.asarray(target) if _is_regular(target) else np.asarray(None)
        if array.dtype.kind in "biu":
            boolean = array.dtype.kind == "b"
            kept = array.dtype if isinstance(target, np.ndarray) else torch.bool if boolean else torch.int64
            return torch.from_numpy(array.astype(np.bool_ if boolean else np.int64)), kept
        if array.dtype.kind == "f":
            floats = torch.from_numpy(array.astype(np.float64))
            return floats, array.dtype if isinstance(target, np.ndarray) else torch.float64
    raise TypeError(f"A label must be {_ONE}, but got {_shown(target)}; is this a data set for classification?")


def _is_regular(target: Any) -> bool:
    """Returns whether nested lists have a regular shape."""
    if not isinstance(target, (list, tuple)):
        return True
    lengths = {len(row) if isinstance(row, (list, tuple)) else -1 for row in target}
    return len(lengths) == 1 and all(isinstance(v, (bool, int, float, np.generic, list, tuple)) for v in target)


def _shown(target: Any) -> str:
    if isinstance(target, (Tensor, np.ndarray)) and target.ndim:
        name = "a tensor" if isinstance(target, Tensor) else "an array"
        return f"{name} of {str(target.dtype).removeprefix('torch.')} and shape {tuple(target.shape)}"
    return repr(target)[:100]
