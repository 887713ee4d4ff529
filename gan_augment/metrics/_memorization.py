"""Metrics of memorisation in features: authenticity and the data-copying test."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor

from .._core import nearest_neighbours
from ._inputs import check_features
from ._metric import Estimate, FeatureSets, Measurement, Metric

COPYING = -3.0  # lower z-scores are reported as copying


def authenticity(train: Tensor, synthetic: Tensor) -> float:
    """Computes the share of samples, 0..1, that are not copies: AuthPct (https://arxiv.org/abs/2102.08921).

    A sample is authentic if it is farther from its nearest training item than that item is from its own nearest
    training item. Copies give 0, and samples far from all training items give 1. New real items give less than 1
    too: from a normal distribution, 0.34 in one dimension, 0.5 in five and 0.84 in a hundred. So compare with the share
    of held-out images.

    Args:
        train (Tensor): Features of the training images, ``(n, d)``, at least 2.
        synthetic (Tensor): Features ``(m, d)``, at least 1.

    Raises:
        ValueError: If a set has too few items, or the features are not finite or differ in length.

    Example:
        >>> train = torch.tensor([[0.0], [1.0], [5.0]])
        >>> authenticity(train, torch.tensor([[0.5], [1.0], [3.5], [9.5]]))  # only the last is authentic
        0.25
    """
    train, synthetic = check_features(train=(train, 2), synthetic=(synthetic, 1))
    found = nearest_neighbours(synthetic, train)
    neighbours, which = torch.unique(found.indices[:, 0], return_inverse=True)
    radii = nearest_neighbours(train[neighbours], train, own=neighbours).squares
    return float((found.squares > radii[which]).double().mean())


def ct_score(train: Tensor, test: Tensor, synthetic: Tensor) -> float:
    """Tests whether samples are closer to training items than new items are (https://arxiv.org/abs/2004.05675).

    A Mann-Whitney test compares the distances of samples and of held-out items to their nearest training item. Its
    z-score is between -2 and 2 by chance, below about -3 for copies, and large for samples far from all training
    images. It grows with the counts. The paper also averages it over cells of the feature space.

    Args:
        train (Tensor): Features of the training images, ``(n, d)``.
        test (Tensor): Features of real images that the generator was not trained on, ``(k, d)``.
        synthetic (Tensor): Features ``(m, d)``.

    Raises:
        ValueError: If a set is empty, or the features are not finite or differ in length.

    Example:
        >>> x = torch.randn(150, 8, generator=torch.Generator().manual_seed(0))
        >>> train, test = x[:100], x[100:]
        >>> ct_score(train, test, test), ct_score(train, test, train) < -3
        (0.0, True)
    """
    train, test, synthetic = check_features(train=(train, 1), test=(test, 1), synthetic=(synthetic, 1))
    n, m = len(test), len(synthetic)
    squares = torch.cat([nearest_neighbours(items, train).squares[:, 0] for items in (synthetic, test)])
    _, inverse, counts = torch.unique(squares, return_inverse=True, return_counts=True)
    ranks = counts.cumsum(0) - (counts - 1) / 2  # ties share their mean rank
    wins = float(ranks[inverse][:m].sum()) - m * (m + 1) / 2
    ties = float((counts.double().pow(3) - counts).sum()) / ((n + m) * (n + m - 1))
    variance = n * m / 12 * (n + m + 1 - ties)
    return (wins - n * m / 2) / math.sqrt(variance) if variance > 1e-9 else 0.0


def _authenticity(sets: FeatureSets) -> Estimate:
    return Estimate.of_share(authenticity(cast(Tensor, sets.train), sets.synthetic), len(sets.synthetic))


def _explain_authenticity(measured: Measurement, floor: Measurement | None) -> str:
    real = "" if floor is None else f" and {floor.value:.0%} of unseen real images"
    return (
        f"{measured.value:.0%} of the samples{real} are authentic: in features, they are farther from the nearest of "
        f"{measured.n_real:,} training images than this image is from its own nearest neighbour."
    )


def _explain_ct(measured: Measurement, floor: Measurement | None) -> str:
    if measured.value < COPYING:
        text = (
            "The samples are closer to training images than unseen images are, beyond chance, so they are copies; look "
            "at the closest pairs"
        )
    else:
        text = "The samples are no closer to training images than unseen images are"
    return f"{text} (z-score {measured.value:.1f})."


AUTHENTICITY = Metric("authenticity", _authenticity, True, True, counts_train=True, explain=_explain_authenticity)
CT = Metric(
    "ct",
    lambda sets: ct_score(cast(Tensor, sets.train), sets.real, sets.synthetic),
    needs_train=True,
    has_floor=False,  # it compares with the unseen images already
    explain=_explain_ct,
)
