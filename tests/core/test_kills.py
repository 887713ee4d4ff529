"""Whatever is written survives kills at any moment: a place holds nothing, or all of what belongs there."""

import copy
import functools
import random
import time

import pytest
import torch

from gan_augment import SyntheticPool, from_pretrained
from gan_augment.synthesis import export_images, export_shards

from .processes import killed_after

IMAGES = torch.randint(0, 256, (300, 3, 64, 64), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


class Drawing:
    def sample(self, n, labels=None, *, seed=None):
        return IMAGES[:n]


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


TASKS = {
    "pool saved": lambda out, tiny: SyntheticPool(IMAGES).save(out),
    "pool drawn": lambda out, tiny: SyntheticPool.generate(Drawing(), 300, batch_size=30, out=out, progress=False),
    "images": lambda out, tiny: export_images(Drawing(), out, 100),
    "shards": lambda out, tiny: export_shards(Drawing(), out, 100, images_per_shard=30),
    "generator": lambda out, tiny: tiny.save_pretrained(out),
}


@pytest.mark.parametrize("name", TASKS)
def test_kills_at_random_moments_leave_nothing_or_all(tmp_path, tiny, name):
    def task(out="out"):
        TASKS[name](tmp_path / out, tiny)

    task("first")  # which takes longer
    started = time.perf_counter()
    task("whole")
    seconds, moments = time.perf_counter() - started, random.Random(name)
    whole, kills = files_of(tmp_path / "whole"), 0
    for number in range(20):
        if (tmp_path / "out").exists():
            (tmp_path / "out").rename(tmp_path / f"out-{number}")
        kills += killed_after(task, moments.uniform(0, 1.2 * seconds))
        assert not (tmp_path / "out").exists() or files_of(tmp_path / "out") == whole
    assert kills > 5
    if not (tmp_path / "out").exists():
        task()
    assert files_of(tmp_path / "out") == whole
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(("out", "first", "whole"))]


def test_a_generator_that_is_killed_while_it_replaces_another_is_one_of_both_or_is_refused(tmp_path, tiny):
    other, moments, refused = copy.deepcopy(tiny), random.Random(0), 0
    with torch.no_grad():
        other.to_image.weight.neg_()
    tiny.save_pretrained(tmp_path / "out")
    started = time.perf_counter()
    other.save_pretrained(tmp_path / "other")
    seconds = time.perf_counter() - started
    known = [generator.sample(2, seed=0) for generator in (tiny, other)]
    for number in range(20):
        save = (tiny, other)[number % 2].save_pretrained
        killed_after(functools.partial(save, tmp_path / "out"), moments.uniform(0, seconds))
        try:
            found = from_pretrained(tmp_path / "out").sample(2, seed=0)
        except ValueError:
            refused += 1
        else:
            assert any(torch.equal(found, samples) for samples in known)
    other.save_pretrained(tmp_path / "out")
    assert torch.equal(from_pretrained(tmp_path / "out").sample(2, seed=0), known[1])
    assert files_of(tmp_path / "out").keys() == files_of(tmp_path / "other").keys()
    assert refused < 20
