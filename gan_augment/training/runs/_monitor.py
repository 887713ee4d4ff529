"""Measures the samples of a run: quality, collapse, copies and leaked augmentation."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..._core import mix_seed
from ...metrics import FeatureNetwork, copy_report, diversity_report, kid, leaked_augmentation, load_features
from ...models import Generator
from .._data import TrainingImages

FEATURES = "random-convolutions"  # needs no download, and takes a second for a thousand images
SAMPLES = 256
KID_SAMPLES = 1000
TRAINING = 5000
LEAST_HELD_OUT = 50  # with fewer, KID says nothing
_STREAM = 3


@dataclass
class Monitor:
    """Measures a generator against the images of a run, at most 5,000 each."""

    training: TrainingImages
    held_out: TrainingImages | None
    seed: int  # of the samples, which have the same latents at each measurement
    augmented: bool = True  # whether the discriminator sees augmented images, so that augmentation could leak
    sentences: list[str] = field(default_factory=list)  # on the last measurement

    def __post_init__(self) -> None:
        if len(self.training) > TRAINING:
            self.training = self.training.subset(self._rows(self.training, TRAINING))
        if self.held_out is not None and len(self.held_out) > TRAINING:
            self.held_out = self.held_out.subset(self._rows(self.held_out, TRAINING))
        self._real: Tensor | None = None  # features of the held-out images, computed when they are needed

    @functools.cached_property
    def _features(self) -> FeatureNetwork:
        return load_features(FEATURES)

    @property
    def chooses(self) -> bool:
        """Whether there are enough held-out images to choose a generator by KID."""
        return self.held_out is not None and len(self.held_out) >= LEAST_HELD_OUT

    def measure(self, generator: Generator) -> dict[str, float]:
        """Returns the figures of a generator for metrics.jsonl; KID only if there are held-out images."""
        figures: dict[str, float] = {}
        self.sentences = []
        if len(self.training) > 1:
            rows = self._rows(self.training, SAMPLES)
            labels = None if self.training.labels is None else self.training.labels[rows]
            samples = generator.sample(len(rows), labels, seed=self.seed).cpu()
            figures = {
                **self._diversity(samples, labels),
                **self._marks(samples, toned=generator.config.tones > 0),
            }
        if self.held_out is not None and self.chooses:
            if self._real is None:
                self._real = self._features(self.held_out.images)
            rows = self._rows(self.held_out, KID_SAMPLES)
            labels = None if self.held_out.labels is None else self.held_out.labels[rows]
            samples = generator.sample(len(rows), labels, seed=mix_seed(self.seed, _STREAM)).cpu()
            figures["kid"], figures["kid_spread"] = kid(self._real, self._features(samples))
        return {key: round(value, 6) for key, value in figures.items()}

    def _diversity(self, samples: Tensor, labels: Tensor | None) -> dict[str, float]:
        """Returns how diverse samples are within the classes whose images differ."""
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

    def _rows(self, images: TrainingImages, count: int) -> Tensor:
        """Returns indices of images with the same shares of classes as the samples."""
        rng = torch.Generator().manual_seed(mix_seed(self.seed, _STREAM))
        rows = torch.randperm(len(images), generator=rng)
        return rows[torch.arange(count) % len(rows)]

    def describe(self) -> dict[str, Any]:
        """Returns how the figures are measured, for the card."""
        held_out = 0 if self.held_out is None else len(self.held_out)
        return {"features": FEATURES, "held_out_images": held_out, "samples": KID_SAMPLES if self.chooses else SAMPLES}
