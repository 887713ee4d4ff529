"""Measures a source of synthetic images on real images that it has not seen."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .._core import ROW_BYTES, ResizeMode, as_uint8, check_count, check_seed, check_space, mix_seed, progress_bar
from ..data import TrainingImages, is_target, open_images, split_item
from ..metrics import (
    ClassAgreement,
    FeatureNetwork,
    FeatureSets,
    FeaturesLike,
    Measurement,
    check_counts,
    class_agreement,
    copy_report,
    leaked_augmentation,
    load_features,
    measure_features,
    measure_floor,
    warn_if_few,
)
from ..mixing import Same
from ..synthesis import ImageKind, Source, SyntheticPool, as_source, match_shape
from ._guard import OnSeen, check_same_classes, check_unseen
from ._result import Evaluation, describe
from ._training import predict, train_classifier

CLASSIFIER = "small-cnn"  # its name in measurements
MULTIPLE = 5  # features are compared with 5 * n training images, and classifiers are trained on 5 * n samples
STEPS = 600  # training steps of a classifier
SMALLEST_WITH_LEAKAGE = 16  # pixels; smaller images are not searched for traces of augmentation


def evaluate(
    dataset: Any,
    source: Any,
    *,
    train: Any = None,
    features: FeaturesLike = "efficientnet-lite0",
    n: int = 1000,
    seed: int = 0,
    split: str = "test",
    on_seen: OnSeen = "refuse",
    progress: bool = True,
) -> Evaluation:
    """Measures a source of synthetic images on real images that it has not seen.

    If all real images are square and have one size, samples are resized to it; otherwise all images get the size of
    the source. If both the data set and the source have classes, the samples have the class proportions of the real
    images, and small classifiers measure how useful the samples are. The result depends only on the arguments.

    Args:
        dataset: Real images that the source was not trained on, with or without labels; see :func:`open_images`. All
            of them are read.
        source: Zoo name, folder, generator, pool, mapping or any :class:`Source`. Each image of a pool is used once.
        train (optional): Images that the source was trained on, in the same form as ``dataset``. With them, the
            result also has the floor (the scores of real images in place of the samples), memorisation, and GAN-test
            (the share of samples that a classifier assigns to the requested class).
        features (str, FeatureNetwork or callable): Feature network; see :func:`load_features`.
            Default: ``"efficientnet-lite0"``.
        n (int): Number of samples, and maximum number of real images to compare them with. Features are compared with
            at most ``5 * n`` training images, and pixels with all of them. Default: 1000.
        seed (int): Seed of all random draws. Default: 0.
        split (str): Name of the real images in the names of the measurements. Default: ``"test"``.
        on_seen (str): ``"refuse"`` raises an error if the source or ``train`` contains some of the real images;
            ``"warn"`` only warns. Default: ``"refuse"``.
        progress (bool): Whether to show progress bars.

    Returns:
        Evaluation: The measurements; ``print`` it for a table and an explanation.

    Raises:
        TypeError: If ``source``, ``dataset``, ``train`` or ``features`` has the wrong type.
        ValueError: If the source has seen real images or lacks classes of the data set, if real images are marked as
            synthetic, or if there are too few images.
        ModuleNotFoundError: If the feature network needs a package that is not installed.

    Warns:
        UserWarning: If there are fewer than 50 real images or samples, or ``on_seen="warn"`` and the source has seen
            real images.

    Example:
        >>> from gan_augment.demo import load_digits
        >>> digits, _ = load_digits()
        >>> found = evaluate(digits[::50], "dcgan-mnist-32", features="random-convolutions", n=100, progress=False)
        >>> found["kid"].label
        'kid[random-convolutions, n=100/100, test]'
    """
    check_count("n", n, 1)
    check_space(f"n={n}", MULTIPLE * n, ROW_BYTES)
    seed = check_seed(seed)
    network = load_features(features)  # first, because its package may be missing
    source, opened = as_source(source), open_images(dataset)
    (height, width), labelled = _look_at_first(opened)
    labelled = labelled and source.num_classes > 0
    size: tuple[int, ResizeMode] = (height, "resize") if height == width else _source_size(source)
    real = TrainingImages.from_dataset(opened, *size, conditional=labelled, progress=progress)
    exposure = check_unseen(source, real.hashes, on_seen=on_seen)
    if height == width and real.source_size is None:  # the first is square, but the sizes differ
        size = _source_size(source)
        real = TrainingImages.from_dataset(opened, *size, conditional=labelled, progress=progress)
    channels = real.images.shape[1]
    training = None
    if train is not None:
        opened = open_images(train)
        conditional = labelled and _look_at_first(opened)[1]
        training = TrainingImages.from_dataset(
            opened, *size, channels=channels, conditional=conditional, name="train", progress=progress
        )
        _check_disjoint(real, training, on_seen)
    rng = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(real), generator=rng)
    compared = real.images[order[:n]]
    labels = None if real.labels is None else real.labels[order]
    if labels is not None:
        _check_classes(labels, real.num_classes, real.class_names, source)
    kind = ImageKind("tensor", torch.uint8, channels, size[0], size[0])
    drawn = samples, _ = _draw(source, n, labels, seed, kind, progress)
    k = check_counts(compared, samples)
    warn_if_few(len(compared), len(samples))
    some = None if training is None else training.images[torch.randperm(len(training), generator=rng)[: MULTIPLE * n]]
    found, floor = _measure_features(network, compared, samples, some, split, k, progress)
    agreement = None
    if labels is not None:
        students = _draw(source, MULTIPLE * n, labels, mix_seed(seed, 1), kind, progress)
        agreement = _measure_classes(found, floor, real, training, drawn, students, split, seed)
    copies = None if training is None else copy_report(training.images, samples, real.images)
    leakage = leaked_augmentation(compared, samples) if size[0] >= SMALLEST_WITH_LEAKAGE else None
    parts = (copies, leakage, agreement, exposure)
    return Evaluation(list(found.values()), list(floor.values()), *parts, describe(found, floor, *parts))


def _look_at_first(dataset: Any) -> tuple[tuple[int, int], bool]:
    """Returns the height and width of the first image, and whether it has a class."""
    if len(dataset) == 0:
        raise ValueError("dataset must hold at least one image, but it is empty.")
    image, label = split_item(dataset[0])
    height, width = as_uint8(image).shape[1:]
    return (int(height), int(width)), is_target(label)


def _source_size(source: Source) -> tuple[int, ResizeMode]:
    """Returns the side of a source's images, and how its training images were resized."""
    images = SyntheticPool.generate(source, 1, seed=0, progress=False)
    return max(images.image_shape[1:]), source.geometry.resize_mode


def _check_disjoint(real: TrainingImages, training: TrainingImages, on_seen: OnSeen) -> None:
    shared = int(torch.isin(real.hashes, training.hashes).sum())
    if not shared:
        return
    message = f"dataset and train must hold different images, but {shared:,} of {len(real):,} are in both; "
    if on_seen == "refuse":
        raise ValueError(message + "remove them from one of the two, or set on_seen to 'warn'.")
    warnings.warn(message + "the measurements of copies and the floor are too good.", UserWarning, stacklevel=3)


def _check_classes(labels: Tensor, count: int, names: Sequence[str] | None, source: Source) -> None:
    check_same_classes(Same(), source, count, names, "evaluate it on data with the same classes in the same order")
    missing = sorted(set(labels.tolist()) - set(source.class_indices))
    if missing:
        raise ValueError(
            f"source must make the classes of the data set, but it makes {list(source.class_indices)[:20]} and not "
            f"{missing[:20]}; remove their images from the data set."
        )


def _draw(
    source: Source, n: int, labels: Tensor | None, seed: int, kind: ImageKind, progress: bool
) -> tuple[Tensor, Tensor]:
    """Draws samples with the shape of the real images and the proportions of their labels.

    Returns the samples and their classes; without classes, the second tensor is empty.
    """
    labels = None if labels is None else labels[torch.arange(n) % len(labels)]
    if isinstance(source, SyntheticPool):
        pool, rows = source, _rows_of_pool(source, n, labels, seed)
    else:
        pool = SyntheticPool.generate(source, n, labels=labels, seed=seed, progress=progress)
        rows = torch.arange(n)
    images = match_shape(pool.rows(rows), kind, source.geometry)
    return images, torch.empty(0, dtype=torch.int64) if pool.labels is None else pool.labels[rows]


def _rows_of_pool(pool: SyntheticPool, n: int, labels: Tensor | None, seed: int) -> Tensor:
    """Draws rows of a pool without repetition: of each class as many as in ``labels``, or all if there are fewer."""
    order = torch.randperm(len(pool), generator=torch.Generator().manual_seed(seed))
    if labels is None or pool.labels is None:
        return order[:n]
    classes = pool.labels[order]
    counts = enumerate(torch.bincount(labels).tolist())
    return torch.cat([order[classes == label][:count] for label, count in counts])


def _measure_features(
    network: FeatureNetwork, real: Tensor, samples: Tensor, training: Tensor | None, split: str, k: int, progress: bool
) -> tuple[dict[str, Measurement], dict[str, Measurement]]:
    """Measures the features of the samples, and of training images in place of the samples."""
    images = [real, samples] if training is None else [real, samples, training]
    x, y, *rest = map(network, progress_bar(images, show=progress, desc="Computing features", leave=False))
    sets = FeatureSets(x, y, rest[0] if rest else None, k)
    names = {"features": network.name, "split": split}
    return measure_features(sets, **names), measure_floor(sets, **names)


def _measure_classes(
    found: dict[str, Measurement],
    floor: dict[str, Measurement],
    real: TrainingImages,
    training: TrainingImages | None,
    samples: tuple[Tensor, Tensor],
    students: tuple[Tensor, Tensor],
    split: str,
    seed: int,
) -> ClassAgreement | None:
    """Adds GAN-train and GAN-test (https://arxiv.org/abs/1807.09499) to the measurements and the floor.

    GAN-train is the accuracy on real images of a classifier trained on ``students`` alone; wrong and missing samples
    both lower it. GAN-test is the share of ``samples`` that a classifier trained on real images assigns to the
    requested class. It ignores variety, so it may exceed the accuracy on real images. The standard errors are binomial
    over the tested images, without the training seed. Returns GAN-test by class, or None without labelled training
    images.
    """
    count = 1 + max(int(labels.max()) for labels in (real.classes, samples[1], students[1]))
    student = train_classifier(*students, num_classes=count, steps=STEPS, seed=seed)
    share = class_agreement(predict(student, real.images), real.classes).overall
    found["gan_train"] = Measurement("gan_train", *share, CLASSIFIER, len(real), len(students[0]), split, True)
    if training is None or training.labels is None:
        return None
    count = max(count, training.num_classes)
    teacher = train_classifier(training.images, training.labels, num_classes=count, steps=STEPS, seed=seed)
    agreement = class_agreement(predict(teacher, samples[0]), samples[1])
    n = len(training)
    found["gan_test"] = Measurement("gan_test", *agreement.overall, CLASSIFIER, n, len(samples[0]), "train", True)
    share = class_agreement(predict(teacher, real.images), real.classes).overall
    floor["gan_train"] = Measurement("gan_train", *share, CLASSIFIER, len(real), n, split, True)
    floor["gan_test"] = Measurement("gan_test", *share, CLASSIFIER, n, len(real), "train", True)
    return agreement
