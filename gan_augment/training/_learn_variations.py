"""Learning how images of a class vary, from pairs of them.

Two images of a class differ by where things are and by how bright they are. A field that warps one onto the other
says the first, a curve from the tones of one to those of the other the second. Over many pairs both have principal
components; what is drawn along them and applied to any image gives new images of its class. Hauberg et al.
(https://arxiv.org/abs/1510.02795) learn deformations so; https://arxiv.org/abs/1902.09383 learns both, by networks.
"""

from __future__ import annotations

import time

import torch
from torch import Tensor
from torch.nn import functional as F

from .._core import to_signed
from ..models import CONTROLS, KNOTS, Variations, warp

DEFORMATIONS, TONES = 12, 4  # components that are kept
MAX_PAIRS = 512
SIDE = 32  # largest side in pixels at which images are registered
STEPS, RATE = 120, 0.03
CHUNK = 256  # pairs that are registered at once
CHUNK_VALUES, LEAST_STEPS = 2**16, 20  # where time may run out: values of a chunk, and steps of the first one
STIFFNESS, WEIGHT = 1.0, 0.02
SMOOTHNESS = 0.01
SCALES = (1, 2, 4)


def register(sources: Tensor, targets: Tensor, deadline: float | None = None) -> Tensor:
    """Smooth fields that warp sources onto targets, by gradient descent.

    Args:
        sources (Tensor): Float ``(n, c, h, w)`` in -1..1.
        targets (Tensor): As many.
        deadline (float, optional): Time of ``time.perf_counter()`` at which to stop.

    Returns:
        Tensor: Fields ``(m, 2, CONTROLS, CONTROLS)`` of the first ``m`` pairs, which are all without a deadline and at
        least some with one.
    """
    size = CHUNK if deadline is None else min(max(CHUNK_VALUES // sources[0].numel(), 1), CHUNK)
    fields: list[Tensor] = []
    for pair in zip(torch.split(sources, size), torch.split(targets, size)):
        found, whole = _register(*pair, deadline, 0 if fields else LEAST_STEPS)
        if whole or not fields:  # fields that were cut short are too small, but better than none
            fields.append(found)
        if not whole:
            break
    return torch.cat(fields)


@torch.enable_grad()
def _register(sources: Tensor, targets: Tensor, deadline: float | None, least: int) -> tuple[Tensor, bool]:
    """The fields, and whether there was time to find them."""
    fields = sources.new_zeros((len(sources), 2, CONTROLS, CONTROLS)).requires_grad_(True)
    optimizer = torch.optim.Adam([fields], RATE)
    for step in range(STEPS):
        if deadline is not None and step >= least and time.perf_counter() > deadline:
            return fields.detach(), False
        warped = warp(sources, fields)
        # Values of 0..1 are what stiffness and weight are balanced against.
        difference = sum(
            ((F.avg_pool2d(warped, s) - F.avg_pool2d(targets, s)) / 2).square().mean((1, 2, 3)) for s in SCALES
        )
        bend = fields.diff(dim=2).square().mean((1, 2, 3)) + fields.diff(dim=3).square().mean((1, 2, 3))
        loss = (difference + STIFFNESS * bend + WEIGHT * fields.square().mean((1, 2, 3))).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return fields.detach(), True


def match_tones(sources: Tensor, targets: Tensor) -> Tensor:
    """Smooth curves ``(n, c, KNOTS)`` that give sources ``(n, c, h, w)`` the histograms of targets."""
    ranked, wanted = sources.flatten(2).sort(dim=2).values, targets.flatten(2).sort(dim=2).values
    knots = torch.linspace(-1, 1, KNOTS, device=sources.device)
    hats = (1 - (ranked[..., None] - knots).abs() * (KNOTS - 1) / 2).clamp(min=0)
    bend = torch.eye(KNOTS, device=sources.device).diff(dim=0)
    normal = hats.mT @ hats / hats.shape[2]
    normal = normal + SMOOTHNESS * (bend.mT @ bend + 0.1 * torch.eye(KNOTS, device=bend.device))
    moments = hats.mT @ (wanted - ranked)[..., None] / hats.shape[2]
    curves: Tensor = torch.linalg.solve(normal, moments)
    return curves[..., 0]


def class_pairs(labels: Tensor) -> Tensor:
    """Ordered pairs of different images of a class, drawn at random, each once: int64 ``(m, 2)``, perhaps none."""
    rng = torch.Generator().manual_seed(0)
    labels = labels.cpu()
    order, counts = labels.argsort(stable=True), torch.bincount(labels)
    starts, sizes = (counts.cumsum(0) - counts)[labels[order]], counts[labels[order]]
    able = (sizes > 1).nonzero().flatten()
    if not len(able):
        return torch.empty(0, 2, dtype=torch.int64)
    first = able[torch.randint(len(able), (MAX_PAIRS,), generator=rng)]
    step = 1 + (torch.rand(len(first), generator=rng) * (sizes[first] - 1)).long()
    second = starts[first] + (first - starts[first] + step) % sizes[first]
    pairs: Tensor = torch.unique(order[torch.stack([first, second], dim=1)], dim=0)
    return pairs


def principal(rows: Tensor, count: int) -> Tensor:
    """The first principal components ``(count, d)`` of differences ``(m, d)``, each as long as its spread."""
    _, values, directions = torch.linalg.svd(rows.double(), full_matrices=False)
    found = (values[:count, None] * directions[:count] / len(rows) ** 0.5).float()
    return F.pad(found, (0, 0, 0, count - len(found)))


@torch.no_grad()
def learn_variations(
    variations: Variations,
    images: Tensor,
    labels: Tensor,
    deform: float,
    tone: float,
    deadline: float | None = None,
) -> None:
    """Sets fields and curves to what images of a class differ by: seconds for hundreds of small images.

    It runs on the CPU, so that without a deadline every process finds the same to the bit.

    Args:
        variations (Variations): Whose buffers to set; left as it is where no class has two images.
        images (Tensor): uint8 ``(n, c, s, s)``.
        labels (Tensor): int64 ``(n,)``; all 0 without classes.
        deform (float): Scale of the fields; at 1, as far as two images of a class differ.
        tone (float): That of the curves.
        deadline (float, optional): Time of ``time.perf_counter()`` by which to learn from fewer pairs, drawn at random.
    """
    pairs = class_pairs(labels)
    if not len(pairs):
        return
    if deadline is not None:  # they are sorted, and the first must be of all classes
        pairs = pairs[torch.randperm(len(pairs), generator=torch.Generator().manual_seed(0))]

    def small(indices: Tensor) -> Tensor:
        chosen = to_signed(images[indices].cpu())
        return F.adaptive_avg_pool2d(chosen, SIDE) if chosen.shape[-1] > SIDE else chosen

    sources, targets = (small(side) for side in pairs.unbind(1))
    fields = register(sources, targets, deadline)
    sources, targets = sources[: len(fields)], targets[: len(fields)]
    curves = match_tones(warp(sources, fields), targets)
    for buffer, found, scale in ((variations.fields, fields, deform), (variations.curves, curves, tone)):
        buffer.copy_(scale * principal(found.flatten(1), len(buffer)).view_as(buffer))
