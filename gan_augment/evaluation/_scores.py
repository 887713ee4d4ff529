"""Scores of classifiers, out of their logits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

TEMPERATURES = torch.logspace(-1, 1, 41)
BINS = 15


def correct(logits: Tensor, labels: Tensor) -> Tensor:
    """1 where a classifier is right, float ``(n,)``."""
    return (logits.argmax(1) == labels).float()


def class_recall(logits: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Share of each class's images that are found to be of it, ``(num_classes,)``; NaN for a class without images."""
    hits = torch.zeros(num_classes).index_add_(0, labels, correct(logits, labels))
    return hits / torch.bincount(labels, minlength=num_classes)


def calibration_error(logits: Tensor, labels: Tensor) -> float:
    """Expected calibration error (https://arxiv.org/abs/1706.04599), 0..1: how far confidence is from accuracy."""
    confidence, predicted = logits.softmax(1).max(1)
    bins = (confidence * BINS).long().clamp(max=BINS - 1)
    gaps = torch.zeros(BINS).index_add_(0, bins, confidence - (predicted == labels).float())
    return float(gaps.abs().sum() / len(labels))


def tempered_brier(logits: Sequence[Tensor], labels: Sequence[Tensor], balanced: bool) -> float:
    """Brier score of several classifiers, each on its own images, under the one temperature that is best for all.

    The mean squared difference of probabilities and truth (https://doi.org/10.1175/1520-0493(1950)078), 0..2.

    Args:
        logits (sequence of Tensor): One ``(n, num_classes)`` a seed.
        labels (sequence of Tensor): One ``(n,)`` a seed.
        balanced (bool): Whether all classes count alike, however many images they have.
    """
    values, truth = torch.cat(list(logits)), torch.cat(list(labels))
    if len(truth) == 0:
        return float("nan")
    counts = torch.bincount(truth)
    weights = 1 / counts[truth] / (counts > 0).sum() if balanced else torch.full((len(truth),), 1 / len(truth))
    hot = F.one_hot(truth, values.shape[1])
    scores = [((values / t).softmax(1) - hot).square().sum(1) @ weights for t in TEMPERATURES]
    return float(torch.stack(scores).min())
