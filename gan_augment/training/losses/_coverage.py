"""Coverage before sharpness: objectives under which every training image is reproduced, so that none is forgotten.

Without an adversary there is nothing to collapse. Sources: generative latent optimisation
(https://arxiv.org/abs/1707.05776), IMLE (https://arxiv.org/abs/1809.09087) and RS-IMLE
(https://arxiv.org/abs/2409.17439).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..._core import to_signed
from ...models import ANCHOR_DRAWS, AnchorWalk, add_noise, to_sphere
from .._data import TrainingImages
from .._learn_variations import DEFORMATIONS, SCALES, TONES
from ..recipes._options import Options, within

if TYPE_CHECKING:
    from ..recipes._recipe import Recipe

Generate = Callable[[Tensor, Tensor | None], Tensor]
SKETCH = 16  # side in pixels at which images are compared to choose latents
REFRESH = 50  # steps for which an image keeps the latent that IMLE chose
REJECTED = 0.1  # share of the drawn images that are nearest to a training image
CHUNK = 256
Objective = Literal["adversarial", "anchored", "imle"]


@dataclass(frozen=True, kw_only=True)
class ObjectiveOptions(Options):
    """What the generator of a recipe is fitted to do.

    Args:
        objective (str): ``"adversarial"`` (default): a discriminator. ``"anchored"``: each training image owns a
            latent, and generator and latents are fitted together to give the image back
            (https://arxiv.org/abs/1707.05776). ``"imle"``: each training image pulls the nearest of many drawn images
            (https://arxiv.org/abs/1809.09087); those that are already near one are rejected
            (https://arxiv.org/abs/2409.17439).
        coverage (float): Share of the run before the discriminator joins an ``"anchored"`` or ``"imle"`` objective;
            1 leaves it out. Default: 0.5.
        reconstruction_weight (float): Weight of that objective beside the discriminator's. Default: 8.
        latent_noise (float): Standard deviation of the noise on each coordinate of anchored latents while they are
            fitted; half of it in sampling. Default: 0.2.
        deform, tone (float): How far samples of an ``"anchored"`` fit are deformed and their tones changed. 1 is as
            far as pairs of images of a class differ. Default: 0.
        coverage_lr, latent_lr (float): Adam's learning rates of the generator and of the anchors before the
            discriminator joins. Default: 1e-3 and 1e-2.
        imle_candidates (int): Images drawn for each one that IMLE pulls. Default: 10.
    """

    objective: Objective = "adversarial"
    coverage: float = within(0.0, 1.0, 0.5)
    reconstruction_weight: float = within(0.0, 1000000.0, 8.0)
    latent_noise: float = within(0.0, 1000000.0, 0.2)
    deform: float = within(0.0, 10.0, 0.0)
    tone: float = within(0.0, 10.0, 0.0)
    coverage_lr: float = within(0.0, 1.0, 1e-3)
    latent_lr: float = within(0.0, 1.0, 1e-2)
    imle_candidates: int = within(1, 10_000, 10)

    @property
    def adversarial(self) -> bool:
        """Whether a discriminator takes part, if only in the end."""
        return self.objective == "adversarial" or self.coverage < 1

    @property
    def variations(self) -> tuple[int, int]:
        """How many numbers deform a sample, and how many change its tones."""
        anchored = self.objective == "anchored"
        return DEFORMATIONS if anchored and self.deform else 0, TONES if anchored and self.tone else 0

    @staticmethod
    def problems(recipe: Recipe) -> Iterator[str]:
        """Checks the latent, whose neighbours are only known on the sphere."""
        if recipe.objective != "adversarial" and recipe.latent != "normal":
            yield f"latent must be 'normal' for objective={recipe.objective!r}, but got {recipe.latent!r} instead"

    @staticmethod
    def unused(recipe: Recipe) -> Iterable[str]:
        """Returns what another objective would read."""
        covering = recipe.objective != "adversarial"
        return (
            *(() if covering else ("coverage", "reconstruction_weight", "latent_noise", "coverage_lr")),
            *(() if recipe.adversarial else ("reconstruction_weight",)),
            *(() if recipe.objective == "anchored" else ("latent_lr", "deform", "tone")),
            *(() if recipe.objective == "imle" else ("imle_candidates",)),
        )


class Coverage(nn.Module):
    """The latent of each training image, and how far the image that it gives is from it.

    Args:
        images (TrainingImages): To be reproduced.
        recipe (Recipe): With an objective ``"anchored"`` or ``"imle"``.

    Attributes:
        anchors (Parameter): ``(n, latent_dim)``; trained if ``"anchored"``, chosen if ``"imle"``.
    """

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
        """The latents of training images, disturbed, so that their neighbours give something sensible too."""
        chosen = self.anchors[indices]
        if self.imle:
            return chosen + self.recipe.latent_noise * torch.randn_like(chosen)
        return add_noise(chosen, torch.randn_like(chosen), self.recipe.latent_noise)

    def sample(self, labels: Tensor) -> Tensor:
        """Latents of new images of these classes, as the finished generator will draw them."""
        n, device = len(labels), labels.device
        normal = torch.randn(n, self.recipe.latent_dim + sum(self.recipe.variations), device=device)
        if self.imle:
            return normal
        noise, anchors = self.recipe.latent_noise / 2, to_sphere(self.anchors)
        walk = AnchorWalk(anchors, self.labels, noise, self.num_classes)
        return walk(labels, torch.rand(n, ANCHOR_DRAWS, device=device), normal)

    @torch.no_grad()
    def refresh(self, generate: Generate, step: int) -> None:
        """Every so many steps, gives each training image the nearest of many freshly drawn images of its class.

        Drawn images that are among the nearest to a training image already, whichever, are rejected first:
        what is left has further to go, and lies where sampling will look.
        """
        if not self.imle or step % REFRESH:
            return
        # In random order: batch statistics are of all classes, as they are in the other steps.
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
    """Images ``(n, c, h, w)`` in -1..1 as rows of the pixels by which latents are chosen."""
    return F.adaptive_avg_pool2d(images.float(), SKETCH).flatten(1)


def reconstruction_loss(images: Tensor, targets: Tensor) -> Tensor:
    """The mean absolute difference at several scales, ``(n, c, h, w)`` in -1..1 to a scalar."""
    losses = [(F.avg_pool2d(images, s) - F.avg_pool2d(targets, s)).abs().mean() for s in SCALES]
    return torch.stack(losses).mean()


def principal_latents(sketches: Tensor, latent_dim: int) -> Tensor:
    """The first principal components of images as rows, each of the same spread, as latents on the sphere.

    Neighbours among the images start as neighbours among the latents.
    """
    flat = sketches - sketches.mean(0)
    left, values, _ = torch.linalg.svd(flat.double(), full_matrices=False)
    kept = min(latent_dim, int((values > values[0] * 1e-6).sum())) if len(values) else 0
    latents = torch.randn(len(flat), latent_dim) * 0.1
    latents[:, :kept] += (left[:, :kept] * len(flat) ** 0.5).float()
    return to_sphere(latents)
