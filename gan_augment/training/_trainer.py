"""The two networks, their optimisers, and a training step."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from .._core import check_count, mix_seed, to_signed
from ..models import Discriminator, Generator, to_sphere
from ._augment import AdaptiveStrength, diff_augment
from ._batches import Order
from ._data import TrainingImages
from ._ema import EMA, recalibrate_batch_norm
from ._finetune import Start, adapt_discriminator, adapt_generator, class_rows
from ._growing import GrowingDiscriminator, GrowingGenerator, shared_sizes, shrink
from ._learn_variations import learn_variations
from ._schedule import Stage, StepSchedule, stage_at
from .losses._adversary import discriminator_loss, generator_loss
from .losses._coverage import Coverage, reconstruction_loss
from .losses._regularizers import LeCam, clip_weights
from .recipes._recipe import Recipe
from .runs._processes import (
    accelerator,
    autocast_type,
    average,
    average_gradients,
    fastest_threads,
    images_at_once,
    of_first,
)

REHEARSED = 16  # images with which numbers of threads are compared


class Trainer:
    """Holds everything that a run changes, and makes its steps.

    All randomness of a step (images, latents, classes, augmentations) depends only on the seed and on the number of the
    step, so a resumed run needs no random state. With several processes, each computes a part of the batch, and
    gradients are averaged.

    Args:
        images (TrainingImages): The training images.
        recipe (Recipe): The recipe.
        seed (int): Seed of the weights and of every step.
        start (Start, optional): Pretrained networks to start from.

    Attributes:
        step_number (int): Number of steps of the generator that were made.
        seconds (float): Time that the run has taken.
        evaluated (int): Number of evaluations that are done.
        best (dict): The kept generator: its KID, the lowest KID of all, its step and its weights; empty if none is
            kept.
        threads (int, optional): Number of threads that a run with a budget chose; it is kept when the run is resumed.
        lineage (dict): What the card inherits from the pretrained generator.

    Raises:
        ValueError: If the batch does not divide evenly, or the pretrained networks do not match.
    """

    def __init__(self, images: TrainingImages, recipe: Recipe, seed: int, start: Start | None = None) -> None:
        self.originals, self.recipe, self.seed = images, recipe, seed
        self.images = images.with_mirrored() if recipe.anchors_mirrored else images
        self.step_number, self.seconds, self.evaluated = 0, 0.0, 0
        self.best: dict[str, Any] = {}
        self.threads: int | None = None
        self.lineage = {} if start is None else start.lineage
        self.accelerator = accelerator()
        self.device: torch.device = self.accelerator.device
        self.part = images_at_once(recipe.batch_size, recipe.accumulation)
        self.total_steps = recipe.total_steps(len(self.images))
        self.order = Order(self.images, seed, balanced=recipe.balance_classes)
        self._build(start)
        self._losses: dict[str, Tensor] = {}

    def _build(self, start: Start | None) -> None:
        recipe, images = self.recipe, self.images
        torch.manual_seed(mix_seed(self.seed, 0))
        channels, classes = images.images.shape[1], images.num_classes
        config = recipe.generator_config(channels, classes, images.source_size, images.class_names)
        if recipe.objective == "anchored":
            deformations, tones = recipe.variations
            noise = recipe.latent_noise / 2
            config = dataclasses.replace(
                config, anchors=len(images), latent_noise=noise, deformations=deformations, tones=tones
            )
        judge_config = recipe.discriminator_config(channels, classes)
        generator = Generator(config) if start is None else adapt_generator(start.generator, config)
        if start is None or start.discriminator is None:
            discriminator = Discriminator(judge_config)
        else:
            discriminator = adapt_discriminator(
                start.discriminator, judge_config, class_rows(start.generator.config, config)
            )
        # CPU and GPU convolutions are fastest with channels last: here by a factor of four.
        self.generator = generator.to(self.device).to(memory_format=torch.channels_last)
        self.discriminator = discriminator.to(self.device).to(memory_format=torch.channels_last)
        self.fresh_discriminator = start is not None and start.discriminator is None
        self.coverage = None if recipe.objective == "adversarial" else Coverage(images, recipe).to(self.device)
        growing = recipe.growing > 0
        self.generating: nn.Module = GrowingGenerator(self.generator) if growing else self.generator
        self.judging: nn.Module = GrowingDiscriminator(self.discriminator) if growing else self.discriminator
        for network in (self.generating, self.judging):
            network.to(self.device).to(memory_format=torch.channels_last)
        self.sizes = shared_sizes(self.generating, self.judging)
        self._freeze()
        self.optimizers = self._optimizers()
        self.schedule = StepSchedule(recipe)
        self.ema = EMA(self.generator, recipe.ema_decay)
        self.lecam = LeCam()
        self.controller = AdaptiveStrength(images_to_full=recipe.adaptive) if recipe.adaptive else None
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=recipe.precision == "fp16")
        self.autocast_type = autocast_type(recipe.precision)

    def _freeze(self) -> None:
        """Freezes the parts that fine-tuning does not train."""
        parts = {"norms": ("norm.",), "mapping": ("mapping.",)}.get(self.recipe.tune)
        for name, parameter in self.generator.named_parameters():
            parameter.requires_grad_(parts is None or any(part in name for part in parts))
        for block in list(self.discriminator.blocks)[: self.recipe.freeze_discriminator]:
            block.requires_grad_(False)
        self._judge_learns = [p for p in self.judging.parameters() if p.requires_grad]

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        recipe = self.recipe
        generator = [parameter for parameter in self.generating.parameters() if parameter.requires_grad]
        optimizers = {
            "generator": recipe.new_optimizer(generator, recipe.generator_lr),
            "discriminator": recipe.new_optimizer(self._judge_learns, recipe.discriminator_lr),
        }
        if self.coverage is not None:
            optimizers["coverage"] = torch.optim.Adam(generator, recipe.coverage_lr, betas=(0.5, 0.99), fused=True)
            if self.coverage.anchors.requires_grad:
                optimizers["anchors"] = torch.optim.Adam([self.coverage.anchors], recipe.latent_lr, betas=(0.5, 0.99))
        self._rates = {name: optimizer.param_groups[0]["lr"] for name, optimizer in optimizers.items()}
        return optimizers

    def stage(self, progress: float) -> Stage:
        """Returns the stage of the run at a share of it."""
        return stage_at(self.recipe, progress, sizes=len(self.sizes), warmup=self.fresh_discriminator)

    def prepare(self, seconds: float | None = None) -> None:
        """Prepares a new run: chooses a number of threads, and learns how the images of a class vary.

        Args:
            seconds (float, optional): The most time to take. Without a limit, the number of threads stays as it
                is, because the last bits of results depend on it.
        """
        started, deadline = time.perf_counter(), None
        if seconds is not None:
            if self.device.type == "cpu" and self.accelerator.num_processes == 1:
                self.use_threads(fastest_threads(self._rehearsal(), seconds / 4))
            deadline = max(started + seconds, time.perf_counter() + seconds / 2)
        variations, averaged = self.generator.variations, self.ema.generator.variations
        if variations is None or averaged is None:
            return
        images, labels = self.originals.images, self.originals.classes
        learn_variations(variations, images, labels, self.recipe.deform, self.recipe.tone, deadline)
        variations.load_state_dict(of_first({key: value.cpu() for key, value in variations.state_dict().items()}))
        averaged.load_state_dict(variations.state_dict())

    def use_threads(self, threads: int) -> None:
        """Sets the number of threads for the rest of the run."""
        self.threads = threads
        torch.set_num_threads(threads)

    def _rehearsal(self) -> Callable[[], None]:
        """Returns the main work of a step, a forward and a backward pass of the generator, on a copy of it."""
        generator, stage = copy.deepcopy(self.generating), self.stage(0.0)
        count = min(self.part, REHEARSED)
        latents = torch.randn(count, self.recipe.latent_dim, device=self.device)
        labels = None if self.images.labels is None else self.images.labels[self.order.indices(0, count)]

        def work() -> None:
            with self._autocast():
                images = generator(latents, labels, stage.class_weight, **self._sized(stage))
            images.float().square().mean().backward()

        return work

    def step(self, progress: float) -> None:
        """Makes the steps of the discriminator and then one of the generator.

        Args:
            progress (float): Share of the run that is done, from 0 to 1; the schedules follow it.
        """
        torch.manual_seed(mix_seed(self.seed, 1, self.step_number, self.accelerator.process_index))
        stage = self.stage(progress)
        for name, optimizer in self.optimizers.items():
            factor = stage.coverage_rate if name in ("coverage", "anchors") else stage.learning_rate
            for group in optimizer.param_groups:
                group["lr"] = self._rates[name] * factor * self.schedule.factor
        self._losses = {}
        if stage.adversarial:
            for turn in range(self.recipe.n_critic):
                self._discriminator_step(stage, turn)
        if not stage.warming:
            self._generator_step(stage)
        self.step_number += 1
        self.schedule.step()
        self.ema.update(self.generator, self.step_number)

    def _discriminator_step(self, stage: Stage, turn: int) -> None:
        recipe, number = self.recipe, self.step_number * self.recipe.n_critic + turn
        means = torch.zeros(3, device=self.device)
        for part in range(recipe.accumulation):
            real, labels, _ = self._real(number, part, stage)
            with self._autocast():
                with torch.no_grad():
                    fake = self._generate(self._latents(labels), labels, stage)
                loss, real_logits, fake_logits = discriminator_loss(
                    recipe,
                    lambda images, classes: self._judge(images, classes, stage),
                    real,
                    fake,
                    labels,
                    lecam=self.lecam,
                    penalize=number % recipe.penalty_every == 0,
                )
            self._note("discriminator", loss)
            self._backward(loss)
            means += torch.stack([real_logits.mean(), fake_logits.mean(), real_logits.sign().mean()])
        self._descend("discriminator")
        if recipe.clip_weights:
            clip_weights(self.judging, recipe.clip_weights)
        if recipe.lecam or self.controller is not None:
            real_mean, fake_mean, sign = average(means / recipe.accumulation)
            self.lecam.update(real_mean, fake_mean)
            if self.controller is not None:
                self.controller.update(float(sign), recipe.batch_size)

    def _generator_step(self, stage: Stage) -> None:
        recipe, number = self.recipe, self.step_number * self.recipe.n_critic
        if self.coverage is not None:
            self.coverage.refresh(lambda z, labels: self._generate(z, labels, stage), self.step_number)
        for parameter in self._judge_learns:
            parameter.requires_grad_(False)
        for part in range(recipe.accumulation):
            real, labels, indices = self._real(number, part, stage)
            losses = []
            with self._autocast():
                if stage.adversarial:
                    fake = self._generate(self._latents(labels), labels, stage)
                    epoch = number * recipe.batch_size // self.order.count
                    losses.append(
                        generator_loss(
                            recipe, lambda x, classes: self._judge(x, classes, stage), fake, real, labels, epoch=epoch
                        )
                    )
                    self._note("generator", losses[0])
                if self.coverage is not None:
                    latents = self.coverage.latents(indices)
                    reconstruction = reconstruction_loss(self._generate(latents, labels, stage), real)
                    self._note("reconstruction", reconstruction)
                    losses.append(reconstruction * (recipe.reconstruction_weight if stage.adversarial else 1.0))
            self._backward(torch.stack(losses).sum())
        moved = "generator" if stage.adversarial else "coverage"
        self._descend(*(name for name in (moved, "anchors") if name in self.optimizers))
        for parameter in self._judge_learns:
            parameter.requires_grad_(True)

    def _generate(self, latents: Tensor, labels: Tensor | None, stage: Stage) -> Tensor:
        images: Tensor = self.generating(latents, labels, stage.class_weight, **self._sized(stage))
        return images.float()

    def _judge(self, images: Tensor, labels: Tensor | None, stage: Stage) -> Tensor:
        strength = stage.augment * (1.0 if self.controller is None else self.controller.strength)
        images = diff_augment(images, self.recipe.augment, strength)
        logits: Tensor = self.judging(images, labels, stage.class_weight, **self._sized(stage))
        return logits.float()

    def _sized(self, stage: Stage) -> dict[str, Any]:
        return {"size": self.sizes[stage.level], "fade": stage.fade} if self.sizes else {}

    def _latents(self, labels: Tensor | None) -> Tensor:
        """Returns latents for the images that a process computes at once."""
        if self.coverage is not None:
            return self.coverage.sample(
                torch.zeros(self.part, dtype=torch.int64, device=self.device) if labels is None else labels
            )
        shape = (self.part, self.recipe.latent_dim)
        if self.recipe.latent == "uniform":
            return torch.rand(shape, device=self.device) * 2 - 1
        return torch.randn(shape, device=self.device)

    def _real(self, number: int, part: int, stage: Stage) -> tuple[Tensor, Tensor | None, Tensor]:
        """Returns a part of the batch in -1..1, its classes and its indices."""
        ranks, rank = self.accelerator.num_processes, self.accelerator.process_index
        position = number * self.recipe.batch_size + (part * ranks + rank) * self.part
        indices = self.order.indices(position, self.part)
        real = to_signed(self.images.images[indices].to(self.device))
        if self.recipe.flip and not self.recipe.anchors_mirrored:
            mirrored = torch.rand(self.part, 1, 1, 1, device=self.device) < 0.5
            real = torch.where(mirrored, real.flip(3), real)
        if self.sizes:
            real = shrink(real, self.sizes[stage.level], stage.fade)
        labels = None if self.images.labels is None else self.images.labels[indices].to(self.device)
        return real.contiguous(memory_format=torch.channels_last), labels, indices.to(self.device)

    def _backward(self, loss: Tensor) -> None:
        self.accelerator.backward(self.scaler.scale(loss / self.recipe.accumulation))

    def _note(self, name: str, loss: Tensor) -> None:
        self._losses[name] = loss.detach()

    def _descend(self, *names: str) -> None:
        """Makes a step of optimisers along the mean gradient of all processes."""
        for optimizer in (self.optimizers[name] for name in names):
            average_gradients(p for group in optimizer.param_groups for p in group["params"])
            self.scaler.step(optimizer)
            optimizer.zero_grad()
        self.scaler.update()

    def _autocast(self) -> AbstractContextManager[None]:
        enabled = self.autocast_type is not None
        return torch.autocast(self.device.type, self.autocast_type, enabled=enabled)

    def losses(self) -> dict[str, float]:
        """Returns the last losses.

        Raises:
            RuntimeError: If a loss or a weight is not finite: the run has diverged.
        """
        losses = {key: float(value) for key, value in self._losses.items()}
        for key, network in (("generator", self.generating), ("discriminator", self.judging)):
            value = losses.get(key, 0.0)
            whole = all(bool(torch.isfinite(parameter).all()) for parameter in network.parameters())
            if not (whole and math.isfinite(value)):
                raise RuntimeError(
                    f"Training diverged: the loss of the {key} is {value:.3g}, or its weights are not finite. "
                    "Lower its learning rate, or use precision='fp32'; the last checkpoint is whole."
                )
        return losses

    def averaged_generator(self) -> Generator:
        """Returns the moving average in eval mode, with its anchors and with batch-norm statistics of its own."""
        generator = self.ema.generator
        if self.coverage is not None and generator.anchors is not None and generator.anchor_labels is not None:
            generator.anchors.copy_(to_sphere(self.coverage.anchors.detach()))
            generator.anchor_labels.copy_(self.coverage.labels)
        shuffled = self.order.indices(0, 1024)
        recalibrate_batch_norm(generator, labels=None if self.images.labels is None else self.images.labels[shuffled])
        return generator

    def _stateful(self) -> dict[str, Any]:
        parts: dict[str, Any] = {
            "generator": self.generating,
            "discriminator": self.judging,
            "ema": self.ema.generator,
            "schedule": self.schedule,
            "lecam": self.lecam,
            "scaler": self.scaler,
            "coverage": self.coverage,
            "controller": self.controller,
            **{f"{name}_optimizer": optimizer for name, optimizer in self.optimizers.items()},
        }
        return {name: part for name, part in parts.items() if part is not None}

    def state_dict(self) -> dict[str, Any]:
        """Returns the state as tensors, numbers and text.

        Raises:
            RuntimeError: If the run has diverged.
        """
        return {
            "step_number": self.step_number,
            "seconds": self.seconds,
            "threads": self.threads,
            "evaluated": self.evaluated,
            "best": self.best,
            "lineage": self.lineage,
            "fresh_discriminator": self.fresh_discriminator,
            "losses": self.losses(),
            **{name: part.state_dict() for name, part in self._stateful().items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores a :meth:`state_dict`."""
        self.step_number = check_count("step_number", state["step_number"], 0)
        self.evaluated = check_count("evaluated", state["evaluated"], 0)
        self.seconds, self.best, self.lineage = float(state["seconds"]), state["best"], state["lineage"]
        self.fresh_discriminator = state["fresh_discriminator"]
        if state.get("threads") is not None:
            self.use_threads(check_count("threads", state["threads"], 1))
        self._losses = {key: torch.tensor(value) for key, value in state["losses"].items()}
        for name, part in self._stateful().items():
            part.load_state_dict(state[name])
