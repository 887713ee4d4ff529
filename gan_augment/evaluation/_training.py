"""Trains a classifier, and predicts with it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .._core import mix_seed, seed_device
from ..models import eval_mode
from ._augmentations import BatchTransform, random_affine
from ._classifiers import BuildClassifier, Hyperparameters, SmallCNN
from ._pretrained import PretrainedClassifier

DEFAULT = Hyperparameters()


def train_classifier(
    images: Tensor,
    labels: Tensor,
    *,
    num_classes: int,
    steps: int = 600,
    batch_size: int = 64,
    hyperparameters: Hyperparameters = DEFAULT,
    seed: int = 0,
    mix: BatchTransform | None = None,
    augment: Callable[[Tensor], Tensor] | None = random_affine,
    blend: BatchTransform | None = None,
    logit_offset: Tensor | None = None,
    build: BuildClassifier = SmallCNN,
    dtype: torch.dtype | None = None,
    device: str | torch.device = "cpu",
    on_step: Callable[[], object] | None = None,
) -> nn.Module:
    """Trains a classifier for a fixed number of steps on batches that are mixed and augmented.

    The state of torch's global generator does not change.

    Args:
        images (Tensor): Training images, uint8 ``(n, c, h, w)``.
        labels (Tensor): Classes, int64 ``(n,)``, or class probabilities times the weight of the image, float
            ``(n, num_classes)``.
        num_classes (int): Number of classes.
        steps (int): Training steps. Default: 600.
        batch_size (int): Images in each step. Default: 64.
        hyperparameters (Hyperparameters): Learning rates and weight decay of AdamW, and a factor that multiplies
            ``steps``. The rates fall to zero on a cosine schedule. Default: ``Hyperparameters()``.
        seed (int): Seed that alone determines the weights, the order and the augmentation. Default: 0.
        mix (callable, optional): Maps float batches ``(images, labels)`` to batches before the augmentation, like
            :class:`SyntheticMix`.
        augment (callable, optional): Maps float images to images. Default: :func:`random_affine`.
        blend (callable, optional): Like ``mix``, but after the augmentation, like ``v2.MixUp``.
        logit_offset (Tensor, optional): Added to the logits in training only, ``(num_classes,)``. With the logarithms
            of the classes' shares, this is logit adjustment (https://arxiv.org/abs/2007.07314). Default: nothing.
        build (callable): Maps ``(channels, num_classes)`` to a module that maps float images 0..1 to logits. Default:
            :class:`SmallCNN`.
        dtype (torch.dtype, optional): Type for ``torch.autocast``, such as bfloat16. Default: no autocast.
        device (str or torch.device): Device of the training. ``mix`` gets its batches there. Default: ``"cpu"``.
        on_step (callable, optional): Called after each step.

    Returns:
        nn.Module: The trained classifier in eval mode.
    """
    device, steps = torch.device(device), max(1, round(steps * hyperparameters.steps))
    images, labels = images.to(device), labels.to(device)
    offset = torch.zeros(num_classes, device=device) if logit_offset is None else logit_offset.to(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        seed_device(mix_seed(seed, 0), device)
        model = build(images.shape[1], num_classes).to(device).to(memory_format=torch.channels_last).train()
        groups = _parameter_groups(model, hyperparameters)
        options: dict[str, Any] = {"lr": hyperparameters.lr, "weight_decay": hyperparameters.weight_decay}
        real = all(each.is_floating_point() for each in model.parameters())  # fused steps take no complex numbers
        optimizer = torch.optim.AdamW(groups, **options, fused=real and device.type in ("cpu", "cuda"))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        order = torch.empty(0, dtype=torch.int64)
        for step in range(steps):
            seed_device(mix_seed(seed, 1, step), device)
            while len(order) < batch_size:
                order = torch.cat([order, torch.randperm(len(images))])
            rows, order = order[:batch_size].to(device), order[batch_size:]
            batch, targets = images[rows].float().div(255), labels[rows]
            if mix is not None:
                batch, targets = mix(batch, targets)
            # Seeding before and after `mix` keeps its draws from changing the order and the augmentation.
            seed_device(mix_seed(seed, 2, step), device)
            if augment is not None:
                batch = augment(batch)
            if blend is not None:
                batch, targets = blend(batch, targets)
            with nullcontext() if dtype is None else torch.autocast(device.type, dtype):
                logits = model(batch.contiguous(memory_format=torch.channels_last))
            loss = F.cross_entropy(logits.float() + offset, targets)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            if on_step is not None:
                on_step()
    return model.eval()


def _parameter_groups(model: nn.Module, hyperparameters: Hyperparameters) -> list[dict[str, Any]]:
    """Returns the parameters to train with their learning rates, and freezes the others."""
    if not isinstance(model, PretrainedClassifier):
        if hyperparameters.backbone_lr:
            raise ValueError(f"backbone_lr must be 0 for a module that is not a PretrainedClassifier: {type(model)}.")
        return [{"params": list(model.parameters())}]
    model.backbone.requires_grad_(False)
    groups: list[dict[str, Any]] = [{"params": list(model.head.parameters())}]
    if hyperparameters.backbone_lr:
        last = [parameter.requires_grad_(True) for parameter in model.last_layers()]
        groups.append({"params": last, "lr": hyperparameters.backbone_lr})
    return groups


@torch.no_grad()
def predict_logits(model: nn.Module, images: Tensor, batch_size: int = 100) -> Tensor:
    """Returns a classifier's logits for uint8 images, float ``(n, num_classes)`` on the CPU, in eval mode."""
    device = next(model.parameters(), torch.empty(0)).device
    with eval_mode(model):
        batches = torch.split(images, batch_size)
        return torch.cat([model(batch.to(device).float().div(255)).cpu() for batch in batches])


def predict(model: nn.Module, images: Tensor, batch_size: int = 100) -> Tensor:
    """Returns the class that a classifier predicts for each uint8 image, int64 ``(n,)``, in eval mode."""
    return predict_logits(model, images, batch_size).argmax(dim=1)


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Returns the share of uint8 images that a classifier assigns to their label, 0..1."""
    return float((predict(model, images) == labels).float().mean())
