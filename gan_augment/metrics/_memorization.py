"""Whether samples are copies in features: authenticity and the data-copying test; in float64."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ._distances import check_features

ROWS, COLUMNS = 1024, 4096  # of a matrix of distances that are held at a time


class Neighbours(NamedTuple):
    """The nearest item of each of some items.

    Attributes:
        distances (Tensor): float64 ``(n,)``, Euclidean.
        indices (Tensor): int64 ``(n,)``: which item it is.
    """

    distances: Tensor
    indices: Tensor


def nearest(items: Tensor, others: Tensor, own: Tensor | None = None) -> Neighbours:
    """The nearest of the others to each item, one block of distances at a time.

    Args:
        items (Tensor): float64 ``(n, d)``.
        others (Tensor): float64 ``(m, d)``.
        own (Tensor, optional): int64 ``(n,)``: where each item stands among the others, to pass it over there.
    """
    center = others.mean(dim=0)  # near the origin the products below cancel least
    squares = (others - center).square().sum(dim=1)
    found = []
    for start in range(0, len(items), ROWS):
        block = items[start : start + ROWS] - center
        best = torch.full((len(block),), math.inf, dtype=torch.float64)
        place = torch.zeros(len(block), dtype=torch.int64)
        for column in range(0, len(others), COLUMNS):
            columns = slice(column, column + COLUMNS)
            scores = torch.addmm(squares[columns], block, (others[columns] - center).T, alpha=-2)
            if own is not None:
                at = own[start : start + ROWS] - column
                inside = (at >= 0) & (at < scores.shape[1])
                scores[inside, at[inside]] = math.inf
            score, index = scores.min(dim=1)
            nearer = score < best
            best, place = torch.where(nearer, score, best), torch.where(nearer, index + column, place)
        found.append(place)
    indices = torch.cat(found)
    # From the difference itself, which is exactly 0 of a copy.
    pairs = zip(torch.split(items, ROWS), torch.split(indices, ROWS))
    distances = torch.cat([(block - others[rows]).square().sum(dim=1).sqrt() for block, rows in pairs])
    return Neighbours(distances, indices)


def authenticity(train: Tensor, synthetic: Tensor) -> float:
    """The share of samples that are no copies, AuthPct (https://arxiv.org/abs/2102.08921), over features.

    A sample is authentic if it is farther from its nearest training item than that one is from its own nearest
    other training item. Of new real items only about a third (in one dimension) to a half (in many) are: 0 are copies,
    and 1 are samples that are far from all training items, so compare with the share of held-out images.

    Args:
        train (Tensor): Features ``(n, d)`` of the training images.
        synthetic (Tensor): Features ``(m, d)``.

    Returns:
        float: A share 0..1.

    Raises:
        ValueError: If there are fewer than 2 training items or no samples, or they are no finite features of one
            length.

    Example:
        >>> train = torch.tensor([[0.0], [1.0], [5.0]])
        >>> authenticity(train, torch.tensor([[0.5], [1.0], [3.5], [9.5]]))  # only the last is far enough
        0.25
    """
    train, synthetic = check_features(train=(train, 2), synthetic=(synthetic, 1))
    found = nearest(synthetic, train)
    neighbours, which = torch.unique(found.indices, return_inverse=True)
    radii = nearest(train[neighbours], train, neighbours).distances
    return float((found.distances > radii[which]).double().mean())


def ct_score(train: Tensor, test: Tensor, synthetic: Tensor) -> float:
    """The data-copying test (https://arxiv.org/abs/2004.05675): are samples nearer to training items than new ones?

    The z-score of the Mann-Whitney test between the distances of samples and of held-out items to their nearest
    training item, with its correction for ties. Within about 2 of zero is chance; clearly below, such as under -3,
    is copying; clearly above, samples that are far from all training images. It grows with the counts. This is the
    test over the whole space: the paper also averages it over cells of it, which finds copying that is confined to
    some of them.

    Args:
        train (Tensor): Features ``(n, d)`` of the training images.
        test (Tensor): Features ``(k, d)`` of real images that were not trained on.
        synthetic (Tensor): Features ``(m, d)``.

    Raises:
        ValueError: If a set is empty, or they are no finite features of one length.

    Example:
        >>> x = torch.randn(150, 8, generator=torch.Generator().manual_seed(0))
        >>> train, test = x[:100], x[100:]
        >>> ct_score(train, test, test), ct_score(train, test, train) < -3
        (0.0, True)
    """
    train, test, synthetic = check_features(train=(train, 1), test=(test, 1), synthetic=(synthetic, 1))
    n, m = len(test), len(synthetic)
    distances = torch.cat([nearest(items, train).distances for items in (synthetic, test)])
    _, inverse, counts = torch.unique(distances, return_inverse=True, return_counts=True)
    ranks = counts.cumsum(0) - (counts - 1) / 2  # of ties the middle one
    wins = float(ranks[inverse][:m].sum()) - m * (m + 1) / 2
    ties = float((counts.double().pow(3) - counts).sum()) / ((n + m) * (n + m - 1))
    variance = n * m / 12 * (n + m + 1 - ties)
    return (wins - n * m / 2) / math.sqrt(variance) if variance > 1e-9 else 0.0
