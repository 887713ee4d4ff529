"""Proposes the orders in which the modules of a network may follow each other, and refuses other kinds of networks.

Most files keep the order in which the modules were made, and most networks run them in that order. Some files sort the
names instead, and some networks define all convolutions first and all norms after them.
"""

from __future__ import annotations

import re
from collections import Counter

from torch import Tensor

from ._modules import Module, brief

_NUMBERS = re.compile(r"(\d+)")
_OUR_BLOCK = re.compile(r"blocks\.(\d+)\.(conv|norm|attention)\.")
_OUR_OTHERS = re.compile(r"to_image\.|mapping\.|variations\.|anchors$|anchor_labels$")
_RESIDUAL = re.compile(r"res_?(net|block|idual)|short_?cut|bypass|(^|\.)(c|conv)_sc(\.|$)|skip", re.IGNORECASE)
MAX_STEPS = 10_000  # of the search for an order in which the channels of layers fit
MAX_CHAINED = 12  # layers in such an order


class AnotherKindError(ValueError):
    """The network is of a kind that cannot be imported, in any order of its modules."""


def possible_orders(modules: list[Module]) -> list[list[Module]]:
    """Returns the orders in which the modules may form a generator, the likeliest first."""
    orders: list[list[Module]] = []
    reasons = []
    by_name = sorted(modules, key=lambda module: [int(p) if p.isdigit() else p for p in _NUMBERS.split(module.name)])
    for order in (modules, _place_norms(modules), by_name, _place_norms(by_name), _order_by_channels(by_name)):
        if order in orders:
            continue
        try:
            _check_kind(order)
            _check_order(order)
            orders.append(order)
        except AnotherKindError:
            raise
        except ValueError as error:
            reasons.append(error)
    if not orders:
        raise reasons[0]
    return orders


def _can_normalize(norm: Module, layer: Module) -> bool:
    """Returns whether a norm fits the output channels of a layer, or maps into which its vectors can be reshaped."""
    if layer.kind == "linear":
        return len(layer.weight) % norm.features == 0
    return norm.features in layer.weight.shape[:2]


def _check_order(modules: list[Module]) -> None:
    """Refuses linear layers after convolutions, and norms that do not fit the layer before them."""
    layer: Module | None = None
    normalized = False
    for module in modules:
        if module.is_layer:
            if module.kind == "linear" and layer is not None and layer.kind == "conv":
                raise ValueError(f"its {brief(module.name)}, a linear layer, comes after convolutions")
            layer, normalized = module, False
        elif module.is_norm:
            if layer is None or normalized or not _can_normalize(module, layer):
                raise ValueError(f"its {brief(module.name)} does not fit what comes before it")
            normalized = True


def _place_norms(modules: list[Module]) -> list[Module]:
    """Moves each norm behind the first layer that it fits and that has no norm yet."""
    placed: list[Module] = []
    norms = [module for module in modules if module.is_norm]
    for module in [module for module in modules if not module.is_norm]:
        placed.append(module)
        found = next((norm for norm in norms if module.is_layer and _can_normalize(norm, module)), None)
        if found is not None:
            norms.remove(found)
            placed.append(found)
    return placed + norms


def _order_by_channels(modules: list[Module]) -> list[Module]:
    """Orders layers so that each fits the output of the one before, or returns the modules in the given order."""
    steps = iter(range(MAX_STEPS))

    def follow(done: list[Module], width: int | None, left: list[Module]) -> list[Module] | None:
        if not left:
            return done if width in (1, 3) else None
        if next(steps, None) is None:
            return None
        for module in left:
            one, other = module.weight.shape[:2]
            ways = [(other, one)] if module.kind == "linear" else [(one, other), (other, one)]
            for takes, gives in ways:
                fits = width is None or takes == width or (done[-1].kind == "linear" and width % takes == 0)
                if fits and not (module.kind == "linear" and done and done[-1].kind == "conv"):
                    found = follow([*done, module], gives, [each for each in left if each is not module])
                    if found is not None:
                        return found
        return None

    layers = [module for module in modules if module.is_layer]
    layers.sort(key=lambda module: module.kind == "conv")
    found = follow([], None, layers) if len(layers) <= MAX_CHAINED else None
    if found is None:
        return modules
    return _place_norms([module for module in modules if not module.is_layer] + found)


def is_ours(tensors: dict[str, Tensor]) -> bool:
    """Returns whether all tensors have names of this project's own generator, with a convolution in each block.

    Other projects use the same names for blocks, but hardly ever for everything else.
    """
    blocks = [match for name in tensors if (match := _OUR_BLOCK.match(name))]
    others = [name for name in tensors if not _OUR_BLOCK.match(name)]
    if not all(_OUR_OTHERS.match(name) for name in others) or not any(name.startswith("to_image.") for name in others):
        return False
    numbers = {int(block[1]) for block in blocks}
    convs = {int(block[1]) for block in blocks if block[2] == "conv"}
    return bool(numbers) and numbers == convs == set(range(len(numbers)))


def _check_kind(modules: list[Module]) -> None:
    """Refuses residual networks, and networks that do not map latents to images."""
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
        raise AnotherKindError("it maps images to images instead of latents, like a U-Net (pix2pix) or an autoencoder")
    if last.kind == "conv" and len(last.weight) % 3 == 0 and last.weight.shape[2] > 1:
        raise ValueError("it maps images to images, like networks for super-resolution; see Upscaler")
    kind = "discriminator" if len(last.weight) == 1 else "classifier or encoder"
    raise ValueError(f"it takes images of {first.weight.shape[1]} channels: a {kind}")


def _narrows_and_widens(convs: list[Module], last: Module) -> bool:
    """Returns whether the last layer takes about as many channels as the first gives, unlike layers between them."""
    width = len(convs[0].weight)
    dims = last.weight.shape[:2]
    takes = [taken for taken, given in (dims, dims[::-1]) if given in (1, 3)] if last.kind == "conv" else []
    resized = any(conv.weight.shape[2] % 2 == 0 or min(conv.weight.shape[:2]) > width for conv in convs)
    return len(convs) > 3 and resized and min(takes, default=3 * width) <= 2 * width


def has_residual_blocks(modules: list[Module]) -> bool:
    """Returns whether at least two numbered blocks have two 3x3 convolutions each, as in residual networks.

    A plain stack may look the same, so other evidence comes first.
    """
    pairs = Counter(
        module.name.rpartition(".")[0] for module in modules if module.kind == "conv" and module.weight.shape[2] == 3
    )
    return sum(count == 2 and any(map(str.isdigit, block)) for block, count in pairs.items()) > 1
