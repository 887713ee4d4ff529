import dataclasses
import inspect
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment import Recipe, fit
from gan_augment.training import LOSSES, Loss, get_recipe
from gan_augment.training._fit import parse_budget
from gan_augment.training.recipes._recipe import PARTS, check_overrides

from .conftest import new_trainer, run_steps, same_weights, training_images

FIELDS = [field.name for field in dataclasses.fields(Recipe)]
OPTIMIZERS = sorted(
    name
    for name, kind in vars(torch.optim).items()
    if inspect.isclass(kind) and issubclass(kind, torch.optim.Optimizer) and kind is not torch.optim.Optimizer
)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer_options": {}, "schedule": "StepLR", "schedule_options": {"step_size": 2}},
    ],
)
def test_a_recipe_survives_json(options):
    recipe = Recipe(class_fade=(0.1, 0.5), augment={"color": 0.5}, **options)
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_a_recipe_of_other_fields_is_refused_by_name():
    values = Recipe().to_dict()
    del values["steps"]
    with pytest.raises(ValueError, match="steps"):
        Recipe.from_dict(values)
    with pytest.raises(ValueError, match="extra"):
        Recipe.from_dict({**Recipe().to_dict(), "extra": 1})


BEFORE = {field.name: field.metadata["before"] for field in dataclasses.fields(Recipe) if "before" in field.metadata}


@given(st.sets(st.sampled_from(sorted(BEFORE))))
def test_fields_that_a_stored_recipe_lacks_act_like_the_code_that_stored_it(missing):
    values = {name: value for name, value in Recipe(steps=5).to_dict().items() if name not in missing}
    expected = dataclasses.replace(Recipe(steps=5), **{name: BEFORE[name] for name in missing})
    assert Recipe.from_dict(values) == expected
    assert not set(values) & missing, "what was read must not change"


NAN = float("nan")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("image_size", value) for value in (0, 15, 48, "64")],
        *[("channels", value) for value in (0, 2, 4, "3")],
        *[("resize_mode", value) for value in ("stretch", None)],
        *[("conditional", value) for value in ("no", 2)],
        *[("loss", value) for value in ("wgan", None)],
        *[("objective", value) for value in ("vae", None)],
        *[("tune", value) for value in ("some", "mapping")],
        *[("batch_size", value) for value in (0, 1, 2.5, "8", 10**6)],
        *[("accumulation", value) for value in (0, -1, 3, 2.0)],
        *[("steps", value) for value in (0, -1, 2.5, "8", float("inf"))],
        *[("epochs", value) for value in (-1, 0.5)],
        *[("n_critic", value) for value in (0, 101)],
        *[("penalty_every", value) for value in (0, -1)],
        *[("imle_candidates", value) for value in (0, -1)],
        *[("adaptive", value) for value in (-1, 0.5)],
        *[("freeze_discriminator", value) for value in (-1, 9)],
        *[("evaluations", value) for value in (-1, NAN)],
        *[
            (name, value)
            for name in ("generator_lr", "discriminator_lr", "coverage_lr", "latent_lr")
            for value in (-1e-4, 1.5, NAN, "fast")
        ],
        *[
            (name, value)
            for name in ("ema_decay", "cooldown", "growing", "warmup", "coverage", "held_out", "top_k")
            for value in (-0.1, 1.1, NAN, None)
        ],
        *[
            (name, value)
            for name in ("reconstruction_weight", "gradient_penalty", "r1", "r2", "lecam", "clip_weights")
            for value in (-0.1, NAN, float("inf"), "much")
        ],
        *[("optimizer", value) for value in ("Sgd", "lr_scheduler", "", "__name__", None)],
        ("optimizer_options", None),
        *[("augment", value) for value in ({"mixup": 0.5}, "color", ("color",), {"color": 1.5}, {"color": NAN})],
        *[("class_fade", value) for value in ((0.5, 0.2), (0.0, 1.5), (NAN, 1.0), (0.5,), 0.5)],
        *[("flip", value) for value in ("no", 2)],
        *[("precision", value) for value in ("fp8", None)],
        *[("latent_dim", value) for value in (0, 2.0)],
        *[("kernel_size", value) for value in (2, 9)],
        *[("attention_resolution", value) for value in (3, 64)],
        *[("schedule_options", value) for value in (None, 3)],
        ("label_smoothing", 0.1),  # the hinge loss has no target
        ("balance_classes", True),
    ],
)
def test_an_absurd_value_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=name):
        Recipe(**{name: value})


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "Optimizer"},
        {"optimizer": "Muon", "optimizer_options": {}},  # of matrices only, or not of this torch
        *[{"optimizer_options": {"betas": value}} for value in ((0.5, 1.5), (-1.0, 0.9), 0.5, None, "ab", ("a", "b"))],
        {"optimizer_options": {"learning_rate": 1}},
        {"optimizer_options": {"lr": 1}},
        {"optimizer_options": {"betas": (0.5,)}},
    ],
    ids=str,
)
def test_what_an_optimizer_does_not_take_is_refused_before_the_images_are_read(options):
    with pytest.raises(ValueError, match=r"optimizer(_options)? must be"):
        fit(None, progress=False, **options)


@pytest.mark.parametrize("name", ["generator_width", "discriminator_width"])
def test_an_absurd_width_is_refused_by_its_own_name(name):
    with pytest.raises(ValueError, match=name.removesuffix("_width") + " is refused: width"):
        Recipe(**{name: 0})


WILD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from(("", "batch", "uniform", "Adam", "cosine", "imle", "mapping", "\n", "resize")),
    st.tuples(st.floats(), st.floats()),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.sampled_from(("color", "betas", "eps", "")), st.none() | st.floats() | st.text(max_size=3)),
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), WILD, min_size=1, max_size=3))
def test_any_values_are_taken_or_refused_in_a_sentence(values):
    try:
        recipe = Recipe(**values)
    except ValueError as error:
        assert len(str(error)) > 10  # noqa: PT017 - some values are fine
    else:
        assert {name: getattr(recipe, name) for name in values} == values
        json.dumps(recipe.to_dict())


@pytest.mark.parametrize(
    "options",
    [
        {"discriminator_normalization": "batch", "gradient_penalty": 10.0},
        {"discriminator_normalization": "batch", "r1": 1.0},
        {"discriminator_normalization": "batch", "r2": 1.0},
        {"objective": "anchored", "growing": 0.5},
        {"objective": "imle", "growing": 0.5},
        {"conditional": True, "generator_normalization": "none"},
        {"objective": "anchored", "latent": "uniform"},
        {"objective": "imle", "latent": "uniform"},
    ],
)
def test_what_does_not_go_together_is_refused(options):
    with pytest.raises(ValueError, match=r"must|refused"):
        Recipe(**options)


@pytest.mark.parametrize(
    ("recipe", "overrides", "message"),
    [
        (
            "tiny",
            {"loss": "wasserstein"},
            r"^loss must be left out with objective='anchored' and coverage=1\.0, because nothing",
        ),
        ("tiny", {"augment": {"color": 0.5}, "steps": 9, "dropout": 0.1}, "^augment, dropout must be left out"),
        ("tiny-conditional", {"generator_lr": 1e-3}, "^generator_lr must"),
        ("tiny", {"schedule": "linear"}, "^schedule must"),
        ("tiny", {"coverage": 0.5, "imle_candidates": 20}, "^imle_candidates must"),
        ("tiny", {"objective": "imle", "latent_lr": 0.1}, r"^latent_lr must .* objective='imle' and coverage=1\.0"),
        ("small", {"coverage": 0.7}, "^coverage must be left out with objective='adversarial', because nothing"),
        ("mnist-sn", {"steps": 100}, "^steps must be left out with epochs=200"),
    ],
)
def test_an_override_that_cannot_act_is_refused_before_the_images_are_read(recipe, overrides, message):
    with pytest.raises(ValueError, match=message):
        fit(None, recipe, progress=False, **overrides)


@pytest.mark.parametrize(
    ("recipe", "overrides"),
    [
        ("tiny", {"coverage": 0.5, "loss": "hinge", "augment": {"color": 0.5}, "schedule": "linear"}),
        ("tiny", {"objective": "adversarial", "flip": True, "generator_lr": 1e-3}),
        ("tiny", {"flip": True, "augment": {}, "dropout": 0.0, "cooldown": 0.0}),  # which is what happens
        ("tiny", {"schedule": "StepLR", "schedule_options": {"step_size": 1}, "coverage_lr": 0.1, "latent_lr": 0.1}),
        ("tiny", {"objective": "imle", "imle_candidates": 20, "latent_noise": 0.1}),
        ("small", {"loss": "relativistic", "flip": True, "steps": 100}),
        ("mnist-sn", {"steps": 100, "epochs": 0}),
    ],
)
def test_an_override_that_acts_is_taken(recipe, overrides):
    check_overrides(get_recipe(recipe, **overrides), overrides)


OTHERWISE = {
    "loss": "least_squares",
    "augment": {},
    "adaptive": 100,
    "label_smoothing": 0.1,
    "gradient_penalty": 1.0,
    "r1": 1.0,
    "r2": 1.0,
    "penalty_every": 2,
    "lecam": 0.1,
    "clip_weights": 0.1,
    "top_k": 0.5,
    "simultaneous": True,
    "optimizer": "SGD",
    "optimizer_options": {"betas": (0.1, 0.2)},
    "generator_lr": 0.5,
    "discriminator_lr": 0.5,
    "cooldown": 1.0,
    "warmup": 0.9,
    "freeze_discriminator": 1,
    "reconstruction_weight": 2.0,
    "perceptual_weight": 2.0,
    "dropout": 0.5,
    "discriminator_negative_slope": 0.5,
}


@pytest.fixture(scope="module")
def anchored_run():
    images = training_images(torch.randint(0, 256, (8, 1, 16, 16), dtype=torch.uint8))
    return images, run_steps(new_trainer(images, "tiny"), 3)


@pytest.mark.parametrize("name", OTHERWISE)
def test_what_is_refused_without_a_discriminator_does_nothing_there(name, anchored_run):
    images, run = anchored_run
    further = {"loss": "nonsaturating"} if name == "label_smoothing" else {}
    further |= {"optimizer_options": {}} if name == "optimizer" else {}
    other = run_steps(new_trainer(images, "tiny", **{name: OTHERWISE[name]}, **further), 3)
    assert same_weights(other.ema.generator, run.ema.generator)
    assert torch.equal(other.coverage.anchors, run.coverage.anchors)


def test_whatever_is_refused_without_a_discriminator_was_tried():
    # These change the first random numbers or the order, or have no other value.
    untried = {"normalize_first", "minibatch_stddev", "n_critic", "discriminator", "features"}
    named = {name for name in FIELDS if name.startswith("discriminator_")}
    recipe = Recipe(objective="anchored", coverage=1.0)
    unused = {name for part in PARTS for name in part.unused(recipe)} - {"imle_candidates", "schedule"}
    assert unused == set(OTHERWISE) | named | untried


def test_a_recipe_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().steps = 3


@pytest.mark.parametrize(
    "name",
    OPTIMIZERS,
)
def test_every_optimizer_of_torch_works_or_is_refused_at_once(name):
    images = training_images(torch.randint(0, 256, (8, 1, 16, 16), dtype=torch.uint8))
    try:
        trainer = new_trainer(images, optimizer=name, optimizer_options={}, generator_lr=0.01)
    except ValueError as error:
        assert name in str(error)  # noqa: PT017
        return
    before = [parameter.detach().clone() for parameter in trainer.generator.parameters()]
    run_steps(trainer, 2)
    assert isinstance(trainer.optimizers["generator"], getattr(torch.optim, name))
    assert not all(torch.equal(a, b) for a, b in zip(before, trainer.generator.parameters()))


@pytest.mark.parametrize(
    "options",
    [
        {"amsgrad": True},
        {"weight_decay": 0.1},
        {"betas": [0.5, 0.9]},
        {"fused": False},
        {"foreach": True},
    ],
)
def test_options_of_an_optimizer_reach_it(options):
    group = Recipe(optimizer_options=options).new_optimizer([torch.nn.Parameter(torch.zeros(2))], 0.5).param_groups[0]
    assert group["lr"] == 0.5
    assert {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()} == {
        name: list(group[name]) if isinstance(group[name], tuple) else group[name] for name in options
    }


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
    [0, -1, "0s", "-5m", "", "m", "20 minutes", "20d", "nans", "infh", float("nan"), float("inf"), [], {}],
)
def test_what_is_no_budget_is_refused(budget):
    with pytest.raises(ValueError, match="budget must be seconds or a string like"):
        parse_budget(budget)


def test_every_field_belongs_to_one_part_and_is_documented_there():
    own = [name for part in PARTS for name in part.__annotations__]
    assert sorted([*own, "description"]) == sorted(FIELDS)
    for part in PARTS:
        assert all(name in part.__doc__ for name in part.__annotations__), part


def test_a_recipe_shows_what_differs_from_the_defaults():
    assert repr(Recipe(r1=1.0, loss="nonsaturating")) == "Recipe(loss='nonsaturating', r1=1.0)"
    assert repr(Recipe()) == "Recipe()"


def test_a_loss_of_the_users_own_trains_under_its_name(labelled, tiny_recipe, monkeypatch):
    class Shifted(Loss):
        def of_discriminator(self, real, fake, smoothing):
            return (fake - real).relu().mean()

        def of_generator(self, fake, real):
            return -fake.mean()

    with pytest.raises(ValueError, match="loss must be one of"):
        get_recipe("small", loss="shifted")
    monkeypatch.setitem(LOSSES, "shifted", Shifted())
    assert fit(labelled, "small", progress=False, **{**tiny_recipe, "loss": "shifted", "steps": 2}).steps == 2
    with pytest.raises(ValueError, match="label_smoothing must be 0 for loss='shifted'"):
        get_recipe("small", loss="shifted", label_smoothing=0.1)
