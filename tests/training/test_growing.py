import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from gan_augment.models import Discriminator, DiscriminatorConfig, Generator, GeneratorConfig
from gan_augment.training._growing import GrowingDiscriminator, GrowingGenerator

VARIANTS = {
    "plain": ({}, {}),
    "28 px": ({"image_size": 28}, {}),
    "resize": ({"kernel_size": 5}, {"upsampling": "resize"}),
    "stem": ({"kernel_size": 5}, {"stem_width": 6, "normalize_units": True}),
    "mapping": ({}, {"mapping_layers": 2}),
    "base of 8": ({"base_size": 8, "kernel_size": 5}, {"negative_slope": 0.3}),
    "attention": ({"attention_resolution": 16, "spectral_norm": True}, {}),
    "instance": ({"normalization": "instance", "num_classes": 3}, {}),
    "torch": ({"initialization": "torch", "num_classes": 3, "spectral_norm": True}, {}),
}
KINDS = pytest.mark.parametrize("variant", VARIANTS)


def generator_of(variant):
    torch.manual_seed(0)
    shared, own = VARIANTS[variant]
    network = Generator(GeneratorConfig(**{"image_size": 32, "width": 4, "latent_dim": 8, **shared, **own})).double()
    return GrowingGenerator(amplified(network))


def discriminator_of(variant, **own):
    torch.manual_seed(0)
    shared, _ = VARIANTS[variant]
    network = Discriminator(DiscriminatorConfig(**{"image_size": 32, "width": 4, **shared, **own})).double()
    return GrowingDiscriminator(amplified(network))


@torch.no_grad()
def amplified(network):
    """Weights far from their small beginnings, so that what differs differs much."""
    for parameter in network.parameters():
        if parameter.ndim != 1:
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def labels_of(growing, n):
    config = (growing.generator if isinstance(growing, GrowingGenerator) else growing.discriminator).config
    return torch.arange(n) % config.num_classes if config.num_classes else None


def latents(n=4):
    return torch.randn(n, 8, dtype=torch.float64)


def images_of(size, n=4):
    return torch.rand(n, 3, size, size, dtype=torch.float64) * 2 - 1


@pytest.mark.parametrize(
    ("image_size", "base_size", "sizes"),
    [
        (16, None, (8, 16)),
        (28, None, (14, 28)),
        (28, 14, (28,)),
        (64, None, (8, 16, 32, 64)),
        (64, 2, (8, 16, 32, 64)),
        (64, 8, (16, 32, 64)),
        (64, 16, (32, 64)),
        (256, None, (8, 16, 32, 64, 128, 256)),
    ],
)
def test_sizes_double_up_to_the_full_one(image_size, base_size, sizes):
    shared = {"image_size": image_size, "base_size": base_size, "width": 2}
    assert GrowingGenerator(Generator(GeneratorConfig(**shared))).sizes == sizes
    assert GrowingDiscriminator(Discriminator(DiscriminatorConfig(**shared))).sizes == sizes


@KINDS
@torch.no_grad()
def test_images_of_every_size_are_judged(variant):
    generator, discriminator = generator_of(variant), discriminator_of(variant)
    assert generator.sizes == discriminator.sizes
    labels = labels_of(generator, 4)
    for size in generator.sizes:
        for fade in (1.0,) if size == generator.sizes[0] else (0.0, 0.4, 1.0):
            images = generator(latents(), labels, size=size, fade=fade)
            assert images.shape == (4, 3, size, size)
            assert float(images.abs().max()) <= 1
            logits = discriminator(images, labels, size=size, fade=fade)
            assert logits.shape == (4,)
            assert logits.unique().numel() == 4


@KINDS
@torch.no_grad()
def test_the_full_size_is_the_final_network(variant):
    generator, discriminator = generator_of(variant).eval(), discriminator_of(variant).eval()
    labels, full = labels_of(generator, 4), generator.sizes[-1]
    inputs = latents()
    images = generator(inputs, labels, size=full)
    assert torch.equal(images, generator.generator(inputs, labels))
    assert torch.equal(discriminator(images, labels, size=full), discriminator.discriminator(images, labels))


@KINDS
@torch.no_grad()
def test_a_size_fades_in_from_exactly_the_smaller_network(variant):
    generator, discriminator = generator_of(variant).eval(), discriminator_of(variant).eval()
    labels, inputs = labels_of(generator, 4), latents()
    for small, size in zip(generator.sizes, generator.sizes[1:]):
        smaller = generator(inputs, labels, size=small)
        doubled = smaller.repeat_interleave(2, 2).repeat_interleave(2, 3)
        assert torch.equal(generator(inputs, labels, size=size, fade=0.0), doubled)
        images = images_of(size)
        pooled = F.avg_pool2d(images, 2)
        faded = discriminator(images, labels, size=size, fade=0.0)
        assert torch.equal(faded, discriminator(pooled, labels, size=small))
        assert not torch.allclose(faded, discriminator(images, labels, size=size))


@torch.no_grad()
def test_images_fade_in_linearly():
    growing, inputs = generator_of("plain").eval(), latents()
    none, part, full = (growing(inputs, size=16, fade=fade) for fade in (0.0, 0.3, 1.0))
    torch.testing.assert_close(part, 0.7 * none + 0.3 * full)
    assert float((full - none).abs().max()) > 0.01


@KINDS
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_the_gradient_reaches_all_that_is_in_use_and_nothing_else(variant, data):
    generator, discriminator = generator_of(variant), discriminator_of(variant)
    size = data.draw(st.sampled_from(generator.sizes))
    fade = 1.0 if size == generator.sizes[0] else data.draw(st.sampled_from((0.5, 1.0)))
    full = size == generator.sizes[-1]
    labels = labels_of(generator, 4)
    images = generator(latents(), labels, size=size, fade=fade)
    F.softplus(discriminator(images, labels, size=size, fade=fade)).sum().backward()
    sides = generator.generator.config.sides
    heads = ({size} if not full else set()) | ({size // 2} if fade < 1 else set())
    depth = sum(side <= size for side in sides)  # resolutions in use
    stem = len(generator.generator.blocks) - len(sides)
    used = {f"generator.blocks.{i}." for i in range(depth + stem)} | {f"heads.{side}." for side in heads}
    used |= {"generator.mapping.", *(["generator.to_image."] if full else [])}
    check_gradients(generator, used)
    blocks = len(discriminator.discriminator.blocks)
    used = {f"discriminator.blocks.{i}." for i in range(blocks - sum(side < size for side in sides), blocks)}
    used |= {f"stems.{side}." for side in heads} | {"discriminator.head.", "discriminator.embedding."}
    check_gradients(discriminator, used)


def check_gradients(network, used):
    for name, parameter in network.named_parameters():
        reached = parameter.grad is not None and (bool(parameter.grad.any()) or parameter.numel() == 1)
        # Behind attention whose gain is 0 nothing is reached; its shape of gradients is the networks' test.
        if "attention." in name and not name.endswith("gain"):
            continue
        assert reached == name.startswith(tuple(used)), name


@KINDS
def test_the_final_network_is_whole_alone(variant):
    growing = generator_of(variant)
    optimizer = torch.optim.SGD(growing.parameters(), 0.1)
    labels = labels_of(growing, 4)
    for size in growing.sizes:
        growing(latents(), labels, size=size).square().sum().backward()
        optimizer.step()
    alone = Generator(growing.generator.config).double()
    alone.load_state_dict(growing.generator.state_dict())
    assert torch.equal(alone.eval().sample(3, seed=0), growing.generator.sample(3, seed=0))
    assert not any(name.startswith("heads") for name in alone.state_dict())


def test_a_growing_network_survives_its_state():
    for network in (generator_of("plain"), discriminator_of("plain")):
        other = copy.deepcopy(network)
        for parameter in other.parameters():
            torch.nn.init.zeros_(parameter)
        other.load_state_dict(network.state_dict())
        inputs = latents() if isinstance(network, GrowingGenerator) else images_of(16)
        with torch.no_grad():
            assert torch.equal(other.eval()(inputs, size=16, fade=0.5), network.eval()(inputs, size=16, fade=0.5))


@torch.no_grad()
def test_the_class_weight_reaches_small_sizes():
    generator, discriminator = generator_of("instance").eval(), discriminator_of("instance").eval()
    generator.generator.blocks[0].norm.scale.weight.copy_(torch.randn(3, 16))
    one, classes = latents(1).expand(3, -1), torch.arange(3)
    for size, fade in ((8, 1.0), (16, 0.5), (32, 1.0)):
        images = generator(one, classes, 0.0, size=size, fade=fade)
        torch.testing.assert_close(images, images[:1].expand_as(images))
        assert float(generator(one, classes, size=size, fade=fade).std(0).max()) > 1e-3
        logits = discriminator(images, classes, 0.0, size=size, fade=fade)
        torch.testing.assert_close(logits, logits[:1].expand_as(logits))
        assert float(discriminator(images, classes, size=size, fade=fade).std()) > 1e-4


@torch.no_grad()
def test_heads_are_built_like_the_network():
    assert {head.weight.dtype for head in generator_of("plain").heads.values()} == {torch.float64}
    generator, discriminator = generator_of("torch"), discriminator_of("torch", minibatch_stddev=2, dropout=0.3)
    for layer in (*generator.heads.values(), *(stem.conv for stem in discriminator.stems.values())):
        for _ in range(100):
            _ = layer.weight  # a step of the power iteration of spectral normalisation
        weight = layer.eval().weight.flatten(1)
        assert float(torch.linalg.matrix_norm(weight, ord=2)) == pytest.approx(1, abs=0.02)
    images, labels = images_of(8), torch.arange(4) % 3
    assert not torch.equal(discriminator(images, labels, size=8), discriminator(images, labels, size=8))  # dropout
    changed = torch.cat([images[:1] + 1, images[1:]])
    discriminator.eval()
    different = discriminator(images, labels, size=8) != discriminator(changed, labels, size=8)
    assert different[:2].all()


@pytest.mark.parametrize(
    ("size", "fade", "message"),
    [
        (4, 1.0, r"size must be one of \(8, 16, 32\), but got 4"),
        (64, 1.0, "size must be one of"),
        (16, -0.1, "fade must be between 0 and 1, but got -0.1"),
        (16, 1.1, "fade must be between 0 and 1"),
        (16, float("nan"), "fade must be between 0 and 1"),
        (8, 0.5, "fade must be 1 at the smallest size, 8, but got 0.5"),
    ],
)
def test_a_stage_that_is_none_is_refused(size, fade, message):
    for network, inputs in ((generator_of("plain"), latents()), (discriminator_of("plain"), images_of(size))):
        with pytest.raises(ValueError, match=message):
            network(inputs, size=size, fade=fade)


def test_images_of_another_size_are_refused():
    with pytest.raises(ValueError, match="images must be of 16 x 16, but got"):
        discriminator_of("plain")(images_of(32), size=16)
