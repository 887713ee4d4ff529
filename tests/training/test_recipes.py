import json
import re

import pytest
import torch

from gan_augment import Discriminator, Generator, Recipe
from gan_augment.training import RECIPES, get_recipe

SYSTEMS = ("rings-365", "mnist-sn", "fashion-dcgan", "celebahq-5k-64", "celeba-128")
OURS = ("tiny", "tiny-conditional", "small", "conditional")


def count(config, kind):
    with torch.device("meta"):
        network = kind(config)
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def sizes(name, channels=3, classes=0):
    recipe = RECIPES[name]
    generator = recipe.generator_config(recipe.channels or channels, classes)
    discriminator = recipe.discriminator_config(recipe.channels or channels, classes)
    return count(generator, Generator), count(discriminator, Discriminator)


def test_there_are_five_systems_and_ours_each_with_a_light_variant():
    assert set(RECIPES) == {*SYSTEMS, *OURS, *(f"{name}-light" for name in SYSTEMS + OURS)}


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_description_has_the_size_the_epochs_and_the_weights_of_its_recipe(name):
    recipe = RECIPES[name]
    for number, unit in re.findall(r"(\d+) (px|epochs|million weights)", recipe.description):
        found = {"px": recipe.image_size, "epochs": recipe.epochs, "million weights": round(sizes(name)[0] / 1e6)}
        assert int(number) == found[unit], unit


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_survives_json(name):
    recipe = RECIPES[name]
    text = json.dumps(recipe.to_dict())
    again = Recipe.from_dict(json.loads(text))
    assert json.dumps(again.to_dict()) == text


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_of_json_equals_the_first(name):
    assert Recipe.from_dict(json.loads(json.dumps(RECIPES[name].to_dict()))) == RECIPES[name]


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_builds_both_networks_that_fit_each_other(name):
    recipe = RECIPES[name]
    classes = 2 if recipe.conditional else 0
    channels = recipe.channels or 3
    with torch.device("meta"):
        generator = Generator(recipe.generator_config(channels, classes))
        discriminator = Discriminator(recipe.discriminator_config(channels, classes))
        labels = torch.zeros(2, dtype=torch.int64) if classes else None
        images = generator(torch.empty(2, recipe.latent_dim), labels)
        assert images.shape == (2, channels, recipe.image_size, recipe.image_size)
        assert discriminator(images, labels).shape == (2,)
    assert recipe.description


@pytest.mark.parametrize("name", SYSTEMS + OURS)
def test_the_light_variant_is_the_same_but_narrower(name):
    full, light = RECIPES[name], RECIPES[f"{name}-light"]
    differing = {key for key, value in full.to_dict().items() if light.to_dict()[key] != value}
    widths = {"generator_width", "discriminator_width", "generator_stem_width"}
    assert differing <= {"description", "image_size", "batch_size", *widths}
    assert light.image_size <= full.image_size
    assert all(ours < theirs for ours, theirs in zip(sizes(f"{name}-light"), sizes(name)))


# Counted by hand from the descriptions: dense layers and kernels, and two numbers for each that is normalised.
COUNTS = {
    "celebahq-5k-64": (
        100 * 16384 + 2 * 16384 + (256 * 128 + 128 * 64 + 64 * 3) * 25 + 2 * (128 + 64),
        (3 * 64 + 64 * 128) * 25 + 64 + 128 + 128 * 16 * 16 + 1,
    ),
    "celeba-128": (
        (128 * 2048 + 2048 * 1024 + 1024 * 512 + 512 * 256 + 256 * 128 + 128 * 3) * 16
        + 2 * (2048 + 1024 + 512 + 256 + 128),
        (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512 * 1024 + 1024) * 16 + 2 * (64 + 128 + 256 + 512 + 1024),
    ),
    "mnist-sn": (
        100 * 12544 + 2 * 12544 + (256 * 128 + 128 * 64 + 64) * 25 + 2 * (128 + 64),
        (64 + 64 * 128) * 25 + 64 + 128 + 128 * 7 * 7 + 1,
    ),
}


@pytest.mark.parametrize("name", COUNTS)
def test_a_system_has_the_weights_of_its_description(name):
    assert sizes(name) == COUNTS[name]


def test_the_counts_are_those_that_were_published():
    assert [round(n / 1e6, 2) for n in COUNTS["celebahq-5k-64"]] == [2.70, 0.24]
    assert [round(n / 1e6, 2) for n in COUNTS["celeba-128"]] == [48.77, 11.16]
    assert COUNTS["mnist-sn"] == (2_305_472, 212_865)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "rings-365",
            {
                "image_size": 128,
                "loss": "wasserstein",
                "gradient_penalty": 10.0,
                "n_critic": 5,
                "discriminator_lr": 1e-4,
            },
        ),
        (
            "mnist-sn",
            {
                "image_size": 28,
                "channels": 1,
                "epochs": 200,
                "batch_size": 128,
                "latent_dim": 100,
                "discriminator_spectral_norm": True,
                "generator_lr": 2e-4,
                "discriminator_lr": 2e-4,
            },
        ),
        (
            "fashion-dcgan",
            {
                "image_size": 28,
                "channels": 1,
                "latent": "uniform",
                "latent_dim": 100,
                "epochs": 50,
                "batch_size": 128,
                "generator_lr": 2e-4,
                "discriminator_lr": 2e-4,
            },
        ),
        (
            "celebahq-5k-64",
            {
                "image_size": 64,
                "channels": 3,
                "resize_mode": "resize",
                "latent_dim": 100,
                "epochs": 500,
                "batch_size": 64,
                "generator_lr": 1e-4,
                "discriminator_lr": 1e-4,
                "optimizer": "Adam",
                "optimizer_options": {"betas": (0.9, 0.999)},
                "dropout": 0.3,
                "generator_negative_slope": 0.3,
                "discriminator_negative_slope": 0.3,
                "initialization": "glorot",
            },
        ),
        (
            "celeba-128",
            {
                "image_size": 128,
                "channels": 3,
                "resize_mode": "crop",
                "latent_dim": 128,
                "epochs": 60,
                "batch_size": 256,
                "generator_lr": 2e-4,
                "discriminator_lr": 2e-4,
                "optimizer_options": {"betas": (0.5, 0.999)},
                "normalize_first": True,
                "initialization": "torch",
            },
        ),
    ],
)
def test_a_system_trains_as_its_description_says(name, expected):
    recipe = RECIPES[name]
    assert {field: getattr(recipe, field) for field in expected} == expected


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_has_none_of_what_came_later(name):
    recipe = RECIPES[name]
    assert (recipe.objective, recipe.ema_decay, recipe.augment, recipe.held_out) == ("adversarial", 0.0, {}, 0.0)
    assert (recipe.cooldown, recipe.growing, recipe.adaptive, recipe.conditional) == (0.0, 0.0, 0, False)
    assert recipe.loss == ("wasserstein" if name == "rings-365" else "nonsaturating")


def test_epochs_are_as_many_steps_as_the_system_made():
    assert RECIPES["celebahq-5k-64"].total_steps(5000) == pytest.approx(500 * 5000 / 64, abs=1)
    assert Recipe(epochs=3, batch_size=10).total_steps(101) == 31
    assert Recipe(epochs=1, batch_size=10, n_critic=5).total_steps(500) == 10
    assert Recipe(epochs=1, batch_size=10).total_steps(1) == 1
    assert Recipe(steps=7).total_steps(10**6) == 7


def test_overrides_replace_fields_and_leave_the_recipe_alone():
    before = RECIPES["tiny"]
    assert get_recipe("tiny", steps=7).steps == 7
    assert get_recipe(Recipe(steps=5), batch_size=4) == Recipe(steps=5, batch_size=4)
    assert RECIPES["tiny"] == before
    assert before.steps != 7


def test_an_unknown_recipe_is_refused_with_the_known():
    with pytest.raises(ValueError, match=r"recipe must be one of \('rings-365', .*'tiny', .*\), but got 'huge'"):
        get_recipe("huge")


def test_an_unknown_override_is_refused_by_name():
    with pytest.raises(ValueError, match="but got 'learning_rate'"):
        get_recipe("tiny", learning_rate=1)
