"""Arms: the ways of training that a study compares, and one training under one of them."""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from ..hub import write_aside
from ..mixing import LabelPolicy, SyntheticMix
from ..models import mix_seed
from ..synthesis import SyntheticPool
from ..training import autocast_type
from ._augment import AUGMENTATIONS
from ._classifier import BatchTransform, Build, predict_logits, train_classifier
from ._result import Kind

DATA = "data.safetensors"


@dataclass(frozen=True)
class Arm:
    """One way of training.

    Args:
        name (str): Unique among the arms of a study.
        kind (str): See :class:`ArmResult`.
        augment (str): A name of :data:`AUGMENTATIONS`.
        ratio (float): Synthetic or repeated share.
        policy (LabelPolicy, optional): Of synthetic images; None repeats real ones.
        labels (str): What the policy is called.
        filters (tuple of str): Of the pool.
        pool (str, optional): Name of the pool, of which each split has its own.
        against_imbalance (str): In mode ``"balance"``, what is done about the classes' sizes besides: they are
            ``"oversampled"``, or have ``"class weights"`` in the loss.
    """

    name: str
    kind: Kind
    augment: str
    ratio: float = 0.0
    policy: LabelPolicy | None = None
    labels: str = ""
    filters: tuple[str, ...] = ()
    pool: str | None = None
    against_imbalance: str = ""


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

    def kept(self) -> Outcome | None:
        """The outcome that an earlier call has kept; None if there is none, or it cannot be read."""
        try:
            return read_outcome(self.path)
        except (FileNotFoundError, SafetensorError, KeyError):
            return None


@dataclass(frozen=True)
class TrainSettings:
    """What all trainings of a study have in common.

    Args:
        num_classes (int): Of the data.
        mode (str): ``"replace"`` or ``"balance"``.
        steps (int): Of training.
        batch_size (int): Images a step.
        lr (float): Learning rate.
        seed (int): Of the study.
        precision (str): To train in, as of a recipe.
        build (callable, optional): Of the classifier.
    """

    num_classes: int
    mode: str
    steps: int
    batch_size: int
    lr: float
    seed: int
    precision: str = "fp32"
    build: Build | None = field(default=None, compare=False)


class Outcome(NamedTuple):
    """Of one training: logits ``(n, num_classes)`` of the validation and test images, and its time."""

    validation: Tensor
    test: Tensor
    seconds: float


class Images(NamedTuple):
    """What one split trains on and is judged by: uint8 images, and int64 labels."""

    train: Tensor
    labels: Tensor
    validation: Tensor
    validation_labels: Tensor
    test: Tensor
    test_labels: Tensor


def slug(name: str) -> str:
    """A name as a file may have it; names that differ stay different."""
    plain = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in name)
    return plain if plain == name else f"{plain}-{zlib.crc32(name.encode()):08x}"


def write_images(
    folder: Path, images: Tensor, labels: Tensor, test: Tensor, splits: list[tuple[Tensor, Tensor]]
) -> None:
    """Puts the images that jobs read, and the rows of each split, where they find them."""
    used = torch.bincount(torch.cat([test, *(rows for split in splits for rows in split)])).nonzero().flatten()
    rows = {"test": test}
    for index, (train, validation) in enumerate(splits):
        rows |= {f"train-{index}": train, f"validation-{index}": validation}
    tensors = {"images": images[used], "labels": labels[used]}
    tensors |= {name: torch.searchsorted(used, places) for name, places in rows.items()}
    with write_aside(folder / DATA) as aside:
        save_file(tensors, aside)


@lru_cache(maxsize=1)
def _read(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / DATA)


@lru_cache(maxsize=1)
def _test_images(folder: Path) -> tuple[Tensor, Tensor]:
    tensors = _read(folder)
    return tensors["images"][tensors["test"]], tensors["labels"][tensors["test"]]


@lru_cache(maxsize=16)
def read_images(folder: Path, split: int) -> Images:
    """The images of a split; the test images are one tensor for all of them."""
    tensors = _read(folder)
    parts = [tensors[name] for name in (f"train-{split}", f"validation-{split}")]
    train, labels, validation, others = (tensors[kind][rows] for rows in parts for kind in ("images", "labels"))
    return Images(train, labels, validation, others, *_test_images(folder))


def forget_images() -> None:
    """Lets the images of earlier studies go."""
    for cached in (_read, _test_images, read_images):
        cached.cache_clear()


def pool_folder(folder: Path, name: str, split: int) -> Path:
    """Where the pool of a split is."""
    return folder / "pools" / f"{slug(name)}-{split}"


def run_job(job: Job) -> Outcome:
    """Trains, or reads what an earlier call of the study has kept."""
    kept = job.kept()
    if kept is not None:
        return kept
    data, settings = read_images(job.folder, job.split), job.settings
    seed = mix_seed(settings.seed, 14, job.seed)
    started = time.perf_counter()
    images, targets = data.train, data.labels
    mix = None
    if settings.mode == "balance":
        repeat = job.arm.against_imbalance == "oversampled"
        images, targets = top_up(data.train, data.labels, _pool(job), job.arm.ratio, seed, repeat)
    elif job.arm.kind in ("oversampled", "synthetic"):
        mix = _mix(job, data)
    if job.arm.against_imbalance == "class weights":
        targets = weighted_targets(targets, settings.num_classes)
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
    _write_outcome(job.path, outcome)
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


def _pool(job: Job) -> SyntheticPool | None:
    return None if job.arm.pool is None else SyntheticPool.load(pool_folder(job.folder, job.arm.pool, job.split))


def _mix(job: Job, data: Images) -> BatchTransform:
    """Replaces a share of each batch, by synthetic images or by other real ones of the same classes."""
    number, pool = job.settings.num_classes, _pool(job)
    if pool is None or job.arm.policy is None:
        return SyntheticMix(SyntheticPool(data.train, data.labels, num_classes=number), job.arm.ratio)
    mix = SyntheticMix(pool, job.arm.ratio, labels=job.arm.policy, num_classes=number)
    if job.arm.policy.weight is None:
        return mix

    def weighted(images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        images, targets, weights = mix(images, targets)
        soft = targets if targets.ndim == 2 else F.one_hot(targets, number).to(images.dtype)
        return images, soft * weights[:, None]  # cross-entropy is linear in its targets

    return weighted


def weighted_targets(labels: Tensor, num_classes: int) -> Tensor:
    """Targets ``(n, num_classes)`` under which all classes weigh alike in a loss that is linear in its targets."""
    counts = torch.bincount(labels, minlength=num_classes)
    weights = len(labels) / (num_classes * counts.clamp(min=1).float())
    return F.one_hot(labels, num_classes) * weights[labels, None]


def top_up(
    images: Tensor, labels: Tensor, pool: SyntheticPool | None, ratio: float, seed: int, repeat: bool
) -> tuple[Tensor, Tensor]:
    """Brings classes up towards the largest: by a share of synthetic images, and by real ones again for the rest.

    Args:
        images (Tensor): uint8 ``(n, c, h, w)``.
        labels (Tensor): int64 ``(n,)``.
        pool (SyntheticPool, optional): With the classes of the data, at the size of the images.
        ratio (float): Synthetic share of what is added.
        seed (int): Of the draw.
        repeat (bool): Whether real ones come again; else the rest stays missing.

    Returns:
        tuple: All images and their labels.
    """
    rng = torch.Generator().manual_seed(seed)
    counts = torch.bincount(labels)
    parts, added = [images], [labels]
    for label in counts.nonzero().flatten().tolist():
        missing = int(counts.max() - counts[label])
        synthetic = 0 if pool is None else round(ratio * missing)
        if synthetic and pool is not None:
            parts.append(pool.sample(synthetic, label, seed=mix_seed(seed, label)))
            added.append(torch.full((synthetic,), label))
        rows = (labels == label).nonzero().flatten()
        again = missing - synthetic if repeat else 0
        turns = [rows[torch.randperm(len(rows), generator=rng)] for _ in range(-(-again // len(rows)))]
        repeated = torch.cat([rows[:0], *turns])[:again]
        parts.append(images[repeated])
        added.append(labels[repeated])
    return torch.cat(parts), torch.cat(added)


def _write_outcome(path: Path, outcome: Outcome) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {"validation": outcome.validation, "test": outcome.test, "seconds": torch.tensor([outcome.seconds])}
    with write_aside(path) as aside:
        save_file(tensors, aside)


def read_outcome(path: Path) -> Outcome:
    """What a job has kept."""
    tensors = load_file(path)
    return Outcome(tensors["validation"], tensors["test"], float(tensors["seconds"]))
