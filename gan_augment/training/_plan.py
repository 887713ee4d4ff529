"""A run from its request to its generator: reading the images, training, saving the result."""

from __future__ import annotations

import contextlib
import time
import warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch

from .._core import differing_class
from ..data import open_images
from ..models import MAX_ANCHORS, save_pretrained
from ._data import TrainingImages
from ._finetune import Start
from ._loop import Loop
from ._result import FitResult, conclude
from ._schedule import StepSchedule
from ._trainer import Trainer
from .recipes._recipe import Recipe
from .runs._folder import RunFolder
from .runs._monitor import LEAST_HELD_OUT, Monitor
from .runs._pictures import check_plotting
from .runs._processes import accelerator, is_first, threads_kept

TRACKERS = ("tensorboard",)
FEW_IMAGES = 100
PREPARATION, LEAST_PREPARATION = 0.1, 0.03  # shares of the budget; the latter where reading alone took the former
MAX_SHARED = 0.1  # of validation images that are in the data set too, as in splits that were not made with care


@dataclass(frozen=True)
class Plan:
    """What :func:`fit` and :func:`resume` were asked for; see there for the options.

    Raises:
        ValueError: If an option is out of range.
    """

    recipe: Recipe
    seed: int
    budget: float | None
    folder: RunFolder | None
    progress: bool
    checkpoint_every: float
    log_with: str | None
    init: str | None
    started: float  # of time.perf_counter(), from which on the budget runs

    def __post_init__(self) -> None:
        if not self.checkpoint_every >= 0:
            raise ValueError(
                f"checkpoint_every must be seconds of at least 0, but got {self.checkpoint_every} instead."
            )
        if self.log_with is not None and self.log_with not in TRACKERS:
            raise ValueError(f"log_with must be one of {TRACKERS}, but got {self.log_with!r} instead.")
        self.recipe.new_optimizer([torch.nn.Parameter(torch.zeros(1))], 1e-4)  # refuses what torch does not take
        StepSchedule(self.recipe)
        if self.log_with is not None and self.folder is None:
            raise ValueError("out must be given with log_with: it is the folder for its files.")
        if self.log_with is not None and not any(map(_is_installed, ("tensorboard", "tensorboardX"))):
            raise ModuleNotFoundError(
                "log_with='tensorboard' needs the package tensorboard: run pip install tensorboard."
            )
        if self.folder is not None and is_first():
            try:
                check_plotting()
            except ModuleNotFoundError as error:
                warnings.warn(f"The run will have no losses.png. {error}", UserWarning, stacklevel=4)

    def check_start(self, start: Start | None) -> None:
        """Checks that nothing that is not pretrained stays untrained."""
        recipe = self.recipe
        if recipe.tune != "all" and start is None:
            raise ValueError(f"tune={recipe.tune!r} needs init, a generator whose other weights stay as they are.")
        if recipe.freeze_discriminator and (start is None or start.discriminator is None):
            raise ValueError("freeze_discriminator needs an init with a discriminator, but this one was saved without.")
        size = recipe.image_size if start is None else start.generator.config.image_size
        if (recipe.tune != "all" or recipe.freeze_discriminator) and size != recipe.image_size:
            raise ValueError(
                f"image_size must be {size}, that of init, with tune or freeze_discriminator, which would leave the "
                f"layers that are new as they are, but got {recipe.image_size} instead."
            )

    def check_new(self) -> None:
        """Checks that the folder is new or empty."""
        if self.folder is not None and is_first():
            self.folder.check_new()

    def held(self) -> AbstractContextManager[None]:
        """Locks the folder in the first process; see :meth:`RunFolder.held`."""
        return self.folder.held() if self.folder is not None and is_first() else nullcontext()

    def create(self, config: dict[str, Any]) -> None:
        """Creates the folder."""
        if self.folder is not None and is_first():
            self.folder.create(config)

    def read(self, dataset: Any, validation: Any) -> tuple[TrainingImages, TrainingImages | None]:
        """Returns the images to train on, and the held-out ones."""
        images = self._images(dataset)
        if validation is None:
            training, held_out = (
                images.split(self.recipe.held_out, self.seed) if self.recipe.held_out else (images, None)
            )
        else:
            training = images
            held_out = _checked_validation(training, self._images(validation, images.images.shape[1]))
        anchors = len(training) * (2 if self.recipe.anchors_mirrored else 1)
        if self.recipe.objective == "anchored" and anchors > MAX_ANCHORS:
            raise ValueError(
                f"objective='anchored' is for {MAX_ANCHORS:,} images at most, mirrored ones included, but got "
                f"{anchors:,}; take the recipe 'small' or 'conditional'."
            )
        if len(training) < FEW_IMAGES:
            warnings.warn(
                f"There are {len(training)} images, and under {FEW_IMAGES} a generator does little but repeat them. "
                "Start from a pretrained generator (init), and compare with ordinary augmentation.",
                UserWarning,
                stacklevel=3,
            )
        if held_out is not None and len(held_out) < LEAST_HELD_OUT:
            warnings.warn(
                f"{len(held_out)} held-out images are too few for KID to choose a generator by ({LEAST_HELD_OUT} at "
                "least): the last one is kept.",
                UserWarning,
                stacklevel=3,
            )
        return training, held_out

    def _images(self, dataset: Any, channels: int | None = None) -> TrainingImages:
        recipe = self.recipe
        return TrainingImages.from_dataset(
            open_images(dataset),
            recipe.image_size,
            recipe.resize_mode,
            channels=recipe.channels if channels is None else channels,
            conditional=recipe.conditional,
            progress=self.progress and is_first(),
        )

    def train(self, training: TrainingImages, held_out: TrainingImages | None, start: Start | None) -> FitResult:
        """Trains to the end, from the newest checkpoint of the folder if there is one."""
        state = None if self.folder is None else self.folder.checkpoints.load_newest()
        if state is None and start is None and self.init is not None:
            raise ValueError(f"The run must have a checkpoint to go on from {self.init}, but has none; start it again.")
        with torch.random.fork_rng(), threads_kept():  # each step seeds its own
            trainer = Trainer(training, self.recipe, self.seed, start)
            main = trainer.accelerator.is_main_process
            folder = self.folder if main else None
            if state is None:
                trainer.prepare(self._seconds_to_prepare())
            else:
                _restore(trainer, state)
            accelerator().wait_for_everyone()  # all have read the same checkpoint before the next is written
            augmented = bool(self.recipe.augment) and (
                self.recipe.objective == "adversarial" or self.recipe.coverage < 1
            )
            monitor = Monitor(training, held_out, self.seed, augmented)
            loop = Loop(
                trainer,
                monitor,
                folder,
                started=self.started,
                budget=self.budget,
                checkpoint_every=self.checkpoint_every,
                progress=self.progress and main,
                tracker=self._tracker() if main else None,
            )
            if folder is not None:
                folder.rewind(trainer.step_number)
                if state is None:
                    loop.save()  # from which a run can go on that is killed at once, pretrained weights and all
            loop.run()
            if loop.tracker is not None:
                loop.tracker.finish()
            result = conclude(trainer, monitor, self.folder.path if self.folder else None, self.init, self.budget)
        if folder is not None:
            trained = self.recipe.adversarial  # a discriminator that has learned nothing is no start for another run
            save_pretrained(
                result.generator, folder.generator, discriminator=trainer.discriminator if trained else None
            )
            _draw(folder)
        return result

    def _seconds_to_prepare(self) -> float | None:
        if self.budget is None:
            return None
        elapsed = time.perf_counter() - self.started
        return max(PREPARATION * self.budget - elapsed, LEAST_PREPARATION * self.budget)

    def _tracker(self) -> Any:
        if self.log_with is None or self.folder is None:
            return None
        from accelerate.tracking import TensorBoardTracker

        tracker = TensorBoardTracker("tensorboard", str(self.folder.path))
        getattr(tracker, "start", lambda: None)()  # of newer versions
        return tracker


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):  # of what stands in for a package
        return False


def _restore(trainer: Trainer, state: dict[str, Any]) -> None:
    """Restores a checkpoint; it may belong to another run, or have been edited."""
    try:
        trainer.load_state_dict(state)
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(
            f"The checkpoint must be of the run that config.json describes, but does not fit it ({reason}); "
            "restore both from a backup, or start the run again."
        ) from error


def _checked_validation(training: TrainingImages, held_out: TrainingImages) -> TrainingImages:
    """Checks that validation images can choose the generator, and drops those that are also trained on."""
    if held_out.num_classes not in (0, training.num_classes):
        raise ValueError(
            f"validation must have the {training.num_classes} classes of dataset, but has {held_out.num_classes}."
        )
    ours, theirs = training.class_names, held_out.class_names
    differing = None if ours is None or theirs is None else differing_class(ours, theirs)
    if ours is not None and theirs is not None and differing is not None:
        raise ValueError(
            f"validation must have the classes of dataset in the same order, but class {differing} is "
            f"{theirs[differing]!r} instead of {ours[differing]!r}."
        )
    unseen = ~torch.isin(held_out.hashes, training.hashes)
    shared = int((~unseen).sum())
    if shared > MAX_SHARED * len(held_out):
        raise ValueError(
            f"validation must hold images that are not trained on, but {shared:,} of its {len(held_out):,} are in "
            "dataset too; leave them out of one of the two."
        )
    if shared == 0:
        return held_out
    warnings.warn(
        f"{shared:,} of validation's {len(held_out):,} images are in dataset too, and are left out of validation.",
        UserWarning,
        stacklevel=4,
    )
    return held_out.subset(unseen.nonzero().flatten())


def _draw(folder: RunFolder) -> None:
    """Draws the pictures of a run that the installed packages can draw."""
    if folder.grids():
        folder.save_animation()
    if any("generator" in line or "reconstruction" in line for line in folder.metrics()):
        with contextlib.suppress(ModuleNotFoundError):  # the run began with a warning
            folder.save_plot()
