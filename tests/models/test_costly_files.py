"""Tests that small folders with costly networks are refused, and finite weights that overflow."""

import time
import tracemalloc

import pytest
import torch

from gan_augment import Discriminator, DiscriminatorConfig, Generator, GeneratorConfig, from_pretrained
from gan_augment.hub import load_upscaler, save_upscaler
from gan_augment.models import SRGAN, SRGANConfig, load_discriminator, save_pretrained
from gan_augment.synthesis import Upscaler

from .test_files import edit_config, edit_weights


def reconfigure(folder, part, **fields):
    edit_config(folder, lambda config: config[part].update(fields))


@pytest.fixture
def folder(tmp_path):
    generator = Generator(GeneratorConfig(image_size=16, channels=1, width=4, num_classes=3))
    discriminator = Discriminator(DiscriminatorConfig(image_size=16, channels=1, width=4, num_classes=3))
    save_pretrained(generator, tmp_path, discriminator=discriminator)
    return tmp_path


def refused_cheaply(call, words):
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(ValueError, match=words) as caught:
        call()
    seconds, peak = time.perf_counter() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 1
    assert peak < 2**24
    assert "\n" not in str(caught.value)


def test_a_costly_configuration_is_refused_before_anything_is_built(folder):
    reconfigure(folder, "generator", image_size=256, width=512, max_width=4096, kernel_size=7)
    refused_cheaply(lambda: from_pretrained(folder), "config.json is not usable: .* operations for an image")
    reconfigure(folder, "discriminator", image_size=256, width=512, max_width=4096, kernel_size=7)
    refused_cheaply(lambda: load_discriminator(folder), "config.json is not usable: .* operations for an image")


def test_costly_layers_are_refused_before_anything_is_built(folder):
    layer = {
        "kind": "conv",
        "in_channels": 4,
        "out_channels": 4,
        "kernel_size": 3,
        "stride": 1,
        "padding": 1,
        "bias": False,
    }
    double = {"kind": "upsample", "factor": 2, "mode": "bilinear"}
    first = {**layer, "kind": "conv_transpose", "in_channels": 1, "kernel_size": 1, "padding": 0, "output_padding": 0}
    layers = [
        first,
        *[double] * 10,
        *[layer] * 100,
        {**layer, "out_channels": 1},
        {"kind": "activation", "function": "tanh"},
    ]
    generator = {"image_size": 1024, "channels": 1, "latent_dim": 1, "layers": layers}
    edit_config(folder, lambda config: config.update(generator=generator))
    refused_cheaply(lambda: from_pretrained(folder), "config.json is not usable: The layers up to .* operations")


def test_a_costly_upscaler_is_refused_before_anything_is_built(tmp_path):
    save_upscaler(SRGAN(SRGANConfig(width=4, blocks=1)), tmp_path)
    reconfigure(tmp_path, "upscaler", width=512, blocks=64, scale=8)
    refused_cheaply(lambda: load_upscaler(tmp_path), "config.json is not usable: .* operations")


@pytest.mark.parametrize("name", ["blocks.0.conv.weight", "to_image.weight"])
def test_finite_weights_whose_images_are_not_finite_are_refused(folder, name):
    edit_weights(folder, lambda tensors: tensors[name].fill_(3e38), "generator.safetensors")
    with pytest.raises(ValueError, match=r"generator.safetensors is not usable: .*too large\."):
        from_pretrained(folder)


def test_finite_weights_with_one_class_whose_images_are_not_finite_are_refused(folder):
    def change(tensors):
        tensors["blocks.1.norm.scale.weight"][2] = 3e38
        tensors["blocks.1.norm.shift.weight"][2] = 3e38

    edit_weights(folder, change, "generator.safetensors")
    with pytest.raises(ValueError, match=r"generator.safetensors is not usable: .*too large\."):
        from_pretrained(folder)


def test_a_discriminator_whose_logits_are_not_finite_is_refused(folder):
    edit_weights(folder, lambda tensors: tensors["head.weight"].fill_(3e38), "discriminator.safetensors")
    with pytest.raises(ValueError, match=r"discriminator.safetensors is not usable: .*too large\."):
        load_discriminator(folder)


def test_an_upscaler_whose_images_are_not_finite_is_refused(tmp_path):
    save_upscaler(SRGAN(SRGANConfig(width=4, blocks=1)), tmp_path)
    edit_weights(tmp_path, lambda tensors: tensors["last.weight"].fill_(3e38), "upscaler.safetensors")
    with pytest.raises(ValueError, match="too large"):
        Upscaler.load(tmp_path)


def test_large_weights_that_give_images_are_loaded(folder):
    edit_weights(folder, lambda tensors: tensors["to_image.weight"].mul_(1e6), "generator.safetensors")
    assert from_pretrained(folder).sample(3, seed=0).dtype == torch.uint8
