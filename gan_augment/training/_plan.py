"""A run from its request to its generator: reading the images, training, saving the result."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from .._core import check_number, differing_class, one_line
from ..data import TrainingImages, open_images
from ..models import MAX_ANCHORS, load_feature_maps, save_pretrained
from ._finetune import Start
from ._loop import Loop
from ._preparation import prepare
from ._result import FitResult, conclude
from ._schedule import StepSchedule
from ._trainer import Trainer
from .recipes._recipe import Recipe
from .runs._folder import RunFolder
from .runs._monitor import LEAST_HELD_OUT, Monitor
from .runs._pictures import check_plotting
from .runs._processes import accelerator, is_first, threads_kept
from .runs._trackers import Trackers, check_trackers

FEW_IMAGES = 100
PREPARATION, LEAST_PREPARATION = 0.1, 0.03  # shares of the budget; the second applies if reading took the first
MAX_SHARED = 0.1  # largest share of the validation images that may be in the data set too, as in a careless split


@dataclass(frozen=True)
class Plan:
    """What :func:`fit` and :func:`resume` were asked for; see there for the options."""

    recipe: Recipe
    seed: int
    budget: float | None
    folder: RunFolder | None
    progress: bool
    checkpoint_every: float
    log_with: str | Sequence[str] | None
    on_step: Callable[[], object] | None
    init: str | None
    allow_synthetic: bool
    started: float  # time.perf_counter() at which the budget starts

    def __post_init__(self) -> None:
        check_number("checkpoint_every", self.checkpoint_every)
        if not self.checkpoint_every >= 0:
            raise ValueError(f"checkpoint_every must be at least 0 seconds, but got {self.checkpoint_every} instead.")
        if self.on_step is not None and not callable(self.on_step):
            raise TypeError(f"on_step must be a callable or None, but got {type(self.on_step)} instead.")
        trackers = check_trackers(self.log_with)
        self.recipe.new_optimizer([torch.nn.Parameter(torch.zeros(1))], 1e-4)  # both refuse what torch does not take
        StepSchedule(self.recipe)
        if self.recipe.pretrained:
            load_feature_maps(self.recipe.features, accelerator().device)
        if trackers and self.folder is None:
            raise ValueError("out must be given with log_with: the trackers keep their files in this folder.")
        if self.written is not None:
            try:
                check_plotting()
            except ModuleNotFoundError as error:
                warnings.warn(f"The run will have no losses.png. {error}", UserWarning, stacklevel=4)

    def check_start(self, start: Start | None) -> None:
        """Checks that fine-tuning trains every layer that is not pretrained."""
        recipe = self.recipe
        if recipe.tune != "all" and start is None:
            raise ValueError(
                f"tune={recipe.tune!r} requires init, a pretrained generator whose other weights are kept."
            )
        if recipe.freeze_discriminator and (start is None or start.kept_discriminator(recipe) is None):
            raise ValueError("freeze_discriminator needs an init with a discriminator that was saved with it.")
        size = recipe.image_size if start is None else start.generator.config.image_size
        if (recipe.tune != "all" or recipe.freeze_discriminator) and size != recipe.image_size:
            raise ValueError(
                f"With tune or freeze_discriminator, image_size must be {size}, the size of init, but got "
                f"{recipe.image_size}: another size would add layers that are not trained."
            )

    @property
    def written(self) -> RunFolder | None:
        """The folder in the first process, and None in the others, which do not write."""
        return self.folder if self.folder is not None and is_first() else None

    def check_new(self) -> None:
        if self.written is not None:
            self.written.check_new()

    def held(self) -> AbstractContextManager[None]:
        return nullcontext() if self.written is None else self.written.held()

    def create(self, config: dict[str, Any]) -> None:
        if self.written is not None:
            self.written.create(config)

    def read(self, dataset: Any, validation: Any) -> tuple[TrainingImages, TrainingImages | None]:
        """Returns the images to train on, and the held-out ones."""
        recipe, training, held_out = self.recipe, self._images("dataset", dataset, self.recipe.channels), None
        if validation is not None:
            others = self._images("validation", validation, training.images.shape[1])
            held_out = _checked_validation(training, others)
        elif recipe.held_out:
            training, held_out = training.split(recipe.held_out, self.seed)
        anchors = len(training) * (2 if recipe.anchors_mirrored else 1)
        if recipe.objective == "anchored" and anchors > MAX_ANCHORS:
            raise ValueError(
                f"objective='anchored' takes at most {MAX_ANCHORS:,} images, including mirrored ones, but got "
                f"{anchors:,}; use the recipe 'small' or 'conditional'."
            )
        if len(training) < FEW_IMAGES:
            warnings.warn(
                f"There are only {len(training)} images. With fewer than {FEW_IMAGES}, a generator does little more "
                "than repeat its training images. Start from a pretrained generator (init), and compare with ordinary "
                "augmentation.",
                UserWarning,
                stacklevel=3,
            )
        if held_out is not None and len(held_out) < LEAST_HELD_OUT:
            warnings.warn(
                f"{len(held_out)} held-out images are too few to choose a generator by KID, which needs at least "
                f"{LEAST_HELD_OUT}. The last generator is kept.",
                UserWarning,
                stacklevel=3,
            )
        return training, held_out

    def _images(self, name: str, dataset: Any, channels: int | None) -> TrainingImages:
        return TrainingImages.from_dataset(
            open_images(dataset),
            self.recipe.image_size,
            self.recipe.resize_mode,
            channels=channels,
            conditional=self.recipe.conditional,
            allow_synthetic=self.allow_synthetic,
            name=name,
            remedy="remove them, or pass allow_synthetic=True (in a shell: --allow-synthetic)",
            progress=self.progress and is_first(),
        )

    def train(self, training: TrainingImages, held_out: TrainingImages | None, start: Start | None) -> FitResult:
        """Trains to the end, from the newest checkpoint of the folder if there is one."""
        state = None if self.folder is None else self.folder.checkpoints.load_newest()
        if state is None and start is None and self.init is not None:
            raise ValueError(
                f"The run that started from {self.init} must have a checkpoint to be resumed, but has none; start it "
                "again."
            )
        folder, trained = self.written, self.recipe.adversarial
        with torch.random.fork_rng(), threads_kept():  # each step sets its own seed
            trainer = Trainer(training, self.recipe, self.seed, start)
            if state is None:
                prepare(trainer, self._seconds_to_prepare())
            else:
                _restore(trainer, state)
            accelerator().wait_for_everyone()  # all must read the same checkpoint before the next one is written
            monitor = Monitor(training, held_out, self.seed, augmented=bool(self.recipe.augment) and trained)
            loop = Loop(self, trainer, monitor)
            if folder is not None:
                folder.rewind(trainer.step_number)
                if state is None:
                    loop.save()  # a run that is killed at once goes on from here, with its pretrained weights
            with self._tracking(loop):
                loop.run()
            result = conclude(trainer, monitor, self.folder.path if self.folder else None, self.init, self.budget)
        if folder is not None:
            # A discriminator that has learned nothing must not start another run.
            judge = trainer.discriminator if trained else None
            save_pretrained(result.generator, folder.generator, discriminator=judge)
            _draw(folder)
        return result

    def _seconds_to_prepare(self) -> float | None:
        if self.budget is None:
            return None
        elapsed = time.perf_counter() - self.started
        return max(PREPARATION * self.budget - elapsed, LEAST_PREPARATION * self.budget)

    @contextlib.contextmanager
    def _tracking(self, loop: Loop) -> Iterator[None]:
        """Gives the loop the trackers, which end with it."""
        if self.written is None or not (names := check_trackers(self.log_with)):
            yield
            return
        settings = {**self.recipe.to_dict(), "seed": self.seed}
        loop.trackers = Trackers(names, self.written.path, settings, loop.trainer.step_number)
        try:
            yield
        finally:
            loop.trackers.finish()


def _restore(trainer: Trainer, state: dict[str, Any]) -> None:
    """Restores a checkpoint, which may belong to another run or be edited."""
    try:
        trainer.load_state_dict(state)
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise ValueError(
            f"The checkpoint must be of the run that config.json describes, but does not match it ({one_line(error)}); "
            "restore both from a backup, or start the run again."
        ) from error


def _checked_validation(training: TrainingImages, held_out: TrainingImages) -> TrainingImages:
    """Checks that validation images can choose the generator, and drops those that are also trained on."""
    if held_out.num_classes not in (0, training.num_classes):
        raise ValueError(
            f"validation must have the {training.num_classes} classes of dataset, but has {held_out.num_classes}."
        )
    ours, theirs = training.class_names, held_out.class_names
    if ours is not None and theirs is not None:
        differing = differing_class(ours, theirs)
        if differing is not None:
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
    """Draws the pictures of a run. Without matplotlib there is no plot, which a warning said at the start."""
    if folder.grids():
        folder.save_animation()
    if any("generator" in line or "reconstruction" in line for line in folder.metrics()):
        with contextlib.suppress(ModuleNotFoundError):
            folder.save_plot()
