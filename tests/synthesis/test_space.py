"""Requests that do not fit into the memory or on the disk are refused with their size before any work."""

import time

import pytest
import torch
from torch.utils.data import TensorDataset

from gan_augment import GANAugmentedDataset, Generator, GeneratorConfig, SyntheticMix, SyntheticPool, evaluate
from gan_augment._core import _checks
from gan_augment.models import SRGAN, SRGANConfig
from gan_augment.synthesis import ClassSources, UpscaledSource, Upscaler, draw_candidates, export_images, export_shards

MANY = 10**9
SIZE = r"takes [\d,]+ bytes for [\d,]+ images, but .*\. [A-Z].*\.$"


class Noise:
    def sample(self, n, labels=None, *, seed=None):
        return torch.randint(0, 256, (n, 1, 16, 16), dtype=torch.uint8)


@pytest.fixture
def pool(tiny):
    return SyntheticPool.generate(tiny, 6, progress=False)


@pytest.fixture
def real():
    return TensorDataset(torch.rand(6, 1, 16, 16), torch.arange(6) % 3)


def refused(call, *arguments, words=SIZE, **options):
    start = time.perf_counter()
    with pytest.raises(ValueError, match=words):
        call(*arguments, **options)
    assert time.perf_counter() - start < 1


def test_draws_of_a_thousand_million_images_are_refused(tiny, pool, tmp_path):
    enlarged = UpscaledSource(tiny, Upscaler(SRGAN(SRGANConfig(width=4, blocks=1))))
    for source in (tiny, pool, ClassSources({0: tiny, 1: pool}), enlarged):
        refused(source.sample, MANY)
        refused(SyntheticPool.generate, source, MANY)
        refused(SyntheticPool.generate, source, MANY, out=tmp_path / "pool")
        refused(draw_candidates, source, MANY)
        refused(export_images, source, tmp_path / "export", MANY)
        refused(export_shards, source, tmp_path / "shards", MANY)
        refused(evaluate, source, torch.zeros(9, 1, 16, 16, dtype=torch.uint8), n=MANY, features="random-convolutions")
    refused(SyntheticPool.generate, Noise(), MANY)
    refused(tiny.sample, MANY, 1)
    refused(SyntheticPool.generate, tiny, MANY, labels=1)
    assert list(tmp_path.iterdir()) == []


def test_a_data_set_of_a_thousand_million_synthetic_images_is_refused(tiny, pool, real):
    for source in (tiny, pool):
        refused(GANAugmentedDataset, real, source, mode="append", num_synthetic=MANY)
        refused(GANAugmentedDataset, real, source, 1 - 1e-9, mode="append")
        mix = SyntheticMix(source, 1 - 1e-9, mode="append")
        refused(mix, torch.rand(6, 1, 16, 16), torch.arange(6) % 3)


def test_images_that_do_not_fit_the_memory_or_disk_are_refused(tiny, pool, tmp_path, monkeypatch):
    monkeypatch.setattr(_checks, "UNQUESTIONED", 0)
    monkeypatch.setattr(_checks, "free_memory", lambda: 50_000)
    refused(tiny.sample, 100, words="n=100 takes .* only 50,000 bytes of memory are free. Ask for fewer.")
    refused(SyntheticPool.generate, tiny, 300, words="size=300 takes .* bytes of memory")
    monkeypatch.setattr(_checks, "free_memory", lambda: 10**6)
    wide = Generator(GeneratorConfig(image_size=64))
    refused(
        wide.sample, 20, batch_size=20, words="batch_size=20 takes .* of memory are free. Pass a smaller batch_size"
    )
    monkeypatch.setattr(_checks, "free_disk", lambda folder: 50_000)
    refused(
        SyntheticPool.generate, tiny, 300, out=tmp_path / "p", words="size=300 takes .* only 50,000 bytes on the disk"
    )
    refused(export_images, tiny, tmp_path / "e", 20, words="n=20 takes 81,920 bytes .* on the disk of .* are free")
    refused(export_shards, tiny, tmp_path / "s", 40, words="n=40 takes 61,440 bytes .* on the disk of .* are free")
    assert list(tmp_path.iterdir()) == []


def test_a_large_batch_size_of_few_images_is_allowed(tiny, pool):
    assert torch.equal(tiny.sample(6, seed=0, batch_size=MANY), tiny.sample(6, seed=0))
    assert len(SyntheticPool.generate(tiny, 6, batch_size=MANY, progress=False)) == 6


def test_enlarging_beyond_the_memory_is_refused(monkeypatch):
    upscaler = Upscaler(SRGAN(SRGANConfig(scale=8, width=4, blocks=1)))
    refused(
        upscaler,
        torch.zeros(1, 3, 2**16, 1, dtype=torch.uint8).expand(-1, -1, -1, 2**15),
        words="Enlarging 8 times takes",
    )


@pytest.mark.parametrize("classes", [-1, 10**12])
def test_a_source_with_an_impossible_number_of_classes_is_refused(classes):
    class Source:
        num_classes = classes

        def sample(self, n, labels=None, *, seed=None):
            return torch.zeros(n, 1, 8, 8, dtype=torch.uint8)

    refused(SyntheticPool.generate, Source(), 3, words=f"num_classes must be between 0 and 10,000, but got {classes}")


def test_the_free_memory_and_disk_are_those_of_the_machine(tmp_path):
    assert 2**26 < _checks.free_memory() < 2**50
    assert 0 < _checks.free_disk(tmp_path / "not" / "there") < 2**60
