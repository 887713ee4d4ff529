"""Imports a checkpoint: finds the generator in it, finds its layers, and builds a generator with its weights."""

from __future__ import annotations

import dataclasses
import os
import re
import warnings
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from ..models import Card, Generator
from ._build import Normalization, build_layered, build_trainable
from ._hypothesis import Budget, ContradictedError, Function, Hints, Hypothesis, Last, Latent, OutOfBudgetError
from ._modules import brief, find_modules, find_networks, join_stems
from ._orders import has_residual_blocks, is_ours, possible_orders
from ._read import MAX_NODES, read_checkpoint
from ._search import check_hints, search
from ._warnings import find_warnings

MAX_ATTEMPTS = 64  # groups of tensors in a file
HELPFUL = ("strides", "paddings", "function", "image_size")  # hints that shorten the search
RESIDUAL_MISFIT = 0.3  # average over batch norms from which a network with blocks like residual ones is refused
_RESIDUAL = "its blocks of two convolutions are like those of a residual network or a U-Net"
_GENERATOR = re.compile(r"gen|net_?g|(^|\.)g(_|\.|$)", re.IGNORECASE)
_AVERAGED = re.compile(r"ema|averag|shadow|g_?running", re.IGNORECASE)


def import_checkpoint(
    file: str | os.PathLike[str],
    *,
    key: str | None = None,
    image_size: int | None = None,
    latent: Latent | None = None,
    num_classes: int | None = None,
    class_names: tuple[str, ...] | None = None,
    strides: tuple[int, ...] | None = None,
    paddings: tuple[int, ...] | None = None,
    output_paddings: tuple[int, ...] | None = None,
    function: Function | None = None,
    negative_slope: float | None = None,
    last: Last | None = None,
    eps: float | None = None,
    normalization: tuple[Any, Any] | None = None,
) -> Generator:
    """Imports a DCGAN generator from a checkpoint of another project.

    Nothing in the file is executed. Its tensors show the kinds and sizes of the layers. Everything else (strides,
    paddings, resizing, activations, the latent's distribution) is found by trial: with the right layers, the inputs of
    each batch norm have the mean and the variance that it stored in training. ``card.training["assumed"]`` lists what
    was assumed, and a hint replaces an assumption. Look at samples before you use them.

    Args:
        file (str or Path): A PyTorch checkpoint (a ``state_dict``, or a dict that contains one), or a safetensors file.
        key (str, optional): Name of the network to import, such as ``"netG_state_dict"``, if the file holds several.
        image_size (int, optional): Side of the images in pixels.
        latent (str, optional): Distribution of the latent: ``"normal"`` or ``"uniform"``.
        num_classes (int, optional): Number of classes, if they follow the latent as one-hot vectors.
        class_names (tuple of str, optional): Names of the classes.
        strides (tuple of int, optional): Stride of each convolution.
        paddings (tuple of int, optional): Padding of each convolution.
        output_paddings (tuple of int, optional): Output padding of each convolution; 0 if it is not transposed.
        function (str, optional): Activation of the hidden layers: ``"relu"``, ``"leaky_relu"``, ``"elu"``, ``"selu"``,
            ``"gelu"`` or ``"silu"``.
        negative_slope (float, optional): Slope of the leaky ReLU.
        last (str, optional): Activation of the last layer: ``"tanh"``, ``"sigmoid"`` or ``"none"``.
        eps (float, optional): Epsilon of the batch norms.
        normalization (tuple, optional): Mean and standard deviation with which the training images in 0..1 were
            normalized, like the arguments of torchvision's ``Normalize``: each a float, or one for each channel.
            Default: ``(0, 1)`` if ``last`` is ``"sigmoid"``, else ``(0.5, 0.5)``, which gives -1..1.

    Returns:
        Generator: The generator in eval mode. If its layers are those of :class:`Generator`, it can be trained
        further; otherwise it is a :class:`LayeredGenerator`. Save it with :meth:`Generator.save_pretrained`.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is not a checkpoint, needs code to be executed, or holds no DCGAN generator; if a hint
            is wrong; or if the search for the layers exceeds its budget. The message suggests a remedy.

    Example:
        >>> import tempfile
        >>> from torch import nn
        >>> layers = nn.ConvTranspose2d(20, 8, 4), nn.ReLU(), nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Tanh()
        >>> with tempfile.NamedTemporaryFile(suffix=".pth") as file:
        ...     torch.save({"epoch": 3, "generator": nn.Sequential(*layers).state_dict()}, file.name)
        ...     hints = {"strides": (1, 2), "paddings": (0, 1), "function": "relu"}  # no batch norm shows them
        ...     generator = import_checkpoint(file.name, **hints)
        >>> generator.sample(2, seed=0).shape
        torch.Size([2, 1, 8, 8])
    """
    path = Path(file)
    hints = Hints(
        image_size, latent, num_classes, strides, paddings, output_paddings, function, negative_slope, last, eps
    )
    scaling = _check_normalization(normalization)
    checkpoint = read_checkpoint(path)
    where, found = _find_generator(checkpoint.tensors, path, key, hints)
    convs = sum(layer["kind"] in ("conv", "conv_transpose") for layer, _ in found.layers)
    for name in ("strides", "paddings", "output_paddings"):
        hint = getattr(hints, name)
        if hint is not None and len(hint) != convs:
            raise ValueError(
                f"{name} must have one value for each of the {convs} convolutions, but got {len(hint)}: {hint}."
            )
    with torch.random.fork_rng(devices=[]):  # new networks draw random weights before theirs are loaded
        generator = (None if scaling else build_trainable(found)) or build_layered(found, scaling)
    generator.requires_grad_(True).eval()
    reasons = find_warnings(found, hints, generator, scaling)
    if reasons:
        warnings.warn(
            f"{path}: {'; '.join(reasons)}. Look at the samples, and pass hints if they look wrong.",
            UserWarning,
            stacklevel=2,
        )
    generator.card = _make_card(path, where, found, reasons, scaling, checkpoint.sha256)
    if class_names is not None:
        generator.config = dataclasses.replace(generator.config, class_names=class_names)
    return generator


def _check_normalization(normalization: Any) -> Normalization | None:
    """Returns the mean and the standard deviation, each with one value or three."""
    if normalization is None:
        return None
    try:
        mean, std = (tuple(map(float, [e] if isinstance(e, (int, float)) else e)) for e in normalization)
    except (TypeError, ValueError):
        mean, std = (), ()
    good = len(mean) in (1, 3) and len(std) in (1, 3) and all(-1000 < m < 1000 for m in mean)
    if not good or not all(0 < s < 1000 for s in std):
        raise ValueError(
            "`normalization` must be a mean and a positive standard deviation, each a float or one for each channel, "
            f"but got {brief(normalization)}."
        )
    return mean, std


def _find_generator(tree: dict[str, Any], path: Path, key: str | None, hints: Hints) -> tuple[str, Hypothesis]:
    """Returns the place and the layers of the only generator in a file, or of the only one with averaged weights."""
    groups = [(where, tensors) for where, tensors in find_networks(tree) if key is None or where == key]
    if not groups:
        known = brief(list(dict.fromkeys(where for where, _ in find_networks(tree))), 300)
        raise ValueError(f"{path} must hold {key or 'tensors'!r}, but holds {known}.")
    groups.sort(key=lambda group: len(group[1]) if _GENERATOR.search(group[0]) else len(group[1]) + MAX_NODES)
    found: dict[frozenset[int], tuple[str, Hypothesis]] = {}
    reasons: list[tuple[int, ValueError]] = []
    weights = {id(tensor): tensor.numel() for _, tensors in groups for tensor in tensors.values()}
    budget = Budget(sum(weights.values()))
    for where, tensors in groups[:MAX_ATTEMPTS]:
        identity = frozenset(map(id, tensors.values()))
        if any(identity <= other or other <= identity for other in found):
            continue  # part of a generator that was found, or a group that contains it
        try:
            found[identity] = where, _find_layers(tensors, hints, budget)
        except ValueError as error:
            reasons.append((len(tensors), error))
    candidates = [each for each in found.values() if _AVERAGED.search(each[0])] or list(found.values())
    if len(candidates) > 1:
        keys = brief([where for where, _ in candidates], 300)
        raise ValueError(f"{path} holds several generators; pass key= with one of {keys}.")
    if not candidates:
        _raise_failure(path, hints, reasons)
    return candidates[0]


def _raise_failure(path: Path, hints: Hints, reasons: list[tuple[int, ValueError]]) -> NoReturn:
    """Raises the error for a file without a generator, given the size of each network and why it was refused."""
    for _, error in reasons:
        if isinstance(error, ContradictedError):
            raise ValueError(
                f"The statistics in {path} contradict the hints: {error}. Leave out hints that you are not sure of."
            ) from error
    for _, error in reasons:
        if isinstance(error, OutOfBudgetError):
            missing = [f"`{name}=`" for name in HELPFUL if getattr(hints, name) is None]
            advice = f"pass {', '.join(missing)}" if missing else "check the hints"
            raise ValueError(f"{path} may hold a DCGAN generator, but {error}; {advice}.") from error
    largest = max(reasons, key=lambda reason: reason[0])[1]
    raise ValueError(f"{path} holds no DCGAN generator: {brief(largest, 400)}.")


def _find_layers(tensors: dict[str, Tensor], hints: Hints, budget: Budget) -> Hypothesis:
    """Returns the layers of a network, or raises a ValueError that says what it is if it is not a generator."""
    if is_ours(tensors):
        raise ValueError("it seems to be a generator of gan-augment itself; load its folder with from_pretrained")
    modules, classes = join_stems(find_modules(tensors))
    orders = possible_orders(modules)
    try:
        found = search(orders, hints, budget, classes)
    except ValueError as error:
        if isinstance(error, OutOfBudgetError) or not has_residual_blocks(modules):
            raise
        raise ValueError(f"{_RESIDUAL}, and no plain stack of layers explains them") from error
    check_hints(found, orders, hints, budget, classes)
    if found.misfit >= RESIDUAL_MISFIT * found.norms and has_residual_blocks(modules):
        raise ValueError(f"{_RESIDUAL}, and no statistics show that it is a plain stack of layers")
    return found


def _make_card(
    path: Path, where: str, found: Hypothesis, reasons: list[str], scaling: Normalization | None, sha256: str
) -> Card:
    known = found.as_hints()
    assumed = {
        **{name: known[name] for name in ("latent", "strides", "paddings", "output_paddings", "function")},
        "resized": sum(layer["kind"] == "upsample" for layer, _ in found.layers),
        "last": found.layers[-1][0]["function"],
        "misfit": round(found.misfit, 3),
        "norms_with_statistics": found.norms,
        "normalization": scaling,
        "warnings": reasons,
    }
    return Card(
        name=path.stem,
        data={"description": "unknown: the file does not name the training images or their terms"},
        training={
            "imported_from": path.name,
            "sha256": sha256,
            "part": brief(where, 300) or "all of it",
            "assumed": assumed,
        },
    )
