"""Recognises networks that are not DCGAN generators, so that the error can say what they are."""

from __future__ import annotations

import re
from collections import Counter

from torch import Tensor

from ._modules import Module

_OUR_BLOCK = re.compile(r"blocks\.(\d+)\.(conv|norm|attention)\.")
_OUR_OTHERS = re.compile(r"to_image\.|mapping\.|variations\.|anchors$|anchor_labels$")
_RESIDUAL = re.compile(r"res_?(net|block|idual)|short_?cut|bypass|(^|\.)(c|conv)_sc(\.|$)|skip", re.IGNORECASE)


class AnotherKindError(ValueError):
    """The network was recognised as one of a kind that cannot be imported, whatever the order of its modules is."""


def is_ours(tensors: dict[str, Tensor]) -> bool:
    """Returns whether all tensors have names of this project's own generator.

    Other projects have blocks of the same names too, but hardly ever all the rest. The blocks must be numbered without
    a gap, each with a convolution.
    """
    found = [(_OUR_BLOCK.match(name), bool(_OUR_OTHERS.match(name))) for name in tensors]
    if not all(block or other for block, other in found):
        return False
    numbers = {int(block[1]) for block, _ in found if block}
    convs = {int(block[1]) for block, _ in found if block and block[2] == "conv"}
    image = any(name.startswith("to_image.") for name in tensors)
    return image and bool(numbers) and numbers == convs == set(range(len(numbers)))


def check_kind(modules: list[Module]) -> None:
    """Refuses networks that do not take latents to images, and residual networks.

    Raises:
        AnotherKindError: If it is a residual network, or takes images to images through fewer pixels.
        ValueError: If it is another kind of network; the message names the kind.
    """
    convs = [module for module in modules if module.kind == "conv"]
    body = [module for module in modules if module.kind != "embedding"]
    layers = [module for module in body if module.is_layer]
    if not convs:
        raise ValueError("it is a fully connected network" if body else "it has no layers")
    if len(layers) < 2:
        raise ValueError("it is a single layer")
    if not any(size in (1, 3) for module in convs for size in module.weight.shape[:2]):
        raise ValueError("none of its layers gives images of 1 or 3 channels")
    if any(_RESIDUAL.search(module.name) for module in convs):
        raise AnotherKindError("it looks like a residual network: its blocks add their input to their output")
    first, last = body[0], layers[-1]
    if first.kind != "conv" or first.weight.shape[1] not in (1, 3):
        return
    inputs, outputs = convs[1].weight.shape[:2] if len(convs) > 1 else (0, 0)
    if first.weight.shape[1] in (inputs, outputs) and first.weight.shape[0] not in (inputs, outputs):
        return  # a transposed convolution that gives 1 or 3 channels
    if _narrows_and_widens(convs, last):
        raise AnotherKindError(
            "it takes images to images, as a U-Net (pix2pix) or an autoencoder does, and not latents"
        )
    if last.kind == "conv" and len(last.weight) % 3 == 0 and last.weight.shape[2] > 1:
        raise ValueError("it takes images to images, as super-resolution does; see Upscaler")
    kind = "discriminator" if len(last.weight) == 1 else "classifier or encoder"
    raise ValueError(f"it takes images of {first.weight.shape[1]} channels: a {kind}")


def _narrows_and_widens(convs: list[Module], last: Module) -> bool:
    """Returns whether the last layer makes images from about as many channels as the first one gives.

    In between, a convolution must change the side (an even kernel) or have more channels.
    """
    width = len(convs[0].weight)
    dims = last.weight.shape[:2]
    takes = [taken for taken, given in (dims, dims[::-1]) if given in (1, 3)] if last.kind == "conv" else []
    resized = any(conv.weight.shape[2] % 2 == 0 or min(conv.weight.shape[:2]) > width for conv in convs)
    return len(convs) > 3 and resized and min(takes, default=3 * width) <= 2 * width


def has_residual_blocks(modules: list[Module]) -> bool:
    """Returns whether at least two numbered blocks consist of two 3x3 convolutions, as in residual networks.

    A plain stack may look the same, so this decides only if nothing else does.
    """
    pairs = Counter(
        module.name.rpartition(".")[0] for module in modules if module.kind == "conv" and module.weight.shape[2] == 3
    )
    return sum(count == 2 and any(map(str.isdigit, block)) for block, count in pairs.items()) > 1
