"""What is fuzzed: everything that reads bytes from outside. Each refuses them in a sentence, or takes them."""

import hashlib
import json
import tempfile
import time
import tracemalloc
from pathlib import Path

import torch

from gan_augment import Generator, GeneratorConfig, import_checkpoint
from gan_augment.hub import resolve_name
from gan_augment.importing import read_checkpoint
from gan_augment.models import load_generator

REFUSALS = (ValueError, FileNotFoundError)


def _folder():
    """A whole, small generator's folder, made once."""
    if not hasattr(_folder, "made"):
        torch.manual_seed(0)
        _folder.made = Path(tempfile.mkdtemp(prefix="gan-augment-fuzz-")) / "generator"
        Generator(GeneratorConfig(image_size=16, channels=1, width=4)).save_pretrained(_folder.made)
    return _folder.made


def _refused_or_taken(function, *arguments):
    said = "taken"
    try:
        function(*arguments)
    except REFUSALS as error:
        said = str(error)
    assert 0 < len(said) < 5_000


def _with_file(name, data, vouched=True):
    """Loads the folder with one file replaced for as long, which config.json vouches for."""
    folder = _folder()
    before = {path: path.read_bytes() for path in (folder / "config.json", folder / name)}
    (folder / name).write_bytes(data)
    if vouched:
        config = json.loads(before[folder / "config.json"])
        config["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        (folder / "config.json").write_text(json.dumps(config))
    try:
        _refused_or_taken(load_generator, folder)
    finally:
        for path, content in before.items():
            path.write_bytes(content)


def name(data):
    """A generator's name; nothing is downloaded."""
    _refused_or_taken(resolve_name, data.decode("utf-8", "surrogateescape"))


def config(data):
    """A whole config.json."""
    _with_file("config.json", data, vouched=False)


def network(data):
    """The generator's configuration in it, of which the rest is right."""
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        return
    whole = json.loads((_folder() / "config.json").read_bytes())
    _with_file("config.json", json.dumps({**whole, "generator": values}).encode(), vouched=False)


def weights(data):
    """generator.safetensors, vouched for."""
    _with_file("generator.safetensors", data)


def card(data):
    """README.md."""
    _with_file("README.md", data, vouched=False)


def reader(data):
    """The tensors of a checkpoint from elsewhere: read soon, and in little more memory than the file has."""
    path = _folder().parent / "x.pth"
    path.write_bytes(data)
    start = time.process_time()
    tracemalloc.start()
    try:
        _refused_or_taken(read_checkpoint, path)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert time.process_time() - start < 1 + len(data) / 10**5
    assert peak < 2 * len(data) + 2**23


def checkpoint(data):
    """A checkpoint of others."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "G.pth").write_bytes(data)
        _refused_or_taken(import_checkpoint, Path(place) / "G.pth")


TARGETS = {function.__name__: function for function in (name, config, network, weights, card, reader, checkpoint)}
