"""The transposed convolutions that sample with fewer multiplications."""

import copy
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gan_augment import Generator, GeneratorConfig
from gan_augment.models._transposed import ConvTranspose2d, _has_onednn

SHAPES = [(256, 128, 4), (256, 128, 8), (64, 3, 7), (64, 1, 16), (100, 512, 1)]


def layer(before, after, side, bias=True):
    return ConvTranspose2d(before, after, 4, *((2, 1) if side > 1 else (1, 0)), bias=bias)


def both(conv, x):
    """Outputs in inference mode, and by torch's own convolution."""
    assert conv._is_fast(x) == _has_onednn()
    with torch.inference_mode():
        return conv(x), nn.ConvTranspose2d.forward(conv, x)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("before", "after", "side"), SHAPES)
def test_outputs_are_those_of_torch(before, after, side, bias):
    torch.manual_seed(0)
    conv = layer(before, after, side, bias)
    fast, expected = both(conv, torch.randn(3, before, side, side))
    torch.testing.assert_close(fast, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        lambda conv: nn.init.normal_(conv.weight),
        lambda conv: conv.weight.data.mul_(2),
        lambda conv: setattr(conv, "weight", nn.Parameter(torch.randn_like(conv.weight))),
        lambda conv: conv.load_state_dict({"weight": torch.randn_like(conv.weight)}, assign=True),
        lambda conv: torch.optim.SGD([conv.weight], 0.1).step(lambda: conv.weight.square().sum().backward()),
        lambda conv: conv.double().float(),
    ],
    ids=["init", "data", "parameter", "load", "step", "type"],
)
def test_a_change_of_the_weights_is_noticed(change):
    torch.manual_seed(0)
    conv, x = layer(256, 128, 4, bias=False), torch.randn(2, 256, 4, 4)
    before, _ = both(conv, x)
    change(conv)
    after, expected = both(conv, x)
    torch.testing.assert_close(after, expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(before, after) == torch.equal(both(layer_like(conv), x)[0], before)


@pytest.mark.parametrize(("before", "after"), [(256, 128), (512, 256), (64, 3)])
@pytest.mark.parametrize("channels_last", [True, False])
def test_a_pruned_channel_is_noticed(before, after, channels_last):
    torch.manual_seed(0)
    conv, x = layer(before, after, 4), torch.randn(2, before, 4, 4)
    conv = conv.to(memory_format=torch.channels_last) if channels_last else conv
    both(conv, x)
    conv.weight.data[:, 1] = 0
    fast, expected = both(conv, x)
    torch.testing.assert_close(fast, expected, rtol=1e-4, atol=1e-4)


def test_an_empty_batch_and_a_trace_work_in_inference_mode(dcgan):
    with torch.inference_mode():
        labels = torch.zeros(0, dtype=torch.int64)
        assert dcgan(torch.empty(0, 100), labels).shape == (0, 3, 32, 32)
        latents, labels = torch.randn(2, 100), torch.tensor([0, 1])
        traced = torch.jit.trace(dcgan.eval(), (latents, labels), check_trace=False)
        torch.testing.assert_close(traced(latents, labels), dcgan(latents, labels), rtol=1e-4, atol=1e-4)


def test_a_hook_sees_the_output_of_a_norm(dcgan):
    seen = []
    with torch.no_grad():
        handle = dcgan.blocks[0].norm.register_forward_hook(lambda module, given, out: seen.append(out))
        dcgan(torch.randn(4, 100), torch.tensor([0, 1, 2, 0]))
        handle.remove()
    assert float(seen[0].min()) < 0


def layer_like(conv):
    """A new layer with the same weight."""
    new = layer(conv.in_channels, conv.out_channels, 4, bias=False)
    new.load_state_dict(conv.state_dict())
    return new


def test_weights_of_inference_mode_are_prepared_each_time():
    with torch.inference_mode():
        conv, x = layer(256, 128, 4), torch.randn(2, 256, 4, 4)
        both(conv, x)
        conv.weight.mul_(2)
        fast, expected = both(conv, x)
    torch.testing.assert_close(fast, expected, rtol=1e-4, atol=1e-4)


def test_copies_and_pickles_leave_the_prepared_weights_out():
    conv = layer(256, 128, 4)
    size = len(pickle.dumps(conv))
    both(conv, torch.randn(1, 256, 4, 4))
    assert len(pickle.dumps(conv)) == size
    twin = copy.deepcopy(conv)
    with torch.no_grad():
        twin.weight.mul_(2)
    fast, expected = both(twin, torch.ones(1, 256, 4, 4))
    torch.testing.assert_close(fast, expected, rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def dcgan():
    torch.manual_seed(0)
    return Generator(GeneratorConfig(image_size=32, num_classes=3))


NETWORKS = {
    "resize": GeneratorConfig(image_size=32, upsampling="resize", kernel_size=3),
    "attention": GeneratorConfig(image_size=32, attention_resolution=16),
    "mapping": GeneratorConfig(image_size=32, mapping_layers=2),
    "spectral": GeneratorConfig(image_size=32, spectral_norm=True),
    "narrow": GeneratorConfig(image_size=32, width=8),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_images_of_other_networks_do_not_depend_on_their_number(name):
    torch.manual_seed(0)
    generator = Generator(NETWORKS[name])
    for seed in range(4):
        expected = generator.sample(16, seed=seed)
        for n in (1, 2, 3, 4, 5, 8, 9):
            assert torch.equal(generator.sample(n, seed=seed), expected[:n])


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 20), threads=st.integers(1, 2))
def test_images_do_not_depend_on_their_number_or_on_the_threads(dcgan, n, threads):
    expected, before = dcgan.sample(20, seed=3), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert torch.equal(dcgan.sample(n, seed=3), expected[:n])
    finally:
        torch.set_num_threads(before)
