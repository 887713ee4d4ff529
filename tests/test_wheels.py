"""Both distributions, built from the checkout and installed into fresh environments."""

import email
import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import benchmarks.first_batch
import tools.packages

RELATIVE = re.compile(r"\]\((?!https?:|#)")
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """The sdists and wheels, built from a copy: setuptools builds in place."""
    pytest.importorskip("build", reason="build is in the extra dev")
    return tools.packages.build(tmp_path_factory.mktemp("packages"), isolated=False)


@pytest.fixture(scope="module")
def wheels(packages):
    """The wheel of each distribution by its name."""
    return {path.name.partition("-")[0]: path for path in packages if path.suffix == ".whl"}


@pytest.fixture(scope="module")
def dependencies(tmp_path_factory):
    """A folder of links to all that is installed here but our own distributions."""
    folder = tmp_path_factory.mktemp("dependencies")
    for path in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for item in Path(path).iterdir():
            if "gan_augment" not in item.name and item.suffix != ".pth":
                (folder / item.name).symlink_to(item)
    return folder


@pytest.fixture
def environment(tmp_path, dependencies):
    """Makes a fresh environment with some wheels; returns a function that runs a command of it."""

    def make(*chosen):
        venv.create(tmp_path / "fresh", with_pip=False)
        binaries = tmp_path / "fresh" / ("Scripts" if os.name == "nt" else "bin")
        places = {"base": str(tmp_path / "fresh"), "platbase": str(tmp_path / "fresh")}
        site = Path(sysconfig.get_path("purelib", "venv" if sys.version_info >= (3, 11) else "posix_prefix", places))
        (site / "dependencies.pth").write_text(f"{dependencies}\n")
        install = ["--python", str(binaries / "python"), "install", "--no-deps", "--no-index"]
        subprocess.run([*PIP, *install, *map(str, chosen)], check=True)

        def run(command, *arguments):
            clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "HF_HOME")}
            return subprocess.run(
                [binaries / command, *arguments], cwd=tmp_path, env={**clean, "HF_HUB_OFFLINE": "1"},
                capture_output=True, text=True, timeout=300,
            )  # fmt: skip

        return run

    return make


def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(archive.read(name)), archive.namelist()


def test_the_packages_hold_all_that_they_need_and_nothing_else(packages):
    assert [path.name.split("-")[0] for path in packages] == ["gan_augment"] * 2 + ["gan_augment_faces"] * 2
    assert [problem for path in packages for problem in tools.packages.problems(path)] == []


def test_pypi_accepts_the_packages(packages):
    pytest.importorskip("twine", reason="twine is in the extra dev")
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, packages)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 4
    assert "not available" not in done.stdout + done.stderr, "readme-renderer[md] is in the extra dev"


def test_the_wheel_of_the_core_is_mit_and_holds_no_face(wheels):
    fields, names = metadata(wheels["gan_augment"])
    assert fields["License-Expression"] == "MIT"
    assert not RELATIVE.search(fields.get_payload())
    assert "Programming Language :: Python :: 3.14" in fields.get_all("Classifier")
    assert fields.get_all("License-File") == ["LICENSE"]
    assert 'gan-augment-faces; extra == "faces"' in fields.get_all("Requires-Dist")
    folders = {name.split("/")[3] for name in names if name.startswith("gan_augment/hub/zoo/") and name.count("/") > 3}
    assert folders == {"dcgan-mnist-32", "dcgan-fashion-mnist-32", "dcgan-pneumonia-28"}
    assert [name for name in names if "face" in name or "celeba" in name] == ["gan_augment/hub/zoo/faces.json"]
    assert "gan_augment/py.typed" in names
    assert wheels["gan_augment"].stat().st_size < 10_000_000


def test_the_wheel_of_the_faces_has_its_licence_the_terms_and_data_only(wheels):
    fields, names = metadata(wheels["gan_augment_faces"])
    assert fields["License-Expression"].startswith("CC-BY-NC-4.0 AND ")
    assert fields.get_all("License-File") == ["LICENSE", "DATA-TERMS.md"]
    assert fields.get_all("Requires-Dist") == ["gan-augment"]
    assert [name for name in names if name.endswith(".py")] == ["gan_augment_faces/__init__.py"]
    for name in ("dcgan-celeba-64", "dcgan-celeba-attributes-64", "dcgan-faces-128"):
        assert {f"gan_augment_faces/{name}/{file}" for file in ("README.md", "generator.safetensors")} <= set(names)
    with zipfile.ZipFile(wheels["gan_augment_faces"]) as archive:
        terms = next(name for name in names if name.endswith("DATA-TERMS.md"))
        for name in {name.split("/")[1] for name in names if name.startswith("gan_augment_faces/") and name[-1] != "/"}:
            assert name.count(".") or f"`{name}`" in archive.read(terms).decode()


FIRST_BATCH = benchmarks.first_batch.PROGRAM + "print(images.shape)"
LOAD = "import gan_augment, sys; print(gan_augment.from_pretrained(sys.argv[1]).sample(2, seed=0).shape)"


def test_the_core_alone_works_and_says_what_faces_take(wheels, environment):
    run = environment(wheels["gan_augment"])
    listed = run("gan-augment", "list")
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.count("installed with gan-augment\n") == 3
    assert listed.stdout.count('not installed: pip install "gan-augment[faces]"') == 4
    assert not listed.stderr
    digits = run("python", "-c", LOAD, "dcgan-mnist-32")
    assert digits.stdout == "torch.Size([2, 1, 32, 32])\n", digits.stderr
    mixed = run("python", "-c", FIRST_BATCH)
    assert mixed.stdout == "torch.Size([64, 1, 28, 28])\n", mixed.stderr
    faces = run("gan-augment", "sample", "dcgan-celeba-64", "--n", "1", "--out", "faces")
    assert faces.returncode == 2
    assert faces.stderr.startswith(
        "gan-augment: 'dcgan-celeba-64' comes with gan-augment-faces, which is not installed:"
    )
    assert faces.stderr.count("\n") == 1


def test_both_wheels_work_together(wheels, environment):
    run = environment(*wheels.values())
    listed = run("gan-augment", "list")
    assert listed.stdout.count("installed with gan-augment-faces\n") == 4, listed.stderr
    assert "not installed" not in listed.stdout
    faces = run("gan-augment", "sample", "dcgan-celeba-64", "--n", "1", "--out", "faces", "--upscale", "srgan-faces-2x")
    assert faces.returncode == 0, faces.stderr
    assert "forbid commercial use" in faces.stderr
    both = run("python", "-c", LOAD, "dcgan-faces-128")
    assert both.stdout == "torch.Size([2, 3, 128, 128])\n", both.stderr
