"""The functions that train a generator."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
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
from .recipes._recipe import Recipe, check_overrides, get_recipe
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
    allow_synthetic: bool = False,
    progress: bool = True,
    checkpoint_every: float = 60.0,
    log_with: str | Sequence[str] | None = None,
    on_step: Callable[[], object] | None = None,
    **overrides: Any,
) -> FitResult:
    """Trains a generator on a data set.

    Args:
        dataset (Dataset or str): A map-style data set whose items are images (PIL, uint8, or float 0..1) or
            ``(image, label)``, or anything that :func:`open_images` takes: a folder, an ``.npz`` file,
            ``"torchvision:<Name>"``. Items are read once, so leave out random transforms: they would be frozen. Recipes
            with a discriminator have ``flip`` and ``augment`` instead.
        recipe (str or Recipe): A name in :data:`RECIPES`, or your own recipe. Default: ``"tiny"``.
        init (str, Path or Generator, optional): A pretrained generator to start from: a zoo name, a folder or a
            generator. The new generator starts from its shape and weights, and the new discriminator from the one that
            was saved with it, if there is one.
        budget (float or str, optional): Wall-clock seconds, or a string such as ``"90s"``, ``"20m"``, ``"2h"``. The run
            ends after the recipe's steps or after this time, whichever is first. The time for reading the images
            counts too; other preparation takes at most a tenth of the budget. With a budget, the schedule follows the
            clock, and a CPU tries several numbers of threads, so two runs differ. Default: no limit.
        out (str or Path, optional): New folder of the run: config.json, metrics.jsonl, sample grids, plots, checkpoints
            and ``generator/``, for :func:`from_pretrained`. Default: nothing is written.
        seed (int): Seed of the run. The same seed gives the same run, apart from rounding differences between
            processors. Default: 0.
        validation (Dataset or str, optional): Images of the same classes that are used to choose the best generator,
            and not for training. Default: the recipe's ``held_out`` share of ``dataset``.
        allow_synthetic (bool): Whether to train on images that are marked as synthetic, such as exports of this
            package; see :func:`gan_augment.data.find_marked`. The card then says how many there are. Default: False.
        progress (bool): Whether to show a progress bar. Default: True.
        checkpoint_every (float): Seconds between checkpoints. Default: 60.
        log_with (str or sequence of str, optional): Experiment trackers that also get the metrics: ``"tensorboard"``,
            ``"wandb"``, ``"mlflow"`` or several. Each needs its package. If one fails during the run, a warning says
            so, and the run goes on. Default: none.
        on_step (callable, optional): Called after each step.
        **overrides: Fields of the recipe to override.

    Returns:
        FitResult: The result, with the generator.

    Raises:
        ValueError: If an argument is out of range, an override has no effect under the recipe, ``out`` is not empty, a
            conditional recipe gets images without labels, images are marked as synthetic, the images do not suit
            ``init``, or ``validation`` has other classes or shares more than a tenth of its images with the training
            images.
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
        on_step=on_step,
        init=None if start is None else start.name,
        allow_synthetic=allow_synthetic,
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
        "allow_synthetic": allow_synthetic,
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
    """Returns the recipe that :func:`fit` uses with these arguments, and the networks that it starts from.

    Raises:
        ValueError: If there is no such recipe, an override has no effect under it, or it does not suit ``init``.
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
    allow_synthetic: bool = False,
    progress: bool = True,
    checkpoint_every: float = 60.0,
    log_with: str | Sequence[str] | None = None,
    on_step: Callable[[], object] | None = None,
) -> FitResult:
    """Continues a run that was stopped, from its newest complete checkpoint.

    Args:
        folder (str or Path): The ``out`` of the :func:`fit` that was stopped.
        dataset (Dataset or str, optional): The same data set again. Default: the name that was passed to :func:`fit`,
            if it was a name.
        budget (float or str, optional): Budget of the whole run, including the time before it stopped. Default: as
            before.
        validation (Dataset or str, optional): The same validation images again.
        allow_synthetic (bool): Whether to train on images that are marked as synthetic. A run that was started with
            True keeps it. Default: False.
        progress (bool): Whether to show a progress bar. Default: True.
        checkpoint_every (float): Seconds between checkpoints. Default: 60.
        log_with (str, optional): See :func:`fit`.
        on_step (callable, optional): Called after each further step.

    Raises:
        ValueError: If the folder holds no run, another process works in it, the data set has other images, or images
            are marked as synthetic.
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
        on_step=on_step,
        init=config["init"],
        allow_synthetic=allow_synthetic or config.get("allow_synthetic") is True,
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
    """Returns seconds from a number, or from a string such as ``"90s"``, ``"20m"`` or ``"2h"``. None stays None.

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
        raise ValueError(f"budget must be seconds or a string like '90s', '20m' or '2h', but got {budget!r} instead.")
    return seconds


def _name(dataset: Any) -> str | None:
    """Returns the name that opens the data set again, if it has one."""
    if not isinstance(dataset, (str, os.PathLike)):
        return None
    name = os.fspath(dataset)
    return name if name.startswith("torchvision:") else os.path.abspath(name)  # so that any folder can resume the run
