import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gan_augment import Discriminator, DiscriminatorConfig, Generator, GeneratorConfig
from gan_augment.models._blocks import ClassConditionalNorm2d, append_stddev

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
    base = data.draw(st.sampled_from((7, 14) if size == 28 else (2, 4, 8)))
    sides = [side for side in (base * 2**level for level in range(5)) if side < size]
    attention = data.draw(st.sampled_from((0, *sides)))
    kernel = data.draw(st.integers(3, 7))
    shared = {
        "image_size": size,
        "channels": 1,
        "width": 2,
        "num_classes": num_classes,
        "spectral_norm": spectral_norm,
        "attention_resolution": attention,
        "base_size": base,
        "kernel_size": kernel,
        "initialization": data.draw(st.sampled_from(("dcgan", "glorot", "torch"))),
        "negative_slope": data.draw(st.sampled_from((0.0, 0.3))),
    }
    norm = "batch" if num_classes and normalization == "none" else normalization
    generator = GeneratorConfig(
        **shared,
        normalization=norm,
        upsampling=data.draw(st.sampled_from(("transposed", "resize"))) if kernel % 2 else "transposed",
        stem_width=data.draw(st.sampled_from((0, 6))) if kernel % 2 else 0,
        normalize_units=norm == "batch" and data.draw(st.booleans()),
    )
    discriminator = DiscriminatorConfig(
        **shared,
        normalization=normalization,
        normalize_first=normalization != "none" and data.draw(st.booleans()),
        minibatch_stddev=data.draw(st.sampled_from((0, 2, 4))),
        dropout=data.draw(st.sampled_from((0.0, 0.3))),
    )
    images = Generator(generator)(torch.randn(2, 100), classes_of(2, num_classes))
    logits = Discriminator(discriminator)(images, classes_of(2, num_classes))
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


KERAS = {"kernel_size": 5, "negative_slope": 0.3, "initialization": "glorot"}
MNIST = {"image_size": 28, "channels": 1, **KERAS}
CELEBA_128 = {"image_size": 128, "initialization": "torch"}


def parameters_of(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("network", "config", "count"),
    [
        (Generator, GeneratorConfig(**MNIST, stem_width=256, normalize_units=True), 2_305_472),
        (Discriminator, DiscriminatorConfig(**MNIST, normalization="none", dropout=0.3), 212_865),
        (Generator, GeneratorConfig(**KERAS, base_size=8, normalize_units=True), 2_700_352),
        (Discriminator, DiscriminatorConfig(**KERAS, base_size=16, normalization="none", dropout=0.3), 242_561),
        (Generator, GeneratorConfig(latent_dim=128, initialization="torch"), 3_806_080),
        (Discriminator, DiscriminatorConfig(normalize_first=True, initialization="torch"), 2_765_696),
        (Generator, GeneratorConfig(**CELEBA_128, latent_dim=128, width=128, max_width=2048), 48_772_864),
        (Discriminator, DiscriminatorConfig(**CELEBA_128, normalize_first=True), 11_164_544),
    ],
)
def test_published_systems_have_their_parameters(network, config, count):
    with torch.device("meta"):
        assert parameters_of(network(config)) == count


class KerasGenerator(nn.Sequential):
    """A dense layer to ``base`` x ``base`` maps, normalised unit by unit, then transposed convolutions."""

    def __init__(self, latent_dim, base, widths, strides, channels, slope):
        units = widths[0] * base**2
        layers = [nn.Linear(latent_dim, units, bias=False), nn.BatchNorm1d(units), nn.LeakyReLU(slope)]
        layers += [nn.Unflatten(1, (widths[0], base, base))]
        for before, after, stride in zip(widths, (*widths[1:], channels), strides, strict=True):
            conv = nn.ConvTranspose2d(before, after, 5, stride, 2, output_padding=stride - 1, bias=False)
            layers += [conv, nn.BatchNorm2d(after), nn.LeakyReLU(slope)]
        super().__init__(*layers[:-2], nn.Tanh())


@pytest.mark.parametrize(
    ("config", "theirs"),
    [
        (
            {"image_size": 28, "channels": 1, "width": 4, "stem_width": 16},
            lambda: KerasGenerator(10, 7, (16, 8, 4), (1, 2, 2), 1, 0.3),
        ),
        ({"base_size": 8, "width": 4}, lambda: KerasGenerator(10, 8, (16, 8, 4), (2, 2, 2), 3, 0.3)),
    ],
    ids=["tutorial", "celeba"],
)
def test_weights_of_a_keras_generator_give_the_same_images(config, theirs):
    torch.manual_seed(0)
    theirs = theirs().double()
    ours = Generator(GeneratorConfig(**config, **KERAS, latent_dim=10, normalize_units=True)).double()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, 0.1, 0.3)
    with torch.no_grad():
        for mine, source in zip(ours.parameters(), theirs.parameters(), strict=True):
            mine.copy_((source.T if mine.ndim == 4 and source.ndim == 2 else source).reshape(mine.shape))
    latents = torch.randn(6, 10, dtype=torch.float64)
    torch.testing.assert_close(ours(latents), theirs(latents))
    torch.testing.assert_close(ours.eval()(latents), theirs.eval()(latents))


def test_weights_of_a_keras_discriminator_give_the_same_logits():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 5, 2, 2), nn.LeakyReLU(0.3), nn.Conv2d(4, 8, 5, 2, 2), nn.LeakyReLU(0.3)]
    theirs = nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * 16 * 16, 1)).double()
    config = DiscriminatorConfig(**KERAS, base_size=16, width=4, normalization="none", dropout=0.3)
    ours = Discriminator(config).double().eval()
    with torch.no_grad():
        for mine, source in zip(ours.parameters(), theirs.parameters(), strict=True):
            mine.copy_(source.reshape(mine.shape))
    images = torch.randn(3, 3, 64, 64, dtype=torch.float64)
    torch.testing.assert_close(ours(images), theirs(images).flatten())


def test_the_first_layer_of_a_discriminator_is_normalised_where_wanted():
    kinds = [
        [type(block.norm) for block in Discriminator(DiscriminatorConfig(width=2, normalize_first=first)).blocks]
        for first in (False, True)
    ]
    assert kinds == [[nn.Identity, *[nn.BatchNorm2d] * 3], [nn.BatchNorm2d] * 4]


@pytest.mark.parametrize("stem_width", [0, 4])
def test_self_attention_stands_once_and_last_at_its_resolution(stem_width):
    config = GeneratorConfig(image_size=16, width=8, kernel_size=5, stem_width=stem_width, attention_resolution=4)
    kinds = [type(block.attention).__name__ for block in Generator(config).blocks]
    assert kinds == ["Identity"] * (stem_width > 0) + ["SelfAttention2d", "Identity"]


def convolutions(network):
    return [module for module in network.modules() if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d))]


def check_uniform(weight, limit):
    assert 0.98 * limit < float(weight.abs().max()) <= limit
    assert float(weight.mean()) == pytest.approx(0, abs=0.05 * limit)
    assert float(weight.std()) == pytest.approx(limit / math.sqrt(3), rel=0.05)


def test_glorot_limits_are_those_of_keras():
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(**KERAS, base_size=8, width=16))
    discriminator = Discriminator(DiscriminatorConfig(**KERAS, base_size=16, width=16, normalization="none"))
    fans = [
        100 + 64 * 64,
        25 * (64 + 32),
        25 * (32 + 16),
        25 * (16 + 3),
        25 * (3 + 16),
        25 * (16 + 32),
        16 * 16 * 32 + 1,
    ]
    layers = [*convolutions(generator), *convolutions(discriminator)]
    for layer, fan in zip(layers, fans, strict=True):
        check_uniform(layer.weight.detach(), math.sqrt(6 / fan))
        assert layer.bias is None or not bool(layer.bias.any())
    assert all(bool((block.norm.weight == 1).all()) for block in generator.blocks)


def test_dcgan_starts_from_narrow_normal_distributions():
    torch.manual_seed(0)
    for network in (Generator(), Discriminator()):
        for layer in convolutions(network):
            weight = layer.weight.detach()
            assert float(weight.std()) == pytest.approx(0.02, rel=0.05)
            assert float(weight.abs().max()) > 0.05  # which no uniform distribution of that deviation reaches
        scales = torch.cat(
            [module.weight.detach() for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
        )
        assert (float(scales.mean()), float(scales.std())) == pytest.approx((1, 0.02), abs=0.003)


def test_torch_initialisation_is_left_alone():
    torch.manual_seed(0)
    shared = {"width": 32, "initialization": "torch", "normalization": "instance"}
    for network in (Generator(GeneratorConfig(**shared)), Discriminator(DiscriminatorConfig(**shared))):
        for layer in convolutions(network):
            check_uniform(layer.weight.detach(), layer.weight[0].numel() ** -0.5)
        assert any(layer.bias is not None and bool(layer.bias.any()) for layer in convolutions(network))
        norms = [module for module in network.modules() if isinstance(module, nn.InstanceNorm2d)]
        assert all(bool((norm.weight == 1).all()) for norm in norms)
        assert norms


@torch.no_grad()
@pytest.mark.parametrize("initialization", ["dcgan", "glorot", "torch"])
def test_class_scales_start_near_one_and_shifts_at_zero(initialization):
    generator = Generator(GeneratorConfig(image_size=16, num_classes=5, initialization=initialization))
    for block in generator.blocks:
        spread = 0.02 if initialization == "dcgan" else 0.0
        assert float(block.norm.scale.weight.mean()) == pytest.approx(1, abs=0.005)
        assert float(block.norm.scale.weight.std()) == pytest.approx(spread, rel=0.1)
        assert not bool(block.norm.shift.weight.any())


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 13), group=st.integers(2, 6), seed=st.integers(0, 99))
def test_minibatch_stddev_is_its_closed_form(n, group, seed):
    features = torch.randn(n, 3, 2, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    size = next(divisor for divisor in range(group, 0, -1) if n % divisor == 0)
    expected = []
    for start in range(0, n, size):
        group_features = features[start : start + size].numpy()
        expected += [((group_features.var(axis=0) + 1e-8) ** 0.5).mean()] * size
    result = append_stddev(features, group)
    assert torch.equal(result[:, :3], features)
    torch.testing.assert_close(result[:, 3], torch.tensor(expected)[:, None, None].expand(n, 2, 2))


def test_minibatch_stddev_joins_the_images_of_a_group_and_no_others():
    torch.manual_seed(0)
    config = DiscriminatorConfig(
        image_size=16, width=4, normalization="none", minibatch_stddev=2, initialization="torch"
    )
    network = Discriminator(config).double()
    images = torch.randn(6, 3, 16, 16, dtype=torch.float64)
    changed = images.clone()
    changed[2] += 1
    different = network(images) != network(changed)
    assert different.tolist() == [False, False, True, True, False, False]


def test_minibatch_stddev_survives_bfloat16_and_equal_images():
    features = torch.full((4, 2, 4, 4), 3.0, dtype=torch.bfloat16, requires_grad=True)
    result = append_stddev(features, 4)
    result.float().sum().backward()
    assert result.dtype == torch.bfloat16
    assert float(result[:, 2].detach().float().max()) == pytest.approx(1e-4, rel=0.01)
    assert bool(torch.isfinite(features.grad).all())


def test_class_conditional_norms_keep_the_type_of_their_features():
    config = GeneratorConfig(image_size=16, num_classes=3)
    norm, labels = ClassConditionalNorm2d(8, config), torch.tensor([0, 1, 2, 0])
    features = torch.randn(4, 8, 4, 4, generator=torch.Generator().manual_seed(0))
    exact = norm(features, labels)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = norm(features.bfloat16(), labels)
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), exact, atol=0.05, rtol=0.02)


def test_dropout_is_there_in_training_alone():
    torch.manual_seed(0)
    shared = {"image_size": 16, "width": 4, "normalization": "none"}
    plain, dropping = (Discriminator(DiscriminatorConfig(**shared, dropout=dropout)) for dropout in (0.0, 0.5))
    dropping.load_state_dict(plain.state_dict())
    images = torch.randn(4, 3, 16, 16)
    assert torch.equal(plain(images), plain(images))
    assert not torch.equal(dropping(images), dropping(images))
    assert torch.equal(dropping.eval()(images), plain(images))


def test_dropout_drops_its_share_and_scales_the_rest():
    torch.manual_seed(0)
    config = DiscriminatorConfig(image_size=16, channels=1, normalization="none", dropout=0.3)
    block = Discriminator(config).blocks[0]
    images = torch.randn(8, 1, 16, 16)
    dropped, kept = block(images), block.eval()(images)
    assert float((dropped == 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    torch.testing.assert_close(dropped[dropped != 0], kept[dropped != 0] / 0.7)


def conditional(normalization="batch", spectral_norm=False):
    """Both networks, with classes that differ much."""
    torch.manual_seed(0)
    shared = {"image_size": 16, "width": 4, "num_classes": 3, "normalization": normalization}
    shared |= {"spectral_norm": spectral_norm, "initialization": "torch"}
    generator, discriminator = Generator(GeneratorConfig(**shared)), Discriminator(DiscriminatorConfig(**shared))
    for block in generator.blocks:
        nn.init.normal_(block.norm.scale.weight)
        nn.init.normal_(block.norm.shift.weight)
    return generator.double().eval(), discriminator.double().eval()


CONDITIONAL = pytest.mark.parametrize(
    ("normalization", "spectral_norm"), [("batch", False), ("instance", False), ("instance", True)]
)


@torch.no_grad()
@CONDITIONAL
def test_at_class_weight_zero_the_class_changes_nothing(normalization, spectral_norm):
    generator, discriminator = conditional(normalization, spectral_norm)
    latents = torch.randn(1, 100, dtype=torch.float64).expand(3, -1)
    classes = torch.arange(3)
    images = generator(latents, classes, class_weight=0.0)
    torch.testing.assert_close(images, images[:1].expand_as(images))
    logits = discriminator(images, classes, class_weight=0.0)
    torch.testing.assert_close(logits, logits[:1].expand_as(logits))
    torch.testing.assert_close(logits, discriminator.head(trunk(discriminator, images)).flatten())
    assert float(generator(latents, classes).std(dim=0).max()) > 0.01
    assert float(discriminator(images, classes).std()) > 1e-4


def trunk(discriminator, images):
    for block in discriminator.blocks:
        images = block(images)
    return images


@torch.no_grad()
@CONDITIONAL
def test_class_weight_one_is_the_conditional_network(normalization, spectral_norm):
    generator, discriminator = conditional(normalization, spectral_norm)
    latents, classes = torch.randn(6, 100, dtype=torch.float64), torch.arange(6) % 3
    x = latents[:, :, None, None]
    for block in generator.blocks:
        x = block.norm.norm(block.conv(x))
        scale, shift = block.norm.scale(classes), block.norm.shift(classes)
        x = torch.relu(x * scale[:, :, None, None] + shift[:, :, None, None])
    images = torch.tanh(generator.to_image(x))
    torch.testing.assert_close(generator(latents, classes), images)
    assert torch.equal(generator(latents, classes), generator(latents, classes, class_weight=1.0))
    features = trunk(discriminator, images)
    projection = (discriminator.embedding(classes) * features.sum((2, 3))).sum(1)
    expected = discriminator.head(features).flatten() + projection
    torch.testing.assert_close(discriminator(images, classes), expected)


@torch.no_grad()
def test_between_the_class_fades_in_linearly():
    generator, discriminator = conditional()
    images, classes = torch.randn(3, 3, 16, 16, dtype=torch.float64), torch.arange(3)
    none, half, full = (discriminator(images, classes, weight) for weight in (0.0, 0.5, 1.0))
    torch.testing.assert_close(half, (none + full) / 2)
    norm, x = generator.blocks[0].norm, torch.randn(3, 8, 4, 4, dtype=torch.float64)
    none, half, full = (norm(x, classes, weight) for weight in (0.0, 0.5, 1.0))
    torch.testing.assert_close(half, (none + full) / 2)
    mean = norm.scale.weight.mean(0)[:, None, None] * norm.norm(x) + norm.shift.weight.mean(0)[:, None, None]
    torch.testing.assert_close(none, mean)


def test_tensors_keep_their_names():
    shared = {"image_size": 16, "width": 8, "attention_resolution": 8}
    attention = [
        f"blocks.1.attention.{part}" for part in ("gain", *(f"{n}.weight" for n in ("query", "key", "value", "out")))
    ]
    names = {f"blocks.{i}.{part}" for i in (0, 1) for part in ("conv.weight", "norm.scale.weight", "norm.shift.weight")}
    names |= {f"blocks.{i}.norm.norm.{part}" for i in (0, 1) for part in ("running_mean", "running_var")}
    names |= {f"blocks.{i}.norm.norm.num_batches_tracked" for i in (0, 1)}
    generator = Generator(GeneratorConfig(**shared, num_classes=3))
    assert set(generator.state_dict()) == {*names, *attention, "to_image.weight"}
    discriminator = Discriminator(DiscriminatorConfig(image_size=16, width=8, num_classes=3, normalization="instance"))
    names = {"blocks.0.conv.weight", "blocks.0.conv.bias", "blocks.1.conv.weight", "blocks.1.norm.weight"}
    assert set(discriminator.state_dict()) == {
        *names,
        "blocks.1.norm.bias",
        "head.weight",
        "head.bias",
        "embedding.weight",
    }


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
