import dataclasses
import itertools
import json

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from gan_augment import DiscriminatorConfig, GeneratorConfig

BASES = {16: (2, 4, 8), 28: (7, 14), 32: (2, 4, 8, 16), 64: (2, 4, 8, 32), 128: (2, 4, 16, 64), 256: (2, 4, 8, 128)}


@st.composite
def shared_fields(draw):
    size = draw(st.sampled_from(sorted(BASES)))
    base = draw(st.sampled_from((None, *BASES[size])))
    sides = [(base or (7 if size == 28 else 4)) * 2**level for level in range(7)]
    width = draw(st.integers(1, 128))
    return {
        "image_size": size,
        "channels": draw(st.sampled_from((1, 3))),
        "width": width,
        "max_width": draw(st.integers(width, 1024)),
        "kernel_size": draw(st.integers(3, 7)),
        "num_classes": draw(st.integers(0, 100)),
        "normalization": draw(st.sampled_from(("batch", "instance"))),
        "spectral_norm": draw(st.booleans()),
        "attention_resolution": draw(st.sampled_from((0, *(side for side in sides if side < size)))),
        "base_size": base,
        "negative_slope": draw(st.floats(0, 0.99)),
        "initialization": draw(st.sampled_from(("dcgan", "glorot", "torch"))),
    }


def affordable(kind, **fields):
    """The configuration, if it is within the limits of time and memory."""
    try:
        return kind(**fields)
    except ValueError as error:
        if "must take at most" in str(error):
            reject()
        raise


@st.composite
def generator_configs(draw):
    fields = draw(shared_fields())
    upsampling = "transposed" if fields["kernel_size"] % 2 == 0 else draw(st.sampled_from(("transposed", "resize")))
    sides = st.integers(1, fields["image_size"])
    return affordable(
        GeneratorConfig,
        **fields,
        latent_dim=draw(st.integers(1, 256)),
        latent=draw(st.sampled_from(("normal", "uniform"))),
        upsampling=upsampling,
        resize_mode=draw(st.sampled_from(("resize", "crop", "pad"))),
        source_size=draw(st.none() | st.tuples(sides, sides)),
        stem_width=draw(st.integers(0, 256)) if fields["kernel_size"] % 2 else 0,
        normalize_units=fields["normalization"] == "batch" and draw(st.booleans()),
        mapping_layers=draw(st.integers(0, 16)),
        latent_noise=draw(st.floats(0, 10)),
    )


@st.composite
def discriminator_configs(draw):
    return affordable(
        DiscriminatorConfig,
        **draw(shared_fields()),
        dropout=draw(st.floats(0, 0.99)),
        normalize_first=draw(st.booleans()),
        minibatch_stddev=draw(st.just(0) | st.integers(2, 1024)),
    )


@settings(max_examples=50, deadline=None)
@given(generator_configs())
def test_generator_config_survives_json(config):
    assert GeneratorConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@settings(max_examples=30, deadline=None)
@given(discriminator_configs())
def test_discriminator_config_survives_json(config):
    assert DiscriminatorConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_config_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        GeneratorConfig().width = 3


CONFIGS = pytest.mark.parametrize("kind", [GeneratorConfig, DiscriminatorConfig])
FIELDS = [(kind, field.name) for kind in (GeneratorConfig, DiscriminatorConfig) for field in dataclasses.fields(kind)]


@settings(max_examples=50, deadline=None)
@given(generator_configs() | discriminator_configs())
def test_the_resolutions_double_from_the_base_to_half_the_image(config):
    sides, widths = config.sides, config.widths
    assert sides[0] == (config.base_size or (7 if config.image_size == 28 else 4))
    assert [2 * side for side in sides] == [*sides[1:], config.image_size]
    assert len(widths) == len(sides)
    assert widths[-1] == config.width
    assert all(wide == min(2 * narrow, config.max_width) for wide, narrow in itertools.pairwise(widths))


@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_a_missing_field_takes_its_default_and_leaves_the_others(kind, name):
    values = kind(image_size=32, channels=1, width=8, kernel_size=5).to_dict()
    del values[name]
    (default,) = [field.default for field in dataclasses.fields(kind) if field.name == name]
    config = kind.from_dict(values)
    assert getattr(config, name) == default
    assert {**config.to_dict(), name: None} == {**values, name: None}


def test_a_generator_of_the_first_version_is_that_of_today():
    values = {"image_size": 32, "channels": 1, "latent_dim": 64, "latent": "normal", "width": 32, "max_width": 1024}
    values |= {"kernel_size": 4, "upsampling": "transposed", "num_classes": 10, "normalization": "batch"}
    values |= {"spectral_norm": False, "attention_resolution": 0, "resize_mode": "pad", "source_size": [28, 28]}
    config = GeneratorConfig.from_dict({**values, "class_names": list("0123456789")})
    assert (config.sides, config.widths) == ((4, 8, 16), (128, 64, 32))
    new = (config.base_size, config.stem_width, config.normalize_units, config.negative_slope, config.initialization)
    assert new == (None, 0, False, 0.0, "dcgan")


@CONFIGS
@settings(max_examples=30, deadline=None)
@given(name=st.text(min_size=1), value=st.none() | st.integers() | st.text())
def test_an_unknown_field_is_refused_by_name(kind, name, value):
    values = kind().to_dict()
    if name in values:
        return
    with pytest.raises(ValueError, match="unknown") as caught:
        kind.from_dict({**values, name: value})
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize(("kind", "name"), FIELDS)
@pytest.mark.parametrize("value", [-1.5, "a word", [1, 2, 3], {}, float("nan"), [64], [True, True]], ids=repr)
def test_a_field_of_the_wrong_type_is_refused_by_name(kind, name, value):
    with pytest.raises(ValueError, match=name):
        kind.from_dict({**kind().to_dict(), name: value})


@pytest.mark.parametrize("name", ["image_size", "channels", "width", "kernel_size", "num_classes", "latent_dim"])
def test_true_is_no_number(name):
    with pytest.raises(ValueError, match=name):
        GeneratorConfig(**{name: True})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("image_size", size) for size in (-64, 0, 1, 8, 27, 30, 48, 512, 10**30)],
        *[("channels", channels) for channels in (-1, 0, 2, 4)],
        *[("width", width) for width in (-1, 0, 513, 10**30)],
        *[("max_width", width) for width in (0, 63, 4097)],
        *[("kernel_size", size) for size in (-4, 0, 1, 2, 8)],
        *[("num_classes", classes) for classes in (-1, 10_001)],
        *[("attention_resolution", side) for side in (-4, 3, 64, 128)],
        *[("base_size", side) for side in (-4, 0, 1, 3, 7, 24, 64, 128)],
        *[("negative_slope", slope) for slope in (-0.1, 1, 1.5, float("inf"), float("nan"))],
        ("normalization", "layer"),
        ("initialization", "he"),
    ],
)
@CONFIGS
def test_an_absurd_value_is_refused_by_name(kind, name, value):
    with pytest.raises(ValueError, match=name):
        kind(**{name: value})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("latent_dim", {"latent_dim": 0}),
        ("latent_dim", {"latent_dim": 4097}),
        ("latent", {"latent": "gamma"}),
        ("upsampling", {"upsampling": "bilinear"}),
        ("kernel_size", {"upsampling": "resize", "kernel_size": 4}),
        ("normalization", {"num_classes": 3, "normalization": "none"}),
        ("resize_mode", {"resize_mode": "stretch"}),
        ("source_size", {"source_size": (0, 28)}),
        ("source_size", {"source_size": (28, 65_537)}),
        ("source_size", {"image_size": 32, "resize_mode": "pad", "source_size": (33, 28)}),
        ("attention_resolution", {"image_size": 28, "attention_resolution": 8}),
        ("attention_resolution", {"base_size": 8, "attention_resolution": 4}),
        ("base_size", {"image_size": 28, "base_size": 4}),
        ("stem_width", {"stem_width": -1, "kernel_size": 5}),
        ("stem_width", {"stem_width": 4097, "kernel_size": 5}),
        ("kernel_size must be odd", {"stem_width": 256, "kernel_size": 4}),
        ("normalize_units", {"normalize_units": True, "normalization": "instance"}),
        ("normalize_units", {"normalize_units": True, "normalization": "none"}),
    ],
)
def test_an_absurd_generator_is_refused_by_name(name, values):
    with pytest.raises(ValueError, match=name):
        GeneratorConfig(**values)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        *[("dropout", {"dropout": dropout}) for dropout in (-0.1, 1, 1.0, float("nan"))],
        *[("minibatch_stddev", {"minibatch_stddev": group}) for group in (-1, 1, 1025)],
        ("normalize_first", {"normalize_first": True, "normalization": "none"}),
    ],
)
def test_an_absurd_discriminator_is_refused_by_name(name, values):
    with pytest.raises(ValueError, match=name):
        DiscriminatorConfig(**values)


@CONFIGS
@pytest.mark.parametrize("values", [None, [], "image_size", 3])
def test_what_is_no_mapping_is_refused(kind, values):
    with pytest.raises(ValueError, match="must be a mapping"):
        kind.from_dict(values)
