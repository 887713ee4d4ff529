"""What a source is worth, on images of which everything is known."""

import dataclasses
import json
import pickle

import pytest
import torch

from gan_augment import Card, SyntheticPool
from gan_augment.data import fingerprints
from gan_augment.data._open import ArrayImages
from gan_augment.evaluation import SmallCNN, _evaluate, evaluate
from gan_augment.metrics import ClassifierFeatures, authenticity, kid, load_features

QUICK = 20  # steps


def pixels(images):
    return images[:, :, ::2, ::2].flatten(1).float() / 255


def shapes(labels, side=16, channels=1, seed=0):
    """Images by class: a bright bar, at the top, in the middle or at the bottom, over noise of their own."""
    rng = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 120, (len(labels), channels, side, side), generator=rng)
    third = side // 3
    for image, label in zip(images, labels.tolist()):
        image[:, label * third : (label + 1) * third] += 130
    return images.byte()


def classes(n):
    return torch.arange(n) % 3


class Ideal:
    """A source that draws from the distribution of the real images."""

    num_classes = 3

    def sample(self, n, labels=None, *, seed=None):
        return shapes(classes(n) if labels is None else labels, seed=1000 + (seed or 0) % 2**31)


class Copying(Ideal):
    """A source that gives its training images, in order."""

    def __init__(self, training):
        self.training = training

    def sample(self, n, labels=None, *, seed=None):
        labels = classes(n) if labels is None else labels
        return torch.stack([self.training[3 * (i % 20) + label] for i, label in enumerate(labels.tolist())])


class Wrong(Ideal):
    """A source that gives the next class in place of the one asked for."""

    def sample(self, n, labels=None, *, seed=None):
        return super().sample(n, ((classes(n) if labels is None else labels) + 1) % 3, seed=seed)


@pytest.fixture(scope="module")
def real():
    return ArrayImages(shapes(classes(90), seed=1), classes(90))


@pytest.fixture(scope="module")
def train():
    return ArrayImages(shapes(classes(120), seed=2), classes(120))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(_evaluate, "STEPS", QUICK)


def run(source, dataset, **options):
    return evaluate(dataset, source, **{"features": pixels, "n": 60, "progress": False, **options})


@pytest.fixture(scope="module")
def whole(real, train):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_evaluate, "STEPS", QUICK)
        return run(Ideal(), real, train=train)


def test_everything_is_named_with_its_counts(whole):
    kind = "[pixels, n=60/60, test]"
    names = [f"{name}{kind}" for name in ("kid", "fid", "precision", "recall", "density", "coverage")]
    names += ["authenticity[pixels, n=120/60, train]", f"ct{kind}"]
    names += ["gan_train[small-cnn, n=90/300, test]", "gan_test[small-cnn, n=120/60, train]"]
    assert [measurement.label for measurement in whole.measurements] == names
    assert whole["kid"] is whole.measurements[0]
    assert {measurement.name for measurement in whole.floor} == {m.name for m in whole.measurements} - {"ct"}


def test_an_ideal_source_is_as_good_as_real_images(whole):
    floor = {measurement.name: measurement for measurement in whole.floor}
    assert abs(whole["kid"].value - floor["kid"].value) < 4 * (whole["kid"].spread + floor["kid"].spread)
    assert abs(whole["ct"].value) < 3
    assert abs(whole["authenticity"].value - floor["authenticity"].value) < 0.35
    assert min(whole[name].value for name in ("gan_train", "gan_test")) > 0.9
    assert whole.agreement.per_class.keys() == {0, 1, 2}
    assert not whole.copies.suspicious
    assert not whole.leakage.leaks
    assert any("no difference from real images" in sentence for sentence in whole.sentences)


def test_an_evaluation_is_a_function_of_its_seed_and_pickles(whole, real, train):
    assert run(Ideal(), real, train=train) == whole
    assert pickle.loads(pickle.dumps(whole)) == whole
    assert run(Ideal(), real, seed=1)["kid"] != whole["kid"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        whole.copies = None


def test_it_goes_into_a_log_and_prints_as_a_table(whole):
    entry = whole.to_dict()
    assert json.loads(json.dumps(entry)) == entry
    assert entry["measurements"][0]["name"] == "kid"
    assert set(entry["agreement"]["per_class"]) == {"0", "1", "2"}
    lines = str(whole).splitlines()
    assert lines[0].split() == ["samples", "real", "images", "better"]
    assert [line.split()[-1] for line in lines[1:5]] == ["lower", "lower", "higher", "higher"]
    assert lines[1].startswith("kid[pixels, n=60/60, test]")
    assert lines[1].count("±") == 2
    assert lines[-len(whole.sentences) :] == whole.sentences


def test_the_floor_is_real_training_images_in_the_place_of_samples(real, train):
    found = run(Ideal(), ArrayImages(real.images), train=ArrayImages(train.images), n=200)
    network = load_features(pixels)
    x, t = network(real.images), network(train.images)
    floor = {measurement.name: measurement for measurement in found.floor}
    assert floor["kid"].value == pytest.approx(kid(x, t).value, rel=1e-6)
    assert floor["kid"].label == "kid[pixels, n=90/120, test]"
    assert floor["authenticity"].value == authenticity(t, x)


def test_without_training_images_there_is_neither_a_floor_nor_memorisation(real):
    found = run(Ideal(), real)
    assert (found.floor, found.copies, found.agreement) == ([], None, None)
    assert [m.name for m in found.measurements][-2:] == ["coverage", "gan_train"]
    assert any("pass train=" in sentence for sentence in found.sentences)
    assert "real images" not in str(found).splitlines()[0]


def test_without_labels_on_either_side_there_are_no_classes(real, train):
    assert {"gan_train", "gan_test"}.isdisjoint(m.name for m in run(Ideal(), ArrayImages(real.images)).measurements)

    class Unconditional:
        def sample(self, n, labels=None, *, seed=None):
            assert labels is None
            return Ideal().sample(n, seed=seed)

    assert {"gan_train", "gan_test"}.isdisjoint(m.name for m in run(Unconditional(), real, train=train).measurements)
    half = run(Ideal(), real, train=ArrayImages(train.images))
    assert half.agreement is None
    assert half["gan_train"].value > 0.9


def test_copies_are_said(real, train):
    found = run(Copying(train.images), real, train=train)
    assert found["authenticity"].value == 0
    assert found["ct"].value < -5
    assert found.copies.near_copies == 1
    assert sum("look at the closest pairs" in sentence for sentence in found.sentences) == 2


def test_wrong_classes_are_said(real, train):
    found = run(Wrong(), real, train=train)
    assert max(found["gan_train"].value, found["gan_test"].value, *found.agreement.per_class.values()) < 0.1
    assert found["kid"].value < 3 * found["kid"].spread  # the images are as good as before


def test_classes_are_asked_for_in_the_proportions_of_the_real_ones():
    labels = torch.tensor([0] * 70 + [1] * 20 + [2] * 10)
    asked = []

    class Watched(Ideal):
        def sample(self, n, labels=None, *, seed=None):
            asked.append(labels)
            return super().sample(n, labels, seed=seed)

    run(Watched(), ArrayImages(shapes(labels), labels), n=100)
    # The first call may only look at the shape; the samples are those of the first hundred.
    drawn = torch.cat([each for each in asked if each is not None and len(each) > 1])[:100]
    assert torch.bincount(drawn).tolist() == [70, 20, 10]


def test_a_class_that_the_source_lacks_is_refused(real):
    with pytest.raises(ValueError, match=r"makes \[0, 1\] and not \[2\]"):
        run({0: Ideal(), 1: Ideal()}, real)


def test_seen_images_are_refused_or_warned_of(tiny, real, train):
    generator = type(tiny)(tiny.config)
    generator.load_state_dict(tiny.state_dict())
    generator.card = Card("mine", fingerprints=fingerprints(real.images[:30]))
    with pytest.raises(ValueError, match="seen"):
        run(generator.eval(), real)
    with pytest.warns(UserWarning, match="30 of the 90"):
        found = run(generator, real, on_seen="warn")
    assert found.exposure.seen == 30
    assert found.sentences[0] == found.exposure.sentence
    generator.card = Card("mine", fingerprints=fingerprints(train.images))
    assert run(generator, real).exposure.seen == 0


def test_real_images_that_are_also_training_images_are_refused_or_warned_of(real):
    with pytest.raises(ValueError, match="must hold different images, but 90 of 90 are in both"):
        run(Ideal(), real, train=real)
    with pytest.warns(UserWarning, match="90 of 90 are in both"):
        run(Ideal(), ArrayImages(real.images), train=ArrayImages(real.images), on_seen="warn")


def test_few_images_are_measured_with_a_warning(real):
    with pytest.warns(UserWarning, match="fewer than 50 .* there are 40 real and 40 synthetic images"):
        run(Ideal(), ArrayImages(real.images), n=40)


def test_no_image_of_a_pool_counts_twice(real):
    pool = SyntheticPool(shapes(classes(75), seed=7), classes(75))
    found = run(pool, real, n=90)
    assert found["kid"].n_synthetic == 75
    assert found["gan_train"].n_synthetic == 75
    network = load_features(pixels)
    assert found["kid"].value == pytest.approx(kid(network(real.images), network(pool.rows(torch.arange(75)))).value)


def test_samples_take_the_size_and_channels_of_the_real_images():
    seen = []

    def watched(images):
        seen.append(tuple(images.shape[1:]))
        return pixels(images)

    run(Ideal(), shapes(classes(60), 24, 3), features=watched)
    assert set(seen) == {(3, 24, 24)}


@pytest.mark.parametrize("sizes", [((20, 30),), ((24, 24), (16, 16)), ((20, 30), (24, 24))])
def test_images_of_other_sizes_are_compared_at_that_of_the_source(sizes):
    images = [torch.randint(0, 256, (1, *sizes[i % len(sizes)])).byte() for i in range(60)]
    seen = []

    def watched(batch):
        seen.append(tuple(batch.shape[1:]))
        return pixels(batch)

    run(Ideal(), images, features=watched)
    assert set(seen) == {(1, 16, 16)}


def test_images_too_small_for_marks_of_augmentation(real):
    assert run(Ideal(), shapes(classes(60), 12)).leakage is None


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((3, []), {}, TypeError, "source must be"),
        ((Ideal(), 3), {}, TypeError, "data must be"),
        ((Ideal(), []), {}, ValueError, "at least one image"),
        ((Ideal(), [torch.zeros(1, 16, 16)]), {"n": 0}, ValueError, "n must be at least 1"),
        ((Ideal(), [torch.zeros(1, 16, 16)]), {"features": 3}, TypeError, "features must be"),
        ((Ideal(), [torch.zeros(1, 16, 16)]), {"on_seen": "look away"}, ValueError, "on_seen must be one of"),
        ((Ideal(), [torch.zeros(1, 16, 16)]), {}, ValueError, "real must hold more than 3 images"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(arguments, options, error, message):
    with pytest.raises(error, match=message):
        run(*arguments, **options)


def test_gan_train_and_gan_test_name_the_split_and_the_images(real, train):
    found = run(Ideal(), real, train=train, split="held-out")
    assert found["gan_train"].label == "gan_train[small-cnn, n=90/300, held-out]"
    assert found["gan_train"].value > 0.9
    assert found["gan_test"].label == "gan_test[small-cnn, n=120/60, train]"
    assert found["gan_test"].value > 0.9


def test_features_of_a_classifier_of_ones_own(real):
    torch.manual_seed(0)
    found = run(Ideal(), ArrayImages(real.images), features=ClassifierFeatures(SmallCNN(1, 3, width=4), "mine"))
    assert found["kid"].label == "kid[mine, n=60/60, test]"
