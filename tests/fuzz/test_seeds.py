"""Runs the inputs that the fuzzer found. Each must be accepted, or refused in a sentence."""

from pathlib import Path

import pytest

from .targets import TARGETS

SEEDS = Path(__file__).parent / "seeds"


@pytest.mark.parametrize("target", TARGETS)
def test_every_seed_is_accepted_or_refused_in_a_sentence(target):
    seeds = sorted((SEEDS / target).iterdir())
    assert seeds
    for seed in seeds:
        TARGETS[target](seed.read_bytes())
