"""From a checkpoint of others to a generator of ours."""

from __future__ import annotations

import dataclasses
import os
import re
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..models import Card, Generator, GeneratorConfig, LayeredConfig, LayeredGenerator
from ._doubts import doubts
from ._kinds import PAIRS, RESIDUAL, TRANSLATOR, check_kind, check_order, residual_blocks
from ._modules import Module, brief, chained, find_modules, join_stems, natural_order, networks, with_norms_placed
from ._ours import is_ours
from ._path import Budget, ContradictedError, Hints, OutOfBudgetError
from ._path import Path as Found
from ._read import MAX_NODES, read_checkpoint
from ._search import Limits, check_hints, search

MAX_ATTEMPTS = 64
HELPFUL = ("strides", "paddings", "function", "image_size")  # hints that shorten the search
DOUBTFUL_RESIDUAL = 0.3  # misfit of a norm, on average, of what is named like a residual network
Scaling = tuple[tuple[float, ...], tuple[float, ...]]
_GENERATOR = re.compile(r"gen|net_?g|(^|\.)g(_|\.|$)", re.IGNORECASE)
_AVERAGED = re.compile(r"ema|averag|shadow|g_?running", re.IGNORECASE)


def import_checkpoint(
    file: str | os.PathLike[str],
    *,
    key: str | None = None,
    image_size: int | None = None,
    latent: str | None = None,
    num_classes: int | None = None,
    class_names: tuple[str, ...] | None = None,
    strides: tuple[int, ...] | None = None,
    paddings: tuple[int, ...] | None = None,
    output_paddings: tuple[int, ...] | None = None,
    function: str | None = None,
    negative_slope: float | None = None,
    last: str | None = None,
    eps: float | None = None,
    normalization: tuple[Any, Any] | None = None,
) -> Generator:
    """Makes a generator out of a DCGAN's checkpoint, of which only names and tensors are known.

    Nothing in the file is executed. The layers are read from the tensors, and what these do not say - strides,
    paddings, resizing, activations, the latent's distribution - is found by trying: under the right layers, what
    comes to each batch normalisation has the mean and variance that it kept of its training. What was assumed is in
    ``card.training["assumed"]``; a hint replaces an assumption. Look at samples before you rely on them.

    Files are PyTorch checkpoints (of a ``state_dict``, or a dict with one in it) or safetensors.

    Args:
        file (str or Path): The checkpoint.
        key (str, optional): Which of several networks in it, such as ``"netG_state_dict"``.
        image_size (int, optional): Side of its images.
        latent (str, optional): ``"normal"`` or ``"uniform"``.
        num_classes (int, optional): Classes that follow the latent as one-hot vectors, which no tensor shows.
        class_names (tuple of str, optional): Names of its classes.
        strides (tuple of int, optional): Of each convolution.
        paddings (tuple of int, optional): Of each convolution.
        output_paddings (tuple of int, optional): Of each convolution; 0 where it is not transposed.
        function (str, optional): Of its hidden layers: ``"relu"``, ``"leaky_relu"``, ``"elu"``, ``"gelu"``, ``"silu"``.
        negative_slope (float, optional): Of the leaky ReLU.
        last (str, optional): Its last activation: ``"tanh"``, ``"sigmoid"`` or ``"none"``.
        eps (float, optional): Of its normalisation.
        normalization (tuple, optional): Mean and standard deviation by which its training images were normalized
            from 0..1, like the arguments of torchvision's ``Normalize``: each a float, or one for each channel.
            Default: ``(0, 1)`` if ``last`` is ``"sigmoid"``, else ``(0.5, 0.5)``, which is -1..1.

    Returns:
        Generator: In eval mode; one that can be trained on where its layers are those of :class:`Generator`,
        else a :class:`LayeredGenerator`. Save it by :meth:`Generator.save_pretrained`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no checkpoint, asks for more than tensors, or holds no DCGAN generator, saying
            what it seems to hold instead; or if the search for its layers runs out of its budget, saying which hints
            would help.

    Example:
        >>> import tempfile
        >>> from torch import nn
        >>> layers = nn.ConvTranspose2d(20, 8, 4), nn.ReLU(), nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Tanh()
        >>> with tempfile.NamedTemporaryFile(suffix=".pth") as file:
        ...     torch.save({"epoch": 3, "generator": nn.Sequential(*layers).state_dict()}, file.name)
        ...     hints = {"strides": (1, 2), "paddings": (0, 1), "function": "relu"}  # no batch norm's statistics say
        ...     generator = import_checkpoint(file.name, **hints)
        >>> generator.sample(2, seed=0).shape
        torch.Size([2, 1, 8, 8])
    """
    path = Path(file)
    hints = Hints(
        image_size, latent, num_classes, strides, paddings, output_paddings, function, negative_slope, last, eps
    )
    scaling = _scaling(normalization)
    checkpoint = read_checkpoint(path)
    where, found = _choose(checkpoint.tensors, path, key, hints)
    convs = sum(layer["kind"] in ("conv", "conv_transpose") for layer, _ in found.layers)
    for name in ("strides", "paddings", "output_paddings"):
        hint = getattr(hints, name)
        if hint is not None and len(hint) != convs:
            raise ValueError(f"{name} must name one for each of the {convs} convolutions, but got {len(hint)}: {hint}.")
    with torch.random.fork_rng(devices=[]):  # from which new networks draw what is replaced at once
        generator = (None if scaling else _native(found)) or _layered(found, scaling)
    generator.requires_grad_(True).eval()
    reasons = doubts(found, hints, generator, scaling)
    if reasons:
        warnings.warn(f"{path}: {'; '.join(reasons)}. Look at samples, and give hints.", UserWarning, stacklevel=2)
    generator.card = _card(path, where, found, reasons, scaling, checkpoint.sha256)
    if class_names is not None:
        generator.config = dataclasses.replace(generator.config, class_names=class_names)
    return generator


def _scaling(normalization: Any) -> Scaling | None:
    """The mean and standard deviation of each channel, or one for all of them.

    Raises:
        ValueError: If they are no finite numbers, or a standard deviation is not positive.
    """
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


def _choose(tree: dict[str, Any], path: Path, key: str | None, hints: Hints) -> tuple[str, Found]:
    """The one network in a file that is a generator."""
    groups = [(where, tensors) for where, tensors in networks(tree) if key is None or where == key]
    if not groups:
        known = brief(list(dict.fromkeys(where for where, _ in networks(tree))), 300)
        raise ValueError(f"{path} must hold {key or 'tensors'!r}, but holds {known}.")
    groups.sort(key=lambda group: len(group[1]) if _GENERATOR.search(group[0]) else len(group[1]) + MAX_NODES)
    found: dict[frozenset[int], tuple[str, Found]] = {}
    reasons: list[tuple[int, ValueError]] = []
    held = {id(tensor): tensor.numel() for _, tensors in groups for tensor in tensors.values()}
    limits = Limits(Budget(sum(held.values())))
    for where, tensors in groups[:MAX_ATTEMPTS]:
        identity = frozenset(map(id, tensors.values()))
        if any(identity <= other or other <= identity for other in found):
            continue  # a part of a generator, or what it is a part of
        try:
            found[identity] = where, _infer(tensors, hints, limits)
        except ValueError as error:
            reasons.append((len(tensors), error))
    candidates = list(found.values())
    averaged = [each for each in candidates if _AVERAGED.search(each[0])]
    if len(candidates) > 1 and averaged:
        candidates = averaged
    if len(candidates) > 1:
        keys = brief([where for where, _ in candidates], 300)
        raise ValueError(f"{path} holds several generators; pass key= as one of {keys}.")
    if not candidates:
        wrong = next((error for _, error in reasons if isinstance(error, ContradictedError)), None)
        if wrong is not None:
            raise ValueError(
                f"The statistics in {path} say that {wrong}; leave out what you are not sure of."
            ) from wrong
        ended = next((error for _, error in reasons if isinstance(error, OutOfBudgetError)), None)
        if ended is not None:
            missing = [f"`{name}=`" for name in HELPFUL if getattr(hints, name) is None]
            advice = f"pass {', '.join(missing)}" if missing else "check the hints"
            raise ValueError(f"{path} may hold a DCGAN generator, but {ended}; {advice}.") from ended
        reason = brief(max(reasons, key=lambda reason: reason[0])[1], 400)
        raise ValueError(f"{path} holds no DCGAN generator: {reason}.")
    return candidates[0]


def _infer(tensors: dict[str, Tensor], hints: Hints, limits: Limits) -> Found:
    """The layers of a network, if it is a generator.

    Raises:
        ValueError: Saying what it is instead.
    """
    if is_ours(tensors):
        raise ValueError("it seems to be of gan-augment itself; load its folder by from_pretrained")
    joined, classes = join_stems(find_modules(tensors))
    orders: list[list[Module]] = []
    reasons = []
    sorted_by_name = natural_order(joined)
    placed = (with_norms_placed(joined), sorted_by_name, with_norms_placed(sorted_by_name), chained(sorted_by_name))
    for order in (joined, *placed):
        if order in orders:
            continue
        try:
            check_kind(order)
            check_order(order)
            orders.append(order)
        except ValueError as error:
            if str(error) in (RESIDUAL, TRANSLATOR):
                raise
            reasons.append(error)
    if not orders:
        raise reasons[0]
    try:
        found = search(orders, hints, limits, classes)
    except OutOfBudgetError:
        raise
    except ValueError as error:
        if residual_blocks(joined):
            raise ValueError(PAIRS) from error
        raise
    check_hints(found, orders, hints, limits, classes)
    if found.misfit >= DOUBTFUL_RESIDUAL * found.norms and residual_blocks(joined):
        raise ValueError(f"{PAIRS}, and it has no statistics that say otherwise")
    return found


def _layered(found: Found, scaling: Scaling | None = None) -> Generator:
    parts = found.layers
    if parts[-1][0]["function"] == "none" or scaling is not None:
        parts = [*parts[: -1 if parts[-1][0]["function"] == "none" else None], *_rescaled(found, scaling)]
    layers = tuple(layer for layer, _ in parts)
    classes = [layer["num_classes"] for layer in layers[:2] if layer["kind"] in ("embedding", "one_hot")]
    config = LayeredConfig(
        image_size=found.shape[1],
        channels=found.shape[0],
        latent_dim=found.latent_dim,
        latent=found.latent,  # type: ignore[arg-type]
        num_classes=classes[0] if classes else 0,
        layers=layers,
    )
    generator = LayeredGenerator(config)
    for built, (layer, module) in zip(generator.layers, parts):
        if module is not None:
            part: Any = built.embedding if layer["kind"] == "embedding" else built
            part.load_state_dict(module.tensors, strict=False)
    return generator


def _rescaled(found: Found, scaling: Scaling | None) -> list[tuple[dict[str, Any], Module | None]]:
    """What takes normalized images to -1..1: a scale and a shift of each channel, and a limit."""
    channels, limit = found.shape[0], ({"kind": "activation", "function": "hardtanh"}, None)
    if scaling is None:
        return [limit]
    mean, std = (torch.tensor(each, dtype=torch.float32) for each in scaling)
    if channels not in (len(mean), channels * len(mean)) or channels not in (len(std), channels * len(std)):
        raise ValueError(f"`normalization` must be for {channels} channels, but got {scaling}.")
    conv = {"kind": "conv", "in_channels": channels, "out_channels": channels, "kernel_size": 1, "stride": 1}
    weight = torch.diag((2 * std).expand(channels))[:, :, None, None].clone()
    module = Module("normalization", "conv", {"weight": weight, "bias": (2 * mean - 1).expand(channels).clone()})
    return [({**conv, "padding": 0, "bias": True}, module), limit]


def _native(found: Found) -> Generator | None:
    """The same as a :class:`Generator`, if its layers are of that kind."""
    pairs = [(layer, module) for layer, module in found.layers if layer["kind"] != "activation"]
    kinds = [layer["kind"] for layer, _ in pairs]
    functions = {(la["function"], la.get("slope", 0.0)) for la, _ in found.layers[:-1] if la["kind"] == "activation"}
    if (
        kinds != ["conv_transpose", "batch_norm"] * (len(pairs) // 2) + ["conv_transpose"]
        or len(functions) != 1
        or not {name for name, _ in functions} <= {"relu", "leaky_relu"}
        or found.layers[-1][0]["function"] != "tanh"
        or any(layer.get("eps", 1e-5) != 1e-5 or not layer.get("affine", True) for layer, _ in pairs)
        or any(layer.get("bias") for layer, _ in pairs)
    ):
        return None
    convs = [layer for layer, _ in pairs[::2]]
    try:
        config = GeneratorConfig(
            image_size=found.shape[1],
            channels=found.shape[0],
            latent_dim=convs[0]["in_channels"],
            latent=found.latent,  # type: ignore[arg-type]
            width=convs[-1]["in_channels"],
            max_width=max(conv["in_channels"] for conv in convs[1:]),
            kernel_size=convs[-1]["kernel_size"],
            base_size=convs[0]["kernel_size"],
            negative_slope=next(iter(functions))[1],
        )
    except ValueError:
        return None
    generator = Generator(config).eval()
    targets: list[Any] = [part for block in generator.blocks for part in (block.conv, block.norm)]
    shapes = [tuple(part.weight.shape) for part in [*targets, generator.to_image]]
    if shapes != [tuple(module.tensors["weight"].shape) for _, module in pairs if module is not None]:
        return None
    for part, (_, module) in zip([*targets, generator.to_image], pairs):
        part.load_state_dict(module.tensors if module is not None else {}, strict=False)
    layered, latent = _layered(found).eval(), torch.randn(4, config.latent_dim)
    with torch.inference_mode():
        alike = torch.allclose(generator(latent), layered(latent), atol=1e-4)
    return generator if alike else None


def _card(path: Path, where: str, found: Found, reasons: list[str], scaling: Scaling | None, sha256: str) -> Card:
    known = found.as_hints()
    assumed: dict[str, Any] = {
        **{name: known[name] for name in ("latent", "strides", "paddings", "output_paddings", "function")},
        "resized": sum(layer["kind"] == "upsample" for layer, _ in found.layers),
        "last": found.layers[-1][0]["function"],
        "misfit": round(found.misfit, 3),
        "norms_with_statistics": found.norms,
        "normalization": scaling,
        "doubts": reasons,
    }
    return Card(
        name=path.stem,
        data={"description": "not known: the file does not say on what it was trained, nor on which terms"},
        training={
            "imported_from": path.name,
            "sha256": sha256,
            "part": brief(where, 300) or "all of it",
            "assumed": assumed,
        },
    )
