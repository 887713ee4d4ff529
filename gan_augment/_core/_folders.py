"""Folders of config.json and safetensors files; config.json lists the size and SHA-256 of each file."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._words import one_line, short
from ._writing import holds_something, make_folder, remove_asides, write_aside, write_folder_aside

if TYPE_CHECKING:  # the zoo is listed without torch
    from torch import Tensor, nn

FORMAT = 1
CONFIG = "config.json"
MAX_CONFIG, MAX_WEIGHTS = 2**20, 2**30  # bytes


def listing(contents: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """Returns the size and hash of each file, as ``config.json`` lists them."""
    return {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in contents.items()}


def write_files(folder: Path, contents: Mapping[str, bytes], optional: Collection[str] = ()) -> None:
    """Writes files to a folder: all at once if it is new, otherwise one by one, with ``config.json`` last.

    Args:
        folder (Path): Folder, which is created if it is missing.
        contents (mapping of str to bytes): Files by name, with ``config.json`` last.
        optional (collection of str): Names of files that are removed if they are not in ``contents``.
    """
    if not holds_something(folder):
        with write_folder_aside(folder, sum(map(len, contents.values()))) as aside:
            for name, data in contents.items():
                (aside / name).write_bytes(data)
        return
    make_folder(folder)  # raises if it is a file
    remove_asides(folder)
    with contextlib.ExitStack() as stack:  # renames files after all are written, the last one entered first
        for name, data in reversed(list(contents.items())):
            stack.enter_context(write_aside(folder / name, len(data))).write_bytes(data)
    for name in set(optional) - set(contents):
        (folder / name).unlink(missing_ok=True)


def read_file(folder: Path, name: str, limit: int) -> bytes:
    """Reads a file of a folder.

    Raises:
        FileNotFoundError: If it is missing.
        ValueError: If it is larger than ``limit`` bytes, or a link to a file outside the folder.
    """
    path = folder / name
    if not path.is_file():
        raise FileNotFoundError(f"A generator's folder must hold {name}, but {str(folder)!r} does not{_hint(folder)}")
    if not any(path.resolve().is_relative_to(root) for root in _roots(folder.resolve())):
        raise ValueError(f"{path} must lie in its folder, but is a link to {str(path.resolve())!r}; copy the file.")
    return read_limited(path, limit)


def read_limited(path: Path, limit: int) -> bytes:
    """Returns the bytes of a file, and raises a ValueError if there are more than ``limit``."""
    with open(path, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"{path} must be at most {limit:,} bytes, but is larger.")
    return data


def _hint(folder: Path) -> str:
    inside = folder / "generator"
    return f"; did you mean {str(inside)!r}?" if inside.is_dir() else ""


def _roots(folder: Path) -> list[Path]:
    """Returns the folders that may hold the files of a folder: itself, and the blobs if it lies in the Hub's cache."""
    if folder.parent.name != "snapshots":
        return [folder]
    repository = folder.parents[1]  # cache/repository/snapshots/commit
    return [folder, repository / "blobs", repository.parent / "blobs"]  # the last one is shared by repositories


def read_config(
    folder: Path, networks: Collection[str], weights: str, optional: Collection[str] = ()
) -> dict[str, Any]:
    """Reads ``config.json`` and checks its structure, but not the values in the networks' configurations.

    Args:
        folder (Path): The folder.
        networks (collection of str): Keys of networks. The first is required.
        weights (str): Name of a required file.
        optional (collection of str): Names of optional files.

    Raises:
        FileNotFoundError: If it is missing.
        ValueError: If it is not JSON of this form.
    """
    path, data = folder / CONFIG, read_file(folder, CONFIG, MAX_CONFIG)
    try:
        config = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} must be JSON, but reading it failed: {one_line(error)}") from None
    first, *others = networks
    expected = {"format", "gan_augment", first, "files"}
    if not isinstance(config, dict) or set(config) - set(others) != expected:
        found = short(sorted(config)) if isinstance(config, dict) else type(config).__name__
        raise ValueError(f"{path} must have the keys {sorted(expected)}, but has {found}{_hint(folder) or '.'}")
    if config["format"] != FORMAT:
        raise ValueError(
            f"{path} must be of format {FORMAT}, but is of {short(config['format'])}; upgrade gan-augment."
        )
    files = config["files"]
    if not isinstance(files, dict) or weights not in files or not set(files) <= {weights, *optional}:
        raise ValueError(f"{path} must list {weights} under 'files', but has {short(files)}.")
    for name, known in files.items():
        if not isinstance(known, dict) or set(known) != {"bytes", "sha256"}:
            raise ValueError(f"{path} must give bytes and sha256 for {name}, but has {short(known)}.")
    return config


def config_sha256(folder: Path) -> str:
    """Returns the SHA-256 of a folder's ``config.json``, which has the hashes of all other files but the card."""
    return hashlib.sha256(read_file(folder, CONFIG, MAX_CONFIG)).hexdigest()


def check_pinned(folder: Path, sha256: str, remedy: str) -> None:
    """Checks that the SHA-256 of a folder's ``config.json`` is the one that a registry lists.

    Raises:
        ValueError: If it has a different one. The message ends with ``remedy``, such as ``"reinstall gan-augment"``.
    """
    if config_sha256(folder) != sha256:
        raise ValueError(
            f"{folder / CONFIG} must have the SHA-256 {sha256} from the registry, but has another; {remedy}."
        )


def stored_tensors(network: nn.Module, half_precision: bool) -> dict[str, Tensor]:
    """Returns the weights and buffers of a network in the form that safetensors stores.

    Raises:
        ValueError: If a value is not finite, or would not be finite in half precision.
    """
    tensors = {}
    for name, tensor in network.state_dict().items():
        tensor = tensor.detach().cpu().contiguous()  # safetensors does not store channels-last tensors
        tensor = tensor.half() if half_precision and tensor.is_floating_point() else tensor
        if not is_finite(tensor):
            raise ValueError(f"Weights must be finite, but {name} is not; it cannot be saved.")
        tensors[name] = tensor.clone()
    return tensors


def read_tensors(
    folder: Path, name: str, files: Mapping[str, Any], expected: Mapping[str, Tensor] | None, limit: int = MAX_WEIGHTS
) -> dict[str, Tensor]:
    """Reads tensors from a file, and checks its size and hash, and their names, shapes and values.

    Args:
        folder (Path): The folder.
        name (str): Name of the file.
        files (mapping): Sizes and hashes from ``config.json``.
        expected (mapping, optional): Tensors with the expected names, shapes and types. Default: None, any.
        limit (int): Maximum size in bytes. Default: 1 GiB.

    Raises:
        FileNotFoundError: If the file is missing.
        ValueError: If it does not match ``files`` or ``expected``, or a value is not finite.
    """
    path, known = folder / name, files[name]
    if path.is_file() and path.stat().st_size != known["bytes"]:
        raise ValueError(
            f"{path} must have {short(known['bytes'])} bytes, but has {path.stat().st_size}; the file may be truncated."
        )
    data = read_file(folder, name, limit)
    found = hashlib.sha256(data).hexdigest()
    if found != known["sha256"]:
        raise ValueError(f"{path} must have the SHA-256 {short(known['sha256'])}, but has {found}.")
    tensors = parse_tensors(path, data)
    if expected is None:
        return tensors
    _check_names(path, tensors, expected)
    tensors = {key: tensor.to(expected[key].dtype) for key, tensor in tensors.items()}
    for key, tensor in tensors.items():
        if not is_finite(tensor) or (key.endswith("running_var") and bool((tensor < 0).any())):
            raise ValueError(f"{path} must hold usable weights, but {key} is not finite, or is a negative variance.")
    return tensors


def parse_tensors(path: Path, data: bytes) -> dict[str, Tensor]:
    """Returns the tensors in the bytes of a safetensors file.

    Raises:
        ValueError: If the file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors: dict[str, Tensor] = load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ValueError(f"{path} must be a safetensors file, but reading it failed: {one_line(error)}") from None
    return tensors


def is_finite(tensor: Tensor) -> bool:
    """Returns whether all values are finite, in a quarter of the time of ``isfinite().all()``."""
    return not tensor.numel() or all(math.isfinite(bound) for bound in tensor.aminmax())


def _check_names(path: Path, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    both = sorted(set(tensors) & set(expected))
    for wrong, what in (
        (sorted(set(expected) - set(tensors)), "missing"),
        (sorted(set(tensors) - set(expected)), "unexpected"),
        ([key for key in both if tensors[key].shape != expected[key].shape], "misshapen"),
        ([key for key in both if _is_float(tensors[key]) != _is_float(expected[key])], "with another type"),
    ):
        if wrong:
            raise ValueError(f"{path} must hold the tensors of its configuration, but {what}: {short(wrong)}.")


def _is_float(tensor: Tensor) -> bool:
    import torch

    return tensor.dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64)
