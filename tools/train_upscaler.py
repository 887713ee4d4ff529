"""Trains an upscaler of faces, and measures it beside bicubic interpolation on faces that it has not seen.

    GAN_AUGMENT_DATA=... python -m tools.train_upscaler runs/faces-x2 --budget 60m

The network is SRGAN's generator without batch normalisation. It learns from patches of UTKFace's faces, nine in ten of
them, and of CelebA's, 9,000 of 10,000, which were made smaller by bicubic interpolation. The loss is the mean absolute
difference (https://arxiv.org/abs/1511.08861) of pixels and, by ``--edges``, of the differences between neighbours.
It is an example: one process, no restart.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as V

from benchmarks.data import celeba, utkface
from gan_augment import Upscaler
from gan_augment.hub import save_upscaler
from gan_augment.metrics import load_features, measure
from gan_augment.models import SRGAN, SRGANConfig

from .zoo_entries import FACES_HELD_OUT

PATCH, BATCH, RATE = 64, 16, 4e-4
BICUBIC = V.InterpolationMode.BICUBIC


def smaller(images: Tensor, scale: int = 2) -> Tensor:
    """Images as they would be at a fraction of their size."""
    height, width = images.shape[2] // scale, images.shape[3] // scale
    return V.resize(images, [height, width], interpolation=BICUBIC, antialias=True)


def bicubic(images: Tensor, scale: int = 2) -> Tensor:
    """The peer."""
    height, width = images.shape[2] * scale, images.shape[3] * scale
    return V.resize(images, [height, width], interpolation=BICUBIC, antialias=True)


def patches(sets: list[Tensor], rng: torch.Generator) -> Tensor:
    """A batch of patches, half of them mirrored, as float 0..1."""
    images = sets[int(torch.randint(len(sets), (), generator=rng))]
    side = images.shape[2] - PATCH + 1
    rows = torch.randint(len(images), (BATCH,), generator=rng)
    tops, lefts = torch.randint(side, (2, BATCH), generator=rng).tolist()
    batch = torch.stack([images[r, :, t : t + PATCH, x : x + PATCH] for r, t, x in zip(rows, tops, lefts)])
    mirrored = torch.rand(BATCH, 1, 1, 1, generator=rng) < 0.5
    return torch.where(mirrored, batch.flip(3), batch).float() / 255


def edges(images: Tensor) -> Tensor:
    """Differences of neighbours, down and to the right."""
    down = F.pad(images[:, :, 1:] - images[:, :, :-1], (0, 0, 0, 1))
    return torch.cat([down, F.pad(images[:, :, :, 1:] - images[:, :, :, :-1], (0, 1))], 1)


def train(sets: list[Tensor], network: SRGAN, seconds: float, edge_weight: float) -> int:
    """Trains for a time, with a rate that falls to zero as a cosine; returns the number of steps."""
    rng = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    network.train().to(memory_format=torch.channels_last)
    start, step = time.perf_counter(), 0
    while (spent := time.perf_counter() - start) < seconds:
        share = spent / seconds
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, step / 100) * (1 + torch.cos(torch.tensor(torch.pi * share)).item()) / 2
        large = patches(sets, rng)
        with torch.autocast("cpu", torch.bfloat16):
            made = network(smaller(large).to(memory_format=torch.channels_last)).float()
        loss = F.l1_loss(made, large) + edge_weight * F.l1_loss(edges(made), edges(large))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 200 == 0:
            print(f"{step} steps, {spent:.0f} s, loss {loss.item():.4f}", flush=True)
    network.eval()
    return step


def judge(made: Tensor, real: Tensor) -> dict[str, float]:
    """PSNR in decibels, distance in features of a network that sees objects, and KID."""
    network = load_features("efficientnet-lite0")
    error = (made.float() - real.float()).square().flatten(1).mean(1)
    ours, theirs = (F.normalize(torch.as_tensor(network(images)).float(), dim=1) for images in (made, real))
    return {
        "psnr": float((10 * torch.log10(255**2 / error)).mean()),
        "features": float((ours - theirs).square().sum(1).mean()),
        "kid": measure(real, made, network, split="held-out")["kid"].value,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--budget", type=float, default=60.0, help="minutes")
    parser.add_argument("--width", type=int, default=48)
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--edges", type=float, default=0.5)
    arguments = parser.parse_args()
    large, small = utkface(), celeba(FACES_HELD_OUT, size=88)
    torch.manual_seed(0)
    network = SRGAN(SRGANConfig(2, arguments.width, arguments.blocks, batch_norm=False))
    steps = train([large.train, small.train], network, 60 * arguments.budget, arguments.edges)
    save_upscaler(network, arguments.out, half_precision=True)
    upscaler, figures = Upscaler.load(arguments.out), {"steps": steps}
    for name, real in (("utkface 64 to 128", large.held_out), ("celeba 44 to 88", small.held_out)):
        figures[name] = {
            "ours": judge(upscaler(smaller(real)), real),
            "bicubic": judge(bicubic(smaller(real)), real),
        }
    print(json.dumps(figures, indent=2))
    (arguments.out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
