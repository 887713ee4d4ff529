"""What makes the difference between harm and gain: ways to mix, on the generators of a finished study.

    python -m benchmarks.ways OUT/fashion-100-fitted --ratio 0.5

OUT/fashion-100-fitted is what ``benchmarks.evidence`` left there. On each of its splits, under the augmentation of its
baseline, a classifier is trained for each way; a line says how each way differs from none, and from the plain one.
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gan_augment import Generator, Same, SyntheticMix, SyntheticPool, Teacher, Uniform
from gan_augment.models import mix_seed
from gan_augment.study import predict_logits
from gan_augment.study._arms import TrainSettings, train, weighted
from gan_augment.study._files import read_images
from gan_augment.study._paired import Interval, crossed_difference
from gan_augment.study._scores import correct
from gan_augment.study._sources import Given, MatchedSource, build_filter, make_pool

Mix = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
FILTERS = ("agreement", "confidence", "density", "copies", "discriminator")
NONE, PLAIN = "none", "plain"


class Split:
    """One split of a study: its images, its generator, and pools of it."""

    def __init__(self, study: Path, report: dict[str, Any], index: int, scratch: Path) -> None:
        asked = report["settings"]
        self.index, self.scratch, self.images = index, scratch / str(index), read_images(study, index)
        self.scratch.mkdir()
        self.augment = next(arm["augment"] for arm in report["arms"] if arm["name"] == report["baseline"])
        self.settings = TrainSettings(
            num_classes=len(report["arms"][0]["recall"]),
            **{key: asked[key] for key in ("steps", "batch_size", "lr", "seed", "precision")},
        )
        fitted = study / "generators" / f"split-{index}" / "generator"
        self.given = Given.load(fitted if fitted.exists() else report["source"]["name"])
        self.size = asked["pool_size"]
        self.teacher = self.trained(None, seed=mix_seed(asked["seed"], 15, index))

    def trained(self, mix: Mix | None, seed: int | None = None) -> nn.Module:
        """A classifier, as the study trains them."""
        seed = mix_seed(self.settings.seed, 14, self.index) if seed is None else seed
        return train(self.settings, self.augment, self.images.train, self.images.labels, seed, mix)

    def pool(self, name: str, generator: Any = None) -> SyntheticPool:
        """What a filter lets through, or all; of the split's generator, or of another one."""
        source = MatchedSource(generator or self.given.source, self.images.train.shape[1:], self.settings.num_classes)
        keep = [build_filter(name, self.teacher, self.images, self.given)] if name in FILTERS else []
        return make_pool(self.scratch / name, source, keep, self.size, mix_seed(self.settings.seed, 13, self.index))[0]

    def deformed(self, scale: float) -> SyntheticPool | None:
        """Samples that are deformed by so many times as much, if the generator deforms them."""
        generator = copy.deepcopy(self.given.source)
        if not isinstance(generator, Generator) or generator.variations is None:
            return None
        generator.variations.fields *= scale
        return self.pool(f"deformed {scale:g}", generator)

    def correct(self, mix: Mix | None) -> Tensor:
        """Which test images a classifier that was trained so gets right, ``(n,)``."""
        return correct(predict_logits(self.trained(mix), self.images.test).float(), self.images.test_labels)


def ways(split: Split, ratio: float) -> Iterator[tuple[str, Mix | None]]:
    """What to try, one thing at a time."""
    number, pool, steps = split.settings.num_classes, split.pool(PLAIN), split.settings.steps

    def mix(pool: SyntheticPool, ratio: float = ratio, labels: Any = "same") -> SyntheticMix:
        return SyntheticMix(pool, ratio, labels=labels, num_classes=number)

    yield NONE, None
    yield PLAIN, mix(pool)
    for share in sorted({0.1, 0.25, 0.5, 0.75, 0.9} - {ratio}):
        yield f"ratio {share:g}", mix(pool, share)
    for name in FILTERS:
        try:
            yield name, mix(split.pool(name))
        except ValueError as error:
            print(f"split {split.index}: {name} is left out: {error}")
    for scale in (1.6, 2.5):
        if (other := split.deformed(scale)) is not None:
            yield f"deform x {scale:g}", mix(other)
    for weight in (0.25, 0.5):
        yield f"weight {weight:g}", weighted(mix(pool, labels=Same(weight=weight)), number)
    yield "LSRO", mix(pool, labels=Uniform())
    yield "teacher's probabilities", mix(pool, labels=Teacher(split.teacher, kind="soft"))
    yield "first half of the steps", during(mix(pool), range(steps // 2))
    yield "second half of the steps", during(mix(pool), range(steps // 2, steps))


def during(mix: SyntheticMix, steps: range) -> Mix:
    """Mixes in some of the steps."""
    count = iter(range(10**9))
    return lambda images, labels: mix(images, labels) if next(count) in steps else (images, labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--ratio", type=float, default=0.5)
    parser.add_argument("--only", nargs="+", help="names of ways, besides none and plain")
    options = parser.parse_args()
    report = json.loads((options.study / "report.json").read_text())
    found: dict[str, list[Tensor]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for index in range(report["data"]["splits"]):
            split = Split(options.study, report, index, Path(scratch))
            for name, mix in ways(split, options.ratio):
                if not options.only or name in (NONE, PLAIN, *options.only):
                    found.setdefault(name, []).append(split.correct(mix))
                    print(f"split {index}: {name}: {100 * found[name][-1].mean():.2f}", flush=True)
    scores = {name: torch.stack(each) for name, each in found.items() if len(each) == report["data"]["splits"]}
    balanced = split.images.test_labels if report["metric"] == "balanced accuracy" else None
    for name, each in scores.items():
        print(f"{name:26}", *(words(crossed_difference(each, scores[other], balanced)) for other in (NONE, PLAIN)))


def words(found: Interval) -> str:
    return f"  {100 * found.mean:+6.2f} ({100 * found.low:+.2f} to {100 * found.high:+.2f})"


if __name__ == "__main__":
    main()
