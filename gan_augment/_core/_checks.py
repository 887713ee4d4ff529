"""Checks of arguments and free space. Each error says what the value must be, what it was, and what to do."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import numbers
import os
import shutil
import typing
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

MAX_ITEMS = 10**8  # images in a pool, an export or a draw
ROW_BYTES = 64  # bytes per image in addition to its pixels: label, position and order
UNQUESTIONED = 2**26  # bytes that need no check
UNKNOWN_MEMORY = 2**36  # bytes, assumed if the system does not tell


def check_count(name: str, value: int, minimum: int) -> int:
    """Checks that a value is an int of at least ``minimum``, and returns it."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an int, but got {type(value)} instead.")
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}, but got {value} instead.")
    return int(value)


def _accepts(annotation: Any, value: Any) -> bool:
    """Returns whether a value from JSON or Python has the annotated type."""
    origin, options = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return isinstance(value, str) and value in options
    if origin in (list, tuple, dict) and not isinstance(value, origin):
        return False
    if origin is dict:
        return all(_accepts(options[0], key) and _accepts(options[1], each) for key, each in value.items())
    if origin is list or options[-1:] == (Ellipsis,):
        return all(_accepts(options[0], each) for each in value)
    if origin is tuple:
        return len(value) == len(options) and all(map(_accepts, options, value))
    if origin is not None:  # a union with None
        return any(_accepts(option, value) for option in options)
    if annotation is Any:
        return True
    return type(value) is annotation or (annotation is float and type(value) is int)


_type_hints = functools.cache(typing.get_type_hints)


def check_types(config: Any) -> None:
    """Checks that the fields of a dataclass have the annotated types.

    Raises:
        ValueError: If a field has the wrong type. The message names the field.
    """
    hints = _type_hints(type(config))  # type: ignore[arg-type]  # classes are hashable
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if not _accepts(hints[field.name], value):
            raise ValueError(f"{field.name} must be {_describe(hints[field.name])}, but got {value!r:.200} instead.")


def _describe(annotation: Any) -> str:
    origin = typing.get_origin(annotation)
    if origin is Literal:
        return "one of " + ", ".join(repr(v) for v in typing.get_args(annotation))
    if origin in (list, tuple, dict):
        names = ["values" if v is Any else v.__name__ for v in typing.get_args(annotation) if v is not Ellipsis]
        return f"a {origin.__name__} of {(' to ' if origin is dict else ', ').join(names)}"
    if origin is not None:
        return " or ".join(_describe(option) for option in typing.get_args(annotation))
    return "None" if annotation is type(None) else str(annotation.__name__)


def check_number(name: str, value: float) -> None:
    """Checks that a value is a real number, such as a Python or NumPy int or float."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):  # numpy's numbers are Real too
        raise TypeError(f"{name} must be a number, but got {type(value)} instead.")


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Checks that a value is a number between ``low`` and ``high``, inclusive."""
    check_number(name, value)
    if not low <= value <= high:
        raise ValueError(f"{name} must be between {low} and {high}, but got {value} instead.")


def check_dense(tensor: Tensor, name: str) -> None:
    """Checks that a tensor is an ordinary dense tensor that holds data.

    Raises:
        ValueError: If it is sparse, quantized, nested or on the meta device.
    """
    if tensor.is_meta or tensor.is_quantized or tensor.is_nested or tensor.layout != torch.strided:
        kind = "meta" if tensor.is_meta else "nested" if tensor.is_nested else str(tensor.layout)[6:]
        kind = "quantized" if tensor.is_quantized else kind
        raise ValueError(
            f"{name} must be dense tensors that hold plain data, but got a {kind} tensor; convert it first."
        )


def check_tensor(value: Any, name: str) -> None:
    """Checks that a value is a dense tensor that holds data; raises a TypeError or ValueError otherwise."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a tensor, but got {type(value)} instead.")
    check_dense(value, name)


def check_space(
    what: str, count: int, each: int, *, folder: Path | None = None, remedy: str = "Ask for fewer."
) -> None:
    """Checks that ``count`` images of ``each`` bytes fit into memory, or on the disk of a folder.

    Args:
        what (str): Argument and value as the subject of the error message, such as ``"n=1000"``.
        count (int): Number of images.
        each (int): Bytes per image.
        folder (Path, optional): Folder for the images, which may not exist yet. Default: None, memory.
        remedy (str): Last sentence of the error message.

    Raises:
        ValueError: If there is not enough space, or there are more than ``MAX_ITEMS``.

    Example:
        >>> check_space("n=1000", 1000, 784)
    """
    needed = count * each
    if count > MAX_ITEMS:
        most = f"there may be at most {MAX_ITEMS:,} images"
    elif needed > UNQUESTIONED and needed > (free := free_memory() if folder is None else free_disk(folder)):
        place = "of memory" if folder is None else f"on the disk of {str(folder)!r}"
        most = f"only {free:,} bytes {place} are free"
    else:
        return
    raise ValueError(f"{what} takes {needed:,} bytes for {count:,} images, but {most}. {remedy}")


def free_memory() -> int:
    """Returns the available memory in bytes, or the total memory if the system does not report what is in use."""
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return UNKNOWN_MEMORY


def free_disk(folder: Path) -> int:
    """Returns the free bytes on the disk where a folder is, or will be."""
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(existing).free
