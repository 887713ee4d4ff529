"""Seeds of random number generators."""

from __future__ import annotations

import torch

from ._checks import check_count

MAX_SEED = 2**63 - 1


def draw_seed() -> int:
    """Draws a seed from torch's global generator."""
    return int(torch.randint(MAX_SEED, ()).item())


def mix_seed(*parts: int) -> int:
    """Hashes several numbers to one seed (splitmix64, https://doi.org/10.1145/2660193.2660195)."""
    state = 0
    for part in parts:
        state = ((state ^ part) + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state >> 1


def check_seed(seed: int | None) -> int:
    """Checks a seed and returns it, or draws one from torch's global generator if it is None."""
    if seed is None:
        return draw_seed()
    seed = check_count("seed", seed, 0)
    if seed > MAX_SEED:
        raise ValueError(f"seed must be at most 2**63 - 1, but got {seed} instead.")
    return seed
