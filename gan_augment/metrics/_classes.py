"""Classes of samples, as a classifier sees them: how many of each, and whether they are those asked for."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .._core import check_tensor
from ._distances import Estimate


class ClassAgreement(NamedTuple):
    """How often a classifier sees the class that was asked for.

    Attributes:
        overall (Estimate): The share of all samples, 0..1, and its standard error.
        per_class (dict): The share, 0..1, of each class that was asked for.
    """

    overall: Estimate
    per_class: dict[int, float]


def class_share(predicted: Tensor, num_classes: int) -> Tensor:
    """The share of samples of each class: a class at 0 has been lost.

    Args:
        predicted (Tensor): int64 ``(n,)``: the class of each sample by a classifier.
        num_classes (int): Number of classes.

    Returns:
        Tensor: float64 ``(num_classes,)``, of sum 1.

    Raises:
        ValueError: If they are no classes.

    Example:
        >>> class_share(torch.tensor([0, 0, 2, 0]), 3).tolist()
        [0.75, 0.0, 0.25]
    """
    _check_classes("predicted", predicted)
    if int(predicted.max()) >= num_classes:
        raise ValueError(f"predicted must be below num_classes={num_classes}, but got {int(predicted.max())} instead.")
    return torch.bincount(predicted.cpu(), minlength=num_classes).double() / len(predicted)


def class_agreement(predicted: Tensor, asked: Tensor) -> ClassAgreement:
    """How often samples are of the class asked for, as a classifier sees them.

    By a classifier of real images it is GAN-test (https://arxiv.org/abs/1807.09499). It says nothing of variety: one
    good image of each class gives 1.

    Args:
        predicted (Tensor): int64 ``(n,)``: the class of each sample by a classifier.
        asked (Tensor): int64 ``(n,)``: the class that the generator was asked for.

    Raises:
        ValueError: If they are no classes, or not as many.

    Example:
        >>> class_agreement(torch.tensor([0, 0, 2, 1]), torch.tensor([0, 0, 2, 2])).per_class
        {0: 1.0, 2: 0.5}
    """
    _check_classes("predicted", predicted)
    _check_classes("asked", asked)
    if len(predicted) != len(asked):
        raise ValueError(f"predicted and asked must be as many, but got {len(predicted)} and {len(asked)} instead.")
    agrees = (predicted.cpu() == asked.cpu()).double()
    per_class = {label: float(agrees[asked.cpu() == label].mean()) for label in sorted(set(asked.tolist()))}
    return ClassAgreement(Estimate.of_share(float(agrees.mean()), len(agrees)), per_class)


def _check_classes(name: str, classes: Tensor) -> None:
    check_tensor(classes, name)
    if classes.dtype != torch.int64 or classes.ndim != 1 or len(classes) == 0 or int(classes.min()) < 0:
        raise ValueError(
            f"{name} must be one or more classes, int64 (n,) from 0, but got {classes.dtype} of shape "
            f"{tuple(classes.shape)} instead."
        )
