"""The result of a run: a generator, its card, and findings about its samples."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from .._version import __version__
from ..models import Card, Generator
from ._trainer import Trainer
from .runs._monitor import Monitor
from .runs._processes import of_first

FEW_STEPS = 1000  # with fewer steps, samples seldom look real
LEAST_STEPS = 250  # with fewer steps, a study of the samples says nothing


@dataclass(frozen=True)
class FitResult:
    """The result of :func:`fit`.

    Attributes:
        generator (Generator): The averaged generator in eval mode, with its card. With at least 50 held-out images, it
            is the last one whose KID on them is within a standard error of the lowest; with fewer, the last one.
        steps (int): Number of steps that were made.
        seconds (float): Wall-clock time of the steps, over all restarts.
        losses (dict): The last losses.
        folder (Path, optional): The folder of the run.
        kept_step (int): The step after which the generator was kept.
        kid (float, optional): Its KID on held-out images.
        findings (list of str): Sentences on collapse, copies and leaked augmentation in the last samples. The first
            ones say whether the budget ran out too early, and how many training images are marked as synthetic.
    """

    generator: Generator
    steps: int
    seconds: float
    losses: dict[str, float]
    folder: Path | None
    kept_step: int
    kid: float | None = None
    findings: list[str] = field(default_factory=list)


def conclude(
    trainer: Trainer, monitor: Monitor, folder: Path | None, init: str | None, budget: float | None
) -> FitResult:
    """Returns the result of a run, with the best generator if one was chosen; the same in all processes."""
    generator = trainer.averaged_generator()
    best, findings = of_first((trainer.best, monitor.sentences))  # only the first process measures
    short = None if budget is None else few_steps(trainer.step_number, trainer.total_steps)
    marked = int(trainer.originals.marked.sum())
    if marked:
        findings = [f"{marked:,} of the {len(trainer.originals):,} training images are marked as synthetic.", *findings]
    if short is not None:
        findings = [short, *findings]
    if best:
        generator.load_state_dict(best["generator"])
    generator.requires_grad_(True)
    result = FitResult(
        generator=generator,
        steps=trainer.step_number,
        seconds=trainer.seconds,
        losses=trainer.losses(),
        folder=folder,
        kept_step=best.get("step", trainer.step_number),
        kid=best.get("kid"),
        findings=findings,
    )
    generator.card = _card(trainer, monitor, result, init)
    if short is not None:
        warnings.warn(short, UserWarning, stacklevel=4)
    return result


def few_steps(steps: int, planned: int) -> str | None:
    """Returns a sentence if a run ended long before its samples can look real; else None."""
    needed = min(FEW_STEPS, planned)
    if steps >= needed:
        return None
    return (
        f"The budget ran out after {steps} steps, but images begin to look real after about {needed:,}. Look at these "
        "samples before you mix them. Resume the run with a larger budget, or start a new run with a smaller "
        "image_size, or with a recipe that ends in -light if yours does not."
    )


def _card(trainer: Trainer, monitor: Monitor, result: FitResult, init: str | None) -> Card:
    recipe, images = trainer.recipe, trainer.originals
    training: dict[str, Any] = {
        "images": len(images),
        "images_per_class": images.class_counts(),
        "steps": result.steps,
        "kept_step": result.kept_step,
        "batch_size": recipe.batch_size,
        "seconds": round(result.seconds),
        "seed": trainer.seed,
        "objective": recipe.objective,
        "loss": recipe.loss,
        "final_losses": {key: round(value, 4) for key, value in result.losses.items()},
        "findings": result.findings,
        "recipe": recipe.to_dict(),
        "precision": "fp32" if trainer.autocast_type is None else str(trainer.autocast_type).removeprefix("torch."),
        "versions": {"gan_augment": __version__, "torch": str(torch.__version__)},
    }
    if init is not None:
        training["init"] = init
    measured = [] if result.kid is None else [monitor.entry(result.kid)]
    known = torch.unique(torch.cat([images.fingerprints, trainer.lineage.get("fingerprints", images.fingerprints[:0])]))
    data = trainer.lineage.get("data", {})
    return Card(name="dcgan", data=data, training=training, measured=measured, fingerprints=known)
