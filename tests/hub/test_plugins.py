"""Zoo packages from other authors, with the real importlib.metadata."""

import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

from gan_augment import (
    Card,
    Generator,
    GeneratorConfig,
    SyntheticMix,
    Upscaler,
    download,
    from_pretrained,
    list_pretrained,
)
from gan_augment.cli import main
from gan_augment.hub import _entries, _plugins, find_entry, list_upscalers, save_upscaler, zoo_entries
from gan_augment.models import SRGAN, SRGANConfig

from .zoo_packages import DATA, entry, install

ROOT = Path(__file__).parents[2]
OURS = {"dcgan-mnist-32", "dcgan-fashion-mnist-32", "dcgan-pneumonia-28"}


@pytest.fixture(autouse=True)
def forgetful(monkeypatch):
    monkeypatch.setattr(_plugins, "_warned", set())


@pytest.fixture
def site(tmp_path, monkeypatch):
    """An empty folder on the import path."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture
def shapes(site, saved):
    """An installed package with one generator, whose code must not run."""
    folder = install(site, "zoo-of-shapes", [entry("shapes-16", saved)], code="raise SystemExit('imported')")
    shutil.copytree(saved, folder / "shapes-16")
    return folder


@pytest.fixture
def alone(monkeypatch):
    """No zoo package is installed."""
    monkeypatch.setattr(_plugins.importlib.metadata, "distributions", lambda: [])
    _plugins._entry_points.cache_clear()
    yield
    _plugins._entry_points.cache_clear()


def warned(function):
    """Returns the warnings and the result of a function."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = function()
    return [str(each.message) for each in caught], result


def test_an_installed_package_is_found_listed_and_loaded_without_running_its_code(shapes, tiny, offline):
    assert "shapes-16" in list_pretrained(installed=True)
    assert find_entry("shapes-16").distribution == "zoo-of-shapes"
    assert not find_entry("shapes-16").vouched
    generator = from_pretrained("shapes-16")
    assert torch.equal(generator.sample(4, seed=0), tiny.sample(4, seed=0))
    assert download("shapes-16") == shapes / "shapes-16"
    images, _ = SyntheticMix("shapes-16", ratio=1.0)(torch.rand(3, 1, 16, 16), torch.arange(3))
    assert images.shape == (3, 1, 16, 16)
    assert "zoo_of_shapes" not in sys.modules


def test_what_is_installed_while_we_run_is_found(site, saved):
    assert "shapes-16" not in list_pretrained()
    shutil.copytree(saved, install(site, "zoo-of-shapes", [entry("shapes-16", saved)]) / "shapes-16")
    assert "shapes-16" in list_pretrained()


def test_a_package_may_lie_in_another_and_need_no_code(site, saved):
    folder = install(site, "zoo-of-shapes", [entry("shapes-16", saved)], entry_point="zoo_of_shapes.data.zoo")
    shutil.move(folder / "zoo.json", folder / "data.json")
    (folder / "__init__.py").unlink()
    (folder / "data/zoo").mkdir(parents=True)
    shutil.move(folder / "data.json", folder / "data/zoo/zoo.json")
    shutil.copytree(saved, folder / "data/zoo/shapes-16")
    assert find_entry("shapes-16").folder == folder / "data/zoo/shapes-16"


def test_an_upscaler_of_a_package_is_loaded_by_its_name_and_says_its_terms(site):
    network = SRGAN(SRGANConfig(width=4, blocks=1))
    save_upscaler(network, site / "x2")
    given = {**entry("shapes-2x", site / "x2"), "scale": 2, "commercial_use": False}
    for key in ("image_size", "channels", "num_classes"):
        del given[key]
    folder = install(site, "zoo-of-shapes", upscalers=[given])
    shutil.copytree(site / "x2", folder / "shapes-2x")
    assert "shapes-2x" in list_upscalers(installed=True)
    with pytest.warns(UserWarning, match="shapes-2x was trained on data that forbid commercial use: drawn by hand"):
        upscaler = Upscaler.load("shapes-2x")
    assert upscaler.scale == 2
    with pytest.raises(ValueError, match=r"load this upscaler with Upscaler\.load\('shapes-2x'\)"):
        from_pretrained("shapes-2x")
    save_upscaler(SRGAN(SRGANConfig(width=8, blocks=1)), folder / "shapes-2x")
    with pytest.raises(ValueError, match=r"SHA-256 .* from the registry, but has another; reinstall zoo-of-shapes"):
        Upscaler.load("shapes-2x")


def listed(**values):
    good = {"name": "shapes-16", "sha256": "0" * 64, **DATA, "image_size": 16, "channels": 1, "num_classes": 3}
    good.update(values)
    return json.dumps({"format": 1, "generators": [{k: v for k, v in good.items() if v is not None}]})


BROKEN = {
    "no JSON": ({"text": "{"}, "zoo.json must be JSON"),
    "deep": ({"text": "[" * 100_000}, "zoo.json must be JSON"),
    "no UTF-8": ({"text": "{\udcff}"}, "zoo.json must be JSON"),
    "a list": ({"text": "[]"}, "must have the keys 'format', 'generators' and 'upscalers'"),
    "other keys": ({"text": '{"format": 1, "generators": [], "run": "x"}'}, "must have the keys"),
    "other format": ({"text": '{"format": 2, "generators": []}'}, "must be of format 1, but is of 2"),
    "large": ({"text": " " * 2**20 + listed()}, "must be at most 1,048,576 bytes"),
    "no list": ({"text": '{"format": 1, "generators": {}}'}, "a list of at most 1000 generators"),
    "many": ({"text": json.dumps({"format": 1, "generators": [{}] * 1001})}, "a list of at most 1000 generators"),
    "no entry": ({"text": '{"format": 1, "generators": [3]}'}, "must have the keys .* but has 3"),
    "unknown key": ({"text": listed(code="x")}, "must have the keys .*'sha256'"),
    "missing key": ({"text": listed(data_terms=None)}, "must have the keys .*'data_terms'"),
    "climbing": ({"text": listed(name="../../etc")}, "must have 'name': lower-case letters"),
    "upper case": ({"text": listed(name="Shapes")}, "must have 'name': lower-case letters"),
    "name of another type": ({"text": listed(name=["shapes-16"])}, "must have 'name'"),
    "hash": ({"text": listed(sha256="0" * 63)}, "must have 'sha256': 64 hexadecimal digits"),
    "licence": ({"text": listed(license="as you like")}, "must have 'license'"),
    "escapes": ({"text": listed(description="\x1b[2J")}, "must have 'description': a line of at most 400"),
    "lines": ({"text": listed(data_terms="a\nb")}, "must have 'data_terms': a line of at most 400"),
    "long": ({"text": listed(description="a" * 401)}, "must have 'description': a line of at most 400"),
    "yes": ({"text": listed(commercial_use="yes")}, "must have 'commercial_use': true or false"),
    "size": ({"text": listed(image_size=0)}, "must have 'image_size': between 1 and 65536; but has 0"),
    "channels": ({"text": listed(channels=2)}, "must have 'channels': 1 or 3; but has 2"),
    "classes": ({"text": listed(num_classes=True)}, "must have 'num_classes': .* but has True"),
    "branch": ({"text": listed(hub="org/name@main")}, "must have 'hub': org/name@commit"),
    "no folder": ({"text": listed()}, "The folder 'shapes-16' must lie beside zoo.json"),
    "twice": ({"text": json.dumps({"format": 1, "generators": [3, 3]})}, "must have the keys"),
    "no package": ({"entry_point": "no_such_package"}, "package 'no_such_package' .* must have a zoo.json"),
    "a module": ({"entry_point": "json"}, "package 'json' .* must have a zoo.json"),
    "built in": ({"entry_point": "sys"}, "package 'sys' .* must have a zoo.json"),
    "an object": ({"entry_point": "zoo_of_shapes:zoo"}, "must name a package, but is 'zoo_of_shapes:zoo'"),
    "a path": ({"entry_point": "../zoo_of_shapes"}, "must name a package, but is '../zoo_of_shapes'"),
    "no section": ({"points": "gan_augment.zoo"}, ""),
    "no value": ({"points": "[gan_augment.zoo]\nshapes\n"}, "its metadata cannot be read"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_package_is_named_in_one_warning_and_takes_no_other_away(site, saved, kind):
    options, words = BROKEN[kind]
    install(site, "zoo-of-shapes", **options)
    shutil.copytree(saved, install(site, "other-shapes", [entry("squares-16", saved)]) / "squares-16")
    messages, names = warned(list_pretrained)
    assert {*OURS, "squares-16"} <= set(names)
    assert "shapes-16" not in names
    again, _ = warned(list_pretrained)
    assert not again
    if words:
        (message,) = messages
        assert re.search(words, message)
        assert re.match("The zoo package (at .*)?zoo.of.shapes", message)
        assert "\n" not in message
        assert len(message) < 1200
    assert find_entry("squares-16") is not None


def test_a_name_given_twice_by_one_package_is_refused(site, saved):
    folder = install(site, "zoo-of-shapes", [entry("shapes-16", saved)] * 2)
    shutil.copytree(saved, folder / "shapes-16")
    with pytest.warns(UserWarning, match="zoo-of-shapes is not used: zoo.json must have each name once"):
        assert "shapes-16" not in list_pretrained()


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links here")
def test_a_folder_or_file_outside_of_the_package_is_refused(site, saved, shapes):
    shutil.rmtree(shapes / "shapes-16")
    (shapes / "shapes-16").symlink_to(saved)
    with pytest.warns(UserWarning, match="zoo-of-shapes is not used: The folder 'shapes-16' .* is a link to"):
        assert "shapes-16" not in list_pretrained()
    (shapes / "zoo.json").rename(site / "zoo.json")
    (shapes / "zoo.json").symlink_to(site / "zoo.json")
    with pytest.warns(UserWarning, match="zoo-of-shapes is not used: .*must lie in its folder, but is a link"):
        assert "shapes-16" not in list_pretrained()


def test_two_packages_with_one_name_are_both_refused_for_it(shapes, site, saved):
    other = install(site, "more-shapes", [entry("shapes-16", saved), entry("rings-16", saved)])
    for name in ("shapes-16", "rings-16"):
        shutil.copytree(saved, other / name)
    words = "more-shapes and zoo-of-shapes both define 'shapes-16', so neither is used; uninstall one of them"
    with pytest.warns(UserWarning, match=words):
        names = list_pretrained()
    assert "rings-16" in names
    assert "shapes-16" not in names
    with pytest.raises(ValueError, match=words):
        from_pretrained("shapes-16")


@pytest.mark.parametrize("name", ["dcgan-mnist-32", "dcgan-celeba-64"])
def test_a_name_of_our_registry_stays_ours(site, saved, name):
    before = find_entry(name)
    folder = install(site, "zoo-of-shapes", [entry(name, saved)])
    shutil.copytree(saved, folder / name)
    with pytest.warns(UserWarning, match=rf"'{name}' of the zoo package zoo-of-shapes is not used.*upgrade"):
        known = zoo_entries()
    assert known[name] == find_entry(name) == before


def test_the_files_that_our_registry_pins_may_come_from_any_package(site, alone, monkeypatch, saved):
    pinned = entry("tiny-faces-16", saved)
    copy_of_registry(monkeypatch, site / "registry", pinned)
    assert find_entry("tiny-faces-16").folder is None
    monkeypatch.undo()
    monkeypatch.syspath_prepend(site)
    _plugins._entry_points.cache_clear()
    copy_of_registry(monkeypatch, site / "again", pinned)
    folder = install(site, "zoo-of-shapes", [{**pinned, "license": "other", "description": "mine"}])
    shutil.copytree(saved, folder / "tiny-faces-16")
    found = find_entry("tiny-faces-16")
    assert (found.folder, found.vouched, found.license) == (folder / "tiny-faces-16", True, "mit")


def copy_of_registry(monkeypatch, folder, *generators):
    """Replaces the generators of gan-augment-faces in the registry."""
    shutil.copytree(_entries.ZOO_FOLDER, folder)
    content = {"format": 1, "generators": generators}
    (folder / "faces.json").write_text(json.dumps(content))
    monkeypatch.setattr(_entries, "ZOO_FOLDER", folder)


def test_other_weights_than_those_listed_are_refused_by_the_name_of_the_package(shapes):
    torch.manual_seed(1)
    Generator(GeneratorConfig(image_size=16, channels=1, num_classes=3, width=4)).save_pretrained(shapes / "shapes-16")
    with pytest.raises(ValueError, match=r"SHA-256 .* from the registry, but has another; reinstall zoo-of-shapes"):
        from_pretrained("shapes-16")
    with pytest.raises(ValueError, match="reinstall zoo-of-shapes"):
        download("shapes-16")


def test_weights_of_a_package_are_tried_out_like_those_of_a_download(site, tiny, tmp_path):
    generator = Generator(tiny.config)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.fill_(3e38)
    generator.eval().save_pretrained(tmp_path / "wild")
    folder = install(site, "zoo-of-shapes", [entry("wild-16", tmp_path / "wild")])
    shutil.copytree(tmp_path / "wild", folder / "wild-16")
    with pytest.raises(ValueError, match=r"is not usable.* It comes with zoo-of-shapes: reinstall it\."):
        from_pretrained("wild-16")


def test_a_package_whose_card_is_silent_still_says_that_its_data_forbid_commercial_use(site, tiny, tmp_path):
    generator = Generator(tiny.config).eval()
    generator.card = Card("quiet-16")
    generator.save_pretrained(tmp_path / "quiet")
    folder = install(site, "zoo-of-shapes", [entry("quiet-16", tmp_path / "quiet", commercial_use=False)])
    shutil.copytree(tmp_path / "quiet", folder / "quiet-16")
    with pytest.warns(UserWarning, match="quiet-16 was trained on data that forbid commercial use: drawn by hand"):
        from_pretrained("quiet-16")


def test_without_its_package_a_name_says_what_to_install_and_on_which_terms(alone, offline):
    assert set(list_pretrained(installed=True)) == OURS
    assert "dcgan-celeba-64" in list_pretrained(installed=False)
    terms = r"\(weights: cc-by-nc-4\.0; data: CelebA \(Liu.*non-commercial research and education only\)\.$"
    for load in (from_pretrained, download, lambda name: SyntheticMix(name, ratio=0.5)):
        with pytest.raises(ModuleNotFoundError, match=rf'run pip install "gan-augment\[faces\]" {terms}'):
            load("dcgan-celeba-64")
    with pytest.raises(ModuleNotFoundError, match=r'run pip install "gan-augment\[faces\]"'):
        Upscaler.load("srgan-faces-2x")
    assert from_pretrained("dcgan-mnist-32").num_classes == 10


def test_the_command_says_what_is_installed_and_what_could_be(alone, capsys):
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    blocks = {block.partition("\n")[0]: block for block in re.split(r"\n(?=\S)", text)}
    assert list(blocks) == sorted([*list_pretrained(), *list_upscalers()])
    assert "installed with gan-augment\n" in blocks["dcgan-mnist-32"] + "\n"
    assert 'not installed: pip install "gan-augment[faces]"' in blocks["dcgan-celeba-64"]
    assert "CelebA" in blocks["dcgan-celeba-64"]
    assert main(["sample", "dcgan-celeba-64", "--out", "x", "--n", "1"]) == 2
    assert "gan-augment: 'dcgan-celeba-64' comes with gan-augment-faces" in capsys.readouterr().err


def test_listing_imports_neither_torch_nor_a_zoo_package():
    code = (
        "import sys\nfrom gan_augment.cli import main\nassert main(['list']) == 0\n"
        "from gan_augment.hub import find_entry, resolve_name\nresolve_name('dcgan-celeba-64')\n"
        "assert not {'torch', 'gan_augment_faces', 'huggingface_hub'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "dcgan-mnist-32" in done.stdout


def test_our_registry_and_the_package_of_faces_say_the_same():
    ours, theirs = _entries.ZOO_FOLDER / "faces.json", ROOT / "zoo/faces/gan_augment_faces/zoo.json"
    assert ours.read_bytes() == theirs.read_bytes()
    entries = _entries.read_zoo(theirs.parent, "gan-augment-faces")
    assert entries
    assert not any(each.commercial_use for each in entries)
    assert all(each.commercial_use for each in _entries.read_zoo(_entries.ZOO_FOLDER, "gan-augment"))
