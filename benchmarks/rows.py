"""The rows of the table of speeds: what is measured against what, and how far it should reach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import torch

from . import dataset_speed, mixing_speed, sampling, training_speed


class NotMeasuredError(Exception):
    """A row cannot be measured here, or is left out; the message says why."""


@dataclass(frozen=True)
class Options:
    """How the rows are measured."""

    quick: bool = False
    examples: Path | None = None  # a checkout of pytorch/examples
    device: str = "cpu"

    def rounds(self, full: int, quick: int = 3) -> int:
        """How many rounds to measure."""
        return quick if self.quick else full


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Args:
        what (str): What is measured.
        against (str): The peer.
        reach (float): The ratio that it should reach.
        measure (callable): Returns the ratios of several rounds.
        lower (bool): Whether a lower ratio is better: a ratio of times. Otherwise it is one of speeds.
    """

    what: str
    against: str
    reach: float
    measure: Callable[[Options], list[float]]
    lower: bool = False

    def reached(self, ratio: float) -> bool:
        """Whether a ratio is as good as it should be."""
        return ratio <= self.reach if self.lower else ratio >= self.reach


def _training(precision: str, simultaneous: bool, options: Options) -> list[float]:
    if options.examples is None or not options.examples.exists():
        raise NotMeasuredError("needs --examples, a checkout of pytorch/examples")
    if options.quick and (simultaneous or precision != "fp32"):
        raise NotMeasuredError("left out of quick runs")
    if precision == "auto" and options.device == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX2":
        raise NotMeasuredError("no bfloat16 with these instructions")
    budget = {"rounds": options.rounds(3, 1), "seconds": 6.0 if options.quick else 12.0}
    return training_speed.against_examples(options.examples, precision, simultaneous=simultaneous, **budget)


Measure: TypeAlias = Callable[[Options], list[float]]


def _unless(skips: Callable[[Options], bool], reason: str, measure: Measure) -> Measure:
    def checked(options: Options) -> list[float]:
        if skips(options):
            raise NotMeasuredError(reason)
        return measure(options)

    return checked


_on_cpu = partial(_unless, lambda options: options.device != "cpu", "the same as on the CPU")
_slow = partial(_unless, lambda options: options.quick, "left out of quick runs")


def _step(size: int, channels: int, against: str, options: Options) -> list[float]:
    return mixing_speed.step_with_mix(size, channels, against, options.rounds(9), options.device)


def _items(size: int, workers: int, epoch: int | None, options: Options) -> list[float]:
    return dataset_speed.tensor_ratios(size, workers, epoch, options.rounds(15, 5))


def _batches(size: int, options: Options) -> list[float]:
    return dataset_speed.batch_loader_ratios(size, options.rounds(15, 5))


def _files(workers: int, epoch: int | None, options: Options) -> list[float]:
    return dataset_speed.folder_ratios(workers, epoch, options.rounds(7))


def _sampled(n: int, options: Options) -> list[float]:
    return sampling.sampling_ratios(n, options.rounds(9), options.device)


ROWS: dict[str, Row] = {}
for _size, _channels in ((28, 1), (64, 3)):
    for _peer, _reach in (("nothing", 1.02), ("mixup", 1.0)):
        ROWS[f"mix-{_size}-{_peer}"] = Row(
            f"time of a step of a small CNN with SyntheticMix, {_size} px",
            "the step with MixUp" if _peer == "mixup" else "the step alone",
            _reach,
            partial(_step, _size, _channels, _peer),
            lower=True,
        )
for _size in (28, 64):
    for _workers in (0, 2):
        for _epoch in (None, 0):
            _when = "before set_epoch" if _epoch is None else "after set_epoch"
            ROWS[f"items-{_size}-{_workers}-{_when.split()[0]}"] = Row(
                f"items/s of GANAugmentedDataset, {_size} px tensors, {_workers} workers, {_when}",
                "the plain data set",
                0.95,
                _on_cpu(partial(_items, _size, _workers, _epoch)),
            )
for _workers in (0, 2):
    for _epoch in (None, 0):
        _when = "before set_epoch" if _epoch is None else "after set_epoch"
        ROWS[f"files-{_workers}-{_when.split()[0]}"] = Row(
            f"items/s of GANAugmentedDataset, ImageFolder of JPEGs, {_workers} workers, {_when}",
            "the plain ImageFolder",
            1.0,
            _on_cpu(partial(_files, _workers, _epoch)),
        )
for _size in (28, 64):
    ROWS[f"batches-{_size}"] = Row(
        f"items/s of BatchLoader, {_size} px tensors, a new epoch each round",
        "a DataLoader over the plain data set",
        3.0,
        _on_cpu(partial(_batches, _size)),
    )
ROWS["live"] = Row(
    "batches/s with the generator in the loop, 64 px",
    "one image at a time in `__getitem__`",
    10.0,
    lambda options: mixing_speed.live_mixing(options.rounds(5), options.device),
)
for _n in (1, 16, 64, 256):
    ROWS[f"sample-{_n}"] = Row(f"images/s sampled, 64 px, {_n} at once", "the plain module", 1.5, partial(_sampled, _n))
ROWS["pool"] = Row(
    "images/s of SyntheticPool.generate, 64 px",
    "one forward pass after another into a list",
    1.5,
    _slow(lambda options: sampling.pool_ratios(5, options.device)),
)
ROWS["first-image"] = Row(
    "time of from_pretrained and the first image",
    "building, loading and sampling by hand",
    1.2,
    _on_cpu(lambda options: [1 / ratio for ratio in sampling.first_image_ratios(options.rounds(9))]),
    lower=True,
)
for _precision, _name in (("fp32", "float32"), ("auto", "bfloat16")):
    for _simultaneous in (False, True):
        ROWS[f"train-{_name}{'-simultaneous' if _simultaneous else ''}"] = Row(
            f"images/s of training, {_name}{', simultaneous' if _simultaneous else ''}",
            "pytorch/examples' main.py",
            1.6,
            partial(_training, _precision, _simultaneous),
        )
ROWS["two-processes"] = Row(
    "images/s of two training processes with one thread each",
    "one process with two threads",
    0.95,
    _slow(_on_cpu(lambda options: training_speed.two_processes())),
)
