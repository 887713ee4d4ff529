"""From named tensors to the modules that they were of, in the order in which they were made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

Kind = Literal["conv", "linear", "embedding", "batch_norm", "affine_norm", "prelu"]
_NUMBERS = re.compile(r"(\d+)")
_CLASS_NAMES = re.compile(r"emb|label|class|cond", re.IGNORECASE)
_PARTS = re.compile(r"gen|net_?g|^g$|^g_|ema|^model$|^module$|^params", re.IGNORECASE)
MAX_KERNEL = 32
MAX_ORDERS = 10_000  # tried, of layers that fit each other in many
_LEFT_OUT = {"num_batches_tracked"}


@dataclass(eq=False)
class Module:
    """A module with weights, as its tensors show it.

    Attributes:
        name (str): Of the module in the network that it is of.
        kind (str): ``"conv"`` is a convolution, transposed or not, which its weight alone does not tell.
        tensors (dict): ``weight``, ``bias``, ``running_mean`` and ``running_var``, as far as there are any.
    """

    name: str
    kind: Kind
    tensors: dict[str, Tensor]

    @property
    def weight(self) -> Tensor:
        """Of convolutions, linear layers and embeddings."""
        return self.tensors["weight"]

    @property
    def features(self) -> int:
        """Of a norm: how many features it has."""
        return len(next(iter(self.tensors.values())))

    @property
    def is_unused(self) -> bool:
        """Whether it is a batch norm as new: it was never used in training mode, or kept nothing of it."""
        return self.kind == "batch_norm" and not self.has_statistics

    @property
    def has_statistics(self) -> bool:
        """Whether it is a norm that has met values in training: not the mean of 0 and variance of 1 of a new one."""
        if self.kind != "batch_norm":
            return False
        return bool((self.tensors["running_mean"] != 0).any()) or bool((self.tensors["running_var"] != 1).any())


def brief(text: object, most: int = 120) -> str:
    """What a message quotes of a file, cut to a length."""
    words = str(text)
    return words if len(words) <= most else f"{words[:most]}..."


def networks(tree: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Tensor]]]:
    """All groups of named tensors that may be a network: dicts of a file, then parts with a common prefix."""
    tensors = {name: value for name, value in tree.items() if isinstance(value, Tensor)}
    if tensors:
        yield path, tensors
        yield from _parts(tensors, path, 3)
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from networks(value, f"{path}.{name}".strip("."))


def _parts(tensors: dict[str, Tensor], path: str, depth: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        first, dot, rest = name.partition(".")
        if dot:
            groups.setdefault(first, {})[rest] = tensor
    for first, group in groups.items():
        inner = f"{path}.{first}".strip(".")
        if len(group) == len(tensors) or _PARTS.search(first):  # a decoder is no generator
            yield inner, group
        if depth > 1:
            yield from _parts(group, inner, depth - 1)


def find_modules(tensors: dict[str, Tensor]) -> list[Module]:
    """The modules of a network, of which normalised weights are computed.

    Raises:
        ValueError: If there are tensors that belong to no module of a DCGAN.
    """
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        base, new, leaf = name.partition("parametrizations.weight.")
        base, leaf = (base.rstrip("."), leaf) if new else (name.rpartition(".")[0], name.rpartition(".")[2])
        if leaf not in _LEFT_OUT:
            groups.setdefault(base, {})[leaf] = tensor.float() if tensor.is_floating_point() else tensor
    modules = []
    for name, group in groups.items():
        if any(tensor.numel() == 0 or not bool(tensor.isfinite().all()) for tensor in group.values()):
            raise ValueError(f"{brief(name) or 'it'} holds an empty tensor, or values that are not finite")
        try:
            plain = _plain(group)
        except (RuntimeError, IndexError, ValueError) as error:
            raise ValueError(f"{brief(name) or 'it'} has a normalised weight that its parts do not give") from error
        kind = _kind(name, plain)
        if kind is None:
            shapes = brief({leaf: tuple(tensor.shape) for leaf, tensor in group.items()}, 200)
            raise ValueError(f"{brief(name) or 'it'} holds {shapes}, which no layer of a DCGAN does")
        modules.append(Module(name, kind, plain))
    return modules


def natural_order(modules: list[Module]) -> list[Module]:
    """Modules by their names, numbers in them as numbers: for files that do not keep the order."""
    return sorted(modules, key=lambda module: [int(p) if p.isdigit() else p for p in _NUMBERS.split(module.name)])


def chained(modules: list[Module]) -> list[Module]:
    """Linear layers and convolutions so that each takes what the one before gives; norms by their sizes after them.

    For files in which names are sorted. As they are, if there is no such order.
    """
    rest = [module for module in modules if module.kind in ("linear", "conv")]
    others = [module for module in modules if module.kind not in ("linear", "conv", "batch_norm", "affine_norm")]
    norms = [module for module in modules if module.kind in ("batch_norm", "affine_norm")]

    steps = iter(range(MAX_ORDERS))

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

    if not rest or len(rest) > 12:
        return modules
    first = [module for module in rest if module.kind == "linear"]
    found = follow([], None, first + [module for module in rest if module.kind == "conv"])
    return modules if found is None else with_norms_placed([*others, *found, *norms])


def with_norms_placed(modules: list[Module]) -> list[Module]:
    """Each norm after the first convolution or layer without one that has its number of features.

    For networks that were written with all convolutions first.
    """
    placed: list[Module] = []
    norms = [module for module in modules if module.kind in ("batch_norm", "affine_norm")]
    for module in modules:
        if module.kind in ("batch_norm", "affine_norm"):
            continue
        placed.append(module)
        if module.kind in ("conv", "linear"):
            found = next((norm for norm in norms if may_normalise(norm, module)), None)
            if found is not None:
                norms.remove(found)
                placed.append(found)
    return placed + norms


def may_normalise(norm: Module, layer: Module) -> bool:
    """Whether a norm has the features that a convolution or a linear layer gives, or of its maps."""
    if layer.kind == "linear":
        return len(layer.weight) % norm.features == 0
    return norm.features in layer.weight.shape[:2]


def _plain(group: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with the weight itself in the place of what it is computed from."""
    rest = {leaf: tensor for leaf, tensor in group.items() if leaf == "bias"}
    # https://arxiv.org/abs/1802.05957: the weight over its largest singular value
    for original, u, v in (("weight_orig", "weight_u", "weight_v"), ("original", "0._u", "0._v")):
        if {original, u, v} <= set(group):
            weight = group[original]
            # A transposed convolution's output is its second dimension; of the other one they are no vectors.
            matrices = [m for m in (weight.flatten(1), weight.transpose(0, 1).flatten(1)) if len(m) == len(group[u])]
            return {"weight": weight / max(torch.dot(group[u], m @ group[v]) for m in matrices), **rest}
    # https://arxiv.org/abs/1602.07868: a length and a direction
    for length, direction in (("weight_g", "weight_v"), ("original0", "original1")):
        if {length, direction} <= set(group):
            other = [d for d in range(group[direction].ndim) if group[length].shape[d] == 1]
            norm = group[direction].square().sum(other, keepdim=True).sqrt()
            return {"weight": group[direction] * group[length] / norm, **rest}
    return group


def _kind(name: str, tensors: dict[str, Tensor]) -> Kind | None:
    leaves, weight = set(tensors), tensors.get("weight")
    rest = [tensor for leaf, tensor in tensors.items() if leaf != "weight"]
    if any(tensor.ndim != 1 for tensor in rest):
        return None
    if {"running_mean", "running_var"} <= leaves <= {"running_mean", "running_var", "weight", "bias"}:
        shapes = {tuple(tensor.shape) for tensor in tensors.values()}
        return "batch_norm" if len(shapes) == 1 and bool((tensors["running_var"] >= 0).all()) else None
    if weight is None or not leaves <= {"weight", "bias"}:
        return None
    if weight.ndim == 4 and weight.shape[2] == weight.shape[3] <= MAX_KERNEL:
        return "conv"
    if weight.ndim == 2 and all(len(bias) == len(weight) for bias in rest):
        return "embedding" if not rest and _CLASS_NAMES.search(name) else "linear"
    if weight.ndim == 1 and all(bias.shape == weight.shape for bias in rest):
        return "affine_norm" if rest else "prelu"
    return None


def join_stems(modules: list[Module]) -> tuple[list[Module], int]:
    """One first layer in the place of two, of the latent and of the class, whose maps are then put together.

    Returns:
        The modules, and the number of classes that follow the latent as one-hot vectors; 0 if there was one stem.
    """
    convs = [module for module in modules if module.kind == "conv"]
    if len(convs) < 3 or not all(m.kind in ("conv", "batch_norm") for m in modules):
        return modules, 0
    one, other, third = convs[:3]
    norms = [[m for m in modules[modules.index(stem) + 1 :][:1] if m.kind == "batch_norm"] for stem in (one, other)]
    both = one.weight.shape[1] + other.weight.shape[1]
    fits = both in third.weight.shape[:2] and one.weight.shape[1] != other.weight.shape[0]
    if not fits or one.weight.shape[2:] != other.weight.shape[2:] or any(len(norm) != 1 for norm in norms):
        return modules, 0
    stem = Module(one.name, "conv", {"weight": _block_diagonal(one.weight, other.weight)})
    if "bias" in one.tensors and "bias" in other.tensors:
        stem.tensors["bias"] = torch.cat([one.tensors["bias"], other.tensors["bias"]])
    (first,), (second,) = norms
    norm = Module(
        first.name,
        "batch_norm",
        {leaf: torch.cat([first.tensors[leaf], second.tensors[leaf]]) for leaf in first.tensors},
    )
    rest = [module for module in modules if module not in (one, other, first, second)]
    return [stem, norm, *rest], other.weight.shape[0]


def _block_diagonal(one: Tensor, other: Tensor) -> Tensor:
    (a, b), (c, d) = one.shape[:2], other.shape[:2]
    weight = one.new_zeros((a + c, b + d, *one.shape[2:]))
    weight[:a, :b], weight[a:, b:] = one, other
    return weight
