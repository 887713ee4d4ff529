"""The .npy files of a pool: written plainly, hashed, and read without following links or trusting headers."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Iterable
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

BLOCK = 2**20
UNSUPPORTED = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)

Stamp = tuple[int, int, int]  # length, time of the last change and number of a file


class MappedImages:
    """The images of a pool on disk, read as they are asked for.

    The file is watched: if somebody truncates it or writes into it, the next look at it says so. A pool whose folder
    was replaced keeps the old file.

    Args:
        path (Path): A .npy file.
        shape (tuple of int): That it must have.
        sha256 (str, optional): That it must have whenever it has changed; None: it must not change.
        stamp (tuple, optional): Of the file when it was known to be right. Default: as it is now.

    Raises:
        FileNotFoundError: If it is missing.
        ValueError: If it is a link out of its folder, or another file than it should be.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], sha256: str | None, stamp: Stamp | None = None) -> None:
        self.path, self.shape, self.sha256 = path, shape, sha256
        self._file = open_inside(path)
        offset = _check_header(self._file, path, np.dtype(np.uint8), shape, os.fstat(self._file.fileno()).st_size)
        self.stamp = _stamp(self._file) if stamp is None else stamp
        self.check_unchanged()
        self._array = np.memmap(self._file, np.uint8, "r", offset, shape)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def rows(self, indices: Tensor) -> Tensor:
        """The images at these places, a copy.

        Raises:
            ValueError: If the file has changed since it was opened.
        """
        self.check_unchanged()
        return torch.from_numpy(np.asarray(self._array[indices.numpy()]))

    def check_unchanged(self) -> None:
        """Compares the file with what it was, by its hash where its length is the same and its time is not.

        Raises:
            ValueError: If it is another.
        """
        now = _stamp(self._file)
        if now == self.stamp:
            return
        if now[0] != self.stamp[0] or self.sha256 is None:
            raise ValueError(f"{self.path} was changed or replaced after the pool was loaded; load the pool again.")
        self.verify()
        self.stamp = now

    def verify(self) -> None:
        """Reads the whole file and compares its hash, where it is known.

        Raises:
            ValueError: If it is another.
        """
        check_hash(self._file, self.path, self.sha256)


def write_images(path: Path, chunks: Iterable[tuple[Tensor, Tensor]], shape: tuple[int, ...]) -> None:
    """Writes images in whatever order they come, without a memory map, which a full disk would turn into a SIGBUS.

    Args:
        path (Path): A .npy file.
        chunks (iterable): Rows, and their uint8 images.
        shape (tuple of int): Of all images.

    Raises:
        OSError: If there is no room for the file, before anything is written where the system can say so.
    """
    each = int(np.prod(shape[1:]))
    with open(path, "xb", buffering=0) as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        start = file.tell()
        _reserve(file, start + shape[0] * each)
        for rows, images in chunks:
            places, data = rows.tolist(), images.contiguous().numpy()
            for first, end in _runs(places):
                file.seek(start + places[first] * each)
                _write_all(file, data[first:end].data.cast("B"))


def array_bytes(array: Tensor) -> bytes:
    """A .npy file of a tensor."""
    file = io.BytesIO()
    np.save(file, array.numpy(), allow_pickle=False)
    return file.getvalue()


def read_array(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], sha256: str | None) -> Tensor:
    """Reads a .npy file of exactly this type and shape, and hash where it is known; reads no pickles.

    Raises:
        FileNotFoundError: If it is missing.
        ValueError: If it is a link out of its folder, or another file than it should be.
    """
    with open_inside(path) as file:
        offset = _check_header(file, path, dtype, shape, os.fstat(file.fileno()).st_size)
        file.seek(offset)
        array = np.frombuffer(file.read(), dtype).copy()
        check_hash(file, path, sha256)
    if len(array) != shape[0]:
        raise ValueError(f"{path} must be a whole .npy file, but was truncated while it was read.")
    return torch.from_numpy(array)


def open_inside(path: Path) -> BinaryIO:
    """Opens a file of a folder, unless it is a link that leads out of it.

    Raises:
        FileNotFoundError: If it is missing.
        ValueError: If it is such a link.
    """
    if not path.is_file():
        raise FileNotFoundError(f"A pool's folder must hold {path.name}, but {str(path.parent)!r} does not.")
    if not path.resolve().is_relative_to(path.parent.resolve()):
        raise ValueError(f"{path} must lie in its folder, but is a link to {str(path.resolve())!r}; copy the file.")
    return open(path, "rb")


def check_hash(file: BinaryIO, path: Path, sha256: str | None) -> None:
    """Compares the hash of a file, where it is known.

    Raises:
        ValueError: If it is another.
    """
    if sha256 is not None and hash_of(file) != sha256:
        raise ValueError(
            f"{path} must have the SHA-256 of pool.json, but has another: it is damaged or was replaced. "
            "Make the pool again."
        )


def hash_of(file: BinaryIO) -> str:
    """The SHA-256 of a file, whose position forked processes share and which is therefore not used."""
    digest, place = hashlib.sha256(), 0
    while block := _read_at(file, place):
        digest.update(block)
        place += len(block)
    return digest.hexdigest()


def _read_at(file: BinaryIO, place: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(file.fileno(), BLOCK, place)
    file.seek(place)
    return file.read(BLOCK)


def _stamp(file: BinaryIO) -> Stamp:
    known = os.fstat(file.fileno())
    return known.st_size, known.st_mtime_ns, known.st_ino


def _check_header(file: BinaryIO, path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], size: int) -> int:
    """Where the values of a .npy file begin, after its header and its length were found to be right."""
    try:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"it is of version {version}")
        found, fortran, kind = np.lib.format.read_array_header_1_0(file)
    except (ValueError, OSError, EOFError, SyntaxError, TypeError, TokenError, ArithmeticError) as error:
        raise ValueError(f"{path} must be a whole .npy file, but: {error}") from error
    if kind != dtype or found != shape or (fortran and len(shape) > 1):
        raise ValueError(f"{path} must hold {dtype} {shape}, but holds {kind} {found}.")
    if file.tell() + int(np.prod(shape, dtype=object)) * dtype.itemsize != size:
        raise ValueError(f"{path} must be a whole .npy file, but is of another size than its header says.")
    return file.tell()


def _reserve(file: BinaryIO, size: int) -> None:
    """Takes the space that a file will need, where the system can; else a full disk is found as it fills up."""
    reserve = getattr(os, "posix_fallocate", None)
    if reserve is None:
        return
    try:
        reserve(file.fileno(), 0, size)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise


def _runs(places: list[int]) -> Iterable[tuple[int, int]]:
    """Begin and end of each run of places that follow each other."""
    first = 0
    for end in range(1, len(places) + 1):
        if end == len(places) or places[end] != places[end - 1] + 1:
            yield first, end
            first = end


def _write_all(file: BinaryIO, data: memoryview) -> None:
    while data:
        data = data[file.write(data) :]
