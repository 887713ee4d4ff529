import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment import DiscriminatorConfig, GeneratorConfig

SIDES = {16: (4, 8), 28: (7, 14), 32: (4, 8, 16), 64: (4, 8, 16, 32), 128: (4, 8, 16, 32, 64), 256: (4, 8, 16, 32)}


@st.composite
def shared_fields(draw):
    size = draw(st.sampled_from(sorted(SIDES)))
    width = draw(st.integers(1, 512))
    return {
        "image_size": size,
        "channels": draw(st.sampled_from((1, 3))),
        "width": width,
        "max_width": draw(st.integers(width, 4096)),
        "kernel_size": draw(st.integers(3, 7)),
        "num_classes": draw(st.integers(0, 10_000)),
        "normalization": draw(st.sampled_from(("batch", "instance"))),
        "spectral_norm": draw(st.booleans()),
        "attention_resolution": draw(st.sampled_from((0, *SIDES[size]))),
    }


@st.composite
def generator_configs(draw):
    fields = draw(shared_fields())
    upsampling = "transposed" if fields["kernel_size"] % 2 == 0 else draw(st.sampled_from(("transposed", "resize")))
    sides = st.integers(1, fields["image_size"])
    return GeneratorConfig(
        **fields,
        latent_dim=draw(st.integers(1, 4096)),
        latent=draw(st.sampled_from(("normal", "uniform"))),
        upsampling=upsampling,
        fit=draw(st.sampled_from(("resize", "crop", "pad"))),
        source_size=draw(st.none() | st.tuples(sides, sides)),
    )


@settings(max_examples=50, deadline=None)
@given(generator_configs())
def test_generator_config_survives_json(config):
    assert GeneratorConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@settings(max_examples=30, deadline=None)
@given(shared_fields())
def test_discriminator_config_survives_json(fields):
    config = DiscriminatorConfig(**fields)
    assert DiscriminatorConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_config_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        GeneratorConfig().width = 3


CONFIGS = pytest.mark.parametrize("kind", [GeneratorConfig, DiscriminatorConfig])
FIELDS = [(kind, field.name) for kind in (GeneratorConfig, DiscriminatorConfig) for field in dataclasses.fields(kind)]


@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_a_missing_field_is_refused_by_name(kind, name):
    values = kind().to_dict()
    del values[name]
    with pytest.raises(ValueError, match=rf"\['{name}'\] is missing"):
        kind.from_dict(values)


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
@pytest.mark.parametrize("value", [1.5, "a word", [1, 2, 3], {}, float("nan"), [64], [True, True]], ids=repr)
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
        ("normalization", "layer"),
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
        ("fit", {"fit": "stretch"}),
        ("source_size", {"source_size": (0, 28)}),
        ("source_size", {"source_size": (28, 65_537)}),
        ("source_size", {"image_size": 32, "fit": "pad", "source_size": (33, 28)}),
        ("attention_resolution", {"image_size": 28, "attention_resolution": 8}),
    ],
)
def test_an_absurd_generator_is_refused_by_name(name, values):
    with pytest.raises(ValueError, match=name):
        GeneratorConfig(**values)


@CONFIGS
@pytest.mark.parametrize("values", [None, [], "image_size", 3])
def test_what_is_no_mapping_is_refused(kind, values):
    with pytest.raises(ValueError, match="must be a mapping"):
        kind.from_dict(values)
