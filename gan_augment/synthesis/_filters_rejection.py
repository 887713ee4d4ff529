"""Discriminator rejection sampling: the discriminator that a generator was trained against, as a filter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from .._core import check_count, check_seed, mix_seed, resize_to_square, to_signed
from ..data import fingerprint
from ..models import Discriminator, eval_mode
from ._filters import ENOUGH
from ._pool_fill import as_trained
from ._source import as_source, draw, spread_classes

EPSILON = 1e-8  # as in the paper: keeps the logarithm finite at the maximum
BATCH = 256


class DiscriminatorRejection:
    """Keeps images at random, the likelier the more real the discriminator finds them.

    Discriminator rejection sampling (https://arxiv.org/abs/1810.06758). Where the discriminator tells the density of
    real images from that of synthetic ones, as one of a logistic loss near its optimum does, what is kept follows the
    real images more closely: precision rises, and diversity falls less than under a threshold, since images of every
    logit may be kept.

    The largest logit and the shift gamma are found once, from candidates of the source: in each class, where it has
    classes, so that none is starved. Draws come from a :class:`torch.Generator` that is seeded by ``seed`` and the
    fingerprints of the batch, and are given out in the order of these: the same batch is judged alike in every
    process and order, and an image that is drawn again in another batch is judged anew.

    Args:
        discriminator (Discriminator): Such as of :func:`gan_augment.models.load_discriminator`; copied, and used in
            eval mode on its device.
        source: The generator that it was trained against: a name, folder, generator or any :class:`Source`, at the
            discriminator's size.
        percentile (float): Of the acceptance's exponent among candidates, 0..100, that gamma brings to one half:
            larger is stricter. How many are kept depends on how sure the discriminator is;
            with 80, a quarter to a half is usual.
        burn_in (int): Candidates that these are found from, at least 10 a class.
        seed (int): Of the burn-in and of what is kept.

    Raises:
        TypeError: If it is no discriminator, or a count no int.
        ValueError: If a number is out of range, or the source's images or classes are not the discriminator's.

    Example:
        >>> from gan_augment.hub import download
        >>> from gan_augment.models import load_discriminator
        >>> discriminator = load_discriminator(download("dcgan-mnist-32"))
        >>> keep = DiscriminatorRejection(discriminator, "dcgan-mnist-32", burn_in=100)
        >>> images = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
        >>> keep(images, torch.tensor([3, 4])).shape
        torch.Size([2])
    """

    def __init__(
        self, discriminator: Discriminator, source: Any, *, percentile: float = 80.0, burn_in: int = 1000, seed: int = 0
    ) -> None:
        _check_discriminator(discriminator)
        if not 0 <= percentile <= 100:
            raise ValueError(f"percentile must be between 0 and 100, but got {percentile} instead.")
        source = as_source(source)
        classes = source.num_classes
        check_count("burn_in", burn_in, ENOUGH * max(len(source.class_indices), 1))
        known = discriminator.config.num_classes
        if known and not 0 < classes <= known:
            raise ValueError(f"discriminator must know the classes of the source, {classes}, but knows {known}.")
        self.percentile, self.seed = percentile, check_seed(seed)
        self.discriminator = _frozen(discriminator)
        self._geometry = source.geometry
        labels = spread_classes(source, burn_in) if classes else None
        size = discriminator.config.image_size
        expected = (discriminator.config.channels, size, size)
        images = draw(source, burn_in, labels, seed=mix_seed(self.seed, 0)).cpu()
        if tuple(images.shape[1:]) != expected:
            raise ValueError(f"source must give images of {expected}, but gives {tuple(images.shape[1:])} instead.")
        images = as_trained(images, self._geometry)
        self._shape, self._has_classes = tuple(images.shape[1:]), classes > 0
        logits = self._logits(images, labels)
        groups = torch.zeros(burn_in, dtype=torch.int64) if labels is None else labels
        self._maximum: dict[int, float] = {}
        self._gamma: dict[int, float] = {}
        for group in sorted(set(groups.tolist())):
            own = logits[groups == group]
            self._maximum[group] = float(own.max())
            self._gamma[group] = float(torch.quantile(_exponents(own, own.max()), percentile / 100))

    def probabilities(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """With what probability each of the uint8 images is kept, float64 ``(n,)``."""
        if images.dtype != torch.uint8 or tuple(images.shape[1:]) != self._shape:
            raise ValueError(
                f"images must be uint8 (n, {', '.join(map(str, self._shape))}), as the source's training images were, "
                f"but got {images.dtype} of shape {tuple(images.shape)} instead."
            )
        if self._has_classes and labels is None:
            raise ValueError("labels must be given where the source has classes, but got None.")
        groups = labels.tolist() if self._has_classes and labels is not None else [0] * len(images)
        unknown = sorted(set(groups) - set(self._maximum))
        if unknown:
            raise ValueError(f"labels must be classes of the source, {list(self._maximum)[:20]}, but got {unknown}.")
        logits = self._logits(images, labels)
        maximum = logits.new_tensor([self._maximum[group] for group in groups])
        gamma = logits.new_tensor([self._gamma[group] for group in groups])
        return torch.sigmoid(_exponents(logits, maximum) - gamma)

    def __call__(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """Which of the uint8 images to keep, bool ``(n,)``."""
        return _uniform(images, self.seed) < self.probabilities(images, labels)

    @torch.no_grad()
    def _logits(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """The discriminator's logits of images as filters see them, float64 on the CPU."""
        network, config = self.discriminator, self.discriminator.config
        fitted = resize_to_square(images, config.image_size, self._geometry.resize_mode)
        parameter = next(network.parameters())
        classes = labels if config.num_classes else None
        parts = []
        with torch.autocast(parameter.device.type, enabled=False):
            for rows in torch.split(torch.arange(len(images)), BATCH):
                batch = to_signed(fitted[rows]).to(parameter.device, parameter.dtype)
                asked = None if classes is None else classes[rows].to(parameter.device)
                parts.append(network(batch, asked).double().cpu())
        logits = torch.cat(parts)
        if not bool(logits.isfinite().all()):
            raise ValueError("discriminator must give finite logits, but some are not.")
        return logits


def _exponents(logits: Tensor, maximum: Tensor) -> Tensor:
    """The paper's F before gamma: the logit of accepting with probability ``exp(logit - maximum)``."""
    gap = (logits - maximum).clamp(max=0)
    return gap - torch.log(-torch.expm1(gap - EPSILON))


def _uniform(images: Tensor, seed: int) -> Tensor:
    """A number in 0..1 for each image, float64, that does not depend on the order of the batch."""
    marks = torch.tensor([fingerprint(image) for image in images.cpu()], dtype=torch.int64)
    order = torch.argsort(marks, stable=True)
    rng = torch.Generator().manual_seed(mix_seed(seed, *marks[order].tolist()))
    out = torch.empty(len(images), dtype=torch.float64)
    out[order] = torch.rand(len(images), generator=rng, dtype=torch.float64)
    return out


@torch.no_grad()
def _frozen(discriminator: Discriminator) -> Discriminator:
    """A copy with its normalised weights as they are: no training changes it, and it can be pickled."""
    with eval_mode(discriminator):  # or reading a weight would change its spectral norm
        tensors = {name: each for name, each in discriminator.state_dict().items() if ".parametrizations." not in name}
        for name, module in discriminator.named_modules():
            if parametrize.is_parametrized(module, "weight"):
                tensors[f"{name}.weight"] = module.weight
    with torch.device("meta"):  # draws nothing from the global generator
        frozen = Discriminator(replace(discriminator.config, spectral_norm=False))
    frozen.load_state_dict({name: each.detach().clone() for name, each in tensors.items()}, assign=True)
    return frozen.eval().requires_grad_(False)


def _check_discriminator(discriminator: Any) -> None:
    if not isinstance(discriminator, Discriminator):
        raise TypeError(
            f"discriminator must be a gan_augment Discriminator, but got {type(discriminator)} instead; "
            "load_discriminator gives None of a generator that was saved without one."
        )
    if discriminator.config.minibatch_stddev:
        raise ValueError("discriminator must judge each image by itself, but has a minibatch_stddev.")
