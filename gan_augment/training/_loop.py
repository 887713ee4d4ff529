"""The training loop: steps, and between them the clock, evaluations and checkpoints."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .._core import end_by_signal, on_end_signal, progress_bar
from ._trainer import Trainer
from .runs._monitor import Monitor
from .runs._processes import accelerator, agree, is_first

if TYPE_CHECKING:
    from ._plan import Plan
    from .runs._trackers import Trackers

LOG_EVERY = 100
LOG_EVERY_SECONDS = 10.0
MEASURING, STEPS_BETWEEN = 0.1, 50  # with a budget: share of the time for measuring, and steps before each measurement
BAR = "{desc}: {percentage:3.0f}%|{bar:20}| {elapsed}<{remaining} {postfix}"


class Loop:
    """Runs a trainer to the end."""

    def __init__(self, plan: Plan, trainer: Trainer, monitor: Monitor) -> None:
        self.plan, self.trainer, self.monitor = plan, trainer, monitor
        self.folder, self.main = plan.written, is_first()
        self.trackers: Trackers | None = None
        show = plan.progress and self.main
        self.bar = progress_bar(show=show, total=1.0, desc="Fitting", bar_format=BAR, mininterval=1.0)
        self.before = trainer.seconds  # the time that earlier parts of the run took
        self.kid = f", KID {trainer.best['kid']:.4f}" if trainer.best else ""

    def run(self) -> None:
        """Trains until the recipe's number of steps is reached or the budget runs out.

        SIGTERM, SIGHUP or Ctrl-C to any process ends all processes after a checkpoint is written. A second Ctrl-C does
        not wait for the end of the step.
        """
        trainer, evaluations = self.trainer, self.trainer.recipe.evaluations
        if self.plan.folder is None and not self.monitor.chooses:  # only the last measurement is used
            evaluations = min(evaluations, 1)
        self.first_step = trainer.step_number
        self._tick()
        self.prepared, self.measuring, self.last_measured = trainer.seconds, 0.0, self.first_step
        logged = last_checkpoint = trainer.seconds
        trainer.evaluated = min(trainer.evaluated, int(self._share() * evaluations))  # a larger budget starts lower
        received: list[int] = []
        with on_end_signal(received.append), self.bar:
            while True:
                self._tick()
                share, stop = agree(self._share(), max(received, default=0))
                if stop:
                    self.save()
                    accelerator().wait_for_everyone()  # a launcher kills the others as soon as one ends
                    end_by_signal(int(stop))
                self.bar.update(min(share, 1.0) - self.bar.n)
                if trainer.step_number and int(share * evaluations) > trainer.evaluated and self._may_measure(share):
                    trainer.evaluated = int(share * evaluations)
                    self._evaluate()
                if share >= 1 and trainer.step_number:  # even a budget that is too short gives a generator
                    break
                trainer.step(min(share, 1.0))
                self._tick()
                if self.plan.on_step is not None:
                    self.plan.on_step()
                if trainer.step_number % LOG_EVERY == 0 or trainer.seconds - logged > LOG_EVERY_SECONDS:
                    logged = trainer.seconds
                    self._log(share)
                if trainer.seconds - last_checkpoint >= self.plan.checkpoint_every:
                    last_checkpoint = trainer.seconds
                    self.save()
            if trainer.step_number % LOG_EVERY and self.first_step < trainer.step_number:
                self._log(1.0)
        if self.main and evaluations and not self.monitor.sentences:  # a finished run that was resumed
            self.monitor.measure(trainer.averaged_generator())
        self.save()

    def _tick(self) -> None:
        self.trainer.seconds = self.before + time.perf_counter() - self.plan.started

    def _share(self) -> float:
        """Returns the share of the run that is done, by steps or by time, whichever is larger."""
        share = self.trainer.step_number / self.trainer.total_steps
        return share if self.plan.budget is None else max(share, self.trainer.seconds / self.plan.budget)

    def save(self) -> None:
        if self.folder is not None:
            self.folder.checkpoints.save(self.trainer.state_dict(), self.trainer.step_number)

    def _may_measure(self, share: float) -> bool:
        """Returns whether training has had its share of the budget; always true at the end and without a budget."""
        if self.plan.budget is None or share >= 1:
            return True
        steps = self.trainer.step_number - self.last_measured
        return steps >= STEPS_BETWEEN and self.measuring <= MEASURING * self.trainer.seconds

    def _evaluate(self) -> None:
        """Measures samples in the first process, and keeps the generator unless an earlier one was clearly better."""
        trainer = self.trainer
        if not self.main or trainer.stage(self._share()).level >= 0:  # a network that grows has no full size yet
            return
        before = time.perf_counter()
        generator = trainer.averaged_generator()
        figures = self.monitor.measure(generator)
        if "kid" in figures:
            self.kid = f", KID {figures['kid']:.4f}"
            lowest = min(trainer.best.get("lowest", float("inf")), figures["kid"])
            if figures["kid"] <= lowest + figures["kid_spread"]:  # within a standard error, the longer training wins
                weights = {name: tensor.to("cpu", copy=True) for name, tensor in generator.state_dict().items()}
                trainer.best = {"kid": figures["kid"], "step": trainer.step_number, "generator": weights}
            trainer.best["lowest"] = lowest
            figures["kid_kept"] = trainer.best["kid"]
        self._write(figures)
        if self.folder is not None:
            self.folder.save_grid(generator, trainer.step_number)
        self.measuring += time.perf_counter() - before
        self.last_measured = trainer.step_number

    def _log(self, share: float) -> None:
        trainer = self.trainer
        losses, stage = trainer.losses(), trainer.stage(share)
        images = (trainer.step_number - self.first_step) * trainer.recipe.batch_size
        speed = images / (trainer.seconds - self.prepared)
        shown = ", ".join(f"{key} {value:.2f}" for key, value in losses.items())
        self.bar.set_postfix_str(f"{stage.name}, {speed:.0f} img/s, {shown}{self.kid}", refresh=False)
        figures: dict[str, float | str] = {**losses, "learning_rate": stage.learning_rate, "phase": stage.name}
        if trainer.controller is not None:
            figures["augment_strength"] = trainer.controller.strength
        self._write({**figures, "images_per_second": round(speed, 1)})

    def _write(self, figures: dict[str, Any]) -> None:
        step = self.trainer.step_number
        if self.folder is not None:
            self.folder.log({"step": step, "seconds": round(self.trainer.seconds, 2), **figures})
        if self.trackers is not None:
            self.trackers.log(figures, step)
