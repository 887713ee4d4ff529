"""Fitting a generator: what a user calls, around the loop."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

from .._core import check_seed
from .._version import __version__
from ..models import Generator
from ._finetune import Start
from ._plan import Plan
from ._result import FitResult
from .recipes._recipe import Recipe, check_overrides
from .recipes._recipes import get_recipe
from .runs._folder import RunFolder

MAX_BUDGET = 366 * 24 * 3600.0


def fit(
    dataset: Dataset[Any] | str | os.PathLike[str],
    recipe: str | Recipe = "tiny",
    *,
    init: str | os.PathLike[str] | Generator | None = None,
    budget: float | str | None = None,
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    validation: Dataset[Any] | str | os.PathLike[str] | None = None,
    progress: bool = True,
    checkpoint_every: float = 60.0,
    log_with: str | None = None,
    **overrides: Any,
) -> FitResult:
    """Fits a generator to a data set.

    Args:
        dataset (Dataset or str): Map-style; items are images (PIL, uint8 or float 0..1), or
            ``(image, label)``. They are read once, as the data set gives them: leave random transforms
            out, which would be frozen; recipes with a discriminator have ``flip`` and ``augment``. Or what
            :func:`open_images` takes: a folder, an ``.npz``, ``"torchvision:<Name>"``.
        recipe (str or Recipe): A name of :data:`RECIPES`, or a recipe of your own.
        init (str, Path or Generator, optional): A zoo name, a folder or a generator to go on from; the
            recipe's networks take its shape. Its discriminator is used where it has one.
        budget (float or str, optional): Wall-clock seconds, or a string such as ``"90s"``, ``"20m"``, ``"2h"``.
            The run ends at the recipe's steps or here, whichever is first. Reading the images counts, and at most a
            tenth of the budget is spent before the first step, unless reading takes longer. With a budget the
            schedule follows the clock, and a CPU uses as many threads as a few trials show to be fastest, so that
            two runs differ. Default: no limit.
        out (str or Path, optional): Folder of the run: config.json, metrics.jsonl, sample grids, plots,
            checkpoints and ``generator/``, for :func:`from_pretrained`. Default: nothing is written.
        seed (int): The run is a function of it, up to how processors round.
        validation (Dataset or str, optional): Images that are not trained on, of the same classes, to choose
            the kept generator by; in place of the recipe's ``held_out``.
        progress (bool): Whether to show a bar.
        checkpoint_every (float): Seconds between checkpoints.
        log_with (str, optional): ``"tensorboard"`` writes the metrics for it to ``out`` as well.
        **overrides: Fields of the recipe.

    Returns:
        FitResult: With the generator.

    Raises:
        ValueError: If an argument is out of range, an override cannot act under the recipe, ``out`` is not
            new or empty, the data are no labelled images where the recipe is conditional, or do not fit
            ``init``, or ``validation`` has other classes or shares over a tenth of its images with them.
        TypeError: If the data set is not map-style.
        RuntimeError: If the losses diverge.

    Example:
        >>> images = torch.rand(100, 1, 16, 16)
        >>> result = fit(images, image_size=16, steps=2, generator_width=8, progress=False)
        >>> result.generator.sample(3).shape
        torch.Size([3, 1, 16, 16])
    """
    started = time.perf_counter()
    chosen, start = resolve_recipe(recipe, init, overrides)
    plan = Plan(
        recipe=chosen,
        seed=check_seed(seed),
        budget=parse_budget(budget),
        folder=None if out is None else RunFolder(Path(out)),
        progress=progress,
        checkpoint_every=checkpoint_every,
        log_with=log_with,
        init=None if start is None else start.name,
        started=started,
    )
    plan.check_start(start)
    plan.check_new()
    training, held_out = plan.read(dataset, validation)
    config = {
        "gan_augment": __version__,
        "torch": str(torch.__version__),
        "recipe_name": recipe if isinstance(recipe, str) else None,
        "recipe": chosen.to_dict(),
        "init": plan.init,
        "seed": plan.seed,
        "budget": plan.budget,
        "data": _name(dataset),
        "validation": _name(validation),
        "images": training.digest(),
        "held_out": None if held_out is None else held_out.digest(),
    }
    with plan.held():
        plan.check_new()  # again, as another process may have begun while this one read the images
        plan.create(config)
        return plan.train(training, held_out, start)


def resolve_recipe(
    recipe: str | Recipe, init: str | os.PathLike[str] | Generator | None, overrides: dict[str, Any]
) -> tuple[Recipe, Start | None]:
    """The recipe of a :func:`fit` with these arguments, and what it goes on from.

    Raises:
        ValueError: If there is no such recipe, an override cannot act under it, or it does not suit ``init``.
    """
    base, chosen = get_recipe(recipe), get_recipe(recipe, **overrides)
    check_overrides(chosen, {name: value for name, value in overrides.items() if value != getattr(base, name)})
    start = None if init is None else Start.load(init)
    return chosen if start is None else start.adapt_recipe(chosen, overrides), start


def resume(
    folder: str | os.PathLike[str],
    dataset: Dataset[Any] | str | os.PathLike[str] | None = None,
    *,
    budget: float | str | None = None,
    validation: Dataset[Any] | str | os.PathLike[str] | None = None,
    progress: bool = True,
    checkpoint_every: float = 60.0,
    log_with: str | None = None,
) -> FitResult:
    """Goes on with a run that was stopped, from its newest whole checkpoint.

    Args:
        folder (str or Path): ``out`` of the :func:`fit` that was stopped.
        dataset (Dataset or str, optional): The same data set as then. Default: what was named then, where
            it was a name and not a data set.
        budget (float or str, optional): Of the whole run, what was used before included.
            Default: as it was.
        validation (Dataset or str, optional): The same as then.
        progress (bool): Whether to show a bar.
        checkpoint_every (float): Seconds between checkpoints.
        log_with (str, optional): As for :func:`fit`.

    Raises:
        ValueError: If the folder holds no run, another process works in it, or the data set has other images.
    """
    started, run = time.perf_counter(), RunFolder(Path(folder))
    config = run.read_config("recipe", "seed", "budget", "images", "held_out", "data", "validation", "init")
    dataset = config["data"] if dataset is None else dataset
    validation = config["validation"] if validation is None else validation
    if dataset is None:
        raise ValueError("dataset must be given again, because the run was started with a data set in memory.")
    plan = Plan(
        recipe=Recipe.from_dict(config["recipe"]),
        seed=config["seed"],
        budget=config["budget"] if budget is None else parse_budget(budget),
        folder=run,
        progress=progress,
        checkpoint_every=checkpoint_every,
        log_with=log_with,
        init=config["init"],
        started=started,
    )
    with plan.held():
        training, held_out = plan.read(dataset, validation)
        given = (("dataset", training, config["images"]), ("validation", held_out, config["held_out"]))
        for name, images, known in given:
            found = None if images is None else images.digest()
            if found != known:
                raise ValueError(f"{name} must hold the images of the run, {known}, but got {found}.")
        if plan.budget != config["budget"]:
            plan.create({**config, "budget": plan.budget})
        return plan.train(training, held_out, None)


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
    number, unit = (
        (budget[:-1], budget[-1:]) if isinstance(budget, str) and not budget[-1:].isdigit() else (budget, "s")
    )
    try:
        seconds = float(number) * {"s": 1, "m": 60, "h": 3600}[unit]
    except (ValueError, TypeError, KeyError):
        seconds = -1.0
    if not 0 < seconds <= MAX_BUDGET:
        raise ValueError(f"budget must be seconds or such as '90s', '20m' or '2h', but got {budget!r} instead.")
    return seconds


def _name(dataset: Any) -> str | None:
    """What a data set is opened by again, if by anything."""
    if not isinstance(dataset, (str, os.PathLike)):
        return None
    name = os.fspath(dataset)
    return name if name.startswith("torchvision:") else os.path.abspath(name)  # resumed from anywhere
