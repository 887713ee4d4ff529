"""Checks a study before any work, and computes the keys that identify it."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import math
import pickle
import re
from itertools import cycle, islice
from types import CodeType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from .._core import ROW_BYTES, check_space
from ..data import TrainingImages, fingerprints, seen
from ..evaluation import Classifier, OnSeen, check_same_classes, check_unseen
from ..mixing import LabelPolicy
from ..synthesis import FILTERS, Filter, Source, SyntheticPool, as_source, fingerprints_of
from ._arms import one_thread
from ._fitting import Fitting, LoadedSource
from ._settings import Settings
from ._splits import StudyData, check_test_images
from ._synthetic import MatchedSource

LIBRARIES = ("torch", "gan_augment")
KEY_SAMPLES = 8  # samples that identify a source
REMEDY = (
    "give the data the same classes in the same order, or map the classes in Python with the label policy "
    "Conditional(class_map={...})"
)


def check_request(
    settings: Settings,
    data: StudyData,
    splits: list[tuple[Tensor, Tensor]],
    source: LoadedSource | Fitting,
) -> dict[str, LabelPolicy]:
    """Checks that the settings fit the data and the source, and returns the label policies by name."""
    number, shape = data.num_classes, tuple(data.images.images.shape[1:])
    filters = {name: FILTERS[name] for names in settings.filters for name in names}
    _check_images_per_class(data, splits, filters)
    judging = [name for name, kind in filters.items() if kind.needs_discriminator]
    for classifier in settings.classifiers:
        _check_classifier(classifier, shape, number, settings.device)
        if settings.processes > 1:
            _check_picklable("classifier", classifier)
    if isinstance(source, Fitting):
        recipe = source.resolve(shape[-1])
        if judging and not recipe.adversarial:
            raise ValueError(f"recipe must train a discriminator for the filter {judging[0]!r}, but does not.")
        drawn = Source()  # stands for the generators that the study fits later
        drawn.num_classes = number if recipe.conditional else 0
    else:
        drawn = MatchedSource(source.source, shape, number)
        if judging:
            _check_discriminator(source, shape, judging[0])
        if settings.mode == "balance" and drawn.num_classes and len(drawn.class_indices) < number:
            raise ValueError(
                f"source must have all {number} classes for mode='balance', but has {len(drawn.class_indices)}: if "
                "only some classes had synthetic images, a classifier could recognise these classes by the look of the "
                "images."
            )
    policies, classes = settings.policies(drawn), drawn.num_classes
    for policy in policies.values():
        check_same_classes(policy, drawn, number, data.images.class_names, REMEDY)
    for name, kind in filters.items():
        if kind.needs_classes and not classes:
            raise ValueError(f"The source must have classes for the filter {name!r}, but is unconditional.")
    if settings.mode == "balance" and not all(policy.same_classes for policy in policies.values()):
        raise ValueError(
            "labels must be 'same' for mode='balance', because every synthetic image must have a known class."
        )
    check_space(f"pool_size={settings.pool_size}", settings.pool_size, math.prod(shape) + ROW_BYTES)
    if settings.pool_size < classes:
        raise ValueError(
            f"pool_size must be at least {classes}, one image of each class, but got {settings.pool_size}."
        )
    if settings.processes > 1:
        _check_picklable("labels", list(policies.values()))
        if isinstance(source, Fitting):
            for name, value in (("recipe", source.recipe), ("init", source.init), ("fit_options", source.options)):
                _check_picklable(name, value)
    return policies


def _check_images_per_class(
    data: StudyData, splits: list[tuple[Tensor, Tensor]], filters: dict[str, type[Filter]]
) -> None:
    def fewest(rows: Tensor) -> int:
        return int(torch.bincount(data.images.classes[rows], minlength=data.num_classes).min())

    if fewest(data.test_rows) < 2:
        raise ValueError(
            "Every class must have at least two test images, but one class has fewer; add test images of that class."
        )
    training = min(fewest(train) for train, _ in splits)
    if training < 1:
        raise ValueError(
            "Every class must have a training image, but one class has none; add images of that class, or raise count."
        )
    for name, kind in filters.items():
        if training < kind.images_per_class:
            raise ValueError(
                f"Every class must have {kind.images_per_class} training images for the filter {name!r}, but one class "
                f"has {training}; add images, raise count, or leave out the filter."
            )


def _check_discriminator(loaded: LoadedSource, shape: tuple[int, ...], name: str) -> None:
    if loaded.discriminator() is None:
        raise ValueError(f"The source must have a saved discriminator for the filter {name!r}, but this one has none.")
    trained = loaded.training_shape()
    if trained != shape:
        raise ValueError(
            f"The images must have the shape {trained} that the discriminator of the filter {name!r} was trained on, "
            f"but have shape {shape}."
        )


def _check_classifier(classifier: Classifier, shape: tuple[int, ...], num_classes: int, device: str) -> None:
    """Checks that each call of a classifier builds a new module, and that it takes the images on the study's device."""
    name = classifier.name
    with torch.random.fork_rng(devices=[]):
        built = [classifier.build(shape[0], num_classes) for _ in range(2)]
    if not isinstance(built[0], nn.Module):
        raise TypeError(f"classifier must build a module, but {name} built {type(built[0])}.")
    if built[0] is built[1]:
        raise ValueError(f"classifier must build a new module at each call, but {name} returned the same one twice.")
    if any(is_lazy(each) or each.is_meta for each in (*built[0].parameters(), *built[0].buffers())):
        raise ValueError(
            f"classifier must build a module with weights, but {name} built a lazy module or a module on the device "
            "'meta'; build it on the CPU or a GPU, and pass the numbers of features to its layers."
        )
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        _check_logits(built[0].to(device), name, shape, num_classes, device)


def _check_logits(model: nn.Module, name: str, shape: tuple[int, ...], num_classes: int, device: str) -> None:
    """Checks that a module takes images and returns logits, in training mode and in eval mode."""
    for training in (True, False):
        try:
            logits = model.train(training)(torch.zeros(2, *shape, device=device))
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            raise ValueError(
                f"classifier must build a module that takes float32 images of shape {(2, *shape)} on the device "
                f"{device!r}, but {name} failed ({reason}); convert weights of another type with .float(), and "
                "register tensors as buffers, so that they move to this device."
            ) from error
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits)
        if found != (2, num_classes):
            raise ValueError(
                f"classifier must return logits of shape (2, {num_classes}) for 2 images, but {name} returned "
                f"{found} instead."
            )


def _check_picklable(name: str, value: Any) -> None:
    try:
        pickle.dumps(value)
    except (pickle.PicklingError, AttributeError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"{name} must be defined at the top level of a module, so that other processes can import it, but cannot "
            f"be pickled ({error}); move it there, or use one process."
        ) from error


def check_exposure(
    data: StudyData, source: LoadedSource | Fitting, on_seen: OnSeen, used: int
) -> tuple[str, list[str]]:
    """Returns a sentence on the test images that the source has seen, and notes on other images of the data set.

    ``used`` is the number of training and validation images of a split.
    """
    if isinstance(source, Fitting) and source.init is None:
        return "The generators were fitted to training images only.", []
    generator = as_source(source.init) if isinstance(source, Fitting) else source.source
    images, hashes = data.images.images, data.images.hashes
    sentence = check_unseen(generator, hashes[data.test_rows], on_seen=on_seen).sentence
    notes = []
    known = fingerprints_of(generator)
    trained_on = 0 if known is None else int(torch.isin(hashes[data.train_rows], known).sum())
    if trained_on and known is not None:
        others = len(known) - min(trained_on, used)
        gain = f"Any gain may come from the {others:,} other images that it was trained on" if others else ""
        notes.append(
            f"The source was trained on {trained_on:,} of the {len(data.train_rows):,} training and validation images. "
            f"The validation scores may favour it. {gain or 'It was trained on no other images'}."
        )
    # A pool may hold any images, even those of the data set itself.
    if not isinstance(generator, SyntheticPool) or generator.image_shape != tuple(images.shape[1:]):
        return sentence, notes
    contained = fingerprints(generator.rows(torch.arange(len(generator))))
    tested = int(seen(images[data.test_rows], contained).sum())
    notes += check_test_images("source", tested, len(data.test_rows), on_seen)
    others = int(seen(images[data.train_rows], contained).sum())
    if others:
        notes.append(
            f"{others:,} images of the source are also in the data set. In a split that does not train on these "
            "images, the source adds real images that the baseline does not have."
        )
    return sentence, notes


def study_keys(
    source: LoadedSource | Fitting,
    data: StudyData,
    classifiers: tuple[Classifier, ...],
    splits: list[tuple[Tensor, Tensor]],
    reference: TrainingImages | None,
) -> dict[str, str | None]:
    """Returns hashes of all images, of the source's samples or the fitting, and of the classifiers."""
    rows = [data.test_rows, *(part for split in splits for part in split)]
    keys: dict[str, str | None] = {"split_images": _digest([data.images.hashes[part].tolist() for part in rows])}
    added = None if reference is None else _digest([reference.digest(), reference.hashes.tolist()])
    keys["reference_images"] = added
    shape = data.images.images.shape[1:]
    if isinstance(source, Fitting):
        samples = None if source.init is None else as_source(source.init).sample(KEY_SAMPLES, seed=0).tolist()
        options = dataclasses.asdict(dataclasses.replace(source, init=None))
        keys["fitting"] = _digest([{**options, "recipe": source.resolve(shape[-1]).to_dict()}, samples])
    else:
        matched = MatchedSource(source.source, shape, data.num_classes)
        classes = list(islice(cycle(matched.class_indices), KEY_SAMPLES))
        labels = torch.tensor(classes) if matched.num_classes else None
        keys["source_samples"] = _digest(matched.sample(KEY_SAMPLES, labels, seed=0).tolist())
    modules = []
    for classifier in classifiers:
        with torch.random.fork_rng(devices=[]), one_thread():  # so that sums of weights are the same to the bit
            torch.manual_seed(0)
            modules.append(_describe(classifier.build(int(shape[0]), data.num_classes)))
    return {**keys, "classifier_modules": _digest(modules)}


def _describe(module: nn.Module) -> list[Any]:
    """Returns what identifies a module: its structure, the sums of its weights, its plain attributes and its code.

    The code of torch and of this package is left out, because it may change with their versions.
    """
    sums = [(name, value.cpu().to(torch.complex128).sum().item()) for name, value in module.state_dict().items()]
    parts: list[Any] = [re.sub(r" at 0x[0-9a-f]+", "", repr(module)), sums]
    common = vars(nn.Module())
    for each in module.modules():
        library = type(each).__module__.partition(".")[0]
        if library != "torch":  # the repr of its layers shows their settings
            parts.append(
                sorted((name, _describe_any(value)) for name, value in vars(each).items() if name not in common)
            )
        if library not in LIBRARIES:
            forward = inspect.unwrap(type(each).forward)
            names = ("__code__", "__defaults__", "__kwdefaults__")
            parts.append([_describe_any(getattr(forward, name, None)) for name in names])
    return parts


def _describe_any(value: Any) -> Any:
    """Returns a value as numbers, text and lists, if it is made of them; of a function, not its comments or lines."""
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return value
    if isinstance(value, (tuple, list)):
        return [*map(_describe_any, value)]
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, map(_describe_any, value)))
    if isinstance(value, dict):
        return [(repr(name), _describe_any(each)) for name, each in value.items()]
    if isinstance(value, CodeType):
        return [value.co_code, value.co_names, _describe_any(value.co_consts)]
    return type(value).__name__


def _digest(value: Any) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]
