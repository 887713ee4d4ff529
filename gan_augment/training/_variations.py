"""How images of a class vary: smooth deformations and tone curves, learned from pairs of them.

Two images of a class differ by where things are and by how bright they are. A field that warps one onto the other
says the first, a curve from the brightness of one to that of the other the second. Over many pairs both have a
covariance; what is drawn from it and applied to an image of any class gives new images of that class. Hauberg et
al. (https://arxiv.org/abs/1510.02795) learn deformations so; https://arxiv.org/abs/1902.09383 learns both, by
networks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..models.images import to_signed

CONTROLS = 8  # control points on each side of a field
KNOTS = 8  # of a curve over the values -1..1
DEFORMATIONS, TONES = 12, 4  # components of fields and of curves
MAX_PAIRS = 512
SIDE = 32  # largest side in pixels at which images are registered
STEPS, RATE, CHUNK = 120, 0.03, 256
STIFFNESS, WEIGHT = 1.0, 0.02
SMOOTHNESS = 0.01
_SCALES = (1, 2, 4)


def warp(images: Tensor, fields: Tensor) -> Tensor:
    """Images moved along fields.

    Args:
        images (Tensor): Float ``(n, c, h, w)``.
        fields (Tensor): Displacements in half sides on a coarse grid, ``(n, 2, CONTROLS, CONTROLS)``.
    """
    height, width = images.shape[2:]
    identity = torch.eye(2, 3, device=images.device).expand(len(images), 2, 3)
    grid = F.affine_grid(identity, [len(images), 1, height, width], align_corners=False)
    fine = F.interpolate(fields, size=(height, width), mode="bicubic", align_corners=False)
    moved = grid + fine.permute(0, 2, 3, 1)
    return F.grid_sample(images, moved, mode="bilinear", padding_mode="border", align_corners=False)


def register(sources: Tensor, targets: Tensor) -> Tensor:
    """Smooth fields that warp sources onto targets, float ``(n, c, h, w)`` in -1..1, by gradient descent."""
    fields = [_register(*pair) for pair in zip(torch.split(sources, CHUNK), torch.split(targets, CHUNK))]
    return torch.cat(fields)


@torch.enable_grad()
def _register(sources: Tensor, targets: Tensor) -> Tensor:
    fields = sources.new_zeros((len(sources), 2, CONTROLS, CONTROLS)).requires_grad_(True)
    optimizer = torch.optim.Adam([fields], RATE)
    for _ in range(STEPS):
        warped = warp(sources, fields)
        # Values of 0..1 are what stiffness and weight are balanced against.
        difference = sum(
            ((F.avg_pool2d(warped, s) - F.avg_pool2d(targets, s)) / 2).square().mean((1, 2, 3)) for s in _SCALES
        )
        bend = fields.diff(dim=2).square().mean((1, 2, 3)) + fields.diff(dim=3).square().mean((1, 2, 3))
        loss = (difference + STIFFNESS * bend + WEIGHT * fields.square().mean((1, 2, 3))).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return fields.detach()


def tone(images: Tensor, curves: Tensor) -> Tensor:
    """Images with their values moved along curves.

    Args:
        images (Tensor): Float ``(n, c, h, w)`` in -1..1.
        curves (Tensor): What is added to a value at each knot, ``(n, c, KNOTS)``; linear in between.
    """
    place = (images.clamp(-1, 1) + 1) / 2 * (KNOTS - 1)
    below = place.floor().clamp(max=KNOTS - 2)
    flat = below.long().flatten(2)
    low, high = (curves.gather(2, flat + side).view_as(images) for side in (0, 1))
    return (images + torch.lerp(low, high, place - below)).clamp(-1, 1)


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
    """Ordered random pairs of different images of a class, int64 ``(m, 2)``; none where no class has two.

    They are the same in every process: what one finds is what all have found.
    """
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
    return order[torch.stack([first, second], dim=1)]


def principal(rows: Tensor, count: int) -> Tensor:
    """The first principal components ``(count, d)`` of differences ``(m, d)``, each as long as its spread."""
    _, values, directions = torch.linalg.svd(rows.double(), full_matrices=False)
    found = (values[:count, None] * directions[:count] / max(len(rows), 1) ** 0.5).float()
    return F.pad(found, (0, 0, 0, count - len(found)))


class Variations(nn.Module):
    """Changes of images out of normal numbers.

    Args:
        images (Tensor): uint8 ``(n, c, h, w)``.
        labels (Tensor): int64 ``(n,)``; all 0 without classes.
        deform (float): Scale of the deformations; at 1, what two images of a class differ by.
        tone (float): That of the curves.
    """

    def __init__(self, images: Tensor, labels: Tensor, deform: float, tone: float) -> None:
        super().__init__()
        self.images, self.labels, self.scales = images, labels, (deform, tone)
        self.fields: Tensor
        self.curves: Tensor
        self.fitted: Tensor
        self.register_buffer("fields", torch.zeros(DEFORMATIONS, 2 * CONTROLS * CONTROLS))
        self.register_buffer("curves", torch.zeros(TONES, images.shape[1] * KNOTS))
        self.register_buffer("fitted", torch.tensor(False))

    @torch.no_grad()
    def fit(self) -> None:
        """Compares pairs: seconds for hundreds of small images."""
        pairs = class_pairs(self.labels)
        self.fitted.fill_(True)
        if not len(pairs):
            return
        small = to_signed(self.images)
        if small.shape[-1] > SIDE:
            small = F.adaptive_avg_pool2d(small, SIDE)
        sources, targets = (small[side].to(self.fields.device) for side in pairs.unbind(1))
        fields = register(sources, targets)
        curves = match_tones(warp(sources, fields), targets)
        self.fields.copy_(self.scales[0] * principal(fields.flatten(1), DEFORMATIONS))
        self.curves.copy_(self.scales[1] * principal(curves.flatten(1), TONES))

    def forward(self, images: Tensor, codes: Tensor) -> Tensor:
        """Images ``(n, c, h, w)`` in -1..1 changed by standard normal codes ``(n, DEFORMATIONS + TONES)``."""
        shapes, tones = torch.split(codes.float(), [DEFORMATIONS, TONES], dim=1)
        warped = warp(images, (shapes @ self.fields).view(len(images), 2, CONTROLS, CONTROLS))
        return tone(warped, (tones @ self.curves).view(len(images), images.shape[1], KNOTS))
