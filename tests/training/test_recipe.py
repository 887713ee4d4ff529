import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment import Recipe
from gan_augment.training import RECIPES
from gan_augment.training._fit import parse_budget
from gan_augment.training._recipe import get_recipe


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_survives_json(name):
    recipe = RECIPES[name]
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_overrides_replace_fields_and_leave_the_recipe_alone():
    before = RECIPES["tiny"]
    assert get_recipe("tiny", steps=7).steps == 7
    assert get_recipe(Recipe(steps=5), batch_size=4) == Recipe(steps=5, batch_size=4)
    assert RECIPES["tiny"] is before
    assert before.steps != 7


def test_an_unknown_recipe_is_refused_with_the_known():
    with pytest.raises(ValueError, match=r"recipe must be one of \('tiny', 'conditional'\), but got 'huge'"):
        get_recipe("huge")


def test_an_unknown_override_is_refused_by_name():
    with pytest.raises(ValueError, match="'learning_rate' is none of them"):
        get_recipe("tiny", learning_rate=1)


def test_a_recipe_of_other_fields_is_refused_by_name():
    values = Recipe().to_dict()
    del values["steps"]
    with pytest.raises(ValueError, match="steps"):
        Recipe.from_dict(values)
    with pytest.raises(ValueError, match="extra"):
        Recipe.from_dict({**Recipe().to_dict(), "extra": 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("image_size", value) for value in (0, 15, 48, "64")],
        *[("channels", value) for value in (0, 2, 4, "3")],
        *[("fit", value) for value in ("stretch", None)],
        *[("conditional", value) for value in ("no", 2)],
        *[("loss", value) for value in ("wgan", None)],
        *[("batch_size", value) for value in (0, 1, 2.5, "8", 10**6)],
        *[("steps", value) for value in (0, -1, 2.5, "8", float("inf"))],
        *[("generator_lr", value) for value in (-1e-4, 1.5, float("nan"), "fast")],
        *[("discriminator_lr", value) for value in (-1e-4, 1.5, float("nan"))],
        *[("betas", value) for value in ((0.5,), (0.5, 1.5), (-1.0, 0.9), 0.5)],
        *[("ema_decay", value) for value in (-0.1, 1.1, float("nan"))],
        *[("augment", value) for value in (("mixup",), "color", ("color", 3))],
        *[("augment_probability", value) for value in (-0.1, 1.1)],
        *[("flip", value) for value in ("no", 2)],
        *[("cooldown", value) for value in (-0.1, 1.1)],
        *[("precision", value) for value in ("fp8", None)],
        *[("latent_dim", value) for value in (0, 2.0)],
        *[("kernel_size", value) for value in (2, 9)],
        *[("attention_resolution", value) for value in (3, 64)],
    ],
)
def test_an_absurd_value_is_refused_by_name(name, value):
    with pytest.raises((ValueError, TypeError), match=name):
        Recipe(**{name: value})


@pytest.mark.parametrize("name", ["generator_width", "discriminator_width"])
def test_an_absurd_width_is_refused_by_its_own_name(name):
    with pytest.raises(ValueError, match=name.removesuffix("_width") + " is refused: width"):
        Recipe(**{name: 0})


def test_a_conditional_recipe_needs_a_place_for_its_class():
    with pytest.raises(ValueError, match="normalization"):
        Recipe(conditional=True, generator_normalization="none")


def test_a_recipe_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().steps = 3


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 1000), st.sampled_from((("s", 1), ("m", 60), ("h", 3600))))
def test_a_budget_is_seconds_minutes_or_hours(number, unit):
    assert parse_budget(f"{number}{unit[0]}") == number * unit[1]
    assert parse_budget(number) == number


def test_no_budget_is_none():
    assert parse_budget(None) is None
    assert parse_budget("1.5h") == 5400


@pytest.mark.parametrize(
    "budget",
    [0, -1, "0s", "-5m", "", "m", "20", "20 minutes", "20d", "nans", "infh", float("nan"), float("inf"), [], {}],
)
def test_what_is_no_budget_is_refused(budget):
    with pytest.raises(ValueError, match="budget must be seconds or such as"):
        parse_budget(budget)
