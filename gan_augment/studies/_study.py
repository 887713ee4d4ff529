"""Measures whether mixing helps: the whole study in one call."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Sequence
from typing import Any

from torch.utils.data import Dataset

from .._version import __version__
from ..evaluation import ClassifierLike, OnSeen, default_classifiers, load_classifier, with_lr
from ._checks import check_exposure, check_request, study_keys
from ._conclude import conclude
from ._fitting import Fitting, LoadedSource
from ._folder import study_folder, write_config
from ._jobs import Runner
from ._reference import Reference
from ._result import StudyResult
from ._run import StudyRun
from ._settings import METRICS, PRESETS, Settings, as_filter_sets, as_tuple, resolve_device
from ._splits import StudyData


def study(
    dataset: Dataset[Any] | str | os.PathLike[str],
    source: Any = None,
    *,
    test: Dataset[Any] | str | os.PathLike[str] | float = 0.25,
    recipe: Any = None,
    init: Any = None,
    budget: float | str | None = None,
    fit_options: dict[str, Any] | None = None,
    groups: Sequence[Hashable] | str | None = None,
    image_size: int | None = None,
    count: int | None = None,
    validation: float = 0.2,
    mode: str = "replace",
    ratios: Sequence[float] | float | None = None,
    labels: Any = "same",
    filters: Any = None,
    augment: Sequence[str] | str | None = None,
    metric: str | None = None,
    classifier: ClassifierLike | Sequence[ClassifierLike] | None = None,
    controls: Sequence[str] | str | None = None,
    reference: Dataset[Any] | str | os.PathLike[str] | None = None,
    seeds: int = 5,
    splits: int | None = None,
    steps: int | None = None,
    batch_size: int = 64,
    lr: float | None = None,
    pool_size: int | None = None,
    preset: str = "full",
    on_seen: OnSeen = "refuse",
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    processes: int = 1,
    precision: str = "auto",
    device: str = "auto",
    progress: bool = True,
    name: str | None = None,
    command: str | None = None,
) -> StudyResult:
    """Measures whether mixing in synthetic images helps a classifier on your data, and at which ratio.

    The study first looks for a strong baseline without synthetic images: on the validation images, it chooses the
    hyperparameters of each classifier, the ordinary augmentation and the classifier. With the same settings and paired
    seeds, it then adds synthetic images at several ratios, or real images in their place (the controls). The ratio, the
    labels and the filter are also chosen on the validation images. The test images only decide whether the chosen
    synthetic arm differs from the baseline. The verdict is ``"helps"`` or ``"hurts"`` if the whole 95% interval of that
    difference is on one side of zero and a sign-flip test agrees, and ``"no effect shown"`` otherwise. Only ``"helps"``
    recommends a ratio above 0. A second sentence compares the chosen arm with the best control.

    Args:
        dataset (Dataset or str): Labelled images without transforms, in any form that :func:`gan_augment.fit` takes.
        source (optional): Source of synthetic images, in any form that :class:`SyntheticMix` takes. Pass either
            ``source`` or ``recipe``.
        test (Dataset, str or float): Test images of the same classes, or the share of the data set to hold out.
            Default: 0.25.
        recipe (str or Recipe, optional): Recipe that fits a generator to the training images of each split.
        init (optional): Generator to start the fitting from.
        budget (float or str, optional): Wall-clock limit of one fitting, such as ``"10m"``; the result then depends on
            the speed of the machine. Default: no time limit. A fitting then makes 1,500 steps, or 400 with the
            presets ``"quick"`` and ``"demo"``. It makes three times as many if the recipe's ``objective`` is not
            ``"anchored"``. To change this number, pass ``fit_options={"steps": 3000}``.
        fit_options (dict, optional): Other arguments of :func:`gan_augment.fit`.
        groups (sequence or str, optional): Group of each image, such as the patient; all images of a group are on the
            same side of a split. Or a regular expression whose first capture group is the image's group, matched
            against its path.
        image_size (int, optional): Side to resize the images to, in pixels. Default: their own size.
        count (int, optional): Number of training images, drawn again for each split; validation images are drawn in
            addition. Default: all images.
        validation (float): Share of validation images, drawn again for each split. Default: 0.2.
        mode (str): ``"replace"`` replaces a share of every batch. ``"balance"`` is for uneven classes: it replaces a
            share of batches in which all classes are equally frequent. The baseline is then the best of oversampling,
            class weights, logit adjustment, and plain training without any of these. The verdict *helps* also requires
            a gain over oversampling. Default: ``"replace"``.
        ratios (sequence of float, optional): Ratios to try in addition to 0. Default: 0.1, 0.25, 0.5 and 0.75; preset
            ``"quick"``: 0.25 and 0.5; preset ``"demo"``: 0.5.
        labels: One or more label policies to try; see :class:`SyntheticMix`. Default: ``"same"``.
        filters (optional): Filters to try. Each entry is None (no filter), a name, or several names to apply together:
            ``"agreement"``, ``"confidence"``, ``"density"``, ``"copies"`` and ``"discriminator"``. They use only
            training images. Default: None.
        augment (sequence of str, optional): Ordinary augmentations to try, names of :data:`AUGMENTATIONS`.
        metric (str, optional): ``"accuracy"`` or ``"balanced accuracy"``. Default: ``"balanced accuracy"`` in mode
            ``"balance"``, otherwise ``"accuracy"``.
        classifier (optional): One or more classifiers to choose from; see :func:`load_classifier`. Default:
            ``"small-cnn"`` and, if the extra ``eval`` is installed, the pretrained ``"efficientnet-lite0"``.
        controls (sequence of str, optional): Real images that take the place of synthetic ones in additional arms:
            ``"varied"`` (by :class:`ClassVariation`), ``"elastic"`` (random elastic deformations), ``"smote"`` (blends
            of two images of a class) and ``"repeated"`` (the arm ``oversampled``). Default: all; presets
            ``"quick"`` and ``"demo"``: varied and repeated.
        reference (Dataset or str, optional): Real images of the same classes, such as those that the source was trained
            on, in any form that ``dataset`` takes. One more arm mixes them in instead of synthetic images, to show how
            much worse the synthetic images are. In each split, reference images that are also training or validation
            images of this split are left out. Requires ``source``. Default: no such arm.
        seeds (int): Number of paired seeds. Default: 5.
        splits (int, optional): Number of splits into training and validation images, which the seeds use in turn.
            Each split has its own fitted generator. Fewer splits than seeds cost less and widen the interval, which is
            based on the splits. Default: one for each seed.
        steps (int, optional): Training steps of a classifier; its hyperparameters may multiply them. Default: 1,000;
            preset ``"quick"``: 400; preset ``"demo"``: 250.
        batch_size (int): Images in each step. Default: 64.
        lr (float, optional): Learning rate of all classifiers, which are then not tuned. Default: chosen on the
            validation images, like the other :class:`Hyperparameters`.
        pool_size (int, optional): Number of synthetic images that each split can draw from. Default: 10,000, or 4,000
            with the presets ``"quick"`` and ``"demo"``.
        preset (str): Defaults of ``ratios``, ``augment``, ``controls``, ``steps``, ``pool_size`` and the steps of a
            fitting: ``"full"`` is the largest study, ``"quick"`` a smaller one, and ``"demo"`` the smallest. Default:
            ``"full"``.
        on_seen (str): ``"refuse"`` raises an error if the source was trained on test images, or if they are among the
            reference images; ``"warn"`` warns, and leaves test images out of the reference images. Default:
            ``"refuse"``.
        out (str or Path, optional): Folder of the report, generators, pools and outcomes. If the study stops, call it
            again with the same arguments to continue. Default: nothing is kept.
        seed (int): Seed of all random draws. Default: 0.
        processes (int): Number of processes that train classifiers and fit generators. With more than one, the script
            requires ``if __name__ == "__main__":``, and ``classifier`` must be defined at the top level of a module.
            Default: 1.
        precision (str): Precision of the classifiers' training: ``"bf16"``, ``"fp32"``, or ``"auto"``, which is
            ``"bf16"`` on processors with fast bfloat16. Default: ``"auto"``.
        device (str): Device on which classifiers train and pools are generated: ``"cpu"``, ``"cuda"``, or ``"auto"``,
            which is a GPU with CUDA if there is one. A generator is always fitted on a GPU if there is one. On the CPU,
            each training and each fitting uses one thread, so use ``processes``. Default: ``"auto"``.
        progress (bool): Whether to show progress bars. Default: True.
        name (str, optional): Name of the data in the report. Default: the path or type of ``dataset``.
        command (str, optional): Shell command that started the study, for the report.

    Returns:
        StudyResult: The verdict and all scores. ``print`` it, or open ``report.html`` in ``out``.

    Raises:
        ValueError: If an argument is out of range, the classes do not match, the source has seen test images, images
            are marked as synthetic, ``out`` holds another study, or another process uses ``out``.
        TypeError: If a data set, source or policy has the wrong type.

    Example:
        >>> import torch
        >>> from gan_augment import SyntheticPool
        >>> labels = torch.arange(200) % 2
        >>> images = (torch.rand(200, 1, 16, 16) * 100 + 100 * labels[:, None, None, None]).byte()
        >>> data = torch.utils.data.TensorDataset(images[:100], labels[:100])
        >>> pool = SyntheticPool(images[100:], labels[100:])
        >>> quick = {"classifier": "small-cnn", "augment": "none", "lr": 0.002, "steps": 2, "seeds": 2}
        >>> result = study(data, pool, ratios=0.5, controls="repeated", **quick, progress=False)
        >>> [arm.name for arm in result.arms]
        ['no augmentation', 'synthetic 0.5', 'oversampled 0.5']
    """
    if (source is None) == (recipe is None):
        raise ValueError(
            "Pass either source or recipe: images to mix in, or how to fit a generator. Neither or both were given."
        )
    if preset not in PRESETS:
        raise ValueError(f"preset must be one of {tuple(PRESETS)}, but got {preset!r} instead.")
    if recipe is not None and reference is not None:
        raise ValueError(
            "reference must be left out with recipe, because the fitted generators are trained on the study's own "
            "images only; pass it with source."
        )
    defaults, loaded = PRESETS[preset], None if source is None else LoadedSource.load(source)
    chosen = default_classifiers() if classifier is None else as_tuple(classifier)
    classifiers = tuple(map(load_classifier, chosen))
    settings = Settings(
        classifiers=classifiers if lr is None else tuple(with_lr(each, lr) for each in classifiers),
        ratios=tuple(dict.fromkeys(as_tuple(defaults["ratios"] if ratios is None else ratios))),
        labels=as_tuple(labels),
        filters=as_filter_sets(filters),
        augment=tuple(dict.fromkeys(as_tuple(defaults["augment"] if augment is None else augment))),
        controls=tuple(dict.fromkeys(as_tuple(defaults["controls"] if controls is None else controls))),
        mode=mode,
        metric=metric or METRICS[mode == "balance"],
        seeds=seeds,
        splits=seeds if splits is None else splits,
        steps=defaults["steps"] if steps is None else steps,
        batch_size=batch_size,
        reference=reference is not None,
        lr=lr,
        pool_size=defaults["pool_size"] if pool_size is None else pool_size,
        count=count,
        validation=validation,
        seed=seed,
        processes=processes,
        precision=precision,
        device=resolve_device(device),
    )
    if loaded is not None and not (init is None and budget is None and fit_options is None):
        raise ValueError("init, budget and fit_options are for fitting: pass them with recipe, not with source.")
    origin = loaded or Fitting(recipe, init, budget, fit_options or {}, defaults["fit_steps"])
    data = StudyData.read(dataset, test, groups, image_size, seed, progress)
    parts = [data.split(index, count, validation, seed) for index in range(settings.splits)]
    seen, notes = check_exposure(data, origin, on_seen, sum(map(len, parts[0])))
    policies = check_request(settings, data, parts, origin)
    own = None
    if reference is not None and loaded is not None:
        own = Reference.read(reference, data, parts, loaded.source, on_seen, progress)
        notes += own.notes
    config = {
        "gan_augment": __version__,
        "data": name or _name_of(dataset),
        "test": _name_of(test),
        "source": f"recipe {_name_of(recipe)}" if recipe is not None else _name_of(source),
        **({} if recipe is None else {"init": _name_of(init), "budget": budget, "fit_options": str(fit_options or {})}),
        "images": data.images.digest(),
        **study_keys(origin, data, settings.classifiers, parts, None if own is None else own.images),
        "groups": groups if groups is None or isinstance(groups, str) else len(set(groups)),
        **{key: value if _fits_json(value) else str(value) for key, value in vars(settings).items()},
        "reference": _name_of(reference),
        "labels": list(policies),
        "classifiers": {each.name: list(map(str, each.trials)) for each in settings.classifiers},
        "command": command,
        "kept": out is not None,
    }
    with study_folder(out) as folder:
        write_config(folder, config)
        with Runner(processes, progress) as runner:
            run = StudyRun(folder, data, parts, settings, policies, origin, own, runner, progress)
            baseline, choice = run.run_stages()
            result = conclude(run, baseline, choice, config, seen, notes)
        if out is not None:
            result.save(folder)
    return result


def _fits_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True


def _name_of(value: Any) -> Any:
    """Returns the path or plain value that was given, or otherwise its type."""
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    return value if _fits_json(value) else type(value).__name__
