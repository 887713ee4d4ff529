"""Builds both distributions from a copy of the checkout, checks what they hold, and prints their sizes.

    python -m tools.packages --out dist

It needs `build`, `twine` and `readme-renderer[md]`. `--no-isolation` builds with the setuptools that is installed,
without network access.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff")
LEFT_OUT = shutil.ignore_patterns("*.egg-info", "__pycache__", "build", "dist")
MOST_BYTES = {"gan_augment": 10_000_000, "gan_augment_faces": 60_000_000}
CODE = r"gan_augment/(.+/)?[\w.]+\.pyi?"
WEIGHTS = r"(README\.md|config\.json|grid\.png|\w+\.safetensors)"
SOURCES = r"(pyproject\.toml|setup\.(py|cfg)|MANIFEST\.in|README\.md|LICENSE|DATA-TERMS\.md|PKG-INFO|.+\.egg-info/.+)"
ALLOWED = {  # regular expressions of the files that each may hold
    "gan_augment": [
        CODE,
        r"gan_augment/py\.typed",
        r"gan_augment/hub/zoo/(zoo|faces)\.json",
        rf"gan_augment/hub/zoo/[\w-]+/{WEIGHTS}",
    ],
    "gan_augment_faces": [
        r"gan_augment_faces/__init__\.py",
        r"gan_augment_faces/zoo\.json",
        rf"gan_augment_faces/[\w-]+/{WEIGHTS}",
    ],
}
REQUIRED = {
    "gan_augment": [
        "gan_augment/py.typed",
        "gan_augment/__init__.pyi",
        "gan_augment/hub/zoo/dcgan-mnist-32/generator.safetensors",
    ],
    "gan_augment_faces": ["gan_augment_faces/zoo.json", "gan_augment_faces/dcgan-celeba-64/generator.safetensors"],
}
LICENCES = {"gan_augment": ["LICENSE"], "gan_augment_faces": ["LICENSE", "DATA-TERMS.md"]}


def build(out: Path, *, isolated: bool = True) -> list[Path]:
    """Builds an sdist and a wheel of each distribution; the wheel comes from the sdist, like those of installers."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        for name in FILES:
            shutil.copy(ROOT / name, source)
        for name in ("gan_augment", "zoo"):
            shutil.copytree(ROOT / name, source / name, ignore=LEFT_OUT)
        for place in (source, source / "zoo/faces"):
            options = [] if isolated else ["--no-isolation"]
            command = [sys.executable, "-m", "build", "--outdir", str(out.absolute()), *options, str(place)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return sorted([*out.glob("*.whl"), *out.glob("*.tar.gz")])


def listed(path: Path) -> set[str]:
    """Returns the files of a distribution, without the folder of an sdist."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            return {name for name in wheel.namelist() if not name.endswith("/")}
    with tarfile.open(path) as sdist:
        return {member.name.partition("/")[2] for member in sdist.getmembers() if member.isfile()}


def problems(path: Path) -> list[str]:
    """Returns what is wrong with a distribution."""
    name, files = path.name.partition("-")[0], listed(path)
    if path.suffix == ".whl":
        info = rf"{name}-[\w.]+\.dist-info/"
        extra = [rf"{info}(METADATA|WHEEL|RECORD|top_level\.txt|entry_points\.txt|licenses/.+)"]
        licences = [f"licenses/{file}" for file in LICENCES[name]]
    else:
        extra, licences = [SOURCES, r"CHANGELOG\.md|CITATION\.cff"], LICENCES[name]
    allowed = re.compile("|".join([*ALLOWED[name], *extra]))
    found = [f"{path.name} must not hold {file}." for file in sorted(files) if not allowed.fullmatch(file)]
    missing = {file for file in REQUIRED[name] if file not in files}
    missing |= {licence for licence in licences if not any(file.endswith(licence) for file in files)}
    found += [f"{path.name} must hold {file}." for file in sorted(missing)]
    if path.stat().st_size > MOST_BYTES[name]:
        found.append(f"{path.name} must have at most {MOST_BYTES[name]:,} bytes, but has {path.stat().st_size:,}.")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("dist"), help="new or empty folder (default: dist)")
    parser.add_argument("--no-isolation", action="store_true", help="build with the installed setuptools")
    arguments = parser.parse_args()
    if arguments.out.is_dir() and any(arguments.out.iterdir()):
        raise SystemExit(f"--out must be a new or empty folder, but {arguments.out} is not empty.")
    paths = build(arguments.out, isolated=not arguments.no_isolation)
    for path in paths:
        print(f"{path.stat().st_size:12,} bytes  {len(listed(path)):4} files  {path.name}")
    found = [problem for path in paths for problem in problems(path)]
    if found:
        raise SystemExit("\n".join(found))
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *map(str, paths)], check=True)


if __name__ == "__main__":
    main()
