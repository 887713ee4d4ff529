"""How often a study errs if there is no effect: many small studies whose source contains only the training images.

    GAN_AUGMENT_DATA=DATA python -m benchmarks.null_studies --studies 200 --processes 2

Each study draws its own 100 training and 1,000 test digits, reduced to 16 px, and replaces half of each batch with
copies of the training images. There is no true effect, so *helps* and *hurts* should each be rare: at most 2.5% of the
studies.
"""

from __future__ import annotations

import argparse
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch
from torch import Tensor
from torch.utils.data import TensorDataset
from torchvision.transforms.v2.functional import resize

from gan_augment import SyntheticPool
from gan_augment.evaluation import SmallCNN
from gan_augment.studies import study

from .data import mnist

TRAIN, TEST, SIDE = 100, 1000, [16, 16]
SETTINGS = {"augment": "affine", "ratios": 0.5, "validation": 0.0, "lr": 2e-3, "controls": (), "seeds": 5}


def narrow(channels: int, classes: int) -> SmallCNN:
    return SmallCNN(channels, classes, width=8)


def small(images: Tensor) -> Tensor:
    return resize(images, SIDE, antialias=True)


def verdict(seed: int, steps: int) -> str:
    """The verdict of one study without an effect."""
    torch.set_num_threads(1)
    data, rng = mnist(), torch.Generator().manual_seed(seed)
    assert data.labels is not None
    assert data.held_out_labels is not None
    order = torch.randperm(len(data.labels), generator=rng)
    labels = data.labels[order]
    rows = torch.cat([order[labels == label][: TRAIN // 10] for label in range(10)])
    tested = torch.randperm(len(data.held_out_labels), generator=rng)[:TEST]
    train = small(data.train[rows]), data.labels[rows]
    test = small(data.held_out[tested]), data.held_out_labels[tested]
    more = {"steps": steps, "seed": seed, "classifier": narrow, "test": TensorDataset(*test), "progress": False}
    return study(TensorDataset(*train), SyntheticPool(*train), **SETTINGS, **more).verdict  # type: ignore[arg-type]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    found: Counter[str] = Counter()
    with ProcessPoolExecutor(options.processes, get_context("spawn")) as pool:
        for each in pool.map(verdict, range(options.studies), [options.steps] * options.studies):
            found[each] += 1
            print(f"\r{sum(found.values())} of {options.studies} studies", end="", flush=True)
    shares = ", ".join(f"{name} {found[name] / options.studies:.1%}" for name in ("helps", "hurts", "no effect shown"))
    print(f"\n{options.studies} studies without an effect: {shares}")


if __name__ == "__main__":
    main()
