"""What the package adds to a script's imports, and how soon its command answers: medians of nine processes.

python -m benchmarks.import_time
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

RUNS = 9
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}  # as users have it
PROGRAM = """
import socket, time
import torch, torchvision.transforms.v2
def refuse(*arguments, **keywords):
    raise RuntimeError("the import opened a socket")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
started = time.perf_counter()
{statement}
print(time.perf_counter() - started)
"""
STATEMENTS = {
    "import gan_augment": 60,
    "from gan_augment import GANAugmentedDataset, SyntheticMix, SyntheticPool, from_pretrained": 60,
    "import gan_augment; gan_augment.fit, gan_augment.evaluate, gan_augment.study": None,
}
COMMANDS = {"--version": 400, "--help": 400, "list": 400, "recipes": 400, "study --help": 400}


def added(statement: str) -> float:
    """Returns the milliseconds that a statement takes after torch and torchvision."""
    program = PROGRAM.format(statement=statement)
    out = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, env=ENVIRONMENT
    ).stdout
    return float(out) * 1000


def answered(arguments: str) -> float:
    """Returns the milliseconds that a command takes as a whole process."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "gan_augment", *arguments.split()], check=True, capture_output=True, env=ENVIRONMENT
    )
    return (time.perf_counter() - started) * 1000


def main() -> None:
    for measure, cases in ((added, STATEMENTS), (answered, COMMANDS)):
        for case, limit in cases.items():
            measure(case)  # the first run fills caches
            median = statistics.median(measure(case) for _ in range(RUNS))
            aim = "" if limit is None else f" (aim: at most {limit} ms)"
            print(f"{median:6.0f} ms  {'gan-augment ' if measure is answered else ''}{case}{aim}")


if __name__ == "__main__":
    main()
