"""Data whose answer is known: gratings of three directions, hard to tell from few."""

import math

import pytest
import torch
from torch.utils.data import TensorDataset

CLASSES, SIDE = 3, 16
PLAIN = {"classifier": "small-cnn", "lr": 2e-3, "controls": "repeated"}  # one classifier, not tuned, one control


def gratings(n, seed, noise=0.15, spread=0.35):
    """Images ``(n, 1, 16, 16)`` and labels: stripes of about a class's direction, any phase and width, in noise."""
    rng = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % CLASSES
    angle = (labels + spread * torch.randn(n, generator=rng)) * math.pi / CLASSES
    width, phase = (torch.rand(2, n, generator=rng) * torch.tensor([[1.0], [math.tau]])) + torch.tensor([[0.8], [0.0]])
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    along = torch.cos(angle)[:, None, None] * x + torch.sin(angle)[:, None, None] * y
    values = 0.5 + 0.3 * torch.sin(along * width[:, None, None] + phase[:, None, None])
    values += noise * torch.randn(n, SIDE, SIDE, generator=rng)
    return values.clamp(0, 1).mul(255).byte()[:, None], labels


@pytest.fixture(scope="session")
def few():
    """45 images to train on and to choose by."""
    return TensorDataset(*gratings(45, 0))


@pytest.fixture(scope="session")
def test_images():
    """600 others."""
    return TensorDataset(*gratings(600, 1))
