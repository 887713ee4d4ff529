"""The classifiers that measure how useful synthetic images are: their ordinary augmentation, training and scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import v2

from .._core import mix_seed
from ..models import eval_mode

BatchTransform = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
BuildClassifier = Callable[[int, int], nn.Module]

TEMPERATURES = torch.logspace(-1, 1, 41)
CALIBRATION_BINS = 15


@dataclass(frozen=True)
class Augmentation:
    """Ordinary augmentation of float batches 0..1, which MixUp or CutMix may follow."""

    images: Callable[[Tensor], Tensor] | None = None
    blends: bool = False

    def blend(self, num_classes: int) -> BatchTransform | None:
        """Returns MixUp (https://arxiv.org/abs/1710.09412) or CutMix (https://arxiv.org/abs/1905.04899) at random."""
        if not self.blends:
            return None
        mixes = [v2.MixUp(alpha=0.4, num_classes=num_classes), v2.CutMix(num_classes=num_classes)]
        choice: BatchTransform = v2.RandomChoice(mixes)
        return choice


def random_affine(images: Tensor, degrees: float = 10.0, scale: float = 0.1, shift: float = 2.0) -> Tensor:
    """Rotates, scales and shifts each image by its own random amounts, and fills the borders with 0.

    Args:
        images (Tensor): Images, float ``(n, c, h, w)``.
        degrees (float): Maximum rotation in degrees. Default: 10.
        scale (float): Maximum relative change of size. Default: 0.1.
        shift (float): Maximum shift in pixels. Default: 2.
    """
    n, device = len(images), images.device
    angle = (torch.rand(n, device=device) * 2 - 1) * math.radians(degrees)
    zoom = 1 + (torch.rand(n, device=device) * 2 - 1) * scale
    move = (torch.rand(n, 2, device=device) * 2 - 1) * shift * 2 / images.shape[-1]
    cosine, sine = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    rows = [torch.stack([cosine, -sine, move[:, 0]], 1), torch.stack([sine, cosine, move[:, 1]], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def _flip_and_affine(images: Tensor) -> Tensor:
    """Mirrors each image with probability 0.5, then applies :func:`random_affine`."""
    mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    return random_affine(torch.where(mirrored, images.flip(3), images))


def _apply_to_each(transform: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Applies a uint8 transform to each image separately, because on a batch it draws one operation for all images."""
    whole = images.mul(255).round_().clamp_(0, 255).byte()
    return torch.stack([transform(image) for image in whole]).to(images.dtype).div_(255)


_trivial = partial(_apply_to_each, v2.TrivialAugmentWide())  # https://arxiv.org/abs/2103.10158
_rand = partial(_apply_to_each, v2.RandAugment(num_ops=2, magnitude=9))  # https://arxiv.org/abs/1909.13719
AUGMENTATIONS: dict[str, Augmentation] = {
    "none": Augmentation(),
    "affine": Augmentation(random_affine),
    "flip-affine": Augmentation(_flip_and_affine),
    "affine-mix": Augmentation(random_affine, blends=True),
    "trivial": Augmentation(_trivial),
    "trivial-mix": Augmentation(_trivial, blends=True),
    "rand": Augmentation(_rand),
    "rand-mix": Augmentation(_rand, blends=True),
}


class SmallCNN(nn.Sequential):
    """A classifier of three convolutions with batch normalisation and pooling, and one linear layer.

    Args:
        channels (int): Channels of the images, which must be 16 px or larger.
        num_classes (int): Number of classes.
        width (int): Feature maps of the first convolution; each further convolution doubles them. Default: 32.

    Example:
        >>> SmallCNN(1, 10)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """

    def __init__(self, channels: int, num_classes: int, width: int = 32) -> None:
        layers: list[nn.Module] = []
        for before, after in ((channels, width), (width, 2 * width), (2 * width, 4 * width)):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            layers.append(nn.MaxPool2d(2))
        layers[-1] = nn.AdaptiveMaxPool2d(3)
        super().__init__(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(9 * 4 * width, num_classes))


def train_classifier(
    images: Tensor,
    labels: Tensor,
    *,
    num_classes: int,
    steps: int = 600,
    batch_size: int = 64,
    lr: float = 2e-3,
    seed: int = 0,
    mix: BatchTransform | None = None,
    augment: Callable[[Tensor], Tensor] | None = random_affine,
    blend: BatchTransform | None = None,
    build: BuildClassifier | None = None,
    dtype: torch.dtype | None = None,
) -> nn.Module:
    """Trains a classifier for a fixed number of steps on batches that are mixed and augmented.

    The state of torch's global generator does not change.

    Args:
        images (Tensor): Training images, uint8 ``(n, c, h, w)``.
        labels (Tensor): Classes, int64 ``(n,)``, or weighted probabilities, float ``(n, num_classes)``.
        num_classes (int): Number of classes.
        steps (int): Training steps. Default: 600.
        batch_size (int): Images in each step. Default: 64.
        lr (float): Initial learning rate of Adam; it falls to zero on a cosine schedule. Default: 0.002.
        seed (int): Seed that alone determines the weights, the order and the augmentation. Default: 0.
        mix (callable, optional): Maps float batches ``(images, labels)`` to batches before the augmentation, like
            :class:`SyntheticMix`.
        augment (callable, optional): Maps float images to images. Default: :func:`random_affine`.
        blend (callable, optional): Like ``mix``, but after the augmentation, like ``v2.MixUp``.
        build (callable, optional): Maps ``(channels, num_classes)`` to a module that maps float images 0..1 to logits.
            Default: :class:`SmallCNN`.
        dtype (torch.dtype, optional): Type for ``torch.autocast``, such as bfloat16. Default: no autocast.

    Returns:
        nn.Module: The trained classifier in eval mode.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix_seed(seed, 0))
        model = (build or SmallCNN)(images.shape[1], num_classes).to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.Adam(model.parameters(), lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        order = torch.empty(0, dtype=torch.int64)
        for step in range(steps):
            torch.manual_seed(mix_seed(seed, 1, step))
            while len(order) < batch_size:
                order = torch.cat([order, torch.randperm(len(images))])
            rows, order = order[:batch_size], order[batch_size:]
            batch, targets = images[rows].float().div(255), labels[rows]
            if mix is not None:
                batch, targets = mix(batch, targets)
            # Seeding before and after `mix` keeps its draws from changing the order and the augmentation.
            torch.manual_seed(mix_seed(seed, 2, step))
            if augment is not None:
                batch = augment(batch)
            if blend is not None:
                batch, targets = blend(batch, targets)
            with torch.autocast("cpu", dtype, enabled=dtype is not None):
                logits = model(batch.contiguous(memory_format=torch.channels_last))
            loss = F.cross_entropy(logits.float(), targets)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return model.eval()


@torch.no_grad()
def predict_logits(model: nn.Module, images: Tensor, batch_size: int = 500) -> Tensor:
    """Returns a classifier's logits for uint8 images, float ``(n, num_classes)``, in eval mode."""
    with eval_mode(model):
        return torch.cat([model(batch.float().div(255)) for batch in torch.split(images, batch_size)])


def predict(model: nn.Module, images: Tensor, batch_size: int = 500) -> Tensor:
    """Returns the class that a classifier predicts for each uint8 image, int64 ``(n,)``, in eval mode."""
    return predict_logits(model, images, batch_size).argmax(dim=1)


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Returns the share of uint8 images that a classifier assigns to their label, 0..1."""
    return float((predict(model, images) == labels).float().mean())


def is_correct(logits: Tensor, labels: Tensor) -> Tensor:
    """Returns 1 for each image whose largest logit is that of its label and 0 for the others, float ``(n,)``."""
    return (logits.argmax(1) == labels).float()


def class_recall(logits: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Returns the recall of each class, ``(num_classes,)``; it is NaN for a class without images."""
    hits = torch.zeros(num_classes).index_add_(0, labels, is_correct(logits, labels))
    return hits / torch.bincount(labels, minlength=num_classes)


def calibration_error(logits: Tensor, labels: Tensor) -> float:
    """Returns the mean gap between confidence and accuracy in 15 bins, 0..1 (https://arxiv.org/abs/1706.04599)."""
    confidence, predicted = logits.softmax(1).max(1)
    bins = (confidence * CALIBRATION_BINS).long().clamp(max=CALIBRATION_BINS - 1)
    gaps = torch.zeros(CALIBRATION_BINS).index_add_(0, bins, confidence - (predicted == labels).float())
    return float(gaps.abs().sum() / len(labels))


def tempered_brier(logits: Sequence[Tensor], labels: Sequence[Tensor], balanced: bool) -> float:
    """Returns the Brier score of several classifiers under the one temperature that suits them best together.

    The score is the mean squared difference between probabilities and one-hot labels, 0..2
    (https://doi.org/10.1175/1520-0493(1950)078). It is NaN without images.

    Args:
        logits (sequence of Tensor): Logits ``(n, num_classes)`` of each seed on its own images.
        labels (sequence of Tensor): Classes ``(n,)`` of each seed's images.
        balanced (bool): Whether every class has the same weight, whatever its number of images.
    """
    values, truth = torch.cat(list(logits)), torch.cat(list(labels))
    if len(truth) == 0:
        return float("nan")
    counts = torch.bincount(truth)
    weights = 1 / counts[truth] / (counts > 0).sum() if balanced else torch.full((len(truth),), 1 / len(truth))
    one_hot = F.one_hot(truth, values.shape[1])
    scores = [((values / t).softmax(1) - one_hot).square().sum(1) @ weights for t in TEMPERATURES]
    return float(torch.stack(scores).min())
