"""What a source of synthetic images is worth, measured on real images that it has not seen."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .._core import ROW_BYTES, ResizeMode, as_uint8, check_count, check_seed, check_space, mix_seed, progress_bar
from ..data import is_target, open_images, split_item
from ..metrics import (
    Estimate,
    FeatureNetwork,
    FeaturesLike,
    Measurement,
    authenticity,
    check_counts,
    class_agreement,
    copy_report,
    leaked_augmentation,
    load_features,
    measure_features,
    warn_if_few,
)
from ..mixing import Same
from ..synthesis import (
    ImageKind,
    Source,
    SyntheticPool,
    as_source,
    class_indices,
    geometry,
    match_shape,
    num_classes,
)
from ..training import TrainingImages
from ._classifiers import predict, train_classifier
from ._guard import OnSeen, check_same_classes, check_unseen
from ._result import Evaluation, describe

CLASSIFIER = "small-cnn"  # what classes are measured by, in the names of measurements
TIMES = 5  # as many training images are compared in features, and samples taught to a classifier, as n
STEPS = 600  # of the training of a classifier
LEAST = 16  # pixels in which leaked augmentation can be seen


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

    Real images are compared at their own size if all are square and of one, and else at that of the source; samples
    are brought to it. Where both have classes, samples are asked for in the proportions of the real ones, and small
    classifiers say what the classes are worth. The result is a function of the seed.

    Args:
        dataset: Real images that were not trained on, labelled or not: see :func:`open_images`. All are read.
        source: A zoo name, folder, generator, pool, mapping or any :class:`Source`. Of a pool, no image counts twice.
        train (optional): Those that the source was trained on, in the same form. Then there are also the floor,
            which is what real images in place of the samples score, memorisation, and GAN-test.
        features (str, FeatureNetwork or callable): See :func:`load_features`.
        n (int): Samples, and at most as many real images to compare with. In features, samples are compared with at
            most ``5 * n`` training images, drawn at random, and in pixels with all.
        seed (int): Of all draws.
        split (str): What the real images are; it stands in the names.
        on_seen (str): What to do if the source, or ``train``, holds some of the real images: ``"refuse"`` or
            ``"warn"``.
        progress (bool): Whether to show bars.

    Raises:
        TypeError: If the source, the data sets or the features are none.
        ValueError: If real images were seen; if the source lacks classes of the data set; or if there are too few.
        ModuleNotFoundError: If the feature network needs a package that is not installed.

    Warns:
        UserWarning: If there are fewer than 50 real images or samples, or seen ones under ``on_seen="warn"``.

    Example:
        >>> from gan_augment.demo import load_digits
        >>> digits, _ = load_digits()
        >>> found = evaluate(digits[::50], "dcgan-mnist-32", features="random-convolutions", n=100, progress=False)
        >>> found["kid"].label
        'kid[random-convolutions, n=100/100, test]'
    """
    check_count("n", n, 1)
    check_space(f"n={n}", TIMES * n, ROW_BYTES)
    seed = check_seed(seed)
    network = load_features(features)  # first of all, for it may need a package that is not installed
    source, opened = as_source(source), open_images(dataset)
    first, labelled = _look_at(opened)
    labelled = labelled and num_classes(source) > 0
    square = first[0] == first[1]
    side, resize_mode = _Shape(first[0], "resize") if square else _shape_of(source)
    real = TrainingImages.from_dataset(opened, side, resize_mode, conditional=labelled, progress=progress)
    exposure = check_unseen(source, real.hashes, on_seen=on_seen)
    if square and real.source_size is None:  # of several sizes
        side, resize_mode = _shape_of(source)
        real = TrainingImages.from_dataset(opened, side, resize_mode, conditional=labelled, progress=progress)
    channels = real.images.shape[1]
    others = None
    if train is not None:
        opened = open_images(train)
        others = TrainingImages.from_dataset(
            opened,
            side,
            resize_mode,
            channels=channels,
            conditional=labelled and _look_at(opened)[1],
            progress=progress,
        )
        _check_apart(real, others, on_seen)
    rng = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(real), generator=rng)
    chosen = real.images[order[:n]]
    labels = None if real.labels is None else real.labels[order]
    if labels is not None:
        _check_classes(labels, real.num_classes, real.class_names, source)
    kind = ImageKind("tensor", torch.uint8, channels, side, side)
    samples, asked = _draw(source, n, labels, seed, kind, progress)
    k = check_counts(chosen, samples)
    warn_if_few(len(chosen), len(samples))
    trained = None if others is None else others.images[torch.randperm(len(others), generator=rng)[: TIMES * n]]
    found, floor = _compare(network, chosen, samples, trained, split, k, progress)
    agreement = None
    if labels is not None:
        taught, classes = _draw(source, TIMES * n, labels, mix_seed(seed, 1), kind, progress)
        found["gan_train"] = gan_train(real.images, real.classes, taught, classes, split=split, steps=STEPS, seed=seed)
        if others is not None and others.labels is not None:
            number = _classes_of(others.classes, real.classes, asked)
            judge = train_classifier(others.images, others.classes, num_classes=number, steps=STEPS, seed=seed)
            agreement = class_agreement(predict(judge, samples), asked)
            found["gan_test"] = Measurement(
                "gan_test", *agreement.overall, CLASSIFIER, len(others), len(samples), "train"
            )
            right = class_agreement(predict(judge, real.images), real.classes).overall
            floor["gan_train"] = Measurement("gan_train", *right, CLASSIFIER, len(real), len(others), split)
            floor["gan_test"] = Measurement("gan_test", *right, CLASSIFIER, len(others), len(real), "train")
    copies = None if others is None else copy_report(others.images, samples, real.images)
    leakage = leaked_augmentation(chosen, samples) if side >= LEAST else None
    parts = (copies, leakage, agreement, exposure)
    return Evaluation(list(found.values()), list(floor.values()), *parts, describe(found, floor, *parts))


def gan_train(
    real: Tensor,
    labels: Tensor,
    synthetic: Tensor,
    asked: Tensor,
    *,
    split: str = "test",
    steps: int = STEPS,
    seed: int = 0,
) -> Measurement:
    """GAN-train (https://arxiv.org/abs/1807.09499): accuracy on real images of a classifier taught by samples alone.

    It falls with both wrong and missing samples; compare it with that of a classifier of as many real images.

    Args:
        real (Tensor): uint8 ``(n, c, h, w)`` to test on.
        labels (Tensor): int64 ``(n,)``.
        synthetic (Tensor): uint8 ``(m, c, h, w)``.
        asked (Tensor): int64 ``(m,)``: their classes.
        split (str): What the real images are.
        steps (int): Steps of :func:`train_classifier`.
        seed (int): Of the training.

    Returns:
        Measurement: ``gan_train[small-cnn, n=<real>/<synthetic>, <split>]``, with the binomial standard error of the
        real images; that of another seed of the training is not in it.
    """
    student = train_classifier(synthetic, asked, num_classes=_classes_of(asked, labels), steps=steps, seed=seed)
    right = class_agreement(predict(student, real), labels).overall
    return Measurement("gan_train", *right, CLASSIFIER, len(real), len(synthetic), split)


def gan_test(
    real: Tensor, labels: Tensor, synthetic: Tensor, asked: Tensor, *, steps: int = STEPS, seed: int = 0
) -> Measurement:
    """GAN-test (https://arxiv.org/abs/1807.09499): how often a classifier of real images sees the class asked for.

    It says nothing of variety, and may be above the classifier's accuracy on real images where samples are typical.

    Args:
        real (Tensor): uint8 ``(n, c, h, w)`` to train on.
        labels (Tensor): int64 ``(n,)``.
        synthetic (Tensor): uint8 ``(m, c, h, w)``.
        asked (Tensor): int64 ``(m,)``: their classes.
        steps (int): Steps of :func:`train_classifier`.
        seed (int): Of the training.

    Returns:
        Measurement: ``gan_test[small-cnn, n=<real>/<synthetic>, train]``, with the binomial standard error of the
        samples.
    """
    judge = train_classifier(real, labels, num_classes=_classes_of(labels, asked), steps=steps, seed=seed)
    agrees = class_agreement(predict(judge, synthetic), asked).overall
    return Measurement("gan_test", *agrees, CLASSIFIER, len(real), len(synthetic), "train")


def _classes_of(*labels: Tensor) -> int:
    return 1 + max(int(each.max()) for each in labels)


def _look_at(dataset: Any) -> tuple[tuple[int, int], bool]:
    """Height and width of the first image of a data set, and whether it has a class."""
    if len(dataset) == 0:
        raise ValueError("dataset must hold at least one image, but it is empty.")
    image, label = split_item(dataset[0])
    height, width = as_uint8(image).shape[1:]
    return (int(height), int(width)), is_target(label)


class _Shape(NamedTuple):
    """What images are brought to, and how."""

    side: int
    resize_mode: ResizeMode


def _shape_of(source: Source) -> _Shape:
    """The side of a source's images, and how its training images were brought to it."""
    images = SyntheticPool.generate(source, 1, seed=0, progress=False)
    return _Shape(max(images.image_shape[1:]), geometry(source).resize_mode)


def _check_apart(real: TrainingImages, train: TrainingImages, on_seen: OnSeen) -> None:
    shared = int(torch.isin(real.hashes, train.hashes).sum())
    if not shared:
        return
    message = f"dataset and train must hold different images, but {shared:,} of {len(real):,} are in both; "
    if on_seen == "refuse":
        raise ValueError(message + "leave them out of one, or set on_seen to 'warn'.")
    warnings.warn(message + "figures of copies and the floor are too good.", UserWarning, stacklevel=3)


def _check_classes(labels: Tensor, classes: int, names: Sequence[str] | None, source: Source) -> None:
    check_same_classes(Same(), source, classes, names, "evaluate it on data with the same classes in the same order")
    unknown = sorted(set(labels.tolist()) - set(class_indices(source)))
    if unknown:
        raise ValueError(
            f"source must make the classes of the data set, but it makes {list(class_indices(source))[:20]} and not "
            f"{unknown[:20]}; leave their images out."
        )


def _draw(
    source: Source, n: int, labels: Tensor | None, seed: int, kind: ImageKind, progress: bool
) -> tuple[Tensor, Tensor]:
    """Samples in the channels and size of real ones, in the proportions of their labels, and their classes, if any."""
    labels = None if labels is None else labels[torch.arange(n) % len(labels)]
    if isinstance(source, SyntheticPool):
        pool, rows = source, _rows_of(source, n, labels, seed)
    else:
        pool = SyntheticPool.generate(source, n, labels=labels, seed=seed, progress=progress)
        rows = torch.arange(n)
    images = match_shape(pool.rows(rows), kind, geometry(source))
    return images, torch.empty(0, dtype=torch.int64) if pool.labels is None else pool.labels[rows]


def _rows_of(pool: SyntheticPool, n: int, labels: Tensor | None, seed: int) -> Tensor:
    """Different rows of a pool, as many of each class as are asked for or there are."""
    order = torch.randperm(len(pool), generator=torch.Generator().manual_seed(seed))
    if labels is None or pool.labels is None:
        return order[:n]
    held = pool.labels[order]
    wanted = enumerate(torch.bincount(labels).tolist())
    return torch.cat([order[held == label][:count] for label, count in wanted])


def _compare(
    network: FeatureNetwork,
    real: Tensor,
    samples: Tensor,
    trained: Tensor | None,
    split: str,
    k: int,
    progress: bool,
) -> tuple[dict[str, Measurement], dict[str, Measurement]]:
    """What features say of the samples, and of training images in their place."""
    vectors = []
    with progress_bar(show=progress, total=2 if trained is None else 3, desc="Computing features", leave=False) as bar:
        for images in (real, samples, *(() if trained is None else (trained,))):
            vectors.append(network(images))
            bar.update()
    x, y, *rest = vectors
    t = rest[0] if rest else None
    common: dict[str, Any] = {"name": network.name, "split": split}
    found = measure_features(x, y, t, k=k, **common)
    if t is None:
        return found, {}
    floor = measure_features(x, t[: len(y)], k=k, **common) if min(len(t), len(y)) > k else {}
    share = Estimate.of_share(authenticity(t, x), len(x))
    floor["authenticity"] = Measurement("authenticity", *share, network.name, len(t), len(x), "train")
    return found, floor
