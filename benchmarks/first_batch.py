"""How long it takes from `pip install` to the first mixed batch, in a fresh environment with the core dependencies.

    python -m tools.packages --out dist
    python -m benchmarks.first_batch --dist dist

Most of the time goes to the download of torch, so the figure belongs to a network and a machine. Arguments that it does
not know go to pip, such as ``--extra-index-url https://download.pytorch.org/whl/cpu`` for a torch without CUDA.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import tempfile
import time
import venv
from collections.abc import Sequence
from pathlib import Path

PROGRAM = """
import torch
from gan_augment import SyntheticMix

mix = SyntheticMix("dcgan-mnist-32", ratio=0.25)
images, labels = mix(torch.rand(64, 1, 28, 28), torch.arange(64) % 10)
assert images.shape == (64, 1, 28, 28), images.shape
"""


def timed(command: Sequence[str | Path], folder: Path) -> float:
    """Returns the seconds that a command takes."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    started = time.perf_counter()
    subprocess.run(list(map(str, command)), check=True, cwd=folder, env={**clean, "HF_HUB_OFFLINE": "1"})
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dist", type=Path, required=True, help="folder with the wheel of gan-augment")
    parser.add_argument("--keep", type=Path, help="folder of the environment (default: a temporary one)")
    arguments, for_pip = parser.parse_known_args()
    (wheel,) = arguments.dist.absolute().glob("gan_augment-*.whl")
    with tempfile.TemporaryDirectory() as folder:
        place = (arguments.keep or Path(folder) / "environment").absolute()
        venv.create(place, with_pip=True)
        python = place / ("Scripts" if os.name == "nt" else "bin") / "python"
        install = timed([python, "-m", "pip", "install", "--quiet", *for_pip, wheel], Path(folder))
        size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file() and not path.is_symlink())
        first, second = (timed([python, "-c", PROGRAM], Path(folder)) for _ in range(2))
    print(f"Python {platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores")
    print(f"{install:7.1f} s  pip install of the wheel and its dependencies, {size / 1e6:,.0f} MB")
    print(f"{first:7.1f} s  a first script to its first mixed batch, with imports; {second:.1f} s the second time")
    print(f"{install + first:7.1f} s  from pip install to the first mixed batch")


if __name__ == "__main__":
    main()
