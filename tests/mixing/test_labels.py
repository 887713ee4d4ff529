"""Label policies: the target of a synthetic image is never guessed."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gan_augment import Conditional, Fixed, GANAugmentedDataset, Same, SyntheticMix, SyntheticPool, Teacher, Uniform

from .helpers import batch, bright_or_not, clearly_one, made, never_sure, pool, real, shown, synthetic, values

LABELS = [0, 1, 2] * 8


def augmented(dataset, source, *args, **options):
    return GANAugmentedDataset(dataset, source, *args, **{"mode": "append", "progress": False, **options})


def of_both(labels, policy, ratio=0.5, **options):
    """Yields synthetic images and their targets, from the transform and from the data set."""
    images, targets = batch(labels)
    mix = SyntheticMix(options.get("source") or pool(), ratio, labels=policy, num_classes=options.get("num_classes"))
    dataset = augmented(real(labels), mix.source, ratio, labels=policy, num_classes=options.get("num_classes"))
    items = made(dataset)
    out, new = mix(images, targets)[:2]
    chosen = synthetic(out)
    yield out[chosen], new[chosen]
    yield torch.stack([item[0] for item in items]), torch.stack([item[1] for item in items])


@pytest.mark.parametrize("policy", ["same", Same(), "conditional", Conditional()])
def test_a_synthetic_image_shows_its_target(policy):
    for images, targets in of_both(LABELS, policy):
        assert len(images) > 0
        assert torch.equal(shown(images), targets)


def test_a_class_map_maps_classes_of_the_source_to_classes_of_the_data():
    policy = Conditional(class_map={7: 0, 8: 0, 5: 2})
    for images, targets in of_both(LABELS, policy, ratio=0.8, source=pool(10)):
        pairs = set(zip(((values(images) - 100) // 10).tolist(), targets.tolist()))
        assert pairs == {(7, 0), (8, 0), (5, 2)}


def test_the_ratio_holds_in_each_class_that_a_class_map_reaches():
    images, labels = batch(LABELS)
    out, _ = SyntheticMix(pool(), 0.5, labels=Conditional(class_map={0: 0, 1: 1}))(images, labels)
    assert int(synthetic(out).sum()) == 8
    assert not bool(synthetic(out)[labels == 2].any())


@pytest.mark.parametrize("policy", [2, Fixed(label=2)])
def test_every_synthetic_image_has_the_fixed_class(policy):
    for images, targets in of_both(LABELS, policy):
        assert len(images) > 0
        assert set(targets.tolist()) == {2}


def test_synthetic_images_may_have_a_class_of_their_own():
    for _, targets in of_both(LABELS, 3, num_classes=4):
        assert set(targets.tolist()) == {3}


def test_the_main_argument_of_a_policy_is_positional():
    assert Fixed(2).label == 2
    assert Conditional({0: 1}).class_map == {0: 1}
    assert Teacher(clearly_one).teacher is clearly_one


@pytest.mark.parametrize("policy", ["uniform", Uniform()])
def test_uniform_targets_are_equal_probabilities_and_real_ones_become_one_hot(policy):
    for images, targets in of_both(LABELS, policy, num_classes=3):
        assert len(images) > 0
        assert torch.allclose(targets, torch.full((len(images), 3), 1 / 3))
    images, labels = batch(LABELS)
    out, targets = SyntheticMix(pool(), 0.5, labels=policy, num_classes=3)(images, labels)
    assert torch.equal(targets[~synthetic(out)].argmax(1), labels[~synthetic(out)])


def test_a_hard_teacher_labels_the_images():
    for images, targets in of_both(LABELS, Teacher(teacher=clearly_one)):
        assert len(images) > 0
        assert set(targets.tolist()) == {1}


def test_a_hard_teacher_drops_images_below_its_threshold():
    def sure_of_class_2(images):  # and says that it is 0
        logits = torch.zeros(len(images), 3)
        logits[:, 0] = 9.0 * (shown(images) == 2)
        return logits

    for (images, targets), count in zip(of_both(LABELS, Teacher(teacher=sure_of_class_2)), (12, 24), strict=True):
        assert len(images) == count
        assert set(shown(images).tolist()) == {2}
        assert set(targets.tolist()) == {0}


def test_a_teacher_that_is_never_sure_is_refused():
    with pytest.raises(ValueError, match="must accept some images, but Teacher left 12 of 12"):
        SyntheticMix(pool(), 0.5, labels=Teacher(teacher=never_sure))(*batch(LABELS))
    with pytest.raises(ValueError, match="refuses every one"):
        augmented(real(LABELS), pool(), 0.5, labels=Teacher(teacher=never_sure))


def test_a_soft_teacher_gives_its_probabilities():
    def half(images):
        return torch.log(torch.tensor([[0.5, 0.25, 0.25]])).repeat(len(images), 1)

    for images, targets in of_both(LABELS, Teacher(teacher=half, kind="soft"), num_classes=3):
        assert len(images) > 0
        assert torch.allclose(targets, torch.tensor([0.5, 0.25, 0.25]).expand_as(targets))


def test_a_teacher_module_runs_in_eval_mode_and_keeps_its_mode():
    class Checking(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.seen = nn.Parameter(torch.ones(())), set()

        def forward(self, images):
            self.seen.add((self.training, torch.is_grad_enabled(), float(images.min()) >= 0, float(images.max()) <= 1))
            return clearly_one(images) * self.weight

    teacher = Checking().train()
    out, targets = SyntheticMix(pool(), 0.5, labels=Teacher(teacher=teacher))(*batch(LABELS))
    assert bool((targets[synthetic(out)] == 1).all())
    assert teacher.seen == {(False, False, True, True)}
    assert teacher.training


def test_labels_none_mixes_images_without_labels():
    images, _ = batch(LABELS)
    assert int(synthetic(SyntheticMix(pool(), 0.5, labels=None)(images)).sum()) == 12
    dataset = augmented(list(images), pool(), 0.5, labels=None)
    assert synthetic(torch.stack([dataset[index] for index in range(48)])).tolist() == [False, True] * 24


def test_an_unconditional_source_with_a_policy_works(unconditional):
    images, labels = batch(LABELS)
    _, targets, flags = SyntheticMix(unconditional, 0.5, labels=2, return_synthetic=True)(images, labels)
    assert bool((targets[flags] == 2).all())
    assert torch.equal(targets[~flags], labels[~flags])


# Types never depend on the draw --------------------------------------------------------------------


POLICIES = [
    Same(),
    Conditional(class_map={0: 0, 2: 1}),
    Fixed(label=1),
    Uniform(),
    Teacher(teacher=clearly_one),
    Teacher(teacher=clearly_one, kind="soft"),
    Same(weight=2),
    Uniform(weight=0.5),
]


def kinds(items):
    def kind(entry):
        return (type(entry), entry.dtype, entry.shape) if isinstance(entry, torch.Tensor) else type(entry)

    return {tuple(kind(entry) for entry in item) for item in items}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("label", [1, torch.tensor(1), torch.tensor([0.0, 1.0, 0.0])])
def test_the_type_of_a_sample_never_depends_on_the_draw(policy, label):
    mix = SyntheticMix(pool(), 0.5, labels=policy, num_classes=3)
    assert len(kinds(mix(batch([1])[0][0], label) for _ in range(25))) == 1


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("soft", [False, True])
def test_the_type_of_a_batch_never_depends_on_the_draw(policy, soft):
    images, labels = batch([1])
    labels = torch.tensor([[0.0, 1.0, 0.0]]) if soft else labels
    mix = SyntheticMix(pool(), 0.5, labels=policy, num_classes=3)
    assert len(kinds(mix(images, labels) for _ in range(25))) == 1


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("mode", ["replace", "append"])
@pytest.mark.parametrize("soft", [False, True])
def test_the_type_of_an_item_never_depends_on_whether_it_is_synthetic(policy, mode, soft):
    images, labels = batch(LABELS)
    labels = nn.functional.one_hot(labels, 3).double() if soft else labels
    items = list(zip(images, labels if soft else labels.tolist()))
    dataset = augmented(items, pool(), 0.5, mode=mode, labels=policy, num_classes=3, return_synthetic=True)
    found = [dataset[index] for index in range(len(dataset))]
    assert {item[-1] for item in found} == {True, False}
    assert len(kinds(found)) == 1


@pytest.mark.parametrize("policy", [Uniform(), Teacher(teacher=bright_or_not, kind="soft"), Same(), 1])
@given(labels=st.lists(st.integers(0, 1), min_size=1, max_size=12), ratio=st.floats(0, 0.8), mixed=st.booleans())
@settings(max_examples=30, deadline=None)
def test_targets_are_valid(policy, labels, ratio, mixed):
    images, targets = batch(labels)
    if mixed:
        targets = 0.7 * nn.functional.one_hot(targets, 2) + 0.3 * nn.functional.one_hot(targets.flip(0), 2)
    for mode in ("replace", "append"):
        _, out = SyntheticMix(pool(2), ratio, mode=mode, labels=policy, num_classes=2)(images, targets)
        if out.ndim == 2:
            assert out.shape[1] == 2
            assert bool((out >= 0).all())
            assert torch.allclose(out.sum(1), torch.ones(len(out)))
        else:
            assert set(out.tolist()) <= {0, 1}


# Weights -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [Same(weight=0.5), Fixed(weight=0.5, label=1), Uniform(weight=0.5)])
@pytest.mark.parametrize("mode", ["replace", "append"])
def test_a_weight_for_each_image_follows_the_targets(policy, mode):
    images, labels = batch(LABELS)
    mix = SyntheticMix(pool(), 0.5, mode=mode, labels=policy, num_classes=3)
    out, _, weights = mix(images, labels)
    assert torch.equal(weights, torch.where(synthetic(out), 0.5, 1.0))
    dataset = augmented(real(LABELS), pool(), 0.5, mode=mode, labels=policy)
    assert all(dataset[i][2] == (0.5 if dataset.is_synthetic(i) else 1.0) for i in range(len(dataset)))


@pytest.mark.parametrize("weight", [0, -1, float("inf"), float("nan")])
def test_a_weight_out_of_range_is_refused(weight):
    with pytest.raises(ValueError, match="weight must be above 0"):
        Same(weight=weight)


# Refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", ["samme", 1.5, True, [1], {0: 1}])
def test_an_invalid_policy_is_refused_with_the_choices(labels):
    for make in (lambda: SyntheticMix(pool(), labels=labels), lambda: augmented(real([0]), pool(), labels=labels)):
        with pytest.raises(TypeError, match=r"labels must be 'same'.*'conditional'.*'uniform'.*Teacher.*None"):
            make()


@pytest.mark.parametrize("label", [-1, 1.5, True, "cat"])
def test_a_fixed_label_that_is_not_a_class_is_refused(label):
    with pytest.raises(ValueError, match="must be a class index"):
        Fixed(label=label)


@pytest.mark.parametrize("class_map", [{}, {0: -1}, {"a": 0}, {0: 1.5}])
def test_a_class_map_must_map_classes_to_classes(class_map):
    with pytest.raises(ValueError, match="class_map must"):
        Conditional(class_map=class_map)


def test_a_class_map_of_unknown_classes_is_refused():
    with pytest.raises(ValueError, match=r"classes of the source.*no class 7"):
        SyntheticMix(pool(), labels=Conditional(class_map={7: 0}))


@pytest.mark.parametrize("policy", [3, Conditional(class_map={0: 3})])
def test_targets_beyond_the_classes_of_the_data_are_refused(policy):
    with pytest.raises(ValueError, match=r"from 0 to 2, but give \[3\]"):
        augmented(real(LABELS), pool(), labels=policy)
    with pytest.raises(ValueError, match=r"from 0 to 2, but give \[3\]"):
        SyntheticMix(pool(), labels=policy, num_classes=3)


def test_invalid_arguments_of_a_teacher_are_refused():
    with pytest.raises(TypeError, match="teacher must be callable"):
        Teacher(teacher=3)
    with pytest.raises(ValueError, match="'hard' or 'soft'"):
        Teacher(teacher=clearly_one, kind="medium")
    with pytest.raises(ValueError, match="threshold must be between 0 and 1"):
        Teacher(teacher=clearly_one, threshold=1.5)


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_a_teacher_of_other_classes_is_refused(kind):
    with pytest.raises(ValueError, match="know the 3 classes of the data, but gives 2"):
        SyntheticMix(pool(), 0.5, labels=Teacher(teacher=bright_or_not, kind=kind), num_classes=3)(*batch(LABELS))


@pytest.mark.parametrize("answer", [torch.zeros(2), torch.full((12, 3), float("nan")), "logits"])
def test_a_teacher_must_return_logits(answer):
    with pytest.raises(ValueError, match="A teacher must return"):
        SyntheticMix(pool(), 0.5, labels=Teacher(teacher=lambda _: answer))(*batch(LABELS))


def test_a_pool_without_a_class_of_the_policy_is_refused():
    some = SyntheticPool(pool(2).rows(torch.arange(8)), pool(2).labels, num_classes=3)
    with pytest.raises(ValueError, match="must name classes of the source"):
        augmented(real(LABELS), some, labels=Conditional(class_map={2: 2}))
