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

from ._modules import Module, brief
from ._path import Budget, Hints, Path
from ._steps import NOISE, longer, starts

MAX_STEPS = 3000
MAX_SECONDS = 30.0  # of this thread's work, so that a busy machine finds what an idle one does
MAX_ALIKE = 24  # hypotheses of one shape after one module that are followed, the likeliest first
MAX_MISFIT = 0.3  # of a norm, on average
UNLIKELY_ORDER = 0.5
RIVAL, RIVAL_STEPS = 1.5, 200  # how much dearer a hypothesis is that may still win, and the least steps for it


class _Queue:
    """Hypotheses, the cheapest first."""

    def __init__(self) -> None:
        self.count = itertools.count()  # so that no two are compared but by cost
        self.paths: list[tuple[float, int, Path]] = []

    def push(self, path: Path) -> None:
        heapq.heappush(self.paths, (path.cost, next(self.count), path))

    def pop(self) -> Path:
        return heapq.heappop(self.paths)[2]


def search(orders: list[list[Module]], hints: Hints, one_hot: int = 0) -> Path:
    """The likeliest layers of a generator that has these modules; the best hypothesis is followed first.

    Args:
        orders (list of list of Module): The modules in the orders in which they may follow each other.
        hints (Hints): What is known.
        one_hot (int): Classes that follow the latent as one-hot vectors.

    Raises:
        ValueError: If no stack of layers of a DCGAN has these modules.
    """
    queue, budget = _Queue(), Budget()
    for number, modules in enumerate(orders):
        embeddings = [module for module in modules if module.kind == "embedding"]
        body = tuple(module for module in modules if module.kind != "embedding")
        if len(embeddings) > 1:
            raise ValueError("it has several embeddings")
        for path in starts(body, embeddings[0] if embeddings else None, hints, one_hot, budget):
            path.cost += UNLIKELY_ORDER * number
            queue.push(path)
    best, furthest = _followed(queue, hints)
    if best is not None:
        if best.misfit > MAX_MISFIT * best.norms:
            raise ValueError("it has layers that tensors do not show: its norms were trained on other values")
        return best
    if furthest is None:
        raise ValueError("no latent fits its first layer")
    if furthest.index == len(furthest.order):
        wanted = "square images of 1 or 3 channels" if hints == Hints() else "what the hints say"
        raise ValueError(f"it gives {furthest.shape} instead of {wanted}")
    raise ValueError(f"its {brief(furthest.order[furthest.index].name)} does not fit what comes before it")


def _followed(queue: _Queue, hints: Hints) -> tuple[Path | None, Path | None]:
    """The likeliest hypothesis that gives images, and the one with most modules."""
    best: Path | None = None
    furthest: Path | None = None
    reached: Counter[Any] = Counter()
    until, step, last = time.thread_time() + MAX_SECONDS, 0, MAX_STEPS
    while queue.paths and step < last and time.thread_time() < until:
        path, step = queue.pop(), step + 1
        if best is not None and path.cost > best.cost + RIVAL:
            break
        if path.ended:
            if best is None:  # a rival may have waited for statistics that make it the cheaper one
                last = min(MAX_STEPS, max(2 * step, step + RIVAL_STEPS))
            if best is None or path.cost < best.cost:
                best = path
            if best.misfit <= NOISE * best.norms:
                break
            continue
        if furthest is None or path.index > furthest.index:
            furthest = path
        if path.index and path.order[path.index - 1].kind == "batch_norm":  # whose statistics have told them apart
            alike = (id(path.order), path.index, path.shape)
            reached[alike] += 1
            if reached[alike] > MAX_ALIKE:
                continue
        try:
            for further in longer(path, hints):
                queue.push(further)
        except ValueError:  # of the budget
            if best is None:
                raise
            break
    return best, furthest
