"""Does it help? The fair comparison, in one call."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from .._core import holds_something, lock_folder, make_folder, remove_asides, write_whole
from .._version import __version__
from ..evaluation import BuildClassifier, OnSeen
from ._check import check_request, exposure_of, identity
from ._conclude import Conclusion
from ._data import StudyData
from ._jobs import runner
from ._result import StudyResult
from ._settings import FULL, LIGHT, METRICS, Settings, as_filter_sets, as_tuple
from ._sources import Fitting, Given
from ._stages import Stages

CONFIG = "config.json"


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
    classifier: BuildClassifier | None = None,
    seeds: int = 5,
    splits: int | None = None,
    steps: int | None = None,
    batch_size: int = 64,
    lr: float = 2e-3,
    pool_size: int | None = None,
    light: bool = False,
    on_seen: OnSeen = "refuse",
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    processes: int = 1,
    precision: str = "auto",
    progress: bool = True,
    name: str | None = None,
    command: str | None = None,
) -> StudyResult:
    """Says whether mixing synthetic images in helps a classifier of these data, and at which ratio.

    Classifiers are trained for equal steps, over paired seeds, on real images without augmentation, under several
    kinds of ordinary augmentation, and, under the best of these, with synthetic images at several ratios, and with
    real ones again in their places. The augmentation, the ratio, the labels and the filter are chosen on validation
    images; the test images only say whether the one synthetic arm that was chosen differs from the baseline. The
    verdict is ``"helps"`` or ``"hurts"`` where the whole 95 % interval of that difference is on one side of zero, and
    else ``"no effect shown"``; only the first recommends a ratio above 0.

    Args:
        dataset (Dataset or str): Labelled images, as :func:`gan_augment.fit` takes them: without transforms.
        source: Of synthetic images, as :class:`SyntheticMix` takes it; or None, with ``recipe``.
        test (Dataset, str or float): Test images of the same classes, or the share to hold out.
        recipe (str or Recipe, optional): Fits a generator to the training images of each split.
        init (optional): A generator that the fitting goes on from.
        budget (float or str, optional): Wall-clock time of one fitting. Default: 10 minutes, or 60 s if light.
        fit_options (dict, optional): Other arguments of :func:`gan_augment.fit`.
        groups (sequence or str, optional): Group of each image, such as the patient: never on two sides of a split.
            Or a regular expression, of which the first parenthesis finds the group in an image file's path.
        image_size (int, optional): Side to bring the images to. Default: theirs.
        count (int, optional): Images to train on, drawn anew for each split; validation images come beside them.
            Default: all.
        validation (float): Share of the images to choose by, drawn anew for each split.
        mode (str): ``"replace"`` puts the ratio into every batch. ``"balance"`` does so where all classes come equally
            often, since they are uneven; the baseline is the best of oversampling, class weights and neither, and the
            verdict *helps* needs a gain over oversampling besides.
        ratios (sequence of float, optional): To try, besides 0. Default: 0.1, 0.25, 0.5, 0.75; if light 0.25, 0.5.
        labels: Label policy, or several to try; see :class:`SyntheticMix`.
        filters: Names of filters, each alone or several as a tuple, to try: ``"agreement"``, ``"confidence"``,
            ``"density"``, ``"copies"``, ``"discriminator"``, and None for none, as by default. They are made of the
            training images of each split alone.
        augment (sequence of str, optional): Ordinary augmentations to try, of :data:`AUGMENTATIONS`.
        metric (str, optional): ``"accuracy"`` or ``"balanced accuracy"``. Default: the latter for ``"balance"``.
        classifier (callable, optional): ``(channels, num_classes) -> module`` that maps float images 0..1 to logits.
            Default: :class:`SmallCNN`.
        seeds (int): Paired seeds.
        splits (int, optional): Different training and validation images, and fitted generators, which seeds take in
            turn. Fewer than the seeds cost less and widen the interval, which rests on them. Default: one a seed.
        steps (int, optional): Training steps of every classifier. Default: 1,000, if light 400.
        batch_size (int): Images a step.
        lr (float): Learning rate of Adam.
        pool_size (int, optional): Synthetic images of a split. Default: 10,000, if light 4,000.
        light (bool): Whether to take the smaller defaults: minutes instead of an hour.
        on_seen (str): ``"refuse"`` a source that was trained on test images, or ``"warn"`` and say so in the report.
        out (str or Path, optional): Folder of the report, the generators and all that is needed to go on after a
            stop: call it again with the same arguments. Default: nothing is kept.
        seed (int): Of everything that is drawn.
        processes (int): That classifiers are trained in. More than one are spawned: the script needs
            ``if __name__ == "__main__"``, and ``classifier`` must be a function that other processes can import.
        precision (str): Of the classifiers' training: ``"bf16"``, ``"fp32"``, or ``"auto"``, which is the former on
            machines that compute in it.
        progress (bool): Whether to show bars.
        name (str, optional): What the data are called in the report. Default: what was named, or their type.
        command (str, optional): How it was called, for the report.

    Returns:
        StudyResult: ``print`` it, or open ``report.html`` in ``out``.

    Raises:
        ValueError: If an argument is out of range, the classes do not fit, the source has seen test images,
            ``out`` holds another study, or another process works in it.
        TypeError: If something is no data set, source or policy.

    Example:
        >>> import torch
        >>> from gan_augment import SyntheticPool
        >>> labels = torch.arange(200) % 2
        >>> images = (torch.rand(200, 1, 16, 16) * 100 + 100 * labels[:, None, None, None]).byte()
        >>> data = torch.utils.data.TensorDataset(images[:100], labels[:100])
        >>> pool = SyntheticPool(images[100:], labels[100:])
        >>> result = study(data, pool, ratios=0.5, augment="none", steps=2, seeds=2, progress=False)
        >>> [arm.name for arm in result.arms]
        ['no augmentation', 'synthetic 0.5', 'oversampled 0.5']
    """
    if (source is None) == (recipe is None):
        raise ValueError("source or recipe must be given, but not both: images to mix in, or how to fit a generator.")
    defaults, given = LIGHT if light else FULL, None if source is None else Given.load(source)
    settings = Settings(
        ratios=tuple(dict.fromkeys(as_tuple(defaults["ratios"] if ratios is None else ratios))),
        labels=as_tuple(labels),
        filters=as_filter_sets(filters),
        augment=tuple(dict.fromkeys(as_tuple(defaults["augment"] if augment is None else augment))),
        mode=mode,
        metric=metric or METRICS[mode == "balance"],
        seeds=seeds,
        splits=seeds if splits is None else splits,
        steps=defaults["steps"] if steps is None else steps,
        batch_size=batch_size,
        lr=lr,
        pool_size=defaults["pool_size"] if pool_size is None else pool_size,
        count=count,
        validation=validation,
        seed=seed,
        processes=processes,
        precision=precision,
    )
    if given is not None and not (init is None and budget is None and fit_options is None):
        raise ValueError("init, budget and fit_options are of a fitting: pass them with recipe, not with source.")
    budget = defaults["budget"] if budget is None else budget
    origin = given or Fitting(recipe, init, budget, fit_options or {})
    data = StudyData.read(dataset, test, groups, image_size, seed, progress)
    seen, notes = exposure_of(data, origin, on_seen)
    parts = [data.split(index, count, validation, seed) for index in range(settings.splits)]
    policies = check_request(settings, data, parts, origin, classifier)
    about = {
        "gan_augment": __version__,
        "data": name or _name(dataset),
        "test": _name(test),
        "source": f"recipe {_name(recipe)}" if recipe is not None else _name(source),
        **({} if recipe is None else {"init": _name(init), "budget": budget, "fit_options": str(fit_options or {})}),
        "images": data.images.digest(),
        **identity(origin, data, classifier, parts),
        "groups": groups if groups is None or isinstance(groups, str) else len(set(groups)),
        **{key: value if _is_plain(value) else str(value) for key, value in vars(settings).items()},
        "labels": list(policies),
        "command": command,
        "kept": out is not None,
    }
    with _folder(out) as folder:
        _begin(folder, about)
        with runner(processes, settings.jobs, progress) as run:
            stages = Stages(folder, data, parts, settings, policies, origin, classifier, run, progress)
            result = Conclusion(stages).result(*stages.run_all(), about, seen, notes)
        if out is not None:
            result.save(folder)
    return result


@contextmanager
def _folder(out: str | os.PathLike[str] | None) -> Iterator[Path]:
    """Where the study works, and nobody else: in ``out``, or in a folder that is gone afterwards."""
    if out is not None:
        place = Path(out).resolve()
        make_folder(place)
        with lock_folder(place):
            for each in (place, place / "runs", place / "pools"):
                remove_asides(each, locked=True)
            yield place
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _begin(folder: Path, about: dict[str, Any]) -> None:
    """Writes what is asked, or finds that the folder holds a part of the same."""
    path, ignored = folder / CONFIG, ("command", "processes", "data", "test", "source", "gan_augment")
    text = json.dumps(about, indent=2)
    if path.exists():
        known = _read_config(path)
        differing = [key for key, value in json.loads(text).items() if key not in ignored and known.get(key) != value]
        if differing:
            raise ValueError(
                f"out must be new, or hold the same study, but {folder} holds one with other {', '.join(differing)}; "
                "choose another folder, or delete this one."
            )
    elif holds_something(folder):
        raise ValueError(f"out must be new or empty, or hold a study, but {folder} holds something else.")
    write_whole(path, (text + "\n").encode())


def _read_config(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(
            f"{path} must be what a study wrote, but cannot be read ({error}); take a new folder."
        ) from error
    if not isinstance(known, dict):
        raise ValueError(f"{path} must be what a study wrote, but holds {type(known).__name__}; take a new folder.")
    return known


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True


def _name(value: Any) -> Any:
    """What was named, or the type of what was given."""
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    return value if _is_plain(value) else type(value).__name__
