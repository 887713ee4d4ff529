import copy
import dataclasses
import shutil

import pytest
import torch

from gan_augment import (
    Card,
    Discriminator,
    DiscriminatorConfig,
    Generator,
    GeneratorConfig,
    fit,
    from_pretrained,
    resume,
    save_pretrained,
)
from gan_augment.data import fingerprints
from gan_augment.models import load_generator
from gan_augment.training._finetune import Start, adapt_discriminator, adapt_generator, class_rows
from gan_augment.training._optimization import recalibrate_batch_norm

from .conftest import TINY, new_trainer, run_steps, run_until, same_weights, training_images

pytestmark = pytest.mark.usefixtures("no_plot")
VARIANTS = {
    "plain": {},
    "classes": {"num_classes": 3},
    "named": {"num_classes": 2, "class_names": ("cat", "dog")},
    "28 px": {"image_size": 28},
    "resize": {"kernel_size": 5, "upsampling": "resize"},
    "stem": {"kernel_size": 5, "stem_width": 6, "normalize_units": True},
    "spectral": {"spectral_norm": True, "attention_resolution": 8},
    "instance": {"normalization": "instance", "num_classes": 3},
    "unnormalised": {"normalization": "none"},
    "mapping": {"mapping_layers": 2},
}
JUDGES = {
    "plain": {},
    "classes": {"num_classes": 3},
    "28 px": {"image_size": 28},
    "spectral": {"spectral_norm": True, "normalization": "none", "attention_resolution": 8},
    "stddev": {"minibatch_stddev": 4, "normalization": "instance"},
    "first": {"normalize_first": True, "kernel_size": 5},
}


@torch.no_grad()
def used(network):
    """Weights, statistics and power iterations that are not those of initialisation."""
    torch.manual_seed(1)
    for parameter in network.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    config = network.config
    labels = torch.arange(16) % config.num_classes if config.num_classes else None
    shape = (
        (16, config.latent_dim) if isinstance(network, Generator) else (16, config.channels, *[config.image_size] * 2)
    )
    network.train()(torch.randn(shape), labels)
    return network.eval()


def generator_of(**options):
    torch.manual_seed(0)
    return used(Generator(GeneratorConfig(**{"image_size": 32, "channels": 1, "width": 4, "latent_dim": 8, **options})))


def discriminator_of(**options):
    torch.manual_seed(0)
    return used(Discriminator(DiscriminatorConfig(**{"image_size": 32, "channels": 1, "width": 4, **options})))


def adapted(start, **changes):
    torch.manual_seed(5)
    return adapt_generator(start, dataclasses.replace(start.config, **changes)).eval()


@torch.no_grad()
def images_of(generator, label=None, class_weight=1.0):
    latents = torch.randn(6, generator.config.latent_dim, generator=torch.Generator().manual_seed(0))
    labels = None if label is None else torch.full((6,), label)
    return generator(latents, labels, class_weight)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_same_configuration_gives_the_same_images(variant):
    start = generator_of(**VARIANTS[variant])
    before = copy.deepcopy(start.state_dict())
    again = adapted(start)
    label = 1 if start.num_classes else None
    assert torch.equal(images_of(again, label), images_of(start, label))
    assert same_weights(again, start)
    assert all(torch.equal(value, before[key]) for key, value in start.state_dict().items())


@pytest.mark.parametrize("variant", JUDGES)
def test_the_same_configuration_gives_the_same_logits(variant):
    start = discriminator_of(**JUDGES[variant])
    config = start.config
    again = adapt_discriminator(start, config, list(range(config.num_classes))).eval()
    images = torch.rand(8, 1, config.image_size, config.image_size) * 2 - 1
    labels = torch.arange(8) % config.num_classes if config.num_classes else None
    with torch.no_grad():
        assert torch.equal(again(images, labels), start(images, labels))
    assert same_weights(again, start)


@pytest.mark.parametrize(
    "options", [{}, {"kernel_size": 5, "upsampling": "resize"}, {"normalization": "none"}], ids=str
)
def test_rgb_becomes_its_mean_and_grey_three_times_grey(options):
    grey, rgb = (generator_of(channels=channels, **options) for channels in (1, 3))
    with torch.no_grad():  # before tanh, which is not linear
        from_rgb, from_grey = adapted(rgb, channels=1), adapted(grey, channels=3)
        torch.testing.assert_close(
            images_of(from_rgb).atanh(), images_of(rgb).atanh().mean(1, keepdim=True), rtol=1e-3, atol=1e-4
        )
        assert float(images_of(from_rgb).std()) > 0.01
    torch.testing.assert_close(images_of(from_grey), images_of(grey).repeat(1, 3, 1, 1))


def test_discriminators_see_grey_as_before():
    grey, rgb = (discriminator_of(channels=channels, normalization="none") for channels in (1, 3))
    images = torch.rand(4, 1, 32, 32) * 2 - 1
    with torch.no_grad():
        of_grey = adapt_discriminator(grey, dataclasses.replace(grey.config, channels=3), []).eval()
        of_rgb = adapt_discriminator(rgb, dataclasses.replace(rgb.config, channels=1), []).eval()
        torch.testing.assert_close(of_grey(images.repeat(1, 3, 1, 1)), grey(images))
        torch.testing.assert_close(of_rgb(images), rgb(images.repeat(1, 3, 1, 1)))


def test_spectrally_normalised_layers_change_channels_too():
    start = generator_of(channels=3, spectral_norm=True)
    assert adapted(start, channels=1).sample(2, seed=0).shape == (2, 1, 32, 32)
    judge = discriminator_of(channels=1, spectral_norm=True, normalization="none")
    again = adapt_discriminator(judge, dataclasses.replace(judge.config, channels=3), []).eval()
    images = torch.rand(4, 1, 32, 32)
    with torch.no_grad():
        again.train()(images.repeat(1, 3, 1, 1))  # the power iteration is of another matrix
        logits, expected = again.eval()(images.repeat(1, 3, 1, 1)), judge(images)
    assert bool(torch.isfinite(logits).all())
    assert bool(torch.isfinite(expected).all())


def test_classes_from_none_are_all_what_there_was():
    start = generator_of()
    again = adapted(start, num_classes=3)
    for label in range(3):
        torch.testing.assert_close(images_of(again, label), images_of(start))


def test_no_classes_are_the_mean_class():
    start = generator_of(num_classes=3)
    torch.testing.assert_close(images_of(adapted(start, num_classes=0)), images_of(start, 0, class_weight=0.0))


def test_other_numbers_of_nameless_classes_start_from_the_mean():
    start = generator_of(num_classes=3)
    again = adapted(start, num_classes=5)
    mean = images_of(start, 0, class_weight=0.0)
    for label in range(5):
        torch.testing.assert_close(images_of(again, label), mean)


def test_classes_of_the_same_name_give_the_same_images():
    start = generator_of(num_classes=3, class_names=("cat", "dog", "cow"))
    again = adapted(start, num_classes=4, class_names=("cow", "emu", "cat", "ant"))
    torch.testing.assert_close(images_of(again, 0), images_of(start, 2))
    torch.testing.assert_close(images_of(again, 2), images_of(start, 0))
    mean = images_of(start, 0, class_weight=0.0)
    for new in (1, 3):
        torch.testing.assert_close(images_of(again, new), mean)
    assert not torch.allclose(images_of(start, 0), mean)


def test_names_decide_over_numbers():
    start, other = (GeneratorConfig(num_classes=2, class_names=names) for names in (("a", "b"), ("b", "c")))
    assert class_rows(start, other) == [1, None]
    nameless = GeneratorConfig(num_classes=2)
    assert class_rows(start, nameless) == class_rows(nameless, other) == [0, 1]
    assert class_rows(GeneratorConfig(num_classes=3), nameless) == [None, None]
    assert class_rows(nameless, GeneratorConfig()) == []


def test_discriminators_keep_the_embeddings_of_known_classes():
    start = discriminator_of(num_classes=2)
    again = adapt_discriminator(start, dataclasses.replace(start.config, num_classes=3), [1, None, 0])
    assert torch.equal(again.embedding.weight[[0, 2]], start.embedding.weight[[1, 0]])
    plain = adapt_discriminator(start, dataclasses.replace(start.config, num_classes=0), [])
    assert plain.embedding is None
    assert same_weights(plain.head, start.head)


@pytest.mark.parametrize(("before", "after", "width"), [(32, 64, 2), (32, 16, 8), (16, 64, 1), (64, 16, 16)])
def test_another_size_keeps_the_inner_blocks(before, after, width):
    start = generator_of(image_size=before, num_classes=2)
    again = adapted(start, image_size=after, width=width)
    shared = min(len(start.blocks), len(again.blocks))
    assert shared >= 2
    assert all(same_weights(again.blocks[i], start.blocks[i]) for i in range(shared))
    assert again.sample(2, seed=0).shape == (2, 1, after, after)
    judge = discriminator_of(image_size=before)
    other = adapt_discriminator(judge, dataclasses.replace(judge.config, image_size=after, width=width), [])
    for distance in range(1, shared):  # counted from the last; the one at the image has other inputs
        assert same_weights(other.blocks[-distance], judge.blocks[-distance])
    assert same_weights(other.head, judge.head)


def test_blocks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="image_size and width must give the numbers of feature maps"):
        adapted(generator_of(), image_size=64)


# fit(init=...)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """Folders of a pretrained generator, with and without its discriminator."""
    folder = tmp_path_factory.mktemp("pretrained")
    generator = generator_of(image_size=16)
    recalibrate_batch_norm(generator)  # as all generators of a fit are
    judge = discriminator_of(image_size=16, spectral_norm=True, normalization="none")
    save_pretrained(generator, folder / "both", discriminator=judge)
    save_pretrained(generator, folder / "alone")
    return folder


ADVERSARIAL = {"recipe": "small", "held_out": 0.0, "batch_size": 8, "steps": 1, "progress": False, "evaluations": 0}
STILL = {**ADVERSARIAL, "generator_lr": 1e-12, "discriminator_lr": 1e-12}


def nearness(one, other):
    return float((one.int() - other.int()).abs().float().mean())


def test_a_zoo_name_is_a_start(labelled):
    images = [image for image, _ in labelled]
    start = from_pretrained("dcgan-mnist-32")
    labels = range(start.num_classes) if start.num_classes else None
    dataset = images if labels is None else [(image, i % len(labels)) for i, image in enumerate(images)]
    result = fit(dataset, init="dcgan-mnist-32", conditional=labels is not None, **STILL)
    ours, theirs = result.generator.config, start.config
    assert (ours.width, ours.image_size, ours.resize_mode) == (theirs.width, theirs.image_size, theirs.resize_mode)
    assert result.generator.card.training["init"] == "dcgan-mnist-32"
    assert nearness(result.generator.sample(16, seed=0), start.sample(16, seed=0)) < 10


@pytest.mark.parametrize("kind", ["both", "alone", "generator"])
def test_a_step_with_tiny_rates_stays_at_the_start(labelled, pretrained, kind):
    init = from_pretrained(pretrained / "alone") if kind == "generator" else pretrained / kind
    result = fit([image for image, _ in labelled], init=init, discriminator_width=4, **STILL)
    start = from_pretrained(pretrained / "both")
    for ours, theirs in zip(result.generator.parameters(), start.parameters()):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)
    samples = start.sample(64, seed=0)
    assert nearness(result.generator.sample(64, seed=0), samples) < 0.5 * nearness(samples, samples.flip(0))


def test_the_discriminator_of_a_folder_goes_on(labelled, pretrained):
    images = training_images(torch.randint(0, 256, (12, 1, 16, 16), dtype=torch.uint8))
    both, alone = Start.load(pretrained / "both"), Start.load(str(pretrained / "alone"))
    assert alone.discriminator is None
    trainer = new_trainer(images, start=both)
    assert same_weights(trainer.discriminator, both.discriminator)
    assert not trainer.fresh_discriminator
    assert new_trainer(images, start=alone).fresh_discriminator
    assert both.name == "both"


def test_a_generator_with_anchors_is_a_start_for_both_objectives(labelled):
    images = [image for image, _ in labelled]
    first = fit(images, "tiny", progress=False, **TINY).generator
    small = {"batch_size": 8, "steps": 2, "progress": False}
    again = fit(images, "tiny", init=first, **small).generator
    assert (first.config.anchors, again.config.anchors) == (20, 20)
    assert fit(images, "small", held_out=0.0, init=first, **small).generator.config.anchors == 0


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"latent_dim": 16}, "latent_dim"),
        ({"kernel_size": 5}, "kernel_size"),
        ({"generator_width": 8}, "generator_width"),
        ({"generator_normalization": "instance"}, "generator_normalization"),
        ({"discriminator_width": 8}, "discriminator_width"),
        ({"dropout": 0.5}, "dropout"),
        ({"image_size": 28}, "image_size"),
        ({"image_size": 128}, "image_size"),  # of width 1/2
    ],
    ids=str,
)
def test_what_weights_cannot_be_carried_over_to_is_refused_by_name(labelled, pretrained, tmp_path, overrides, field):
    with pytest.raises(ValueError, match=f"{field} must be"):
        fit(labelled, init=pretrained / "both", out=tmp_path / "run", **{**ADVERSARIAL, **overrides})
    assert not (tmp_path / "run").exists()


def test_what_is_the_same_may_be_said(labelled, pretrained):
    result = fit(labelled, init=pretrained / "both", latent_dim=8, kernel_size=4, **ADVERSARIAL)
    assert result.generator.config.latent_dim == 8


def test_the_width_to_give_with_another_size_is_the_one_that_the_networks_get(labelled, pretrained):
    larger = {**ADVERSARIAL, "init": pretrained / "both", "image_size": 32}
    assert fit(labelled, generator_width=2, discriminator_width=2, **larger).generator.config.width == 2
    with pytest.raises(ValueError, match="generator_width must be 2, as in both, but got 4"):
        fit(labelled, generator_width=4, **larger)


@pytest.mark.parametrize("image_size", [32, 64])
def test_the_size_may_be_larger(labelled, pretrained, image_size):
    result = fit(labelled, init=pretrained / "both", image_size=image_size, **ADVERSARIAL)
    assert result.generator.sample(2, seed=0).shape == (2, 1, image_size, image_size)


def test_classes_and_channels_may_be_others(labelled, pretrained):
    rgb = [(image.repeat(3, 1, 1), label) for image, label in labelled]
    result = fit(rgb, init=pretrained / "both", conditional=True, **ADVERSARIAL)
    assert result.generator.sample(3, seed=0).shape == (3, 3, 16, 16)
    assert result.generator.num_classes == 3


@pytest.mark.parametrize(("init", "error"), [(3, TypeError), ("no-such", ValueError), (b"x", TypeError)])
def test_what_is_no_start_is_refused(labelled, init, error):
    with pytest.raises(error, match=r"init must be|name must be"):
        fit(labelled, init=init, **ADVERSARIAL)


def test_the_mapping_of_a_start_is_kept(labelled):
    start = generator_of(image_size=16, mapping_layers=2)
    config = fit(labelled, init=start, discriminator_width=4, **ADVERSARIAL).generator.config
    assert config.mapping_layers == 2


def test_a_generator_of_uniform_latents_is_a_start_for_anchors(labelled):
    start = generator_of(image_size=16, latent="uniform")
    result = fit(labelled, "tiny", init=start, batch_size=8, steps=1, progress=False)
    assert result.generator.config.anchors == 20


def test_a_fine_tuned_run_without_its_first_checkpoint_is_not_resumed_from_scratch(labelled, pretrained, tmp_path):
    options = {key: value for key, value in ADVERSARIAL.items() if key != "progress"}
    run_until(0, labelled, tmp_path / "run", init=pretrained / "both", **{**options, "steps": 2})
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    with pytest.raises(ValueError, match=r"checkpoint|init"):
        resume(tmp_path / "run", labelled, progress=False)


def changed(trainer, steps=3, **kwargs):
    """Names of the parameters of both networks that some steps change."""
    networks = {"g": trainer.generator, "d": trainer.discriminator}
    before = {f"{n}.{k}": p.detach().clone() for n, net in networks.items() for k, p in net.named_parameters()}
    run_steps(trainer, steps, **kwargs)
    after = {f"{n}.{k}": p for n, net in networks.items() for k, p in net.named_parameters()}
    return {key for key in before if not torch.equal(before[key], after[key])}, set(before)


@pytest.fixture(scope="module")
def random_images():
    rng = torch.Generator().manual_seed(0)
    return training_images(torch.randint(0, 256, (12, 1, 16, 16), generator=rng, dtype=torch.uint8))


def test_frozen_blocks_stay_as_they_are(random_images, pretrained):
    frozen = 1
    trainer = new_trainer(random_images, start=Start.load(pretrained / "both"), freeze_discriminator=frozen)
    moved, names = changed(trainer)
    still = {name for name in names if name.startswith("d.blocks.0.")}
    assert still
    assert not moved & still
    assert {name for name in names if name.startswith("d.blocks.1.")} <= moved
    assert {name for name in names if name.startswith("g.")} <= moved


@pytest.mark.parametrize("recipe", ["small", "tiny"])
@pytest.mark.parametrize(("tune", "part"), [("norms", ".norm."), ("mapping", ".mapping.")])
def test_only_what_is_tuned_changes(random_images, pretrained, recipe, tune, part):
    trainer = new_trainer(
        random_images, recipe, start=Start.load(pretrained / "both"), tune=tune, mapping_layers=2, coverage=0.5
    )
    moved, names = changed(trainer, steps=4, total=4)
    learned = {name for name in moved if name.startswith("g.")}
    assert learned
    assert learned <= {name for name in names if part in name}
    assert not {p for n, p in trainer.generator.named_parameters() if part not in f".{n}" and p.grad is not None}


@pytest.mark.parametrize("recipe", ["small", "tiny"])
def test_a_new_discriminator_learns_alone_at_first(random_images, pretrained, recipe):
    trainer = new_trainer(random_images, recipe, start=Start.load(pretrained / "alone"), warmup=0.5, coverage=0.0)
    assert trainer.stage(0.0).name == "warm-up"
    moved, _ = changed(trainer, steps=5, total=10)
    assert moved
    assert not {name for name in moved if name.startswith("g.")}
    assert all(torch.equal(a, b) for a, b in zip(trainer.ema.generator.parameters(), trainer.generator.parameters()))
    moved, _ = changed(trainer, steps=1, total=10)
    assert {name for name in moved if name.startswith("g.")}


@pytest.mark.parametrize("kind", ["both", "alone"])
@pytest.mark.parametrize("recipe", ["small", pytest.param("tiny", marks=pytest.mark.slow)])
def test_a_killed_run_goes_on_without_its_start(labelled, pretrained, tmp_path, recipe, kind):
    shutil.copytree(pretrained, tmp_path / "start")
    options = {"recipe": recipe, "batch_size": 8, "steps": 6, "warmup": 0.5, "evaluations": 2, "discriminator_width": 4}
    options |= {"coverage": 0.5} if recipe == "tiny" else {}
    init = tmp_path / "start" / kind
    whole = fit(labelled, init=init, out=tmp_path / "whole", progress=False, **options)
    run_until(2, labelled, tmp_path / "killed", init=init, **options)
    shutil.rmtree(tmp_path / "start")
    result = resume(tmp_path / "killed", labelled, progress=False)
    assert same_weights(result.generator, whole.generator)
    assert result.losses == whole.losses
    assert result.generator.card.training["init"] == kind
    one, two = (Start.load(tmp_path / name / "generator").discriminator for name in ("whole", "killed"))
    assert same_weights(one, two)


def test_what_the_start_had_seen_and_forbids_is_on_the_card(labelled, pretrained, tmp_path):
    start = from_pretrained(pretrained / "both")
    data = {"commercial_use": False, "terms": "for research only", "description": "other images"}
    start.card = Card("start of a run", data=data, fingerprints=torch.tensor([-5, 3, 2**60]))
    start.save_pretrained(tmp_path / "start")
    options = {key: value for key, value in ADVERSARIAL.items() if key != "progress"} | {
        "steps": 4,
        "conditional": False,
    }
    with pytest.warns(UserWarning, match="for research only"):
        run_until(2, labelled, tmp_path / "run", init=tmp_path / "start", **options)
    shutil.rmtree(tmp_path / "start")
    result = resume(tmp_path / "run", labelled, progress=False)
    own = fingerprints(torch.stack([image for image, _ in labelled]))
    known = load_generator(tmp_path / "run" / "generator").card
    assert set(known.fingerprints.tolist()) == {-5, 3, 2**60, *own.tolist()}
    assert torch.equal(known.fingerprints, known.fingerprints.sort().values)
    assert known.data == result.generator.card.data == {"commercial_use": False, "terms": "for research only"}


@pytest.mark.parametrize("options", [{"tune": "norms"}, {"tune": "mapping", "mapping_layers": 1}])
def test_what_was_not_pretrained_is_not_left_as_it_is(labelled, pretrained, tmp_path, options):
    with pytest.raises(ValueError, match="requires init"):
        fit(labelled, out=tmp_path / "run", **{**ADVERSARIAL, **options})
    with pytest.raises(ValueError, match="image_size must be 16"):
        fit(labelled, init=pretrained / "both", image_size=32, out=tmp_path / "run", **{**ADVERSARIAL, **options})
    assert not (tmp_path / "run").exists()


def test_blocks_that_were_not_pretrained_are_not_frozen(labelled, pretrained, tmp_path):
    for init in (None, pretrained / "alone"):
        with pytest.raises(ValueError, match="needs an init with a discriminator"):
            fit(labelled, init=init, freeze_discriminator=1, out=tmp_path / "run", **ADVERSARIAL)
    assert not (tmp_path / "run").exists()
