"""Configurations whose forward pass costs much are refused before anything is built."""

import time

import pytest
import torch

from gan_augment import Discriminator, DiscriminatorConfig, Generator, GeneratorConfig, from_pretrained, list_pretrained
from gan_augment.models import SRGAN, LayeredConfig, LayeredGenerator, SRGANConfig
from gan_augment.models._cost import discriminator_cost, generator_cost, srgan_cost

TANH = {"kind": "activation", "function": "tanh"}


def conv(before, after, kernel, padding):
    return {
        "kind": "conv", "in_channels": before, "out_channels": after, "kernel_size": kernel,
        "stride": 1, "padding": padding, "bias": False,
    }  # fmt: skip


def layered(*layers, side=1024):
    """A config of layers between one that makes 4 maps of a side and one that makes an image."""
    first = {**conv(1, 4, 1, 0), "kind": "conv_transpose", "output_padding": 0}
    doublings = [{"kind": "upsample", "factor": 2, "mode": "nearest"}] * (side.bit_length() - 1)
    return LayeredConfig(side, 1, 1, layers=(first, *doublings, *layers, conv(4, 1, 1, 0), TANH))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: GeneratorConfig(image_size=256, width=512, max_width=4096, kernel_size=7), "operations"),
        (lambda: GeneratorConfig(image_size=256, upsampling="resize", width=512, kernel_size=5), "operations"),
        (lambda: GeneratorConfig(image_size=256, attention_resolution=128), "values in a layer"),
        (lambda: GeneratorConfig(image_size=16, latent_dim=4096, mapping_layers=16), "weights"),
        (lambda: GeneratorConfig(image_size=256, base_size=128, latent_dim=4096), "weights"),
        (lambda: GeneratorConfig(image_size=64, base_size=32, normalize_units=True, num_classes=10_000), "weights"),
        (lambda: DiscriminatorConfig(image_size=256, width=512, max_width=4096, kernel_size=7), "operations"),
        (lambda: DiscriminatorConfig(image_size=256, attention_resolution=128), "values in a layer"),
        (lambda: SRGANConfig(scale=8, width=512, blocks=64), "operations"),
        (lambda: SRGANConfig(scale=8, width=256, blocks=1), "operations|values in a layer"),
        (lambda: layered(*[conv(4, 4, 1, 0)] * 100), "operations"),
        (lambda: layered(*[{"kind": "activation", "function": "gelu"}] * 100), "operations"),
        (lambda: layered(conv(4, 16, 1, 0), conv(16, 4, 1, 0)), "values in a layer"),
        (lambda: layered(*[conv(4, 4, 31, 15)] * 3), "operations"),
    ],
)
def test_what_costs_too_much_is_refused_at_once(make, words):
    start = time.perf_counter()
    with pytest.raises(ValueError, match=rf"must take at most [\d,]+ ({words}) for an image, but takes .*; \w+ .*\w\."):
        make()
    assert time.perf_counter() - start < 0.5


def test_wide_networks_of_large_images_are_within_the_limits():
    for options in (
        {"width": 64},
        {"width": 128},
        {"width": 128, "max_width": 2048, "kernel_size": 5},
        {"attention_resolution": 64},
    ):
        GeneratorConfig(image_size=256, **options)
        DiscriminatorConfig(image_size=256, **options)
    GeneratorConfig(image_size=256, width=128, upsampling="resize", kernel_size=3)
    for scale in (2, 4, 8):
        SRGANConfig(scale=scale)
    SRGANConfig(scale=4, blocks=16)
    layered(conv(4, 8, 3, 1), conv(8, 4, 3, 1))


def count(network):
    return sum(tensor.numel() for name, tensor in network.state_dict().items())


def test_the_weights_are_those_of_the_network():
    for name in list_pretrained(installed=True):
        generator = from_pretrained(name)
        assert generator_cost(generator.config).weights == pytest.approx(count(generator), rel=0.01)
    odd = {"image_size": 28, "stem_width": 64, "kernel_size": 5, "normalize_units": True, "width": 16}
    with torch.device("meta"):
        for config in (GeneratorConfig(**odd), GeneratorConfig(mapping_layers=4, latent_dim=512, num_classes=100)):
            assert generator_cost(config).weights == pytest.approx(count(Generator(config)), rel=0.03)
        config = DiscriminatorConfig(num_classes=1000, attention_resolution=32)
        assert discriminator_cost(config).weights == pytest.approx(count(Discriminator(config)), rel=0.03)
        config = SRGANConfig(scale=4)
        assert srgan_cost(config, 16).weights == pytest.approx(count(SRGAN(config)), rel=0.03)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda: LayeredGenerator(layered(*[conv(4, 4, 1, 0)] * 10)),
        lambda: LayeredGenerator(layered(*[conv(4, 4, 15, 7)] * 3)),
        lambda: Generator(GeneratorConfig(image_size=256, width=128)),
    ],
)
def test_the_costliest_networks_sample_an_image_in_bearable_time(make):
    network = make()
    start = time.perf_counter()
    network.sample(1, seed=0)
    assert time.perf_counter() - start < 60
