"""What a state dict does not say: strides, paddings, resizing, activations, the latent's distribution.

Hypotheses are followed from one batch normalisation to the next, a few latents with them. At each, those are kept under
which what comes to it has the mean and variance that it met in training, compared to the others: statistics that are
noisy are so under every hypothesis. Where there are no statistics, what other checkpoints make likely decides.
"""

from __future__ import annotations

import heapq
import itertools
import math
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from ._modules import Module, brief
from ._path import Budget, ContradictedError, Hints, OutOfBudgetError, Path
from ._steps import longer, starts, with_epsilons

MAX_STEPS = 6000  # without statistics in between
MAX_SECONDS = 120.0  # of this thread's work on a file; the bound on multiplications should end the search long before
MAX_ALIKE = 24  # hypotheses of one shape and activation after one module, the likeliest first
MAX_LOOKS = 400  # at a norm
MAX_MISFIT, HOPELESS = 0.5, 3.0  # of a norm: on average over a network, and of one
WELL_MATCHED, BETTER = 0.01, 0.1  # misfit of a norm that contradicts no hint; the share that may be left without hints
CLEAN = 0.05  # the average misfit at which no second search is worth it
UNLIKELY_ORDER = 0.5
NOISE, COARSE_NOISE = 0.004, 0.03  # misfit that the draw of latents may leave, and of few latents and channels
SETTLED, NOISY = 0.006, 0.5  # misfit that no other layers need explain, and most that noise in the statistics makes
MISLED = 6.0  # how much dearer than the best a hypothesis may look at first, by few channels and latents


@dataclass(frozen=True)
class Width:
    """How many hypotheses a search follows.

    Args:
        margin (float): How much dearer than the best one those may be that are kept.
        kept (int): How many go on from a norm.
    """

    margin: float
    kept: int


WIDTHS = (Width(2.0, 6), Width(4.0, 12))


@dataclass
class Limits:
    """What a search of a file may take: work, and time where the work was underestimated."""

    budget: Budget
    until: float = field(default_factory=lambda: time.thread_time() + MAX_SECONDS)

    def check(self) -> None:
        """Raises OutOfBudgetError once the time is over."""
        if time.thread_time() > self.until:
            raise OutOfBudgetError


def search(orders: list[list[Module]], hints: Hints, limits: Limits, one_hot: int = 0) -> Path:
    """The likeliest layers of a generator that has these modules.

    Args:
        orders (list of list of Module): The modules in the orders in which they may follow each other.
        hints (Hints): What is known.
        limits (Limits): Of the file.
        one_hot (int): Classes that follow the latent as one-hot vectors.

    Raises:
        OutOfBudgetError: If the search ended before it found any.
        ValueError: If no stack of layers of a DCGAN has these modules.
    """
    best: Path | None = None
    furthest: list[Path] = []
    try:
        for width, (number, modules) in itertools.product(WIDTHS, enumerate(orders)):
            found = _followed(modules, hints, limits, one_hot, width, furthest)
            if found is not None and (best is None or found.cost + UNLIKELY_ORDER * number < best.cost):
                best = replace(found, cost=found.cost + UNLIKELY_ORDER * number)
            if best is not None and best.misfit <= CLEAN * best.norms and (best.norms or number + 1 == len(orders)):
                break
    except OutOfBudgetError:
        if best is None:
            raise
    if best is not None:
        if best.misfit > MAX_MISFIT * best.norms and not hints.settled:
            raise ValueError("it has layers that tensors do not show: its norms were trained on other values")
        return best
    if not furthest:
        raise ValueError("no latent fits its first layer")
    last = max(furthest, key=lambda path: path.index)
    if last.index == len(last.order):
        wanted = "square images of 1 or 3 channels" if hints == Hints() else "what the hints say"
        raise ValueError(f"it gives {last.shape} instead of {wanted}")
    raise ValueError(f"its {brief(last.order[last.index].name)} does not fit what comes before it")


def check_hints(found: Path, orders: list[list[Module]], hints: Hints, limits: Limits, one_hot: int) -> None:
    """Refuses hints if the statistics match far better without them.

    It costs a second search, but only where the statistics match badly.

    Args:
        found (Path): The layers that were found by the hints.
        orders (list of list of Module): As :func:`search` took them, like the rest.
        hints (Hints): What the user knows.
        limits (Limits): Of the file; what is left of them.
        one_hot (int): Classes that follow the latent.

    Raises:
        ContradictedError: Naming the hints that the statistics contradict.
    """
    free = replace(hints, **dict.fromkeys(found.as_hints()))
    if free == hints or hints.settled or found.misfit <= WELL_MATCHED * found.norms:
        return
    try:
        better = search(orders, free, limits, one_hot)
    except ValueError:
        return
    if better.misfit > BETTER * found.misfit:
        return
    pairs = ((name, value, getattr(hints, name)) for name, value in better.as_hints().items())
    wrong = [f"`{name}` be {value!r} and not {hint!r}" for name, value, hint in pairs if hint not in (None, value)]
    raise ContradictedError(", ".join(wrong) or "hints be left out")


def _followed(
    modules: list[Module], hints: Hints, limits: Limits, one_hot: int, width: Width, furthest: list[Path]
) -> Path | None:
    """The likeliest hypothesis of an order of modules that gives images."""
    embeddings = [module for module in modules if module.kind == "embedding"]
    body = tuple(module for module in modules if module.kind != "embedding")
    if len(embeddings) > 1:
        raise ValueError("it has several embeddings")
    paths = list(starts(body, embeddings[0] if embeddings else None, hints, one_hot))
    for _ in range(1 + sum(module.has_statistics for module in body)):
        ended, paths = _to_next_norm(paths, hints, limits, width, furthest)
        if ended is not None:
            return ended
    return None


def _to_next_norm(
    paths: Iterable[Path], hints: Hints, limits: Limits, width: Width, furthest: list[Path]
) -> tuple[Path | None, list[Path]]:
    """Follows paths, the cheapest first, until they give images or come to statistics.

    Returns:
        The likeliest path that gives images, or else those that go on from the next norm with statistics.
    """
    count = itertools.count()  # so that no two are compared but by cost
    queue = [(path.cost, next(count), path) for path in paths]
    heapq.heapify(queue)
    reached: Counter[Any] = Counter()
    looks: list[tuple[float, int, Path]] = []
    scored: dict[Path, Path] = {}
    best, steps = math.inf, 0
    while queue and queue[0][0] <= best + width.margin and len(looks) < MAX_LOOKS:
        path = heapq.heappop(queue)[2]
        steps += 1
        if path.ended:
            return path, []
        if steps > MAX_STEPS:
            raise OutOfBudgetError
        limits.check()
        if path.unscored:
            look = _scored(path, limits.budget, coarse=True)
            if look is None:
                continue
            is_cheapest = not looks or look.cost < min(looks)[0]
            looks.append((look.cost, next(count), path))
            full = _scored(path, limits.budget) if is_cheapest else None
            if full is not None:
                scored[path] = full
                best = min(best, _to_beat(path, full))
            continue
        alike = (path.index, path.shape, path.function, path.layer.get("kind"))
        reached[alike] += path.index > 0
        if reached[alike] > MAX_ALIKE:
            continue
        if not furthest or path.index > furthest[-1].index:
            furthest.append(path)
        for further in longer(path, hints):
            heapq.heappush(queue, (further.cost, next(count), further))
    _look_closer(sorted(looks), scored, limits.budget, width)
    return None, [each for path in _kept(list(scored.values()), width) for each in with_epsilons(path, hints)]


def _look_closer(looks: list[tuple[float, int, Path]], scored: dict[Path, Path], budget: Budget, width: Width) -> None:
    """Scores the most promising hypotheses fully: first one of each geometry, then the others.

    A look at few channels and latents may rank the right geometry behind many variants of a wrong one.
    """
    near = [path for cost, _, path in looks if cost <= looks[0][0] + MISLED]
    first: dict[Any, Path] = {}
    for path in near:
        first.setdefault(_geometry(path), path)
    for path in list(dict.fromkeys([*first.values(), *near]))[: 4 * width.kept]:
        least = min((full.cost for full in scored.values()), default=math.inf)
        if path not in scored and path.cost <= least + width.margin:
            full = _scored(path, budget)
            if full is not None:
                scored[path] = full


def _geometry(path: Path) -> Any:
    """The sides and the convolution that a hypothesis about a norm's input differs by from others."""
    layer = {} if path.parent is None else path.parent.layer
    return path.shape, *(layer.get(name) for name in ("kind", "stride", "padding", "output_padding"))


def _to_beat(path: Path, full: Path) -> float:
    """The cost from which on a hypothesis need not be looked at, once this one was."""
    misfit = full.misfit - path.misfit
    if misfit < SETTLED:  # the right layers leave a little, too
        return path.cost
    return min(full.cost, path.cost + MISLED / 2) if misfit < NOISY else full.cost


def _kept(scored: list[Path], width: Width) -> list[Path]:
    """The cheapest ones; what the others made of latents is given up."""
    scored = sorted(scored, key=lambda path: path.cost)
    kept = [path for path in scored if path.cost <= scored[0].cost + width.margin + MISLED / 2][: width.kept]
    for path in scored[len(kept) :]:
        if path.parent is not None:
            path.parent.kept = None
    return kept


def _scored(path: Path, budget: Budget, coarse: bool = False) -> Path | None:
    """The path with its last norm's statistics held against the values; None if they are hopelessly unlike.

    At a first, coarse look, it is by some channels and few latents.
    """
    before, module = path.parent, path.module
    if before is None or module is None:
        return path
    if coarse:
        values, channels = before.coarse(budget)
        misfit = _misfit(values, module.tensors["running_mean"][channels], module.tensors["running_var"][channels])
    else:
        before.kept = values = before.values(budget)
        misfit = _misfit(values, module.tensors["running_mean"], module.tensors["running_var"])
    if misfit > HOPELESS:
        return None
    weight = 2 + min(module.features, 64) / 16  # of many channels, chance leaves less
    cost = path.cost + weight * math.log1p(misfit / (COARSE_NOISE if coarse else NOISE))
    return replace(path, cost=cost, misfit=path.misfit + misfit, norms=path.norms + 1, unscored=False)


def _misfit(x: Tensor, mean: Tensor, variance: Tensor) -> float:
    """How far mean and variance are from those that a batch normalisation met in training: 0 is alike."""
    axes = [0, *range(2, x.ndim)]
    floor = 0.01 * float(variance.mean()) + 1e-12
    shift = ((x.mean(axes) - mean) / (variance + floor).sqrt()).clamp(-3, 3)
    scale = ((x.var(axes, correction=0) + floor) / (variance + floor)).log().clamp(-3, 3)
    misfit = float((shift**2).mean() + (scale**2).mean())
    return misfit if math.isfinite(misfit) else math.inf
