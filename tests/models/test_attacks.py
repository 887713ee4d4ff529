"""Folders made to harm: each is refused in a sentence, soon, and without much memory."""

import json
import os
import resource
import struct
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from gan_augment import from_pretrained
from gan_augment.hub import resolve_name

from .test_files import edit_config, rehash


def write_safetensors(folder, header, body):
    text = json.dumps(header).encode() if isinstance(header, dict) else header
    (folder / "generator.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + body)
    rehash(folder)


def header_of(folder):
    """Header and body of a folder's weights."""
    data = (folder / "generator.safetensors").read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def overlapping(folder):
    header, body = header_of(folder)
    names = [name for name in header if name != "__metadata__"]
    header[names[1]]["data_offsets"] = header[names[0]]["data_offsets"]
    write_safetensors(folder, header, body)


def out_of_range(folder):
    header, body = header_of(folder)
    name = next(name for name in header if name != "__metadata__")
    header[name]["data_offsets"] = [2**40, 2**40 + 64]
    write_safetensors(folder, header, body)


def huge_header(folder):
    (folder / "generator.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    rehash(folder)


def huge_shape(folder):
    header, body = header_of(folder)
    name = next(name for name in header if name != "__metadata__")
    header[name]["shape"] = [2**31, 2**31, 2**31]
    write_safetensors(folder, header, body)


def random_bytes(folder):
    (folder / "generator.safetensors").write_bytes(os.urandom(4096))
    rehash(folder)


def wide(folder):
    edit_config(folder, lambda config: config["generator"].update(width=2**31, max_width=2**31))


def wide_layers(folder):
    conv = {"kind": "conv_transpose", "in_channels": 100, "out_channels": 2**31, "kernel_size": 16, "stride": 1,
            "padding": 0, "output_padding": 0, "bias": False}  # fmt: skip
    layers = [conv, {"kind": "activation", "function": "tanh"}]
    edit_config(folder, lambda config: config.update(generator={"image_size": 16, "channels": 1, "layers": layers}))


def many_layers(folder):
    layers = [{"kind": "activation", "function": "relu"}] * 10_000
    edit_config(folder, lambda config: config.update(generator={"image_size": 16, "layers": layers}))


def climbing(folder):
    edit_config(folder, lambda config: config["files"].update({"../other": {"bytes": 1, "sha256": "0"}}))


def link(folder):
    outside = folder.parent / "outside.safetensors"
    (folder / "generator.safetensors").rename(outside)
    (folder / "generator.safetensors").symlink_to(outside)


def link_to_zeros(folder):
    (folder / "generator.safetensors").unlink()
    (folder / "generator.safetensors").symlink_to("/dev/zero")


def deep(folder):
    (folder / "config.json").write_text("[" * 2**19 + "]" * 2**19)


ATTACKS = [overlapping, out_of_range, huge_header, huge_shape, random_bytes, wide, wide_layers, many_layers, climbing,
           link, link_to_zeros, deep]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_folder_made_to_harm_is_refused(attack, folder):
    attack(folder)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises((ValueError, FileNotFoundError)) as raised:
        from_pretrained(folder)
    assert str(folder) in str(raised.value)
    assert len(str(raised.value)) < 2000
    assert time.process_time() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**16  # kilobytes


@pytest.fixture
def snapshot(folder, tmp_path):
    """The folder as the Hub's client keeps it."""
    snapshot = tmp_path / "cache" / "models--a--b" / "snapshots" / ("0" * 40)
    blobs = tmp_path / "cache" / "models--a--b" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for file in folder.iterdir():
        file.rename(blobs / file.name)
        (snapshot / file.name).symlink_to(Path("../../blobs") / file.name)
    return snapshot


def test_links_within_the_hubs_cache_are_followed(snapshot, tmp_path):
    assert from_pretrained(snapshot).config.image_size == 16
    (tmp_path / "link").symlink_to(snapshot)
    assert from_pretrained(tmp_path / "link").config.image_size == 16


def test_links_to_what_repositories_share_are_followed(snapshot):
    blob = snapshot.parents[1] / "blobs" / "generator.safetensors"
    shared = snapshot.parents[2] / "blobs" / "ab" / ("ab" * 32)
    shared.parent.mkdir(parents=True)
    blob.rename(shared)
    blob.symlink_to(Path("../../blobs/ab") / shared.name)
    assert from_pretrained(snapshot).config.image_size == 16


def test_links_within_a_folder_are_followed(folder):
    (folder / "weights").mkdir()
    (folder / "generator.safetensors").rename(folder / "weights" / "a")
    (folder / "generator.safetensors").symlink_to("weights/a")
    assert from_pretrained(folder).config.image_size == 16


@pytest.mark.parametrize(
    "other",
    [
        "models--a--b",
        "models--a--b/refs",
        "models--a--b/snapshots/1",
        "models--a--b/blobs2",
        "models--c--d/blobs",
        "..",
    ],
)
def test_links_to_elsewhere_in_the_hubs_cache_are_refused(snapshot, other):
    elsewhere = snapshot.parents[2] / other / "a"
    elsewhere.parent.mkdir(parents=True, exist_ok=True)
    (snapshot / "README.md").resolve().rename(elsewhere)
    (snapshot / "README.md").unlink()
    (snapshot / "README.md").symlink_to(elsewhere)
    with pytest.raises(ValueError, match=r"README\.md must lie in its folder, but is a link to"):
        from_pretrained(snapshot)


def test_only_a_snapshot_has_blobs_beside_it(folder):
    blobs = folder.parent.parent / "blobs"
    blobs.mkdir(exist_ok=True)
    (folder / "README.md").rename(blobs / "a")
    (folder / "README.md").symlink_to("../../blobs/a")
    with pytest.raises(ValueError, match=r"README\.md must lie in its folder, but is a link to"):
        from_pretrained(folder)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "org/../../x", "org/name@../../x/y", "org/name@v1/../..", "a/b\0c"]
)
def test_a_name_does_not_climb(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        target = resolve_name(name)
    except ValueError:
        return
    assert isinstance(target, Path)
    assert name.startswith("..")


def test_the_original_still_loads(folder):
    assert load_file(folder / "generator.safetensors")
    assert from_pretrained(folder).config.image_size == 16
