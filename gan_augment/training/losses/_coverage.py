"""Objectives that reproduce every training image, so that the generator cannot collapse to a few.

Sources: generative latent optimisation (https://arxiv.org/abs/1707.05776), IMLE (https://arxiv.org/abs/1809.09087) and
RS-IMLE (https://arxiv.org/abs/2409.17439).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..._core import to_signed
from ...data import TrainingImages
from ...models import ANCHOR_DRAWS, DEFORMATIONS, TONES, AnchorWalk, add_noise, feature_maps, scaled, to_sphere
from ..recipes._options import Options, added, within

if TYPE_CHECKING:
    from ..recipes._recipe import Recipe

Generate = Callable[[Tensor, Tensor | None], Tensor]
SKETCH = 16  # side in pixels of the copies that choose latents
REFRESH = 50  # steps for which an image keeps the latent that IMLE chose
REJECTED = 0.1  # share of the drawn images, those nearest to a training image
CHUNK = 256  # images that are drawn at once
Objective = Literal["adversarial", "anchored", "imle"]


@dataclass(frozen=True, kw_only=True)
class ObjectiveOptions(Options):
    """What the generator of a recipe learns.

    Args:
        objective (str): ``"adversarial"`` (default): to convince a discriminator. ``"anchored"``: to reproduce each
            training image from a latent of its own, which is fitted too (https://arxiv.org/abs/1707.05776).
            ``"imle"``: to bring the nearest of many drawn images closer to each training image
            (https://arxiv.org/abs/1809.09087). Drawn images that are already very near a training image are left out
            (https://arxiv.org/abs/2409.17439).
        coverage (float): Share of the run before the discriminator joins an ``"anchored"`` or ``"imle"`` objective.
            At 1 it never joins. Default: 0.5.
        reconstruction_weight (float): Weight of that objective beside the discriminator's. Default: 8.
        reconstruction (str): How images are compared: ``"pixels"`` (default), or ``"perceptual"``: also in the features
            of a pretrained network (https://arxiv.org/abs/1812.08985); see ``features``.
        perceptual_weight (float): Weight of the features beside the pixels. Default: 1.
        latent_noise (float): Standard deviation of the noise on each coordinate of the training images' latents during
            the fit. Samples of an ``"anchored"`` fit have half of it. Default: 0.2.
        deform, tone (float): How far samples of an ``"anchored"`` fit are deformed, and how far their tones change. At
            1 they vary as much as two images of a class. Default: 0.
        coverage_lr, latent_lr (float): Adam's learning rates of the generator, before the discriminator joins, and of
            the anchors. Default: 1e-3 and 1e-2.
        imle_candidates (int): Images that IMLE draws for each training image. Default: 10.
    """

    objective: Objective = "adversarial"
    coverage: float = within(0.0, 1.0, 0.5)
    reconstruction_weight: float = within(0.0, 1000000.0, 8.0)
    reconstruction: Literal["pixels", "perceptual"] = added("pixels", before="pixels")
    perceptual_weight: float = added(1.0, before=1.0, range=(0.0, 1000000.0))
    latent_noise: float = within(0.0, 1000000.0, 0.2)
    deform: float = within(0.0, 10.0, 0.0)
    tone: float = within(0.0, 10.0, 0.0)
    coverage_lr: float = within(0.0, 1.0, 1e-3)
    latent_lr: float = within(0.0, 1.0, 1e-2)
    imle_candidates: int = within(1, 10_000, 10)

    @property
    def adversarial(self) -> bool:
        """Whether a discriminator takes part, at least in the end."""
        return self.objective == "adversarial" or self.coverage < 1

    @property
    def variations(self) -> tuple[int, int]:
        """How many numbers deform a sample, and how many change its tones."""
        anchored = self.objective == "anchored"
        return DEFORMATIONS if anchored and self.deform else 0, TONES if anchored and self.tone else 0

    @staticmethod
    def problems(recipe: Recipe) -> Iterator[str]:
        if recipe.objective != "adversarial" and recipe.latent != "normal":
            yield f"latent must be 'normal' for objective={recipe.objective!r}, but got {recipe.latent!r} instead"

    @classmethod
    def unused(cls, recipe: Recipe) -> Iterable[str]:
        covering = recipe.objective != "adversarial"
        return (
            *(
                ()
                if covering
                else ("coverage", "reconstruction_weight", "latent_noise", "coverage_lr", "reconstruction")
            ),
            *(() if covering and recipe.reconstruction == "perceptual" else ("perceptual_weight",)),
            *(() if recipe.adversarial else ("reconstruction_weight",)),
            *(() if recipe.objective == "anchored" else ("latent_lr", "deform", "tone")),
            *(() if recipe.objective == "imle" else ("imle_candidates",)),
        )


class Coverage(nn.Module):
    """The latents ``(n, latent_dim)`` of the training images: trained if ``"anchored"``, chosen if ``"imle"``."""

    def __init__(self, images: TrainingImages, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.imle = recipe.objective == "imle"
        sketches = sketch(to_signed(images.images))
        shape = (len(images), recipe.latent_dim)
        start = torch.randn(shape) if self.imle else principal_latents(sketches, recipe.latent_dim)
        self.anchors = nn.Parameter(start, requires_grad=not self.imle)
        self.register_buffer("labels", images.classes, persistent=False)
        self.labels: Tensor
        self.num_classes = max(images.num_classes, 1)
        self.register_buffer("sketches", sketches, persistent=False)
        self.sketches: Tensor

    def latents(self, indices: Tensor) -> Tensor:
        """Returns the latents of training images with noise, so that latents near them give sensible images too."""
        chosen = self.anchors[indices]
        if self.imle:
            return chosen + self.recipe.latent_noise * torch.randn_like(chosen)
        return add_noise(chosen, torch.randn_like(chosen), self.recipe.latent_noise)

    def sample(self, labels: Tensor) -> Tensor:
        """Draws latents of new images of these classes, like the finished generator."""
        n, device = len(labels), labels.device
        normal = torch.randn(n, self.recipe.latent_dim + sum(self.recipe.variations), device=device)
        if self.imle:
            return normal
        noise, anchors = self.recipe.latent_noise / 2, to_sphere(self.anchors)
        walk = AnchorWalk(anchors, self.labels, noise, self.num_classes)
        return walk(labels, torch.rand(n, ANCHOR_DRAWS, device=device), normal)

    @torch.no_grad()
    def refresh(self, generate: Generate, step: int) -> None:
        """Every ``REFRESH`` steps, gives each training image the latent of the nearest of many drawn images.

        The two images have the same class. Drawn images that are very near any training image are rejected first. The
        others are more like later samples, and the generator can learn more from them.
        """
        if not self.imle or step % REFRESH:
            return
        # In random order, so that batch statistics are those of all classes, as in the other steps.
        order = torch.randperm(self.recipe.imle_candidates * len(self.labels), device=self.labels.device)
        labels = self.labels.repeat(self.recipe.imle_candidates)[order]
        latents = torch.randn(len(labels), self.recipe.latent_dim, device=labels.device)
        drawn = torch.cat(
            [sketch(generate(*part)) for part in zip(torch.split(latents, CHUNK), torch.split(labels, CHUNK))]
        )
        for label in range(int(labels.max()) + 1):
            members, candidates = (self.labels == label).nonzero().flatten(), (labels == label).nonzero().flatten()
            distances = torch.cdist(self.sketches[members], drawn[candidates])
            nearest = distances.amin(0)
            distances[:, nearest < nearest.quantile(REJECTED)] = float("inf")
            self.anchors[members] = latents[candidates[distances.argmin(1)]]


def sketch(images: Tensor) -> Tensor:
    """Reduces images ``(n, c, h, w)`` in -1..1 to rows of pixels, to compare them."""
    return F.adaptive_avg_pool2d(images.float(), SKETCH).flatten(1)


def reconstruction_loss(images: Tensor, targets: Tensor) -> Tensor:
    """Returns the mean absolute difference of images ``(n, c, h, w)`` in -1..1 over several scales, a scalar."""
    return torch.stack([each.abs().mean() for each in scaled(images - targets)]).mean()


def perceptual_distance(images: Tensor, targets: Tensor, features: str) -> Tensor:
    """Returns how far images ``(n, c, s, s)`` in -1..1 differ from targets in pretrained features, a scalar, 0..4.

    It is the mean squared distance of unit vectors of features, at all positions and scales, as in
    https://arxiv.org/abs/1801.03924. Unlike there, all features have the same weight.
    """
    with torch.no_grad():
        wanted = feature_maps(features, targets)
    pairs = zip(feature_maps(features, images), wanted)
    return torch.stack([(F.normalize(a) - F.normalize(b)).square().sum(1).mean() for a, b in pairs]).mean()


def principal_latents(sketches: Tensor, latent_dim: int) -> Tensor:
    """Returns the first principal components of images, with the same spread each, as latents on the sphere.

    Images that are alike start with latents that are near each other.
    """
    flat = sketches - sketches.mean(0)
    left, values, _ = torch.linalg.svd(flat.double(), full_matrices=False)
    kept = min(latent_dim, int((values > values[0] * 1e-6).sum())) if len(values) else 0
    latents = torch.randn(len(flat), latent_dim) * 0.1
    latents[:, :kept] += (left[:, :kept] * len(flat) ** 0.5).float()
    return to_sphere(latents)
