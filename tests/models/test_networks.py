import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gan_augment import Discriminator, DiscriminatorConfig, Generator, GeneratorConfig

SIZES = (16, 28, 32, 64, 128, 256)


def classes_of(n, num_classes):
    return torch.arange(n) % num_classes if num_classes else None


@pytest.mark.parametrize("num_classes", [0, 3])
@pytest.mark.parametrize(
    ("image_size", "kernel_size", "upsampling"),
    [
        (size, kernel, upsampling)
        for size, kernel, upsampling in itertools.product(SIZES, (3, 4, 5, 6, 7), ("transposed", "resize"))
        if upsampling == "transposed" or kernel % 2
    ],
)
def test_every_generator_gives_its_size(image_size, kernel_size, upsampling, num_classes):
    for channels in (1, 3):
        config = GeneratorConfig(
            image_size=image_size,
            channels=channels,
            latent_dim=5,
            width=2,
            max_width=4,
            kernel_size=kernel_size,
            upsampling=upsampling,
            num_classes=num_classes,
        )
        images = Generator(config)(torch.randn(2, 5), classes_of(2, num_classes))
        assert images.shape == (2, channels, image_size, image_size)
        assert float(images.detach().abs().max()) <= 1


@pytest.mark.parametrize("num_classes", [0, 3])
@pytest.mark.parametrize(("image_size", "kernel_size"), list(itertools.product(SIZES, (3, 4, 5, 6, 7))))
def test_every_discriminator_gives_one_logit_an_image(image_size, kernel_size, num_classes):
    for channels in (1, 3):
        config = DiscriminatorConfig(
            image_size=image_size,
            channels=channels,
            width=2,
            max_width=4,
            kernel_size=kernel_size,
            num_classes=num_classes,
        )
        images = torch.zeros(2, channels, image_size, image_size)
        assert Discriminator(config)(images, classes_of(2, num_classes)).shape == (2,)


@settings(max_examples=30, deadline=None)
@given(
    st.data(),
    st.sampled_from((16, 28, 32, 64)),
    st.sampled_from(("batch", "instance", "none")),
    st.booleans(),
    st.sampled_from((0, 3)),
)
def test_every_choice_of_blocks_builds_and_runs(data, size, normalization, spectral_norm, num_classes):
    sides = [size // 2**level for level in range(1, 6) if size // 2**level >= 4]
    attention = data.draw(st.sampled_from((0, *sides)))
    shared = {
        "image_size": size,
        "channels": 1,
        "width": 2,
        "num_classes": num_classes,
        "spectral_norm": spectral_norm,
        "attention_resolution": attention,
    }
    norm = "batch" if num_classes and normalization == "none" else normalization
    images = Generator(GeneratorConfig(**shared, normalization=norm))(torch.randn(2, 100), classes_of(2, num_classes))
    logits = Discriminator(DiscriminatorConfig(**shared, normalization=normalization))(
        images, classes_of(2, num_classes)
    )
    assert images.shape == (2, 1, size, size)
    assert logits.shape == (2,)
    assert bool(torch.isfinite(logits).all())


def pytorch_examples_generator(nz=100, ngf=64, nc=3):
    layers = []
    widths = (nz, ngf * 8, ngf * 4, ngf * 2, ngf)
    for level, (before, after) in enumerate(itertools.pairwise(widths)):
        layers += [nn.ConvTranspose2d(before, after, 4, 2 if level else 1, 1 if level else 0, bias=False)]
        layers += [nn.BatchNorm2d(after), nn.ReLU(True)]
    return nn.Sequential(*layers, nn.ConvTranspose2d(ngf, nc, 4, 2, 1, bias=False), nn.Tanh())


def pytorch_examples_discriminator(ndf=64, nc=3):
    layers = [nn.Conv2d(nc, ndf, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    for level in range(3):
        layers += [nn.Conv2d(ndf * 2**level, ndf * 2 ** (level + 1), 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(ndf * 2 ** (level + 1)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(ndf * 8, 1, 4, 1, 0, bias=False))


PAIRS = pytest.mark.parametrize(
    ("ours", "theirs", "count"),
    [
        (Generator, pytorch_examples_generator, 3_576_704),
        (Discriminator, pytorch_examples_discriminator, 2_765_568),
    ],
)


@PAIRS
def test_the_plain_network_has_the_parameters_of_pytorch_examples(ours, theirs, count):
    network = ours()
    assert sum(parameter.numel() for parameter in network.parameters()) == count
    assert [p.shape for p in network.parameters()] == [p.shape for p in theirs().parameters()]


@PAIRS
def test_weights_of_pytorch_examples_give_the_same_outputs(ours, theirs, count):
    torch.manual_seed(1)
    source, network = theirs(), ours()
    inputs = torch.randn(4, 100, 1, 1) if ours is Generator else torch.randn(4, 3, 64, 64)
    inputs = inputs * torch.tensor([0.1, 1.0, 3.0, 10.0])[:, None, None, None]
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.normal_(0, 0.05)
        source.train()(inputs)  # so that the running statistics are some
    weights = dict(zip(network.state_dict(), source.state_dict().values(), strict=True))
    network.load_state_dict(weights)
    with torch.no_grad():
        expected = source.eval()(inputs)
        actual = network.eval()(inputs.flatten(1) if ours is Generator else inputs)
    torch.testing.assert_close(actual, expected.flatten() if ours is Discriminator else expected)
    assert float(expected.std()) > 1e-3


def largest_singular_value(conv):
    weight = conv.weight.transpose(0, 1) if isinstance(conv, nn.ConvTranspose2d) else conv.weight
    return float(torch.linalg.matrix_norm(weight.flatten(1).float(), ord=2))


@pytest.mark.parametrize(
    "network",
    [
        lambda: Generator(GeneratorConfig(image_size=16, width=8, spectral_norm=True, attention_resolution=8)),
        lambda: Discriminator(
            DiscriminatorConfig(image_size=16, width=8, num_classes=5, spectral_norm=True, attention_resolution=8)
        ),
    ],
    ids=["generator", "discriminator"],
)
def test_spectral_norm_bounds_every_layer(network):
    torch.manual_seed(0)
    network = network()
    layers = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d, nn.Embedding))]
    with torch.no_grad():
        for layer in layers:
            layer.parametrizations.weight.original.mul_(100)
            for _ in range(100):
                _ = layer.weight  # a step of the power iteration, as in training
        network.eval()
        values = [largest_singular_value(layer) for layer in layers]
    assert len(values) >= 7
    assert values == pytest.approx([1.0] * len(values), abs=0.02)


def test_self_attention_starts_as_the_identity_and_can_leave_it():
    torch.manual_seed(0)
    network = Generator(GeneratorConfig(image_size=16, width=8, attention_resolution=8)).eval()
    (attention,) = [m for m in network.modules() if type(m).__name__ == "SelfAttention2d"]
    features, latents = torch.randn(2, 8, 8, 8), torch.randn(2, 100)
    before = network(latents)
    assert torch.equal(attention(features), features)
    with torch.no_grad():
        attention.gain.fill_(10.0)
    assert not torch.equal(attention(features), features)
    assert not torch.equal(network(latents), before)


def test_the_class_changes_the_image():
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(image_size=16, width=4, num_classes=3)).eval()
    with torch.no_grad():
        images = generator(torch.randn(1, 100).expand(3, -1), torch.arange(3))
    assert not torch.equal(images[0], images[1])
    assert not torch.equal(images[1], images[2])


def test_the_class_changes_the_logit():
    torch.manual_seed(0)
    discriminator = Discriminator(DiscriminatorConfig(image_size=16, width=4, num_classes=3)).eval()
    with torch.no_grad():
        logits = discriminator(torch.randn(1, 3, 16, 16).expand(3, -1, -1, -1), torch.arange(3))
    assert len(set(logits.tolist())) == 3


@pytest.mark.parametrize("normalization", ["batch", "instance", "none"])
@pytest.mark.parametrize("spectral_norm", [False, True])
@pytest.mark.parametrize("num_classes", [0, 3])
def test_the_gradient_reaches_every_parameter_of_both(normalization, spectral_norm, num_classes):
    if num_classes and normalization == "none":
        normalization = "batch"
    torch.manual_seed(0)
    shared = {"image_size": 16, "width": 8, "num_classes": num_classes, "spectral_norm": spectral_norm}
    shared |= {"normalization": normalization, "attention_resolution": 8}
    generator, discriminator = Generator(GeneratorConfig(**shared)), Discriminator(DiscriminatorConfig(**shared))
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            if name.endswith("gain"):  # it starts at 0, behind which nothing is reached
                nn.init.ones_(parameter)
            elif parameter.ndim > 1 and not spectral_norm:
                nn.init.normal_(parameter, 0, 0.2)
    generator, discriminator = generator.double(), discriminator.double()  # in which rounding is no gradient
    labels = classes_of(8, num_classes)
    images = generator(torch.randn(8, 100, dtype=torch.float64), labels)
    torch.nn.functional.softplus(discriminator(images, labels)).sum().backward()
    for network in (generator, discriminator):
        dead = [n for n, p in network.named_parameters() if p.grad is None or float(p.grad.abs().max()) < 1e-12]
        assert dead == []
