"""NaN is in no range: every public entrance that takes a number or floats refuses it."""

import math

import pytest
import torch
from torch.utils.data import TensorDataset

import gan_augment as gan
from gan_augment.metrics import copy_report
from gan_augment.mixing import LabelPolicy

NAN = math.nan
POOL = gan.SyntheticPool(torch.zeros(6, 1, 16, 16, dtype=torch.uint8), torch.arange(6) % 3)
LABELS = torch.arange(6) % 3
DATA = TensorDataset(torch.zeros(6, 1, 16, 16, dtype=torch.uint8), LABELS)
GREYS = torch.arange(40, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 16, 16).contiguous()


def teacher(images):
    return torch.zeros(len(images), 3)


def generator():
    return gan.Generator(gan.GeneratorConfig(image_size=16, channels=1, num_classes=3, width=4))


def one_nan(scale=1.0):
    images = torch.rand(6, 1, 16, 16) * scale
    images[2, 0, 3, 3] = NAN
    return images


@pytest.mark.parametrize("mode", ["replace", "append", "balance"])
@pytest.mark.parametrize(
    "make", [lambda m: gan.SyntheticMix(POOL, NAN, mode=m), lambda m: gan.GANAugmentedDataset(DATA, POOL, NAN, mode=m)]
)
def test_a_ratio(mode, make):
    with pytest.raises(ValueError, match=r"ratio must be in .* but got nan"):
        make(mode)


@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_images(scale):
    with pytest.raises(ValueError, match="must be between 0 and 1"):
        gan.SyntheticMix(POOL, 0.5)(one_nan(scale), LABELS)
    with pytest.raises(ValueError, match="must be between 0 and 1"):
        gan.SyntheticMix(POOL, 0.5)(one_nan(scale)[2], 0)
    with pytest.raises(ValueError, match="must be between 0 and 1"):
        gan.GANAugmentedDataset(TensorDataset(one_nan(scale), LABELS), POOL, 0.5)


@pytest.mark.parametrize("rows", [[[NAN, 0.5, 0.5]], [[NAN, NAN, NAN]], [[1.0, 0.0, NAN]]])
def test_probabilities(rows):
    with pytest.raises(ValueError, match="must be class probabilities"):
        gan.SyntheticMix(POOL, 1.0)(torch.rand(1, 1, 16, 16), torch.tensor(rows))


@pytest.mark.parametrize(
    "make",
    [
        lambda: gan.FixedRatioBatchSampler([False, True], 2, NAN),
        lambda: LabelPolicy(weight=NAN),
        lambda: gan.Same(weight=NAN),
        lambda: gan.Teacher(teacher=teacher, threshold=NAN),
        lambda: gan.TeacherConfidence(teacher, NAN),
        lambda: gan.TeacherConfidence(teacher, {0: NAN}),
        lambda: gan.TeacherConfidence.calibrate(teacher, GREYS, None, quantile=NAN),
        lambda: copy_report(GREYS, GREYS, percentile=NAN),
        lambda: generator().sample(2, truncation=NAN),
        lambda: gan.GeneratorConfig(image_size=16, negative_slope=NAN),
        lambda: gan.fit(DATA, "tiny", budget=NAN, progress=False),
        lambda: gan.fit(DATA, "tiny", budget="nan s", progress=False),
        lambda: gan.fit(DATA, "tiny", checkpoint_every=NAN, progress=False),
        lambda: gan.study(DATA, POOL, ratios=NAN, progress=False),
        lambda: gan.study(DATA, POOL, ratios=(0.25, NAN), progress=False),
        lambda: gan.study(DATA, POOL, validation=NAN, progress=False),
        lambda: gan.study(DATA, POOL, test=NAN, progress=False),
        lambda: gan.study(DATA, POOL, lr=NAN, progress=False),
        lambda: gan.import_checkpoint("none.pth", negative_slope=NAN),
        lambda: gan.import_checkpoint("none.pth", eps=NAN),
    ],
)
def test_a_number(make):
    with pytest.raises(ValueError, match=r"nan\b"):
        make()


def test_labels_of_a_pool():
    with pytest.raises(ValueError, match=r"labels must be integers, but got torch\.float32"):
        gan.SyntheticPool(GREYS, torch.full((40,), NAN))


def test_a_count():
    with pytest.raises(TypeError, match="n must be an int"):
        gan.evaluate(DATA, POOL, n=NAN, progress=False)


RECIPE_NUMBERS = [
    name for name, field in gan.Recipe.__dataclass_fields__.items() if field.type in ("float", "tuple[float, float]")
]


@pytest.mark.parametrize("name", RECIPE_NUMBERS)
def test_a_number_of_a_recipe(name):
    value = (0.0, NAN) if name == "class_fade" else NAN
    with pytest.raises(ValueError, match=r"but got .*nan"):
        gan.fit(DATA, "tiny", progress=False, budget="1s", **{name: value})
