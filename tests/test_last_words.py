"""A refusal in Python: its one sentence is the last thing that is shown, and no other traceback stands above it."""

import sys
import traceback

import pytest
import torch

from gan_augment import ClassVariation, SyntheticPool, from_pretrained, resume
from gan_augment.evaluation._pretrained import from_timm
from gan_augment.metrics import load_features
from gan_augment.synthesis import Upscaler
from gan_augment.training.runs._pictures import check_plotting


def shown_above(error):
    """The name of the type of the error that Python shows above an error, or None."""
    shown = traceback.TracebackException.from_exception(error)
    above = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)
    return None if above is None else above.exc_type.__name__


MISSING = {
    "efficientnet_lite_pytorch": lambda folder: load_features("efficientnet-lite0"),
    "torch_fidelity": lambda folder: load_features("inception"),
    "timm": lambda folder: from_timm("resnet18", 3, 2),
    "onnx": lambda folder: from_pretrained("dcgan-mnist-32").export_onnx(folder / "x.onnx"),
    "matplotlib": lambda folder: check_plotting(),
}


@pytest.mark.parametrize("package", MISSING)
def test_a_missing_package_is_the_only_error(package, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setitem(sys.modules, f"{package}.feature_extractor_inceptionv3", None)
    with pytest.raises(ModuleNotFoundError, match="pip install") as caught:
        MISSING[package](tmp_path)
    assert shown_above(caught.value) is None


DAMAGED = {
    "generator": ("config.json", lambda folder: from_pretrained(folder)),
    "weights": ("generator.safetensors", lambda folder: from_pretrained(folder)),
    "pool": ("pool.json", lambda folder: SyntheticPool.load(folder)),
    "run": ("config.json", lambda folder: resume(folder)),
    "upscaler": ("config.json", lambda folder: Upscaler.load(folder)),
    "variation": ("it.safetensors", lambda folder: ClassVariation.load(folder / "it.safetensors")),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_is_the_only_error(kind, folder, tmp_path):
    name, load = DAMAGED[kind]
    place = folder
    if kind in ("pool", "run", "upscaler", "variation"):
        place = tmp_path / "damaged"
        place.mkdir()
    if kind == "pool":
        SyntheticPool(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.arange(4) % 2).save(tmp_path / "damaged")
        name = next(path.name for path in place.iterdir() if path.suffix == ".json")
    (place / name).write_bytes(b"---\n{[")
    with pytest.raises(ValueError, match=name) as caught:
        load(place)
    assert shown_above(caught.value) is None
