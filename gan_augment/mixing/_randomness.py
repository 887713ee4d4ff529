"""Random draws: different on each rank of a distributed training, or without effect on the caller's generators."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.distributed

from .._core import draw_seed, mix_seed


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


@contextmanager
def restored_random_state() -> Iterator[None]:
    """Restores the global generators of torch, Python and numpy after a block."""
    # The transforms of users draw from numpy's legacy generator, if they draw from numpy at all.
    torch_state, python_state = torch.get_rng_state(), random.getstate()
    numpy_state = np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        torch.set_rng_state(torch_state)
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002


def seed_everything(seed: int) -> None:
    """Seeds the global generators of torch (on the CPU), Python and numpy."""
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
