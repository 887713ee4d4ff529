"""Pretrained networks with a new last layer, for images of any size and number of channels."""

from __future__ import annotations

import contextlib
import inspect
import pickle
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..models import LEAST_SIDE, load_efficientnet

TRAINED_SHARE = 0.25  # of the layers of a backbone; earlier layers change little, and their gradients cost most
DROPOUT = 0.2


class PretrainedClassifier(nn.Module):
    """A pretrained backbone with a new linear layer that starts at zero.

    It repeats grey images in three channels, and scales the values of all images as in the pretraining. It enlarges
    images that are smaller than 96 px, and shrinks images that are larger than those of the pretraining. Its batch
    norms keep the statistics of the pretraining, because estimates from few images would be worse.

    Args:
        backbone (nn.Module): Maps images ``(n, 3, s, s)`` to features ``(n, features)`` or maps of features.
        features (int): Number of features.
        num_classes (int): Number of classes.
        side (int): Side of the images of the pretraining, in pixels.
        mean (sequence of float): Mean of each channel in the pretraining, for values 0..1.
        std (sequence of float): Standard deviation of each channel.
        fixed (bool): Whether every image is resized to ``side``, because the backbone accepts no other size. Default:
            False.

    Shape:
        Float images 0..1 ``(n, 1 or 3, h, w)``; the output has shape ``(n, num_classes)``.
    """

    def __init__(
        self,
        backbone: nn.Module,
        features: int,
        num_classes: int,
        *,
        side: int,
        mean: Sequence[float],
        std: Sequence[float],
        fixed: bool = False,
    ) -> None:
        super().__init__()
        self.backbone, self.side, self.least_side = backbone, side, side if fixed else min(LEAST_SIDE, side)
        self.head = nn.Linear(features, num_classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])
        self.train()

    def forward(self, images: Tensor) -> Tensor:
        # Depthwise convolutions in bfloat16 are slower than in float32 on CPUs.
        slow = images.device.type == "cpu"
        with torch.autocast("cpu", enabled=False) if slow else contextlib.nullcontext():
            features = self.backbone(self._prepared(images))
        features = features.mean((2, 3)) if features.ndim == 4 else features
        logits: Tensor = self.head(F.dropout(features.float(), DROPOUT, self.training))
        return logits

    def _prepared(self, images: Tensor) -> Tensor:
        side = min(max(self.least_side, *images.shape[2:]), self.side)
        if tuple(images.shape[2:]) != (side, side):
            images = F.interpolate(images, (side, side), mode="bilinear", antialias=True)
        scaled = (images.expand(-1, 3, -1, -1) - self.mean) / self.std
        return scaled.contiguous(memory_format=torch.channels_last)

    def train(self, mode: bool = True) -> PretrainedClassifier:
        super().train(mode)
        self.backbone.eval()
        return self

    def last_layers(self) -> list[nn.Parameter]:
        """Returns the parameters of the last quarter of the backbone's layers."""
        layers = [each for each in self.backbone.modules() if list(each.parameters(recurse=False))]
        count = max(1, round(TRAINED_SHARE * len(layers)))
        return [parameter for layer in layers[-count:] for parameter in layer.parameters(recurse=False)]


def efficientnet_lite0(channels: int, num_classes: int) -> PretrainedClassifier:
    """Builds EfficientNet-Lite0, pretrained on ImageNet; see :class:`EfficientNetFeatures`."""
    network = load_efficientnet()
    network._fc = nn.Identity()
    network._dropout = nn.Identity()
    scale: dict[str, Any] = {"side": 224, "mean": [127 / 255] * 3, "std": [128 / 255] * 3}
    return PretrainedClassifier(network, 1280, num_classes, **scale)


def from_torchvision(name: str, channels: int, num_classes: int) -> PretrainedClassifier:
    """Builds one of torchvision's classifiers with its default weights."""
    from torchvision import models

    try:
        weights = models.get_model_weights(name).DEFAULT
    except (ValueError, AttributeError):
        raise ValueError(f"torchvision has no pretrained classifier {name!r}; see torchvision.models.") from None
    preset = weights.transforms()
    if type(preset).__name__ != "ImageClassification":
        raise ValueError(f"torchvision:{name} must be a classifier of images, but it is not.")
    try:
        # torchvision would unpickle anything on older versions of torch, so this checks that there are only tensors.
        weights.get_state_dict(check_hash=True, weights_only=True)
    except OSError as error:
        raise ConnectionError(
            f"The weights of torchvision:{name} cannot be downloaded from {weights.url} ({error}); download them "
            f"elsewhere and copy them to {torch.hub.get_dir()}/checkpoints, or use 'efficientnet-lite0'."
        ) from None
    except pickle.UnpicklingError:
        raise ValueError(
            f"The weights of torchvision:{name} in {torch.hub.get_dir()}/checkpoints must hold only tensors, but do "
            "not; delete the file."
        ) from None
    network = models.get_model(name, weights=weights)
    scale = {"side": preset.crop_size[0], "mean": preset.mean, "std": preset.std}
    fixed = name.startswith(("vit_", "maxvit"))  # the positions of their patches are learned for one size
    return PretrainedClassifier(network, _without_head(network), num_classes, **scale, fixed=fixed)


def from_timm(name: str, channels: int, num_classes: int) -> PretrainedClassifier:
    """Builds a timm network with its pretrained weights."""
    try:
        import timm
    except ModuleNotFoundError:
        raise ModuleNotFoundError(f"classifier='timm:{name}' needs timm: run pip install timm.") from None
    if "weights_only" not in inspect.signature(timm.models.load_state_dict_from_hf).parameters:
        raise ValueError(f"timm must be new enough to read weights safely, but is {timm.__version__}: upgrade it.")
    try:
        network: Any = timm.create_model(name, pretrained=True, num_classes=0)
    except OSError as error:
        raise ConnectionError(f"The weights of timm:{name} cannot be downloaded: {error}.") from None
    except RuntimeError as error:
        raise ValueError(f"timm has no pretrained network {name!r}: {error}.") from error
    config: Any = timm.data.resolve_model_data_config(network)  # type: ignore[attr-defined, no-untyped-call]
    scale = {"side": config["input_size"][1], "mean": config["mean"], "std": config["std"]}
    features = getattr(network, "head_hidden_size", None) or network.num_features
    fixed = bool(network.pretrained_cfg.get("fixed_input_size", False))
    return PretrainedClassifier(network, features, num_classes, **scale, fixed=fixed)


def _without_head(network: nn.Module) -> int:
    """Removes the last linear layer of a network, and returns the number of its inputs."""
    layers = [(name, each) for name, each in network.named_modules() if isinstance(each, nn.Linear)]
    if not layers:
        raise ValueError(f"The network must have a linear layer to replace, but {type(network).__name__} has none.")
    name, layer = layers[-1]
    parent, _, attribute = name.rpartition(".")
    setattr(network.get_submodule(parent), attribute, nn.Identity())
    return layer.in_features
