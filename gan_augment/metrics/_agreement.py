"""What a classifier sees in samples: the share of each class, and how often it is the requested class."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .._core import check_tensor
from ._metric import Estimate


class ClassAgreement(NamedTuple):
    """Share of samples in which a classifier sees the requested class.

    Attributes:
        overall (Estimate): Share of all samples, 0..1, and its standard error.
        per_class (dict): Share of the samples of each requested class, 0..1.
    """

    overall: Estimate
    per_class: dict[int, float]


def class_share(predicted: Tensor, num_classes: int) -> Tensor:
    """Computes the share of samples of each class, float64 ``(num_classes,)``.

    Args:
        predicted (Tensor): Class of each sample according to a classifier, int64 ``(n,)``.
        num_classes (int): Number of classes.

    Raises:
        ValueError: If ``predicted`` are not classes below ``num_classes``.

    Example:
        >>> class_share(torch.tensor([0, 0, 2, 0]), 3).tolist()
        [0.75, 0.0, 0.25]
    """
    _check_classes("predicted", predicted)
    if int(predicted.max()) >= num_classes:
        raise ValueError(f"predicted must be below num_classes={num_classes}, but got {int(predicted.max())} instead.")
    return torch.bincount(predicted.cpu(), minlength=num_classes).double() / len(predicted)


def class_agreement(predicted: Tensor, requested: Tensor) -> ClassAgreement:
    """Computes the share of samples in which a classifier sees the requested class.

    For a classifier trained on real images this is GAN-test (https://arxiv.org/abs/1807.09499). A single good image of
    each class gives 1, so it does not measure diversity.

    Args:
        predicted (Tensor): Class of each sample according to a classifier, int64 ``(n,)``.
        requested (Tensor): Class that was requested from the generator, int64 ``(n,)``.

    Raises:
        ValueError: If they are not classes, or differ in length.

    Example:
        >>> class_agreement(torch.tensor([0, 0, 2, 1]), torch.tensor([0, 0, 2, 2])).per_class
        {0: 1.0, 2: 0.5}
    """
    _check_classes("predicted", predicted)
    _check_classes("requested", requested)
    if len(predicted) != len(requested):
        raise ValueError(
            f"predicted and requested must have the same length, but got {len(predicted)} and {len(requested)} instead."
        )
    predicted, requested = predicted.cpu(), requested.cpu()
    agrees = (predicted == requested).double()
    per_class = {label: float(agrees[requested == label].mean()) for label in sorted(set(requested.tolist()))}
    return ClassAgreement(Estimate.of_share(float(agrees.mean()), len(agrees)), per_class)


def _check_classes(name: str, classes: Tensor) -> None:
    check_tensor(classes, name)
    if classes.dtype != torch.int64 or classes.ndim != 1 or len(classes) == 0 or int(classes.min()) < 0:
        raise ValueError(
            f"{name} must be one or more classes, int64 (n,) from 0 up, but got {classes.dtype} of shape "
            f"{tuple(classes.shape)} instead."
        )
