"""Generators of given layers."""

import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment import from_pretrained
from gan_augment.models import LAYERS, LayeredConfig, LayeredGenerator
from gan_augment.models._layered import shape_and_cost

CONV = {"kind": "conv_transpose", "in_channels": 6, "out_channels": 4, "kernel_size": 4, "stride": 1, "padding": 0,
        "output_padding": 0, "bias": True}  # fmt: skip
LAYERS_OF_16 = (
    {"kind": "embedding", "num_classes": 3, "dim": 6, "join": "multiply"},
    {"kind": "linear", "in_features": 6, "out_features": 64, "bias": True},
    {"kind": "batch_norm", "num_features": 64, "affine": True, "eps": 1e-5},
    {"kind": "reshape", "channels": 4, "side": 4},
    {"kind": "instance_norm", "num_features": 4, "affine": False, "eps": 1e-5},
    {"kind": "prelu", "num_parameters": 1},
    {"kind": "upsample", "factor": 2, "mode": "nearest"},
    {"kind": "conv", "in_channels": 4, "out_channels": 12, "kernel_size": 3, "stride": 1, "padding": 1, "bias": True},
    {"kind": "activation", "function": "leaky_relu", "slope": 0.2},
    {"kind": "pixel_shuffle", "factor": 2},
    {"kind": "activation", "function": "sigmoid"},
)


@pytest.fixture
def config():
    return LayeredConfig(image_size=16, channels=3, latent_dim=6, num_classes=3, layers=LAYERS_OF_16)


def test_it_survives_its_folder_and_pickle(config, tmp_path):
    generator = LayeredGenerator(config).eval()
    generator.save_pretrained(tmp_path)
    expected = generator.sample(5, seed=1)
    for again in (from_pretrained(tmp_path), pickle.loads(pickle.dumps(generator))):
        assert isinstance(again, LayeredGenerator)
        assert again.config == config
        assert (again.sample(5, seed=1) == expected).all()


@pytest.mark.parametrize(("bias", "expected"), [(-20.0, -1.0), (0.0, 0.0), (20.0, 1.0)])
def test_a_sigmoid_is_of_0_to_1_and_its_images_of_minus_1_to_1(config, bias, expected):
    generator = LayeredGenerator(config).eval()
    with torch.no_grad():
        conv = generator.layers[7]
        conv.weight.zero_()
        conv.bias.fill_(bias / 0.2 if bias < 0 else bias)  # through a leaky ReLU
        images = generator(torch.randn(8, 6), torch.zeros(8, dtype=torch.int64))
    assert torch.allclose(images, torch.full_like(images, expected), atol=1e-6)


def test_the_classes_differ(config):
    generator = LayeredGenerator(config)
    generator.sample(4)  # in eval mode
    one, other = (generator.sample(4, label, seed=0) for label in (0, 1))
    assert (one != other).any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda layers: layers[:-1], "The last layer must be one of|must end in"),
        (lambda layers: [*layers[:1], layers[0], *layers[1:]], "only the first layer can join"),
        (lambda layers: [{**layers[0], "dim": 5}, *layers[1:]], "Layer 0's dim must be 6"),
        (lambda layers: [layers[0], {**layers[1], "in_features": 7}, *layers[2:]], "in_features must be 6"),
        (lambda layers: [*layers[:3], {**layers[3], "side": 5}, *layers[4:]], "keep the number of values"),
        (lambda layers: [*layers[:2], {**layers[2], "num_features": 3}, *layers[3:]], "num_features must be 64"),
        (lambda layers: [*layers[:2], {**layers[2], "momentum": 3}, *layers[3:]], "must have the fields"),
        (lambda layers: [*layers[:2], {"kind": "exec"}, *layers[3:]], "must have one of the kinds"),
        (lambda layers: [*layers[:2], {"kind": ["conv"]}, *layers[3:]], "must have one of the kinds"),
        (lambda layers: [*layers[:6], {**layers[6], "factor": 3}, *layers[7:]], "must end in"),
        (lambda layers: [{**layers[0], "num_classes": 4}, *layers[1:]], "num_classes must be 4"),
        (
            lambda layers: [*layers[:5], {**layers[5], "num_parameters": 3}, *layers[6:]],
            "must be 1 or 4 like its input",
        ),
        (lambda layers: [*layers[:6], {**CONV, "in_channels": 4, "output_padding": 1}, *layers[7:]], "its stride, 1"),
        (lambda layers: [*layers[:2], {**layers[4], "num_features": 64}, *layers[3:]], "on a single pixel"),
        (
            lambda layers: [*layers[:3], {**layers[3], "channels": 64, "side": 1}, {**layers[4], "num_features": 64}],
            "on a single pixel",
        ),
        (
            lambda layers: [
                *layers[:7],
                *layers[6:7] * 7,
                {**layers[7], "out_channels": 17, "kernel_size": 1, "padding": 0},
            ],
            "at most 16,777,216 values in a layer",
        ),
        (lambda layers: [], "1 to 200 layers"),
        (lambda layers: layers * 100, "1 to 200 layers"),
    ],
)
def test_layers_that_do_not_fit_are_refused(change, words, config):
    values = {**config.to_dict(), "layers": change(list(LAYERS_OF_16))}
    with pytest.raises(ValueError, match=words):
        LayeredConfig.from_dict(values)


def test_a_field_of_the_other_kind_of_generator_is_refused():
    with pytest.raises(ValueError, match="width must be 64 for a generator with given layers"):
        LayeredConfig(image_size=16, channels=3, latent_dim=6, num_classes=3, layers=LAYERS_OF_16, width=32)


def some_layer():
    value = st.one_of(st.integers(-2, 2**40), st.floats(allow_nan=True), st.booleans(), st.text(max_size=5), st.none())
    known = st.sampled_from(LAYERS_OF_16)
    kinds = st.sampled_from([*LAYERS, "exec"])
    made = kinds.flatmap(
        lambda kind: st.fixed_dictionaries({"kind": st.just(kind), **dict.fromkeys(LAYERS.get(kind, {}), value)})
    )
    return st.one_of(known, made, value)


@given(st.lists(some_layer(), max_size=12), st.integers(-1, 5000), st.integers(-1, 20))
def test_any_layers_are_a_configuration_or_a_value_error(layers, latent_dim, num_classes):
    values = {"image_size": 16, "channels": 3, "latent_dim": latent_dim, "num_classes": num_classes, "layers": layers}
    try:
        config = LayeredConfig.from_dict(values)
    except ValueError:
        return
    assert LayeredConfig.from_dict(config.to_dict()) == config


@st.composite
def some_fields(draw, kind, coming):
    """A layer of small numbers; mostly as many channels as come to it."""
    layer = {"kind": kind}
    for name, allowed in LAYERS[kind].items():
        if isinstance(allowed[0], (str, bool)):
            layer[name] = draw(st.sampled_from(allowed))
        elif isinstance(allowed[0], float):
            layer[name] = draw(st.sampled_from([0.0, 0.2, 1]))
        elif name in ("in_channels", "in_features", "num_features", "num_parameters", "dim"):
            layer[name] = draw(st.sampled_from([coming, coming, coming, 1, 5]))
        else:
            layer[name] = draw(st.integers(0, 3 if "padding" in name or name == "stride" else 7))
    return layer


@st.composite
def stacks(draw):
    """Layers of which each is accepted after those before it, then what makes an image of them."""
    latent_dim, classes, layers = draw(st.integers(1, 9)), draw(st.integers(0, 3)), []

    def shape(layers):
        try:
            return shape_and_cost(layers, latent_dim, classes)[0]
        except ValueError:
            return None

    one_hot = {"kind": "one_hot", "num_classes": classes, "join": "after"}
    embedding = {"kind": "embedding", "num_classes": classes, "dim": latent_dim, "join": "multiply"}
    rescale = {"kind": "rescale", "scale": 0.5, "shift": 0.5}
    layers = [draw(st.sampled_from([one_hot, embedding])) if classes else rescale]
    for kind in draw(st.lists(st.sampled_from(sorted(LAYERS)), min_size=4, max_size=10)):
        longer = [*layers, draw(some_fields(kind, shape(layers)[0]))]
        if max(shape(longer) or [1000]) <= 64:
            layers = longer
    maps, *sides = shape(layers)
    side = max(sides, default=1)
    conv = {**CONV, "in_channels": maps, "out_channels": 3, "kernel_size": max(9 - side, 1)}
    return latent_dim, classes, max(side, 8), [*layers, conv, {"kind": "activation", "function": "tanh"}]


@settings(max_examples=150, deadline=None)
@given(stacks())
def test_whatever_is_accepted_samples(stack):
    latent_dim, classes, side, layers = stack
    config = LayeredConfig(side, 3, latent_dim, num_classes=classes, layers=tuple(layers))
    assert LayeredGenerator(config).sample(3, seed=0).shape == (3, 3, side, side)
