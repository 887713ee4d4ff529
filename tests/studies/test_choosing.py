"""How a study chooses: races, tuned classifiers, and controls that need no generator."""

import itertools
import math
import re
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import TensorDataset

from gan_augment import SyntheticPool
from gan_augment.evaluation import Classifier, Hyperparameters, SmallCNN
from gan_augment.studies import study
from gan_augment.studies._controls import CONTROL_POOLS, ControlSource, control_pool
from gan_augment.studies._estimate import Cost, estimated_seconds, rounded
from gan_augment.studies._folder import load_pool, read_record, write_images
from gan_augment.studies._jobs import Runner
from gan_augment.studies._race import race_rounds, race_trainings
from gan_augment.studies._settings import resolve_device
from gan_augment.studies._synthetic import ControlJob, MatchedSource
from gan_augment.synthesis import Source

from .conftest import CLASSES, PLAIN, SIDE, gratings

QUICK = {"augment": "none", "ratios": 0.5, "batch_size": 32, "pool_size": 300, "progress": False}


def tiny(channels, num_classes):
    return SmallCNN(channels, num_classes, width=8)


class Blind(nn.Module):
    """Cannot see the images."""

    def __init__(self, channels, num_classes):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(num_classes))

    def forward(self, images):
        return self.bias.expand(len(images), -1)


@given(st.integers(1, 40), st.integers(1, 5), st.integers(2, 12))
def test_a_race_ends_with_one_candidate_that_has_all_seeds(candidates, first, last):
    rounds = race_rounds(candidates, first, last)
    assert len(rounds) == math.ceil(math.log2(candidates))
    for (number, seeds), (fewer, more) in itertools.pairwise(rounds):
        assert fewer == math.ceil(number / 2)
        assert seeds <= more
    if rounds:
        assert rounds[0][0] == candidates
        assert rounds[-1] == (2, last)
    assert race_trainings(candidates, first, last) <= candidates * last


@pytest.fixture(scope="module")
def chosen(few, test_images):
    """A study with a classifier that sees nothing, and hyperparameters that learn nothing."""
    good, useless = Hyperparameters(lr=5e-3), Hyperparameters(lr=1e-8)
    classifiers = (Classifier("blind", Blind), Classifier("tiny", tiny, (useless, good)))
    more = {**QUICK, "augment": ("none", "affine"), "steps": 60, "seeds": 3}
    pool = SyntheticPool(*gratings(300, 2))
    return study(few, pool, test=test_images, classifier=classifiers, controls=("varied", "smote"), **more)


def test_the_best_classifier_and_its_best_hyperparameters_are_chosen(chosen):
    baseline = chosen.arm(chosen.baseline)
    assert baseline.classifier == "tiny"
    assert {arm.classifier for arm in chosen.arms if arm.ratio} == {"tiny"}
    (trial,) = [each for each in chosen.trials if each.classifier == "tiny" and each.chosen]
    assert trial.hyperparameters == Hyperparameters(lr=5e-3)
    assert chosen.arm("no augmentation, blind").classifier == "blind"


def test_baseline_choice_and_controls_have_all_seeds(chosen):
    names = {chosen.baseline, chosen.choice, "varied 0.5", "smote 0.5"}
    assert {name: len(chosen.arm(name).accuracy) for name in names} == dict.fromkeys(names, 3)
    assert chosen.source["trainings"] >= sum(len(arm.accuracy) for arm in chosen.arms)


def test_a_second_sentence_compares_with_the_best_control(chosen):
    assert chosen.control in ("varied 0.5", "smote 0.5")
    best = min((chosen.arm(name) for name in ("varied 0.5", "smote 0.5")), key=lambda arm: arm.validation)
    assert best.name == chosen.control
    assert re.search(rf"synthetic 0.5 differs from {chosen.control}.* by [+-]\d", chosen.generator_sentence)
    assert chosen.generator_sentence in str(chosen)


def test_the_same_study_has_the_same_outcome_with_two_processes(few, test_images):
    pool = SyntheticPool(*gratings(300, 2))
    both = [
        study(few, pool, test=test_images, classifier="small-cnn", steps=3, seeds=2, processes=number, **QUICK)
        for number in (1, 2)
    ]
    one, two = ([(arm.name, arm.accuracy, arm.log_loss) for arm in each.arms] for each in both)
    assert one == two
    assert both[0].trials == both[1].trials
    assert both[0].generator_sentence == both[1].generator_sentence


@given(st.sampled_from(list(CONTROL_POOLS)), st.integers(0, 2**30))
@settings(max_examples=20, deadline=None)
def test_a_control_makes_images_of_a_class_from_real_ones_of_that_class(name, seed):
    labels = torch.arange(12) % CLASSES
    greys = 60 * labels + 5 * (torch.arange(12) // CLASSES) + 20  # classes do not overlap
    images = greys[:, None, None, None].expand(-1, 1, SIDE, SIDE).byte().contiguous()
    source, asked = ControlSource(name, images, labels, CLASSES), torch.tensor([2, 0, 0, 1])
    made = source.sample(4, asked, seed=seed)
    assert made.dtype == torch.uint8
    assert made.shape == (4, 1, SIDE, SIDE)
    nearest = (made[:, 0, SIDE // 2, SIDE // 2].float()[:, None] - (60 * torch.arange(CLASSES) + 27)).abs().argmin(1)
    assert torch.equal(nearest, asked)
    assert torch.equal(made, source.sample(4, asked, seed=seed))


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_pools_of_controls_are_made_beside_the_trainings_and_move_the_bar(processes, tmp_path):
    images, labels = gratings(60, 0)
    write_images(tmp_path, images, labels, torch.arange(40, 60), [(torch.arange(20), torch.arange(20, 30))])
    jobs = [ControlJob(tmp_path, name, 0, CLASSES, size=12, seed=1, seconds=2.0) for name in CONTROL_POOLS]
    with Runner(processes, progress=True) as runner:
        runner.start({}, 100.0)
        runner.queue(jobs)
        runner.finish(ControlJob)
        assert runner.bar.n == pytest.approx(2.0 * len(jobs))
    for job in jobs:
        source = ControlSource(job.control, images[:20], labels[:20], CLASSES)
        expected = SyntheticPool.generate(source, 12, seed=1, progress=False)
        made = load_pool(tmp_path, control_pool(job.control), 0)
        assert torch.equal(made.sample(12, seed=0), expected.sample(12, seed=0))
        assert read_record(job.path) > 0


def test_without_two_images_of_a_class_the_control_varied_is_left_out(test_images):
    images, labels = gratings(CLASSES * 2, 0)  # one for training and one for validation
    data = TensorDataset(images, labels)
    options = {**QUICK, **PLAIN, "steps": 1, "seeds": 2, "validation": 0.5}
    result = study(
        data, SyntheticPool(*gratings(30, 2)), test=test_images, **{**options, "controls": ("varied", "smote")}
    )
    assert any("control varied was left out" in note for note in result.notes)
    assert result.control == "smote 0.5"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"controls": "cutout"}, "controls must be one or more of"),
        ({"device": "tpu-9"}, "device must be one that this machine has"),
        ({"classifier": ()}, "must each have at least one entry"),
        ({"classifier": (tiny, tiny)}, "classifier must have different names"),
        ({"classifier": ("small-cnn", tiny), "validation": 0.0}, "more than one augmentation, classifier"),
        ({"classifier": lambda channels, number: SmallCNN(channels, 7)}, "must return logits of shape"),
        ({"lr": -1.0}, "lr must be a finite number above 0"),
    ],
)
def test_bad_input_is_refused_before_any_training(few, test_images, change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        study(
            few, SyntheticPool(*gratings(30, 2)), test=test_images, out=tmp_path / "study",
            **{**QUICK, **PLAIN, **change},
        )  # fmt: skip
    assert not (tmp_path / "study").exists()


def test_before_it_trains_a_study_says_how_long_it_takes(few, test_images, capsys):
    options = {**QUICK, **PLAIN, "steps": 3, "seeds": 2, "progress": True}
    study(few, SyntheticPool(*gratings(30, 2)), test=test_images, **options)
    error = capsys.readouterr().err
    assert re.search(r"The study trains up to 6 classifiers, which takes about \d+ seconds\.", error)


def test_the_estimate_counts_steps_and_predictions():
    assert Cost(step=0.5, predictions=3.0).training(10) == 8.0
    assert [rounded(seconds) for seconds in (0.1, 44, 600, 36_000)] == [
        "10 seconds", "40 seconds", "10 minutes", "10.0 hours",
    ]  # fmt: skip


def test_once_a_classifier_is_tuned_the_estimate_counts_its_own_steps():
    one, other = (Classifier(name, tiny) for name in ("one", "other"))
    trials = (Hyperparameters(), Hyperparameters(steps=3))
    settings = SimpleNamespace(
        classifiers=(one, other), steps=10, num_mixed_trainings=8, trials=lambda _: trials,
        num_real_trainings=lambda _: 6,
    )  # fmt: skip
    costs = {"one": Cost(step=1.0, predictions=5.0), "other": Cost(step=0.5, predictions=5.0)}
    before = estimated_seconds(settings, costs, {"one": 0, "other": 0}, {})
    assert before == 6 * 25 + 6 * 15 + 8 * 25
    after = estimated_seconds(settings, costs, {"one": 4, "other": 0}, {"one": 3.0})
    assert after == 2 * 35 + 6 * 15 + 8 * 35


def test_pools_are_drawn_on_the_device_of_the_study():
    class Elsewhere(Source):
        device = torch.device("cpu")

        def to(self, device):
            self.device = torch.device(device)
            return self

    source = Elsewhere()
    matched = MatchedSource(source, (1, SIDE, SIDE), CLASSES)
    assert matched.parts() == [source]
    assert matched.to("meta").source.device.type == "meta"


def test_auto_is_a_device_of_this_machine():
    torch.empty(1, device=resolve_device("auto"))
    assert resolve_device("cpu") == "cpu"


class Exploding(SmallCNN):
    """Gives logits that are not finite once it has been trained with a large learning rate."""

    def forward(self, images):
        logits = super().forward(images)
        return logits * torch.inf if self[-1].weight.abs().max() > 10 else logits


def explode(channels, num_classes):
    return Exploding(channels, num_classes, width=4)


def test_hyperparameters_that_diverge_lose(few, test_images):
    trials = (Hyperparameters(lr=1e3), Hyperparameters(lr=1e-3))
    options = {**QUICK, **PLAIN, "lr": None, "steps": 5, "seeds": 2, "classifier": Classifier("own", explode, trials)}
    result = study(few, SyntheticPool(*gratings(30, 2)), test=test_images, **options)
    assert [trial.chosen for trial in result.trials] == [False, True]
    options["classifier"] = Classifier("own", explode, trials[:1])
    with pytest.raises(ValueError, match=r"logits must be finite.*diverged"):
        study(few, SyntheticPool(*gratings(30, 2)), test=test_images, **options)


def test_without_validation_images_no_control_is_called_the_best(few, test_images):
    options = {**QUICK, **PLAIN, "steps": 2, "seeds": 2, "validation": 0.0}
    pool = SyntheticPool(*gratings(30, 2))
    several = study(few, pool, test=test_images, **{**options, "controls": ("smote", "elastic")})
    assert several.control is None
    assert several.generator_sentence == ""
    assert study(few, pool, test=test_images, **options).control == "oversampled 0.5"


def test_a_recipe_of_another_size_is_timed_at_its_size(few, test_images, capsys):
    sizes = {"image_size": 32, "resize_mode": "pad", "steps": 2, "generator_width": 4}
    options = {**QUICK, **PLAIN, "steps": 2, "seeds": 2, "progress": True}
    study(few, recipe="tiny-conditional", fit_options=sizes, test=test_images, **options)
    assert "fits 2 generators and trains up to" in capsys.readouterr().err


@pytest.mark.parametrize("processes", [1, 2])
def test_a_training_has_one_thread_and_the_caller_keeps_its_own(few, test_images, processes):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        options = {**QUICK, **PLAIN, "steps": 3, "seeds": 2, "processes": processes}
        result = study(few, SyntheticPool(*gratings(30, 2)), test=test_images, **options)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    expected = study(few, SyntheticPool(*gratings(30, 2)), test=test_images, **{**options, "processes": 1})
    assert [arm.log_loss for arm in result.arms] == [arm.log_loss for arm in expected.arms]


@pytest.mark.slow
def test_the_default_classifiers_are_compared(few, test_images):
    pytest.importorskip("efficientnet_lite_pytorch")
    options = {**QUICK, "controls": "varied", "steps": 10, "seeds": 2, "augment": ("none", "affine")}
    result = study(few, SyntheticPool(*gratings(60, 2)), test=test_images, **options)
    assert {arm.classifier for arm in result.arms} == {"small-cnn", "efficientnet-lite0"}
    assert {trial.classifier for trial in result.trials} == {"small-cnn", "efficientnet-lite0"}
