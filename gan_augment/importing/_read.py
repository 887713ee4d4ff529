"""Reading checkpoints from other projects: named tensors only, by a reader that executes nothing.

``torch.load`` is never called: before torch 2.6 its ``weights_only`` could be made to execute code (CVE-2025-32434).
The pickle gives descriptions of tensors, and a tensor is made from the file's bytes once they are known to be there.
"""

from __future__ import annotations

import hashlib
import math
import os
import stat
import sys
from collections.abc import Callable
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .._core import first_line
from ._archive import MAX_RECORDS, START, Place, find_records, read_place
from ._pickle import MAX_PICKLE, Storage, StoredTensor, read_pickle

MAX_FILE = 2**30
MAX_HEADER = 2**21
MAX_NODES, MAX_DEPTH, MAX_NAME = 100_000, 8, 200
MAX_SHARED = 4  # bytes of all tensors to those of the file: several networks may share tensors
_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001  # of torch's format before 1.6


class Checkpoint(NamedTuple):
    """What a file holds.

    Attributes:
        tensors (dict): Tensors by name, or a dict of such dicts if the file holds several.
        sha256 (str): Of the bytes that were read.
    """

    tensors: dict[str, Any]
    sha256: str


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads the tensors of a PyTorch checkpoint or a safetensors file, and leaves out everything else in it.

    Nothing in the file is executed. Time and memory are bounded by the file's length.

    Args:
        path (Path): The file: what ``torch.save`` writes (a zip archive, or the format before torch 1.6), or
            safetensors.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is another kind of file, damaged, too large, or asks for more than tensors.
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
            tensors = _read(file, status.st_size)
        except ValueError as error:
            raise ValueError(f"{path} cannot be read: {first_line(error)}.") from error
        file.seek(0)
        return Checkpoint(tensors, _sha256(file))


def _sha256(file: BufferedReader) -> str:
    digest = hashlib.sha256()
    while block := file.read(2**20):
        digest.update(block)
    return digest.hexdigest()


def _read(file: BufferedReader, size: int) -> dict[str, Any]:
    head = file.read(16)
    file.seek(0)
    if head[8:9] == b"{":
        return _Walk(size).tensors(_read_safetensors(file, size), 0)
    if head[:4] == START:
        content, read = _read_archive(file, size)
    elif head[:1] == b"\x80":
        content, read = _read_old(file, size)
    else:
        raise ValueError(f"it must be a PyTorch checkpoint or a safetensors file, but is {_kind(head)}")
    if not isinstance(content, dict):
        raise ValueError(f"it must hold named tensors, but holds {type(content).__name__.strip('_')}")
    return _Walk(size, read).tensors(content, 0)


def _kind(head: bytes) -> str:
    if head.startswith(b"\x89HDF"):
        return "an HDF5 file, as Keras writes: convert it to named tensors in PyTorch's layout first"
    return f"something else, beginning with {head[:8]!r}" if head else "empty"


# The zip archive of torch 1.6 and later -------------------------------------------------------------


def _read_archive(file: BufferedReader, size: int) -> tuple[Any, Callable[[Storage], bytearray]]:
    """The pickle of an archive, and what reads its storages."""
    places = find_records(file, size)
    lower = [name.lower() for name in places]
    if any("/code/" in name or name.endswith("constants.pkl") for name in lower):
        raise ValueError("it must hold tensors, but is a TorchScript program, which is not run")
    pickles = [name for name in places if name.lower().rpartition("/")[2] == "data.pkl"]
    if not pickles:
        raise ValueError("it must be a PyTorch checkpoint, but is another zip archive")
    if len(pickles) > 1 or not pickles[0].endswith("data.pkl"):
        raise ValueError("it must have one data.pkl as a PyTorch checkpoint has, but has several or of another case")
    folder = pickles[0].removesuffix("data.pkl")
    if (place := places.get(f"{folder}byteorder")) and bytes(read_place(file, place)) != sys.byteorder.encode():
        raise ValueError(f"it must hold numbers in this machine's byte order, {sys.byteorder}, but does not")
    if places[pickles[0]].size > MAX_PICKLE:
        raise ValueError(f"its pickle must have at most {MAX_PICKLE:,} bytes, but has {places[pickles[0]].size:,}")
    content = read_pickle(BytesIO(read_place(file, places[pickles[0]])))

    def read(storage: Storage) -> bytearray:
        place = places.get(f"{folder}data/{storage.key}")
        if place is None:
            raise ValueError(f"it has no bytes for the storage {storage.key[:100]!r} that its tensors refer to")
        return read_place(file, _checked(place, storage))

    return content, read


def _checked(place: Place, storage: Storage) -> Place:
    if storage.length * storage.dtype.itemsize != place.size:
        raise ValueError(
            f"its storage {storage.key[:100]!r} must have {storage.length * storage.dtype.itemsize:,} bytes, as its "
            f"tensors say, but has {place.size:,}"
        )
    return place


# The format before torch 1.6 ------------------------------------------------------------------------


def _read_old(file: BufferedReader, size: int) -> tuple[Any, Callable[[Storage], bytearray]]:
    """Five pickles - a number, a version, the system, the content, the keys - and then each storage's bytes."""
    head = BytesIO(file.read(min(size, 3 * MAX_PICKLE)))
    magic = read_pickle(head)
    if type(magic) is not int or magic != _MAGIC:
        raise ValueError("it must be a PyTorch checkpoint, but is a pickle of something else")
    described: dict[str, Storage] = {}
    version, system, content, keys = (read_pickle(head, described) for _ in range(4))
    order = isinstance(system, dict) and system.get("little_endian")
    if version != _VERSION or order != (sys.byteorder == "little"):
        raise ValueError(f"it must be of version {_VERSION} and this machine's byte order, but is not")
    if not isinstance(keys, list) or len(keys) > MAX_RECORDS or not all(type(key) is str for key in keys):
        raise ValueError("it must list the storages that it holds, but does not")
    places: dict[str, Place] = {}
    start = head.tell()
    for key in keys:
        storage = described.get(key)
        file.seek(start)
        count = int.from_bytes(file.read(8), "little")
        if storage is None or key in places or count != storage.length:
            raise ValueError(f"its storage {key[:100]!r} is not the one that its tensors refer to")
        places[key] = Place(start + 8, count * storage.dtype.itemsize)
        start += 8 + places[key].size
        if start > size:
            raise ValueError("it ends before the storages of its tensors")
    if start != size:
        raise ValueError("it must end with the storages of its tensors, but goes on behind them")

    def read(storage: Storage) -> bytearray:
        if storage.key not in places:
            raise ValueError(f"it has no bytes for the storage {storage.key[:100]!r} that its tensors refer to")
        return read_place(file, _checked(places[storage.key], storage))

    return content, read


# Tensors --------------------------------------------------------------------------------------------


def _read_safetensors(file: BufferedReader, size: int) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    header = int.from_bytes(file.read(8), "little")
    if header > min(MAX_HEADER, size - 8):
        raise ValueError(f"it must have a header of at most {min(MAX_HEADER, size - 8):,} bytes, but has {header:,}")
    file.seek(0)
    try:
        tensors: dict[str, Tensor] = load(file.read())
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"it must be a safetensors file, but is damaged: {first_line(error)}") from error
    return tensors


class _Walk:
    """Gathers the tensors of a dict and of dicts in it, within limits on their number and size together.

    Args:
        size (int): Of the file, in bytes.
        read (callable, optional): Reads the bytes of a storage.
    """

    def __init__(self, size: int, read: Callable[[Storage], bytearray] | None = None) -> None:
        self.size, self.read, self.nodes, self.bytes = size, read, 0, 0
        self.storages: dict[str, bytearray] = {}
        self.made: dict[StoredTensor, Tensor] = {}

    def tensors(self, content: dict[Any, Any], depth: int) -> dict[str, Any]:
        """Those under names that are text or whole numbers."""
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
                found[name] = self._tensor(name, value)
            elif isinstance(value, dict) and depth < MAX_DEPTH and (inner := self.tensors(value, depth + 1)):
                found[name] = inner
        return found

    def _tensor(self, name: str, stored: StoredTensor) -> Tensor:
        """The tensor that a pickle describes; the same one each time that it does."""
        if stored not in self.made:
            _check(name, stored)
            self.bytes += math.prod(stored.size) * stored.dtype.itemsize
            if self.bytes > MAX_SHARED * self.size:
                raise ValueError(f"it must hold every value of its tensors, but repeats those of {name[:100]!r}")
            self.made[stored] = self._make(stored)
        return self.made[stored]

    def _make(self, stored: StoredTensor) -> Tensor:
        storage = stored.storage
        if self.read is None or 0 in stored.size:
            return torch.empty(stored.size, dtype=stored.dtype)
        if storage.key not in self.storages:
            self.storages[storage.key] = self.read(storage)
        values = torch.frombuffer(self.storages[storage.key], dtype=torch.uint8)
        if stored.dtype == torch.bool:
            values = values != 0  # another byte than 0 and 1 is no bool
        return values.view(stored.dtype).as_strided(stored.size, stored.stride, stored.offset)


def _check(name: str, stored: StoredTensor) -> None:
    """Refuses a tensor that reaches beyond its storage, or has more values than that."""
    size, stride, offset = stored.size, stored.stride, stored.offset
    values = stored.storage.length * stored.storage.dtype.itemsize // stored.dtype.itemsize
    small = len(size) == len(stride) and all(0 <= number <= MAX_FILE for number in (*size, *stride, offset))
    if not small or (0 not in size and offset + sum((n - 1) * s for n, s in zip(size, stride)) >= values):
        raise ValueError(f"its tensor {name[:100]!r} must lie within its storage of {values:,} values, but does not")
    if math.prod(size) > values:
        raise ValueError(f"it must hold every value of its tensors, but repeats those of {name[:100]!r}")
