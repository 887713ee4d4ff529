"""DCGAN, then SRGAN: faces of 64 px, enlarged to 128 px.

    pip install "gan-augment[faces]"    # for non-commercial use only
    python examples/enlarge_faces.py faces.png

An upscaled source is a source like any other: mix it in, or generate a pool from it.
"""

import argparse

from torchvision.io import write_png
from torchvision.utils import make_grid

from gan_augment import UpscaledSource, from_pretrained


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", help="PNG file to write")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    try:
        generator = from_pretrained("dcgan-celeba-64")
    except ModuleNotFoundError as missing:
        parser.error(str(missing))  # says what to install
    small = generator.sample(8, seed=options.seed)
    large = UpscaledSource(generator, "srgan-faces-2x").sample(8, seed=options.seed)
    pixels = small.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)  # the same size, for comparison
    write_png(make_grid([*pixels, *large], nrow=8), options.out)
    print(f"{tuple(small.shape)} and {tuple(large.shape)} in {options.out}")


if __name__ == "__main__":
    main()
