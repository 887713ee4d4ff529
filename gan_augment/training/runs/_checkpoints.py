"""The state of a run as one safetensors file, without pickled code. A damaged file is refused."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..._core import check_count, make_folder, one_line, remove_asides, write_whole

FORMAT = "gan_augment.checkpoint.1"
MAX_BYTES = 2**33
MAX_STRUCTURE_BYTES = 2**25  # safetensors reads headers up to 100 MB, and escaping makes the structure longer
NAME = re.compile(r"step-(\d+)\.safetensors")
MAX_DIMENSIONS = 64  # the most that all functions of torch take
DTYPES: dict[str, torch.dtype] = {  # those that every version of safetensors knows
    name: getattr(torch, name)
    for name in ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")
}


class Checkpoints:
    """The newest ``keep`` states of a run, in files such as ``step-0001234.safetensors``; see :func:`pack`.

    Only one process may write to the folder at a time.
    """

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.folder, self.keep = folder, check_count("keep", keep, 1)

    def save(self, state: dict[str, Any], step: int) -> None:
        """Writes the state after a step, and then removes all but the newest files.

        Files of later steps are removed too: a run that writes an earlier step was resumed from an earlier state. If
        the disk is full, the earlier files stay as they are.
        """
        path = self.folder / f"step-{check_count('step', step, 0):07d}.safetensors"
        data = pack(state)
        if len(data) > MAX_BYTES:
            raise ValueError(f"A checkpoint must be at most {MAX_BYTES:,} bytes, but {path} would be {len(data):,}.")
        make_folder(self.folder)
        remove_asides(self.folder, locked=True)  # before writing, which may need their space
        write_whole(path, data)
        steps = self.steps()
        kept = [number for number in steps if number <= step][-self.keep :]
        for number in steps.keys() - kept:
            steps[number].unlink(missing_ok=True)

    def load_newest(self) -> dict[str, Any] | None:
        """Reads the newest complete state, or returns None without files. Warns about newer files that are damaged."""
        damaged: dict[Path, str] = {}
        for path in reversed(self.steps().values()):
            try:
                state = unpack(_read(path))
            except ValueError as error:
                damaged[path] = str(error)
                continue
            for wrong, reason in damaged.items():
                warnings.warn(f"{wrong} is damaged ({reason}); {path.name} is used instead.", UserWarning, stacklevel=2)
            return state
        if damaged:
            reasons = "; ".join(f"{path.name}: {reason}" for path, reason in damaged.items())
            raise ValueError(
                f"{self.folder} must hold a complete checkpoint, but all are damaged ({reasons}); "
                "restore one from a backup, or remove the folder to start from step 0."
            )
        return None

    def steps(self) -> dict[int, Path]:
        """Returns the files by their steps, oldest first."""
        return numbered(self.folder, NAME)


def numbered(folder: Path, name: re.Pattern[str]) -> dict[int, Path]:
    """Returns the files of a folder by the numbers in their names, in order; none if there is no folder."""
    found = ((name.fullmatch(path.name), path) for path in (folder.iterdir() if folder.is_dir() else ()))
    return dict(sorted((int(match[1]), path) for match, path in found if match))


def pack(state: dict[str, Any]) -> bytes:
    """Returns a state as the bytes of a safetensors file, whose metadata hold the structure and a hash.

    Args:
        state (dict): What the ``state_dict()`` of modules, optimisers and schedulers is made of: dicts with str or int
            keys, lists, tuples, str, int, float, bool, None and dense tensors (bool, integers, floats).

    Raises:
        TypeError: If the state holds anything else.
        ValueError: If everything in it except the tensors is too large.

    Example:
        >>> unpack(pack({"weight": torch.ones(2), "betas": (0.5, 0.999)}))
        {'weight': tensor([1., 1.]), 'betas': (0.5, 0.999)}
    """
    from safetensors.torch import save

    if not isinstance(state, dict):
        raise TypeError(f"state must be a dict, but got {type(state)} instead.")
    tensors = {"0": torch.zeros(1, dtype=torch.uint8)}  # old versions of safetensors refuse a file without tensors
    structure = json.dumps(_to_json(state, tensors))
    if len(structure) > MAX_STRUCTURE_BYTES:
        raise ValueError(
            f"A state must be at most {MAX_STRUCTURE_BYTES:,} bytes in addition to its tensors, but is "
            f"{len(structure):,}; store long lists of numbers as tensors."
        )
    metadata = {"format": FORMAT, "state": structure, "sha256": _digest(structure, tensors)}
    return save(tensors, metadata)


def unpack(data: bytes) -> dict[str, Any]:
    """Returns the state that :func:`pack` was given.

    Values and types are equal, except that subclasses are lost: an ``OrderedDict`` comes back as a dict. Tensors are on
    the CPU, share no memory, and keep the channels-last format.

    Args:
        data (bytes): The result of :func:`pack`.

    Raises:
        ValueError: If the bytes are not a result of :func:`pack`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors: dict[str, Tensor] = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        metadata = {"format": None, "state": "", "sha256": None, **header.get("__metadata__", {})}
        if metadata["format"] != FORMAT:
            raise ValueError(f"its format is {metadata['format']!r:.100} and not {FORMAT!r}")
        if metadata["sha256"] != _digest(metadata["state"], tensors):
            raise ValueError("its contents do not match its SHA-256")
        if len(metadata["state"]) > MAX_STRUCTURE_BYTES:
            raise ValueError(f"it holds more than {MAX_STRUCTURE_BYTES:,} bytes in addition to its tensors")
        state = _from_json(json.loads(metadata["state"]), tensors)
    except ValueError as error:
        raise ValueError(one_line(error)) from None
    except (SafetensorError, LookupError, TypeError, AttributeError, RuntimeError) as error:
        raise ValueError(f"it cannot be read: {type(error).__name__}: {one_line(error)}") from None
    if not isinstance(state, dict):
        raise ValueError(f"it holds a {type(state).__name__} and not a dict")
    return state


def _to_json(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Returns a value that JSON can hold. Names stand in for the tensors, which are added to ``tensors``."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        return [_to_json(item, tensors) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [_to_json(item, tensors) for item in value]}
    if isinstance(value, dict):
        wrong = [key for key in value if type(key) not in (str, int)]
        if wrong:
            raise TypeError(f"The keys of a state must be str or int, but got {wrong[0]!r:.200} instead.")
        return {"dict": [[key, _to_json(item, tensors)] for key, item in value.items()]}
    if not isinstance(value, Tensor):
        raise TypeError(
            f"A state must hold dicts, lists, tuples, tensors, numbers, str and None, but got {type(value)} instead."
        )
    dtype = str(value.dtype).removeprefix("torch.")
    if dtype not in DTYPES or value.layout is not torch.strided or value.is_meta:
        raise TypeError(f"A tensor of a state must be dense and one of {list(DTYPES)}, but got {value!r:.200} instead.")
    if value.numel() == 0:  # old versions of safetensors refuse such tensors
        return {"empty": [dtype, list(value.shape)]}
    name = str(len(tensors))
    tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
    return {"channels_last" if _is_channels_last(value) else "tensor": name}


def _is_channels_last(tensor: Tensor) -> bool:
    """Compares strides, because is_contiguous() is true for both formats if a side has one pixel."""
    if tensor.ndim != 4:
        return False
    return tensor.stride() == torch.empty(tensor.shape, device="meta", memory_format=torch.channels_last).stride()


def _from_json(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Inverts :func:`_to_json`. Each tensor is taken out, so that a crafted file cannot copy it many times."""
    if isinstance(value, list):
        return [_from_json(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        raise ValueError("it holds a value whose kind is not clear")
    ((kind, content),) = value.items()
    if kind == "tuple":
        return tuple(_from_json(item, tensors) for item in content)
    if kind == "dict":
        wrong = [key for key, _ in content if type(key) not in (str, int)]
        if wrong:
            raise ValueError(f"it has the key {wrong[0]!r:.100}, which is neither str nor int")
        return {key: _from_json(item, tensors) for key, item in content}
    if kind == "empty":
        return _empty(*content)
    if kind not in ("tensor", "channels_last"):
        raise ValueError(f"it holds a value of the unknown kind {kind!r:.100}")
    if content not in tensors:
        raise ValueError(f"it has no tensor {content!r:.100}, or uses it twice")
    tensor = tensors.pop(content)
    return tensor if kind == "tensor" else tensor.clone(memory_format=torch.channels_last)


def _empty(dtype: str, shape: list[int]) -> Tensor:
    sides = all(type(side) is int and 0 <= side < 2**31 for side in shape)
    if dtype not in DTYPES or not sides or 0 not in shape or len(shape) > MAX_DIMENSIONS:
        raise ValueError(f"the shape {shape!r:.100} of {dtype!r:.100} is not that of an empty tensor")
    return torch.empty(shape, dtype=DTYPES[dtype])


def _digest(structure: str, tensors: dict[str, Tensor]) -> str:
    """Returns a hash of everything in a file, whatever its order."""
    names = sorted(tensors)
    description = [[name, str(tensors[name].dtype), list(tensors[name].shape)] for name in names]
    digest = hashlib.sha256(json.dumps([structure, description]).encode())
    for name in names:
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > MAX_BYTES:
                raise ValueError(f"it is larger than {MAX_BYTES:,} bytes")
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        raise ValueError("the disk cannot read it") from None
