"""Seeding before a step that must be repeatable."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from gan_augment._core import MAX_SEED, seed_device


@given(seed=st.integers(0, MAX_SEED), name=st.sampled_from(["cpu", "meta"]))
def test_a_seeded_device_draws_what_torch_draws(seed, name):
    torch.manual_seed(seed)
    expected = torch.rand(3), torch.randperm(5)
    seed_device(seed, torch.device(name))
    drawn = torch.rand(3), torch.randperm(5)
    assert all(map(torch.equal, drawn, expected))
