"""Images per second in training: against pytorch/examples' ``dcgan``, and of two processes against one.

    python -m benchmarks.training_speed --examples CHECKOUT [--rounds 3] [--seconds 30]

``CHECKOUT`` is of https://github.com/pytorch/examples. Its ``dcgan/main.py`` runs as it is, with the two loading
workers that it has by default, on JPEGs of 178 x 218 pixels. Our trainer has the same networks, and the same batches of
128 images of 64 pixels. Both take turns, and each ratio is that of one round.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import torch
import torchvision
from torchvision.transforms.v2 import functional as F

from gan_augment.data import TrainingImages
from gan_augment.training import Recipe
from gan_augment.training._trainer import Trainer
from gan_augment.training.runs._processes import accelerator

BATCH, SIZE, IMAGES, LINKS, WORKERS = 128, 64, 1000, 20, 2
SKIPPED = 3  # first steps of each round, in which kernels are chosen and workers start
STEP = re.compile(r"\[\d+/\d+\]\[(\d+)/\d+\] Loss_D")
LAUNCHER = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def against_examples(
    checkout: Path, precision: str, *, simultaneous: bool, rounds: int = 3, seconds: float = 30.0
) -> list[float]:
    """Our images per second, divided by those of pytorch/examples, in each round."""
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder) / "class")
        dataset = torchvision.datasets.ImageFolder(folder)
        some = torch.utils.data.Subset(dataset, range(IMAGES))
        images = TrainingImages.from_dataset(some, SIZE, "crop", channels=3, conditional=False, progress=False)
        return [
            our_speed(images, seconds, precision, simultaneous)
            / examples_speed(checkout, Path(folder), seconds, WORKERS)
            for _ in range(rounds)
        ]


def two_processes(precision: str = "fp32", *, rounds: int = 3, seconds: float = 20.0) -> list[float]:
    """Images per second of two processes with a thread each, divided by those of one with two, in each round."""
    return [
        process_speed(LAUNCHER, 1, precision, seconds) / process_speed([], 2, precision, seconds) for _ in range(rounds)
    ]


def write_images(folder: Path) -> None:
    """Writes JPEGs of smooth noise, with the size of CelebA's, and links them so often that an epoch outlasts a round.

    The workers of the peer would otherwise have read all of them before the first step that counts.
    """
    folder.mkdir(parents=True)
    rng = torch.Generator().manual_seed(0)
    for index in range(IMAGES):
        noise = torch.randint(0, 256, (3, 11, 9), generator=rng, dtype=torch.uint8)
        image = F.resize(noise, [218, 178], antialias=True)
        torchvision.io.write_jpeg(image, str(folder / f"{index:04}.jpg"))
        for link in range(1, LINKS):
            (folder / f"{index:04}-{link}.jpg").hardlink_to(folder / f"{index:04}.jpg")


def examples_speed(checkout: Path, images: Path, seconds: float, workers: int) -> float:
    """Images per second of dcgan/main.py, by the lines that it prints at each step."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-u", str(checkout.resolve() / "dcgan" / "main.py"), "--dataset", "folder"]
        command += ["--dataroot", str(images.resolve()), "--imageSize", str(SIZE), "--batchSize", str(BATCH)]
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


def our_speed(images: TrainingImages, seconds: float, precision: str, simultaneous: bool) -> float:
    """The same of our trainer: plain DCGAN, whose networks have the defaults of pytorch/examples."""
    recipe = Recipe(
        latent_dim=100,
        discriminator_normalization="batch",
        discriminator_spectral_norm=False,
        loss="nonsaturating",
        optimizer_options={"betas": (0.5, 0.999)},
        batch_size=BATCH,
        precision=precision,
        simultaneous=simultaneous,
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


def process_speed(launcher: list[str], threads: int, precision: str, seconds: float) -> float:
    """Images per second of this module as a program, which a launcher may start more than once."""
    command = [sys.executable, *launcher, "-m", "benchmarks.training_speed", "--process", precision, str(seconds)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def run_process(precision: str, seconds: float) -> None:
    """Prints the images per second of all processes, from the first one."""
    rng = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (IMAGES, 3, SIZE, SIZE), generator=rng, dtype=torch.uint8)
    images = TrainingImages.from_dataset(list(pixels), SIZE, "crop", conditional=False, progress=False)
    speed = our_speed(images, seconds, precision, simultaneous=False)
    if accelerator().is_main_process:
        print(speed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--process", nargs=2, metavar=("PRECISION", "SECONDS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.process:
        return run_process(options.process[0], float(options.process[1]))
    budget = {"rounds": options.rounds, "seconds": options.seconds}
    rows = {"two processes, fp32": partial(two_processes, **budget)}
    for precision in ("fp32", "auto") if options.examples else ():
        for simultaneous in (False, True):
            name = f"precision={precision}, simultaneous={simultaneous}"
            rows[name] = partial(against_examples, options.examples, precision, simultaneous=simultaneous, **budget)
    for name, measure in rows.items():
        ratios = measure()
        print(f"{name}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})", flush=True)


if __name__ == "__main__":
    main()
