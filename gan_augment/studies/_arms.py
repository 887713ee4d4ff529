"""The arms of a study, which are ways to train a classifier, and the training of one classifier."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .._core import mix_seed
from ..evaluation import AUGMENTATIONS, BatchTransform, Classifier, Hyperparameters, predict_logits, train_classifier
from ..mixing import LabelPolicy, SyntheticMix, missing_images, oversampled_rows
from ..synthesis import SyntheticPool
from ..training import autocast_type
from ._controls import POOLED_KINDS, control_pool
from ._folder import Outcome, SplitImages, file_name, load_pool, read_split, write_outcome
from ._result import Kind


@dataclass(frozen=True)
class Arm:
    """One way to train a classifier; see :class:`ArmResult`."""

    name: str
    kind: Kind
    augment: str
    classifier: Classifier
    hyperparameters: Hyperparameters
    ratio: float = 0.0
    policy: LabelPolicy | None = None  # of synthetic images
    labels: str = ""  # name of the policy
    filters: tuple[str, ...] = ()
    balanced: bool = False  # real images are repeated until all classes have the same number

    @property
    def key(self) -> str:
        """The key of the training: arms with the same key train the same classifiers, even if their names differ."""
        settings = dataclasses.astuple(self.hyperparameters)  # in full, unlike their names
        parts = (self.classifier.name, *settings, self.kind, self.augment, self.ratio, self.labels)
        return ", ".join([*map(str, parts), *self.filters, *(["balanced"] if self.balanced else [])])

    @property
    def pool(self) -> tuple[str, ...]:
        """The filters or the control that name the arm's pool."""
        return control_pool(self.kind) if self.kind in POOLED_KINDS else self.filters


@dataclass(frozen=True)
class TrainSettings:
    """The settings that all training runs of a study share."""

    num_classes: int
    steps: int
    batch_size: int
    seed: int
    precision: str = "fp32"
    device: str = "cpu"


@dataclass(frozen=True)
class Job:
    """One training run: an arm with a seed, in the folder of a study."""

    folder: Path
    arm: Arm
    seed: int  # 0, 1, 2, ...
    split: int
    settings: TrainSettings

    @property
    def name(self) -> str:
        return self.arm.name

    @property
    def steps(self) -> int:
        return max(1, round(self.settings.steps * self.arm.hyperparameters.steps))

    @property
    def path(self) -> Path:
        return self.folder / "runs" / f"{file_name(self.arm.key)}-{self.seed}.safetensors"


def run_job(job: Job, on_step: Callable[[], object] | None = None) -> Outcome:
    """Trains the classifier of a job and writes its outcome; ``on_step`` is called after each step."""
    data, settings = read_split(job.folder, job.split), job.settings
    seed = mix_seed(settings.seed, 14, job.seed)
    started = time.perf_counter()
    images, targets = data.train, data.train_labels
    if job.arm.balanced:
        rows = oversampled_rows(targets, seed)
        images, targets = images[rows], targets[rows]
    elif job.arm.kind == "filled up":
        images, targets = fill_up(images, targets, load_pool(job.folder, job.arm.pool, job.split), seed)
    elif job.arm.kind == "class weights":
        targets = weighted_targets(targets, settings.num_classes)
    mix = _build_mix(job, data) if job.arm.ratio else None
    with one_thread():
        model = train(settings, job.arm, images, targets, seed, mix, on_step)
        seconds = time.perf_counter() - started
        empty = torch.empty(0, settings.num_classes)
        validation = predict_logits(model, data.validation).float() if len(data.validation) else empty
        test = predict_logits(model, data.test).float()
    outcome = Outcome(validation, test, seconds)
    write_outcome(job.path, outcome)
    return outcome


@contextmanager
def one_thread() -> Iterator[None]:
    """Limits torch to one thread, so that training gives the same bits with any number of processes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def train(
    settings: TrainSettings,
    arm: Arm,
    images: Tensor,
    targets: Tensor,
    seed: int,
    mix: BatchTransform | None = None,
    on_step: Callable[[], object] | None = None,
) -> nn.Module:
    """Trains the classifier of an arm with the settings of a study."""
    augmentation = AUGMENTATIONS[arm.augment]
    return train_classifier(
        images,
        targets,
        num_classes=settings.num_classes,
        steps=settings.steps,
        batch_size=settings.batch_size,
        hyperparameters=arm.hyperparameters,
        seed=seed,
        mix=mix,
        augment=augmentation.images,
        blend=augmentation.blend(settings.num_classes),
        logit_offset=log_shares(targets, settings.num_classes) if arm.kind == "logit adjustment" else None,
        build=arm.classifier.build,
        dtype=autocast_type(settings.precision),
        device=settings.device,
        on_step=on_step,
    )


def weighted_targets(labels: Tensor, num_classes: int) -> Tensor:
    """Returns targets ``(n, num_classes)`` in which every class has the same total weight."""
    counts = torch.bincount(labels, minlength=num_classes)
    weights = len(labels) / (num_classes * counts.clamp(min=1).float())
    return F.one_hot(labels, num_classes) * weights[labels, None]


def log_shares(labels: Tensor, num_classes: int) -> Tensor:
    """Returns the logarithm of each class's share of the labels. A class without labels counts as half a label."""
    counts = torch.bincount(labels, minlength=num_classes).float().clamp(min=0.5)
    return (counts / counts.sum()).log()


def fill_up(images: Tensor, labels: Tensor, pool: SyntheticPool, seed: int) -> tuple[Tensor, Tensor]:
    """Appends synthetic images until every class has as many images as the largest."""
    missing = missing_images(labels)
    if not missing.total:
        return images, labels
    added = pool.sample(missing.total, missing.labels(), seed=seed)
    return torch.cat([images, added]), torch.cat([labels, missing.labels()])


def _build_mix(job: Job, data: SplitImages) -> BatchTransform:
    """Returns a transform that replaces a share of each batch with images of a pool, or repeated real images."""
    arm, num_classes = job.arm, job.settings.num_classes
    if arm.kind == "oversampled":
        pool = SyntheticPool(data.train, data.train_labels, num_classes=num_classes)
    else:
        pool = load_pool(job.folder, arm.pool, job.split)
    if job.settings.device != "cpu":
        pool.to(job.settings.device)
    mix = SyntheticMix(pool, arm.ratio, labels=arm.policy or "same", num_classes=num_classes)
    return mix if arm.policy is None or arm.policy.weight is None else weighted(mix, num_classes)


def weighted(mix: SyntheticMix, num_classes: int) -> BatchTransform:
    """Multiplies the targets of a mix by its weights, because cross-entropy is linear in its targets."""

    def mixed(images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        images, targets, weights = mix(images, targets)
        soft = targets if targets.ndim == 2 else F.one_hot(targets, num_classes).to(images.dtype)
        return images, soft * weights[:, None]

    return mixed
