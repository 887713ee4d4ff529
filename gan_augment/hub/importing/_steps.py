"""How a hypothesis may go on: what can stand between two modules, and in which ways the next one can."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torch import Tensor

from ...models import conv_side
from ._modules import Module
from ._path import FUNCTIONS, LATENTS, Budget, Hints, Path, latents_for

MAX_SIDE = 512
MAX_VALUES = 2**26  # of the latents' maps after a layer
STATISTICS_WEIGHT = 60.0
NOISE = 0.003  # misfit of the right layers, by the draw of latents
RESIZED_TWICE = 3.0  # in two ways
NOT_RESIZED = 0.4  # by the second of two modules without weights
# How unlikely what is: only the order is meant.
SIDES = {28: 0.0, 32: 0.0, 64: 0.0, 128: 0.0, 256: 0.3, 96: 0.4, 16: 0.5, 48: 1.0, 512: 0.5}
ODD_SIDE = 3.0
ANOTHER_FUNCTION = 3.0  # than before
EPSILONS = ((1e-5, 0.0), (1e-3, 0.8), (0.8, 1.5))  # torch's, Keras', and PyTorch-GAN's, meant as a momentum
MAX_MISFIT = 4.0
CONFIRMED, DOUBTFUL = 0.1, 0.05  # the least share of a cost that stays, and the misfit at which most of it does
HOPELESS = 1.5
ANOTHER_GEOMETRY = 1.0  # than another convolution of the same kernel has
LATENT_KINDS = (("normal", 0.0), ("uniform", 0.5), ("unit", 1.0))  # the last: uniform in 0..1


def longer(path: Path, hints: Hints) -> Iterator[Path]:
    """The path with one module more, in all ways, or as it ends."""
    if path.index == len(path.order):
        yield from _end(path, hints)
        return
    module = path.order[path.index]
    for ready in _between(path, path.order[path.index - 1] if path.index else None, module, hints):
        yield from _through(ready, module, hints)


def starts(
    order: tuple[Module, ...], embedding: Module | None, hints: Hints, one_hot: int, budget: Budget
) -> Iterator[Path]:
    """Latents that the first module can take, with the class joined to them."""
    first = order[0]
    if first.kind not in ("linear", "conv"):
        return
    classes = one_hot or (0 if embedding is not None else hints.num_classes or 0)
    widths = {first.weight.shape[1]} if first.kind == "linear" else set(first.weight.shape[:2])
    for width in sorted(widths):
        joins: list[tuple[dict[str, Any] | None, int, float]] = [(None, width, 0.0)]
        if embedding is not None:
            known, dim = embedding.weight.shape
            fields = {"kind": "embedding", "num_classes": known, "dim": dim}
            if width == dim:
                joins = [({**fields, "join": "multiply"}, width, 0.0)]
            else:
                joins = [({**fields, "join": join}, width - dim, c) for join, c in (("after", 0.0), ("before", 0.1))]
        elif classes:
            fields = {"kind": "one_hot", "num_classes": classes}
            ways = (("after", 0.0),) if one_hot else (("after", 0.0), ("before", 0.1))
            joins = [({**fields, "join": join}, width - classes, cost) for join, cost in ways]
        for layer, length, cost in joins:
            if not 1 <= length <= 4096:
                continue
            for kind, unlikely in LATENT_KINDS:
                latent = "normal" if kind == "normal" else "uniform"
                if hints.latent not in (None, latent):
                    continue
                path = Path(order, latent, {}, None, None, (length,), cost + unlikely, budget=budget)
                if kind == "unit":
                    path = path.then({"kind": "rescale", "scale": 0.5, "shift": 0.5}, None, (length,))
                yield path if layer is None else path.then(layer, embedding, (width,))


def _between(path: Path, before: Module | None, module: Module, hints: Hints) -> Iterator[Path]:
    """What may stand between two modules without weights of its own: an activation, a resizing, both or none."""
    if before is None or module.kind == "prelu":
        yield path
        return
    gap = _gap(before.name, module.name)
    norm_follows = module.kind in ("batch_norm", "affine_norm")
    resizable = module.kind == "conv" and module.weight.shape[2] % 2 == 1 and not norm_follows
    doubled = RESIZED_TWICE * any(layer.get("stride", 1) > 1 for layer, _ in path.layers)  # in another way before
    plain = 0.0 if norm_follows or before.kind == "prelu" else {None: 2.0, 0: 1.0, 1: 0.4}.get(gap, 1.5)
    active = {None: 0.0, 0: 1.5}.get(gap, 0.0) + (3.0 if norm_follows else 0.0)
    for activated in (False, True):
        for ready in _activated(path, hints, active) if activated else [replace(path, cost=path.cost + plain)]:
            yield ready if not resizable or gap != 2 else replace(ready, cost=ready.cost + NOT_RESIZED)
            for shaped in _as_maps_for(ready, module) if resizable else ():
                channels, side, _ = shaped.shape
                if 2 * side <= MAX_SIDE and channels * (2 * side) ** 2 * latents_for(side) <= MAX_VALUES:
                    unlikely = {None: 0.4, 0: 1.0, 1: 0.6 if activated else 0.0}.get(gap, 0.0) + doubled
                    for mode, more in (("nearest", 0.0), ("bilinear", 0.8)):
                        layer = {"kind": "upsample", "factor": 2, "mode": mode}
                        yield shaped.then(layer, None, (channels, 2 * side, 2 * side), unlikely + more)


def _gap(one: str, other: str) -> int | None:
    """How many modules without weights stand between two of the same sequence; None if they are of none."""
    (parent, _, first), (same, _, second) = one.rpartition("."), other.rpartition(".")
    if parent != same or not first.isdigit() or not second.isdigit() or int(second) <= int(first):
        return None
    return int(second) - int(first) - 1


def _activated(path: Path, hints: Hints, cost: float) -> Iterator[Path]:
    for name, slope, unlikely in FUNCTIONS:
        if hints.function not in (None, name):
            continue
        fields: dict[str, Any] = {"kind": "activation", "function": name}
        if name == "leaky_relu":
            if hints.negative_slope is not None and slope != FUNCTIONS[1][1]:
                continue
            fields["slope"] = slope if hints.negative_slope is None else hints.negative_slope
        new = unlikely
        if path.function is not None:
            new = 0.0 if path.function == (name, slope) else ANOTHER_FUNCTION + unlikely
        yield path.then(fields, None, path.shape, cost + new, function=(name, slope))


def _through(path: Path, module: Module, hints: Hints) -> Iterator[Path]:
    """The path with the module, in every way in which it fits."""
    index = path.index + 1
    if module.kind == "linear":
        out, features = module.weight.shape
        if path.shape == (features,) and out * LATENTS <= MAX_VALUES:
            layer = {"kind": "linear", "in_features": features, "out_features": out, "bias": "bias" in module.tensors}
            yield path.then(layer, module, (out,), index=index)
    elif module.kind == "conv":
        is_latent = path.parent is None or path.layer["kind"] in ("embedding", "one_hot", "rescale")
        for shaped in [path] if is_latent else _as_maps_for(path, module):
            yield from _convolved(shaped, module, hints)
    elif module.kind == "prelu":
        if len(module.weight) in (1, path.shape[0]):
            yield path.then({"kind": "prelu", "num_parameters": len(module.weight)}, module, path.shape, index=index)
    else:
        for shaped in _as_maps(path, module.features) if path.shape[0] != module.features else [path]:
            yield from _normalised(shaped, module, hints)


def _as_maps_for(path: Path, module: Module) -> Iterator[Path]:
    """Vectors as feature maps that a convolution can take; maps as they are."""
    if len(path.shape) == 3:
        yield path
        return
    for channels in dict.fromkeys(module.weight.shape[:2]):
        yield from _as_maps(path, channels)


def _as_maps(path: Path, channels: int) -> Iterator[Path]:
    side = math.isqrt(path.shape[0] // channels)
    if len(path.shape) == 1 and side >= 1 and channels * side**2 == path.shape[0]:
        yield path.then({"kind": "reshape", "channels": channels, "side": side}, None, (channels, side, side))


def _normalised(path: Path, module: Module, hints: Hints) -> Iterator[Path]:
    fields = {"num_features": module.features, "affine": "weight" in module.tensors}
    index = path.index + 1
    if module.kind == "affine_norm":
        if len(path.shape) == 3 and path.shape[1] > 1:  # of a single pixel, nothing is left
            layer = {"kind": "instance_norm", **fields, "eps": hints.eps or 1e-5}
            yield path.then(layer, module, path.shape, 1.0, index=index)
        return
    misfit = _misfit(path.x, module)
    if misfit is not None and misfit > HOPELESS:
        return
    known = misfit or 0.0
    # What was unlikely before counts for less once statistics that nothing else gives have confirmed it.
    doubt = 1.0 if misfit is None else min(1.0, CONFIRMED + misfit / DOUBTFUL)
    before = path.confirmed + doubt * (path.cost - path.confirmed) + STATISTICS_WEIGHT * max(known - NOISE, 0.0)
    for eps, unlikely in _epsilons(path.eps, hints.eps):
        layer = {"kind": "batch_norm", **fields, "eps": eps}
        total, norms, cost = path.misfit + known, path.norms + (misfit is not None), before + doubt * unlikely
        state = {"index": index, "misfit": total, "norms": norms, "eps": eps, "confirmed": cost}
        yield path.then(layer, module, path.shape, cost - path.cost, **state)


def _epsilons(before: float | None, hint: float | None) -> list[tuple[float, float]]:
    """Epsilons of a norm, each with how unlikely it is after the one before; the first is often another."""
    if hint is not None:
        return [(hint, 0.0), (EPSILONS[0][0], 0.3)] if before is None else [(hint, 0.0)]
    return [(eps, 0.0 if eps == before else cost + (before is not None and eps < before)) for eps, cost in EPSILONS]


def _misfit(x: Tensor, module: Module) -> float | None:
    """How far mean and variance are from those that a batch normalisation met in training: 0 is alike.

    None if it has met nothing.
    """
    if not module.has_statistics:
        return None
    mean, variance = module.tensors["running_mean"], module.tensors["running_var"]
    axes = [0, *range(2, x.ndim)]
    found_mean, found = x.mean(axes), x.var(axes, correction=0)
    floor = 0.01 * float(variance.mean()) + 1e-12
    shift = (found_mean - mean) ** 2 / (variance + floor)
    scale = ((found + floor) / (variance + floor)).log() ** 2
    misfit = float(shift.clamp(max=9.0).mean() + scale.clamp(max=9.0).mean())
    return min(misfit, MAX_MISFIT) if math.isfinite(misfit) else MAX_MISFIT


def _convolved(path: Path, module: Module, hints: Hints) -> Iterator[Path]:
    one, other, kernel, _ = module.weight.shape
    channels, side = path.shape[0], path.shape[1] if len(path.shape) == 3 else 1
    for transposed, fits, out in ((True, one == channels, other), (False, other == channels, one)):
        if not fits or len(module.tensors.get("bias", range(out))) != out:
            continue
        wanted = (hints.strides, hints.paddings, hints.output_paddings)
        kernels = {other.weight.shape[2] for other in path.order[: path.index] if other.kind == "conv"}
        known = _known_geometries(path, kernel)
        for given, cost in _geometries(transposed, kernel, side, kernels, out).items():
            if known and given not in known:
                cost += ANOTHER_GEOMETRY
            if any(w is not None and (path.convs >= len(w) or w[path.convs] != g) for w, g in zip(wanted, given)):
                continue
            if transposed and path.layer.get("kind") == "upsample":
                cost += 0.2 if kernel == 3 and given[0] == 1 else RESIZED_TWICE
            layer: dict[str, Any] = {
                "kind": "conv_transpose" if transposed else "conv",
                "in_channels": channels,
                "out_channels": out,
                "kernel_size": kernel,
                "stride": given[0],
                "padding": given[1],
                "bias": "bias" in module.tensors,
            }
            if transposed:
                layer["output_padding"] = given[2]
            new = conv_side(layer, side)
            if 1 <= new <= MAX_SIDE and out * new**2 * latents_for(side) <= MAX_VALUES:
                yield path.then(layer, module, (out, new, new), cost, index=path.index + 1, convs=path.convs + 1)


def _known_geometries(path: Path, kernel: int) -> set[tuple[int, int, int]]:
    """Those of earlier transposed convolutions of the same kernel, but for one of a single pixel."""
    if path.parent is None:
        return set()
    known, layer = _known_geometries(path.parent, kernel), path.layer
    if layer["kind"] == "conv_transpose" and layer["kernel_size"] == kernel and len(path.parent.shape) == 3:
        known.add((layer["stride"], layer["padding"], layer["output_padding"]))
    return known


def _geometries(
    transposed: bool, kernel: int, side: int, kernels: set[int], out: int
) -> dict[tuple[int, int, int], float]:
    """Strides, paddings and output paddings of a convolution, each with how unlikely it is.

    Args:
        transposed (bool): Whether it is a transposed one.
        kernel (int): Side of its kernel.
        side (int): Of its input.
        kernels (set of int): Of the convolutions before it.
        out (int): Its output channels.
    """
    half = kernel // 2
    if not transposed:
        return {(1, 0, 0): 1.5 if kernel > 1 else 0.0} | ({(1, half, 0): 0.0} if kernel % 2 else {})
    if kernel == 1:  # the last one of digits, that cuts 32 px to 28
        return {(1, 0, 0): 0.5, (1, 2, 0): 0.0} if side == 32 and out == 1 else {(1, 0, 0): 0.0, (1, 2, 0): 3.0}
    likely = {(stride, padding, 0): 2.0 for stride, padding in ((1, 1), (2, 1), (2, 2), (2, 3))}
    likely |= {(1, 0, 0): 1.0, (2, 0, 0): 1.0}
    first = 0.0 if side > 1 else 1.0  # a map of one pixel is seldom doubled
    after_fours = bool(kernels) and all(other % 2 == 0 for other in kernels)
    if kernel % 2 == 0:
        likely |= {(2, half - 1, 0): first, (4, max(half - 2, 0), 0): 2.0, (1, 0, 0): 2.0}
    else:
        tripled, refined = after_fours and kernel == 5, after_fours and kernel == 3
        likely[2, half, 1] = (1.0 if tripled or refined else 0.2) + first
        likely[1, half, 0] = (0.8 if tripled else 0.1 if refined else 0.4) + first
        likely[2, half, 0] = 1.2 + first
        likely[3, max(half - 1, 0), 0] = (0.2 if tripled else 1.5) + first  # the last step from 32 to 96 px
    if side == 1:
        likely[1, 0, 0] = 0.0 if kernel > 2 else 1.0
    return likely


def _end(path: Path, hints: Hints) -> Iterator[Path]:
    """The path with its last activation, if it gives images."""
    if len(path.shape) != 3 or path.shape[0] not in (1, 3):
        return
    side = path.shape[1]
    if side < 8 or hints.image_size not in (None, side):
        return
    for name, cost in (("tanh", 0.0), ("sigmoid", 1.0)):
        if hints.last in (None, name):
            layer = {"kind": "activation", "function": name}
            yield path.then(layer, None, path.shape, cost + SIDES.get(side, ODD_SIDE), ended=True)
