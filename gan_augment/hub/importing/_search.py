"""What a state dict does not say: strides, paddings, resizing, activations, the latent's distribution.

Hypotheses are followed layer by layer, a few latents with them. Those that other checkpoints make likely cost less,
and so do those under which what comes to each batch normalisation has the mean and variance that it met in training.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections import Counter
from typing import Any

from ._modules import Module
from ._path import Budget, Hints, Path
from ._steps import longer, starts

MAX_STEPS = 3000
MAX_SECONDS = 60.0
MAX_ALIKE = 24  # hypotheses of one shape after one module that are followed, the likeliest first
MAX_MISFIT = 0.3  # of a norm, on average
UNLIKELY_ORDER = 0.5


def search(orders: list[list[Module]], hints: Hints, one_hot: int = 0) -> Path:
    """The likeliest layers of a generator that has these modules; the best hypothesis is followed first.

    Args:
        orders (list of list of Module): The modules in the orders in which they may follow each other.
        hints (Hints): What is known.
        one_hot (int): Classes that follow the latent as one-hot vectors.

    Raises:
        ValueError: If no stack of layers of a DCGAN has these modules.
    """
    count = itertools.count()  # so that no two are compared but by cost
    queue: list[tuple[float, int, Path]] = []
    budget = Budget()
    for number, modules in enumerate(orders):
        embeddings = [module for module in modules if module.kind == "embedding"]
        body = tuple(module for module in modules if module.kind != "embedding")
        if len(embeddings) > 1:
            raise ValueError("it has several embeddings")
        for path in starts(body, embeddings[0] if embeddings else None, hints, one_hot, budget):
            path.cost += UNLIKELY_ORDER * number
            heapq.heappush(queue, (path.cost, next(count), path))
    furthest: Path | None = None
    reached: Counter[Any] = Counter()
    until = time.monotonic() + MAX_SECONDS
    for _ in range(MAX_STEPS):
        if not queue or time.monotonic() > until:
            break
        _, _, path = heapq.heappop(queue)
        if path.ended:
            if path.misfit > MAX_MISFIT * path.norms:
                raise ValueError("it has layers that tensors do not show: its norms were trained on other values")
            return path
        if furthest is None or path.index > furthest.index:
            furthest = path
        if path.index and path.order[path.index - 1].kind == "batch_norm":  # whose statistics have told them apart
            alike = (id(path.order), path.index, path.shape)
            reached[alike] += 1
            if reached[alike] > MAX_ALIKE:
                continue
        for further in longer(path, hints):
            heapq.heappush(queue, (further.cost, next(count), further))
    if furthest is None:
        raise ValueError("no latent fits its first layer")
    if furthest.index == len(furthest.order):
        wanted = "square images of 1 or 3 channels" if hints == Hints() else "what the hints say"
        raise ValueError(f"it gives {furthest.shape} instead of {wanted}")
    raise ValueError(f"its {furthest.order[furthest.index].name} does not fit what comes before it")
