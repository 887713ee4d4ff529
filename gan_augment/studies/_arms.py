"""Arms: the ways of training that a study compares, and one training under one of them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .._core import mix_seed
from ..evaluation import AUGMENTATIONS, BatchTransform, BuildClassifier, predict_logits, train_classifier
from ..mixing import LabelPolicy, SyntheticMix, even_rows
from ..synthesis import SyntheticPool
from ..training import autocast_type
from ._balance import fill_up, weighted_targets
from ._files import Images, Outcome, pool_folder, read_images, slug, write_outcome
from ._result import Kind


@dataclass(frozen=True)
class Arm:
    """One way of training.

    Args:
        name (str): Unique among the arms of a study.
        kind (str): See :class:`ArmResult`.
        augment (str): A name of :data:`AUGMENTATIONS`.
        ratio (float): Synthetic or repeated share of each batch.
        policy (LabelPolicy, optional): Of synthetic images; None repeats real ones.
        labels (str): What the policy is called.
        filters (tuple of str): Of the pool.
        even (bool): Whether real images come again until all classes have as many.
    """

    name: str
    kind: Kind
    augment: str
    ratio: float = 0.0
    policy: LabelPolicy | None = None
    labels: str = ""
    filters: tuple[str, ...] = ()
    even: bool = False


@dataclass(frozen=True)
class Job:
    """One training: an arm under a seed.

    Args:
        folder (Path): Of the study.
        arm (Arm): How to train.
        seed (int): Number of the seed: 0, 1, 2, ...
        split (int): Number of the split.
        settings (TrainSettings): What all jobs have in common.
    """

    folder: Path
    arm: Arm
    seed: int
    split: int
    settings: TrainSettings

    @property
    def path(self) -> Path:
        """Where its outcome is kept."""
        return self.folder / "runs" / f"{slug(self.arm.name)}-{self.seed}.safetensors"


@dataclass(frozen=True)
class TrainSettings:
    """What all trainings of a study have in common.

    Args:
        num_classes (int): Of the data.
        steps (int): Of training.
        batch_size (int): Images a step.
        lr (float): Learning rate.
        seed (int): Of the study.
        precision (str): To train in, as of a recipe.
        build (callable, optional): Of the classifier.
    """

    num_classes: int
    steps: int
    batch_size: int
    lr: float
    seed: int
    precision: str = "fp32"
    build: BuildClassifier | None = field(default=None, compare=False)


def run_job(job: Job) -> Outcome:
    """Trains, and keeps the outcome."""
    data, settings = read_images(job.folder, job.split), job.settings
    seed = mix_seed(settings.seed, 14, job.seed)
    started = time.perf_counter()
    images, targets = data.train, data.labels
    if job.arm.even:
        rows = even_rows(data.labels, seed)
        images, targets = images[rows], targets[rows]
    elif job.arm.kind == "filled up":
        images, targets = fill_up(images, targets, _pool(job), seed)
    elif job.arm.kind == "class weights":
        targets = weighted_targets(targets, settings.num_classes)
    mix = _mix(job, data) if job.arm.ratio else None
    model = train(settings, job.arm.augment, images, targets, seed, mix)
    seconds = time.perf_counter() - started
    empty = torch.empty(0, settings.num_classes)
    judged = [predict_logits(model, part).float() if len(part) else empty for part in (data.validation, data.test)]
    if judged[1].shape != (len(data.test), settings.num_classes):
        raise ValueError(
            f"classifier must give logits ({len(data.test)}, {settings.num_classes}), but gave "
            f"{tuple(judged[1].shape)} instead."
        )
    if not all(bool(torch.isfinite(logits).all()) for logits in judged):
        raise ValueError(f"Logits must be finite, but {job.arm.name!r} gave others: its training diverged; lower lr.")
    outcome = Outcome(judged[0], judged[1], seconds)
    write_outcome(job.path, outcome)
    return outcome


def train(
    settings: TrainSettings, augment: str, images: Tensor, targets: Tensor, seed: int, mix: BatchTransform | None = None
) -> nn.Module:
    """A classifier, as all of a study are trained."""
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


def _pool(job: Job) -> SyntheticPool:
    """What the arm draws from."""
    return SyntheticPool.load(pool_folder(job.folder, job.arm.filters, job.split), verify=True)


def _mix(job: Job, data: Images) -> BatchTransform:
    """Replaces a share of each batch, by synthetic images or by other real ones of the same classes."""
    number = job.settings.num_classes
    if job.arm.policy is None:
        return SyntheticMix(SyntheticPool(data.train, data.labels, num_classes=number), job.arm.ratio)
    mix = SyntheticMix(_pool(job), job.arm.ratio, labels=job.arm.policy, num_classes=number)
    return mix if job.arm.policy.weight is None else weighted(mix, number)


def weighted(mix: SyntheticMix, num_classes: int) -> BatchTransform:
    """Weights become a part of the targets, in which cross-entropy is linear."""

    def mixed(images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        images, targets, weights = mix(images, targets)
        soft = targets if targets.ndim == 2 else F.one_hot(targets, num_classes).to(images.dtype)
        return images, soft * weights[:, None]

    return mixed
