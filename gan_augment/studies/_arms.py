"""The arms of a study: ways to train a classifier, and one training of an arm."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .._core import mix_seed
from ..evaluation import AUGMENTATIONS, BatchTransform, BuildClassifier, predict_logits, train_classifier
from ..mixing import LabelPolicy, SyntheticMix, missing_images, oversampled_rows
from ..synthesis import SyntheticPool
from ..training import autocast_type
from ._files import Outcome, SplitImages, file_name, pool_folder, read_split, write_outcome
from ._result import Kind


@dataclass(frozen=True)
class Arm:
    """One way to train a classifier.

    Args:
        name (str): Name; unique in a study.
        kind (str): Kind of arm; see :class:`ArmResult`.
        augment (str): Ordinary augmentation, a name of :data:`AUGMENTATIONS`.
        ratio (float): Synthetic or repeated share of each batch. Default: 0.
        policy (LabelPolicy, optional): Policy of the synthetic images. Default: None, which repeats real images.
        labels (str): Name of the policy.
        filters (tuple of str): Filters of the pool.
        balanced (bool): Whether real images are repeated until all classes have the same number. Default: False.
    """

    name: str
    kind: Kind
    augment: str
    ratio: float = 0.0
    policy: LabelPolicy | None = None
    labels: str = ""
    filters: tuple[str, ...] = ()
    balanced: bool = False


@dataclass(frozen=True)
class TrainSettings:
    """The settings that all trainings of a study share.

    Args:
        num_classes (int): Number of classes.
        steps (int): Training steps.
        batch_size (int): Images in each step.
        lr (float): Learning rate.
        seed (int): Seed of the study.
        precision (str): Precision of the training; see :class:`Recipe`. Default: ``"fp32"``.
        build (callable, optional): Builds the classifier. Default: :class:`SmallCNN`.
    """

    num_classes: int
    steps: int
    batch_size: int
    lr: float
    seed: int
    precision: str = "fp32"
    build: BuildClassifier | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Job:
    """One training: an arm with a seed.

    Args:
        folder (Path): Folder of the study.
        arm (Arm): Way to train.
        seed (int): Number of the seed: 0, 1, 2, ...
        split (int): Number of the split.
        settings (TrainSettings): Settings that all jobs share.
    """

    folder: Path
    arm: Arm
    seed: int
    split: int
    settings: TrainSettings

    @property
    def path(self) -> Path:
        """File of the outcome."""
        return self.folder / "runs" / f"{file_name(self.arm.name)}-{self.seed}.safetensors"


def run_job(job: Job) -> Outcome:
    """Trains the classifier of a job and writes its outcome."""
    data, settings = read_split(job.folder, job.split), job.settings
    seed = mix_seed(settings.seed, 14, job.seed)
    started = time.perf_counter()
    images, targets = data.train, data.train_labels
    if job.arm.balanced:
        rows = oversampled_rows(targets, seed)
        images, targets = images[rows], targets[rows]
    elif job.arm.kind == "filled up":
        images, targets = fill_up(images, targets, _load_pool(job), seed)
    elif job.arm.kind == "class weights":
        targets = weighted_targets(targets, settings.num_classes)
    mix = _build_mix(job, data) if job.arm.ratio else None
    model = train(settings, job.arm.augment, images, targets, seed, mix)
    seconds = time.perf_counter() - started
    empty = torch.empty(0, settings.num_classes)
    logits = [predict_logits(model, part).float() if len(part) else empty for part in (data.validation, data.test)]
    if logits[1].shape != (len(data.test), settings.num_classes):
        raise ValueError(
            f"classifier must return logits of shape ({len(data.test)}, {settings.num_classes}), but returned "
            f"{tuple(logits[1].shape)} instead."
        )
    if not all(bool(torch.isfinite(each).all()) for each in logits):
        raise ValueError(
            f"The logits must be finite, but those of the arm {job.arm.name!r} are not: its training diverged; use a "
            "lower lr."
        )
    outcome = Outcome(logits[0], logits[1], seconds)
    write_outcome(job.path, outcome)
    return outcome


def train(
    settings: TrainSettings, augment: str, images: Tensor, targets: Tensor, seed: int, mix: BatchTransform | None = None
) -> nn.Module:
    """Trains a classifier with the settings of a study."""
    augmentation = AUGMENTATIONS[augment]
    return train_classifier(
        images,
        targets,
        num_classes=settings.num_classes,
        steps=settings.steps,
        batch_size=settings.batch_size,
        lr=settings.lr,
        seed=seed,
        mix=mix,
        augment=augmentation.images,
        blend=augmentation.blend(settings.num_classes),
        build=settings.build,
        dtype=autocast_type(settings.precision),
    )


def weighted_targets(labels: Tensor, num_classes: int) -> Tensor:
    """Returns targets ``(n, num_classes)`` with class weights, for a loss that is linear in its targets.

    Every class has the same total weight.
    """
    counts = torch.bincount(labels, minlength=num_classes)
    weights = len(labels) / (num_classes * counts.clamp(min=1).float())
    return F.one_hot(labels, num_classes) * weights[labels, None]


def fill_up(images: Tensor, labels: Tensor, pool: SyntheticPool, seed: int) -> tuple[Tensor, Tensor]:
    """Adds synthetic images until every class has as many images as the largest.

    Args:
        images (Tensor): Real images, uint8 ``(n, c, h, w)``.
        labels (Tensor): Classes of the real images, int64 ``(n,)``.
        pool (SyntheticPool): Pool with the classes and the image size of the data.
        seed (int): Seed of the draw.

    Returns:
        tuple: All images, real ones first, and their labels.
    """
    missing = missing_images(labels)
    if not missing.total:
        return images, labels
    added = pool.sample(missing.total, missing.labels(), seed=seed)
    return torch.cat([images, added]), torch.cat([labels, missing.labels()])


def _load_pool(job: Job) -> SyntheticPool:
    return SyntheticPool.load(pool_folder(job.folder, job.arm.filters, job.split), verify=True)


def _build_mix(job: Job, data: SplitImages) -> BatchTransform:
    """Returns a transform that replaces a share of each batch with synthetic images, or with real ones if no policy."""
    num_classes = job.settings.num_classes
    if job.arm.policy is None:
        return SyntheticMix(SyntheticPool(data.train, data.train_labels, num_classes=num_classes), job.arm.ratio)
    mix = SyntheticMix(_load_pool(job), job.arm.ratio, labels=job.arm.policy, num_classes=num_classes)
    return mix if job.arm.policy.weight is None else weighted(mix, num_classes)


def weighted(mix: SyntheticMix, num_classes: int) -> BatchTransform:
    """Multiplies the targets of a mix by its weights; cross-entropy is linear in its targets."""

    def mixed(images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        images, targets, weights = mix(images, targets)
        soft = targets if targets.ndim == 2 else F.one_hot(targets, num_classes).to(images.dtype)
        return images, soft * weights[:, None]

    return mixed
