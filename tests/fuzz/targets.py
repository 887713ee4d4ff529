"""Fuzzes everything that reads bytes from outside: it must accept them, or refuse them in a sentence."""

import hashlib
import json
import tempfile
import time
import tracemalloc
from pathlib import Path

import torch

from gan_augment import Generator, GeneratorConfig, import_checkpoint
from gan_augment.hub import resolve_name
from gan_augment.hub._entries import read_zoo
from gan_augment.importing import read_checkpoint
from gan_augment.models import load_generator

REFUSALS = (ValueError, FileNotFoundError)


def _folder():
    """Returns the folder of a small generator, which is saved once."""
    if not hasattr(_folder, "made"):
        torch.manual_seed(0)
        _folder.made = Path(tempfile.mkdtemp(prefix="gan-augment-fuzz-")) / "generator"
        Generator(GeneratorConfig(image_size=16, channels=1, width=4)).save_pretrained(_folder.made)
    return _folder.made


def _accept_or_refuse(function, *arguments):
    said = "accepted"
    try:
        function(*arguments)
    except REFUSALS as error:
        said = str(error)
    assert 0 < len(said) < 5_000


def _with_file(name, data, listed=True):
    """Loads the folder while one file is replaced; if ``listed``, config.json has the hash of the new content."""
    folder = _folder()
    before = {path: path.read_bytes() for path in (folder / "config.json", folder / name)}
    (folder / name).write_bytes(data)
    if listed:
        config = json.loads(before[folder / "config.json"])
        config["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        (folder / "config.json").write_text(json.dumps(config))
    try:
        _accept_or_refuse(load_generator, folder)
    finally:
        for path, content in before.items():
            path.write_bytes(content)


def name(data):
    """Fuzzes the name of a generator. Nothing is downloaded."""
    _accept_or_refuse(resolve_name, data.decode("utf-8", "surrogateescape"))


def config(data):
    """Fuzzes the whole config.json."""
    _with_file("config.json", data, listed=False)


def network(data):
    """Fuzzes the generator's configuration in an otherwise valid config.json."""
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        return
    whole = json.loads((_folder() / "config.json").read_bytes())
    _with_file("config.json", json.dumps({**whole, "generator": values}).encode(), listed=False)


def weights(data):
    """Fuzzes generator.safetensors, with its hash in config.json."""
    _with_file("generator.safetensors", data)


def card(data):
    """Fuzzes README.md."""
    _with_file("README.md", data, listed=False)


def reader(data):
    """Fuzzes the reader of checkpoints, which must take little time and little more memory than the file's size."""
    path = _folder().parent / "x.pth"
    path.write_bytes(data)
    start = time.process_time()
    tracemalloc.start()
    try:
        _accept_or_refuse(read_checkpoint, path)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert time.process_time() - start < 1 + len(data) / 10**5
    assert peak < 2 * len(data) + 2**23


def checkpoint(data):
    """Fuzzes importing a checkpoint."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "G.pth").write_bytes(data)
        _accept_or_refuse(import_checkpoint, Path(place) / "G.pth")


def zoo(data):
    """Fuzzes the zoo.json of a zoo package, beside the folder of a generator."""
    (_folder().parent / "zoo.json").write_bytes(data)
    _accept_or_refuse(read_zoo, _folder().parent, "zoo-of-shapes")


TARGETS = {each.__name__: each for each in (name, config, network, weights, card, reader, checkpoint, zoo)}
