"""The schedules of a run: what changes with the share of the run that is done."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from .recipes._options import Options, within

if TYPE_CHECKING:
    from .recipes._recipe import Recipe

LAST_RATE = 0.05
NAMED = ("constant", "linear", "cosine")  # our own schedules, which follow the share of the run that is done


@dataclass(frozen=True, kw_only=True)
class ScheduleOptions(Options):
    """What changes during a run. Each share is one of its steps, or of its budget if the budget runs out first.

    Args:
        schedule (str): Schedule of the learning rates: ``"constant"`` (default), ``"linear"``, ``"cosine"``, or a class
            of ``torch.optim.lr_scheduler`` that takes a step with every step of the run.
        schedule_options (dict): Arguments of that class.
        cooldown (float): Last share of the run, in which learning rates and augmentation fall to zero. Default: 0.2.
        growing (float): Share of the run in which the networks grow from small images to the full size. Default: 0.
        warmup (float): Share of the run in which a new discriminator learns alone, if the generator is pretrained.
            Default: 0.05.
        class_fade (tuple of float): Shares of the run between which the classes fade in. Default: ``(0, 0)``.
    """

    schedule: str = "constant"
    schedule_options: dict[str, Any] = field(default_factory=dict)
    cooldown: float = within(0.0, 1.0, 0.2)
    growing: float = within(0.0, 1.0, 0.0)
    warmup: float = within(0.0, 1.0, 0.05)
    class_fade: tuple[float, float] = (0.0, 0.0)

    @staticmethod
    def problems(recipe: Recipe) -> Iterator[str]:
        start, end = recipe.class_fade
        if not 0 <= start <= end <= 1:
            yield f"class_fade must be two rising shares of 0 to 1, but got {recipe.class_fade}"
        if recipe.growing and recipe.objective != "adversarial":
            yield f"growing must be 0 for objective={recipe.objective!r}, which fits whole images from the start"

    @classmethod
    def unused(cls, recipe: Recipe) -> Iterable[str]:
        if recipe.adversarial:
            return ()
        # A class of torch also acts on the rates of the reconstruction.
        return ("cooldown", "warmup", *(("schedule",) if recipe.schedule in NAMED else ()))


@dataclass(frozen=True)
class Stage:
    """What the schedules say at one point of a run."""

    learning_rate: float  # factor of the learning rates of both networks
    coverage_rate: float  # factor of those of the reconstruction
    augment: float  # factor of the augmentation's probabilities
    class_weight: float  # how far the classes have faded in, 0..1
    adversarial: bool  # whether a discriminator takes part
    covering: bool  # whether images are reconstructed
    warming: bool  # whether a new discriminator learns alone
    level: int = -1  # index of the image size while the networks grow; -1 is the full size
    fade: float = 1.0  # how far that size has faded in, 0..1

    @property
    def name(self) -> str:
        """The phase in a word, for people."""
        if self.warming:
            return "warm-up"
        if self.covering and not self.adversarial:
            return "coverage"
        return "growing" if self.level >= 0 else "adversarial"


def stage_at(recipe: Recipe, progress: float, *, sizes: int = 1, warmup: bool = False) -> Stage:
    """Returns the stage of a run of which the share ``progress``, 0..1, is done.

    ``sizes`` counts the image sizes that the networks grow through, including the full one. ``warmup`` says whether the
    discriminator is new and the generator pretrained.
    """
    cooling = min(1.0, max(0.0, (1 - progress) / recipe.cooldown)) if recipe.cooldown > 0 else 1.0
    covering = recipe.objective != "adversarial"
    adversarial = recipe.adversarial and (not covering or progress >= recipe.coverage)
    level, fade = _grown(progress, recipe.growing, sizes)
    return Stage(
        learning_rate=cooling * _factor(recipe.schedule, progress),
        coverage_rate=_settling(progress, recipe.coverage) * (cooling if adversarial else 1.0),
        augment=cooling,
        class_weight=_risen(progress, *recipe.class_fade),
        adversarial=adversarial,
        covering=covering,
        warming=warmup and adversarial and progress < (recipe.coverage if covering else 0.0) + recipe.warmup,
        level=level,
        fade=fade,
    )


def _factor(schedule: str, progress: float) -> float:
    if schedule == "linear":
        return max(0.0, 1 - progress)
    if schedule == "cosine":
        return (1 + math.cos(math.pi * min(progress, 1.0))) / 2
    return 1.0


def _risen(progress: float, start: float, end: float) -> float:
    if progress >= end:
        return 1.0
    return 0.0 if progress <= start else (progress - start) / (end - start)


def _settling(progress: float, coverage: float) -> float:
    """Falls along a cosine to ``LAST_RATE`` until the discriminator joins, and stays there."""
    return LAST_RATE + (1 - LAST_RATE) * _factor("cosine", progress / coverage if coverage else 1.0)


def _grown(progress: float, share: float, sizes: int) -> tuple[int, float]:
    """Returns the index of the image size and its fade; each size has an equal part, and fades in in its first half."""
    if share <= 0 or sizes < 2:
        return -1, 1.0
    part = min(progress / share, 1.0) * sizes
    level = min(int(part), sizes - 1)
    fade = 1.0 if level == 0 else min((part - level) * 2, 1.0)
    full = level == sizes - 1 and fade >= 1.0
    return (-1, 1.0) if full else (level, fade)


class StepSchedule:
    """A class of ``torch.optim.lr_scheduler`` as a factor of the learning rates; always 1 for our own schedules.

    It raises a ValueError if torch has no such class, or if the class does not take these options.
    """

    def __init__(self, options: ScheduleOptions) -> None:
        self.scheduler: Any = None
        if options.schedule in NAMED:
            return
        kind = getattr(torch.optim.lr_scheduler, options.schedule, None)
        base = torch.optim.lr_scheduler.LRScheduler  # sets no rate itself
        if not inspect.isclass(kind) or not issubclass(kind, base) or kind is base:
            raise ValueError(
                "schedule must be 'constant', 'linear', 'cosine' or a class of torch.optim.lr_scheduler, "
                f"but got {options.schedule!r} instead."
            )
        try:
            trial_optimizer, trial = self._new(kind, options)
            trial_optimizer.step()
            trial.step()
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
            raise ValueError(
                f"schedule_options must be arguments that let {options.schedule} run without further input, but got "
                f"{options.schedule_options}: {error}"
            ) from error
        self._optimizer, self.scheduler = self._new(kind, options)

    @staticmethod
    def _new(kind: Any, options: ScheduleOptions) -> tuple[torch.optim.Optimizer, Any]:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        return optimizer, kind(optimizer, **options.schedule_options)

    @property
    def factor(self) -> float:
        """The factor of the learning rates in this step."""
        return 1.0 if self.scheduler is None else float(self._optimizer.param_groups[0]["lr"])

    def step(self) -> None:
        if self.scheduler is not None:
            self._optimizer.step()
            self.scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        if self.scheduler is None:
            return {}
        return {"scheduler": self.scheduler.state_dict(), "lr": self.factor}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
            self._optimizer.param_groups[0]["lr"] = state["lr"]
