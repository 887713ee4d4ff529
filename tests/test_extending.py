"""Runs the examples of docs/extending.md: the code blocks of a section are one file."""

import importlib
import re
import sys
from pathlib import Path

import pytest
import torch

from gan_augment import SyntheticPool
from gan_augment.cli import main
from gan_augment.hub import find_entry
from gan_augment.metrics import METRICS
from gan_augment.models import FEATURE_MAPS
from gan_augment.synthesis import FILTERS
from gan_augment.training import LOSSES

PAGE = Path(__file__).parent.parent / "docs" / "extending.md"
INSTALL = """
import os, subprocess, sys
options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", "site"]
subprocess.run([sys.executable, "-m", "pip", "install", *options, "{}"], check=True)
sys.path.insert(0, os.path.abspath("site"))
"""


def texts():
    """The text of each section, by its title."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2]))


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def sections():
    """The python code of each section, by its title; pip does a ``pip install`` between two blocks."""
    install = re.compile(r"^```console\npip install (\./.*)$", flags=re.MULTILINE)
    runs = {title: install.sub(lambda m: "```python" + INSTALL.format(m[1]), text) for title, text in texts().items()}
    return {title: "\n\n".join(blocks(text, "python")) for title, text in runs.items()}


def write_pyproject(folder, monkeypatch):
    """Writes the pyproject.toml of a zoo package."""
    (folder / "zoo-of-shapes").mkdir()
    (content,) = blocks(texts()["Ship a zoo entry"], "toml")
    (folder / "zoo-of-shapes" / "pyproject.toml").write_text(content)


PREPARE = {  # what an example finds on a network or on the disk
    "Ship a zoo entry": write_pyproject,
}


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
    kept = [(registry, dict(registry)) for registry in (FEATURE_MAPS, FILTERS, LOSSES, METRICS)]
    yield
    for registry, names in kept:
        registry.clear()
        registry.update(names)


@pytest.mark.parametrize("title", sections())
def test_the_example_of_a_section_runs(title, tmp_path, monkeypatch):
    PREPARE.get(title, lambda *_: None)(tmp_path, monkeypatch)
    run(title, tmp_path, monkeypatch)


def test_the_example_of_a_source_draws_with_the_network_of_the_class(tmp_path, monkeypatch):
    module = run("Add a source", tmp_path, monkeypatch)
    images = module.source.sample(4, torch.tensor([0, 1, 0, 1]), seed=5)
    assert torch.equal(module.source.sample(2, torch.tensor([0, 1]), seed=5), images[:2])
    swapped = module.source.sample(2, torch.tensor([1, 0]), seed=5)
    assert not torch.equal(swapped[0], images[0])
    pool = SyntheticPool.load(tmp_path / "pets")
    assert pool.class_names == ("cat", "dog")
    assert pool.labels.tolist() == [0, 1] * 8


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


def test_the_example_of_a_zoo_entry_is_installed_data_only(tmp_path, monkeypatch, capsys):
    write_pyproject(tmp_path, monkeypatch)
    module = run("Ship a zoo entry", tmp_path, monkeypatch)
    assert find_entry("shapes-16").folder == tmp_path / "site/zoo_of_shapes/shapes-16"
    assert "zoo_of_shapes" not in sys.modules
    assert not list((tmp_path / "site" / "zoo_of_shapes").rglob("*.py"))
    assert module.images.shape == (8, 1, 16, 16)
    assert main(["list"]) == 0
    assert "shapes-16\n    Circles, squares and triangles, 3 classes\n    licence: mit; " in capsys.readouterr().out
