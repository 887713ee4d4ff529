"""A study as it runs: refusals before any work, restarts, processes, classifiers and policies of the user's."""

import json

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from gan_augment import Generator, GeneratorConfig, SyntheticPool, Uniform
from gan_augment.studies import study
from gan_augment.synthesis import FILTERS, Filter

from .conftest import CLASSES, PLAIN, SIDE, gratings

SMALL = {**PLAIN, "augment": "none", "ratios": 0.5, "steps": 3, "seeds": 2, "splits": 2, "progress": False}


SHARED = nn.Linear(1, 1)


def linear(channels, num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * SIDE * SIDE, num_classes))


def wider(channels, num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * SIDE * SIDE, 8), nn.Linear(8, num_classes))


@pytest.fixture(scope="module")
def pool():
    return SyntheticPool(*gratings(90, 5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ratios": 0.0}, "numbers above 0 and up to 1"),
        ({"ratios": (0.5, 1.5)}, "numbers above 0 and up to 1"),
        ({"seeds": 1}, "seeds must be at least 2"),
        ({"mode": "append"}, "mode must be one of"),
        ({"metric": "f1"}, "metric must be one of"),
        ({"augment": "strong"}, "augment must be one or more of"),
        ({"filters": "good"}, "filters must be one or more of"),
        ({"validation": 1.0}, "validation must be a share"),
        ({"validation": 0.0, "ratios": (0.1, 0.5)}, "validation must be above 0"),
        ({"filters": "discriminator"}, "discriminator"),
        ({"recipe": "tiny-conditional"}, "either source or recipe"),
        ({"splits": 3}, "splits must be between 2 and"),
        ({"splits": 1}, "splits must be between 2 and"),
        ({"labels": None}, "labels must be label policies"),
        ({"budget": "5m"}, "budget and fit_options are for fitting"),
        ({"test": -0.5}, "share to hold out, between 0 and 1"),
        ({"test": 5}, "share to hold out, between 0 and 1"),
        ({"steps": 0}, "steps must be"),
        ({"preset": "light"}, "preset must be one of"),
        ({"pool_size": 0}, "pool_size must be"),
        ({"count": 2}, "classes"),
        ({"ratios": (1 / 3, 0.33333333)}, "first six digits"),
        ({"mode": "balance", "labels": "uniform"}, "labels must be 'same'"),
        ({"mode": "balance", "validation": 0.0}, "validation must be above 0"),
        ({"filters": "density", "count": 12}, "must have 6 training images for the filter 'density'"),
        ({"classifier": lambda channels, number: SHARED}, "new module at each call"),
        ({"classifier": lambda channels, number: linear(channels, number), "processes": 2}, "cannot be pickled"),
    ],
)
def test_bad_input_is_refused_before_any_training(few, test_images, pool, change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        study(few, pool, out=tmp_path / "study", **{"test": test_images, **SMALL, **change})
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"recipe": "tinny"}, "recipe"),
        ({"recipe": "tiny-conditional", "budget": "soon"}, "budget must be"),
        ({"recipe": "tiny-conditional", "filters": "discriminator"}, "must train a discriminator"),
        ({"recipe": "tiny-conditional", "fit_options": {"validation": "elsewhere"}}, "must be fields of a recipe"),
        ({"recipe": "tiny-conditional", "fit_options": {"latent_dim": -1}}, "latent_dim"),
        ({"recipe": "tiny"}, "must have a source with classes"),
        (
            {"recipe": "conditional", "init": "dcgan-mnist-32", "fit_options": {"image_size": 28}},
            "image_size must be 32, as in dcgan-mnist-32",
        ),
        ({}, "either source or recipe"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_before_any_training(few, test_images, arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        study(few, test=test_images, out=tmp_path / "study", **{**SMALL, **arguments})
    assert not (tmp_path / "study").exists()


def test_what_is_no_policy_is_refused(few, test_images, pool):
    with pytest.raises(TypeError, match="labels must be 'same'"):
        study(few, pool, test=test_images, **{**SMALL, "labels": "sane"})


def test_a_source_with_other_class_names_is_refused(pool):
    images, labels = gratings(90, 0)
    named = TensorDataset(images, labels)
    named.classes = ["c", "a", "b"]
    mixed = SyntheticPool(*gratings(90, 5), class_names=("a", "b", "c"))
    with pytest.raises(ValueError, match="class 0 is 'a' in the source and 'c' in the data"):
        study(named, mixed, **SMALL)


def test_a_pool_of_test_images_is_refused_and_one_of_the_data_is_noted(few, test_images):
    with pytest.raises(ValueError, match="must not contain test images, but contains 600 of 600"):
        study(few, SyntheticPool(*test_images.tensors), test=test_images, **SMALL)
    result = study(few, SyntheticPool(*few.tensors), test=test_images, **SMALL)
    assert any("45 images of the source are also in the data set" in note for note in result.notes)


def test_a_filter_that_lets_nothing_through_is_left_out(few, test_images):
    black = SyntheticPool(torch.zeros(300, 1, SIDE, SIDE, dtype=torch.uint8), torch.arange(300) % CLASSES)
    quick = {**SMALL, "filters": (None, "density"), "pool_size": 2000, "classifier": linear}
    result = study(few, black, test=test_images, **quick)
    assert [arm.name for arm in result.arms if arm.kind == "synthetic"] == ["synthetic 0.5"]
    assert any(
        "The filter density was left out: It must keep at least 2% of the samples" in note for note in result.notes
    )


class Strict(Filter):
    """Keeps images with a bright pixel."""

    needs_classes, images_per_class = True, 4

    def __call__(self, images, labels):
        return images.amax(dim=(1, 2, 3)) > 200


def test_a_filter_of_ones_own_is_tried_by_its_name(few, test_images, pool, monkeypatch, tmp_path):
    monkeypatch.setitem(FILTERS, "strict", Strict)
    quick = {**SMALL, "filters": (None, "strict"), "classifier": linear, "out": tmp_path / "study"}
    result = study(few, pool, test=test_images, **quick)
    assert [arm.name for arm in result.arms if arm.kind == "synthetic"] == ["synthetic 0.5", "synthetic 0.5, strict"]
    kept = SyntheticPool.load(tmp_path / "study" / "pools" / "strict-0")
    assert bool(Strict()(kept.rows(torch.arange(len(kept))), None).all())
    with pytest.raises(ValueError, match="must have 4 training images for the filter 'strict'"):
        study(few, pool, test=test_images, **{**quick, "count": 9})
    blank = Generator(GeneratorConfig(SIDE, channels=1, latent_dim=8, width=16))
    with pytest.raises(ValueError, match="must have classes for the filter 'strict'"):
        study(few, blank, test=test_images, labels="uniform", **quick)


def test_an_unconditional_source_needs_a_policy(few, test_images):
    generator = Generator(GeneratorConfig(SIDE, channels=1, latent_dim=8, width=16)).eval()
    with pytest.raises(ValueError, match="must have a source with classes"):
        study(few, generator, test=test_images, **SMALL)
    result = study(few, generator, test=test_images, labels=("uniform", Uniform(weight=0.5)), **SMALL)
    assert len([arm for arm in result.arms if arm.kind == "synthetic"]) == 2


def test_a_study_goes_on_where_it_stopped(few, test_images, pool, tmp_path):
    arguments = {"test": test_images, "out": tmp_path / "study", "classifier": linear, **SMALL}
    whole = study(few, pool, **arguments)
    runs = sorted((tmp_path / "study" / "runs").iterdir())
    kept = {path.name: path.read_bytes() for path in runs}
    runs[0].unlink()
    again = study(few, pool, **arguments)
    assert [arm.accuracy for arm in again.arms] == [arm.accuracy for arm in whole.arms]
    assert {path.name: path.read_bytes() for path in runs[1:]} == {path.name: kept[path.name] for path in runs[1:]}
    with pytest.raises(ValueError, match="holds one that differs in steps"):
        study(few, pool, **{**arguments, "steps": 4})
    with pytest.raises(ValueError, match="holds one that differs in source_samples"):
        study(few, SyntheticPool(*gratings(90, 6)), **arguments)
    with pytest.raises(ValueError, match="holds one that differs in classifier_modules"):
        study(few, pool, **{**arguments, "classifier": wider})
    with pytest.raises(ValueError, match="holds one that differs in split_images"):
        study(few, pool, **{**arguments, "groups": [index // 3 for index in range(45)]})


def test_damaged_files_are_made_again_or_named(few, test_images, pool, tmp_path):
    arguments = {"test": test_images, "out": tmp_path / "study", "classifier": linear, **SMALL}
    whole = study(few, pool, **arguments)
    for path in (tmp_path / "study" / "runs").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    (tmp_path / "study" / "pools" / "unfiltered-0" / "pool.json").unlink()
    with pytest.warns(UserWarning, match="is damaged"):
        again = study(few, pool, **arguments)
    assert [arm.accuracy for arm in again.arms] == [arm.accuracy for arm in whole.arms]
    images = tmp_path / "study" / "pools" / "unfiltered-0" / "images.npy"
    kept = images.read_bytes()
    images.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    with pytest.warns(UserWarning, match="unfiltered-0 is damaged .*; the study creates it again"):
        study(few, pool, **arguments)
    assert images.read_bytes() == kept
    for text in ("{", "[]"):
        (tmp_path / "study" / "config.json").write_text(text)
        with pytest.raises(ValueError, match="must be the configuration of a study"):
            study(few, pool, **arguments)


def test_a_folder_with_something_else_is_refused(few, test_images, pool, tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(ValueError, match="holds something else"):
        study(few, pool, test=test_images, out=tmp_path, **SMALL)


@pytest.mark.slow
def test_processes_find_the_same(few, test_images, pool):
    one, two = (
        study(few, pool, test=test_images, processes=processes, **{**SMALL, "classifier": linear})
        for processes in (1, 2)
    )
    for a, b in zip(one.arms, two.arms):
        assert a.accuracy == pytest.approx(b.accuracy, abs=0.02)


@pytest.mark.slow
def test_a_generator_is_fitted_to_the_training_images_of_each_split(few, test_images, tmp_path):
    options = {"steps": 3, "generator_width": 8}
    result = study(
        few, recipe="tiny-conditional", fit_options=options, budget="60s", test=test_images, out=tmp_path / "s",
        **{**SMALL, "seeds": 3},
    )  # fmt: skip
    assert result.source["fitted"] == 2
    assert any("3 seeds share 2 splits" in note for note in result.notes)
    cards = [tmp_path / "s" / "generators" / f"split-{index}" / "generator" for index in range(2)]
    assert all((card / "config.json").exists() for card in cards)


def test_pairs_share_their_randomness_and_the_result_is_whole(few, test_images, pool, tmp_path):
    result = study(few, pool, test=test_images, out=tmp_path / "s", **SMALL)
    names = [arm.name for arm in result.arms]
    assert names == ["no augmentation", "synthetic 0.5", "oversampled 0.5"]
    assert result.baseline == "no augmentation"
    assert result.arm("no augmentation").difference is None
    assert set(result.comparisons) == {"no augmentation", "oversampled 0.5"}
    assert all(len(arm.accuracy) == 2 and len(arm.recall) == CLASSES for arm in result.arms)
    report = json.loads((tmp_path / "s" / "report.json").read_text())
    assert report["verdict"] == result.verdict
    assert report["settings"]["steps"] == 3
    assert result.headline in str(result)
    with pytest.raises(ValueError, match="name must be one of"):
        result.arm("best")


def test_torchs_random_state_is_left_alone(few, test_images, pool):
    state = torch.get_rng_state()
    study(few, pool, test=test_images, **SMALL)
    assert torch.equal(state, torch.get_rng_state())


def test_a_fitting_that_came_to_nothing_ends_the_study(few, test_images, tmp_path):
    fitting = {"recipe": "tiny-conditional", "fit_options": {"generator_width": 4}, "budget": 0.05}
    arguments = {**SMALL, **fitting, "test": test_images, "out": tmp_path / "s"}
    with (
        pytest.warns(UserWarning, match="The budget ran out after"),
        pytest.raises(ValueError, match=r"budget must be long enough .* needs at least 1,000.* with a budget of \d+m"),
    ):
        study(few, **arguments)
    assert not list((tmp_path / "s").glob("outcomes/*"))
    with pytest.raises(ValueError, match="budget must be long enough"):
        study(few, **arguments)
