"""Fine-tune a generator on your own folder of images, look at its samples, and mix them in.

    python examples/finetune_on_a_folder.py photos/ --init dcgan-mnist-32 --budget 10m --out runs/photos

The folder holds one folder for each class. Choose a generator of similar images as ``--init``, or leave it out. A run
that was stopped goes on if you give the same ``--out`` again.
"""

import argparse
from pathlib import Path

from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from gan_augment import GANAugmentedDataset, fit, resume


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", help="folder of images, with one folder for each class")
    parser.add_argument("--init", help="generator to start from (default: none)")
    parser.add_argument("--size", type=int, default=64, help="side of the images in pixels (default: 64)")
    parser.add_argument("--budget", default="10m", help="time to train, such as 90s, 10m or 2h (default: 10m)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    options = parser.parse_args()
    if (options.out / "config.json").exists():
        result = resume(options.out)
    else:
        size = {} if options.init else {"image_size": options.size}
        settings = {"init": options.init, "budget": options.budget, "out": options.out, **size}
        result = fit(options.photos, "tiny-conditional-light", **settings)
    print("\n".join(result.findings))
    print(f"Look at the samples in {options.out / 'samples'} before you mix them.")

    # Cut out the middle square first, like `fit`; synthetic images then take the kind of the real ones.
    square = v2.Compose([v2.Resize(options.size), v2.CenterCrop(options.size), v2.PILToTensor()])
    data = ImageFolder(options.photos, square)
    mixed = GANAugmentedDataset(data, options.out / "generator", ratio=0.25)
    images, labels = next(iter(DataLoader(mixed, batch_size=8, shuffle=True)))
    print(f"{sum(mixed.is_synthetic(place) for place in range(len(mixed)))} of {len(mixed)} items are synthetic")
    print(f"a batch: {tuple(images.shape)}, {images.dtype}, classes {labels.tolist()}")


if __name__ == "__main__":
    main()
