"""Computes all registered metrics of synthetic images."""

from __future__ import annotations

import warnings

from torch import Tensor

from ._feature_networks import FeaturesLike, load_features
from ._inputs import check_images, check_same_size
from ._metric import FeatureSets, Measurement
from ._registry import METRICS

FEW = 50  # real or synthetic images, below which numbers are mostly chance


def measure(
    real: Tensor,
    synthetic: Tensor,
    features: FeaturesLike = "efficientnet-lite0",
    *,
    split: str,
    train: Tensor | None = None,
    k: int | None = None,
) -> dict[str, Measurement]:
    """Computes every registered metric of synthetic images: KID, FID, precision, recall and more.

    Use real images that the generator was not trained on; otherwise copies look perfect. About 50 images of each kind
    are enough, except for FID, which you can only compare at equal counts.

    Args:
        real (Tensor): Real images, uint8 ``(n, c, h, w)``.
        synthetic (Tensor): Synthetic images, uint8 ``(m, c, h, w)``, with the same size and channels.
        features: Feature network; see :func:`load_features`. Default: ``"efficientnet-lite0"``.
        split (str): Split of the real images, such as ``"test"``. It is part of every label.
        train (Tensor, optional): Images that the generator was trained on, uint8 ``(t, c, h, w)``, to measure copying.
        k (int, optional): Rank of the nearest neighbour that gives the radius of a neighbourhood. You cannot compare
            values with different ``k``. Default: 5 (the fifth), or 3 for fewer than 500 real or synthetic images.

    Returns:
        dict: A :class:`Measurement` for ``"kid"``, ``"fid"``, ``"precision"``, ``"recall"``, ``"density"`` and
        ``"coverage"``; with ``train`` also for ``"authenticity"`` and ``"ct"``. FID and ct have no standard error.
        Those of precision, recall, density and coverage are lower bounds, which take the neighbourhoods as fixed.

    Raises:
        ValueError: If the images differ in size or channels, or there are at most ``max(k, 2)`` real or
            synthetic images.
        ModuleNotFoundError: If the feature network needs a package that is not installed.

    Warns:
        UserWarning: If there are fewer than 50 real or synthetic images.

    Example:
        >>> import torch
        >>> images = torch.randint(0, 256, (100, 1, 16, 16), dtype=torch.uint8)
        >>> measured = measure(images[:50], images[50:], "random-convolutions", split="test")
        >>> measured["kid"].label
        'kid[random-convolutions, n=50/50, test]'
    """
    sides = {"synthetic": synthetic, "real": real, **({} if train is None else {"train": train})}
    check_images(real, "real")
    for name, images in sides.items():
        check_same_size(images, name, real, "real")
    k = check_counts(real, synthetic, k)
    warn_if_few(len(real), len(synthetic))
    network = load_features(features)
    sets = FeatureSets(**{name: network(images) for name, images in sides.items()}, k=k)
    return measure_features(sets, features=network.name, split=split)


def warn_if_few(n_real: int, n_synthetic: int) -> None:
    """Warns if there are so few images that numbers are mostly chance; the warning points to the caller's caller."""
    if min(n_real, n_synthetic) < FEW:
        warnings.warn(
            f"With fewer than {FEW} real or synthetic images, the numbers are mostly chance, but there are {n_real} "
            f"real and {n_synthetic} synthetic images; add images.",
            UserWarning,
            stacklevel=3,
        )


def check_counts(real: Tensor, synthetic: Tensor, k: int | None = None) -> int:
    """Returns ``k``, or its default for these images, and checks that there are enough of both kinds.

    Raises:
        ValueError: If there are at most ``max(k, 2)`` real or synthetic images.
    """
    fewest = min(len(real), len(synthetic))
    k = (5 if fewest >= 500 else 3) if k is None else k
    for name, side in (("synthetic", synthetic), ("real", real)):
        if len(side) <= max(k, 2):
            raise ValueError(f"{name} must hold more than {max(k, 2)} images (k={k}), but got {len(side)} instead.")
    return k


def measure_features(sets: FeatureSets, *, features: str, split: str) -> dict[str, Measurement]:
    """Computes every registered metric from computed features; ``features`` is the name of their network.

    See :func:`measure`.
    """
    return {
        name: metric.measure(sets, features, split)
        for name, metric in METRICS.items()
        if sets.train is not None or not metric.needs_train
    }


def measure_floor(sets: FeatureSets, *, features: str, split: str) -> dict[str, Measurement]:
    """Computes the metrics with real images in place of the synthetic ones: the best values one can expect.

    The synthetic images are replaced by an equal number of training images or, for metrics that need the training
    images themselves, by the unseen real images. The result is empty without training images, and lacks the metrics for
    which there are too few of them.
    """
    if sets.train is None:
        return {}
    unseen = FeatureSets(sets.real, sets.real, sets.train, sets.k)
    others = FeatureSets(sets.real, sets.train[: len(sets.synthetic)], None, sets.k)
    return {
        name: metric.measure(unseen if metric.needs_train else others, features, split)
        for name, metric in METRICS.items()
        if metric.has_floor and (metric.needs_train or len(others.synthetic) > max(sets.k, 2))
    }
