"""The moving average of the generator, which is the generator that a run returns."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ..models import Generator, check_labels, draw_latents


class EMA:
    """Keeps an exponential moving average of a generator's parameters, with a ramp; buffers are copied.

    Args:
        generator (Generator): The generator in training.
        decay (float): Decay per step after the ramp. At step ``t`` it is at most ``(1 + t) / (10 + t)``.
    """

    def __init__(self, generator: Generator, decay: float) -> None:
        self.decay = decay
        self.generator = copy.deepcopy(generator).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, generator: nn.Module, step: int) -> None:
        """Moves the average towards the generator after step number ``step``."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averages: list[Tensor] = list(self.generator.parameters())
        torch._foreach_lerp_(averages, list(generator.parameters()), 1 - decay)
        for average, buffer in zip(self.generator.buffers(), generator.buffers()):
            average.copy_(buffer)


@torch.no_grad()
def recalibrate_batch_norm(
    generator: Generator, batches: int = 16, batch_size: int = 64, labels: Tensor | None = None
) -> None:
    """Measures the batch-norm statistics of the current weights, and leaves the generator in eval mode.

    Averaged weights need their own statistics: those of the generator in training belong to other weights, and samples
    in eval mode would look like noise. Every call uses the same latents.

    Args:
        generator (Generator): The generator.
        batches (int): Number of batches of samples. Default: 16.
        batch_size (int): Samples per batch. Default: 64.
        labels (Tensor, optional): Classes in the proportions of the training images, repeated as often as needed.
            Default: all classes equally often.
    """
    norms = [module for module in generator.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    generator.eval()  # except the norms: training mode would also update spectral normalisation
    for norm in norms:
        norm.train()
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
    config, device = generator.config, next(generator.parameters()).device
    for batch in range(batches):
        rows = torch.arange(batch * batch_size, (batch + 1) * batch_size)
        classes = check_labels(None if labels is None else labels[rows % len(labels)], batch_size, config.num_classes)
        latents = draw_latents(generator, batch_size, batch, classes).to(device)
        generator(latents[:, : config.latent_dim], classes if classes is None else classes.to(device))
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
    generator.eval()
