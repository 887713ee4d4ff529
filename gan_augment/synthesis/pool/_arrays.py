"""Reads and writes the .npy files of a pool, without trusting their headers, links or hashes."""

from __future__ import annotations

import errno
import hashlib
import io
import math
import os
from collections.abc import Iterable
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

BLOCK = 2**20  # bytes that are hashed at a time
UNSUPPORTED = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)  # the file system cannot reserve space

Stamp = tuple[int, int, int]  # size, time of the last change, and inode of a file


class MappedImages:
    """The images of a pool on disk, which are read when they are indexed.

    If the file is truncated or written to, the next read raises a ValueError. If it is replaced, the old file is still
    read. A file with another time or inode than ``stamp`` is accepted if its size and hash are right.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], sha256: str | None, stamp: Stamp | None = None) -> None:
        self.path, self.shape, self.sha256 = path, shape, sha256
        self._file = open_inside(path)
        offset = _check_header(self._file, path, np.dtype(np.uint8), shape)
        self.stamp = _stamp(self._file) if stamp is None else stamp
        self._check_unchanged()
        self._array = np.memmap(self._file, np.uint8, "r", offset, shape)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: Tensor) -> Tensor:
        """Returns a copy of the images at these indices."""
        self._check_unchanged()
        return torch.from_numpy(np.asarray(self._array[indices.numpy()]))

    def _check_unchanged(self) -> None:
        now = _stamp(self._file)
        if now == self.stamp:
            return
        if now[0] != self.stamp[0] or self.sha256 is None:
            raise ValueError(f"{self.path} was changed or replaced after the pool was loaded; load the pool again.")
        self.verify()
        self.stamp = now

    def verify(self) -> None:
        """Reads the whole file and checks its hash, if the hash is known."""
        _check_hash(self._file, self.path, self.sha256)


def write_images(path: Path, chunks: Iterable[tuple[Tensor, Tensor]], shape: tuple[int, ...]) -> None:
    """Writes ``(rows, uint8 images)`` in any order. With a memory map instead, a full disk would end the process."""
    each = math.prod(shape[1:])
    with open(path, "xb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        start = file.tell()
        _reserve(file, start + shape[0] * each)
        for rows, images in chunks:
            places, data = rows.numpy(), images.contiguous().numpy()
            gaps = np.flatnonzero(np.diff(places) != 1) + 1
            for run, part in zip(np.split(places, gaps), np.split(data, gaps)):
                file.seek(start + int(run[0]) * each)
                file.write(part.data)


def array_bytes(array: Tensor) -> bytes:
    """Returns the content of a .npy file with a tensor."""
    file = io.BytesIO()
    np.save(file, array.numpy(), allow_pickle=False)
    return file.getvalue()


def read_array(path: Path, count: int, sha256: str | None) -> Tensor:
    """Reads a .npy file that must hold ``count`` int64 and, if it is known, have this hash. It reads no pickles."""
    with open_inside(path) as file:
        _check_header(file, path, np.dtype(np.int64), (count,))
        array = np.frombuffer(file.read(), np.int64).copy()
        _check_hash(file, path, sha256)
    if len(array) != count:
        raise ValueError(f"{path} must be a whole .npy file, but was truncated while it was read.")
    return torch.from_numpy(array)


def open_inside(path: Path) -> BinaryIO:
    """Opens a file of a pool, unless it is a link that leads out of the folder."""
    if not path.is_file():
        raise FileNotFoundError(f"A pool's folder must hold {path.name}, but {str(path.parent)!r} does not.")
    if not path.resolve().is_relative_to(path.parent.resolve()):
        raise ValueError(f"{path} must lie in its folder, but is a link to {str(path.resolve())!r}; copy the file.")
    return open(path, "rb")


def file_sha256(file: BinaryIO) -> str:
    """Returns the SHA-256 of an open file, without moving its position, which forked processes share."""
    digest, place = hashlib.sha256(), 0
    while block := _read_at(file, place):
        digest.update(block)
        place += len(block)
    return digest.hexdigest()


def _check_hash(file: BinaryIO, path: Path, sha256: str | None) -> None:
    if sha256 is not None and file_sha256(file) != sha256:
        raise ValueError(
            f"{path} must have the SHA-256 that pool.json lists, but has another: it is damaged or was replaced. "
            "Generate the pool again."
        )


def _read_at(file: BinaryIO, place: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(file.fileno(), BLOCK, place)
    file.seek(place)
    return file.read(BLOCK)


def _stamp(file: BinaryIO) -> Stamp:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns, status.st_ino


def _check_header(file: BinaryIO, path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    """Checks the header and the size of a .npy file, and returns where its values begin."""
    try:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"its version is {version}")
        found, fortran, kind = np.lib.format.read_array_header_1_0(file)
    except (ValueError, OSError, EOFError, SyntaxError, TypeError, TokenError, ArithmeticError) as error:
        raise ValueError(f"{path} must be a whole .npy file, but is not: {error}") from None
    if kind != dtype or found != shape or (fortran and len(shape) > 1):
        raise ValueError(f"{path} must hold {dtype} {shape}, but holds {kind} {found}.")
    if file.tell() + math.prod(shape) * dtype.itemsize != _stamp(file)[0]:
        raise ValueError(f"{path} must be a whole .npy file, but its size differs from what its header says.")
    return file.tell()


def _reserve(file: BinaryIO, size: int) -> None:
    """Reserves the space of a file, if the system can. If not, a full disk is noticed while the file is written."""
    reserve = getattr(os, "posix_fallocate", None)
    if reserve is None:
        return
    try:
        reserve(file.fileno(), 0, size)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
