"""Reading checkpoints of others: tensors alone, looked through before anything is built, and with limits."""

from __future__ import annotations

import json
import pickle
import pickletools
import re
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from .._words import first_line

MAX_FILE = 2**30
MAX_PICKLE = 2**21
MAX_RATIO = 20  # of what is unpacked; torch does not compress, and weights hardly can be
MAX_RECORDS = 20_000
MAX_STEPS = 500_000  # of a pickle
MAX_HEADER = 2**24
MAX_NODES, MAX_DEPTH, MAX_NAME = 100_000, 8, 200
_ALLOWED = re.compile(
    r"collections (OrderedDict|defaultdict|Counter)|builtins (dict|set|int|float)|__builtin__ (set|dict)"
    r"|torch\._utils _rebuild_(tensor|tensor_v2|parameter|parameter_with_state)"
    r"|torch(\.storage|\.cuda)? \w*Storage|torch (Size|device|[a-z]+\d+|bool)|torch\._tensor _rebuild_from_type_v2"
    r"|torch\.nn\.parameter Parameter"
)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Reads the tensors of a PyTorch checkpoint or a safetensors file; whatever else is in it is left out.

    Nothing in the file is executed: a pickle is first looked through for what it would call, and then read by
    ``torch.load(weights_only=True)``.

    Args:
        path (Path): The file.

    Returns:
        dict: Tensors by name; a dict of such dicts, where there are several in the file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is of no such kind, damaged, too large, or asks for more than tensors.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    size = path.stat().st_size
    if size > MAX_FILE:
        raise ValueError(f"{path} must be at most {MAX_FILE:,} bytes, but has {size:,}.")
    with open(path, "rb") as file:
        head = file.read(16)
        file.seek(0)
        if head[8:9] == b"{":
            return _read_safetensors(file, path, size)
        if head[:4] == b"PK\x03\x04":
            _check_archive(file, path, size)
        elif head[:1] == b"\x80":
            for _ in range(5):  # the format before torch 1.6: a number, a version, the system, the object, its keys
                _check_pickle(file, path)
        else:
            raise ValueError(f"{path} must be a PyTorch checkpoint or a safetensors file, but is {_kind(head)}.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # whose words recommend to read it in the way that executes
        raise ValueError(f"{path} cannot be read: its pickle is damaged, or asks for more than tensors.") from error
    except Exception as error:  # torch raises what its reader and zip do
        raise ValueError(f"{path} cannot be read: {first_line(error)}.") from error
    if isinstance(content, Tensor) or not isinstance(content, dict):
        raise ValueError(f"{path} must hold named tensors, but holds {type(content).__name__}.")
    return _Walk(path).tensors(content, 0)


def _kind(head: bytes) -> str:
    if head.startswith(b"\x89HDF"):
        return "an HDF5 file, as Keras writes: convert it to named tensors in PyTorch's layout first"
    return f"something else, beginning with {head[:8]!r}" if head else "empty"


def _check_archive(file: BinaryIO, path: Path, size: int) -> None:
    """Refuses archives that would unpack to more than they are, and programs."""
    try:
        with zipfile.ZipFile(file) as archive:
            records = archive.infolist()
            if len(records) > MAX_RECORDS:
                raise ValueError(f"{path} must have at most {MAX_RECORDS:,} records, but has {len(records):,}.")
            unpacked = sum(record.file_size for record in records)
            if unpacked > min(MAX_FILE, MAX_RATIO * size):
                raise ValueError(f"{path} must not unpack to {unpacked:,} bytes, having {size:,}; it is not opened.")
            names = [record.filename for record in records]
            if any("/code/" in name or name.endswith("constants.pkl") for name in names):
                raise ValueError(f"{path} must hold tensors, but is a TorchScript program, which is not run.")
            pickles = [name for name in names if name.endswith("/data.pkl") or name == "data.pkl"]
            if len(pickles) != 1:
                raise ValueError(f"{path} must be a PyTorch checkpoint, but is another zip archive.")
            if archive.getinfo(pickles[0]).file_size > MAX_PICKLE:
                raise ValueError(f"{path} must have a pickle of at most {MAX_PICKLE:,} bytes, but has a larger one.")
            _check_pickle(BytesIO(archive.read(pickles[0])), path)
    except ValueError:
        raise
    except Exception as error:  # of the archive, of each of its ways to compress, of a missing password
        raise ValueError(
            f"{path} must be a PyTorch checkpoint, but is a damaged zip archive: {first_line(error)}."
        ) from error


def _check_pickle(file: BinaryIO, path: Path) -> None:
    """Refuses a pickle that names anything but tensors and plain containers; runs none of it."""
    try:
        for name in _named(file):
            if not _ALLOWED.fullmatch(name):
                called = name.replace(" ", ".")[:100]
                raise ValueError(
                    f"{path} must hold tensors alone, but asks for {called!r}, which is not run; its author can save "
                    "the state_dict of the generator by itself."
                )
    except (ValueError, EOFError, IndexError, OverflowError, MemoryError) as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(f"{path} holds a damaged pickle: {first_line(error)}.") from error


def _named(file: BinaryIO) -> Iterator[str]:
    """What a pickle names, as ``"module name"``."""
    strings: list[str] = []
    memo: dict[Any, str] = {}
    last, steps = "", iter(range(MAX_STEPS))
    for opcode, argument, position in pickletools.genops(file):
        if (position or 0) > MAX_PICKLE or next(steps, None) is None:
            raise ValueError("it is too long")
        name = opcode.name
        if name in ("GLOBAL", "INST"):
            yield str(argument)
        elif name == "STACK_GLOBAL":
            yield " ".join(strings[-2:])
        elif name.startswith("EXT"):
            yield f"copyreg extension_{argument}"
        elif name in ("MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"):
            memo[len(memo) if name == "MEMOIZE" else argument] = last
            continue
        last = str(argument) if "UNICODE" in name else memo.get(argument, "") if name.endswith("GET") else ""
        if last:
            strings = [*strings[-1:], last]


def _read_safetensors(file: BinaryIO, path: Path, size: int) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    header = int.from_bytes(file.read(8), "little")
    if header > min(MAX_HEADER, size - 8):
        raise ValueError(f"{path} must have a header of at most {min(MAX_HEADER, size - 8):,} bytes, but: {header:,}.")
    try:
        json.loads(file.read(header))
        file.seek(0)
        tensors: dict[str, Tensor] = load(file.read())
    except (SafetensorError, ValueError, KeyError, RecursionError) as error:
        raise ValueError(f"{path} must be a safetensors file, but: {str(error)[:200]}") from error
    return tensors


class _Walk:
    """Gathers the tensors of a dict and of dicts in it, within limits on their number and size together."""

    def __init__(self, path: Path) -> None:
        self.path, self.nodes, self.bytes = path, 0, 0

    def tensors(self, content: dict[Any, Any], depth: int) -> dict[str, Any]:
        """Those under names that are text."""
        found: dict[str, Any] = {}
        for key, value in content.items():
            self.nodes += 1
            if self.nodes > MAX_NODES:
                raise ValueError(f"{self.path} must hold at most {MAX_NODES:,} values, but holds more.")
            name = str(key)[:MAX_NAME]
            if isinstance(value, Tensor):
                if value.layout == torch.strided and not value.is_quantized and value.device.type == "cpu":
                    found[name] = self._checked(name, value.detach())
            elif isinstance(value, dict) and depth < MAX_DEPTH:
                inner = self.tensors(value, depth + 1)
                if inner:
                    found[name] = inner
        return found

    def _checked(self, name: str, tensor: Tensor) -> Tensor:
        size = tensor.numel() * max(tensor.element_size(), 4)  # as float32, which it becomes
        self.bytes += size
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise ValueError(f"{self.path} must hold every value of its tensors, but repeats those of {name[:100]!r}.")
        if self.bytes > MAX_FILE:
            raise ValueError(
                f"{self.path} must hold tensors of at most {MAX_FILE:,} bytes as float32, but: {name[:100]!r}."
            )
        return tensor
