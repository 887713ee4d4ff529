"""Networks go to other processes, also those that torch cannot pickle by itself."""

import copy
import pickle

import pytest
import torch

from gan_augment import Card, Discriminator, DiscriminatorConfig, Generator, GeneratorConfig


@pytest.mark.parametrize("spectral_norm", [False, True])
def test_a_generator_comes_back_as_it_was(spectral_norm):
    config = GeneratorConfig(16, channels=1, width=8, latent_dim=8, num_classes=3, spectral_norm=spectral_norm)
    generator = Generator(config).eval().requires_grad_(False)
    generator.card = Card("mine")
    again = pickle.loads(pickle.dumps(generator))
    assert torch.equal(again.sample(4, seed=0), generator.sample(4, seed=0))
    assert again.card.name == "mine"
    assert not again.training
    assert not any(parameter.requires_grad for parameter in again.parameters())


@pytest.mark.parametrize("spectral_norm", [False, True])
def test_a_discriminator_comes_back_and_can_be_trained_on(spectral_norm):
    config = DiscriminatorConfig(16, channels=1, width=8, normalization="none", spectral_norm=spectral_norm)
    discriminator = Discriminator(config)
    again = pickle.loads(pickle.dumps(discriminator))
    images = torch.randn(4, 1, 16, 16)
    assert torch.equal(again.eval()(images), discriminator.eval()(images))
    again.train()(images).sum().backward()
    assert all(parameter.grad is not None for parameter in again.parameters())


def test_copies_share_nothing():
    generator = Generator(GeneratorConfig(16, channels=1, width=8, latent_dim=8, spectral_norm=True)).eval()
    twin = copy.deepcopy(generator)
    before = generator.sample(2, seed=0)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert torch.equal(generator.sample(2, seed=0), before)
    assert not torch.equal(twin.sample(2, seed=0), before)
