"""The two networks, their optimisers and the step that moves them."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ..models import Discriminator, Generator, mix_seed
from ._augment import diff_augment
from ._data import TrainingImages
from ._ema import EMA, recalibrate_batch_norm
from ._losses import LOSSES
from ._recipe import Recipe


def _use_bfloat16(precision: str, device: torch.device) -> bool:
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    # Elsewhere processors emulate it, slowly.
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return device.type == "cpu" and bool(supported())


class Trainer:
    """Everything that a run changes.

    Each step draws all its randomness (which images, latents, classes, augmentations) from the seed and
    the step's number, so that a resumed run needs no random state to go on as it would have.

    Args:
        images (TrainingImages): What to fit.
        recipe (Recipe): How.
        seed (int): Of the weights and of every step.

    Attributes:
        step_number (int): Steps made.
        seconds (float): Time that they took.
    """

    def __init__(self, images: TrainingImages, recipe: Recipe, seed: int) -> None:
        from accelerate import Accelerator  # takes a second to import, which only training should pay

        self.images, self.recipe, self.seed = images, recipe, seed
        self.step_number, self.seconds = 0, 0.0
        self.accelerator = Accelerator()
        self.bfloat16 = _use_bfloat16(recipe.precision, self.accelerator.device)
        torch.manual_seed(mix_seed(seed, 0))
        channels = images.images.shape[1]
        generator = Generator(
            recipe.generator_config(channels, images.num_classes, images.source_size, images.class_names)
        )
        discriminator = Discriminator(recipe.discriminator_config(channels, images.num_classes))
        self.generator, self.generator_optimizer = self._prepare(generator, recipe.generator_lr)
        self.discriminator, self.discriminator_optimizer = self._prepare(discriminator, recipe.discriminator_lr)
        self.ema = EMA(self.accelerator.unwrap_model(self.generator), recipe.ema_decay)
        self._losses: dict[str, Tensor] = {}

    def _prepare(self, network: nn.Module, lr: float) -> tuple[nn.Module, Any]:
        # Channels last is what CPU and GPU convolutions are fastest in: here four times.
        network = network.to(memory_format=torch.channels_last)
        optimizer = torch.optim.Adam(network.parameters(), lr, betas=self.recipe.betas, fused=True)
        network, optimizer = self.accelerator.prepare(network, optimizer)
        return network, optimizer

    def step(self, progress: float) -> None:
        """One step of both networks.

        Args:
            progress (float): Share of the run that is done, 0..1, which the schedules follow.
        """
        rank = self.accelerator.process_index
        torch.manual_seed(mix_seed(self.seed, 1, self.step_number, rank))
        cooling = 1.0
        if self.recipe.cooldown > 0:
            cooling = min(1.0, max(0.0, (1 - progress) / self.recipe.cooldown))
        for optimizer, lr in (
            (self.discriminator_optimizer, self.recipe.discriminator_lr),
            (self.generator_optimizer, self.recipe.generator_lr),
        ):
            for group in optimizer.param_groups:
                group["lr"] = lr * cooling
        probability = self.recipe.augment_probability * cooling
        real, labels = self._real_batch()
        self._losses = {
            "discriminator": self._discriminator_step(real, labels, probability),
            "generator": self._generator_step(labels, probability),
        }
        self.step_number += 1
        self.ema.update(self.accelerator.unwrap_model(self.generator), self.step_number)

    def _discriminator_step(self, real: Tensor, labels: Tensor | None, probability: float) -> Tensor:
        with self._autocast():
            with torch.no_grad():
                fake = self.generator(self._latents(len(real)), labels)
            both = diff_augment(torch.cat([real, fake]), self.recipe.augment, probability)
            logits = self.discriminator(both, None if labels is None else labels.repeat(2))
            loss = LOSSES[self.recipe.loss].discriminator(*logits.float().chunk(2))
        return self._descend(self.discriminator_optimizer, loss)

    def _generator_step(self, labels: Tensor | None, probability: float) -> Tensor:
        self.discriminator.requires_grad_(False)
        with self._autocast():
            fake = self.generator(self._latents(self.recipe.batch_size), labels)
            fake = diff_augment(fake, self.recipe.augment, probability)
            loss = LOSSES[self.recipe.loss].generator(self.discriminator(fake, labels).float())
        loss = self._descend(self.generator_optimizer, loss)
        self.discriminator.requires_grad_(True)
        return loss

    def _descend(self, optimizer: Any, loss: Tensor) -> Tensor:
        optimizer.zero_grad()
        self.accelerator.backward(loss)
        optimizer.step()
        return loss.detach()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=self.bfloat16)

    def _latents(self, n: int) -> Tensor:
        shape, device = (n, self.recipe.latent_dim), self.accelerator.device
        if self.recipe.latent == "uniform":
            return torch.rand(shape, device=device) * 2 - 1
        return torch.randn(shape, device=device)

    def _real_batch(self) -> tuple[Tensor, Tensor | None]:
        """The step's share of its epoch's permutation, in -1..1, and the classes."""
        size, count = self.recipe.batch_size, len(self.images)
        rank, ranks = self.accelerator.process_index, self.accelerator.num_processes
        position = (self.step_number * ranks + rank) * size + torch.arange(size)
        rows = torch.cat([self._permutation(int(epoch)) for epoch in (position // count).unique()])
        indices = rows[position - int(position[0]) // count * count]
        device = self.accelerator.device
        real = self.images.images[indices].to(device).float().div_(127.5).sub_(1)
        if self.recipe.flip:
            mirrored = torch.rand(size, 1, 1, 1, device=device) < 0.5
            real = torch.where(mirrored, real.flip(3), real)
        labels = None if self.images.labels is None else self.images.labels[indices].to(device)
        return real.contiguous(memory_format=torch.channels_last), labels

    def _permutation(self, epoch: int) -> Tensor:
        rng = torch.Generator().manual_seed(mix_seed(self.seed, 2, epoch))
        return torch.randperm(len(self.images), generator=rng)

    def losses(self) -> dict[str, float]:
        """The last losses.

        Raises:
            RuntimeError: If one of them, or a weight, is not finite: the run has diverged.
        """
        losses = {key: float(value) for key, value in self._losses.items()}
        for key, network in (("generator", self.generator), ("discriminator", self.discriminator)):
            value = losses.get(key, 0.0)
            whole = all(bool(torch.isfinite(parameter).all()) for parameter in network.parameters())
            if not (whole and math.isfinite(value)):
                raise RuntimeError(
                    f"Training diverged: the loss of the {key} is {value:.3g}, or its weights are not finite. "
                    "Lower its learning rate, or use precision='fp32'; the last checkpoint is whole."
                )
        return losses

    def averaged_generator(self) -> Generator:
        """The moving average with fresh batch-norm statistics, in eval mode."""
        recalibrate_batch_norm(self.ema.generator)
        return self.ema.generator

    def state_dict(self) -> dict[str, Any]:
        """Tensors and numbers only.

        Raises:
            RuntimeError: If the run has diverged.
        """
        unwrap = self.accelerator.unwrap_model
        return {
            "step_number": self.step_number,
            "seconds": self.seconds,
            "losses": self.losses(),
            "generator": unwrap(self.generator).state_dict(),
            "discriminator": unwrap(self.discriminator).state_dict(),
            "ema": self.ema.generator.state_dict(),
            "generator_optimizer": self.generator_optimizer.state_dict(),
            "discriminator_optimizer": self.discriminator_optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes back to a :meth:`state_dict`."""
        unwrap = self.accelerator.unwrap_model
        self.step_number, self.seconds = state["step_number"], state["seconds"]
        self._losses = {key: torch.tensor(value) for key, value in state["losses"].items()}
        unwrap(self.generator).load_state_dict(state["generator"])
        unwrap(self.discriminator).load_state_dict(state["discriminator"])
        self.ema.generator.load_state_dict(state["ema"])
        self.generator_optimizer.load_state_dict(state["generator_optimizer"])
        self.discriminator_optimizer.load_state_dict(state["discriminator_optimizer"])
