"""Finds nearest neighbours block by block, so that the memory does not grow with the number of pairs."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

ROWS, COLUMNS = 1024, 4096  # size of a block of the matrix of distances


class Neighbours(NamedTuple):
    """The nearest neighbours of some rows, nearest first."""

    squares: Tensor  # squared Euclidean distances (n, k), exactly 0 for a copy
    indices: Tensor  # indices of the neighbours in `others`, int64 (n, k)


def nearest_neighbours(
    rows: Tensor, others: Tensor, k: int = 1, *, own: Tensor | None = None, exact: bool = False
) -> Neighbours:
    """Finds the ``k`` nearest rows of ``others`` for each row. If ``k`` is 1, the first of equally near rows wins.

    Args:
        rows (Tensor): Float ``(n, d)``. Distances are computed in its type.
        others (Tensor): Float ``(m, d)``, with ``m`` at least ``k``, or above ``k`` if ``own`` is given.
        k (int): Number of neighbours.
        own (Tensor, optional): int64 ``(n,)``: index of each row in ``others``, so that no row is its own neighbour.
        exact (bool): Whether to choose neighbours by differences, not by matrix products. This is slower, but then
            the choice between nearly equal distances for one row does not depend on the other ``rows``.

    Example:
        >>> nearest_neighbours(torch.tensor([[1.0]]), torch.tensor([[0.0], [3.0]]))
        Neighbours(squares=tensor([[1.]]), indices=tensor([[0]]))
    """
    centre = others.mean(dim=0, dtype=rows.dtype)  # near the origin, the products below lose the fewest digits
    squares, indices = [], []
    for start in range(0, max(len(rows), 1), ROWS):
        block = rows[start : start + ROWS]
        best = block.new_full((len(block), k), math.inf)
        places = torch.zeros((len(block), k), dtype=torch.int64, device=block.device)
        for column in range(0, len(others), COLUMNS):
            part = others[column : column + COLUMNS].to(block.dtype)
            if exact:
                scores = torch.cdist(block, part, compute_mode="donot_use_mm_for_euclid_dist")
            else:
                part = part - centre
                scores = torch.addmm(part.square().sum(dim=1), block - centre, part.T, alpha=-2)
            if own is not None:
                at = own[start : start + ROWS] - column
                inside = (at >= 0) & (at < len(part))
                scores[inside, at[inside]] = math.inf
            score, place = scores.min(dim=1, keepdim=True) if k == 1 else scores.topk(min(k, len(part)), largest=False)
            best, order = torch.cat([best, score], dim=1).sort(dim=1, stable=True)
            places = torch.cat([places, place + column], dim=1).gather(1, order)
            best, places = best[:, :k], places[:, :k]
        indices.append(places)
        # From the differences themselves, one neighbour at a time, to bound the memory.
        found = [(block - others[place]).square().sum(dim=1) for place in places.T]
        squares.append(torch.stack(found, dim=1))
    return Neighbours(torch.cat(squares), torch.cat(indices))
