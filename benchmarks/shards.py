"""Images per second out of the shards of a pool: one reader, two readers at once, and the pool itself in memory maps.

    python -m benchmarks.shards [--quick]

A web server on this machine serves the shards, and each reader is a process of its own, which streams its part of them
with `datasets` and decodes every image. One reader and two readers run in turn; the medians of the paired ratios are
printed with their range.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

from gan_augment import SyntheticPool
from gan_augment.synthesis import export_shards

SOURCE, BATCH = "dcgan-mnist-32", 256


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serves the files of a folder on the loopback device, and gives the address."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            found = re.search(r"http://\S+:\d+", server.stdout.readline() if server.stdout else "")
            if found is None:
                raise RuntimeError("The web server did not start.")
            yield found[0]
        finally:
            server.kill()


def read(urls: Sequence[str]) -> tuple[int, float, float]:
    """Streams shards; returns the number of images, and when the first was asked for and the last had come."""
    from datasets import load_dataset

    stream = load_dataset("webdataset", data_files=list(urls), split="train", streaming=True)
    started, count = time.monotonic(), 0
    for sample in stream:
        np.asarray(sample["png"])
        count += 1
    return count, started, time.monotonic()


def speed(readers: ProcessPoolExecutor, urls: Sequence[str], number: int) -> float:
    """Images per second of several readers together, between the start of the first and the end of the last."""
    found = list(readers.map(read, [urls[reader::number] for reader in range(number)]))
    counts, starts, ends = zip(*found)
    return float(sum(counts) / (max(ends) - min(starts)))


def reader_speeds(urls: Sequence[str], rounds: int) -> list[tuple[float, float]]:
    """Images per second of one reader and of two readers, in turn; both processes have read once before."""
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as readers:
        speed(readers, urls, 2)
        return [(speed(readers, urls, 1), speed(readers, urls, 2)) for _ in range(rounds)]


def mapped_speed(pool: SyntheticPool) -> float:
    """Images per second of a pool on the disk of this machine, in batches of random rows."""
    rows = torch.randperm(len(pool), generator=torch.Generator().manual_seed(0))
    started = time.monotonic()
    for batch in rows.split(BATCH):
        pool.rows(batch)
    return len(pool) / (time.monotonic() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="use fewer images and rounds")
    quick = parser.parse_args().quick
    count, shards, rounds = (4000, 8, 3) if quick else (20_000, 20, 5)
    with tempfile.TemporaryDirectory() as folder:
        pool = SyntheticPool.generate(SOURCE, count, out=Path(folder, "pool"), progress=False)
        started = time.monotonic()
        files = export_shards(pool, Path(folder, "shards"), images_per_shard=count // shards)
        written = count / (time.monotonic() - started)
        size = sum(file.stat().st_size for file in files) / count
        with served(Path(folder, "shards")) as url:
            speeds = reader_speeds([f"{url}/{file.name}" for file in files], rounds)
        mapped = statistics.median(mapped_speed(pool) for _ in range(rounds))
    one, two = (statistics.median(side) for side in zip(*speeds))
    ratios = sorted(two / one for one, two in speeds)
    print(
        f"{count:,} images of 32 px in {len(files)} shards: written at {written:,.0f} images/s, {size:,.0f} bytes each"
    )
    print(f"one reader over HTTP: {one:,.0f} images/s; two readers: {two:,.0f} images/s together")
    print(f"two readers: {statistics.median(ratios):.2f} x one reader ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    print(f"the memory-mapped pool: {mapped:,.0f} images/s, {mapped / one:.0f} x one reader")


if __name__ == "__main__":
    main()
