"""Runs the examples of docs/extending.md: the code blocks of a section are one file."""

import importlib
import re
import sys
from pathlib import Path

import pytest
import torch

from gan_augment import SyntheticPool
from gan_augment.metrics import METRICS
from gan_augment.synthesis import FILTERS
from gan_augment.training import LOSSES

from .synthesis.pipelines import put_stand_in, save_tiny_pipeline

PAGE = Path(__file__).parent.parent / "docs" / "extending.md"


def sections():
    """The python code of each section, by its title."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    blocks = [re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL) for text in parts[1::2]]
    return {title: "\n\n".join(found) for title, found in zip(parts[::2], blocks)}


PREPARE = {"Add a source": save_tiny_pipeline}  # what an example finds on a network


def run(title, tmp_path, monkeypatch):
    """Runs the code of a section as a file, and returns the module."""
    name = re.sub(r"\W", "_", title.lower())
    (tmp_path / f"{name}.py").write_text(sections()[title], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        return importlib.import_module(name)
    finally:
        sys.modules.pop(name, None)


@pytest.fixture(autouse=True)
def registries():
    """Takes the names that an example adds away again."""
    kept = [(registry, dict(registry)) for registry in (FILTERS, LOSSES, METRICS)]
    yield
    for registry, names in kept:
        registry.clear()
        registry.update(names)


@pytest.mark.parametrize("title", sections())
def test_the_example_of_a_section_runs(title, tmp_path, monkeypatch):
    PREPARE.get(title, lambda *_: None)(tmp_path, monkeypatch)
    run(title, tmp_path, monkeypatch)


def test_the_example_of_a_source_draws_what_its_pipeline_gives(tmp_path, monkeypatch):
    put_stand_in(tmp_path, monkeypatch)
    module = run("Add a source", tmp_path, monkeypatch)
    images = module.source.sample(4, torch.tensor([0, 1, 0, 1]), seed=5)
    assert [bool(image.any()) for image in images] == [False, True, False, True]
    assert torch.equal(module.source.sample(2, torch.tensor([0, 1]), seed=5), images[:2])
    pool = SyntheticPool.load(tmp_path / "pets")
    assert pool.class_names == ("cat", "dog")
    assert pool.labels.tolist() == [0, 1] * 8
    assert module.source.to("cpu").device == torch.device("cpu")


def test_the_example_of_a_filter_drops_blurry_images(tmp_path, monkeypatch):
    module = run("Add a filter", tmp_path, monkeypatch)
    assert 0.5 < module.pool.info.acceptance <= 1
    blurred = torch.nn.functional.avg_pool2d(module.real.float(), 5, stride=1, padding=2).byte()
    assert not bool(module.Sharp(module.real)(blurred, None).any())
    assert FILTERS["sharp"] is module.Sharp


def test_the_example_of_a_metric_is_in_the_evaluation(tmp_path, monkeypatch):
    module = run("Add a metric", tmp_path, monkeypatch)
    measured = module.found["gaussian_mmd"]
    assert measured.label == "gaussian_mmd[random-convolutions, n=100/100, test]"
    assert 0 < measured.spread < measured.value
    row = next(line for line in str(module.found).splitlines() if line.startswith("gaussian_mmd"))
    assert row.endswith("lower")
    assert f"The Gaussian MMD of the samples is {measured.number}." in module.found.sentences
    x = torch.randn(100, 4, generator=torch.Generator().manual_seed(0))
    assert module.gaussian_mmd(x[:50], x[50:]) < 0.1 < module.gaussian_mmd(x[:50], x[50:] + 2)
