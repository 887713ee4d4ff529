"""Scores of classifiers, computed from their logits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

TEMPERATURES = torch.logspace(-1, 1, 41)
CALIBRATION_BINS = 15


def is_correct(logits: Tensor, labels: Tensor) -> Tensor:
    """Returns 1 for each image whose largest logit is that of its label and 0 for the others, float ``(n,)``."""
    return (logits.argmax(1) == labels).float()


def class_recall(logits: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Returns the recall of each class, ``(num_classes,)``; it is NaN for a class without images."""
    hits = torch.zeros(num_classes).index_add_(0, labels, is_correct(logits, labels))
    return hits / torch.bincount(labels, minlength=num_classes)


def calibration_error(logits: Tensor, labels: Tensor) -> float:
    """Returns the mean gap between confidence and accuracy in 15 bins, 0..1 (https://arxiv.org/abs/1706.04599)."""
    confidence, predicted = logits.softmax(1).max(1)
    bins = (confidence * CALIBRATION_BINS).long().clamp(max=CALIBRATION_BINS - 1)
    gaps = torch.zeros(CALIBRATION_BINS).index_add_(0, bins, confidence - (predicted == labels).float())
    return float(gaps.abs().sum() / len(labels))


def tempered_brier(logits: Sequence[Tensor], labels: Sequence[Tensor], balanced: bool) -> float:
    """Returns the Brier score of several classifiers with the one temperature that gives the lowest score.

    The score is the mean squared difference between probabilities and one-hot labels, 0..2
    (https://doi.org/10.1175/1520-0493(1950)078). It is NaN without images.

    Args:
        logits (sequence of Tensor): Logits ``(n, num_classes)`` of each seed on its own images.
        labels (sequence of Tensor): Classes ``(n,)`` of each seed's images.
        balanced (bool): Whether every class has the same weight, whatever its number of images.
    """
    values, truth = torch.cat(list(logits)), torch.cat(list(labels))
    if len(truth) == 0:
        return float("nan")
    counts = torch.bincount(truth)
    weights = 1 / counts[truth] / (counts > 0).sum() if balanced else torch.full((len(truth),), 1 / len(truth))
    one_hot = F.one_hot(truth, values.shape[1])
    scores = [((values / t).softmax(1) - one_hot).square().sum(1) @ weights for t in TEMPERATURES]
    return float(torch.stack(scores).min())
