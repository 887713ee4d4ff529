"""Reads the named tensors of a checkpoint from another project, without executing anything in it.

``torch.load`` is never called: before torch 2.6, even ``weights_only=True`` could be made to execute code
(CVE-2025-32434). Reading has two steps. First the file's pickle is read into descriptions of tensors (``_pickle.py``).
Then each tensor is made from bytes of the file, after a check that the file holds all bytes that its description names.
"""

from __future__ import annotations

import hashlib
import math
import os
import stat
import sys
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .._core import first_line
from ._archive import MAX_RECORDS, START, Span, find_records, read_span
from ._pickle import MAX_PICKLE, Storage, StoredTensor, read_pickle

MAX_FILE = 2**30  # bytes
MAX_HEADER = 2**21  # bytes of a safetensors file's header
MAX_NODES, MAX_DEPTH, MAX_NAME = 100_000, 8, 200  # values in all dicts, dicts in each other, letters of a name
MAX_SHARED = 4  # bytes of all tensors per byte of the file: several networks may share tensors
_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001  # of torch's format before 1.6


class Checkpoint(NamedTuple):
    tensors: dict[str, Any]  # by name; or dicts of them, if the file holds several
    sha256: str  # of the bytes that were read


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads the tensors of a PyTorch checkpoint or a safetensors file, and ignores everything else in it.

    Nothing in the file is executed. The size of the file limits the time and the memory.

    Args:
        path (Path): A file that ``torch.save`` wrote (a zip archive, or the format before torch 1.6), or a
            safetensors file.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is of another kind, damaged or too large, or needs code to be executed.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{path} must be a file, but is a device or a pipe.")
        if status.st_size > MAX_FILE:
            raise ValueError(f"{path} must be at most {MAX_FILE:,} bytes, but has {status.st_size:,}.")
        try:
            tensors = _read_tensors(file, status.st_size)
        except ValueError as error:
            raise ValueError(f"{path} cannot be read: {first_line(error)}.") from None
        digest = hashlib.sha256()
        file.seek(0)
        while block := file.read(2**20):
            digest.update(block)
    return Checkpoint(tensors, digest.hexdigest())


def _read_tensors(file: BufferedReader, size: int) -> dict[str, Any]:
    head = file.read(16)
    file.seek(0)
    if head[8:9] == b"{":
        content, spans = _read_safetensors(file, size)
    elif head[:4] == START:
        content, spans = _read_archive(file, size)
    elif head[:1] == b"\x80":
        content, spans = _read_legacy(file, size)
    else:
        kind = f"something else that begins with {head[:8]!r}" if head else "empty"
        if head.startswith(b"\x89HDF"):
            kind = "an HDF5 file, which Keras writes: convert it to named tensors in PyTorch's layout first"
        raise ValueError(f"it must be a PyTorch checkpoint or a safetensors file, but is {kind}")
    if not isinstance(content, dict):
        raise ValueError(f"it must hold named tensors, but holds {type(content).__name__.strip('_')}")
    return _Collector(file, size, spans).collect(content)


def _read_archive(file: BufferedReader, size: int) -> tuple[Any, dict[str, Span]]:
    """Reads the pickle of a zip archive (torch 1.6 and later), and finds the bytes of each storage by its key."""
    records = find_records(file, size)
    lower = [name.lower() for name in records]
    if any("/code/" in name or name.endswith("constants.pkl") for name in lower):
        raise ValueError("it must hold tensors, but is a TorchScript program, which is not run")
    pickles = [name for name in records if name.lower().rpartition("/")[2] == "data.pkl"]
    if not pickles:
        raise ValueError("it must be a PyTorch checkpoint, but is another zip archive")
    if len(pickles) > 1 or not pickles[0].endswith("data.pkl"):
        raise ValueError("it must have exactly one data.pkl, in lower case, like a PyTorch checkpoint, but does not")
    folder = pickles[0].removesuffix("data.pkl")
    order = records.get(f"{folder}byteorder")
    if order and bytes(read_span(file, order)) != sys.byteorder.encode():
        raise ValueError(f"it must hold numbers in this machine's byte order, {sys.byteorder}, but does not")
    pickled = records[pickles[0]]
    if pickled.size > MAX_PICKLE:
        raise ValueError(f"its pickle must have at most {MAX_PICKLE:,} bytes, but has {pickled.size:,}")
    prefix = f"{folder}data/"
    spans = {name.removeprefix(prefix): span for name, span in records.items() if name.startswith(prefix)}
    return read_pickle(BytesIO(read_span(file, pickled)), {}), spans


def _read_legacy(file: BufferedReader, size: int) -> tuple[Any, dict[str, Span]]:
    """Reads the format before torch 1.6: five pickles, and then the bytes of each storage after their number.

    The pickles are a magic number, a version, the system, the content and the keys of the storages.
    """
    head = BytesIO(file.read(min(size, 3 * MAX_PICKLE)))
    described: dict[str, Storage] = {}
    magic = read_pickle(head, described)
    if type(magic) is not int or magic != _MAGIC:
        raise ValueError("it must be a PyTorch checkpoint, but is a pickle of something else")
    version, system, content, keys = (read_pickle(head, described) for _ in range(4))
    order = isinstance(system, dict) and system.get("little_endian")
    if version != _VERSION or order != (sys.byteorder == "little"):
        raise ValueError(f"it must be of version {_VERSION} and this machine's byte order, but is not")
    if not isinstance(keys, list) or len(keys) > MAX_RECORDS or not all(type(key) is str for key in keys):
        raise ValueError("it must list the storages that it holds, but does not")
    spans: dict[str, Span] = {}
    start = head.tell()
    for key in keys:
        storage = described.get(key)
        file.seek(start)
        count = int.from_bytes(file.read(8), "little")
        if storage is None or key in spans or count != storage.length:
            raise ValueError(f"its storage {key[:100]!r} must be the one that its tensors refer to, but is not")
        spans[key] = Span(start + 8, storage.size)
        start = spans[key].end
        if start > size:
            raise ValueError("it ends before the storages of its tensors")
    if start != size:
        raise ValueError("it must end with the storages of its tensors, but continues after them")
    return content, spans


def _read_safetensors(file: BufferedReader, size: int) -> tuple[Any, dict[str, Span]]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    header = int.from_bytes(file.read(8), "little")
    if header > min(MAX_HEADER, size - 8):
        raise ValueError(f"it must have a header of at most {min(MAX_HEADER, size - 8):,} bytes, but has {header:,}")
    file.seek(0)
    try:
        return load(file.read()), {}
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"it must be a safetensors file, but is damaged: {first_line(error)}") from error


class _Collector:
    """Collects the tensors of nested dicts, and limits their number and their total size."""

    def __init__(self, file: BufferedReader, size: int, spans: dict[str, Span]) -> None:
        self.file, self.size, self.spans = file, size, spans  # the file's bytes, and those of each storage in it
        self.nodes, self.bytes = 0, 0
        self.storages: dict[str, bytearray] = {}
        self.made: dict[StoredTensor, Tensor] = {}

    def collect(self, content: dict[Any, Any], depth: int = 0) -> dict[str, Any]:
        """Returns all tensors whose names are text or whole numbers, and the dicts that hold them."""
        found: dict[str, Any] = {}
        for key, value in content.items():
            self.nodes += 1
            if self.nodes > MAX_NODES:
                raise ValueError(f"it must hold at most {MAX_NODES:,} values, but holds more")
            if not isinstance(key, (str, int)):
                continue
            name = f"{key:.{MAX_NAME}}" if isinstance(key, str) else str(key % 2**63)
            if isinstance(value, Tensor):
                found[name] = value
            elif isinstance(value, StoredTensor):
                found[name] = self._make_once(name, value)
            elif isinstance(value, dict) and depth < MAX_DEPTH and (inner := self.collect(value, depth + 1)):
                found[name] = inner
        return found

    def _make_once(self, name: str, stored: StoredTensor) -> Tensor:
        """Makes a tensor from its description; the same description gives the same tensor."""
        if stored not in self.made:
            _check_extent(name, stored)
            self.bytes += math.prod(stored.size) * stored.dtype.itemsize
            if self.bytes > MAX_SHARED * self.size:
                raise ValueError(f"it must store every value of its tensors, but {name[:100]!r} repeats stored values")
            self.made[stored] = self._make(stored)
        return self.made[stored]

    def _make(self, stored: StoredTensor) -> Tensor:
        if 0 in stored.size:
            return torch.empty(stored.size, dtype=stored.dtype)
        values = torch.frombuffer(self._read_storage(stored.storage), dtype=torch.uint8)
        if stored.dtype == torch.bool:
            values = values != 0  # a bool must be the byte 0 or 1
        return values.view(stored.dtype).as_strided(stored.size, stored.stride, stored.offset)

    def _read_storage(self, storage: Storage) -> bytearray:
        if storage.key not in self.storages:
            span, name = self.spans.get(storage.key), repr(storage.key[:100])
            if span is None:
                raise ValueError(f"it has no bytes for the storage {name} that its tensors refer to")
            if span.size != storage.size:
                raise ValueError(
                    f"its storage {name} must have the {storage.size:,} bytes of its tensors, but has {span.size:,}"
                )
            self.storages[storage.key] = read_span(self.file, span)
        return self.storages[storage.key]


def _check_extent(name: str, stored: StoredTensor) -> None:
    """Refuses a tensor that reaches beyond its storage, or has more values than the storage."""
    size, stride, offset = stored.size, stored.stride, stored.offset
    values = stored.storage.size // stored.dtype.itemsize
    small = len(size) == len(stride) and all(0 <= number <= MAX_FILE for number in (*size, *stride, offset))
    if not small or (0 not in size and offset + sum((n - 1) * s for n, s in zip(size, stride)) >= values):
        raise ValueError(f"its tensor {name[:100]!r} must lie within its storage of {values:,} values, but does not")
    if math.prod(size) > values:
        raise ValueError(f"it must store every value of its tensors, but {name[:100]!r} repeats stored values")
