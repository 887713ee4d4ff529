"""A feature network that was never trained."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ._features import in_batches


class RandomConvolutions:
    """Computes features with a fixed, untrained network: convolutions at full, half and quarter size.

    Random filters respond to edges, textures and colours well enough to follow a training run. The features are
    logarithms: of the mean and standard deviation of each channel at the first two scales, and of the means over a
    4 x 4 grid at the last, which tell where things are. Each channel is standardised on images of 1/f noise, which has
    the spectrum of photographs.

    Args:
        device (str or torch.device): Device of the network. Default: ``"cpu"``.
    """

    name = "random-convolutions"
    widths = (16, 32, 64)
    grid = 4

    def __init__(self, device: str | torch.device = "cpu") -> None:
        # Every version of numpy returns the same raw draws of PCG64; it does not promise this for distributions.
        rng = np.random.Generator(np.random.PCG64(0))
        self.device = torch.device(device)
        self.filters: list[tuple[Tensor, Tensor]] = []
        images = _coloured_noise(rng, count=64, side=64)
        for before, width in zip((3, *self.widths), self.widths):
            weight = torch.from_numpy(rng.random((width, before, 3, 3)) * 2 - 1)
            if before == 3:  # three quarters of the first filters ignore brightness
                weight[width // 4 :] -= weight[width // 4 :].mean(dim=(1, 2, 3), keepdim=True)
            response = F.conv2d(images, weight, padding=1)
            mean, deviation = response.mean(dim=(0, 2, 3)), response.std(dim=(0, 2, 3))
            weight, bias = weight / deviation[:, None, None, None], -mean / deviation
            images = F.avg_pool2d(F.conv2d(images, weight, bias, padding=1).relu(), 2)
            self.filters.append((weight.float().to(self.device), bias.float().to(self.device)))

    def __call__(self, images: Tensor) -> Tensor:
        """Maps uint8 images of at least 4 px to float32 ``(n, 1120)``."""
        return in_batches(images, self._forward, self.device)

    def _forward(self, batch: Tensor) -> Tensor:
        x = batch.expand(-1, 3, -1, -1) / 127.5 - 1
        features = []
        for level, (weight, bias) in enumerate(self.filters):
            x = F.avg_pool2d(x, 2) if level else x
            x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), weight, bias).relu()
            if level + 1 < len(self.filters):
                mean = x.mean(dim=(2, 3), keepdim=True)
                features += [mean.flatten(1), (x - mean).square().mean(dim=(2, 3)).sqrt()]
        features.append(F.adaptive_avg_pool2d(x, self.grid).flatten(1))
        # Without logarithms, double contrast would outweigh all other differences in KID's cubic kernel.
        features = [(feature + 0.1).log() for feature in features]
        features[-1] /= self.grid  # a cell weighs less than a mean over the whole image
        return torch.cat(features, dim=1)


def _coloured_noise(rng: np.random.Generator, count: int, side: int) -> Tensor:
    """Returns images of 1/f noise, about -1..1, with correlated colours: float64 ``(count, 3, side, side)``."""
    noise = torch.from_numpy(rng.random((count, 1, side, side)) + 0.5 * rng.random((count, 3, side, side)))
    frequency = torch.fft.fftfreq(side, dtype=torch.float64)
    radius = (frequency[:, None].square() + frequency.square()).sqrt().clamp(min=1 / side)
    images: Tensor = torch.fft.ifft2(torch.fft.fft2(noise - noise.mean()) / radius).real
    return (images - images.mean()).div(2 * images.std())
