"""What was measured, said whole: a number with its feature network, its counts and its split."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ._distances import density_coverage, frechet_distance, kid, precision_recall
from ._features import FeatureNetwork, check_images, load_features


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
    synthetic: Tensor,
    real: Tensor,
    features: str | FeatureNetwork = "efficientnet-lite0",
    *,
    split: str,
    k: int = 5,
) -> dict[str, Measurement]:
    """KID, Frechet distance, precision, recall, density and coverage of synthetic images.

    Measure on real images that the generator has not seen: on those of its training, copies look perfect.

    Args:
        synthetic (Tensor): uint8 ``(m, c, h, w)``.
        real (Tensor): uint8 ``(n, c, h, w)``, of the same size and channels.
        features (str or FeatureNetwork): See :func:`load_features`.
        split (str): What the real images are, such as ``"test"``; it stands in every name.
        k (int): Neighbour that gives the radii of the manifolds.

    Returns:
        dict: ``"kid"``, ``"fid"``, ``"precision"``, ``"recall"``, ``"density"`` and ``"coverage"``.

    Raises:
        ValueError: If the images differ in size or channels, or a side has no more than ``k`` of them.
        ImportError: If the feature network needs a package that is not installed.

    Example:
        >>> import torch
        >>> images = torch.randint(0, 256, (60, 1, 16, 16), dtype=torch.uint8)
        >>> measured = measure(images[:30], images[30:], "random-convolutions", split="test")
        >>> measured["kid"].label
        'kid[random-convolutions, n=30/30, test]'
    """
    for name, images in (("synthetic", synthetic), ("real", real)):
        check_images(images, name)
        if len(images) <= k:
            raise ValueError(f"{name} must hold more than k={k} images, but got {len(images)} instead.")
    if synthetic.shape[1:] != real.shape[1:]:
        raise ValueError(
            f"synthetic and real must be of one size and have the same channels, but got {tuple(synthetic.shape[1:])} "
            f"and {tuple(real.shape[1:])} instead; bring both to the size of the real ones."
        )
    network = load_features(features)
    x, y = network(real), network(synthetic)
    distance = kid(x, y)
    values: dict[str, tuple[float, float | None]] = {
        "kid": (distance.value, distance.spread),
        "fid": (frechet_distance(x, y), None),
        **{key: (value, None) for key, value in precision_recall(x, y, k)._asdict().items()},
        **{key: (value, None) for key, value in density_coverage(x, y, k)._asdict().items()},
    }
    return {
        key: Measurement(key, value, spread, network.name, len(real), len(synthetic), split)
        for key, (value, spread) in values.items()
    }
