"""Feature networks, which map images to vectors whose distances are meaningful."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ..models import eval_mode
from ._inputs import check_images

BATCH = 32


@runtime_checkable
class FeatureNetwork(Protocol):
    """Interface of feature networks: a callable from images to features, with a name for measurements."""

    @property
    def name(self) -> str:
        """Name that measurements with these features carry."""

    def __call__(self, images: Tensor, /) -> Tensor:
        """Maps uint8 images ``(n, 1 or 3, h, w)`` to float32 features ``(n, d)``."""


@torch.no_grad()
def in_batches(images: Tensor, network: Callable[[Tensor], Tensor], device: torch.device) -> Tensor:
    """Returns the features of all images on the CPU; the network receives float batches 0..255 without autocast."""
    check_images(images)
    parts = []
    with torch.autocast(device.type, enabled=False):
        for batch in torch.split(images, BATCH):
            floats = batch.to(device, torch.float32).contiguous(memory_format=torch.channels_last)
            parts.append(network(floats).flatten(1).float().cpu())
    return torch.cat(parts)


class CallableFeatures:
    """Makes a feature network from any callable. A module is called in eval mode.

    Args:
        function (callable): Maps uint8 images ``(n, c, h, w)`` to float features ``(n, d)``.
        name (str, optional): Name of the features. Default: the callable's ``__name__``, or that of its type.

    Example:
        >>> def brightness(images):
        ...     return images.float().mean(dim=(2, 3))
        >>> CallableFeatures(brightness).name
        'brightness'
    """

    def __init__(self, function: Callable[[Tensor], Tensor], name: str | None = None) -> None:
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__) if name is None else name

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Maps uint8 images to float32 ``(n, d)``.

        Raises:
            ValueError: If the callable does not return a real tensor with one row for each image.
        """
        check_images(images)
        parts = []
        with eval_mode(self.function) if isinstance(self.function, nn.Module) else contextlib.nullcontext():
            for batch in torch.split(images, BATCH):
                rows = self.function(batch)
                if not isinstance(rows, Tensor) or rows.ndim != 2 or len(rows) != len(batch) or rows.is_complex():
                    got = tuple(rows.shape) if isinstance(rows, Tensor) else type(rows)
                    raise ValueError(
                        f"features must map {len(batch)} images to a tensor ({len(batch)}, d), but {self.name} gave "
                        f"{got} instead."
                    )
                parts.append(rows.float().cpu())
        return torch.cat(parts)


class ClassifierFeatures:
    """Uses the input of one layer of your own classifier as features.

    Do not compare images that the classifier was trained on.

    Args:
        model (nn.Module): Classifier of float images 0..1, ``(n, c, h, w)``. It is called in eval mode.
        name (str): Name of the features in measurements. Default: ``"classifier"``.
        layer (nn.Module, optional): Layer of the model. Default: the last :class:`torch.nn.Linear`.

    Raises:
        ValueError: If ``layer`` is not part of the model, or the model has no linear layer.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(256, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> ClassifierFeatures(model, "mine")(torch.zeros(5, 1, 16, 16, dtype=torch.uint8)).shape
        torch.Size([5, 8])
    """

    def __init__(self, model: nn.Module, name: str = "classifier", *, layer: nn.Module | None = None) -> None:
        if layer is None:
            linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
            if not linear:
                raise ValueError("model must have a linear layer, but has none; pass another layer as layer=.")
            layer = linear[-1]
        elif all(module is not layer for module in model.modules()):
            raise ValueError("layer must be a part of model, but is not.")
        self.model, self.name, self.layer = model, name, layer

    def __call__(self, images: Tensor) -> Tensor:
        """Maps uint8 images to float32 ``(n, d)``."""
        device = next(self.model.parameters(), torch.empty(0)).device
        with eval_mode(self.model):
            return in_batches(images, self._forward, device)

    def _forward(self, batch: Tensor) -> Tensor:
        inputs: list[Tensor] = []

        def remember(_: nn.Module, arguments: tuple[Any, ...]) -> None:
            inputs.append(arguments[0])

        handle = self.layer.register_forward_pre_hook(remember)
        try:
            self.model(batch / 255)
        finally:
            handle.remove()
        if not inputs:
            raise ValueError("layer must be called by the model's forward, but was not.")
        return inputs[-1]
