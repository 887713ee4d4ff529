"""After set_epoch, items depend only on seed, epoch and index, whatever their transforms draw from."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import Dataset

from gan_augment import GANAugmentedDataset

from .helpers import batch, pool, seed_all

LABELS = [0] * 20 + [1, 2]
DRAWS = {
    "torch": lambda: float(torch.rand(())),
    "python": random.random,
    "gauss": lambda: random.gauss(0, 1),  # keeps a second deviate
    "numpy": lambda: float(np.random.rand()),  # noqa: NPY002
    "normal": lambda: float(np.random.normal()),  # noqa: NPY002  # keeps a second deviate
}


class Rare(Dataset):
    """Items whose transform draws only for some labels, each from its own generator."""

    def __init__(self, draws):
        self.images, self.targets = batch(LABELS)[0], LABELS
        self.draws, self.read = draws, 0

    def transform(self, image):
        draw = self.draws.get(round(float(image.max()) * 255) % 100)
        return image + (0.0 if draw is None else DRAWS[draw]())

    def __getitem__(self, index):
        self.read += 1
        return self.transform(self.images[index]), self.targets[index]

    def __len__(self):
        return len(LABELS)


def wrapped(draws):
    dataset = GANAugmentedDataset(Rare(draws), pool(), 0.2, progress=False)
    dataset.set_epoch(3)
    return dataset


def state():
    return torch.get_rng_state().tolist(), random.getstate(), repr(np.random.get_state(legacy=False))  # noqa: NPY002


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(st.sampled_from([0, 1, 2]), st.sampled_from(sorted(DRAWS)), max_size=3),
    st.permutations(range(len(LABELS))),
    st.integers(1, 22),
    st.integers(0, 100),
)
def test_items_do_not_depend_on_their_batch_or_on_the_caller(draws, order, size, seed):
    expected = [wrapped(draws)[index][0] for index in range(len(LABELS))]
    seed_all(seed)
    np.random.normal()  # noqa: NPY002  # leaves a deviate for the next draw
    random.gauss(0, 1)
    before, dataset = state(), wrapped(draws)
    for start in range(0, len(order), size):
        places = list(order[start : start + size])
        for place, (image, _) in zip(places, dataset.__getitems__(places)):
            assert torch.equal(image, expected[place])
    assert state() == before


@pytest.mark.parametrize("draw", DRAWS)
def test_a_draw_leaves_the_callers_next_numbers_alone(draw):
    def next_numbers():
        seed_all(0)
        np.random.normal()  # noqa: NPY002
        random.gauss(0, 1)
        if read:
            wrapped(dict.fromkeys(range(3), draw))[0]
        drawn = random.gauss(0, 1), random.random()
        return float(torch.rand(())), *drawn, float(np.random.normal()), float(np.random.rand())  # noqa: NPY002

    read = False
    expected = next_numbers()
    read = True
    assert next_numbers() == next_numbers() == expected


def test_a_kept_deviate_that_comes_back_without_another_change_is_restored():
    seed_all(0)
    random.gauss(0, 1)
    kept = random.getstate()
    random.gauss(0, 1)  # takes the kept deviate, and changes nothing else
    dataset = wrapped(dict.fromkeys(range(3), "python"))
    dataset.__getitems__([0, 1])
    random.setstate(kept)
    dataset.__getitems__([0, 1])
    assert random.getstate() == kept


def test_an_error_of_a_transform_restores_the_random_state():
    dataset = wrapped({0: "torch"})
    dataset.__getitems__([0, 1])
    dataset.dataset.draws = {0: "none"}
    seed_all(5)
    before = state()
    with pytest.raises(KeyError):
        dataset.__getitems__(list(range(len(LABELS))))
    assert state() == before


def test_items_that_draw_nothing_are_read_once():
    dataset = wrapped({})
    dataset.__getitems__([0, 1])
    real = int((~dataset.synthetic_mask()).sum())
    dataset.dataset.read = 0
    dataset.__getitems__(list(range(len(LABELS))))
    assert dataset.dataset.read == real
