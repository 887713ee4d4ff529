"""A discriminator and a reconstruction in the features of a pretrained network."""

import copy
import functools
import json
import pickle
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from gan_augment import Discriminator, Generator, GeneratorConfig, fit, from_pretrained, resume, save_pretrained
from gan_augment._core import to_signed
from gan_augment.models import (
    FEATURE_MAPS,
    ProjectedConfig,
    ProjectedDiscriminator,
    feature_maps,
    load_discriminator,
    load_feature_maps,
)
from gan_augment.synthesis import DiscriminatorRejection
from gan_augment.training.losses._coverage import perceptual_distance

from .conftest import new_trainer, run_steps, run_until, same_weights, training_images

pytestmark = pytest.mark.usefixtures("no_plot")
PROJECTED = {"discriminator": "projected", "features": "three convolutions", "discriminator_width": 4}
PERCEPTUAL = {"reconstruction": "perceptual", "features": "three convolutions"}


class ThreeConvolutions(nn.Module):
    """Feature maps of another network than the package's own."""

    channels = (3, 5, 6)

    def __init__(self):
        super().__init__()
        sides = zip((3, *self.channels), self.channels, (4, 2, 2))
        self.layers = nn.ModuleList(nn.Conv2d(before, after, 3, stride, 1) for before, after, stride in sides)
        for seed, layer in enumerate(self.layers):
            rng = torch.Generator().manual_seed(seed)
            nn.init.normal_(layer.weight, 0.0, 0.3, generator=rng)

    def forward(self, images):
        maps = []
        for layer in self.layers:
            images = torch.tanh(layer(images))
            maps.append(images)
        return maps


@pytest.fixture(autouse=True)
def own_network(monkeypatch):
    monkeypatch.setitem(FEATURE_MAPS, "three convolutions", ThreeConvolutions)


@pytest.fixture
def efficientnet():
    pytest.importorskip("efficientnet_lite_pytorch", reason="the packages of EfficientNet-Lite0 are not installed")


def judge_of(**options):
    torch.manual_seed(0)
    return ProjectedDiscriminator(
        ProjectedConfig(**{"image_size": 32, "width": 4, "features": "three convolutions", **options})
    )


def grey(n=20):
    """Grey images of 16 px to train on."""
    return training_images(
        torch.randint(0, 256, (n, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    )


def images_of(n=4, channels=3, side=32, seed=0):
    return torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("side", "positions"), [(16, 6 * 6), (28, 6 * 6), (64, 6 * 6), (128, 8 * 8)])
def test_every_scale_gives_the_same_number_of_logits(channels, side, positions):
    judge = judge_of(image_size=side, channels=channels)
    assert judge(images_of(2, channels, side)).shape == (2, 3 * positions)


def test_gradients_flow_through_the_frozen_network_and_never_into_it(efficientnet):
    judge, images = judge_of(features="efficientnet-lite0"), images_of().requires_grad_()
    network = load_feature_maps("efficientnet-lite0", torch.device("cpu"))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    judge(images).sum().backward()
    assert images.grad.abs().amax(dim=(1, 2, 3)).min() > 0
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in network.parameters())
    assert all(parameter.grad is not None for parameter in judge.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_training_changes_the_heads_and_neither_the_mixing_nor_the_frozen_network():
    trainer = new_trainer(grey(), **PROJECTED)
    network = load_feature_maps("three convolutions", torch.device("cpu"))
    frozen, before = copy.deepcopy(network.state_dict()), copy.deepcopy(trainer.discriminator.state_dict())
    run_steps(trainer, 2)
    assert all(torch.equal(tensor, frozen[name]) for name, tensor in network.state_dict().items())
    for name, parameter in trainer.discriminator.named_parameters():
        assert learned(name, before[name], parameter), name
    for name, weight in trainer.discriminator.mixer.state_dict(prefix="mixer.").items():
        assert torch.equal(weight, before[name]), name


def test_frozen_networks_are_in_eval_mode_and_drawing_one_leaves_the_global_generator_alone(monkeypatch):
    class Drawing(ThreeConvolutions):
        def __init__(self):
            super().__init__()
            torch.rand(5)

    monkeypatch.setitem(FEATURE_MAPS, "drawing", Drawing)
    state = torch.random.get_rng_state()
    network = load_feature_maps("drawing", torch.device("cpu"))
    assert not network.training
    assert torch.equal(torch.random.get_rng_state(), state)
    assert load_feature_maps("drawing", torch.device("cpu")) is network


@pytest.mark.parametrize("classes", [0, 3])
def test_only_class_conditional_heads_depend_on_the_class(classes):
    judge, images = judge_of(num_classes=classes).eval(), images_of(3)
    if not classes:
        assert not any("embedding" in name for name in judge.state_dict())
        return
    one, other = (judge(images, torch.full((3,), label)) for label in (0, 2))
    assert (one - other).abs().amax(1).min() > 1e-4
    torch.testing.assert_close(*(judge(images, torch.full((3,), label), 0.0) for label in (0, 2)))


def test_logits_of_a_scale_belong_to_parts_of_the_image():
    """A change in one corner moves the logits of that corner most."""
    judge, images = judge_of(image_size=128).eval(), images_of(1, side=128)
    changed = images.clone()
    changed[:, :, :16, :16] *= -1
    moved = (judge(changed) - judge(images)).abs().view(3, 8, 8)
    assert [int(each.argmax()) % 8 < 4 and int(each.argmax()) // 8 < 4 for each in moved] == [True] * 3


def test_a_saved_discriminator_holds_the_mixing_but_not_the_frozen_network(tmp_path):
    judge = judge_of(num_classes=2)
    save_pretrained(Generator(GeneratorConfig(image_size=32, width=4, num_classes=2)), tmp_path, discriminator=judge)
    names = set(load_file(tmp_path / "discriminator.safetensors"))
    assert names == set(judge.state_dict())
    assert {"mixer.across0", "mixer.finer1"} < names
    assert not any("layers" in name for name in names)
    loaded, labels = load_discriminator(tmp_path), torch.tensor([0, 1, 1, 0])
    assert loaded.config == judge.config
    assert torch.equal(loaded.eval()(images_of(), labels), judge.eval()(images_of(), labels))


def test_copies_and_pickles_judge_alike():
    judge = judge_of().eval()
    for twin in (copy.deepcopy(judge), pickle.loads(pickle.dumps(judge))):
        assert torch.equal(twin(images_of()), judge(images_of()))


def test_a_file_that_names_an_unknown_network_is_refused(tmp_path):
    save_pretrained(Generator(GeneratorConfig(image_size=32, width=4)), tmp_path, discriminator=judge_of())
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    config["discriminator"]["features"] = "os:system"
    path.write_text(json.dumps(config))
    with pytest.raises(ValueError, match="features must be one of"):
        load_discriminator(tmp_path)


@pytest.mark.parametrize("options", [PROJECTED, {**PERCEPTUAL, "recipe": "tiny"}])
def test_without_its_package_a_recipe_says_what_to_install_before_any_work(monkeypatch, tmp_path, options):
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    monkeypatch.setattr("gan_augment.models._projected._frozen", functools.partial(lambda kind, device: kind()))

    class Unread(torch.utils.data.Dataset):
        def __len__(self):
            raise AssertionError("the images were read")

    options = {"recipe": "small", **options, "features": "efficientnet-lite0"}
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'gan-augment\[eval\]'"):
        fit(Unread(), out=tmp_path / "run", progress=False, **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"growing": 0.5}, "growing must be 0 for discriminator='projected', but got 0.5"),
        ({"r1": 1.0}, "r1 must be 0"),
        ({"gradient_penalty": 10.0}, "gradient_penalty must be 0"),
        ({"top_k": 0.5}, "top_k must be 1"),
        ({"freeze_discriminator": 1}, "freeze_discriminator must be 0"),
        ({"features": "vgg"}, "features must be one of"),
        ({"discriminator_width": 256}, "discriminator is refused: width must be between 1 and 128"),
        ({"dropout": 0.5}, "dropout must be left out with objective='adversarial' and discriminator='projected'"),
        ({"discriminator_normalization": "batch"}, "discriminator_normalization must be left out"),
    ],
)
def test_what_a_projected_discriminator_cannot_use_is_refused(labelled, options, message):
    with pytest.raises(ValueError, match=message):
        fit(labelled, "small", progress=False, **{**PROJECTED, **options})


@pytest.mark.parametrize(
    ("recipe", "options", "name"),
    [
        ("tiny", {"discriminator": "projected"}, "discriminator"),
        ("tiny", {"perceptual_weight": 2.0}, "perceptual_weight"),
        ("tiny", {"features": "three convolutions"}, "features"),
        ("small", {"reconstruction": "perceptual"}, "reconstruction"),
        ("small", {"features": "three convolutions"}, "features"),
    ],
)
def test_options_that_nothing_would_read_are_refused(labelled, recipe, options, name):
    with pytest.raises(ValueError, match=f"^{name} must be left out"):
        fit(labelled, recipe, progress=False, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"recipe": "conditional", **PROJECTED},
        {"recipe": "small", **PROJECTED, "simultaneous": False, "n_critic": 2, "adaptive": 64, "lecam": 0.1}
        | {"augment": {"color": 0.5}},
        {"recipe": "tiny-conditional", **PERCEPTUAL},
        {"recipe": "tiny", **PERCEPTUAL, **PROJECTED, "coverage": 0.4, "flip": True},
        {"recipe": "tiny", **PERCEPTUAL, "objective": "imle"},
    ],
)
def test_a_killed_run_goes_on_to_the_same_bits(labelled, tiny_recipe, tmp_path, options):
    options = {**tiny_recipe, "held_out": 0.0, "steps": 7, **options}
    whole = fit(labelled, progress=False, **options)
    run_until(4, labelled, tmp_path / "killed", **options)
    torch.manual_seed(99)
    result = resume(tmp_path / "killed", labelled, progress=False)
    assert result.steps == 7
    assert same_weights(result.generator, whole.generator)
    assert result.losses == whole.losses


def learned(name, before, after):
    # While all logits are within the margin of the hinge loss, as many images pull the last bias up as down.
    return name.endswith("out.bias") or not torch.equal(before, after)


@pytest.mark.parametrize("simultaneous", [None, True, False])
def test_in_one_pass_and_in_turns_both_networks_learn(simultaneous):
    trainer = new_trainer(grey(), **PROJECTED, simultaneous=simultaneous)
    assert trainer.one_pass == (simultaneous is not False)
    before = copy.deepcopy((trainer.generator.state_dict(), trainer.discriminator.heads.state_dict()))
    run_steps(trainer, 1)
    for old, network in zip(before, (trainer.generator, trainer.discriminator.heads)):
        for name, parameter in network.named_parameters():
            assert learned(name, old[name], parameter), name


def test_fine_tuning_goes_on_with_a_projected_discriminator(labelled, tiny_recipe, tmp_path):
    run = fit(labelled, "conditional", out=tmp_path / "run", progress=False, **{**tiny_recipe, **PROJECTED})
    judge = load_discriminator(tmp_path / "run" / "generator")
    options = {**tiny_recipe, "steps": 1, "discriminator_lr": 0.0, "generator_lr": 0.0}
    again = fit(
        labelled, "conditional", init=tmp_path / "run" / "generator", out=tmp_path / "2", progress=False, **options
    )
    kept = load_discriminator(tmp_path / "2" / "generator")
    assert isinstance(kept, ProjectedDiscriminator)
    for (name, old), new in zip(judge.named_parameters(), kept.parameters()):
        assert torch.equal(old, new), name
    assert torch.equal(judge.mixer.across0, kept.mixer.across0)
    for (name, old), new in zip(run.generator.named_parameters(), again.generator.parameters()):
        torch.testing.assert_close(old, new, msg=name)


@pytest.mark.parametrize("kind", ["dcgan", "projected"])
def test_fine_tuning_may_change_the_kind_of_discriminator(labelled, tiny_recipe, tmp_path, kind):
    first = PROJECTED if kind == "dcgan" else {}
    fit(labelled, "small", out=tmp_path / "run", progress=False, **{**tiny_recipe, **first})
    options = {**tiny_recipe, **({"discriminator": "dcgan"} if kind == "dcgan" else PROJECTED)}
    fit(labelled, "small", init=tmp_path / "run" / "generator", out=tmp_path / "2", progress=False, **options)
    found = load_discriminator(tmp_path / "2" / "generator")
    assert isinstance(found, Discriminator if kind == "dcgan" else ProjectedDiscriminator)


def test_a_plain_discriminator_after_a_projected_one_needs_no_frozen_network(
    labelled, tiny_recipe, tmp_path, monkeypatch
):
    fit(labelled, "small", out=tmp_path / "run", progress=False, **{**tiny_recipe, **PROJECTED})

    def missing(*_):
        raise ModuleNotFoundError("run pip install 'gan-augment[eval]'.")

    monkeypatch.setattr("gan_augment.models._projected._frozen", missing)
    options = {**tiny_recipe, "init": tmp_path / "run" / "generator", "progress": False}
    assert fit(labelled, "small", discriminator="dcgan", **options).steps == tiny_recipe["steps"]
    with pytest.raises(ModuleNotFoundError, match="eval"):  # it would go on with the projected one
        fit(labelled, "small", **options)


@pytest.mark.parametrize("part", ["mixer.across0", "heads.0.out.weight"])
def test_a_projected_discriminator_that_overflows_is_refused_without_its_frozen_network(part, tmp_path, monkeypatch):
    judge = ProjectedDiscriminator(ProjectedConfig(16, 1, width=4, spectral_norm=False))
    with torch.no_grad():
        judge.state_dict()[part].fill_(1e35)
    save_pretrained(Generator(GeneratorConfig(16, 1, width=4)), tmp_path, discriminator=judge)
    with pytest.raises(ValueError, match="Weights must give finite values"):
        load_discriminator(tmp_path)


def test_a_filter_that_needs_one_logit_refuses_it(labelled):
    with pytest.raises(TypeError, match=r"must be a gan_augment Discriminator, but got .*ProjectedDiscriminator"):
        DiscriminatorRejection(judge_of(), Generator(GeneratorConfig(image_size=32, width=4)))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([1, 3]), st.sampled_from([16, 32]))
def test_perceptual_distance_is_zero_for_equal_images_and_at_most_four(seed, channels, side):
    images, others = images_of(3, channels, side, seed), images_of(3, channels, side, seed + 1)
    assert float(perceptual_distance(images, images, "three convolutions")) == pytest.approx(0, abs=1e-6)
    distance = float(perceptual_distance(images, others, "three convolutions"))
    assert 0 < distance <= 4
    assert float(perceptual_distance(others, images, "three convolutions")) == pytest.approx(distance, rel=1e-4)


def test_perceptual_distance_teaches_only_the_images():
    images, targets = images_of().requires_grad_(), images_of(seed=1).requires_grad_()
    perceptual_distance(images, targets, "three convolutions").backward()
    assert images.grad.abs().sum() > 0
    assert targets.grad is None


def test_pretrained_features_tell_a_blurred_image_from_a_sharp_one_with_the_same_pixel_error(efficientnet):
    torch.manual_seed(0)
    sharp = (F.interpolate(torch.rand(8, 3, 8, 8), scale_factor=8) > 0.5).float() * 1.6 - 0.8
    blurred = F.interpolate(F.avg_pool2d(sharp, 8), scale_factor=8, mode="bilinear")
    blurred = F.avg_pool2d(F.pad(blurred, (4, 4, 4, 4), mode="reflect"), 9, 1)
    shifted = sharp + (blurred - sharp).abs().mean()  # a change of brightness of the same size
    distances = [perceptual_distance(each, sharp, "efficientnet-lite0") for each in (blurred, shifted)]
    assert distances[0] > 2 * distances[1]


def test_autocast_does_not_reach_the_frozen_network():
    images = images_of()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps = feature_maps("three convolutions", images)
    assert all(torch.equal(one, other) for one, other in zip(maps, feature_maps("three convolutions", images)))


def test_a_perceptual_fit_moves_the_samples_towards_the_features_of_the_images():
    """With the weight of the pixels alone, the features are farther."""
    distances = {}
    for weight in (0.0, 30.0):
        options = {**PERCEPTUAL, "perceptual_weight": weight, "deform": 0.0, "tone": 0.0, "precision": "fp32"}
        trainer = run_steps(new_trainer(grey(), "tiny", steps=60, **options), 60)
        with torch.no_grad():
            again = trainer.generator(trainer.coverage.anchors)
        real = to_signed(trainer.images.images)
        distances[weight] = float(perceptual_distance(again, real, "three convolutions"))
    assert distances[30.0] < distances[0.0]


def test_a_finished_projected_run_loads_without_the_frozen_network(labelled, tiny_recipe, tmp_path, monkeypatch):
    fit(labelled, "small", out=tmp_path / "run", progress=False, **{**tiny_recipe, **PROJECTED})
    monkeypatch.delitem(FEATURE_MAPS, "three convolutions")
    assert from_pretrained(tmp_path / "run" / "generator").sample(2).shape == (2, 1, 16, 16)
