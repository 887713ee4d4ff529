"""What makes the difference between harm and gain: ways to mix, on the generators of a finished study.

    python -m benchmarks.ways OUT/fashion-100-fitted --ratio 0.5

OUT/fashion-100-fitted is what ``benchmarks.evidence`` left there. On each of its splits, under the augmentation of its
baseline, a small classifier is trained for each way; a line says how each way differs from none, and from the plain
one, on the test images: what is chosen by it must be held against other images.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gan_augment import Generator, Same, SyntheticMix, SyntheticPool, Teacher, Uniform
from gan_augment._core import mix_seed
from gan_augment.evaluation import (
    BatchTransform,
    Hyperparameters,
    is_correct,
    load_classifier,
    predict_logits,
    with_lr,
)
from gan_augment.studies import Interval, crossed_difference
from gan_augment.studies._arms import Arm, TrainSettings, train, weighted
from gan_augment.studies._fitting import LoadedSource
from gan_augment.studies._folder import read_split
from gan_augment.studies._synthetic import MatchedSource, build_filter, make_pool
from gan_augment.synthesis import FILTERS

NONE, PLAIN = "none", "plain"


class Split:
    """One split of a study: its images, its generator, and pools of it."""

    def __init__(self, study: Path, report: dict[str, Any], index: int, scratch: Path) -> None:
        asked = report["settings"]
        self.index, self.scratch, self.images = index, scratch / str(index), read_split(study, index)
        self.scratch.mkdir()
        self.arm = baseline_arm(report)
        self.settings = TrainSettings(
            num_classes=len(report["arms"][0]["recall"]),
            **{key: asked[key] for key in ("steps", "batch_size", "seed", "precision")},
        )
        fitted = study / "generators" / f"split-{index}" / "generator"
        self.loaded = LoadedSource.load(fitted if fitted.exists() else report["source"]["name"])
        self.size = asked["pool_size"]
        self.teacher = self.trained(None, seed=mix_seed(asked["seed"], 15, index))

    def trained(self, mix: BatchTransform | None, seed: int | None = None) -> nn.Module:
        """A classifier, as the study trains them."""
        seed = mix_seed(self.settings.seed, 14, self.index) if seed is None else seed
        return train(self.settings, self.arm, self.images.train, self.images.train_labels, seed, mix)

    def pool(self, name: str, generator: Any = None) -> SyntheticPool:
        """What a filter lets through, or all; of the split's generator, or of another one."""
        source = MatchedSource(generator or self.loaded.source, self.images.train.shape[1:], self.settings.num_classes)
        keep = [build_filter(name, self.teacher, self.images, self.loaded)] if name in FILTERS else []
        return make_pool(self.scratch / name, source, keep, self.size, mix_seed(self.settings.seed, 13, self.index))[0]

    def deformed(self, scale: float) -> SyntheticPool:
        """Samples that are deformed by so many times as much."""
        generator = copy.deepcopy(self.loaded.source)
        if not isinstance(generator, Generator) or generator.variations is None:
            raise ValueError("The generator does not deform its samples.")
        generator.variations.fields *= scale
        return self.pool(f"deformed {scale:g}", generator)

    def correct(self, mix: BatchTransform | None) -> Tensor:
        """Which test images a classifier that was trained so gets right, ``(n,)``."""
        return is_correct(predict_logits(self.trained(mix), self.images.test).float(), self.images.test_labels)


def baseline_arm(report: dict[str, Any]) -> Arm:
    """The classifier of the baseline, with the augmentation and the hyperparameters that the study chose."""
    augment, name = next(
        (arm["augment"], arm["classifier"]) for arm in report["arms"] if arm["name"] == report["baseline"]
    )
    classifier, lr = load_classifier(name), report["settings"]["lr"]
    tuned = [trial["hyperparameters"] for trial in report["trials"] if trial["chosen"] and trial["classifier"] == name]
    fixed = (classifier if lr is None else with_lr(classifier, lr)).trials[0]
    return Arm("baseline", "ordinary", augment, classifier, Hyperparameters(**tuned[0]) if tuned else fixed)


def ways(split: Split, ratio: float) -> dict[str, Callable[[], BatchTransform | None]]:
    """What to try, one thing at a time, each made when it is called."""
    number, steps = split.settings.num_classes, round(split.settings.steps * split.arm.hyperparameters.steps)

    def mix(pool: str = PLAIN, ratio: float = ratio, labels: Any = "same") -> SyntheticMix:
        return SyntheticMix(split.pool(pool), ratio, labels=labels, num_classes=number)

    found: dict[str, Callable[[], BatchTransform | None]] = {NONE: lambda: None, PLAIN: mix}
    for share in sorted({0.1, 0.25, 0.5, 0.75, 0.9} - {ratio}):
        found[f"ratio {share:g}"] = partial(mix, ratio=share)
    for name in FILTERS:
        found[name] = partial(mix, name)
    for scale in (1.6, 2.5):
        found[f"deform x {scale:g}"] = lambda scale=scale: SyntheticMix(split.deformed(scale), ratio)
    for weight in (0.25, 0.5):
        found[f"weight {weight:g}"] = lambda weight=weight: weighted(mix(labels=Same(weight=weight)), number)
    found["LSRO"] = lambda: mix(labels=Uniform())
    found["teacher's probabilities"] = lambda: mix(labels=Teacher(split.teacher, kind="soft"))
    found["first half of the steps"] = lambda: during(mix(), range(steps // 2))
    found["second half of the steps"] = lambda: during(mix(), range(steps // 2, steps))
    return found


def during(mix: SyntheticMix, steps: range) -> BatchTransform:
    """Mixes in some of the steps."""
    step = itertools.count()
    return lambda images, labels: mix(images, labels) if next(step) in steps else (images, labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--ratio", type=float, default=0.5)
    parser.add_argument("--only", nargs="+", help="names of ways, besides none and plain")
    options = parser.parse_args()
    report = json.loads((options.study / "report.json").read_text())
    if report["settings"]["mode"] != "replace":
        parser.error(f"the study must be of mode replace, but {options.study} is of {report['settings']['mode']}")
    found: dict[str, list[Tensor]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for index in range(report["data"]["splits"]):
            split = Split(options.study, report, index, Path(scratch))
            tried = ways(split, options.ratio)
            if unknown := set(options.only or ()) - set(tried):
                parser.error(f"--only must be of {list(tried)}, but got {sorted(unknown)}")
            for name in [NONE, PLAIN, *options.only] if options.only else tried:
                try:
                    found.setdefault(name, []).append(split.correct(tried[name]()))
                    print(f"split {index}: {name}: {100 * found[name][-1].mean():.2f}", flush=True)
                except ValueError as error:
                    print(f"split {index}: {name} is left out: {error}", flush=True)
    scores = {name: torch.stack(each) for name, each in found.items() if len(each) == report["data"]["splits"]}
    balanced = split.images.test_labels if report["metric"] == "balanced accuracy" else None
    for name, each in scores.items():
        print(f"{name:26}", *(words(crossed_difference(each, scores[other], balanced)) for other in (NONE, PLAIN)))


def words(found: Interval) -> str:
    return f"  {100 * found.mean:+6.2f} ({100 * found.low:+.2f} to {100 * found.high:+.2f})"


if __name__ == "__main__":
    main()
