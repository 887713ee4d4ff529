"""Reads the plain values of a pickle with a small stack machine that cannot call anything.

Python's unpickler imports whatever a pickle names, and hashes and stores whatever it builds. This machine knows a
fixed list of names. It builds dicts, lists, tuples, numbers, text and descriptions of tensors, and refuses everything
else. :mod:`pickletools` splits a pickle into opcodes, and its source explains each one (see also
https://peps.python.org/pep-3154/).
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable, Iterator
from io import BytesIO
from types import FunctionType
from typing import Any, NamedTuple

import torch

from .._core import first_line

MAX_PICKLE = 2**21  # bytes
MAX_STEPS = 500_000
MAX_COPIED = 50_000  # values in the lists that all calls take; a tensor needs two for each dimension
MAX_DIMS = 16
_STORAGES = {
    "Double": torch.float64,
    "Float": torch.float32,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Bool": torch.bool,
    "ComplexFloat": torch.complex64,
    "ComplexDouble": torch.complex128,
}
_DTYPES = (*_STORAGES.values(), torch.uint16, torch.uint32, torch.uint64)


class Storage(NamedTuple):
    """A pickle's description of the bytes that hold the values of tensors."""

    key: str  # name of the bytes in the file
    dtype: torch.dtype  # uint8 for plain bytes
    length: int  # number of values

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self.length * self.dtype.itemsize


class StoredTensor(NamedTuple):
    """A pickle's description of a tensor. Only the types of its fields are verified here."""

    storage: Storage
    dtype: torch.dtype
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


_OPAQUE = object()  # stands for every value that importing does not need: sets, devices, the results of some calls


def read_pickle(file: BytesIO, storages: dict[str, Storage]) -> Any:
    """Reads one pickle, and adds the storages of its tensors to ``storages``.

    The position of ``file`` is then at the end of the pickle. The result consists of numbers, text, None, dicts, lists,
    tuples, :class:`Storage`, :class:`StoredTensor`, and stand-ins for everything else. The keys of dicts are numbers,
    text or None.
    """
    machine, start = _Machine(storages), file.tell()
    for step, (opcode, argument, position) in enumerate(_opcodes(file)):
        if step >= MAX_STEPS or (position or 0) - start > MAX_PICKLE:
            raise ValueError(f"it must have at most {MAX_STEPS:,} steps and {MAX_PICKLE:,} bytes, but has more")
        if opcode.name == "STOP":
            return machine.top()
        if opcode.name not in _OPCODES:
            raise ValueError(f"it must hold tensors and plain containers, but has the opcode {opcode.name}")
        _OPCODES[opcode.name](machine, argument)
    raise ValueError("its pickle has no end")


def _opcodes(file: BytesIO) -> Iterator[tuple[pickletools.OpcodeInfo, Any, int | None]]:
    try:
        yield from pickletools.genops(file)
    except (ValueError, OverflowError, struct.error) as error:
        raise ValueError(f"its pickle is damaged: {first_line(error)}") from error


class _Machine:
    """Executes opcodes on a stack. Marks are positions in the stack, and the memo holds values for later use."""

    def __init__(self, storages: dict[str, Storage]) -> None:
        self.storages = storages
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.copied = 0

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self, count: int) -> list[Any]:
        start = len(self.stack) - count
        if start < (self.marks[-1] if self.marks else 0):
            raise ValueError("it takes a value from an empty stack")
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def pop_to_mark(self) -> list[Any]:
        if not self.marks:
            raise ValueError("it returns to a mark that it has not set")
        return self.pop(len(self.stack) - self.marks.pop())

    def drop(self, _: Any) -> None:
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
        else:
            self.pop(1)

    def top(self) -> Any:
        self.stack += self.pop(1)
        return self.stack[-1]

    def memoize(self, key: int) -> None:
        self.memo[key] = self.top()

    def recall(self, key: int) -> None:
        if key not in self.memo:
            raise ValueError("it recalls a value that it has not stored")
        self.push(self.memo[key])

    def set_items(self, pairs: list[Any]) -> None:
        target = self.top()
        if isinstance(target, dict):
            _fill(target, pairs)
        elif target is not _OPAQUE:
            raise ValueError("it sets an item of a value that is not a dict")

    def add_items(self, values: list[Any]) -> None:
        target = self.top()
        if isinstance(target, list):
            target.extend(values)
        elif target is not _OPAQUE:
            raise ValueError("it adds an item to a value that is not a list")

    def push_global(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("it names an object by values that are not text")
        if f"{module} {name}" not in _GLOBALS:
            raise ValueError(
                f"it must hold only tensors, but asks for {f'{module}.{name}'[:100]!r}, which is not run; ask its "
                "author to save only the state_dict of the generator"
            )
        self.push(_GLOBALS[f"{module} {name}"])

    def call(self, _: Any) -> None:
        function, arguments = self.pop(2)
        if not isinstance(function, FunctionType):  # one of _GLOBALS, because nothing else puts functions on the stack
            raise ValueError("it calls a value that is not a function")
        if not isinstance(arguments, tuple) or len(arguments) > MAX_DIMS:
            raise ValueError(f"it must call functions with a tuple of at most {MAX_DIMS} values, but does not")
        # A stored list may be passed many times, so the limit applies to all calls together.
        self.copied += sum(len(each) for each in arguments if isinstance(each, (list, tuple)))
        if self.copied > MAX_COPIED:
            raise ValueError(f"its calls must take at most {MAX_COPIED:,} values in lists, but take more")
        try:
            self.push(function(*arguments))
        except TypeError as error:
            raise ValueError("it calls a function with too few arguments") from error

    def push_storage(self, _: Any) -> None:
        storage = _storage(*self.pop(1))
        if self.storages.setdefault(storage.key, storage) != storage:
            raise ValueError(f"it describes the storage {storage.key[:100]!r} in two ways")
        self.push(storage)


def _fill(target: dict[Any, Any], pairs: list[Any]) -> dict[Any, Any]:
    if len(pairs) % 2:
        raise ValueError("it has a key without a value")
    for key, value in zip(pairs[::2], pairs[1::2]):
        if key is not None and type(key) not in (str, int, float, bool):  # other keys may take forever to hash
            raise ValueError(f"its keys must be text or numbers, but one is of type {type(key).__name__.strip('_')}")
        target[key] = value
    return target


def _dict_of(*arguments: Any) -> dict[Any, Any]:
    """Makes a dict from a dict, from the pairs that Python 2 writes, or from a defaultdict's factory and content."""
    made: dict[Any, Any] = {}
    for argument in arguments:
        if isinstance(argument, dict):
            return argument  # not a copy, because a pickle may ask for it many times
        if isinstance(argument, (list, tuple)):
            if not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in argument):
                raise ValueError("it makes a dict of values that are not pairs")
            _fill(made, [value for pair in argument for value in pair])
    return made


def _opaque(*_: Any) -> object:
    return _OPAQUE


def _whole_numbers(values: Any = (), *_: Any) -> tuple[int, ...]:
    if not isinstance(values, (tuple, list)) or len(values) > MAX_DIMS or not all(type(n) is int for n in values):
        raise ValueError(f"it must give sizes and strides as at most {MAX_DIMS} whole numbers, but does not")
    return tuple(values)


def _storage(identity: Any) -> Storage:
    """Reads a persistent id, in the zip archive's form or in the older one, which also describes views."""
    if isinstance(identity, tuple) and len(identity) == 6 and identity[5] is None:
        identity = identity[:5]
    if not isinstance(identity, tuple) or len(identity) != 5 or identity[0] != "storage":
        raise ValueError("it must refer only to the storages of tensors, but refers to something else")
    _, dtype, key, _, length = identity
    if not isinstance(dtype, torch.dtype) or type(key) is not str:
        raise ValueError("it describes a storage with an impossible type or name")
    if type(length) is not int or not 0 <= length < 2**48:
        raise ValueError("it describes a storage with an impossible size")
    return Storage(key, dtype, length)


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> StoredTensor:
    """Describes a tensor. The remaining arguments, a flag for gradients and hooks, are ignored."""
    if not isinstance(storage, Storage) or type(offset) is not int:
        raise ValueError("it must build tensors from a storage and a whole number, but does not")
    return StoredTensor(storage, storage.dtype, offset, _whole_numbers(size), _whole_numbers(stride))


def _tensor_with_dtype(
    storage: Any, offset: Any, size: Any, stride: Any, gradient: Any, hooks: Any, dtype: Any, *_: Any
) -> StoredTensor:
    """Describes a tensor whose type has no storage class, and is an argument instead."""
    if not isinstance(dtype, torch.dtype):
        raise ValueError("it builds a tensor of a type that cannot be read")
    return _tensor(storage, offset, size, stride)._replace(dtype=dtype)


def _parameter(tensor: Any, *_: Any) -> StoredTensor:
    if not isinstance(tensor, StoredTensor):
        raise ValueError("it makes a parameter of a value that is not a tensor")
    return tensor


def _inner_tensor(rebuild: Any, subclass: Any, arguments: Any, *_: Any) -> StoredTensor:
    """Returns the tensor inside a tensor with attributes or a subclass."""
    if rebuild not in (_tensor, _tensor_with_dtype, _parameter) or not isinstance(arguments, tuple):
        raise ValueError("it rebuilds a tensor from something else")
    tensor: StoredTensor = rebuild(*arguments)
    return tensor


_BUILTINS = ("builtins", "__builtin__")  # the name in Python 3 and in Python 2
_GLOBALS: dict[str, Any] = {
    **{f"{module} {name}Storage": dtype for module in ("torch", "torch.cuda") for name, dtype in _STORAGES.items()},
    "torch.storage UntypedStorage": torch.uint8,
    **{str(dtype).replace(".", " "): dtype for dtype in _DTYPES},
    "torch Size": _whole_numbers,
    "torch device": _opaque,
    "torch Tensor": None,  # only an argument of _rebuild_from_type_v2
    "torch.nn.parameter Parameter": _parameter,
    "torch._utils _rebuild_tensor": _tensor,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_tensor_v3": _tensor_with_dtype,
    "torch._utils _rebuild_parameter": _parameter,
    "torch._utils _rebuild_parameter_with_state": _parameter,
    "torch._tensor _rebuild_from_type_v2": _inner_tensor,
    "_codecs encode": _opaque,  # how the older protocols write bytes
    **{f"collections {name}": _dict_of for name in ("OrderedDict", "defaultdict", "Counter")},
    **{f"{module} dict": _dict_of for module in _BUILTINS},
    **{f"{module} {name}": _opaque for module in _BUILTINS for name in ("set", "int", "float", "list")},
}
_LITERALS = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8",
}  # fmt: skip
_OPCODES: dict[str, Callable[[_Machine, Any], Any]] = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda machine, _: None),
    **dict.fromkeys(_LITERALS, _Machine.push),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.recall),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.memoize),
    "MEMOIZE": lambda machine, _: machine.memoize(len(machine.memo)),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_SET": lambda machine, _: machine.push(_OPAQUE),
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "POP": _Machine.drop,
    "POP_MARK": lambda machine, _: machine.pop_to_mark(),
    "DUP": lambda machine, _: machine.push(machine.top()),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.pop_to_mark())),
    "TUPLE1": lambda machine, _: machine.push(tuple(machine.pop(1))),
    "TUPLE2": lambda machine, _: machine.push(tuple(machine.pop(2))),
    "TUPLE3": lambda machine, _: machine.push(tuple(machine.pop(3))),
    "LIST": lambda machine, _: machine.push(machine.pop_to_mark()),
    "DICT": lambda machine, _: machine.push(_fill({}, machine.pop_to_mark())),
    "FROZENSET": lambda machine, _: machine.push(_opaque(machine.pop_to_mark())),
    "APPEND": lambda machine, _: machine.add_items(machine.pop(1)),
    **dict.fromkeys(("APPENDS", "ADDITEMS"), lambda machine, _: machine.add_items(machine.pop_to_mark())),
    "SETITEM": lambda machine, _: machine.set_items(machine.pop(2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.pop_to_mark()),
    "GLOBAL": lambda machine, argument: machine.push_global(*argument.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.push_global(*machine.pop(2)),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), _Machine.call),
    "BUILD": lambda machine, _: (machine.pop(1), machine.top()),  # drops the state that an object is to take
    "BINPERSID": _Machine.push_storage,
}
