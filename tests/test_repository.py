"""The files around the package: what PyPI, GitHub and conda read."""

import re
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import gan_augment
import setup
from tools import packages

ROOT = Path(__file__).parents[1]
tomllib = pytest.importorskip("tomllib", reason="Python 3.10 cannot read TOML")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LINK = re.compile(r"\]\(([^)\s]+)\)")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_description_on_pypi_leads_to_the_files_of_the_version():
    text = setup.describe(README, "https://example.org/a/b", "1.2.3")
    targets = LINK.findall(text)
    assert "https://example.org/a/b/raw/v1.2.3/docs/images/samples.png" in targets
    assert "https://example.org/a/b/blob/v1.2.3/docs/hub.md#the-zoo" in targets
    assert len(targets) == len(LINK.findall(README))
    assert all(target.startswith(("https://", "#")) for target in targets)
    for target in targets:
        path = re.sub(r"^https://example.org/a/b/(raw|blob)/v1.2.3/|#.*$", "", target)
        assert target.startswith("#") or (ROOT / path).exists()


def test_without_an_address_the_description_has_no_broken_links():
    text = setup.describe(README, "", "1.2.3")
    assert all(target.startswith(("https://", "#")) for target in LINK.findall(text))
    assert "![" not in text
    assert "[docs/start.md]" not in text
    assert "docs/start.md" in text
    assert setup.find_urls("", "1.2.3") == {}


def test_code_and_other_links_of_a_description_stay():
    text = "[a](https://b) [c](#d) `x[i](j)` ![p](q.png)\n\n[e\nf](g.md#h)"
    assert setup.describe(text, "https://r", "1").endswith(
        "![p](https://r/raw/v1/q.png)\n\n[e\nf](https://r/blob/v1/g.md#h)"
    )
    assert setup.describe(text, "https://r", "1").startswith("[a](https://b) [c](#d) ")


def test_every_file_has_the_version():
    faces = tomllib.loads((ROOT / "zoo/faces/pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    recipe = yaml.safe_load((ROOT / "conda/recipe/recipe.yaml").read_text(encoding="utf-8"))
    versions = {setup.find_version(), faces["version"], citation["version"], recipe["context"]["version"]}
    assert versions == {gan_augment.__version__}


def test_the_oldest_versions_that_are_tested_are_the_bounds():
    pinned = dict(
        re.findall(r"^([\w.-]+)(?:\[\w+\])?==([\d.]+)", (ROOT / "requirements-minimum.txt").read_text(), re.MULTILINE)
    )
    for line in PROJECT["dependencies"]:
        requirement = Requirement(line)
        (bound,) = requirement.specifier
        assert pinned[requirement.name].startswith(bound.version), requirement.name


def test_the_conda_recipe_has_the_dependencies_of_the_package():
    recipe = yaml.safe_load((ROOT / "conda/recipe/recipe.yaml").read_text(encoding="utf-8"))
    ours = [Requirement(line) for line in PROJECT["dependencies"]]
    expected = {f"{'pytorch' if each.name == 'torch' else each.name} {each.specifier}" for each in ours}
    assert set(recipe["requirements"]["run"]) == expected | {f"python {PROJECT['requires-python']}"}
    (command,) = recipe["build"]["python"]["entry_points"]
    assert command.split(" = ") == [*PROJECT["scripts"], *PROJECT["scripts"].values()]


def test_ci_runs_every_python_of_the_classifiers():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    listed = [name.rpartition(" ")[2] for name in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", name)]
    assert jobs["latest"]["strategy"]["matrix"]["python"] == listed
    assert jobs["minimum"]["steps"][1]["with"]["python-version"] == listed[0] == PROJECT["requires-python"][2:]


SCHEMAS = {
    "github-workflows": [".github/workflows/ci.yml", ".github/workflows/release.yml"],
    "github-issue-forms": [f".github/ISSUE_TEMPLATE/{name}.yml" for name in ("bug", "feature", "study")],
    "github-issue-config": [".github/ISSUE_TEMPLATE/config.yml"],
    "citation-file-format": ["CITATION.cff"],
}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_files_match_their_published_schema(schema):
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is in the extra dev")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *SCHEMAS[schema]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_every_workflow_and_form_is_checked():
    found = {str(path.relative_to(ROOT)) for path in (ROOT / ".github").glob("*/*.yml")}
    assert found == {name for names in SCHEMAS.values() for name in names if name.startswith(".github")}


def test_what_does_not_belong_into_a_package_is_named(tmp_path):
    path = tmp_path / "gan_augment-1.tar.gz"
    with tarfile.open(path, "w:gz") as sdist:
        for name in (
            "LICENSE",
            "gan_augment/py.typed",
            "gan_augment/__init__.pyi",
            "gan_augment/notes.txt",
            "tests/test_a.py",
        ):
            sdist.addfile(tarfile.TarInfo(f"gan_augment-1/{name}"), BytesIO())
    assert packages.problems(path) == [
        "gan_augment-1.tar.gz must not hold gan_augment/notes.txt.",
        "gan_augment-1.tar.gz must not hold tests/test_a.py.",
        "gan_augment-1.tar.gz must hold gan_augment/hub/zoo/dcgan-mnist-32/generator.safetensors.",
    ]
