"""What the fuzzer found, run again: every input is refused in a sentence, or taken."""

from pathlib import Path

import pytest

from .targets import TARGETS

SEEDS = Path(__file__).parent / "seeds"


@pytest.mark.parametrize("target", TARGETS)
def test_every_seed_is_refused_in_a_sentence_or_taken(target):
    seeds = sorted((SEEDS / target).iterdir())
    assert seeds
    for seed in seeds:
        TARGETS[target](seed.read_bytes())
