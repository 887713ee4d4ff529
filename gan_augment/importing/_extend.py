"""Extends a hypothesis by the next module and by layers without weights before it, in every possible way.

Weights show kernels and channels. They do not show activations, resizing, or how a convolution moves over its input.
Each extension therefore has a cost: the rarer it is among published generators, the higher. Only the order of the
costs has a meaning.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..models import conv_side
from ._geometry import MAX_SIDE, Geometry, likely_geometries, reachable_sides
from ._hypothesis import FUNCTIONS, MAX_VALUES, MIN_LATENTS, Hints, Hypothesis, Latent
from ._modules import Module

MAX_LATENT = 4096
SAME_EPS = 0.003  # two epsilons are the same if they change a norm's output less, relatively
EPSILONS = ((1e-5, 0.0), (1e-3, 0.8), (0.8, 1.5))  # of torch, of Keras, and of PyTorch-GAN (meant as a momentum)
LATENT_RANGES: tuple[tuple[Latent, bool, float], ...] = (  # distribution, whether in 0..1 instead of -1..1, cost
    ("normal", False, 0.0),
    ("uniform", False, 0.5),
    ("uniform", True, 1.0),
)
# Costs of rare choices.
SIDES = {28: 0.0, 32: 0.0, 64: 0.0, 128: 0.0, 256: 0.3, 96: 0.4, 16: 0.5, 48: 1.0, 512: 0.5}
ODD_SIDE = 3.0
GREY_OF_32 = 1.5  # most grey images of about this side have 28 pixels
RESIZED_IN_TWO_WAYS = 3.0  # by strides and by upsampling
NOT_RESIZED = 0.4  # although two modules without weights come before a convolution
ANOTHER_FUNCTION = 3.0  # a different activation than the one before
ANOTHER_GEOMETRY = 1.0  # a different geometry than an earlier convolution with the same kernel


def first_hypotheses(modules: list[Module], hints: Hints, one_hot: int) -> Iterator[Hypothesis]:
    """Yields latents that the first module can take, joined with the class if there is one."""
    embeddings = [module for module in modules if module.kind == "embedding"]
    if len(embeddings) > 1:
        raise ValueError("it has several embeddings")
    embedding = embeddings[0] if embeddings else None
    order = tuple(module for module in modules if module.kind != "embedding")
    first = order[0]
    if not first.is_layer:
        return
    if embedding is not None:
        classes, dim = embedding.weight.shape
        fields = {"kind": "embedding", "num_classes": classes, "dim": dim}
    else:
        classes = dim = one_hot or hints.num_classes or 0
        fields = {"kind": "one_hot", "num_classes": classes}
    sides = (("after", 0.0), ("before", 0.1))[: 1 if one_hot else 2]  # of the latent, on which the class may be
    widths = {first.weight.shape[1]} if first.kind == "linear" else set(first.weight.shape[:2])
    for width in sorted(widths):
        joins: list[tuple[dict[str, Any] | None, int, float]] = [(None, width, 0.0)]
        if embedding is not None and width == dim:
            joins = [({**fields, "join": "multiply"}, width, 0.0)]
        elif classes:
            joins = [({**fields, "join": join}, width - dim, cost) for join, cost in sides]
        for layer, length, cost in joins:
            if not 1 <= length <= MAX_LATENT:
                continue
            for latent, positive, unlikely in LATENT_RANGES:
                if hints.latent not in (None, latent):
                    continue
                start = Hypothesis(order, latent, {}, None, None, (length,), cost + unlikely)
                if positive:
                    start = start.with_layer({"kind": "rescale", "scale": 0.5, "shift": 0.5}, None, (length,))
                yield start if layer is None else start.with_layer(layer, embedding, (width,))


def extend(hypothesis: Hypothesis, hints: Hints) -> Iterator[Hypothesis]:
    """Yields the hypothesis with one more module, for each way in which this module fits.

    After the last module, it adds the last activation instead.
    """
    if hypothesis.index == len(hypothesis.order):
        yield from _finish(hypothesis, hints)
        return
    module = hypothesis.order[hypothesis.index]
    for ready in _add_layers_between(hypothesis, module, hints):
        yield from _add_module(ready, module, hints)


def vary_epsilon(hypothesis: Hypothesis, hints: Hints) -> Iterator[Hypothesis]:
    """For a hypothesis that ends in a batch norm, yields a copy for each epsilon that makes a difference."""
    if hypothesis.parent is None or hypothesis.module is None:
        return
    before, variance = hypothesis.parent.eps, hypothesis.module.tensors["running_var"]
    if hints.eps is None:
        costs = {eps: 0.0 if eps == before else cost + (before is not None and eps < before) for eps, cost in EPSILONS}
    elif before is None:
        costs = {EPSILONS[0][0]: 0.3, hints.eps: 0.0}  # the first norm often has another epsilon than the rest
    else:
        costs = {hints.eps: 0.0}
    chosen: list[float] = []
    for eps, unlikely in sorted(costs.items(), key=lambda item: item[1]):
        if any(float(((variance + eps) / (variance + other)).log().abs().max()) < SAME_EPS for other in chosen):
            continue
        chosen.append(eps)
        layer = {**hypothesis.layer, "eps": eps}
        yield replace(hypothesis, layer=layer, eps=eps, cost=hypothesis.cost + unlikely)


def _finish(hypothesis: Hypothesis, hints: Hints) -> Iterator[Hypothesis]:
    """Adds the last activation if the output is an image."""
    if len(hypothesis.shape) != 3 or hypothesis.shape[0] not in (1, 3):
        return
    channels, side, _ = hypothesis.shape
    if side < 8 or hints.image_size not in (None, side):
        return
    cost = GREY_OF_32 if (channels, side) == (1, 32) else SIDES.get(side, ODD_SIDE)
    layer = {"kind": "activation", "function": hints.last or "tanh"}
    yield hypothesis.with_layer(layer, None, hypothesis.shape, cost, ended=True)


def _is_small(shape: tuple[int, ...]) -> bool:
    """Returns whether maps of this shape are small enough to be computed for some latents."""
    return MIN_LATENTS * math.prod(shape) <= MAX_VALUES and max(shape[1:], default=1) <= MAX_SIDE


def _add_layers_between(hypothesis: Hypothesis, module: Module, hints: Hints) -> Iterator[Hypothesis]:
    """Adds layers without weights before a module: an activation, an upsampling, both or none."""
    before = hypothesis.order[hypothesis.index - 1] if hypothesis.index else None
    if before is None or module.kind == "prelu":
        yield hypothesis
        return
    gap = _count_between(before.name, module.name)
    can_be_resized = module.kind == "conv" and module.weight.shape[2] % 2 == 1
    strided = RESIZED_IN_TWO_WAYS * any(layer.get("stride", 1) > 1 for layer, _ in hypothesis.layers)
    # A single module between is either an upsampling or, almost always, an activation.
    one = 0.4 if can_be_resized else 2.0
    inactive = 0.0 if module.is_norm or before.kind == "prelu" else {None: 2.0, 0: 1.0, 1: one}.get(gap, 1.5)
    active = {None: 0.0, 0: 1.5}.get(gap, 0.0) + (3.0 if module.is_norm else 0.0)
    plain = replace(hypothesis, cost=hypothesis.cost + inactive)
    for activated in (False, True):
        for ready in _add_activation(hypothesis, hints, active) if activated else [plain]:
            yield replace(ready, cost=ready.cost + NOT_RESIZED) if can_be_resized and gap == 2 else ready
            for maps in _reshape_for(ready, module) if can_be_resized else ():
                channels, side, _ = maps.shape
                shape = (channels, 2 * side, 2 * side)
                if _is_small(shape):
                    cost = {None: 0.4, 0: 1.0, 1: 0.6 if activated else 0.0}.get(gap, 0.0) + strided
                    for mode, unlikely in (("nearest", 0.0), ("bilinear", 0.8)):
                        layer = {"kind": "upsample", "factor": 2, "mode": mode}
                        yield maps.with_layer(layer, None, shape, cost + unlikely)


def _count_between(one: str, other: str) -> int | None:
    """Returns the number of modules without weights between two of one ``nn.Sequential``, or None for any others."""
    (parent, _, first), (same, _, second) = one.rpartition("."), other.rpartition(".")
    if parent != same or not first.isdigit() or not second.isdigit() or int(second) <= int(first):
        return None
    return int(second) - int(first) - 1


def _add_activation(hypothesis: Hypothesis, hints: Hints, cost: float) -> Iterator[Hypothesis]:
    for name, slope, unlikely in FUNCTIONS:
        if hints.function not in (None, name):
            continue
        if hints.negative_slope is not None and (name, slope) != FUNCTIONS[1][:2]:  # the hint replaces its slope
            continue
        layer: dict[str, Any] = {"kind": "activation", "function": name}
        if name == "leaky_relu":
            layer["slope"] = slope if hints.negative_slope is None else hints.negative_slope
        added = unlikely
        if hypothesis.function is not None:
            added = 0.0 if hypothesis.function == (name, slope) else ANOTHER_FUNCTION + unlikely
        yield hypothesis.with_layer(layer, None, hypothesis.shape, cost + added, function=(name, slope))


def _add_module(hypothesis: Hypothesis, module: Module, hints: Hints) -> Iterator[Hypothesis]:
    shape = hypothesis.shape
    if module.kind == "linear":
        out, features = module.weight.shape
        if shape == (features,) and _is_small((out,)):
            layer = {"kind": "linear", "in_features": features, "out_features": out, "bias": "bias" in module.tensors}
            yield hypothesis.with_layer(layer, module, (out,))
    elif module.kind == "conv":
        is_latent = hypothesis.parent is None or hypothesis.layer["kind"] in ("embedding", "one_hot", "rescale")
        for maps in [hypothesis] if is_latent else _reshape_for(hypothesis, module):
            yield from _add_conv(maps, module, hints)
    elif module.kind == "prelu":
        if len(module.weight) in (1, shape[0]):
            layer = {"kind": "prelu", "num_parameters": len(module.weight)}
            yield hypothesis.with_layer(layer, module, shape)
    else:
        for maps in [hypothesis] if shape[0] == module.features else _reshape(hypothesis, module.features):
            yield from _add_norm(maps, module, hints)


def _reshape_for(hypothesis: Hypothesis, module: Module) -> Iterator[Hypothesis]:
    """Reshapes vectors to maps that fit a convolution, and leaves maps unchanged."""
    if len(hypothesis.shape) == 3:
        yield hypothesis
        return
    for channels in dict.fromkeys(module.weight.shape[:2]):
        yield from _reshape(hypothesis, channels)


def _reshape(hypothesis: Hypothesis, channels: int) -> Iterator[Hypothesis]:
    features = hypothesis.shape[0]
    side = math.isqrt(features // channels)
    if len(hypothesis.shape) == 1 and side >= 1 and channels * side**2 == features:
        layer = {"kind": "reshape", "channels": channels, "side": side}
        yield hypothesis.with_layer(layer, None, (channels, side, side))


def _add_norm(hypothesis: Hypothesis, module: Module, hints: Hints) -> Iterator[Hypothesis]:
    shape, eps = hypothesis.shape, hints.eps or EPSILONS[0][0]
    layer = {"kind": "batch_norm", "num_features": module.features, "affine": "weight" in module.tensors, "eps": eps}
    if module.kind == "batch_norm":
        eps = layer["eps"] = hypothesis.eps or eps
        yield hypothesis.with_layer(layer, module, shape, eps=eps, unscored=module.has_statistics)
    elif len(shape) == 3 and shape[1] > 1:  # a single pixel would become 0
        yield hypothesis.with_layer({**layer, "kind": "instance_norm"}, module, shape, 1.0)


def _add_conv(hypothesis: Hypothesis, module: Module, hints: Hints) -> Iterator[Hypothesis]:
    one, other, kernel, _ = module.weight.shape
    channels, side = hypothesis.shape[0], hypothesis.shape[1] if len(hypothesis.shape) == 3 else 1
    kernels = [each.weight.shape[2] for each in hypothesis.order if each.kind == "conv"]
    before, after = kernels[: hypothesis.convs], tuple(kernels[hypothesis.convs + 1 :])
    after_even = bool(before) and all(other % 2 == 0 for other in before)
    known = _earlier_geometries(hypothesis, kernel)
    for transposed, fits, out in ((True, one == channels, other), (False, other == channels, one)):
        if not fits or len(module.tensors.get("bias", range(out))) != out:
            continue
        geometries = likely_geometries(transposed, kernel, side, out, len(before), after_even, hints)
        for geometry, cost in geometries.items():
            if known and geometry not in known:
                cost += ANOTHER_GEOMETRY
            if transposed and hypothesis.layer.get("kind") == "upsample":
                cost += 0.2 if kernel == 3 and geometry.stride == 1 else RESIZED_IN_TWO_WAYS
            layer: dict[str, Any] = {
                "kind": "conv_transpose" if transposed else "conv",
                "in_channels": channels,
                "out_channels": out,
                "kernel_size": kernel,
                "stride": geometry.stride,
                "padding": geometry.padding,
                "bias": "bias" in module.tensors,
            }
            if transposed:
                layer["output_padding"] = geometry.output_padding
            new = conv_side(layer, side)
            if new < 1 or not _is_small((out, new, new)):
                continue
            if hints.image_size is None or hints.image_size in reachable_sides(new, after, len(before) + 1, hints):
                yield hypothesis.with_layer(layer, module, (out, new, new), cost)


def _earlier_geometries(hypothesis: Hypothesis, kernel: int) -> set[Geometry]:
    """Returns the geometries of earlier transposed convolutions with the same kernel, if their input had pixels."""
    if hypothesis.parent is None:
        return set()
    known, layer = _earlier_geometries(hypothesis.parent, kernel), hypothesis.layer
    if layer["kind"] == "conv_transpose" and layer["kernel_size"] == kernel and len(hypothesis.parent.shape) == 3:
        known.add(Geometry(layer["stride"], layer["padding"], layer["output_padding"]))
    return known
