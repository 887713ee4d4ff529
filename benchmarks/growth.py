"""How cost grows with the size of the pool, the data set, the images, the number of classes, and the workers.

    python -m benchmarks.growth [--quick] [--only workers] [--out docs/images/growth.png]

Prints a table in Markdown for each measure. With `--out`, it also draws one picture, where each line is relative to its
smallest size: a flat line means that the size does not matter. All sizes of a line run in turn in one process with one
thread, and medians are shown.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import math
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from gan_augment import GANAugmentedDataset, Generator, GeneratorConfig, SyntheticMix, SyntheticPool

from .dataset_speed import TO_FLOAT, TensorImages
from .timing import in_turn

BATCH, RATIO, SIDE = 128, 0.25, 16  # images of a batch, synthetic share, side of the small images in pixels


@dataclass
class Growth:
    """One measure at several sizes: a line for each quantity, in a unit, by the size."""

    title: str
    size: str
    sizes: Sequence[int]
    lines: dict[str, list[float]] = field(default_factory=dict)
    shares: bool = False  # whether values are shares of a peer, instead of costs that should not grow

    def table(self) -> str:
        """Returns the values as a table in Markdown."""
        rows = [["", *(f"{size:,}" for size in self.sizes)]]
        rows += [[name, *(f"{value:,.3g}" for value in values)] for name, values in self.lines.items()]
        rows.insert(1, ["---"] * len(rows[0]))
        rows[0][0] = self.size
        return f"**{self.title}**\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows)


def medians(calls: Sequence[Callable[[], Any]], rounds: int, times: int = 1) -> list[float]:
    """Seconds of each call: the median of several rounds, in which all calls take turns."""
    return [statistics.median(found) / times for found in in_turn(list(calls), rounds, times)]


def noise(count: int, channels: int = 1, side: int = SIDE) -> torch.Tensor:
    """Images of random bytes."""
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, (count, channels, side, side), np.uint8))


def mixing(pool: SyntheticPool, side: int = SIDE, channels: int = 1) -> Callable[[], Any]:
    """A call of SyntheticMix with a batch of uint8 images."""
    mix, images = SyntheticMix(pool, RATIO), noise(BATCH, channels, side)
    labels = torch.randint(pool.num_classes, (BATCH,), generator=torch.Generator().manual_seed(0))
    return lambda: mix(images, labels)


class Repeated(Dataset[Any]):
    """A data set of any length in little memory: one image, and a class for each item."""

    transform = None

    def __init__(self, count: int, num_classes: int = 10) -> None:
        self.image = noise(1)[0]
        self.targets = torch.arange(count) % num_classes
        self.classes = [f"class {label}" for label in range(num_classes)]

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.image, int(self.targets[index])


def make_pool(count: int, num_classes: int = 10, side: int = SIDE, channels: int = 1) -> SyntheticPool:
    return SyntheticPool(
        noise(count, channels, side),
        torch.arange(count) % num_classes,
        class_names=[f"class {label}" for label in range(num_classes)],
    )


def pool_size(quick: bool) -> Growth:
    found = Growth("Pool size", "images in the pool", (1000, 10_000, 100_000, 1_000_000))
    with tempfile.TemporaryDirectory() as folder:
        pools = [make_pool(size) for size in found.sizes]
        for pool in pools:
            pool.save(Path(folder, str(len(pool))))
        mapped = [SyntheticPool.load(Path(folder, str(size))) for size in found.sizes]
        seconds = medians([mixing(pool) for pool in (*pools, *mapped)], 5 if quick else 20, 20)
    found.lines["SyntheticMix, pool in memory, µs"] = [each * 1e6 for each in seconds[:4]]
    found.lines["SyntheticMix, memory-mapped pool, µs"] = [each * 1e6 for each in seconds[4:]]
    return found


def dataset_size(quick: bool) -> Growth:
    found = Growth("Data set size", "items", (10_000, 100_000, 1_000_000, 10_000_000))
    pool = make_pool(10_000)
    names = (
        "construction, ms",
        "new epoch and its first item, ms",
        "item, µs",
        "memory of the wrapper, bytes per item",
    )
    found.lines.update({name: [] for name in names})
    for size in found.sizes:
        real = Repeated(size)
        started = time.perf_counter()
        wrapped = GANAugmentedDataset(real, pool, RATIO)
        values = [(time.perf_counter() - started) * 1e3]
        epochs = itertools.count()

        def first_item(data: GANAugmentedDataset = wrapped, epochs: Any = epochs) -> None:
            data.set_epoch(next(epochs))
            data[0]

        values += [medians([first_item], 1 if quick else 3)[0] * 1e3]
        batch = torch.randint(size, (BATCH,), generator=torch.Generator().manual_seed(0)).tolist()
        values += [medians([lambda data=wrapped, batch=batch: data.__getitems__(batch)], 10)[0] / BATCH * 1e6]
        values += [memory(wrapped, {id(real), id(pool)}) / size]
        for name, value in zip(names, values):
            found.lines[name].append(value)
    return found


def memory(value: Any, seen: set[int]) -> int:
    """Bytes of an object and of everything that it holds, except what is in ``seen``."""
    if id(value) in seen or isinstance(value, (type, ModuleType, FunctionType)):
        return 0
    seen.add(id(value))
    if isinstance(value, torch.Tensor):
        storage = value.untyped_storage()
        known = storage.data_ptr() in seen
        seen.add(storage.data_ptr())
        return 0 if known else storage.nbytes()
    if isinstance(value, np.ndarray):
        known = value.ctypes.data in seen
        seen.add(value.ctypes.data)
        return 0 if known else value.nbytes
    if isinstance(value, list) and value and isinstance(value[0], int):
        return sys.getsizeof(value) + sum(map(sys.getsizeof, value))
    return sys.getsizeof(value) + sum(memory(each, seen) for each in gc.get_referents(value))


def image_size(quick: bool) -> Growth:
    found = Growth("Image size, cost per value", "side in pixels", (16, 64, 128, 256))
    count = 16 if quick else 64
    generators = [Generator(GeneratorConfig(image_size=side)) for side in found.sizes]
    mixes = medians([mixing(make_pool(500, side=side, channels=3), side, 3) for side in found.sizes], 5, 3)
    draws = medians([lambda each=each: each.sample(count, seed=0) for each in generators], 1 if quick else 3)
    pixels = [3 * side**2 for side in found.sizes]
    found.lines["SyntheticMix, ns per value"] = [each / BATCH / size * 1e9 for each, size in zip(mixes, pixels)]
    found.lines["sampling, ns per value"] = [each / count / size * 1e9 for each, size in zip(draws, pixels)]
    return found


def class_count(quick: bool) -> Growth:
    found = Growth("Number of classes", "classes", (10, 100, 1000, 10_000))
    pools = [make_pool(20_000, classes) for classes in found.sizes]
    mixes = medians([mixing(pool) for pool in pools], 5 if quick else 20, 20)
    found.lines["SyntheticMix, µs"] = [each * 1e6 for each in mixes]
    builds = [lambda pool=pool: GANAugmentedDataset(Repeated(40_000, pool.num_classes), pool, RATIO) for pool in pools]
    found.lines["construction of a data set of 40,000 items, ms"] = [each * 1e3 for each in medians(builds, 1)]
    return found


def workers(quick: bool) -> Growth:
    found = Growth("Workers", "workers", (0, 1, 2, 4), shares=True)
    real = TensorImages(4000 if quick else 10_000, 28, TO_FLOAT)
    plain, ours = [], []
    for number in found.sizes:
        wrapped = GANAugmentedDataset(real, make_pool(4000, side=28, channels=3), RATIO)
        wrapped.set_epoch(0)
        options = {"shuffle": True, "num_workers": number, "persistent_workers": number > 0}
        loaders = [DataLoader(data, BATCH, **options) for data in (real, wrapped)]
        times = medians([lambda loader=loader: [None for _ in loader] for loader in loaders], 3 if quick else 5)
        plain.append(len(real) / times[0])
        ours.append(len(real) / times[1])
    found.lines["plain data set, items/s"] = plain
    found.lines["GANAugmentedDataset, items/s"] = ours
    found.lines["share: GANAugmentedDataset, plain = 1"] = [our / their for our, their in zip(ours, plain)]
    return found


MEASURES = {each.__name__: each for each in (pool_size, dataset_size, image_size, class_count, workers)}


def draw(measures: Sequence[Growth], path: Path) -> None:
    """Draws the lines of each measure relative to its smallest size, or shares as they are."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    plt.rcParams.update({"font.size": 8, "legend.fontsize": 7})
    columns = min(len(measures), 3)
    rows = math.ceil(len(measures) / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3 * columns, 3.2 * rows), layout="constrained", squeeze=False)
    for axis, found in itertools.zip_longest(axes.flat, measures):
        if found is None:
            axis.axis("off")
            continue
        places = range(len(found.sizes)) if found.shares else found.sizes
        for number, (name, values) in enumerate(found.lines.items()):
            if not found.shares:
                values = [value / values[0] for value in values]
            elif not name.startswith("share"):
                continue
            label = name.removeprefix("share: ").rpartition(", ")[0]  # without the unit
            axis.plot(places, values, marker="os^D"[number], label=label, markersize=4)
        if found.shares:
            axis.set(ylim=(0, 1.1), ylabel="items/s, plain data set = 1")
        else:
            line = [size / found.sizes[0] for size in found.sizes]
            axis.plot(places, line, color="0.6", linestyle=":", label="proportional to the size")
            axis.set(xscale="log", yscale="log", ylim=(0.03, 3000), ylabel="cost, smallest size = 1")
        axis.set_xticks(places, [f"{size:,}" for size in found.sizes])
        axis.minorticks_off()
        axis.axhline(1, color="0.6", linewidth=0.8)
        axis.set(title=found.title, xlabel=found.size)
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="use fewer rounds")
    parser.add_argument("--only", choices=MEASURES, help="run this measure alone")
    parser.add_argument("--out", type=Path, help="draw the picture to this file")
    options = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)  # the pool is too small for 10,000,000 items, and 4 workers too many
    torch.set_num_threads(1)  # two threads that wait for each other would show what else the machine does
    found = []
    for name, measure in MEASURES.items():
        if options.only in (None, name):
            started = time.perf_counter()
            found.append(measure(options.quick))
            print(f"{found[-1].table()}\n\n{time.perf_counter() - started:.0f} s\n", flush=True)
    if options.out is not None:
        draw(found, options.out)


if __name__ == "__main__":
    main()
