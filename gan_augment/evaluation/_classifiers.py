"""A small classifier and a plain way to train it: what the effect of mixing is measured by."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .._core import mix_seed
from ..models import eval_mode

BatchTransform = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
Build = Callable[[int, int], nn.Module]


class SmallCNN(nn.Sequential):
    """Three convolutions, each with batch normalisation and pooling, and a linear layer; for 16 px and more.

    Args:
        channels (int): Of the images.
        num_classes (int): Number of classes.
        width (int): Feature maps of the first convolution; doubled by each next.

    Example:
        >>> SmallCNN(1, 10)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """

    def __init__(self, channels: int, num_classes: int, width: int = 32) -> None:
        layers: list[nn.Module] = []
        for before, after in ((channels, width), (width, 2 * width), (2 * width, 4 * width)):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            layers.append(nn.MaxPool2d(2))
        layers[-1] = nn.AdaptiveMaxPool2d(3)
        super().__init__(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(9 * 4 * width, num_classes))


def random_affine(images: Tensor, degrees: float = 10.0, scale: float = 0.1, shift: float = 2.0) -> Tensor:
    """Ordinary augmentation: rotates, scales and shifts each image of a batch by its own random amounts.

    Args:
        images (Tensor): Float ``(n, c, h, w)``; what comes in at the borders is 0.
        degrees (float): Largest rotation.
        scale (float): Largest relative change of size.
        shift (float): Largest shift in pixels.
    """
    n, device = len(images), images.device
    angle = (torch.rand(n, device=device) * 2 - 1) * math.radians(degrees)
    zoom = 1 + (torch.rand(n, device=device) * 2 - 1) * scale
    move = (torch.rand(n, 2, device=device) * 2 - 1) * shift * 2 / images.shape[-1]
    cosine, sine = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    rows = [torch.stack([cosine, -sine, move[:, 0]], 1), torch.stack([sine, cosine, move[:, 1]], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def train_classifier(
    images: Tensor,
    labels: Tensor,
    *,
    num_classes: int,
    steps: int = 600,
    batch_size: int = 64,
    lr: float = 2e-3,
    seed: int = 0,
    mix: BatchTransform | None = None,
    augment: Callable[[Tensor], Tensor] | None = random_affine,
    blend: BatchTransform | None = None,
    build: Build | None = None,
    dtype: torch.dtype | None = None,
    on_step: Callable[[], None] | None = None,
) -> nn.Module:
    """Trains a classifier for a number of steps, from batches of the images, mixed and augmented.

    Weights, order and augmentation are functions of the seed; torch's global generator is left as it was.

    Args:
        images (Tensor): uint8 ``(n, c, h, w)``.
        labels (Tensor): int64 ``(n,)``, or float ``(n, num_classes)``: weighted probabilities.
        num_classes (int): Number of classes.
        steps (int): Steps of Adam; the learning rate falls to zero as a cosine.
        batch_size (int): Images a step.
        lr (float): The first learning rate.
        seed (int): Of everything.
        mix (callable, optional): ``(images, labels) -> (images, labels)`` on float batches, such as
            :class:`SyntheticMix`; before the augmentation.
        augment (callable, optional): ``images -> images`` on float batches.
        blend (callable, optional): Like ``mix``, but after the augmentation, such as ``v2.MixUp``.
        build (callable, optional): ``(channels, num_classes) -> module`` that maps float images 0..1 to logits.
            Default: :class:`SmallCNN`.
        dtype (torch.dtype, optional): To compute in where it is safe, such as bfloat16; see ``torch.autocast``.
        on_step (callable, optional): Called after each step.

    Returns:
        nn.Module: In eval mode.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix_seed(seed, 0))
        model = (build or SmallCNN)(images.shape[1], num_classes).to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.Adam(model.parameters(), lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        order = torch.empty(0, dtype=torch.int64)
        for step in range(steps):
            torch.manual_seed(mix_seed(seed, 1, step))
            while len(order) < batch_size:
                order = torch.cat([order, torch.randperm(len(images))])
            rows, order = order[:batch_size], order[batch_size:]
            batch, targets = images[rows].float().div(255), labels[rows]
            if mix is not None:
                batch, targets = mix(batch, targets)
            # Seeded anew, as above: what a mix draws does not move the order or the augmentation.
            torch.manual_seed(mix_seed(seed, 2, step))
            if augment is not None:
                batch = augment(batch)
            if blend is not None:
                batch, targets = blend(batch, targets)
            with torch.autocast("cpu", dtype, enabled=dtype is not None):
                logits = model(batch.contiguous(memory_format=torch.channels_last))
            loss = F.cross_entropy(logits.float(), targets)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            if on_step is not None:
                on_step()
    return model.eval()


@torch.no_grad()
def predict_logits(model: nn.Module, images: Tensor, batch_size: int = 500) -> Tensor:
    """The logits that a classifier gives uint8 images, float ``(n, num_classes)``; in eval mode."""
    with eval_mode(model):
        return torch.cat([model(batch.float().div(255)) for batch in torch.split(images, batch_size)])


def predict(model: nn.Module, images: Tensor, batch_size: int = 500) -> Tensor:
    """The class that a classifier gives each uint8 image, int64 ``(n,)``; in eval mode."""
    return predict_logits(model, images, batch_size).argmax(dim=1)


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Share of uint8 images that a classifier gives their label, 0..1."""
    return float((predict(model, images) == labels).float().mean())
