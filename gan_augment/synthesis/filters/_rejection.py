"""Discriminator rejection sampling."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from ..._core import check_count, check_range, check_seed, mix_seed, resize_to_square, to_signed
from ...data import content_hashes
from ...models import Discriminator, eval_mode
from .._as_source import as_source, draw, resolve_labels
from ..pool._fill import at_training_size
from ._filter import Filter, FilterInputs, check_candidates, check_classes
from ._teachers import ENOUGH

EPSILON = 1e-8  # from the paper: keeps the logarithm finite at the largest logit
BATCH = 256


class DiscriminatorRejection(Filter):
    """Keeps images at random. The more real an image looks to the discriminator, the more likely it is to be kept.

    This is discriminator rejection sampling (https://arxiv.org/abs/1810.06758). The images that it keeps follow the
    distribution of real images more closely, if the discriminator has a logistic loss and is near its optimum.
    Precision rises. Diversity falls less than with a threshold, because an image with any logit may be kept. Whether
    an image is kept depends on ``seed`` and on the images of its batch, but not on their order.

    Args:
        discriminator (Discriminator): The discriminator, see :func:`gan_augment.models.load_discriminator`. A copy is
            used in eval mode on its device.
        source: The generator that it was trained against: a zoo name, a folder, or any :class:`Source` with images of
            the same size.
        percentile (float): Percentile of the acceptance exponents of candidates, from 0 to 100. An image at this
            percentile is kept with probability 1/2. With 80, usually a quarter to a half is kept. Default: 80.
        burn_in (int): Number of candidates that are drawn first, to find the largest logit and the paper's shift gamma
            of each class. At least 10 for each class. Default: 1000.
        seed (int): Seed of the candidates and of the random numbers. Default: 0.

    Raises:
        TypeError: If ``discriminator`` is not a :class:`Discriminator`, or a count is not an int.
        ValueError: If a number is out of range, or the images or classes of the source do not fit the discriminator.

    Example:
        >>> from gan_augment.hub import download
        >>> from gan_augment.models import load_discriminator
        >>> discriminator = load_discriminator(download("dcgan-mnist-32"))
        >>> keep = DiscriminatorRejection(discriminator, "dcgan-mnist-32", burn_in=100)
        >>> images = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
        >>> keep(images, torch.tensor([3, 4])).shape
        torch.Size([2])
    """

    needs_discriminator = True

    def __init__(
        self, discriminator: Discriminator, source: Any, *, percentile: float = 80.0, burn_in: int = 1000, seed: int = 0
    ) -> None:
        if not isinstance(discriminator, Discriminator):
            raise TypeError(
                f"discriminator must be a gan_augment Discriminator, but got {type(discriminator)} instead. "
                "load_discriminator returns None for a generator that was saved without its discriminator."
            )
        if discriminator.config.minibatch_stddev:
            raise ValueError("discriminator must judge each image on its own, but has a minibatch_stddev.")
        check_range("percentile", percentile, 0, 100)
        source, config = as_source(source), discriminator.config
        check_count("burn_in", burn_in, ENOUGH * max(len(source.class_indices), 1))
        classes, known = source.num_classes, config.num_classes
        if known and not 0 < classes <= known:
            raise ValueError(f"discriminator must know the classes of the source, {classes}, but knows {known}.")
        self.percentile, self.seed = percentile, check_seed(seed)
        self.discriminator = _frozen(discriminator)
        self._geometry = source.geometry
        labels = resolve_labels(source, burn_in)
        images = draw(source, burn_in, labels, seed=mix_seed(self.seed, 0)).cpu()
        expected, got = (config.channels, config.image_size, config.image_size), tuple(images.shape[1:])
        if got != expected:
            raise ValueError(f"source must give images of {expected}, but gives {got} instead.")
        images = at_training_size(images, self._geometry)
        self._shape, self._has_classes = tuple(images.shape[1:]), classes > 0
        logits = self._logits(images, labels)
        groups = torch.zeros(burn_in, dtype=torch.int64) if labels is None else labels
        self._maximum: dict[int, float] = {}
        self._gamma: dict[int, float] = {}
        for group in sorted(set(groups.tolist())):
            own = logits[groups == group]
            self._maximum[group] = float(own.max())
            self._gamma[group] = float(torch.quantile(_exponents(own, own.max()), percentile / 100))

    @classmethod
    def build(cls, inputs: FilterInputs) -> DiscriminatorRejection:
        return cls(inputs.discriminator, inputs.source)  # type: ignore[arg-type]  # refused if there is none

    def probabilities(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """Returns the probability that each of the uint8 images is kept, float64 ``(n,)``."""
        check_candidates(images, self._shape)
        groups = check_classes(labels, self._maximum).tolist() if self._has_classes else [0] * len(images)
        logits = self._logits(images, labels)
        maximum = logits.new_tensor([self._maximum[group] for group in groups])
        gamma = logits.new_tensor([self._gamma[group] for group in groups])
        return torch.sigmoid(_exponents(logits, maximum) - gamma)

    def __call__(self, images: Tensor, labels: Tensor | None) -> Tensor:
        return _uniform(images, self.seed) < self.probabilities(images, labels)

    @torch.no_grad()
    def _logits(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """Returns the discriminator's logits for the images that a filter sees, float64 on the CPU."""
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
    """Returns the paper's F without gamma: the logit of an acceptance probability of ``exp(logit - maximum)``."""
    gap = (logits - maximum).clamp(max=0)
    return gap - torch.log(-torch.expm1(gap - EPSILON))


def _uniform(images: Tensor, seed: int) -> Tensor:
    """Returns a random number 0..1 for each image, float64, independent of the order of the batch."""
    marks = content_hashes(images.cpu())
    order = torch.argsort(marks, stable=True)
    rng = torch.Generator().manual_seed(mix_seed(seed, *marks[order].tolist()))
    out = torch.empty(len(images), dtype=torch.float64)
    out[order] = torch.rand(len(images), generator=rng, dtype=torch.float64)
    return out


@torch.no_grad()
def _frozen(discriminator: Discriminator) -> Discriminator:
    """Returns a copy with the normalized weights, which training does not change, and which can be pickled."""
    with eval_mode(discriminator):  # in training mode, reading a weight updates its spectral norm
        tensors = {name: each for name, each in discriminator.state_dict().items() if ".parametrizations." not in name}
        for name, module in discriminator.named_modules():
            if parametrize.is_parametrized(module, "weight"):
                tensors[f"{name}.weight"] = module.weight
    with torch.device("meta"):  # draws nothing from the global generator
        frozen = Discriminator(replace(discriminator.config, spectral_norm=False))
    frozen.load_state_dict({name: each.detach().clone() for name, each in tensors.items()}, assign=True)
    return frozen.eval().requires_grad_(False)
