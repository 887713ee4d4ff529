"""What was measured, said whole: a number with its feature network, its counts and its split."""

from __future__ import annotations

import dataclasses
import math
import warnings
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ._distances import Estimate, density_counts, frechet_distance, kid, precision_recall
from ._features import check_images
from ._load_features import FeaturesLike, load_features
from ._memorization import authenticity, ct_score

FEW = 50  # images of a side


@dataclass(frozen=True)
class Measurement:
    """One number that can be read without its context. Values of different features do not compare.

    Args:
        name (str): What was measured, such as ``"kid"``.
        value (float): The number.
        spread (float, optional): Its standard error, where it is known.
        features (str): Name of the feature network.
        n_real (int): Number of real images.
        n_synthetic (int): Number of synthetic images.
        split (str): Of the real images, such as ``"test"``.

    Example:
        >>> print(Measurement("kid", 0.0123, 0.0004, "efficientnet-lite0", 1000, 1000, "test"))
        kid[efficientnet-lite0, n=1000/1000, test] 0.0123 ±0.0004
    """

    name: str
    value: float
    spread: float | None
    features: str
    n_real: int
    n_synthetic: int
    split: str

    @property
    def label(self) -> str:
        """All but the number: ``kid[efficientnet-lite0, n=1000/1000, test]``."""
        return f"{self.name}[{self.features}, n={self.n_real}/{self.n_synthetic}, {self.split}]"

    def __str__(self) -> str:
        spread = "" if self.spread is None else f" ±{self.spread:.2g}"
        return f"{self.label} {self.value:.3g}{spread}"

    def to_dict(self) -> dict[str, Any]:
        """The measurement as JSON can hold it."""
        return dataclasses.asdict(self)


def measure(
    real: Tensor,
    synthetic: Tensor,
    features: FeaturesLike = "efficientnet-lite0",
    *,
    split: str,
    train: Tensor | None = None,
    k: int | None = None,
) -> dict[str, Measurement]:
    """KID, Frechet distance, precision, recall, density and coverage of synthetic images, and whether they are copies.

    Measure on real images that the generator has not seen: on those of its training, copies look perfect. From
    50 images a side the figures serve, but FID, which is to be compared at equal counts only.

    Args:
        real (Tensor): uint8 ``(n, c, h, w)``.
        synthetic (Tensor): uint8 ``(m, c, h, w)``, of the same size and channels.
        features (str, FeatureNetwork or callable): See :func:`load_features`.
        split (str): What the real images are, such as ``"test"``; it stands in every name.
        train (Tensor, optional): The images that the generator was trained on, uint8 ``(t, c, h, w)``; for
            authenticity and the data-copying test.
        k (int, optional): Neighbour that gives the radii of the manifolds. Default: 5, or 3 if a side has fewer than
            500 images. Values of two ``k`` do not compare.

    Returns:
        dict: ``"kid"``, ``"fid"``, ``"precision"``, ``"recall"``, ``"density"`` and ``"coverage"``, and with ``train``
        also ``"authenticity"``, whose real images are those of the training, and ``"ct"``, a z-score
        (:func:`ct_score`). Spreads are standard errors: KID's by the jackknife; of shares the binomial one and of
        density that of its mean, both for manifolds that stay as they are, so they are lower bounds. FID and ct have
        none.

    Raises:
        ValueError: If the images differ in size or channels, or a side has no more than ``k`` of them, or KID's 3.
        ModuleNotFoundError: If the feature network needs a package that is not installed.

    Warns:
        UserWarning: If a side has fewer than 50 images.

    Example:
        >>> import torch
        >>> images = torch.randint(0, 256, (100, 1, 16, 16), dtype=torch.uint8)
        >>> measured = measure(images[:50], images[50:], "random-convolutions", split="test")
        >>> measured["kid"].label
        'kid[random-convolutions, n=50/50, test]'
    """
    sides = {"synthetic": synthetic, "real": real, **({} if train is None else {"train": train})}
    for name, images in sides.items():
        check_images(images, name)
    for name, images in sides.items():
        if images.shape[1:] != real.shape[1:]:
            raise ValueError(
                f"{name} and real must be of one size and have the same channels, but got {tuple(images.shape[1:])} "
                f"and {tuple(real.shape[1:])} instead; bring both to the size of the real ones."
            )
    k = check_counts(real, synthetic, k)
    warn_if_few(len(real), len(synthetic))
    network = load_features(features)
    vectors = {name: network(images) for name, images in sides.items()}
    return measure_features(**vectors, name=network.name, split=split, k=k)


def warn_if_few(n_real: int, n_synthetic: int) -> None:
    """Warns, in the name of the caller's caller, of figures that are mostly chance."""
    if min(n_real, n_synthetic) < FEW:
        warnings.warn(
            f"There are {n_real} real and {n_synthetic} synthetic images, and under {FEW} of either the figures are "
            "mostly chance; add images.",
            UserWarning,
            stacklevel=3,
        )


def check_counts(real: Tensor, synthetic: Tensor, k: int | None = None) -> int:
    """The neighbour that counts, by default, by the number of images or features.

    Raises:
        ValueError: If a side has too few for it.
    """
    fewest = min(len(real), len(synthetic))
    k = (5 if fewest >= 500 else 3) if k is None else k
    for name, side in (("synthetic", synthetic), ("real", real)):
        if len(side) <= max(k, 2):
            raise ValueError(f"{name} must hold more than {max(k, 2)} images (k={k}), but got {len(side)} instead.")
    return k


def measure_features(
    real: Tensor, synthetic: Tensor, train: Tensor | None = None, *, name: str, split: str, k: int | None = None
) -> dict[str, Measurement]:
    """:func:`measure`, of features ``(n, d)`` that are at hand and of the network of this name."""
    k = check_counts(real, synthetic, k)
    n, m = len(real), len(synthetic)
    manifold = precision_recall(real, synthetic, k)
    balls, covered = density_counts(real, synthetic, k)
    balls = balls.double()
    values: dict[str, tuple[float, float | None]] = {
        "kid": kid(real, synthetic),
        "fid": (frechet_distance(real, synthetic), None),
        "precision": Estimate.of_share(manifold.precision, m),
        "recall": Estimate.of_share(manifold.recall, n),
        "density": (float(balls.mean()) / k, float(balls.std()) / k / math.sqrt(m)),
        "coverage": Estimate.of_share(float(covered.double().mean()), n),
    }
    found = {key: Measurement(key, value, spread, name, n, m, split) for key, (value, spread) in values.items()}
    if train is not None:
        share, spread = Estimate.of_share(authenticity(train, synthetic), m)
        found["authenticity"] = Measurement("authenticity", share, spread, name, len(train), m, "train")
        found["ct"] = Measurement("ct", ct_score(train, real, synthetic), None, name, n, m, split)
    return found
