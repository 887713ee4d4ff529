"""What a study says where the answer is known."""

import json

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


class Noise:
    """A source of nothing."""

    num_classes = CLASSES

    def sample(self, n, labels=None, *, seed=None):
        rng = torch.Generator().manual_seed(seed or 0)
        return torch.randint(0, 256, (n, 1, SIDE, SIDE), dtype=torch.uint8, generator=rng)


@pytest.mark.slow
def test_copies_of_the_training_images_show_no_effect(few, test_images):
    # Of all of them: the copies of validation images cannot help on test images either.
    result = study(few, SyntheticPool(*few.tensors), test=test_images, ratios=(0.25, 0.5), **QUICK)
    assert result.verdict == "no effect shown"
    assert result.ratio == 0


def test_noise_is_not_recommended(few, test_images):
    result = study(few, Noise(), test=test_images, ratios=(0.5, 0.9), **QUICK)
    assert result.verdict != "helps"
    assert result.ratio == 0
    assert result.arm("synthetic 0.9").difference.verdict == "hurts"


@pytest.mark.slow
def test_fresh_real_images_help(few, test_images):
    result = study(few, SyntheticPool(*gratings(3000, 2)), test=test_images, ratios=(0.25, 0.5), **QUICK)
    assert result.verdict == "helps"
    assert result.ratio in (0.25, 0.5)
    assert result.comparisons["no augmentation"].low > 0
    assert result.comparisons[f"oversampled {result.ratio:g}"].low > 0


def test_a_generator_that_saw_test_images_is_refused(few, test_images):
    generator = Generator(GeneratorConfig(SIDE, channels=1, latent_dim=8, width=16, num_classes=CLASSES)).eval()
    generator.card = Card("leak", fingerprints=fingerprints(test_images.tensors[0][:5]))
    with pytest.raises(ValueError, match="trained on 5 of 600"):
        study(few, generator, test=test_images, **QUICK)


def test_when_told_so_the_report_says_it(few, test_images, tmp_path):
    generator = Generator(GeneratorConfig(SIDE, channels=1, latent_dim=8, width=16, num_classes=CLASSES)).eval()
    generator.card = Card("leak", fingerprints=fingerprints(test_images.tensors[0][:5]))
    quick = {**QUICK, "steps": 2, "seeds": 2, "splits": 2}
    with pytest.warns(UserWarning, match="trained on 5 of the 600"):
        study(few, generator, test=test_images, ratios=0.5, on_seen="warn", out=tmp_path / "study", **quick)
    assert "trained on 5 of the 600" in (tmp_path / "study" / "report.html").read_text()
    assert "trained on 5 of the 600" in json.loads((tmp_path / "study" / "report.json").read_text())["source"]["seen"]


@pytest.mark.slow
def test_balance_with_fresh_images_of_the_rare_class_beats_copies_of_them(test_images):
    images, labels = gratings(300, 3)
    rare = (labels == 0) & (torch.cumsum(labels == 0, 0) > 12)
    train = TensorDataset(images[~rare], labels[~rare])
    pool = SyntheticPool(*gratings(3000, 4))
    result = study(train, pool, test=test_images, mode="balance", ratios=0.5, **{**QUICK, "steps": 150})
    assert result.metric == "balanced accuracy"
    assert result.verdict == "helps"
    assert {arm.kind for arm in result.arms} == {"none", "oversampled", "class weights", "synthetic", "filled up"}
