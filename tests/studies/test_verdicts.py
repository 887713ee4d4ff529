"""What a study says where the answer is known."""

import json
from typing import Any, NamedTuple

import pytest
import torch
from torch.utils.data import TensorDataset

from gan_augment import Card, Generator, GeneratorConfig, SyntheticPool
from gan_augment.data import fingerprints
from gan_augment.evaluation import SmallCNN
from gan_augment.studies import study

from .conftest import CLASSES, PLAIN, SIDE, gratings


def tiny(channels, num_classes):
    return SmallCNN(channels, num_classes, width=8)


QUICK = {
    **PLAIN,
    "augment": "none",
    "steps": 60,
    "batch_size": 32,
    "seeds": 5,
    "splits": 5,
    "classifier": tiny,
    "progress": False,
}


class Case(NamedTuple):
    """A classifier with images from which it learns something, but less than it could."""

    few: TensorDataset
    test: TensorDataset
    kind: dict[str, float]  # of the gratings
    options: dict[str, Any]


@pytest.fixture(params=["small-cnn", pytest.param("efficientnet-lite0", marks=pytest.mark.slow)])
def case(request, few, test_images):
    if request.param == "small-cnn":
        return Case(few, test_images, {}, QUICK)
    # Only the last layer of the pretrained network trains. Each image costs a hundred times as much.
    pytest.importorskip("efficientnet_lite_pytorch")
    easy = {"noise": 0.0, "spread": 0.2}
    options = {"classifier": "efficientnet-lite0", "lr": 1e-2, "steps": 200, "batch_size": 16, "controls": ()}
    images = (TensorDataset(*gratings(count, seed, **easy)) for count, seed in ((18, 0), (120, 1)))
    return Case(*images, easy, {**QUICK, **options})


def ask(case, source, ratios, **changes):
    """Runs a study; with the pretrained network, only of the last ratio."""
    ratios = ratios if case.options["controls"] else ratios[-1]
    return study(case.few, source, test=case.test, ratios=ratios, **{**case.options, **changes})


class Noise:
    """A source of nothing."""

    num_classes = CLASSES

    def sample(self, n, labels=None, *, seed=None):
        rng = torch.Generator().manual_seed(seed or 0)
        return torch.randint(0, 256, (n, 1, SIDE, SIDE), dtype=torch.uint8, generator=rng)


@pytest.fixture
def leak(case):
    """A generator that was trained on five test images."""
    generator = Generator(GeneratorConfig(SIDE, channels=1, latent_dim=8, width=16, num_classes=CLASSES)).eval()
    generator.card = Card("leak", fingerprints=fingerprints(case.test.tensors[0][:5]))
    return generator


@pytest.mark.slow
def test_copies_of_the_training_images_show_no_effect(case):
    # Of all of them: the copies of validation images cannot help on test images either.
    result = ask(case, SyntheticPool(*case.few.tensors), (0.25, 0.5))
    assert result.verdict == "no effect shown"
    assert result.ratio == 0


def test_noise_is_not_recommended(case):
    result = ask(case, Noise(), (0.5, 1.0))
    assert result.verdict != "helps"
    assert result.ratio == 0
    assert result.arm("synthetic 1").difference.verdict == "hurts"


@pytest.mark.slow
def test_fresh_real_images_help(case):
    result = ask(case, SyntheticPool(*gratings(3000, 2, **case.kind)), (0.25, 0.5))
    assert result.verdict == "helps"
    assert result.ratio in (0.25, 0.5)
    assert all(found.low > 0 for found in result.comparisons.values())


def test_a_generator_that_saw_test_images_is_refused(case, leak):
    with pytest.raises(ValueError, match=f"trained on 5 of {len(case.test)}"):
        ask(case, leak, (0.25, 0.5))


def test_when_told_so_the_report_says_it(case, leak, tmp_path):
    quick = {"steps": 2, "seeds": 2, "splits": 2, "on_seen": "warn", "out": tmp_path / "study"}
    sentence = f"trained on 5 of the {len(case.test)}"
    with pytest.warns(UserWarning, match=sentence):
        ask(case, leak, (0.5,), **quick)
    assert sentence in (tmp_path / "study" / "report.html").read_text()
    assert sentence in json.loads((tmp_path / "study" / "report.json").read_text())["source"]["seen"]


@pytest.mark.slow
def test_balance_with_fresh_images_of_the_rare_class_beats_copies_of_them(test_images):
    images, labels = gratings(300, 3)
    rare = (labels == 0) & (torch.cumsum(labels == 0, 0) > 12)
    train = TensorDataset(images[~rare], labels[~rare])
    pool = SyntheticPool(*gratings(3000, 4))
    result = study(train, pool, test=test_images, mode="balance", ratios=0.5, **{**QUICK, "steps": 150})
    assert result.metric == "balanced accuracy"
    assert result.verdict == "helps"
    kinds = {"none", "oversampled", "class weights", "logit adjustment", "synthetic", "filled up"}
    assert {arm.kind for arm in result.arms} == kinds
