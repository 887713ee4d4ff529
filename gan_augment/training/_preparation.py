"""Prepares a new run before its first step."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from functools import partial

import torch

from ..data import TrainingImages
from ..models import learn_variations
from ._trainer import Trainer
from .recipes._recipe import Recipe
from .runs import _processes as processes

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


def seconds_per_step(images: TrainingImages, recipe: Recipe) -> float:
    """Measures a step at the start and one at the end of a run, and returns their mean over the run."""
    with torch.random.fork_rng():
        trainer = Trainer(images, recipe, seed=0)
        start, end = (_seconds(partial(trainer.step, progress)) for progress in (0.0, 1.0))
    share = 0.0 if recipe.objective == "adversarial" else recipe.coverage
    return share * start + (1 - share) * end


def _seconds(work: Callable[[], None]) -> float:
    work()  # the first time is slower
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
