"""Label policies that users write work everywhere, with and without registration."""

from dataclasses import dataclass

import pytest
import torch
from torch.utils.data import TensorDataset

from gan_augment import GANAugmentedDataset, LabelPolicy, Same, SyntheticMix, SyntheticPool, study
from gan_augment.mixing import POLICIES

from .helpers import Marked, batch, made, pool, real, shown, synthetic, values

LABELS = [0, 1, 2] * 8


def augmented(source, policy, *, mode="append", ratio=0.5, labels=LABELS, **options):
    return GANAugmentedDataset(real(labels), source, ratio, mode=mode, labels=policy, progress=False, **options)


def stacked(items):
    return torch.stack([item[0] for item in items]), torch.stack([item[1] for item in items])


@dataclass(frozen=True)
class Smoothed(Same):
    """The class of the real image with a probability."""

    trust: float = 0.7
    soft = True

    def targets(self, images, classes, num_classes):
        rows = torch.full((len(images), num_classes), (1 - self.trust) / num_classes)
        rows[torch.arange(len(images)), classes] += self.trust
        return rows, torch.ones(len(images), dtype=torch.bool)


def smoothed(classes):
    return Smoothed().targets(classes, classes, 3)[0]


@pytest.mark.parametrize("source", [pool, Marked])
def test_soft_targets_that_depend_on_the_class(source):
    images, labels = batch(LABELS)
    out, targets = SyntheticMix(source(), 0.5, labels=Smoothed())(images, labels)
    chosen = synthetic(out)
    assert int(chosen.sum()) == 12
    assert torch.equal(targets[chosen], smoothed(shown(out)[chosen]))
    assert torch.equal(targets[~chosen].argmax(1), labels[~chosen])
    assert bool((targets[~chosen].amax(1) == 1).all())
    for mode in ("append", "replace", "balance"):
        items = augmented(source(), Smoothed(), mode=mode)
        made_images, made_targets = stacked(made(items))
        assert torch.equal(made_targets, smoothed(shown(made_images)))
        assert {tuple(item[1].shape) for item in items} == {(3,)}


def test_a_registered_policy_is_chosen_by_its_name(monkeypatch):
    monkeypatch.setitem(POLICIES, "smoothed", Smoothed)
    assert SyntheticMix(pool(), 0.5, labels="smoothed").policy == Smoothed()
    assert augmented(pool(), "smoothed")[0][1].shape == (3,)
    with pytest.raises(TypeError, match="labels must be 'smoothed', 'same'"):
        SyntheticMix(pool(), 0.5, labels="smooth")


@dataclass(frozen=True)
class EvenCopies(Same):
    """Images of an even value; checks that it sees images like the real ones."""

    uses_images = True

    def targets(self, images, classes, num_classes):
        assert images.shape[1:] == (1, 16, 16)
        assert torch.equal(shown(images), classes)
        return classes, values(images) % 2 == 0


@pytest.mark.parametrize(
    "source", [lambda: pool(size=32, channels=3), pool, Marked], ids=["a larger pool", "a pool", "a generator"]
)
def test_images_that_a_policy_refuses_are_drawn_again_for_their_class(source):
    images, labels = batch(LABELS)
    out, targets = SyntheticMix(source(), 1.0, labels=EvenCopies())(images, labels)
    assert bool(synthetic(out).all())
    assert bool((values(out) % 2 == 0).all())
    assert torch.equal(shown(out), labels)
    assert torch.equal(targets, labels)
    made_images, made_targets = stacked(made(augmented(source(), EvenCopies(), mode="replace", ratio=1.0)))
    assert len(made_images) == 24
    assert bool((values(made_images) % 2 == 0).all())
    assert torch.equal(shown(made_images), made_targets)


@dataclass(frozen=True)
class Shared(LabelPolicy):
    """Class 0 of the source stands for two classes of the data, told apart by the draw."""

    uses_images = False

    def source_classes(self, source):
        return {0: [0], 2: [0, 1]}


@pytest.mark.parametrize("source", [pool, Marked])
def test_a_class_of_the_source_may_stand_for_several_of_the_data(source):
    images, targets = stacked(made(augmented(source(), Shared(), mode="replace", ratio=1.0)))
    assert {*zip(shown(images).tolist(), targets.tolist())} == {(0, 0), (0, 2), (1, 2)}
    assert targets.tolist().count(0) == targets.tolist().count(2) == 8


@dataclass(frozen=True)
class Counting(LabelPolicy):
    """Class 1 for everything, and how many images it was shown."""

    uses_images = False
    counts = []  # noqa: RUF012

    def targets(self, images, classes, num_classes):
        assert classes is None
        self.counts.append(len(images))
        return torch.ones(len(images), dtype=torch.int64), torch.ones(len(images), dtype=torch.bool)


def test_a_policy_that_does_not_use_the_images_is_asked_once_for_a_whole_pool():
    data = augmented(pool(), Counting())
    assert Counting.counts == [1]
    assert {int(item[1]) for item in made(data)} == {1}


@dataclass(frozen=True)
class OnlyTwoClasses(LabelPolicy):
    """Has a check of each kind."""

    def targets(self, images, classes, num_classes):
        return torch.zeros(len(images), dtype=torch.int64), torch.ones(len(images), dtype=torch.bool)

    def check_source(self, source):
        if source.num_classes == 4:
            raise ValueError("no source of four")

    def check_classes(self, source, num_classes):
        if num_classes != 2:
            raise ValueError("only two classes")

    def check_names(self, source, names):
        if names and "cat" not in names:
            raise ValueError("no cat")


@pytest.mark.parametrize(
    ("source", "labels", "names", "message"),
    [
        (lambda: Marked(4), [0, 1], ["cat", "dog"], "no source of four"),
        (pool, [0, 1, 2], ["cat", "dog", "cow"], "only two"),
        (pool, [0, 1], ["ant", "bee"], "no cat"),
    ],
)
@pytest.mark.filterwarnings("ignore:The source has no class names")
def test_a_policy_owns_its_checks(source, labels, names, message):
    with pytest.raises(ValueError, match=message):
        SyntheticMix(source(), labels=OnlyTwoClasses(), classes=names)
    data = TensorDataset(torch.rand(60, 1, 16, 16), torch.tensor(labels * 30)[:60])
    data.classes = names
    with pytest.raises(ValueError, match=message):
        GANAugmentedDataset(data, source(), labels=OnlyTwoClasses(), progress=False)
    with pytest.raises(ValueError, match=message):
        study(data, source(), labels=OnlyTwoClasses(), progress=False)


class Nothing(LabelPolicy):
    """Defines neither targets nor classes."""


class Returns(LabelPolicy):
    """Returns whatever it is told to."""

    value = None

    def targets(self, images, classes, num_classes):
        return self.value


class ReturnsSoft(Returns):
    soft = True


YES = torch.ones(24, dtype=torch.bool)


@pytest.mark.parametrize(
    ("policy", "value", "error", "message"),
    [
        (Nothing, None, NotImplementedError, "Nothing must define targets"),
        (Returns, torch.zeros(24), TypeError, r"Returns.targets must return two tensors, but returned .*Tensor"),
        (Returns, (torch.zeros(24), YES), ValueError, r"int64 \(24,\) and bool \(24,\), but returned torch.float32"),
        (Returns, (torch.zeros(24, 3).long(), YES), ValueError, r"but returned torch.int64 \(24, 3\)"),
        (Returns, (torch.zeros(24).long(), YES[:2]), ValueError, r"and torch.bool \(2,\)"),
        (Returns, (torch.full((24,), 3), YES), ValueError, "labels must be between 0 and 2, but got 3"),
        (ReturnsSoft, (torch.zeros(24, 2), YES), ValueError, r"must return float \(24, 3\).*\(24, 2\)"),
    ],
)
def test_results_of_the_wrong_kind_are_refused(policy, value, error, message, monkeypatch):
    monkeypatch.setattr(Returns, "value", value)
    with pytest.raises(error, match=message):
        SyntheticMix(pool(), 1.0, labels=policy(), num_classes=3)(*batch(LABELS))


def test_a_policy_that_asks_for_classes_needs_a_source_with_classes(unconditional):
    with pytest.raises(ValueError, match=r"labels=Shared\(weight=2\) must have a source with classes"):
        SyntheticMix(pool(labelled=False), labels=Shared(weight=2))
    with pytest.raises(ValueError, match="must have a source with classes"):
        augmented(pool(labelled=False), Smoothed())


def test_a_policy_that_asks_for_classes_can_balance():
    data = augmented(pool(), Smoothed(), mode="balance", labels=[0, 0, 0, 1, 2])
    assert torch.bincount(torch.stack([item[1] for item in data]).argmax(1)).tolist() == [3, 3, 3]


def test_a_study_takes_a_policy_of_the_user():
    torch.manual_seed(0)
    images = torch.randint(0, 255, (90, 1, 16, 16), dtype=torch.uint8)
    data = TensorDataset(images, torch.arange(90) % 3)
    source = SyntheticPool(torch.randint(0, 255, (60, 1, 16, 16), dtype=torch.uint8), torch.arange(60) % 3)
    options = {"classifier": "small-cnn", "lr": 2e-3, "controls": "repeated", "augment": "none", "steps": 1, "seeds": 2}
    options |= {"ratios": 0.5, "pool_size": 60, "progress": False}
    result = study(data, source, labels=[Smoothed(weight=0.5), "same"], test=0.3, **options)
    arms = {arm.labels for arm in result.arms if arm.kind == "synthetic"}
    assert arms == {"Smoothed(weight=0.5, trust=0.7)", "same"}
