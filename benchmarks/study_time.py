"""Times a quick study, and prints its estimate and its verdict.

    GAN_AUGMENT_DATA=DATA python -m benchmarks.study_time photographs --classifier small-cnn
    GAN_AUGMENT_DATA=DATA python -m benchmarks.study_time digits --checkout OTHER

It runs the command ``gan-augment study --preset quick`` as a user would, in a process of its own, and prints the
time until the estimate, the estimate, the wall-clock time, the CPU time and the verdict. OTHER is a
checkout of another version, which may not have ``--classifier``.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from .data import FACES_HELD_OUT, Data, celeba, fashion_mnist, hymenoptera, mnist

FIT = ["--recipe", "tiny-conditional-light"]
CASES = {
    "digits": (mnist, ["--count", "100", "--source", "dcgan-mnist-32"]),
    "clothes": (fashion_mnist, ["--count", "365", *FIT]),
    "faces": (lambda: celeba(FACES_HELD_OUT, attributes=("Male", "Smiling")), ["--count", "360", *FIT]),
    "photographs": (hymenoptera, FIT),
}
TESTED = 2000


def write_folder(images: Tensor, labels: Tensor, folder: Path) -> None:
    """Writes images as PNG, in a folder for each class."""
    for index, (image, label) in enumerate(zip(images, labels.tolist())):
        path = folder / str(label) / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(image.permute(1, 2, 0).numpy().squeeze()).save(path)


def write(data: Data, folder: Path) -> list[str]:
    """Writes large data sets as arrays, and those with fewer than 1,000 training images as PNG files."""
    assert data.labels is not None
    assert data.held_out_labels is not None
    tested = (data.held_out[:TESTED], data.held_out_labels[:TESTED])
    if len(data.train) < 1000:
        write_folder(data.train, data.labels, folder / "train")
        write_folder(*tested, folder / "test")
        return ["--data", str(folder / "train"), "--test", str(folder / "test")]
    for name, (images, labels) in {"train": (data.train, data.labels), "test": tested}.items():
        np.savez(folder / f"{name}.npz", images=images.numpy(), labels=labels.numpy())
    return ["--data", str(folder / "train.npz"), "--test", str(folder / "test.npz")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--classifier", help="as the study takes it (default: its own default)")
    parser.add_argument("--processes", type=int, default=torch.get_num_threads())
    parser.add_argument("--checkout", type=Path, default=Path.cwd(), help="of the version to time (default: this one)")
    options = parser.parse_args()
    load, arguments = CASES[options.case]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        command = [sys.executable, "-m", "gan_augment", "study", *write(load(), folder), *arguments]
        command += ["--preset", "quick", "--out", str(folder / "out"), "--processes", str(options.processes)]
        command += ["--classifier", options.classifier] if options.classifier else []
        started, environment = time.perf_counter(), {**os.environ, "PYTHONPATH": str(options.checkout.resolve())}
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        answer = ""
        with subprocess.Popen(command, cwd=folder, env=environment, **streams) as process:  # type: ignore[call-overload]
            for line in process.stdout:
                if line.startswith("The study"):
                    print(f"after {time.perf_counter() - started:.1f} s: {line.strip()}", flush=True)
                answer = line.strip() if line.startswith("Mixing") else answer
        if process.returncode:
            raise SystemExit(f"The study ended with status {process.returncode}.")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{time.perf_counter() - started:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of CPU time: {answer}")


if __name__ == "__main__":
    main()
