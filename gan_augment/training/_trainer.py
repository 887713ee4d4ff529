"""The two networks, their optimisers, and a training step."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from .._core import check_count, mix_seed, seed_device, to_signed
from ..data import TrainingImages
from ..models import Discriminator, Generator, build_discriminator, to_sphere
from ._augment import AdaptiveStrength, diff_augment
from ._data import Order
from ._finetune import Start
from ._growing import GrowingDiscriminator, GrowingGenerator, shared_sizes, shrink
from ._optimization import EMA, recalibrate_batch_norm
from ._schedule import Stage, StepSchedule, stage_at
from .losses._coverage import Coverage, perceptual_distance, reconstruction_loss
from .losses._objective import (
    discriminator_loss,
    generator_loss,
    generator_loss_of,
    judges_one_by_one,
    learns_in_one_pass,
    shared_loss,
)
from .losses._regularizers import LeCam, clip_weights
from .recipes._recipe import Recipe
from .runs import _processes as processes


class Trainer:
    """Holds everything that a run changes, and makes its steps.

    All randomness of a step (images, latents, classes, augmentations) depends only on the seed and on the number of the
    step, so a resumed run needs no random state. With several processes, each computes a part of the batch, and
    gradients are averaged.
    """

    def __init__(self, images: TrainingImages, recipe: Recipe, seed: int, start: Start | None = None) -> None:
        self.originals, self.recipe, self.seed = images, recipe, seed
        self.images = images.with_mirrored() if recipe.anchors_mirrored else images
        self.step_number, self.seconds, self.evaluated = 0, 0.0, 0
        self.best: dict[str, Any] = {}  # the kept generator, its step and its KID, and the lowest KID of all
        self.threads: int | None = None  # the number of threads that a run with a budget chose
        self.lineage = {} if start is None else start.lineage  # what the card inherits from the start
        self.fresh_discriminator = start is not None and start.kept_discriminator(recipe) is None
        self.accelerator = processes.accelerator()
        self.device: torch.device = self.accelerator.device
        self.part = processes.images_at_once(recipe.batch_size, recipe.accumulation)
        self.total_steps = recipe.total_steps(len(self.images))
        self.one_pass = learns_in_one_pass(recipe)
        self.order = Order(self.images, seed, balanced=recipe.balance_classes)
        torch.manual_seed(mix_seed(seed, 0))
        self._build_networks(start)
        self.optimizers = self._optimizers()
        self.schedule = StepSchedule(recipe)
        self.ema = EMA(self.generator, recipe.ema_decay)
        self.lecam = LeCam()
        self.controller = AdaptiveStrength(images_to_full=recipe.adaptive) if recipe.adaptive else None
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=recipe.precision == "fp16")
        self.autocast_type = processes.autocast_type(recipe.precision)
        self.autocast = torch.autocast(self.device.type, self.autocast_type, enabled=self.autocast_type is not None)
        self._losses: dict[str, Tensor] = {}

    def _build_networks(self, start: Start | None) -> None:
        recipe, images = self.recipe, self.images
        channels, classes = images.images.shape[1], images.num_classes
        config = recipe.generator_config(channels, classes, images.source_size, images.class_names)
        if recipe.objective == "anchored":
            deformations, tones = recipe.variations
            noise = recipe.latent_noise / 2
            config = replace(config, anchors=len(images), latent_noise=noise, deformations=deformations, tones=tones)
        judge_config = recipe.discriminator_config(channels, classes)
        if start is None:
            self.generator, self.discriminator = Generator(config), build_discriminator(judge_config)
        else:
            self.generator, self.discriminator = start.adapt(recipe, config, judge_config)
        self.coverage = None if recipe.objective == "adversarial" else Coverage(images, recipe).to(self.device)
        self.generating: nn.Module = GrowingGenerator(self.generator) if recipe.growing else self.generator
        self.judging: nn.Module = self.discriminator
        if recipe.growing and isinstance(self.discriminator, Discriminator):
            self.judging = GrowingDiscriminator(self.discriminator)
        for network in (self.generating, self.judging):
            # CPU and GPU convolutions are fastest with channels last: here by a factor of four.
            network.to(self.device).to(memory_format=torch.channels_last)
        self.sizes = shared_sizes(self.generating, self.judging)

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Freezes what fine-tuning does not train, and returns the optimisers of everything else."""
        recipe = self.recipe
        tuned = {"norms": "norm.", "mapping": "mapping.", "all": ""}[recipe.tune]
        for name, parameter in self.generator.named_parameters():
            parameter.requires_grad_(tuned in name)
        if recipe.freeze_discriminator and isinstance(self.discriminator, Discriminator):
            self.discriminator.blocks[: recipe.freeze_discriminator].requires_grad_(False)
        self._judge_learns = [parameter for parameter in self.judging.parameters() if parameter.requires_grad]
        generator = [parameter for parameter in self.generating.parameters() if parameter.requires_grad]
        optimizers = {
            "generator": recipe.new_optimizer(generator, recipe.generator_lr),
            "discriminator": recipe.new_optimizer(self._judge_learns, recipe.discriminator_lr),
        }
        if self.coverage is not None:
            optimizers["coverage"] = torch.optim.Adam(generator, recipe.coverage_lr, betas=(0.5, 0.99), fused=True)
            if self.coverage.anchors.requires_grad:
                optimizers["anchors"] = torch.optim.Adam([self.coverage.anchors], recipe.latent_lr, betas=(0.5, 0.99))
        return optimizers

    def stage(self, progress: float) -> Stage:
        """Returns the stage of the run at a share of it."""
        return stage_at(self.recipe, progress, sizes=len(self.sizes), warmup=self.fresh_discriminator)

    def use_threads(self, threads: int) -> None:
        self.threads = threads
        torch.set_num_threads(threads)

    def step(self, progress: float) -> None:
        """Makes the steps of the discriminator and then one of the generator, at a share ``progress`` of the run."""
        seed = mix_seed(self.seed, 1, self.step_number, self.accelerator.process_index)
        seed_device(seed, self.accelerator.device)
        stage = self.stage(progress)
        for name, optimizer in self.optimizers.items():
            factor = stage.coverage_rate if name in ("coverage", "anchors") else stage.learning_rate
            for group in optimizer.param_groups:
                group["lr"] = optimizer.defaults["lr"] * factor * self.schedule.factor
        self._losses, fake = {}, None
        for turn in range(self.recipe.n_critic if stage.adversarial else 0):
            last = turn == self.recipe.n_critic - 1
            fake = self._discriminator_step(stage, turn, last=last and not stage.warming)
        if not stage.warming:
            self._generator_step(stage, fake)
        self.step_number += 1
        self.schedule.step()
        self.ema.update(self.generator, self.step_number)

    def _discriminator_step(self, stage: Stage, turn: int, last: bool) -> Tensor | None:
        """Makes a step of the discriminator; with ``last``, a step of the generator follows and uses its results.

        If both learn in one pass, it also computes the generator's adversarial gradients. Otherwise, it returns
        the generated images with their graph, so that the generator learns from them like in pytorch/examples. It
        returns None for a batch in parts, to save memory, and if there are several steps, because the papers on
        Wasserstein GANs draw new latents.
        """
        recipe, number = self.recipe, self.step_number * self.recipe.n_critic + turn
        both, kept = last and self.one_pass, last and not self.one_pass and recipe.accumulation == recipe.n_critic == 1
        judge, penalize = partial(self._judge, stage=stage), number % recipe.penalty_every == 0
        means = torch.zeros(3, device=self.device)
        for part in range(recipe.accumulation):
            real, labels, _ = self._real(number, part, stage)
            with self.autocast:
                with torch.set_grad_enabled(both or kept):
                    fake = self._generate(self._latents(labels), labels, stage)
                judged = fake if both else fake.detach()
                loss, real_logits, fake_logits = discriminator_loss(
                    recipe, judge, real, judged, labels, lecam=self.lecam, penalize=penalize
                )
            self._losses["discriminator"] = loss.detach()
            if both:
                self._backward_both(loss, real_logits, fake, fake_logits)
            else:
                self._backward(loss)
            real_logits, fake_logits = real_logits.detach(), fake_logits.detach()
            means += torch.stack([real_logits.mean(), fake_logits.mean(), real_logits.sign().mean()])
        self._descend("discriminator")
        if recipe.clip_weights:
            clip_weights(self.judging, recipe.clip_weights)
        if recipe.lecam or self.controller is not None:
            real_mean, fake_mean, sign = processes.average(means / recipe.accumulation)
            self.lecam.update(real_mean, fake_mean)
            if self.controller is not None:
                self.controller.update(float(sign), recipe.batch_size)
        return fake if kept else None

    def _backward_both(self, loss: Tensor, real_logits: Tensor, fake: Tensor, fake_logits: Tensor) -> None:
        """Computes the gradients of both networks from one forward pass."""
        other = generator_loss_of(self.recipe, fake_logits, real_logits, epoch=self._epoch())
        self._losses["generator"] = other.detach()
        if judges_one_by_one(self.recipe):
            self._backward(shared_loss(loss, other, fake, fake_logits))
            return
        # Two backward passes: each leaves out the gradients that only the other one needs.
        self._backward(loss, inputs=self._judge_learns, retain_graph=True)
        names = [name for name in ("generator", "anchors") if name in self.optimizers]
        self._backward(other, inputs=[parameter for name in names for parameter in self._learns(name)])

    def _generator_step(self, stage: Stage, fake: Tensor | None) -> None:
        """Makes a step of the generator, which learns from ``fake``, or from new images if ``fake`` is None."""
        recipe, number = self.recipe, (self.step_number + 1) * self.recipe.n_critic - 1
        judge, alone = partial(self._judge, stage=stage), stage.adversarial and not self.one_pass
        if self.coverage is not None:
            self.coverage.refresh(partial(self._generate, stage=stage), self.step_number)
        for parameter in self._judge_learns:
            parameter.requires_grad_(False)
        for part in range(recipe.accumulation if alone or self.coverage is not None else 0):
            real, labels, indices = self._real(number, part, stage)
            losses = []
            with self.autocast:
                if alone:
                    drawn = self._generate(self._latents(labels), labels, stage) if fake is None else fake
                    losses.append(generator_loss(recipe, judge, drawn, real, labels, epoch=self._epoch()))
                    self._losses["generator"] = losses[0].detach()
                if self.coverage is not None:
                    again = self._generate(self.coverage.latents(indices), labels, stage)
                    reconstruction = reconstruction_loss(again, real)
                    if recipe.reconstruction == "perceptual":
                        distance = perceptual_distance(again, real, recipe.features)
                        reconstruction = reconstruction + recipe.perceptual_weight * distance
                    self._losses["reconstruction"] = reconstruction.detach()
                    losses.append(reconstruction * (recipe.reconstruction_weight if stage.adversarial else 1.0))
            self._backward(torch.stack(losses).sum())
        moved = "generator" if stage.adversarial else "coverage"
        self._descend(*(name for name in (moved, "anchors") if name in self.optimizers))
        for parameter in self._judge_learns:
            parameter.requires_grad_(True)

    def _epoch(self) -> int:
        """Returns the number of completed passes over the images."""
        return self.step_number * self.recipe.n_critic * self.recipe.batch_size // self.order.count

    def _generate(self, latents: Tensor, labels: Tensor | None, stage: Stage) -> Tensor:
        images: Tensor = self.generating(latents, labels, stage.class_weight, **self.sized(stage))
        return images.float()

    def _judge(self, images: Tensor, labels: Tensor | None, stage: Stage) -> Tensor:
        strength = stage.augment * (1.0 if self.controller is None else self.controller.strength)
        images = diff_augment(images, self.recipe.augment, strength)
        logits: Tensor = self.judging(images, labels, stage.class_weight, **self.sized(stage))
        return logits.float()

    def sized(self, stage: Stage) -> dict[str, Any]:
        """Returns the further arguments of networks that grow."""
        return {"size": self.sizes[stage.level], "fade": stage.fade} if self.sizes else {}

    def _latents(self, labels: Tensor | None) -> Tensor:
        """Returns latents for the images that a process computes at once."""
        if self.coverage is not None:
            classes = torch.zeros(self.part, dtype=torch.int64, device=self.device) if labels is None else labels
            return self.coverage.sample(classes)
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

    def _backward(self, loss: Tensor, **options: Any) -> None:
        self.accelerator.backward(self.scaler.scale(loss / self.recipe.accumulation), **options)

    def _learns(self, name: str) -> list[nn.Parameter]:
        """Returns the parameters that an optimiser updates."""
        return [parameter for group in self.optimizers[name].param_groups for parameter in group["params"]]

    def _descend(self, *names: str) -> None:
        """Makes a step of optimisers along the mean gradient of all processes."""
        for name in names:
            processes.average_gradients(self._learns(name))
            self.scaler.step(self.optimizers[name])
            self.optimizers[name].zero_grad()
        self.scaler.update()

    def losses(self) -> dict[str, float]:
        """Returns the last losses, or raises a RuntimeError if the run has diverged."""
        losses = {key: float(value) for key, value in self._losses.items()}
        for key, network in (("generator", self.generating), ("discriminator", self.judging)):
            value = losses.get(key, 0.0)
            whole = all(bool(torch.isfinite(parameter).all()) for parameter in network.parameters())
            if not (whole and math.isfinite(value)):
                raise RuntimeError(
                    f"Training diverged: the loss of the {key} is {value:.3g}, or its weights are not finite. "
                    "Lower its learning rate, or use precision='fp32'; the last checkpoint is intact."
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
        """Returns the state as tensors, numbers and text, or raises a RuntimeError if the run has diverged."""
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
        self.step_number = check_count("step_number", state["step_number"], 0)
        self.evaluated = check_count("evaluated", state["evaluated"], 0)
        self.seconds, self.best, self.lineage = float(state["seconds"]), state["best"], state["lineage"]
        self.fresh_discriminator = state["fresh_discriminator"]
        if state.get("threads") is not None:
            self.use_threads(check_count("threads", state["threads"], 1))
        self._losses = {key: torch.tensor(value) for key, value in state["losses"].items()}
        for name, part in self._stateful().items():
            part.load_state_dict(state[name])
