"""Generators as ONNX files, run by ONNX Runtime."""

import json
import os

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gan_augment import Card, Generator, GeneratorConfig, from_pretrained, list_pretrained
from gan_augment.cli import main
from gan_augment.models import LayeredConfig, LayeredGenerator, draw_latents

from .test_layered import LAYERS_OF_16, stacks

onnx = pytest.importorskip("onnx", reason="onnx is in the extra onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is in the extra onnx")

SMALL = {"image_size": 16, "width": 8, "latent_dim": 12}
ODD = {"kernel_size": 5}
KINDS = {
    "plain": {},
    "28 px": {"image_size": 28, "channels": 1},
    "large kernel": {"kernel_size": 7, "image_size": 32},
    "small base": {"base_size": 2},
    "leaky": {"negative_slope": 0.2, "initialization": "glorot"},
    "uniform": {"latent": "uniform"},
    "classes": {"num_classes": 3},
    "instance norm": {"normalization": "instance"},
    "instance norm and classes": {"normalization": "instance", "num_classes": 3},
    "no norm": {"normalization": "none"},
    "resize": {"upsampling": "resize", **ODD},
    "attention": {"attention_resolution": 8},
    "attention on odd maps": {"attention_resolution": 7, "image_size": 28},
    "spectral norm": {"spectral_norm": True},
    "spectral norm, classes, resize": {"spectral_norm": True, "num_classes": 2, "upsampling": "resize", **ODD},
    "stem": {"stem_width": 16, "normalize_units": True, **ODD},
    "mapping": {"mapping_layers": 3},
    "anchors": {"anchors": 6, "num_classes": 2},
    "variations": {"anchors": 6, "num_classes": 2, "deformations": 3, "tones": 2},
    "deformations of grey images": {"anchors": 4, "deformations": 2, "channels": 1},
}


def lively(generator):
    """Gives a generator weights and batch statistics far from those of initialisation, so that each layer matters."""
    config = generator.config
    norms = [module for module in generator.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for name, tensor in generator.state_dict().items():
            if name.endswith("gain") or "mapping.layers" in name or name.startswith("variations."):
                tensor.copy_(0.3 * torch.randn(tensor.shape))
        for norm in norms:
            norm.momentum = None  # the statistics become those of the batch
        labels = torch.arange(32) % config.num_classes if config.num_classes else None
        images = generator.train()(draw_latents(generator, 32, 0, labels), labels)
        last = generator.to_image[1] if config.upsampling == "resize" else generator.to_image
        if not config.spectral_norm:
            last.weight.mul_(0.5 / images.std())
    return generator


def difference(generator, path, counts=(1, 5)):
    """Exports a generator, and returns the largest difference of its images under ONNX Runtime."""
    training = [module.training for module in generator.modules()]
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    generator.export_onnx(path)
    assert [module.training for module in generator.modules()] == training
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())
    session, differences = onnxruntime.InferenceSession(path), []
    generator.eval()
    for n in counts:
        labels = torch.arange(n) % generator.num_classes if generator.num_classes else None
        latents = draw_latents(generator, n, n, labels)
        given_labels = {} if labels is None else {"labels": labels.numpy()}
        (images,) = session.run(None, {"latents": latents.numpy(), **given_labels})
        with torch.no_grad():
            expected = (generator(latents, labels) + 1) / 2
        assert images.dtype == np.float32
        assert images.shape == (n, *generator.image_shape)
        assert images.min() >= 0
        assert images.max() <= 1
        differences.append(np.abs(images - expected.numpy()).max())
    return max(differences)


@pytest.mark.parametrize("name", list_pretrained(installed=True))
@pytest.mark.filterwarnings("ignore:.* forbid commercial use:UserWarning")
def test_every_generator_of_the_zoo_makes_the_same_images(name, tmp_path):
    generator, path = from_pretrained(name), tmp_path / "generator.onnx"
    assert difference(generator, path) < 1e-4
    labels = torch.arange(6) % generator.num_classes if generator.num_classes else None
    feed = {"latents": draw_latents(generator, 6, 0, labels).numpy()}
    feed |= {} if labels is None else {"labels": labels.numpy()}
    (images,) = onnxruntime.InferenceSession(path).run(["images"], feed)
    samples = generator.sample(6, labels, seed=0).numpy()
    assert np.abs(np.rint(images * 255) - samples).max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_network_makes_the_same_images(kind, tmp_path):
    torch.manual_seed(0)
    generator = lively(Generator(GeneratorConfig(**{**SMALL, **KINDS[kind]})))
    assert generator.sample(8, seed=0).float().std() > 5  # the images are not flat
    assert difference(generator, tmp_path / "generator.onnx") < 1e-4


@st.composite
def configs(draw):
    classes, size = draw(st.sampled_from((0, 2, 3))), draw(st.sampled_from((16, 28, 32)))
    upsampling = draw(st.sampled_from(("transposed", "resize")))
    kernel = draw(st.sampled_from((3, 5) if upsampling == "resize" else (3, 4, 5)))
    anchors = draw(st.sampled_from((0, 0, 6)))
    return GeneratorConfig(
        image_size=size,
        channels=draw(st.sampled_from((1, 3))),
        latent_dim=draw(st.integers(1, 16)),
        width=draw(st.integers(1, 9)),
        kernel_size=kernel,
        upsampling=upsampling,
        num_classes=classes,
        normalization=draw(st.sampled_from(("batch", "instance", *([] if classes else ["none"])))),
        spectral_norm=draw(st.booleans()),
        attention_resolution=draw(st.sampled_from((0, 7 if size == 28 else 8))),
        negative_slope=draw(st.sampled_from((0.0, 0.2))),
        stem_width=draw(st.sampled_from((0, 5))) if kernel % 2 else 0,
        mapping_layers=draw(st.integers(0, 2)),
        anchors=anchors,
        deformations=draw(st.integers(0, 2)) if anchors else 0,
        tones=draw(st.integers(0, 2)) if anchors else 0,
    )


@settings(max_examples=15, deadline=None)
@given(config=configs(), seed=st.integers(0, 99))
def test_small_networks_of_any_configuration_make_the_same_images(tmp_path_factory, config, seed):
    torch.manual_seed(seed)
    assert difference(lively(Generator(config)), tmp_path_factory.mktemp("onnx") / "generator.onnx") < 1e-4


@settings(max_examples=20, deadline=None)
@given(stacks())
def test_imported_generators_of_any_layers_make_the_same_images(tmp_path_factory, stack):
    latent_dim, classes, side, layers = stack
    assume(all(layer.get("eps", 1) >= 1e-5 for layer in layers))  # less divides flat maps by rounding errors
    torch.manual_seed(0)
    config = LayeredConfig(side, 3, latent_dim, num_classes=classes, layers=tuple(layers))
    assert difference(LayeredGenerator(config), tmp_path_factory.mktemp("onnx") / "generator.onnx") < 1e-4


def test_a_generator_in_half_precision_is_exported_in_full(tmp_path):
    config = LayeredConfig(image_size=16, channels=3, latent_dim=6, num_classes=3, layers=LAYERS_OF_16)
    generator = LayeredGenerator(config).half()
    generator.export_onnx(tmp_path / "half.onnx")
    assert next(generator.parameters()).dtype == torch.float16
    assert difference(generator.float(), tmp_path / "full.onnx") < 1e-4
    assert (tmp_path / "half.onnx").read_bytes() == (tmp_path / "full.onnx").read_bytes()


def test_the_file_says_what_it_is(tiny, tmp_path):
    generator = Generator(tiny.config)
    generator.card = Card(name="shapes", license="cc-by-4.0", data={"terms": "drawn by the authors"})
    generator.export_onnx(tmp_path / "new" / "shapes.onnx")
    model = onnx.load(tmp_path / "new" / "shapes.onnx")
    known = {each.key: each.value for each in model.metadata_props}
    assert known.pop("synthetic") == "true"
    assert (known.pop("name"), known.pop("license")) == ("shapes", "cc-by-4.0")
    assert json.loads(known.pop("data")) == {"terms": "drawn by the authors"}
    assert GeneratorConfig.from_dict(json.loads(known.pop("config"))) == tiny.config
    assert known == {}
    assert [each.name for each in model.graph.input] == ["latents", "labels"]
    assert [each.name for each in model.graph.output] == ["images"]


def test_a_label_that_does_not_exist_is_refused(tiny, tmp_path):
    tiny.export_onnx(tmp_path / "tiny.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "tiny.onnx")
    with pytest.raises(Exception, match="out of"):
        session.run(None, {"latents": np.zeros((1, 100), np.float32), "labels": np.array([3])})


def test_what_cannot_be_exported_is_refused_and_leaves_the_old_file(tiny, tmp_path):
    path = tmp_path / "tiny.onnx"
    path.write_bytes(b"old")
    broken = Generator(tiny.config)
    with torch.no_grad():
        broken.to_image.weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"to_image\.weight is not; the generator cannot be exported"):
        broken.export_onnx(path)
    assert path.read_bytes() == b"old"
    with pytest.raises(ValueError, match="path must be a file such as"):
        tiny.export_onnx(tmp_path)
    tiny.export_onnx(path)
    assert onnx.load(path).producer_name == "gan-augment"
    assert os.listdir(tmp_path) == ["tiny.onnx"]


def test_the_command_writes_the_same_file(saved, tmp_path, capsys):
    assert main(["export", str(saved), "--out", str(tmp_path / "one.onnx")]) == 0
    said = f"{tmp_path / 'one.onnx'}: latents (n, 100), labels (n,) -> images (n, 1, 16, 16), 0..1\n"
    assert capsys.readouterr() == (said, "")
    from_pretrained(saved).export_onnx(tmp_path / "other.onnx")
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "other.onnx").read_bytes()
