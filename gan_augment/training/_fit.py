"""Fitting a generator: one small loop, of which every step is a function of the state and its number."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from tqdm.auto import tqdm

from .._version import __version__
from ..hub import Card
from ..models import Generator, check_seed
from ._data import TrainingImages
from ._recipe import Recipe, get_recipe
from ._run import RunFolder
from ._trainer import Trainer

MAX_BUDGET = 366 * 24 * 3600.0
LOG_EVERY = 100
LOG_EVERY_SECONDS = 10.0
FEW_STEPS = 1000
BAR = "{desc}: {percentage:3.0f}%|{bar:20}| {elapsed}<{remaining} {postfix}"
GRID_EVERY_SECONDS = 60.0
CHECKPOINT_EVERY_SECONDS = 60.0


@dataclass(frozen=True)
class FitResult:
    """What :func:`fit` gives back.

    Attributes:
        generator (Generator): The averaged generator in eval mode, with its card.
        steps (int): Steps made.
        seconds (float): Wall-clock time that they took, over all restarts.
        losses (dict): The last losses.
        folder (Path, optional): The run's folder.
    """

    generator: Generator
    steps: int
    seconds: float
    losses: dict[str, float]
    folder: Path | None


def fit(
    dataset: Dataset[Any],
    recipe: str | Recipe = "tiny",
    *,
    budget: float | str | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    progress: bool = True,
    **overrides: Any,
) -> FitResult:
    """Fits a generator to a data set.

    Args:
        dataset (Dataset): Map-style; items are images (PIL, uint8 or float 0..1), or ``(image, label)``.
            They are read once, as the data set gives them: leave random transforms out, which would be
            frozen, and pass ``flip`` or ``augment`` here.
        recipe (str or Recipe): ``"tiny"`` (hundreds of images), ``"conditional"`` (thousands, with
            classes), or a recipe of your own.
        budget (float or str, optional): Wall-clock seconds, or such as ``"90s"``, ``"20m"``, ``"2h"``;
            the run ends at the recipe's steps or here, whichever is first. With a budget the schedule
            follows the clock, so that two runs differ in their last bits. Default: no limit.
        out (str or Path, optional): Folder of the run: config.json, metrics.jsonl, sample grids,
            checkpoints and ``generator/``, for :func:`from_pretrained`. Default: nothing is written.
        seed (int): The run is a function of it, up to how processors round.
        progress (bool): Whether to show a bar.
        **overrides: Fields of the recipe.

    Returns:
        FitResult: With the generator.

    Raises:
        ValueError: If an argument is out of range, ``out`` is not new or empty, or the data are no
            labelled images where the recipe is conditional.
        TypeError: If the data set is not map-style.
        RuntimeError: If the losses diverge.

    Example:
        >>> images = torch.rand(16, 1, 16, 16)
        >>> result = fit(images, image_size=16, steps=2, generator_width=8, progress=False)
        >>> result.generator.sample(3).shape
        torch.Size([3, 1, 16, 16])
    """
    chosen = get_recipe(recipe, **overrides)
    seconds = parse_budget(budget)
    folder = None if out is None else RunFolder(Path(out))
    seed = check_seed(seed)
    if folder is not None:
        folder.check_new()
    images = chosen.read(dataset, progress)
    if folder is not None:
        folder.create(
            {
                "format": 1,
                "gan_augment": __version__,
                "torch": str(torch.__version__),
                "recipe": chosen.to_dict(),
                "recipe_name": recipe if isinstance(recipe, str) else None,
                "seed": seed,
                "budget": seconds,
                "images": images.digest(),
            }
        )
    return _train(images, chosen, seconds, folder, seed, progress)


def resume(
    folder: str | Path,
    dataset: Dataset[Any],
    *,
    budget: float | str | None = None,
    progress: bool = True,
) -> FitResult:
    """Goes on with a run that was stopped, from its last checkpoint.

    Args:
        folder (str or Path): ``out`` of the :func:`fit` that was stopped.
        dataset (Dataset): The same data set as then.
        budget (float or str, optional): Of the whole run, what was used before included.
            Default: as it was.
        progress (bool): Whether to show a bar.

    Raises:
        ValueError: If the folder holds no run, or the data set other images.
    """
    run = RunFolder(Path(folder))
    config = run.read_config()
    recipe = Recipe.from_dict(config["recipe"])
    images = recipe.read(dataset, progress)
    if images.digest() != config["images"]:
        raise ValueError(f"dataset must hold the images of the run, {config['images']}, but got {images.digest()}.")
    seconds = config["budget"] if budget is None else parse_budget(budget)
    return _train(images, recipe, seconds, run, config["seed"], progress)


def parse_budget(budget: float | str | None) -> float | None:
    """Seconds out of a number or such as ``"90s"``, ``"20m"``, ``"2h"``.

    Raises:
        ValueError: If it is neither, or not positive.

    Example:
        >>> parse_budget("20m")
        1200.0
    """
    if budget is None:
        return None
    number, unit = (budget[:-1], budget[-1:]) if isinstance(budget, str) else (budget, "s")
    try:
        seconds = float(number) * {"s": 1, "m": 60, "h": 3600}[unit]
    except (ValueError, TypeError, KeyError):
        seconds = -1.0
    if not 0 < seconds <= MAX_BUDGET:
        raise ValueError(f"budget must be seconds or such as '90s', '20m' or '2h', but got {budget!r} instead.")
    return seconds


def _train(
    images: TrainingImages,
    recipe: Recipe,
    budget: float | None,
    folder: RunFolder | None,
    seed: int,
    progress: bool,
) -> FitResult:
    with torch.random.fork_rng():  # each step seeds its own
        trainer = Trainer(images, recipe, seed)
        state = folder.load_checkpoint() if folder is not None else None
        if state is not None:
            trainer.load_state_dict(state)
        if folder is not None:
            folder.truncate_metrics(trainer.step_number)
        _loop(trainer, budget, folder, progress)
    losses = trainer.losses()
    if budget is not None and trainer.step_number < min(FEW_STEPS, recipe.steps):
        warnings.warn(
            f"The budget ended after {trainer.step_number} steps, too few for images that look real: look at samples "
            "before you mix them, and resume the run with a larger budget.",
            UserWarning,
            stacklevel=3,
        )
    generator = trainer.averaged_generator().requires_grad_(True)
    generator.card = _card(images, recipe, trainer, seed, losses)
    if folder is not None:
        folder.save_grid(generator, trainer.step_number)
        generator.save_pretrained(folder.generator)
    return FitResult(generator, trainer.step_number, trainer.seconds, losses, None if folder is None else folder.path)


def _loop(trainer: Trainer, budget: float | None, folder: RunFolder | None, progress: bool) -> None:
    steps = trainer.recipe.steps
    last_grid = last_checkpoint = last_log = trainer.seconds
    logged = trainer.step_number
    with tqdm(total=1.0, desc="Fitting", bar_format=BAR, disable=not progress) as bar:
        while trainer.step_number < steps and (budget is None or trainer.seconds < budget):
            done = trainer.step_number / steps
            done = done if budget is None else max(done, trainer.seconds / budget)
            bar.update(done - bar.n)
            started = time.perf_counter()
            trainer.step(done)
            seconds = trainer.seconds + time.perf_counter() - started
            if trainer.step_number % LOG_EVERY == 0 or seconds - last_log > LOG_EVERY_SECONDS:
                last_log, logged = seconds, trainer.step_number
                _log(trainer, seconds, bar, folder)
            if folder is not None and trainer.seconds - last_grid > GRID_EVERY_SECONDS:
                last_grid = trainer.seconds
                folder.save_grid(trainer.averaged_generator(), trainer.step_number)
            trainer.seconds += time.perf_counter() - started
            if folder is not None and trainer.seconds - last_checkpoint > CHECKPOINT_EVERY_SECONDS:
                last_checkpoint = trainer.seconds
                folder.save_checkpoint(trainer.state_dict())
        bar.update(1 - bar.n)
        if trainer.step_number > logged:
            _log(trainer, trainer.seconds, bar, folder)
    if folder is not None:
        folder.save_checkpoint(trainer.state_dict())


def _log(trainer: Trainer, seconds: float, bar: tqdm[Any], folder: RunFolder | None) -> None:
    losses, step = trainer.losses(), trainer.step_number
    shown = ", ".join(f"{key} {value:.2f}" for key, value in losses.items())
    bar.set_postfix_str(f"step {step}, {step * trainer.recipe.batch_size / seconds:.0f} img/s, {shown}", refresh=False)
    if folder is not None:
        folder.log({"step": step, "seconds": round(seconds, 2), **losses})


def _card(images: TrainingImages, recipe: Recipe, trainer: Trainer, seed: int, losses: dict[str, float]) -> Card:
    return Card(
        name="dcgan",
        training={
            "images": len(images),
            "images_per_class": images.class_counts(),
            "steps": trainer.step_number,
            "batch_size": recipe.batch_size,
            "seconds": round(trainer.seconds),
            "seed": seed,
            "loss": recipe.loss,
            "final_losses": {key: round(value, 4) for key, value in losses.items()},
            "recipe": {
                key: list(value) if isinstance(value, tuple) else value for key, value in recipe.to_dict().items()
            },
            "precision": "bf16" if trainer.bfloat16 else "fp32",
            "versions": {"gan_augment": __version__, "torch": str(torch.__version__)},
        },
        fingerprints=images.fingerprints,
    )
