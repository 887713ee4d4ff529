"""Learns how images of a class vary, from pairs of images.

Two images of a class differ in where things are and in how bright they are. A field of displacements warps one image
onto the other, and a curve then maps its tones to those of the other. The principal components of many fields and
curves describe these differences: a random mix of them varies an image within its class. Hauberg et al.
(https://arxiv.org/abs/1510.02795) learn deformations like this; https://arxiv.org/abs/1902.09383 learns both with
networks.
"""

from __future__ import annotations

import time

import torch
from torch import Tensor
from torch.nn import functional as F

from .._core import to_signed
from ._variations import CONTROLS, KNOTS, Variations, warp

DEFORMATIONS, TONES = 12, 4  # components that are kept
MAX_PAIRS = 512
REGISTRATION_SIDE = 32  # largest side in pixels at which images are registered
STEPS, RATE = 120, 0.03
CHUNK = 256  # pairs that are registered at once
CHUNK_VALUES, LEAST_STEPS = 2**16, 20  # with a deadline: values of a chunk, and steps of the first chunk
STIFFNESS, WEIGHT = 1.0, 0.02
SMOOTHNESS = 0.01
SCALES = (1, 2, 4)


def scaled(difference: Tensor) -> list[Tensor]:
    """Returns the difference of images ``(n, c, h, w)`` at several scales."""
    # The mean of differences is the difference of means, so only one set of images must be averaged.
    return [difference if s == 1 else F.avg_pool2d(difference, s) for s in SCALES]


def register(sources: Tensor, targets: Tensor, deadline: float | None = None) -> Tensor:
    """Finds smooth fields ``(m, 2, CONTROLS, CONTROLS)`` that warp sources onto targets, by gradient descent.

    Images are floats ``(n, c, h, w)`` in -1..1. If ``time.perf_counter()`` passes the deadline, only the first ``m``
    pairs have a field.
    """
    size = CHUNK if deadline is None else min(max(CHUNK_VALUES // sources[0].numel(), 1), CHUNK)
    fields: list[Tensor] = []
    for pair in zip(torch.split(sources, size), torch.split(targets, size)):
        found, whole = _register(*pair, deadline, 0 if fields else LEAST_STEPS)
        if whole or not fields:  # fields that were stopped early are too small, but better than none
            fields.append(found)
        if not whole:
            break
    return torch.cat(fields)


@torch.enable_grad()
def _register(sources: Tensor, targets: Tensor, deadline: float | None, least: int) -> tuple[Tensor, bool]:
    """Returns the fields, and whether there was time to find them."""
    fields = sources.new_zeros((len(sources), 2, CONTROLS, CONTROLS)).requires_grad_(True)
    optimizer = torch.optim.Adam([fields], RATE)
    for step in range(STEPS):
        if deadline is not None and step >= least and time.perf_counter() > deadline:
            return fields.detach(), False
        warped = warp(sources, fields)
        # Halved to a range of 1, for which stiffness and weight are chosen.
        difference = sum(each.square().mean((1, 2, 3)) for each in scaled((warped - targets) / 2))
        bend = fields.diff(dim=2).square().mean((1, 2, 3)) + fields.diff(dim=3).square().mean((1, 2, 3))
        loss = (difference + STIFFNESS * bend + WEIGHT * fields.square().mean((1, 2, 3))).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return fields.detach(), True


def match_tones(sources: Tensor, targets: Tensor) -> Tensor:
    """Finds smooth curves ``(n, c, KNOTS)`` that give sources ``(n, c, h, w)`` the histograms of targets."""
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
    """Draws ordered pairs of different images of a class, int64 ``(m, 2)``, each pair at most once."""
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
    """Returns the first principal components ``(count, d)`` of differences ``(m, d)``.

    The length of each is the spread of the differences along it.
    """
    _, values, directions = torch.linalg.svd(rows.double(), full_matrices=False)
    found = (values[:count, None] * directions[:count] / len(rows) ** 0.5).float()
    return F.pad(found, (0, 0, 0, count - len(found)))


@torch.no_grad()
def class_components(
    images: Tensor,
    labels: Tensor,
    deformations: int = DEFORMATIONS,
    tones: int = TONES,
    deadline: float | None = None,
) -> tuple[Tensor, Tensor] | None:
    """Returns the principal components of the differences between uint8 images ``(n, c, s, s)`` of the same class.

    It takes seconds for hundreds of small images; with a deadline of ``time.perf_counter()`` it learns from fewer
    pairs. It runs on the CPU, so that without a deadline every process gets the same bits.

    Returns:
        tuple or None: Fields ``(deformations, 2, CONTROLS, CONTROLS)`` and curves ``(tones, c, KNOTS)``. Their
        sums, weighted with standard normal numbers, vary an image as much as two images of a class differ. None if no
        class has two images.
    """
    pairs = class_pairs(labels)
    if not len(pairs):
        return None
    if deadline is not None:  # the pairs are sorted, but the first ones must come from all classes
        pairs = pairs[torch.randperm(len(pairs), generator=torch.Generator().manual_seed(0))]

    def small(indices: Tensor) -> Tensor:
        chosen = to_signed(images[indices].cpu())
        return F.adaptive_avg_pool2d(chosen, REGISTRATION_SIDE) if chosen.shape[-1] > REGISTRATION_SIDE else chosen

    sources, targets = (small(side) for side in pairs.unbind(1))
    fields = register(sources, targets, deadline)
    sources, targets = sources[: len(fields)], targets[: len(fields)]
    curves = match_tones(warp(sources, fields), targets)
    return (
        principal(fields.flatten(1), deformations).view(deformations, *fields.shape[1:]),
        principal(curves.flatten(1), tones).view(tones, *curves.shape[1:]),
    )


def learn_variations(
    variations: Variations,
    images: Tensor,
    labels: Tensor,
    deform: float,
    tone: float,
    deadline: float | None = None,
) -> None:
    """Sets ``variations`` to the :func:`class_components` of images: fields times ``deform``, curves times ``tone``.

    If no class has two images, nothing changes.
    """
    found = class_components(images, labels, len(variations.fields), len(variations.curves), deadline)
    if found is not None:
        variations.fields.copy_(deform * found[0])
        variations.curves.copy_(tone * found[1])
