"""Draws that differ between the processes of a distributed training."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed

from .._core import draw_seed, mix_seed


def find_rank(default: int = 0) -> int:
    """The rank of this process: of ``torch.distributed`` if it is initialised, else of the variable ``RANK``."""
    return torch.distributed.get_rank() if _is_initialized() else _read("RANK", default)


def find_world_size() -> int:
    """The number of ranks: of ``torch.distributed`` if it is initialised, else of the variable ``WORLD_SIZE``."""
    return torch.distributed.get_world_size() if _is_initialized() else max(_read("WORLD_SIZE", 1), 1)


def _is_initialized() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def _read(name: str, default: int) -> int:
    given = os.environ.get(name, "")
    return int(given) if given.isdecimal() else default


@contextmanager
def draws_of_rank(rank: int) -> Iterator[None]:
    """Makes draws from torch's global generator differ between ranks that share its seed.

    Rank 0 draws what a single process draws. On the others, the block moves the generator by one draw.
    """
    if rank == 0:
        yield
        return
    seed = mix_seed(draw_seed(), rank)
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(state)
