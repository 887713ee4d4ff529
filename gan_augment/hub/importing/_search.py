"""What a state dict does not say: strides, paddings, resizing, activations, the latent's distribution.

Hypotheses are followed layer by layer, a few latents with them. Those that other checkpoints make likely cost less,
and so do those under which what comes to each batch normalisation has the mean and variance that it met in training.
"""

from __future__ import annotations

import heapq
import itertools

from ._modules import Module
from ._path import Hints, Path
from ._steps import longer, starts

MAX_STEPS = 3000
UNLIKELY_ORDER = 0.5


def search(orders: list[list[Module]], hints: Hints, one_hot: int = 0) -> Path:
    """The likeliest layers of a generator that has these modules; by Dijkstra's search.

    Args:
        orders (list of list of Module): The modules in the orders in which they may follow each other.
        hints (Hints): What is known.
        one_hot (int): Classes that follow the latent as one-hot vectors.

    Raises:
        ValueError: If no stack of layers of a DCGAN has these modules.
    """
    count = itertools.count()  # so that no two are compared but by cost
    queue: list[tuple[float, int, Path]] = []
    for number, modules in enumerate(orders):
        embeddings = [module for module in modules if module.kind == "embedding"]
        body = tuple(module for module in modules if module.kind != "embedding")
        if len(embeddings) > 1:
            raise ValueError("it has several embeddings")
        for path in starts(body, embeddings[0] if embeddings else None, hints, one_hot):
            path.cost += UNLIKELY_ORDER * number
            heapq.heappush(queue, (path.cost, next(count), path))
    furthest: Path | None = None
    for _ in range(MAX_STEPS):
        if not queue:
            break
        _, _, path = heapq.heappop(queue)
        if path.ended:
            return path
        if furthest is None or path.index > furthest.index:
            furthest = path
        for further in longer(path, hints):
            heapq.heappush(queue, (further.cost, next(count), further))
    if furthest is None:
        raise ValueError("no latent fits its first layer")
    if furthest.index == len(furthest.order):
        raise ValueError(f"it gives {furthest.shape} instead of square images of 1 or 3 channels")
    raise ValueError(f"its {furthest.order[furthest.index].name} does not fit what comes before it")
