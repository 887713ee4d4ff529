"""Validates the request against the data, and computes the key that identifies a study."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import pickle
from typing import Any

import torch
from torch import Tensor, nn

from .._core import ROW_BYTES, check_space
from ..data import fingerprints, seen
from ..evaluation import BuildClassifier, OnSeen, SmallCNN, check_same_classes, check_unseen
from ..mixing import LabelPolicy, Same
from ..synthesis import SyntheticPool, as_source, fingerprints_of
from ._data import StudyData
from ._settings import Settings
from ._sources import Fitting, Given, MatchedSource, training_shape

MOST_DRAWN = 8  # images that identify a source
REMEDY = (
    "give the data the same classes in the same order, or map the classes in Python by the label policy "
    "Conditional(class_map={...})"
)
NEIGHBOURS = 6  # real images of a class that the filter "density" needs


def check_request(
    settings: Settings,
    data: StudyData,
    splits: list[tuple[Tensor, Tensor]],
    source: Given | Fitting,
    build: BuildClassifier | None,
) -> dict[str, LabelPolicy]:
    """Refuses what would fail later, and returns the label policies by what they are called.

    Raises:
        ValueError: If policies, filters, recipe, classifier or the number of test images do not fit.
        TypeError: If the classifier or a policy is none.
    """
    labels, number = data.images.classes, data.num_classes
    if len(data.test) < 2 or int(torch.bincount(labels[data.test], minlength=number).min()) < 2:
        raise ValueError("Every class must have at least two test images, but one has fewer; add test images of it.")
    fewest = min(int(torch.bincount(labels[train], minlength=number).min()) for train, _ in splits)
    if fewest < 1:
        raise ValueError("Every class must have a training image, but one has none; add images of it, or raise count.")
    if settings.filters_use("density") and fewest < NEIGHBOURS:
        raise ValueError(
            f"The filter 'density' must have {NEIGHBOURS} training images of each class, but one has {fewest}."
        )
    check_classifier(build, int(data.images.images.shape[1]), number, settings.processes)
    shape = tuple(data.images.images.shape[1:])
    if isinstance(source, Fitting):
        recipe = source.check(shape[-1])
        classes = number if recipe.conditional else 0
        if settings.filters_use("discriminator") and not recipe.adversarial:
            raise ValueError("The filter 'discriminator' must have a recipe that trains one, but this one does not.")
        policies = settings.policies(classes)
    else:
        matched = MatchedSource(source.source, shape, number)
        classes = matched.num_classes
        policies = settings.policies(classes)
        for policy in policies.values():
            check_same_classes(policy, matched, number, data.images.class_names, REMEDY)
        if settings.filters_use("discriminator"):
            _check_discriminator(source, shape)
        if settings.mode == "balance" and classes and len(matched.class_indices) < number:
            raise ValueError(
                f"source must have all {number} classes for mode='balance', but has {len(matched.class_indices)}: if "
                "only some classes had synthetic images, a classifier could recognise them by that."
            )
    if not classes and settings.filters_use("agreement"):
        raise ValueError("The filter 'agreement' must have a source with classes, but this one is unconditional.")
    if settings.mode == "balance" and not all(type(policy) is Same for policy in policies.values()):
        raise ValueError("labels must be 'same' for mode='balance', in which every synthetic image has a known class.")
    check_space(f"pool_size={settings.pool_size}", settings.pool_size, math.prod(shape) + ROW_BYTES)
    if settings.pool_size < classes:
        raise ValueError(f"pool_size must be at least {classes}, an image of each class, but got {settings.pool_size}.")
    if settings.processes > 1:
        _check_picklable("labels", list(policies.values()))
    return policies


def _check_discriminator(given: Given, shape: tuple[int, ...]) -> None:
    if given.discriminator() is None:
        raise ValueError(
            "The filter 'discriminator' needs a source that was saved with its discriminator, but this one was not."
        )
    known = training_shape(given.source)
    if known != shape:
        raise ValueError(
            f"The filter 'discriminator' was trained on images of shape {known}, but the data have shape {shape}."
        )


def check_classifier(build: BuildClassifier | None, channels: int, number: int, processes: int) -> None:
    """Refuses what builds no classifier, or cannot go to other processes.

    Raises:
        TypeError: If it is no function that gives a module.
        ValueError: If it gives the same module twice, or cannot be pickled.
    """
    if build is None:
        return
    example = "such as lambda channels, num_classes: Net(channels, num_classes)"
    if isinstance(build, nn.Module) or not callable(build):
        raise TypeError(f"classifier must be a function that builds a module, {example}, but got {type(build)}.")
    with torch.random.fork_rng(devices=[]):
        built = [build(channels, number) for _ in range(2)]
    if not isinstance(built[0], nn.Module):
        raise TypeError(f"classifier must build a module, {example}, but built {type(built[0])}.")
    if built[0] is built[1]:
        raise ValueError("classifier must build a new module at each call, but gave the same one twice.")
    if processes > 1:
        _check_picklable("classifier", build)


def _check_picklable(name: str, value: Any) -> None:
    try:
        pickle.dumps(value)
    except (pickle.PicklingError, AttributeError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"{name} must be defined at the top of a module, where other processes can import it, but cannot be "
            f"pickled ({error}); move it there, or use one process."
        ) from error


def exposure_of(data: StudyData, source: Given | Fitting, on_seen: OnSeen) -> tuple[str, list[str]]:
    """The guard's sentence on the test images, and notes on what else the source holds.

    Raises:
        ValueError: If the source has seen test images, or holds them.
    """
    if isinstance(source, Fitting) and source.init is None:
        return "The generators were fitted to training images alone.", []
    held = as_source(source.init) if isinstance(source, Fitting) else source.source
    hashes = data.images.hashes
    sentence = check_unseen(held, hashes[data.test], on_seen=on_seen).sentence
    notes = []
    known = fingerprints_of(held)
    trained_on = 0 if known is None else int(torch.isin(hashes[data.pool], known).sum())
    if trained_on:
        notes.append(
            f"The source was trained on {trained_on:,} of the {len(data.pool):,} images to train on and to choose by: "
            "the choice may favour it, and what it adds is what it learned of the others."
        )
    if not isinstance(held, SyntheticPool):
        return sentence, notes
    # A pool may be made of anything: of the very images.
    images = data.images.images
    shape, rows = images.shape[1:], held.rows(torch.arange(len(held)))
    if rows.shape[1:] != shape:
        return sentence, notes
    own = fingerprints(rows)
    tested = int(seen(images[data.test], own).sum())
    if tested and on_seen == "refuse":
        raise ValueError(f"The source must not hold test images, but holds {tested} of {len(data.test)}.")
    if tested:
        notes.append(f"The source holds {tested} of the test images.")
    others = int(seen(images[data.pool], own).sum())
    if others:
        notes.append(
            f"{others:,} of the source's images are images of the data set itself: in splits "
            "that do not train on them, they add real images instead of synthetic ones."
        )
    return sentence, notes


def digest(value: Any) -> str:
    """A short key that identifies a value."""
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]


def identity(
    source: Given | Fitting, data: StudyData, build: BuildClassifier | None, splits: list[tuple[Tensor, Tensor]]
) -> dict[str, str]:
    """Digests of the images of each part, of a source by what it draws, and of the classifier by its first weights."""
    rows = [data.test, *(part for split in splits for part in split)]
    known = {"parts": digest([data.images.hashes[part].tolist() for part in rows])}
    shape = data.images.images.shape[1:]
    if isinstance(source, Fitting):
        drawn = None if source.init is None else as_source(source.init).sample(MOST_DRAWN, seed=0)
        options = {
            **dataclasses.asdict(dataclasses.replace(source, init=None)),
            "recipe": source.check(shape[-1]).to_dict(),
        }
        known["fitting"] = digest([options, None if drawn is None else drawn.tolist()])
    else:
        matched = MatchedSource(source.source, shape, data.num_classes)
        asked = None
        if matched.num_classes:
            asked = [matched.class_indices[i % len(matched.class_indices)] for i in range(MOST_DRAWN)]
        known["drawn"] = digest(matched.sample(MOST_DRAWN, asked, seed=0).tolist())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = (build or SmallCNN)(int(shape[0]), data.num_classes)
    known["weights"] = digest([(name, float(value.double().sum())) for name, value in model.state_dict().items()])
    return known
