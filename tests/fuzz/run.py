"""Fuzzes a target, guided by coverage. Inputs that reach new lines are kept in its folder of seeds.

    pip install atheris
    python -m tests.fuzz.run weights -max_total_time=600

libFuzzer writes an input that crashes to ``crash-...``. Add it to the seeds when the crash is fixed.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["gan_augment", "json", "pickletools", "zipfile"]):
    from tests.fuzz.targets import TARGETS

SEEDS = Path(__file__).parent / "seeds"


def main():
    target, *options = sys.argv[1:]
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    atheris.Setup([sys.argv[0], *options, "-max_len=65536", str(folder)], TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
