"""Draws faces at 64 px, and enlarges them to 256 px twice over: by bicubic interpolation, and by the zoo's upscaler.

    python -m tools.enlarge docs/images/enlarged.jpg

The first row is the samples as they are, each pixel as a square.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F
from torchvision.utils import make_grid

from gan_augment import UpscaledSource, from_pretrained


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--generator", default="dcgan-celeba-64")
    parser.add_argument("--upscaler", default="srgan-faces-2x")
    parser.add_argument("--n", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    source = from_pretrained(arguments.generator)
    small = source.sample(arguments.n, seed=arguments.seed)
    twice = UpscaledSource(UpscaledSource(source, arguments.upscaler), arguments.upscaler)
    large = twice.sample(arguments.n, seed=arguments.seed)
    size = list(large.shape[2:])
    rows = [
        F.resize(small, size, interpolation=InterpolationMode.NEAREST),
        F.resize(small, size, interpolation=InterpolationMode.BICUBIC, antialias=True),
        large,
    ]
    grid = make_grid(torch.cat(rows), nrow=arguments.n, padding=4, pad_value=255)
    F.to_pil_image(grid).save(arguments.out, quality=90)
    print(f"{arguments.out}: {arguments.n} samples of {arguments.generator}; pixels, bicubic, {arguments.upscaler}")


if __name__ == "__main__":
    main()
