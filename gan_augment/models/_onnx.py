"""Exports a generator as an ONNX file, for programs without torch."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import io
import json
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .._core import is_finite, make_folder, write_whole
from .._version import __version__
from ._sampling import eval_mode

if TYPE_CHECKING:
    from ._generator import Generator

OPSET = 20  # the oldest with the grid of the deformations; tested with ONNX Runtime 1.18
BATCH = 2  # images of the example that is traced; 1 could become a constant


class _Images(nn.Module):
    """A generator of images 0..1."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        images: Tensor = self.generator(latents, labels) / 2 + 0.5
        return images.clamp(0, 1)  # the tanh of ONNX Runtime can leave -1..1 by a rounding error


def export_onnx(generator: Generator, path: str | os.PathLike[str]) -> None:
    """Writes a generator as an ONNX file; see :meth:`Generator.export_onnx`."""
    try:
        importlib.import_module("onnx")
    except ModuleNotFoundError:
        raise ModuleNotFoundError("export_onnx needs the package onnx: run pip install 'gan-augment[onnx]'.") from None
    path = Path(path)
    if path.exists() and not path.is_file():  # before the work
        kind = "folder" if path.is_dir() else "device"
        raise ValueError(f"path must be a file such as 'generator.onnx', but {str(path)!r} is a {kind}.")
    for name, tensor in generator.state_dict().items():
        if not is_finite(tensor):
            raise ValueError(f"Weights must be finite, but {name} is not; the generator cannot be exported.")
    data = _with_metadata(_trace(_plain_copy(generator)), generator)
    make_folder(path.parent)
    write_whole(path, data)


def _plain_copy(generator: Generator) -> Generator:
    """Returns a copy on the CPU in eval mode, in float32, without parametrizations, which ONNX cannot express."""
    plain = copy.deepcopy(generator)
    if generator.config.spectral_norm:  # torch's remove_parametrizations would change the class of the original too
        with torch.random.fork_rng(devices=[]):
            plain = type(generator)(dataclasses.replace(generator.config, spectral_norm=False))
        with torch.no_grad(), eval_mode(generator):
            modules = dict(generator.named_modules())
            plain.load_state_dict({name: _value(modules, name) for name in plain.state_dict()})
    for module in plain.modules():
        if isinstance(module, _BatchNorm) and not module.affine:  # torch 2.4 cannot export it after a dense layer
            module.weight = nn.Parameter(torch.ones(module.num_features))
            module.bias = nn.Parameter(torch.zeros(module.num_features))
    return plain.cpu().float().eval().requires_grad_(False)


def _value(modules: dict[str, nn.Module], name: str) -> Tensor:
    """Returns a weight or buffer, computed if it has a parametrization."""
    module, _, last = name.rpartition(".")
    value: Tensor = getattr(modules[module], last)
    return value


def _trace(generator: Generator) -> bytes:
    """Returns the ONNX file of a generator, without metadata."""
    config, file = generator.config, io.BytesIO()
    example = [torch.zeros(BATCH, config.latent_dim + config.variations)]
    if config.num_classes:
        example.append(torch.zeros(BATCH, dtype=torch.int64))
    inputs = ["latents", "labels"][: len(example)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer is deprecated, and warns about shapes that are constant here
        torch.onnx.export(
            _Images(generator),
            tuple(example),
            file,  # type: ignore[arg-type]  # the tracer also takes a file in memory
            input_names=inputs,
            output_names=["images"],
            dynamic_axes={name: {0: "n"} for name in (*inputs, "images")},
            opset_version=OPSET,
            dynamo=False,  # torch.export takes ten times as long, and in torch 2.4 it fails
        )
    return file.getvalue()


def _with_metadata(data: bytes, generator: Generator) -> bytes:
    """Returns a valid ONNX file with the properties of the generator."""
    import onnx

    model = onnx.load_model_from_string(data)
    model.producer_name, model.producer_version = "gan-augment", __version__
    model.doc_string = "Maps latents, and labels if the generator has classes, to synthetic images 0..1, NCHW."
    onnx.helper.set_model_props(model, {name: _as_text(value) for name, value in _properties(generator).items()})
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _properties(generator: Generator) -> dict[str, Any]:
    card = generator.card
    known = {} if card is None else {"name": card.name, "license": card.license, "data": card.data}
    properties = {"synthetic": "true", **known, "config": generator.config.to_dict()}
    return {name: value for name, value in properties.items() if value is not None}


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
