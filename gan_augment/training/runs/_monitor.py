"""Measures the samples of a run: quality, collapse, copies and leaked augmentation."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..._core import mix_seed
from ...data import TrainingImages
from ...metrics import FeatureNetwork, copy_report, diversity_report, kid, leaked_augmentation, load_features
from ...models import Generator

FEATURES = "random-convolutions"  # needs no download, and takes a second for a thousand images
SAMPLES, KID_SAMPLES = 256, 1000
TRAINING = 5000  # the most images to compare with
LEAST_HELD_OUT = 50  # with fewer, KID says nothing
_STREAM = 3


@dataclass
class Monitor:
    """Measures a generator against the images of a run, at most 5,000 of each kind."""

    training: TrainingImages
    held_out: TrainingImages | None
    seed: int  # of the samples, which have the same latents at each measurement
    augmented: bool = True  # whether the discriminator sees augmented images, so that augmentation could leak
    sentences: list[str] = field(default_factory=list)  # on the last measurement

    def __post_init__(self) -> None:
        self.training = self._limited(self.training)
        self.held_out = None if self.held_out is None else self._limited(self.held_out)
        self._real: Tensor | None = None  # features of the held-out images, computed when they are needed

    def _limited(self, images: TrainingImages) -> TrainingImages:
        return images if len(images) <= TRAINING else images.subset(self._rows(images, TRAINING))

    def _rows(self, images: TrainingImages, count: int) -> Tensor:
        """Returns indices of random images, which repeat if there are fewer than ``count``."""
        rng = torch.Generator().manual_seed(mix_seed(self.seed, _STREAM))
        rows = torch.randperm(len(images), generator=rng)
        return rows[torch.arange(count) % len(rows)]

    @functools.cached_property
    def _features(self) -> FeatureNetwork:
        return load_features(FEATURES)

    @property
    def chooses(self) -> bool:
        """Whether there are enough held-out images to choose a generator by KID."""
        return self.held_out is not None and len(self.held_out) >= LEAST_HELD_OUT

    def measure(self, generator: Generator) -> dict[str, float]:
        """Returns the figures of a generator for metrics.jsonl, with KID if :attr:`chooses` is true."""
        figures: dict[str, float] = {}
        self.sentences = []
        if len(self.training) > 1:
            samples, labels = self._samples(generator, self.training, SAMPLES, self.seed)
            figures = {**self._diversity(samples, labels), **self._marks(samples, toned=generator.config.tones > 0)}
        if self.held_out is not None and self.chooses:
            if self._real is None:
                self._real = self._features(self.held_out.images)
            samples, _ = self._samples(generator, self.held_out, KID_SAMPLES, mix_seed(self.seed, _STREAM))
            figures["kid"], figures["kid_spread"] = kid(self._real, self._features(samples))
        return {key: round(value, 6) for key, value in figures.items()}

    def _samples(
        self, generator: Generator, images: TrainingImages, count: int, seed: int
    ) -> tuple[Tensor, Tensor | None]:
        """Draws samples with the same shares of the classes as the images, and returns them with their classes."""
        labels = None if images.labels is None else images.labels[self._rows(images, count)]
        return generator.sample(count, labels, seed=seed).cpu(), labels

    def _diversity(self, samples: Tensor, labels: Tensor | None) -> dict[str, float]:
        """Returns how diverse samples are, without classes whose training images are all equal."""
        real, real_labels = self.training.images, self.training.labels
        members = [real] if real_labels is None else [real[real_labels == c] for c in range(self.training.num_classes)]
        varied = torch.tensor([bool((images != images[:1]).any()) for images in members])
        if not bool(varied.any()):
            return {}
        if labels is not None and real_labels is not None:
            samples, labels = samples[varied[labels]], labels[varied[labels]]
            real, real_labels = real[varied[real_labels]], real_labels[varied[real_labels]]
        report = diversity_report(real, samples, real_labels, labels)
        self.sentences.append(report.sentence)
        return {"diversity": report.relative, "duplicates": report.duplicates}

    def _marks(self, samples: Tensor, *, toned: bool) -> dict[str, float]:
        """Returns the figures on copies of training images, and on augmentation that leaked into samples."""
        copies = copy_report(self.training.images, samples, None if self.held_out is None else self.held_out.images)
        leakage = leaked_augmentation(self.training.images, samples)
        if toned:  # tones vary on purpose
            leakage = dataclasses.replace(leakage, color_share=leakage.color_real)
        self.sentences += [copies.sentence, *([leakage.sentence] if self.augmented else [])]
        return {
            "copies": copies.near_copies,
            "nearest": copies.relative,
            "leak_cutout": leakage.cutout,
            "leak_border": leakage.border,
            "leak_color": leakage.color,
        }

    def entry(self, kid: float) -> dict[str, Any]:
        """Returns the entry for a measured KID on the card."""
        held_out = 0 if self.held_out is None else len(self.held_out)
        return {
            "metric": f"kid[{FEATURES}, n={held_out}/{KID_SAMPLES}, held-out]",
            "value": round(kid, 6),
            "on": "held-out images, which were also used to choose this generator",
            "features": FEATURES,
        }
