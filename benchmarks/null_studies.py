"""How often a study errs if there is no effect: many small studies whose source contains only the training images.

    GAN_AUGMENT_DATA=DATA python -m benchmarks.null_studies --studies 200 --processes 2
    GAN_AUGMENT_DATA=DATA python -m benchmarks.null_studies --studies 200 --processes 2 --choose

Each study draws its own 100 training and 1,000 test digits, reduced to 16 px, and replaces a part of each batch with
copies of the training images. There is no true effect, so *helps* and *hurts* should each be rare: at most 2.5% of the
studies. The first command compares one ratio with one baseline. With ``--choose``, each study also tunes the
hyperparameters and chooses the augmentation, the ratio and the best control on validation images, and the comparison
with that control is counted, too. The copies then include validation images, which a split does not train on, and would
help. So all labels are shuffled first: no training can then do better than chance.
"""

from __future__ import annotations

import argparse
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
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
VERDICTS = ("helps", "hurts", "no effect shown")
SETTINGS = {"augment": "affine", "ratios": 0.5, "validation": 0.0, "lr": 2e-3, "controls": (), "seeds": 5}
CHOOSING = {"augment": ("none", "affine"), "ratios": (0.25, 0.5), "preset": "quick", "seeds": 5}


def narrow(channels: int, classes: int) -> SmallCNN:
    return SmallCNN(channels, classes, width=8)


def small(images: Tensor) -> Tensor:
    return resize(images, SIDE, antialias=True)


def verdicts(seed: int, steps: int, choose: bool) -> tuple[str, str | None]:
    """The verdicts of one study without an effect: on the choice, and on what it adds to the best control."""
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
    if choose:
        train, test = ((images, marks[torch.randperm(len(marks), generator=rng)]) for images, marks in (train, test))
    more = {"steps": steps, "seed": seed, "classifier": narrow, "test": TensorDataset(*test), "progress": False}
    result = study(TensorDataset(*train), SyntheticPool(*train), **(CHOOSING if choose else SETTINGS), **more)  # type: ignore[arg-type]
    return result.verdict, result.generator_adds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--choose", action="store_true", help="tune, choose, and compare with controls")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    each, found = partial(verdicts, steps=options.steps, choose=options.choose), []
    with ProcessPoolExecutor(options.processes, get_context("spawn")) as pool:
        for pair in pool.map(each, range(options.studies)):
            found.append(pair)
            print(f"\r{len(found)} of {options.studies} studies", end="", flush=True)
    print()
    for index, other in enumerate(("baseline", "best control")):
        counted = Counter(pair[index] for pair in found if pair[index])
        if counted:
            print(f"against the {other}: " + ", ".join(f"{counted[name]} {name}" for name in VERDICTS))


if __name__ == "__main__":
    main()
