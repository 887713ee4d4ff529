"""Finds the networks in a checkpoint, and turns the named tensors of each into modules.

A module holds the tensors of one layer: the weight and bias of a convolution, or the statistics of a batch norm.
Weights with spectral or weight normalisation are computed here, so that all other files see plain weights.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

Kind = Literal["conv", "linear", "embedding", "batch_norm", "affine_norm", "prelu"]
_CLASS_NAMES = re.compile(r"emb|label|class|cond", re.IGNORECASE)
_PARTS = re.compile(r"gen|net_?g|^g$|^g_|ema|^model$|^module$|^params", re.IGNORECASE)
MAX_KERNEL = 32


@dataclass(eq=False)
class Module:
    name: str  # in its network
    kind: Kind  # "conv" is a convolution, transposed or not, because the weight alone does not tell
    tensors: dict[str, Tensor]  # some of weight, bias, running_mean and running_var

    @property
    def weight(self) -> Tensor:
        return self.tensors["weight"]

    @property
    def is_layer(self) -> bool:
        return self.kind in ("conv", "linear")

    @property
    def is_norm(self) -> bool:
        return self.kind in ("batch_norm", "affine_norm")

    @property
    def features(self) -> int:
        """Number of features of a norm."""
        return len(next(iter(self.tensors.values())))

    @property
    def has_statistics(self) -> bool:
        """Whether it is a batch norm that was trained: the mean and variance of a new one are 0 and 1."""
        if self.kind != "batch_norm":
            return False
        return bool((self.tensors["running_mean"] != 0).any() or (self.tensors["running_var"] != 1).any())


def brief(text: object, most: int = 120) -> str:
    """Returns the beginning of a text from a file, short enough to quote in a message."""
    words = str(text)
    return words if len(words) <= most else f"{words[:most]}..."


def find_networks(tree: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yields every group of named tensors that may be a network, with its place in the file.

    A group is a dict of the file, or the tensors in it that share a prefix such as ``generator.``.
    """
    tensors = {name: value for name, value in tree.items() if isinstance(value, Tensor)}
    if tensors:
        yield path, tensors
        yield from _find_parts(tensors, path, 3)
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from find_networks(value, f"{path}.{name}".strip("."))


def _find_parts(tensors: dict[str, Tensor], path: str, depth: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        first, dot, rest = name.partition(".")
        if dot:
            groups.setdefault(first, {})[rest] = tensor
    for first, group in groups.items():
        inner = f"{path}.{first}".strip(".")
        if len(group) == len(tensors) or _PARTS.search(first):  # a part with another name is not a generator
            yield inner, group
        if depth > 1:
            yield from _find_parts(group, inner, depth - 1)


def find_modules(tensors: dict[str, Tensor]) -> list[Module]:
    """Groups the tensors of a network into modules, and computes normalised weights from their parts."""
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        base, parametrized, leaf = name.partition("parametrizations.weight.")
        base, leaf = (base.rstrip("."), leaf) if parametrized else (name.rpartition(".")[0], name.rpartition(".")[2])
        if leaf != "num_batches_tracked":
            groups.setdefault(base, {})[leaf] = tensor.float() if tensor.is_floating_point() else tensor
    modules = []
    for name, group in groups.items():
        shown = brief(name) or "it"
        if any(tensor.numel() == 0 or not bool(tensor.isfinite().all()) for tensor in group.values()):
            raise ValueError(f"{shown} holds an empty tensor, or values that are not finite")
        try:
            plain = _compute_weight(group)
        except (RuntimeError, IndexError, ValueError) as error:
            raise ValueError(f"{shown} has a normalised weight whose parts do not fit together") from error
        kind = _kind(name, plain)
        if kind is None:
            shapes = brief({leaf: tuple(tensor.shape) for leaf, tensor in group.items()}, 200)
            raise ValueError(f"{shown} holds {shapes}, and no layer of a DCGAN has such tensors")
        modules.append(Module(name, kind, plain))
    return modules


def _compute_weight(group: dict[str, Tensor]) -> dict[str, Tensor]:
    """Replaces the parts of a normalised weight by the weight itself."""
    rest = {leaf: tensor for leaf, tensor in group.items() if leaf == "bias"}
    # Spectral normalisation divides by the largest singular value: https://arxiv.org/abs/1802.05957
    for original, u, v in (("weight_orig", "weight_u", "weight_v"), ("original", "0._u", "0._v")):
        if {original, u, v} <= set(group):
            weight = group[original]
            # The outputs of a transposed convolution are dimension 1. For the wrong kind, the vectors do not fit.
            matrices = [m for m in (weight.flatten(1), weight.transpose(0, 1).flatten(1)) if len(m) == len(group[u])]
            return {"weight": weight / max(torch.dot(group[u], m @ group[v]) for m in matrices), **rest}
    # Weight normalisation keeps a length and a direction: https://arxiv.org/abs/1602.07868
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
    """Joins two first layers, one for the latent and one for the class, and returns the number of classes (or 0).

    Some conditional DCGANs send the latent and the one-hot class through a convolution and a norm each, and
    concatenate the maps. One convolution with a block-diagonal weight gives the same maps.
    """
    kinds = [module.kind for module in modules]
    if kinds[:5] != ["conv", "batch_norm", "conv", "batch_norm", "conv"] or not {*kinds} <= {"conv", "batch_norm"}:
        return modules, 0
    one, one_norm, other, other_norm, third = modules[:5]
    (a, b), (c, d) = one.weight.shape[:2], other.weight.shape[:2]
    if b + d not in third.weight.shape[:2] or b == c or one.weight.shape[2:] != other.weight.shape[2:]:
        return modules, 0
    if one.tensors.keys() != other.tensors.keys() or one_norm.tensors.keys() != other_norm.tensors.keys():
        return modules, 0
    weight = one.weight.new_zeros((a + c, b + d, *one.weight.shape[2:]))
    weight[:a, :b], weight[a:, b:] = one.weight, other.weight
    stem = Module(one.name, "conv", {"weight": weight})
    if "bias" in one.tensors:
        stem.tensors["bias"] = torch.cat([one.tensors["bias"], other.tensors["bias"]])
    norm = {leaf: torch.cat([tensor, other_norm.tensors[leaf]]) for leaf, tensor in one_norm.tensors.items()}
    return [stem, Module(one_norm.name, "batch_norm", norm), *modules[4:]], c
