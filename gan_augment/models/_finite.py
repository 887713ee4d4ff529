"""Whether weights that are finite give images that are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ._generator import Generator
from ._sampling import draw_latents, eval_mode

LARGEST = 1e30  # in float32 other images may overflow as soon as one comes near 3e38


def check_forward(network: nn.Module, *inputs: Tensor | None) -> Any:
    """Runs a network once and refuses weights with which the output of a layer overflows, or almost does.

    Args:
        network (nn.Module): Of finite weights.
        *inputs (Tensor): What it takes.

    Returns:
        Any: The network's output.

    Raises:
        ValueError: If a value in a layer is not finite or beyond 1e30, naming the layer.
    """

    def check(name: str, out: Any) -> None:
        known = isinstance(out, Tensor) and out.is_floating_point() and out.numel()
        if known and not float(out.detach().abs().max()) < LARGEST:
            raise ValueError(f"Weights must give finite values, but those of {name or 'the network'} are too large.")

    hooks = [
        module.register_forward_hook(lambda _module, _inputs, out, name=name: check(name, out))
        for name, module in network.named_modules()
    ]
    try:
        with torch.inference_mode(), eval_mode(network):
            return network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()


def check_images(generator: Generator) -> None:
    """Refuses a generator whose images overflow; looks at one, of the class whose weights stand out most.

    Raises:
        ValueError: If a value in a layer is not finite or beyond 1e30.
    """
    labels = None
    if generator.num_classes:
        largest = torch.zeros(generator.num_classes)
        for module in generator.modules():
            if isinstance(module, nn.Embedding):
                rows = module.weight.detach().abs().amax(1).cpu().float()
                largest = torch.maximum(largest, rows / rows.median().clamp(min=1e-30))
        labels = largest.argmax()[None]
    check_forward(generator, draw_latents(generator, 1, 0, labels), labels)
