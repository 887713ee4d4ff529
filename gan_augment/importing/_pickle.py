"""A pickle's plain values, read by a small machine of our own that can call nothing.

Python's unpickler imports what a pickle names, and hashes and stores whatever it builds. This one knows a fixed list
of names, builds dicts, lists, tuples, numbers, text and descriptions of tensors, and refuses all else. Opcodes are
split by :mod:`pickletools`; https://peps.python.org/pep-3154/ and the comments there say what each one means.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, NamedTuple

import torch

from .._core import first_line

MAX_PICKLE = 2**21  # bytes
MAX_STEPS = 500_000
MAX_COPIED = 50_000  # values in lists that calls take; one for each dimension of a tensor
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
_DTYPES = {*_STORAGES.values(), *(getattr(torch, name) for name in ("uint16", "uint32", "uint64"))}


class Storage(NamedTuple):
    """The bytes of tensors, as a pickle describes them.

    Attributes:
        key (str): Their name in the file.
        dtype (torch.dtype): Of their values; uint8 for plain bytes.
        length (int): Number of values.
    """

    key: str
    dtype: torch.dtype
    length: int


class StoredTensor(NamedTuple):
    """A tensor, as a pickle describes it; nothing in it is verified but the types."""

    storage: Storage
    dtype: torch.dtype
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True)
class _Named:
    """What a pickle may name: a function of its arguments, or a value."""

    call: Callable[..., Any] | None = None
    value: Any = None


class _Opaque:
    """What stands for all values that no checkpoint is read for: sets, devices, numbers that were made by a call."""


_OPAQUE = _Opaque()


def read_pickle(file: BytesIO, storages: dict[str, Storage] | None = None) -> Any:
    """Reads one pickle and leaves the file behind it.

    Args:
        file (BytesIO): At the beginning of a pickle.
        storages (dict, optional): Takes the storages that the pickle refers to, by their keys.

    Returns:
        Numbers, text, None, dicts, lists, tuples, :class:`Storage` and :class:`StoredTensor`. Keys of dicts are numbers
        or text.

    Raises:
        ValueError: If the pickle is damaged, too long, or asks for anything but tensors and plain containers.
    """
    machine, start = _Machine({} if storages is None else storages), file.tell()
    for step, (opcode, argument, position) in enumerate(_opcodes(file)):
        if step >= MAX_STEPS or (position or 0) - start > MAX_PICKLE:
            raise ValueError(f"it must have at most {MAX_STEPS:,} steps and {MAX_PICKLE:,} bytes, but has more")
        if opcode.name == "STOP":
            return machine.pop()
        machine.run(opcode.name, argument)
    raise ValueError("it has no end")


def _opcodes(file: BytesIO) -> Iterator[tuple[pickletools.OpcodeInfo, Any, int | None]]:
    try:
        yield from pickletools.genops(file)
    except (ValueError, OverflowError, struct.error) as error:
        raise ValueError(f"its pickle is damaged: {first_line(error)}") from error


class _Machine:
    """The stack, the marks in it, and the memo of a pickle."""

    def __init__(self, storages: dict[str, Storage]) -> None:
        self.storages = storages
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.copied = 0

    def run(self, name: str, argument: Any) -> None:
        """Executes one opcode."""
        if name in _LITERALS:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _MEMOIZED:
            self.memo[len(self.memo) if name == "MEMOIZE" else int(argument)] = self.top()
        elif name in _RECALLED:
            if int(argument) not in self.memo:
                raise ValueError("it recalls a value that it has not stored")
            self.stack.append(self.memo[int(argument)])
        elif name in _OPCODES:
            _OPCODES[name](self, argument)
        else:
            raise ValueError(f"it must hold tensors and plain containers, but has the opcode {name}")

    def top(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise ValueError("it takes a value from an empty stack")
        return self.stack[-1]

    def pop(self) -> Any:
        self.top()
        return self.stack.pop()

    def pop_to_mark(self) -> list[Any]:
        if not self.marks:
            raise ValueError("it goes back to a mark that it has not set")
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def mark(self, _: Any) -> None:
        self.marks.append(len(self.stack))

    def drop(self, _: Any) -> None:
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
        else:
            self.pop()

    def take_tuple(self, count: int) -> None:
        self.stack.append(tuple([self.pop() for _ in range(count)][::-1]))

    def set_items(self, pairs: list[Any]) -> None:
        target = self.top()
        if isinstance(target, _Opaque):
            return
        if not isinstance(target, dict):
            raise ValueError("it sets an item of a value that is no dict")
        _fill(target, pairs)

    def add_items(self, values: list[Any]) -> None:
        target = self.top()
        if isinstance(target, list):
            target.extend(values)
        elif not isinstance(target, _Opaque):
            raise ValueError("it adds an item to a value that is no list")

    def name(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("it names something by values that are no text")
        known = _NAMES.get(f"{module} {name}")
        if known is None:
            raise _asks_for(f"{module}.{name}")
        self.stack.append(known)

    def make_dict(self, _: Any) -> None:
        made: dict[Any, Any] = {}
        _fill(made, self.pop_to_mark())
        self.stack.append(made)

    def call(self, _: Any) -> None:
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, _Named) or function.call is None:
            raise ValueError("it calls a value that is no function")
        if not isinstance(arguments, tuple) or len(arguments) > MAX_DIMS:
            raise ValueError(f"it must call with a tuple of at most {MAX_DIMS} values, but does not")
        # A stored list may be passed again and again: what calls copy is counted together.
        self.copied += sum(len(each) for each in arguments if isinstance(each, (list, tuple)))
        if self.copied > MAX_COPIED:
            raise ValueError(f"its calls must take at most {MAX_COPIED:,} values in lists, but take more")
        self.stack.append(function.call(*arguments))

    def build(self, _: Any) -> None:
        """Leaves out the state of an object, like the versions that an ordered dict of a module's tensors carries."""
        self.pop()
        self.top()

    def refer(self, _: Any) -> None:
        storage = _storage(self.pop())
        if self.storages.setdefault(storage.key, storage) != storage:
            raise ValueError(f"it describes the storage {storage.key[:100]!r} in two ways")
        self.stack.append(storage)


def _asks_for(name: str) -> ValueError:
    return ValueError(
        f"it must hold tensors alone, but asks for {name[:100]!r}, which is not run; its author can save the "
        "state_dict of the generator by itself"
    )


def _fill(target: dict[Any, Any], pairs: list[Any]) -> None:
    if len(pairs) % 2:
        raise ValueError("it has a key without a value")
    for key, value in zip(pairs[::2], pairs[1::2]):
        if key is not None and type(key) not in (str, int, float, bool):  # to hash another one may take for ever
            raise ValueError(f"its keys must be text or numbers, but one is of type {type(key).__name__.strip('_')}")
        target[key] = value


def _dict_of(*arguments: Any) -> dict[Any, Any]:
    """A dict, an OrderedDict of pairs as Python 2 writes it, or a defaultdict of a factory that is left out."""
    made: dict[Any, Any] = {}
    for argument in arguments:
        if isinstance(argument, dict):
            return argument  # and no copy: it may be asked for again and again
        if isinstance(argument, (list, tuple)):
            if not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in argument):
                raise ValueError("it makes a dict of values that are no pairs")
            _fill(made, [value for pair in argument for value in pair])
    return made


def _opaque(*_: Any) -> _Opaque:
    return _OPAQUE


def _size(*arguments: Any) -> tuple[int, ...]:
    return _whole_numbers(arguments[0] if arguments else ())


def _whole_numbers(values: Any) -> tuple[int, ...]:
    if not isinstance(values, (tuple, list)) or len(values) > MAX_DIMS or not all(type(n) is int for n in values):
        raise ValueError(f"it must give sizes and strides as at most {MAX_DIMS} whole numbers, but does not")
    return tuple(values)


def _storage(identity: Any) -> Storage:
    """What a persistent id means, in the archive's form or in the older one with its description of views."""
    if isinstance(identity, tuple) and len(identity) == 6 and identity[5] is None:
        identity = identity[:5]
    if not isinstance(identity, tuple) or len(identity) != 5 or identity[0] != "storage":
        raise ValueError("it must refer to the storages of tensors only, but refers to something else")
    _, kind, key, _, count = identity
    if not isinstance(kind, _Named) or not isinstance(kind.value, torch.dtype) or type(key) is not str:
        raise ValueError("it describes a storage of a type or name that no storage has")
    if type(count) is not int or not 0 <= count < 2**48:
        raise ValueError("it describes a storage of a size that no storage has")
    return Storage(key, kind.value, count)


def _tensor(storage: Any = None, offset: Any = None, size: Any = (), stride: Any = (), *_: Any) -> StoredTensor:
    """Both ways to rebuild a tensor; what follows are a flag for gradients and hooks, which are left out."""
    if not isinstance(storage, Storage) or type(offset) is not int:
        raise ValueError("it builds a tensor from something that is no storage, or at a place that is no number")
    return StoredTensor(storage, storage.dtype, offset, _whole_numbers(size), _whole_numbers(stride))


def _tensor_of_type(*arguments: Any) -> StoredTensor:
    """The way for types that have no storage class of their own: the type comes as an argument."""
    dtype = arguments[6].value if len(arguments) > 6 and isinstance(arguments[6], _Named) else None
    if not isinstance(dtype, torch.dtype):
        raise ValueError("it builds a tensor of a type that cannot be read")
    return _tensor(*arguments)._replace(dtype=dtype)


def _parameter(*arguments: Any) -> StoredTensor:
    if not arguments or not isinstance(arguments[0], StoredTensor):
        raise ValueError("it makes a parameter of something that is no tensor")
    return arguments[0]


def _subclass(*arguments: Any) -> StoredTensor:
    """A tensor with attributes, or a subclass: the tensor in it."""
    if len(arguments) < 3 or not isinstance(arguments[0], _Named) or not isinstance(arguments[2], tuple):
        raise ValueError("it rebuilds a tensor from something else")
    rebuild = arguments[0].call
    made = rebuild(*arguments[2]) if rebuild in (_tensor, _tensor_of_type, _parameter) else None
    if not isinstance(made, StoredTensor):
        raise ValueError("it rebuilds a tensor from something else")
    return made


_BUILTINS = ("builtins", "__builtin__")  # in Python 3 and 2
_NAMES = {
    **{
        f"{module} {name}Storage": _Named(value=dtype)
        for module in ("torch", "torch.cuda")
        for name, dtype in _STORAGES.items()
    },
    "torch.storage UntypedStorage": _Named(value=torch.uint8),
    **{str(dtype).replace(".", " "): _Named(value=dtype) for dtype in _DTYPES},
    "torch Size": _Named(_size),
    "torch device": _Named(_opaque),
    "torch Tensor": _Named(),
    "torch.nn.parameter Parameter": _Named(_parameter),
    "torch._utils _rebuild_tensor": _Named(_tensor),
    "torch._utils _rebuild_tensor_v2": _Named(_tensor),
    "torch._utils _rebuild_tensor_v3": _Named(_tensor_of_type),
    "torch._utils _rebuild_parameter": _Named(_parameter),
    "torch._utils _rebuild_parameter_with_state": _Named(_parameter),
    "torch._tensor _rebuild_from_type_v2": _Named(_subclass),
    "_codecs encode": _Named(_opaque),  # how the older protocols write bytes
    **{f"collections {name}": _Named(_dict_of) for name in ("OrderedDict", "defaultdict", "Counter")},
    **{f"{module} dict": _Named(_dict_of) for module in _BUILTINS},
    **{f"{module} {name}": _Named(_opaque) for module in _BUILTINS for name in ("set", "int", "float", "list")},
}
_LITERALS = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8",
}  # fmt: skip
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": lambda: _OPAQUE,
}
_MEMOIZED = {"MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"}
_RECALLED = {"GET", "BINGET", "LONG_BINGET"}
_OPCODES: dict[str, Callable[[_Machine, Any], Any]] = {
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, _: None,
    "MARK": _Machine.mark,
    "POP": _Machine.drop,
    "POP_MARK": lambda machine, _: machine.pop_to_mark(),
    "DUP": lambda machine, _: machine.stack.append(machine.top()),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.pop_to_mark())),
    "TUPLE1": lambda machine, _: machine.take_tuple(1),
    "TUPLE2": lambda machine, _: machine.take_tuple(2),
    "TUPLE3": lambda machine, _: machine.take_tuple(3),
    "LIST": lambda machine, _: machine.stack.append(machine.pop_to_mark()),
    "DICT": _Machine.make_dict,
    "FROZENSET": lambda machine, _: machine.stack.append(_opaque(machine.pop_to_mark())),
    "APPEND": lambda machine, _: machine.add_items([machine.pop()]),
    "APPENDS": lambda machine, _: machine.add_items(machine.pop_to_mark()),
    "ADDITEMS": lambda machine, _: machine.add_items(machine.pop_to_mark()),
    "SETITEM": lambda machine, _: machine.set_items([machine.pop(), machine.pop()][::-1]),
    "SETITEMS": lambda machine, _: machine.set_items(machine.pop_to_mark()),
    "GLOBAL": lambda machine, argument: machine.name(*argument.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.name(*[machine.pop(), machine.pop()][::-1]),
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.refer,
}
