"""The moving average of the generator, which is the generator that a run returns."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ..models import Generator, check_labels, draw_latents

BATCHES, BATCH_SIZE = 16, 64  # of samples that measure batch-norm statistics


class EMA:
    """Keeps an exponential moving average of a generator's parameters; buffers are copied.

    The decay at step ``t`` is at most ``(1 + t) / (10 + t)``, so the average follows quickly at first.
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
def recalibrate_batch_norm(generator: Generator, labels: Tensor | None = None) -> None:
    """Measures the batch-norm statistics of the current weights, and leaves the generator in eval mode.

    Averaged weights need their own statistics: those of the generator in training belong to other weights, and samples
    in eval mode would look like noise. Every call uses the same latents. ``labels`` are the classes in the proportions
    of the training images; by default all classes come equally often.
    """
    norms = [module for module in generator.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    generator.eval()  # except the norms: training mode would also update spectral normalisation
    for norm in norms:
        norm.train()
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
    config, device = generator.config, next(generator.parameters()).device
    for batch in range(BATCHES):
        rows = torch.arange(batch * BATCH_SIZE, (batch + 1) * BATCH_SIZE)
        classes = check_labels(None if labels is None else labels[rows % len(labels)], BATCH_SIZE, config.num_classes)
        latents = draw_latents(generator, BATCH_SIZE, batch, classes).to(device)
        generator(latents[:, : config.latent_dim], classes if classes is None else classes.to(device))
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
    generator.eval()
