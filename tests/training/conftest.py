import pytest
import torch

TINY = {
    "image_size": 16,
    "latent_dim": 8,
    "generator_width": 4,
    "discriminator_width": 4,
    "batch_size": 8,
    "steps": 6,
}


@pytest.fixture
def tiny_recipe():
    """Overrides that make any recipe train in a second."""
    return dict(TINY)


@pytest.fixture(scope="session")
def labelled():
    """Twenty grey images of three classes, of 14 x 12 pixels."""
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (20, 1, 14, 12), generator=rng, dtype=torch.uint8)
    return [(image, index % 3) for index, image in enumerate(images)]
