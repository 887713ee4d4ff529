import copy
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment import Recipe, fit
from gan_augment.training._schedule import LAST_RATE, StepSchedule, stage_at
from gan_augment.training.runs._checkpoints import pack, unpack

SHARE = st.just(0.0) | st.floats(1e-6, 1)
SCHEDULES = {
    "StepLR": {"step_size": 2, "gamma": 0.5},
    "MultiStepLR": {"milestones": (2, 5), "gamma": 0.1},
    "ConstantLR": {"total_iters": 3},
    "LinearLR": {"total_iters": 4},
    "ExponentialLR": {"gamma": 0.9},
    "PolynomialLR": {"total_iters": 9},
    "CosineAnnealingLR": {"T_max": 5},
    "CosineAnnealingWarmRestarts": {"T_0": 3},
    "CyclicLR": {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 2},
    "OneCycleLR": {"max_lr": 1.0, "total_steps": 12},
}


@st.composite
def recipes(draw):
    objective = draw(st.sampled_from(("adversarial", "anchored", "imle")))
    return Recipe(
        objective=objective,
        coverage=draw(SHARE),
        schedule=draw(st.sampled_from(("constant", "linear", "cosine"))),
        cooldown=draw(SHARE),
        growing=draw(SHARE) if objective == "adversarial" else 0.0,
        warmup=draw(SHARE),
        conditional=True,
        class_fade=tuple(sorted(draw(st.lists(SHARE, min_size=2, max_size=2, unique=True)))),
    )


@settings(max_examples=200, deadline=None)
@given(recipes(), SHARE, st.integers(1, 6), st.booleans())
def test_factors_stay_between_0_and_1(recipe, progress, sizes, warmup):
    stage = stage_at(recipe, progress, sizes=sizes, warmup=warmup)
    for factor in (stage.learning_rate, stage.coverage_rate, stage.augment, stage.class_weight, stage.fade):
        assert 0 <= factor <= 1
    assert stage.adversarial or stage.covering
    assert -1 <= stage.level < sizes
    assert stage.name in ("warm-up", "coverage", "growing", "adversarial")


@settings(max_examples=100, deadline=None)
@given(recipes(), SHARE, SHARE, st.integers(1, 6), st.booleans())
def test_a_run_never_goes_back(recipe, one, other, sizes, warmup):
    before, after = (stage_at(recipe, p, sizes=sizes, warmup=warmup) for p in sorted((one, other)))
    assert after.learning_rate <= before.learning_rate
    assert after.augment <= before.augment
    assert after.coverage_rate <= before.coverage_rate + 1e-12
    assert after.class_weight >= before.class_weight
    assert after.adversarial >= before.adversarial
    assert after.warming <= before.warming or not before.adversarial  # it warms up when it joins
    levels = [sizes if stage.level == -1 else stage.level for stage in (before, after)]
    assert levels == sorted(levels)
    if levels[0] == levels[1]:
        assert after.fade >= before.fade


def test_the_cooldown_is_the_last_share():
    recipe = Recipe(cooldown=0.25, augment={"color": 0.5})
    assert [stage_at(recipe, p).learning_rate for p in (0, 0.5, 0.75, 0.875, 1.0)] == [1, 1, 1, 0.5, 0]
    assert [stage_at(recipe, p).augment for p in (0, 0.75, 0.875, 1.0)] == [1, 1, 0.5, 0]
    assert stage_at(Recipe(cooldown=0.0), 1.0).learning_rate == 1


def test_the_named_schedules():
    for schedule, expected in (("constant", [1, 1, 1]), ("linear", [1, 0.5, 0]), ("cosine", [1, 0.5, 0])):
        rates = [stage_at(Recipe(schedule=schedule, cooldown=0.0), p).learning_rate for p in (0.0, 0.5, 1.0)]
        assert rates == pytest.approx(expected)
    assert stage_at(Recipe(schedule="cosine", cooldown=0.0), 0.25).learning_rate == pytest.approx(0.8535534)


def test_classes_fade_in():
    recipe = Recipe(conditional=True, class_fade=(0.2, 0.6))
    assert [stage_at(recipe, p).class_weight for p in (0, 0.2, 0.4, 0.6, 1)] == pytest.approx([0, 0, 0.5, 1, 1])
    assert stage_at(Recipe(), 0.0).class_weight == 1


def test_classes_may_come_at_once():
    recipe = Recipe(conditional=True, class_fade=(0.5, 0.5))
    assert [stage_at(recipe, p).class_weight for p in (0, 0.49, 0.5, 1)] == [0, 0, 1, 1]


@pytest.mark.parametrize("objective", ["anchored", "imle"])
def test_the_discriminator_joins_after_the_coverage(objective):
    recipe = Recipe(objective=objective, coverage=0.5, cooldown=0.0)
    before, after = stage_at(recipe, 0.49), stage_at(recipe, 0.5)
    assert (before.name, before.adversarial, before.covering) == ("coverage", False, True)
    assert (after.name, after.adversarial, after.covering) == ("adversarial", True, True)
    assert stage_at(recipe, 0.0).coverage_rate == 1
    assert stage_at(recipe, 0.25).coverage_rate == pytest.approx((1 + LAST_RATE) / 2)
    assert after.coverage_rate == pytest.approx(LAST_RATE)
    assert not stage_at(Recipe(objective=objective, coverage=1.0), 1.0).adversarial
    assert stage_at(Recipe(objective=objective, coverage=0.0), 0.0).adversarial


def test_an_adversarial_run_covers_nothing():
    assert not stage_at(Recipe(), 0.0).covering


def test_only_a_new_discriminator_warms_up():
    recipe = Recipe(warmup=0.1)
    assert stage_at(recipe, 0.05, warmup=True).name == "warm-up"
    assert not stage_at(recipe, 0.1, warmup=True).warming
    assert not stage_at(recipe, 0.05).warming


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 6), st.floats(0.05, 1.0))
def test_growing_goes_through_all_sizes_and_is_over_in_its_share(sizes, share):
    recipe = Recipe(growing=share)
    levels = [stage_at(recipe, i / 1000 * share, sizes=sizes).level for i in range(1000)]
    assert list(dict.fromkeys(levels)) == [*range(sizes), -1]
    assert stage_at(recipe, share, sizes=sizes).level == -1
    assert stage_at(recipe, 0.0, sizes=sizes).fade == 1  # nothing to fade from
    for level in range(1, sizes):
        start, part = level / sizes * share, share / sizes
        assert stage_at(recipe, start + 0.25 * part, sizes=sizes).fade == pytest.approx(0.5)


def test_without_smaller_sizes_nothing_grows():
    assert stage_at(Recipe(growing=0.5), 0.1, sizes=1).level == -1
    assert stage_at(Recipe(), 0.1, sizes=4).level == -1


def torch_schedule(name, steps):
    """The learning rates of torch's own loop."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = getattr(torch.optim.lr_scheduler, name)(optimizer, **SCHEDULES[name])
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_scheduler_of_torch_gives_its_factors_and_resumes_exactly(name):
    recipe = Recipe(schedule=name, schedule_options=SCHEDULES[name])
    schedule, rates = StepSchedule(recipe), []
    for step in range(10):
        rates.append(schedule.factor)
        schedule.step()
        if step == 3:  # what a checkpoint and a config.json make of it
            state = unpack(pack({"schedule": schedule.state_dict()}))["schedule"]
            schedule = StepSchedule(Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))))
            schedule.load_state_dict(copy.deepcopy(state))
    assert rates == torch_schedule(name, 10)
    assert len(set(rates)) > 1


def test_the_named_schedules_have_no_state():
    schedule = StepSchedule(Recipe(schedule="cosine"))
    schedule.step()
    assert (schedule.factor, schedule.state_dict()) == (1.0, {})
    schedule.load_state_dict({})


REFUSED = [
    ({"schedule": "Nope"}, "schedule must be"),
    ({"schedule": "Optimizer"}, "schedule must be"),
    ({"schedule": "__doc__"}, "schedule must be"),
    ({"schedule": "LambdaLR"}, "schedule_options must be"),
    ({"schedule": "SequentialLR"}, "schedule_options must be"),
    ({"schedule": "StepLR"}, "schedule_options must be"),
    ({"schedule": "StepLR", "schedule_options": {"size": 2}}, "schedule_options must be"),
    ({"schedule": "OneCycleLR", "schedule_options": {"max_lr": 1.0, "total_steps": -1}}, "schedule_options must be"),
]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        *REFUSED,
        ({"schedule": "LRScheduler"}, "schedule"),
        ({"schedule": "ReduceLROnPlateau"}, "schedule"),
        ({"schedule": "StepLR", "schedule_options": {"step_size": 0}}, "schedule_options"),
    ],
)
def test_what_is_no_schedule_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        StepSchedule(Recipe(**options)).step()


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_what_is_no_schedule_is_refused_before_the_images_are_read(tmp_path, options, message):
    class Counting(torch.utils.data.Dataset):
        read = 0

        def __len__(self):
            return 4

        def __getitem__(self, index):
            Counting.read += 1
            return torch.zeros(1, 16, 16)

    with pytest.raises(ValueError, match=message):
        fit(Counting(), image_size=16, out=tmp_path / "run", progress=False, **options)
    assert (Counting.read, (tmp_path / "run").exists()) == (0, False)
