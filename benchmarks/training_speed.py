"""Images per second in training, against pytorch/examples' ``dcgan``: same networks, batch 128, 64 px, alternating.

python -m benchmarks.training_speed --examples CHECKOUT --images FOLDER [--rounds 3] [--seconds 60]

``CHECKOUT`` is of https://github.com/pytorch/examples; its ``dcgan/main.py`` runs as it is, on the images of
``FOLDER`` (one folder a class), with the two loading workers that it has by default, or with ``--workers``.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import torchvision

from gan_augment.training import Recipe
from gan_augment.training._data import TrainingImages
from gan_augment.training._trainer import Trainer

BATCH = 128
SKIPPED = 3  # first steps of each round, in which kernels are chosen and workers start
STEP = re.compile(r"\[\d+/\d+\]\[(\d+)/\d+\] Loss_D")


def examples_speed(checkout: Path, images: Path, seconds: float, workers: int) -> float:
    """Images per second of dcgan/main.py, by the lines that it prints at each step."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-u", str(checkout.resolve() / "dcgan" / "main.py"), "--dataset", "folder"]
        command += ["--dataroot", str(images.resolve()), "--imageSize", "64", "--batchSize", str(BATCH)]
        command += ["--workers", str(workers), "--niter", "1000", "--outf", folder, "--manualSeed", "1"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=folder)
        times: list[float] = []
        try:
            for line in process.stdout or ():
                if STEP.search(line):
                    times.append(time.perf_counter())
                if len(times) > SKIPPED and times[-1] - times[SKIPPED] > seconds:
                    break
        finally:
            process.kill()
            process.wait()
    if len(times) < SKIPPED + 2:
        raise RuntimeError(f"{checkout} made no steps; its dcgan/main.py must run by itself first.")
    return (len(times) - SKIPPED - 1) * BATCH / (times[-1] - times[SKIPPED])


def our_speed(images: TrainingImages, seconds: float, precision: str) -> float:
    """The same of our trainer: plain DCGAN, whose networks have the defaults of pytorch/examples."""
    recipe = Recipe(
        latent_dim=100,
        discriminator_normalization="batch",
        discriminator_spectral_norm=False,
        loss="nonsaturating",
        optimizer_options={"betas": (0.5, 0.999)},
        batch_size=BATCH,
        precision=precision,
    )
    trainer = Trainer(images, recipe, seed=1)
    started, steps = 0.0, 0
    while not started or time.perf_counter() - started < seconds:
        if trainer.step_number == SKIPPED:
            started = time.perf_counter()
        trainer.step(0.0)
        steps += bool(started)
    trainer.losses()
    return steps * BATCH / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    dataset = torchvision.datasets.ImageFolder(options.images)
    subset = torch.utils.data.Subset(dataset, range(min(len(dataset), 2000)))
    images = TrainingImages.from_dataset(subset, 64, "crop", channels=3, conditional=False, progress=False)
    ratios: dict[str, list[float]] = {"auto": [], "fp32": []}
    for _ in range(options.rounds):
        theirs = examples_speed(options.examples, options.images, options.seconds, options.workers)
        for precision, found in ratios.items():
            ours = our_speed(images, options.seconds, precision)
            found.append(ours / theirs)
            print(
                f"{precision}: {ours:.1f} images/s; pytorch/examples: {theirs:.1f}; {ours / theirs:.2f} x", flush=True
            )
    for precision, found in ratios.items():
        print(
            f"training, precision={precision}: {statistics.median(found):.2f} x pytorch/examples (aim: at least 1.4 x)"
        )


if __name__ == "__main__":
    main()
