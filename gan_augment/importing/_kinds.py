"""What a network is by its modules, where it is no stack of layers from latents to images."""

from __future__ import annotations

import re
from collections import Counter

from ._modules import Module, brief, may_normalise

_RESIDUAL = re.compile(r"res_?(net|block|idual)|short_?cut|bypass|(^|\.)(c|conv)_sc(\.|$)|skip", re.IGNORECASE)
RESIDUAL = "it looks like a residual network: its blocks add what comes to them to what they make of it"
PAIRS = "its blocks of two convolutions are like those of a residual network or a U-Net, which no plain stack explains"
TRANSLATOR = "it takes images to images, as a U-Net (pix2pix) or an autoencoder does, and not latents"


def check_kind(modules: list[Module]) -> None:
    """Refuses by its name what is no stack that takes latents to images.

    Raises:
        ValueError: Saying what it is instead.
    """
    convs = [module for module in modules if module.kind == "conv"]
    body = [module for module in modules if module.kind != "embedding"]
    if not convs:
        raise ValueError("it is a fully connected network" if body else "it has no layers")
    if sum(module.kind in ("conv", "linear") for module in body) < 2:
        raise ValueError("it is a single layer")
    if not any(size in (1, 3) for module in convs for size in module.weight.shape[:2]):
        raise ValueError("none of its layers gives images of 1 or 3 channels")
    if any(_RESIDUAL.search(module.name) for module in convs):
        raise ValueError(RESIDUAL)
    first, last = body[0], [module for module in body if module.kind in ("conv", "linear")][-1]
    if first.kind != "conv" or first.weight.shape[1] not in (1, 3):
        return
    inputs, outputs = convs[1].weight.shape[:2] if len(convs) > 1 else (0, 0)
    if first.weight.shape[1] in (inputs, outputs) and first.weight.shape[0] not in (inputs, outputs):
        return  # a transposed convolution, to so few channels
    if _narrows_and_widens(convs, last):
        raise ValueError(TRANSLATOR)
    if last.kind == "conv" and len(last.weight) % 3 == 0 and last.weight.shape[2] > 1:
        raise ValueError("it takes images to images, as super-resolution does; see Upscaler")
    kind = "discriminator" if len(last.weight) == 1 else "classifier or encoder"
    raise ValueError(f"it takes images of {first.weight.shape[1]} channels: a {kind}")


def _narrows_and_widens(convs: list[Module], last: Module) -> bool:
    """Whether images come out after as few channels as there were at first, with a step to others between."""
    width = len(convs[0].weight)
    dims = last.weight.shape[:2]
    takes = [taken for taken, given in (dims, dims[::-1]) if given in (1, 3)] if last.kind == "conv" else []
    resized = any(conv.weight.shape[2] % 2 == 0 or min(conv.weight.shape[:2]) > width for conv in convs)
    return len(convs) > 3 and resized and min(takes, default=3 * width) <= 2 * width


def check_order(modules: list[Module]) -> None:
    """Refuses an order in which no network of this kind can have its modules.

    Raises:
        ValueError: Saying which module does not fit.
    """
    layer: Module | None = None
    normalised = False
    for module in modules:
        if module.kind in ("conv", "linear"):
            if module.kind == "linear" and layer is not None and layer.kind == "conv":
                raise ValueError(f"its {brief(module.name)}, a linear layer, comes after convolutions")
            layer, normalised = module, False
        elif module.kind in ("batch_norm", "affine_norm"):
            if layer is None or normalised or not may_normalise(module, layer):
                raise ValueError(f"its {brief(module.name)} does not fit what comes before it")
            normalised = True


def residual_blocks(modules: list[Module]) -> bool:
    """Whether two blocks or more are each of a pair of convolutions that keep sides: those of residual networks are.

    A plain stack may have such, too, so that this is one where nothing else tells.
    """
    pairs = Counter(
        module.name.rpartition(".")[0] for module in modules if module.kind == "conv" and module.weight.shape[2] == 3
    )
    return sum(count == 2 and any(map(str.isdigit, block)) for block, count in pairs.items()) > 1
