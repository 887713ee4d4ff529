"""Searches for what a state dict does not say: strides, paddings, resizing, activations, the latent's distribution.

A batch norm stores the mean and the variance of its inputs in training. The search compares them to a hypothesis about
the first layers: if it is right, the outputs of these layers for latents have the mean and variance that the next batch
norm stored. The search goes from one batch norm to the next:

1. Extend the hypotheses by one layer at a time, the one with the lowest cost first, until they reach a batch norm with
   statistics (``_extend.py`` proposes the layers and says how unlikely each is).
2. Compute the inputs of the batch norm for each hypothesis, at first only a coarse sample, and measure the misfit: how
   far their mean and variance are from the stored ones.
3. Score the most promising hypotheses in full, add the misfit to their cost, and continue with the best few.

Misfits are compared to each other, not to a fixed limit, because noise in the statistics affects every hypothesis in
the same way. Without statistics, the costs alone decide. If the best hypothesis fits badly, the search runs
again with more hypotheses and with other orders of the modules. A :class:`Budget` limits the work on a file.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter
from dataclasses import replace
from typing import Any, NamedTuple

from torch import Tensor

from ._extend import extend, first_hypotheses, vary_epsilon
from ._hypothesis import Budget, ContradictedError, Hints, Hypothesis, OutOfBudgetError
from ._modules import Module, brief

MAX_STEPS = 6000  # from one batch norm with statistics to the next
MAX_ALIKE = 24  # hypotheses that differ only in earlier layers, the likeliest first
MAX_COARSE = 400  # coarse scores at one batch norm
UNLIKELY_ORDER = 0.5  # cost of each order of the modules compared to the one before
# Misfits of a batch norm. The first two limits apply to the average over a network.
CLEAN = 0.05  # below this, a second search is not worth its time
MAX_MISFIT = 0.5  # above this, the network is refused
HOPELESS = 3.0  # above this, the hypothesis is dropped at once
NOISE, COARSE_NOISE = 0.004, 0.03  # misfit from the draw of the latents, in a full and in a coarse score
SETTLED = 0.006  # below this, the layers are right, and nothing else needs to be tried
NOISY = 0.5  # the most that noise in the statistics causes
MISLED = 6.0  # cost above the best up to which a coarse score may still turn out to be the best in full
WELL_MATCHED = 0.01  # below this, hints are not checked
BETTER = 0.1  # hints are wrong if the misfit without them is less than this share of the misfit with them


class Beam(NamedTuple):
    """Width of a search: how many hypotheses it keeps after each batch norm."""

    margin: float  # largest cost above that of the best hypothesis
    size: int  # largest number of hypotheses


BEAMS = (Beam(2.0, 6), Beam(4.0, 12))


def search(orders: list[list[Module]], hints: Hints, budget: Budget, one_hot: int = 0) -> Hypothesis:
    """Returns the likeliest layers of a generator, given its modules in each possible order, the likeliest first.

    ``one_hot`` is the number of classes, if it is known that they follow the latent as one-hot vectors.
    """
    best: Hypothesis | None = None
    furthest: list[Hypothesis] = []
    try:
        for beam, (number, modules) in itertools.product(BEAMS, enumerate(orders)):
            found = _search_order(modules, hints, budget, one_hot, beam, furthest)
            if found is not None and (best is None or found.cost + UNLIKELY_ORDER * number < best.cost):
                best = replace(found, cost=found.cost + UNLIKELY_ORDER * number)
            if best is not None and best.misfit <= CLEAN * best.norms and (best.norms or number + 1 == len(orders)):
                break
    except OutOfBudgetError:
        if best is None:
            raise
    if best is not None:
        if best.misfit > MAX_MISFIT * best.norms and not hints.settled:
            raise ValueError("it has layers that no tensor shows: its batch norms were trained on other values")
        return best
    if not furthest:
        raise ValueError("no latent fits its first layer")
    last = furthest[-1]
    if last.index == len(last.order):
        wanted = "square images of 1 or 3 channels" if hints == Hints() else "what the hints say"
        raise ValueError(f"it gives {last.shape} instead of {wanted}")
    raise ValueError(f"its {brief(last.order[last.index].name)} does not fit what comes before it")


def check_hints(found: Hypothesis, orders: list[list[Module]], hints: Hints, budget: Budget, one_hot: int) -> None:
    """Raises an error if the statistics match far better without the hints.

    If they match badly with the hints, it searches a second time to find out.
    """
    free = replace(hints, **dict.fromkeys(found.as_hints()))
    if free == hints or hints.settled or found.misfit <= WELL_MATCHED * found.norms:
        return
    try:
        better = search(orders, free, budget, one_hot)
    except ValueError:
        return
    if better.misfit > BETTER * found.misfit:
        return
    pairs = ((name, value, getattr(hints, name)) for name, value in better.as_hints().items())
    wrong = [f"`{name}` should be {value!r}, not {hint!r}" for name, value, hint in pairs if hint not in (None, value)]
    raise ContradictedError(", ".join(wrong) or "they match better without hints")


def _search_order(
    modules: list[Module], hints: Hints, budget: Budget, one_hot: int, beam: Beam, furthest: list[Hypothesis]
) -> Hypothesis | None:
    """Returns the likeliest hypothesis that gives images; ``furthest`` ends with the one that used most modules."""
    hypotheses = list(first_hypotheses(modules, hints, one_hot))
    while hypotheses:
        ended, hypotheses = _search_to_next_norm(hypotheses, hints, budget, beam, furthest)
        if ended is not None:
            return ended
    return None


def _search_to_next_norm(
    hypotheses: list[Hypothesis], hints: Hints, budget: Budget, beam: Beam, furthest: list[Hypothesis]
) -> tuple[Hypothesis | None, list[Hypothesis]]:
    """Extends hypotheses, the cheapest first, until they give images or reach a batch norm with statistics.

    Returns the likeliest hypothesis that gives images, or else None and those to continue from the batch norm.
    """
    count = itertools.count()  # breaks ties, so that hypotheses themselves are never compared
    queue = [(each.cost, next(count), each) for each in hypotheses]
    heapq.heapify(queue)
    reached: Counter[Any] = Counter()
    coarse: list[tuple[float, int, Hypothesis]] = []
    full: dict[Hypothesis, Hypothesis] = {}
    bound, cheapest, steps = math.inf, math.inf, 0
    while queue and queue[0][0] <= bound + beam.margin and len(coarse) < MAX_COARSE:
        hypothesis = heapq.heappop(queue)[2]
        steps += 1
        if hypothesis.ended:
            return hypothesis, []
        if steps > MAX_STEPS:
            raise OutOfBudgetError
        budget.spend(0)  # checks the time
        if hypothesis.unscored:
            rough = _score(hypothesis, budget, coarse=True)
            if rough is None:
                continue
            coarse.append((rough.cost, next(count), hypothesis))
            if rough.cost < cheapest and (scored := _score(hypothesis, budget)):
                full[hypothesis] = scored
                bound = min(bound, _bound(hypothesis, scored))
            cheapest = min(cheapest, rough.cost)
            continue
        alike = (hypothesis.index, hypothesis.shape, hypothesis.function, hypothesis.layer.get("kind"))
        reached[alike] += hypothesis.index > 0
        if reached[alike] > MAX_ALIKE:
            continue
        if not furthest or hypothesis.index > furthest[-1].index:
            furthest.append(hypothesis)
        for longer in extend(hypothesis, hints):
            heapq.heappush(queue, (longer.cost, next(count), longer))
    _score_promising(sorted(coarse), full, budget, beam)
    return None, [each for best in _keep_best(list(full.values()), beam) for each in vary_epsilon(best, hints)]


def _bound(hypothesis: Hypothesis, scored: Hypothesis) -> float:
    """Returns the cost above which no other hypothesis needs to be scored, given the full score of this one."""
    misfit = scored.misfit - hypothesis.misfit
    if misfit < SETTLED:
        return hypothesis.cost
    return min(scored.cost, hypothesis.cost + MISLED / 2) if misfit < NOISY else scored.cost


def _score_promising(
    coarse: list[tuple[float, int, Hypothesis]], full: dict[Hypothesis, Hypothesis], budget: Budget, beam: Beam
) -> None:
    """Scores the most promising hypotheses in full: first one of each geometry, then the others.

    A coarse score uses few channels and latents, and may rank the right geometry behind many variants of a wrong one.
    """
    near = [hypothesis for cost, _, hypothesis in coarse if cost <= coarse[0][0] + MISLED]
    first: dict[Any, Hypothesis] = {}
    for hypothesis in near:
        layer = {} if hypothesis.parent is None else hypothesis.parent.layer
        geometry = tuple(layer.get(name) for name in ("kind", "stride", "padding", "output_padding"))
        first.setdefault((hypothesis.shape, geometry), hypothesis)
    for hypothesis in list(dict.fromkeys([*first.values(), *near]))[: 4 * beam.size]:
        least = min((scored.cost for scored in full.values()), default=math.inf)
        likely = hypothesis not in full and hypothesis.cost <= least + beam.margin
        if likely and (scored := _score(hypothesis, budget)):
            full[hypothesis] = scored


def _keep_best(scored: list[Hypothesis], beam: Beam) -> list[Hypothesis]:
    """Returns the cheapest hypotheses, and frees the values that the others computed."""
    scored = sorted(scored, key=lambda hypothesis: hypothesis.cost)
    limit = scored[0].cost + beam.margin + MISLED / 2 if scored else 0.0
    kept = [hypothesis for hypothesis in scored if hypothesis.cost <= limit][: beam.size]
    for hypothesis in scored[len(kept) :]:
        if hypothesis.parent is not None:
            hypothesis.parent.cached = None
    return kept


def _score(hypothesis: Hypothesis, budget: Budget, coarse: bool = False) -> Hypothesis | None:
    """Adds the misfit of the last batch norm and its cost to a hypothesis, or returns None if it is hopeless."""
    before, module = hypothesis.parent, hypothesis.module
    if before is None or module is None:
        return hypothesis
    mean, variance = module.tensors["running_mean"], module.tensors["running_var"]
    if coarse:
        values, channels = before.coarse_values(budget)
        mean, variance = mean[channels], variance[channels]
    else:
        before.cached = values = before.values(budget)
    misfit = _misfit(values, mean, variance)
    if misfit > HOPELESS:
        return None
    weight = 2 + min(module.features, 64) / 16  # more channels leave less to chance
    cost = hypothesis.cost + weight * math.log1p(misfit / (COARSE_NOISE if coarse else NOISE))
    misfit += hypothesis.misfit
    return replace(hypothesis, cost=cost, misfit=misfit, norms=hypothesis.norms + 1, unscored=False)


def _misfit(x: Tensor, mean: Tensor, variance: Tensor) -> float:
    """Measures how far the mean and variance of each channel are from those given. 0 means that they agree."""
    axes = [0, *range(2, x.ndim)]
    floor = 0.01 * float(variance.mean()) + 1e-12
    shift = ((x.mean(axes) - mean) / (variance + floor).sqrt()).clamp(-3, 3)
    scale = ((x.var(axes, correction=0) + floor) / (variance + floor)).log().clamp(-3, 3)
    misfit = float((shift**2).mean() + (scale**2).mean())
    return misfit if math.isfinite(misfit) else math.inf
