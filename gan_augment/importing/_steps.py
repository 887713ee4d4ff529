"""How a hypothesis may go on: what can stand between two modules, and in which ways the next one can."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

from ..models import conv_side
from ._modules import Module
from ._path import FEWEST, FUNCTIONS, LASTS, MAX_VALUES, Hints, Path

MAX_SIDE = 512
RESIZED_TWICE = 3.0  # in two ways
NOT_RESIZED = 0.4  # by the second of two modules without weights
# How unlikely what is: only the order is meant.
SIDES = {28: 0.0, 32: 0.0, 64: 0.0, 128: 0.0, 256: 0.3, 96: 0.4, 16: 0.5, 48: 1.0, 512: 0.5}
ODD_SIDE = 3.0
DIGITS_OF_32 = 1.5  # for most grey images of about this size have 28 px
ANOTHER_FUNCTION = 3.0  # than before
EPSILONS = ((1e-5, 0.0), (1e-3, 0.8), (0.8, 1.5))  # torch's, Keras', and PyTorch-GAN's, meant as a momentum
SAME_EPS = 0.003  # how little an epsilon must change a norm's output to be taken for another
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


def starts(order: tuple[Module, ...], embedding: Module | None, hints: Hints, one_hot: int) -> Iterator[Path]:
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
                path = Path(order, latent, {}, None, None, (length,), cost + unlikely)
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
    one = 0.4 if resizable else 2.0  # what stands there without weights is a resizing, or hardly ever no activation
    plain = 0.0 if norm_follows or before.kind == "prelu" else {None: 2.0, 0: 1.0, 1: one}.get(gap, 1.5)
    active = {None: 0.0, 0: 1.5}.get(gap, 0.0) + (3.0 if norm_follows else 0.0)
    for activated in (False, True):
        for ready in _activated(path, hints, active) if activated else [replace(path, cost=path.cost + plain)]:
            yield ready if not resizable or gap != 2 else replace(ready, cost=ready.cost + NOT_RESIZED)
            for shaped in _as_maps_for(ready, module) if resizable else ():
                channels, side, _ = shaped.shape
                if 2 * side <= MAX_SIDE and FEWEST * channels * (2 * side) ** 2 <= MAX_VALUES:
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
        if hints.function not in (None, name) or (hints.negative_slope is not None and name != "leaky_relu"):
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
        if path.shape == (features,) and FEWEST * out <= MAX_VALUES:
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
    eps = path.eps or hints.eps or EPSILONS[0][0]
    layer = {"kind": "batch_norm", **fields, "eps": eps}
    yield path.then(layer, module, path.shape, index=index, eps=eps, unscored=module.has_statistics)


def with_epsilons(path: Path, hints: Hints) -> Iterator[Path]:
    """A path that ends in a norm, with each epsilon that makes a difference."""
    module, before = path.module, path.parent.eps if path.parent is not None else None
    if module is None or path.layer["kind"] != "batch_norm":
        yield path
        return
    variance = module.tensors["running_var"]
    chosen: list[float] = []
    for eps, unlikely in _epsilons(before, hints.eps):
        if any(float(((variance + eps) / (variance + other)).log().abs().max()) < SAME_EPS for other in chosen):
            continue
        chosen.append(eps)
        yield replace(path, layer={**path.layer, "eps": eps}, eps=eps, cost=path.cost + unlikely)


def _epsilons(before: float | None, hint: float | None) -> list[tuple[float, float]]:
    """Epsilons of a norm, each with how unlikely it is after the one before; the first is often another."""
    if hint is not None:
        return [(hint, 0.0), (EPSILONS[0][0], 0.3)] if before is None else [(hint, 0.0)]
    costs = {eps: 0.0 if eps == before else cost + (before is not None and eps < before) for eps, cost in EPSILONS}
    return sorted(costs.items(), key=lambda each: each[1])


def _convolved(path: Path, module: Module, hints: Hints) -> Iterator[Path]:
    one, other, kernel, _ = module.weight.shape
    channels, side = path.shape[0], path.shape[1] if len(path.shape) == 3 else 1
    for transposed, fits, out in ((True, one == channels, other), (False, other == channels, one)):
        if not fits or len(module.tensors.get("bias", range(out))) != out:
            continue
        kernels = {other.weight.shape[2] for other in path.order[: path.index] if other.kind == "conv"}
        known = _known_geometries(path, kernel)
        for given, cost in _hinted(transposed, kernel, side, kernels, out, path.convs, hints).items():
            if known and given not in known:
                cost += ANOTHER_GEOMETRY
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
            left = tuple(module.weight.shape[2] for module in path.order[path.index + 1 :] if module.kind == "conv")
            if (
                1 <= new <= MAX_SIDE
                and FEWEST * out * new**2 <= MAX_VALUES
                and (hints.image_size is None or hints.image_size in _sides_after(new, left, path.convs + 1, hints))
            ):
                yield path.then(layer, module, (out, new, new), cost, index=path.index + 1, convs=path.convs + 1)


def _hinted(
    transposed: bool, kernel: int, side: int, kernels: set[int], out: int, number: int, hints: Hints
) -> dict[tuple[int, int, int], float]:
    """Geometries that agree with the hints: the usual ones, else what the hints alone say."""
    usual = _geometries(transposed, kernel, side, kernels, out)
    wanted = [
        None if hint is None or number >= len(hint) else hint[number]
        for hint in (hints.strides, hints.paddings, hints.output_paddings)
    ]
    if wanted == [None, None, None]:
        return _different(usual) if side == 1 else usual
    agreeing = {given: cost for given, cost in usual.items() if all(w in (None, g) for w, g in zip(wanted, given))}
    if agreeing:
        return agreeing
    strides, paddings, outputs = (
        others if hint is None else (hint,) for hint, others in zip(wanted, ((1, 2), range(kernel), (0, 1)))
    )
    return {
        (stride, padding, output): 2.0 + output
        for stride, padding, output in itertools.product(strides, paddings, outputs)
        if stride >= 1 and padding >= 0 and (0 <= output < stride if transposed else output == 0)
    }


def _different(geometries: dict[tuple[int, int, int], float]) -> dict[tuple[int, int, int], float]:
    """The likeliest of the geometries of each padding, which of a single pixel make the same whatever the stride."""
    best: dict[tuple[int, int], tuple[int, int, int]] = {}
    for given in sorted(geometries, key=lambda given: geometries[given]):
        best.setdefault(given[1:], given)
    return {given: geometries[given] for given in best.values()}


@lru_cache(maxsize=10_000)
def _sides_after(side: int, kernels: tuple[int, ...], number: int, hints: Hints) -> frozenset[int]:
    """All sides that images may have after the further convolutions of these kernels."""
    if not kernels:
        return frozenset((side,))
    kernel, *rest = kernels
    after: set[int] = set()
    for before in (side, 2 * side) if kernel % 2 else (side,):
        for kind in ("conv_transpose", "conv"):
            for stride, padding, output in _hinted(kind == "conv_transpose", kernel, before, set(), 1, number, hints):
                layer = {"kind": kind, "kernel_size": kernel, "stride": stride, "padding": padding}
                after.add(conv_side({**layer, "output_padding": output}, before))
    possible = (new for new in after if 1 <= new <= MAX_SIDE)
    return frozenset().union(*(_sides_after(new, tuple(rest), number + 1, hints) for new in possible))


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
    name = hints.last or LASTS[0]
    unlikely = DIGITS_OF_32 if (side, path.shape[0]) == (32, 1) else SIDES.get(side, ODD_SIDE)
    yield path.then({"kind": "activation", "function": name}, None, path.shape, unlikely, ended=True)
