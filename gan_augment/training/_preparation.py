"""Prepares a new run before its first step."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from ..models import learn_variations
from .runs import _processes as processes

if TYPE_CHECKING:
    from ._trainer import Trainer

REHEARSED = 16  # number of images in the steps that compare numbers of threads


def prepare(trainer: Trainer, seconds: float | None = None) -> None:
    """Prepares a new run: chooses a number of threads, and learns how the images of a class vary.

    It takes at most ``seconds``. Without a limit, it keeps the number of threads, because another number changes the
    last bits of results.
    """
    started, deadline = time.perf_counter(), None
    if seconds is not None:
        if trainer.device.type == "cpu" and trainer.accelerator.num_processes == 1:
            trainer.use_threads(processes.fastest_threads(_rehearsal(trainer), seconds / 4))
        deadline = max(started + seconds, time.perf_counter() + seconds / 2)
    variations, averaged = trainer.generator.variations, trainer.ema.generator.variations
    if variations is None or averaged is None:
        return
    images, labels = trainer.originals.images, trainer.originals.classes
    learn_variations(variations, images, labels, trainer.recipe.deform, trainer.recipe.tone, deadline)
    state = processes.of_first({key: value.cpu() for key, value in variations.state_dict().items()})
    for each in (variations, averaged):
        each.load_state_dict(state)


def _rehearsal(trainer: Trainer) -> Callable[[], None]:
    """Returns the main work of a step, a forward and a backward pass of the generator, on a copy of it."""
    generator, stage = copy.deepcopy(trainer.generating), trainer.stage(0.0)
    count = min(trainer.part, REHEARSED)
    latents = torch.randn(count, trainer.recipe.latent_dim, device=trainer.device)
    labels = None if trainer.images.labels is None else trainer.images.labels[trainer.order.indices(0, count)]

    def work() -> None:
        with trainer.autocast:
            images = generator(latents, labels, stage.class_weight, **trainer.sized(stage))
        images.float().square().mean().backward()

    return work
