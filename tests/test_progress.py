"""Bars appear for work of more than two seconds, and for no other."""

import os
import signal
import threading
import time
import warnings

import pytest
import torch
from torch.utils.data import Dataset

from gan_augment import GANAugmentedDataset, SyntheticPool, fit
from gan_augment._core import _progress
from gan_augment.data._open import ArrayImages


class Slow:
    """A source of which an image takes a while."""

    def __init__(self, seconds):
        self.seconds = seconds

    def sample(self, n, labels=None, *, seed=None):
        time.sleep(n * self.seconds)
        return torch.zeros(n, 1, 8, 8, dtype=torch.uint8)


class Items(Dataset):
    """Labelled images whose labels are kept nowhere, so that every item is read."""

    def __len__(self):
        return 1200

    def __getitem__(self, index):
        return torch.zeros(1, 8, 8, dtype=torch.uint8), index % 2


def test_short_work_shows_no_bar(capfd):
    images = torch.randint(0, 256, (12, 1, 16, 16), dtype=torch.uint8)
    pool = SyntheticPool(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.arange(4) % 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of too few images
        for _ in range(20):
            GANAugmentedDataset(Items(), pool, ratio=0.1)
        SyntheticPool.generate(Slow(0.001), 30, batch_size=10)
        fit(ArrayImages(images, None), "tiny", image_size=16, steps=2, generator_width=4, evaluations=0)
    assert capfd.readouterr().err == ""


def test_words_of_a_bar_do_not_show_it_before_its_time(capfd):
    with (
        _progress.progress_bar(total=3, desc="outer") as outer,
        _progress.progress_bar(range(3), desc="inner") as inner,
    ):
        for number in inner:
            outer.set_postfix_str(f"number {number}", refresh=True)
            outer.set_description("outer", refresh=True)
            outer.update()
    assert capfd.readouterr().err == ""


def test_longer_work_shows_its_bar(capfd, monkeypatch):
    monkeypatch.setattr(_progress, "DELAY", 0.15)
    SyntheticPool.generate(Slow(0.08), 4, batch_size=1)
    assert "Generating: " in capfd.readouterr().err
    SyntheticPool.generate(Slow(0.08), 4, batch_size=1, progress=False)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("show", [False, True])
def test_a_process_that_is_killed_at_its_bar_stops_no_other(show):
    bar = _progress.progress_bar(range(3), show=show)
    child = os.fork()
    if child == 0:
        bar.get_lock().acquire()
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    going_on = threading.Thread(target=lambda: list(_progress.progress_bar(range(3), show=show)), daemon=True)
    going_on.start()
    going_on.join(10)
    assert not going_on.is_alive()


@pytest.mark.slow
def test_a_bar_is_shown_after_two_seconds(capfd):
    for seconds in (1.2, 2.8):
        started = time.monotonic()
        SyntheticPool.generate(Slow(seconds / 14), 14, batch_size=1)
        took = time.monotonic() - started  # a busy machine may stall
        assert ("Generating: " in capfd.readouterr().err) == (took > 2)
