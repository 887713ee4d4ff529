"""Makes random draws that differ between ranks, and draws that do not change the caller's generators."""

from __future__ import annotations

import math
import operator
import os
import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import string_at
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
import torch.distributed

from .._core import draw_seed, mix_seed

T = TypeVar("T")


def stochastic_round(value: float) -> int:
    """Returns the integer below or above, such that its expected value is ``value``."""
    whole = math.floor(value)
    if value == whole:
        return whole  # draws nothing, so that ratio 0 leaves the random state alone
    return whole + int(torch.rand(()).item() < value - whole)


def process_group() -> tuple[int, int] | None:
    """Returns the number of ranks and the rank of this process, or None if ``torch.distributed`` is not in use."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return None
    return torch.distributed.get_world_size(), torch.distributed.get_rank()


def find_rank(default: int = 0) -> int:
    """Returns the rank of this process, from ``torch.distributed`` or the environment variable ``RANK``."""
    group = process_group()
    return _read("RANK", default) if group is None else group[1]


def find_world_size() -> int:
    """Returns the number of ranks, from ``torch.distributed`` or the environment variable ``WORLD_SIZE``."""
    group = process_group()
    return max(_read("WORLD_SIZE", 1), 1) if group is None else group[0]


def _read(name: str, default: int) -> int:
    given = os.environ.get(name, "")
    return int(given) if given.isdecimal() else default


@contextmanager
def different_on_rank(rank: int) -> Iterator[None]:
    """Makes draws from torch's global generator differ between ranks that share its seed."""
    if rank == 0:  # draws what a single process draws
        yield
        return
    seed = mix_seed(draw_seed(), rank)  # the only draw that the caller's generator sees
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(state)


_MT19937_BYTES = 4 * 625  # state of a Mersenne Twister: 624 words and a position


class _NumpyState:
    """Reads the state of numpy's global generator quickly.

    Numpy's own function takes as long as two transforms of an image. It is called only if the state has changed.
    """

    def __init__(self) -> None:
        self._known: tuple[bytes, Any] = (b"", None)

    def __call__(self) -> Any:
        # The transforms of users draw from numpy's legacy generator, if they draw from numpy at all.
        bits = np.random.get_bit_generator()  # type: ignore[attr-defined]
        memory = string_at(bits.ctypes.state_address, _MT19937_BYTES) if type(bits) is np.random.MT19937 else b""
        if not memory or memory != self._known[0]:
            state = np.random.get_state(legacy=False)  # noqa: NPY002
            # If numpy keeps a normal deviate for the next draw, that draw does not change the memory: read it again.
            self._known = (b"" if state["has_gauss"] else memory, state)
        return self._known[1]

    def restore(self, state: Any) -> None:
        np.random.set_state(state)  # noqa: NPY002
        self._known = (b"", None)  # a kept deviate may have come back without a change of the memory


class _Generator(NamedTuple):
    """Holds the functions that read, compare, restore and seed the state of a global generator."""

    read: Callable[[], Any]
    is_same: Callable[[Any, Any], bool]
    restore: Callable[[Any], Any]
    seed: Callable[[int], Any]


_TORCH, _NUMPY = torch.default_generator, _NumpyState()
_GENERATORS = (
    _Generator(
        _TORCH.get_state,
        # torch.equal takes four times as long.
        lambda one, two: one.numpy().tobytes() == two.numpy().tobytes(),
        _TORCH.set_state,
        _TORCH.manual_seed,
    ),
    _Generator(random.getstate, operator.eq, random.setstate, random.seed),
    _Generator(
        _NUMPY,
        lambda one, two: one is two or pickle.dumps(one) == pickle.dumps(two),
        _NUMPY.restore,
        lambda seed: np.random.seed(seed % 2**32),  # noqa: NPY002
    ),
)


@contextmanager
def restored_random_state() -> Iterator[None]:
    """Restores the global generators of torch (on the CPU), Python and numpy after a block."""
    states = [generator.read() for generator in _GENERATORS]
    try:
        yield
    finally:
        for generator, state in zip(_GENERATORS, states):
            generator.restore(state)


def watch_draws(call: Callable[[], T]) -> tuple[T, bool]:
    """Calls a function, and restores the global generators. Returns its result, and whether it drew from them."""
    with restored_random_state():
        states = [generator.read() for generator in _GENERATORS]
        result = call()
        moved = any(not each.is_same(each.read(), state) for each, state in zip(_GENERATORS, states))
    return result, moved


class SeededReader:
    """Reads items that depend only on their own seeds, and restores the global generators afterwards.

    Seeding every generator takes longer than many transforms. Therefore, only the generators that the items draw from
    are seeded. If the items also drew from another generator, its changed state shows it, and they are read again.
    """

    def __init__(self) -> None:
        self._drawn: frozenset[int] | None = None  # indices of those that items draw from; None before the first item

    def read(
        self,
        read: Callable[[list[int], Callable[[int], None] | None], list[Any]],
        places: list[int],
        seed_of: Callable[[int], int],
    ) -> list[Any]:
        """Returns the items of ``read(places, seed)``.

        If ``seed`` is not None, ``read`` must call it before each item, with the index of the item in ``places``.
        """
        if self._drawn is None:
            self._drawn = frozenset()
            self.read(read, places[:1], seed_of)  # one item shows which generators most others draw from

        while True:
            drawn, states = self._drawn, [generator.read() for generator in _GENERATORS]

            def seed(place: int, seeded: frozenset[int] = drawn) -> None:
                number = seed_of(place)
                for index in seeded:
                    _GENERATORS[index].seed(number)

            try:
                items = read(places, seed if drawn else None)
            finally:
                for index, (generator, state) in enumerate(zip(_GENERATORS, states)):
                    if index in drawn or not generator.is_same(generator.read(), state):
                        generator.restore(state)
                        self._drawn |= {index}
            if self._drawn == drawn:
                return items
