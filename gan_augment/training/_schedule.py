"""What a run does when: every schedule as a function of the share of the run that is done."""

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
NAMED = ("constant", "linear", "cosine")  # schedules of our own, which follow the share of the run that is done


@dataclass(frozen=True, kw_only=True)
class ScheduleOptions(Options):
    """What changes in the course of a run. Shares are of its steps, or of its budget if that ends first.

    Args:
        schedule (str): Of the learning rates: ``"constant"`` (default), ``"linear"``, ``"cosine"``, or a class of
            ``torch.optim.lr_scheduler`` that steps once a step.
        schedule_options (dict): Arguments of such a class.
        cooldown (float): Last share of the run, over which learning rates and augmentation fall to zero. Default: 0.2.
        growing (float): Share of the run in which the networks grow from small images to the full size. Default: 0.
        warmup (float): Share of the run for which a discriminator that is new to a pretrained generator learns alone.
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
        """Checks the shares between which classes fade in, and what cannot grow."""
        start, end = recipe.class_fade
        if not 0 <= start <= end <= 1:
            yield f"class_fade must be two rising shares of 0 to 1, but got {recipe.class_fade}"
        if recipe.growing and recipe.objective != "adversarial":
            yield f"growing must be 0 for objective={recipe.objective!r}, which fits whole images from the start"

    @staticmethod
    def unused(recipe: Recipe) -> Iterable[str]:
        """Without a discriminator, its rates; a schedule of torch's own acts on all rates."""
        if recipe.adversarial:
            return ()
        return ("cooldown", "warmup", *(("schedule",) if recipe.schedule in NAMED else ()))


@dataclass(frozen=True)
class Stage:
    """Where a run stands.

    Attributes:
        learning_rate (float): Factor of the learning rates of both networks.
        coverage_rate (float): The same of reconstruction: it falls to a twentieth as a cosine while that is
            alone, and stays there beside the discriminator.
        augment (float): Factor of the augmentation's probabilities.
        class_weight (float): How far the classes have faded in, 0..1.
        adversarial (bool): Whether there is a discriminator at work.
        covering (bool): Whether images are reconstructed.
        warming (bool): Whether a new discriminator learns alone.
        level (int): Index of the image size, while the networks grow; -1 is the full size.
        fade (float): How far that size has faded in, 0..1.
    """

    learning_rate: float
    coverage_rate: float
    augment: float
    class_weight: float
    adversarial: bool
    covering: bool
    warming: bool
    level: int = -1
    fade: float = 1.0

    @property
    def name(self) -> str:
        """The phase in a word, for people."""
        if self.warming:
            return "warm-up"
        if self.covering and not self.adversarial:
            return "coverage"
        return "growing" if self.level >= 0 else "adversarial"


def stage_at(recipe: Recipe, progress: float, *, sizes: int = 1, warmup: bool = False) -> Stage:
    """The stage of a run.

    Args:
        recipe (Recipe): Whose schedules to follow.
        progress (float): Share of the run that is done, 0..1.
        sizes (int): Image sizes that the networks grow through, the full one included.
        warmup (bool): Whether the discriminator is new to a pretrained generator.
    """
    cooling = min(1.0, max(0.0, (1 - progress) / recipe.cooldown)) if recipe.cooldown > 0 else 1.0
    start, end = recipe.class_fade
    covering = recipe.objective != "adversarial"
    adversarial = recipe.adversarial and (not covering or progress >= recipe.coverage)
    level, fade = _grown(progress, recipe.growing, sizes)
    return Stage(
        learning_rate=cooling * _factor(recipe.schedule, progress),
        coverage_rate=_settling(progress, recipe.coverage) * (cooling if adversarial else 1.0),
        augment=cooling,
        class_weight=_risen(progress, start, end),
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
    return LAST_RATE + (1 - LAST_RATE) * _factor("cosine", progress / coverage if coverage else 1.0)


def _grown(progress: float, share: float, sizes: int) -> tuple[int, float]:
    """Each size has an equal part of the share; in its first half it fades in. The full size fades in last."""
    if share <= 0 or sizes < 2:
        return -1, 1.0
    part = min(progress / share, 1.0) * sizes
    level = min(int(part), sizes - 1)
    fade = 1.0 if level == 0 else min((part - level) * 2, 1.0)
    full = level == sizes - 1 and fade >= 1.0
    return (-1, 1.0) if full else (level, fade)


class StepSchedule:
    """A class of ``torch.optim.lr_scheduler`` as a factor of the learning rates; 1 for the named schedules.

    Raises:
        ValueError: If torch has no such class, or it does not take these options.
    """

    def __init__(self, options: ScheduleOptions) -> None:
        self.scheduler: Any = None
        if options.schedule in NAMED:
            return
        kind = getattr(torch.optim.lr_scheduler, options.schedule, None)
        base = torch.optim.lr_scheduler.LRScheduler  # which sets no rate itself
        if not inspect.isclass(kind) or not issubclass(kind, base) or kind is base:
            raise ValueError(
                "schedule must be 'constant', 'linear', 'cosine' or a class of torch.optim.lr_scheduler, "
                f"but got {options.schedule!r} instead."
            )
        self._optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        try:
            optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
            trial = kind(optimizer, **options.schedule_options)
            optimizer.step()
            trial.step()
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
            raise ValueError(
                f"schedule_options must be arguments with which {options.schedule} steps by itself, but got "
                f"{options.schedule_options}: {error}"
            ) from error
        self.scheduler = kind(self._optimizer, **options.schedule_options)

    @property
    def factor(self) -> float:
        """Of the learning rates in this step."""
        return 1.0 if self.scheduler is None else float(self._optimizer.param_groups[0]["lr"])

    def step(self) -> None:
        """One step on."""
        if self.scheduler is not None:
            self._optimizer.step()
            self.scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        """Numbers only."""
        if self.scheduler is None:
            return {}
        return {"scheduler": self.scheduler.state_dict(), "lr": self.factor}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes back to a :meth:`state_dict`."""
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
            self._optimizer.param_groups[0]["lr"] = state["lr"]
