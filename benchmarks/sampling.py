"""Images per second out of a 64 px generator on this CPU, against the plain module in eval mode.

python -m benchmarks.sampling
"""

from __future__ import annotations

import statistics
import time

import torch
from torch import nn

from gan_augment import Generator

COUNT, ROUNDS = 1024, 5


def plain_dcgan() -> nn.Module:
    """The layers of pytorch/examples' generator, in a row."""
    layers: list[nn.Module] = []
    for before, after, first in ((100, 512, True), (512, 256, False), (256, 128, False), (128, 64, False)):
        conv = nn.ConvTranspose2d(before, after, 4, 1 if first else 2, 0 if first else 1, bias=False)
        layers += [conv, nn.BatchNorm2d(after), nn.ReLU(True)]
    return nn.Sequential(*layers, nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False), nn.Tanh()).eval()


@torch.no_grad()
def sample_plain(module: nn.Module) -> None:
    for _ in range(COUNT // 64):
        module(torch.randn(64, 100, 1, 1)).mul(127.5).add(127.5).to(torch.uint8)


def main() -> None:
    plain, ours = plain_dcgan(), Generator()
    ratios = []
    for round_ in range(ROUNDS + 1):
        started = time.perf_counter()
        sample_plain(plain)
        middle = time.perf_counter()
        ours.sample(COUNT, seed=round_)
        ended = time.perf_counter()
        if round_:
            ratios.append((middle - started) / (ended - middle))
    speed = statistics.median(ratios)
    print(f"64 px generator: {speed:.2f} x the images/s of the plain module, batch 64 (aim: at least 1.5 x)")


if __name__ == "__main__":
    main()
