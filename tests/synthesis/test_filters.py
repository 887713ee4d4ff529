import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gan_augment import Discriminator, DiscriminatorConfig, Generator, GeneratorConfig, SyntheticPool, TeacherConfidence
from gan_augment.metrics import ClassifierFeatures
from gan_augment.synthesis import (
    FILTERS,
    DiscriminatorRejection,
    Filter,
    FilterInputs,
    NotACopy,
    RealDensity,
    TeacherAgreement,
    draw_candidates,
)


class Brightness:
    """A source with classes, whose images have one random value each."""

    num_classes = 3

    def sample(self, n, labels=None, *, seed=None):
        values = torch.randint(0, 256, (n, 1, 1, 1), generator=torch.Generator().manual_seed(seed))
        return values.to(torch.uint8).expand(n, 1, 4, 4).clone()


def bright(images, labels):
    return images[:, 0, 0, 0] >= 128


def even(images, labels):
    return images[:, 0, 0, 0] % 2 == 0


def generate(size=60, **arguments):
    return SyntheticPool.generate(Brightness(), size, **{"progress": False, "batch_size": 16, **arguments})


def test_filters_keep_the_size_and_the_classes_exact():
    pool = generate(keep=[bright, even])
    values = pool.rows(torch.arange(60))[:, 0, 0, 0]
    assert bool(((values >= 128) & (values % 2 == 0)).all())
    assert torch.bincount(pool.labels).tolist() == [20, 20, 20]
    assert pool.info.acceptance == pytest.approx(0.25, abs=0.12)


def test_a_single_filter_needs_no_list():
    assert torch.equal(generate(keep=bright).rows(torch.arange(60)), generate(keep=[bright]).rows(torch.arange(60)))


def test_without_filters_all_candidates_are_accepted():
    assert generate().info.acceptance == 1.0


def test_a_filter_may_depend_on_the_class():
    pool = generate(keep=lambda images, labels: (labels != 1) | bright(images, labels))
    values = pool.rows(torch.arange(60))[:, 0, 0, 0]
    assert int(values[pool.labels == 1].min()) >= 128
    assert int(values[pool.labels != 1].min()) < 128
    assert torch.bincount(pool.labels).tolist() == [20, 20, 20]


def test_an_unfiltered_class_does_not_lose_its_images_to_a_filtered_one():
    def keep(images, labels):
        return (labels != 2) | bright(images, labels)

    whole, kept = generate(batch_size=60), generate(batch_size=60, keep=keep)
    same = whole.labels != 2
    assert torch.equal(whole.rows(same.nonzero().flatten()), kept.rows(same.nonzero().flatten()))


@pytest.mark.parametrize("keep", [bright, [bright, even]])
def test_a_filtered_pool_is_a_function_of_the_seed(keep):
    rows = torch.arange(60)
    assert torch.equal(generate(keep=keep, seed=3).rows(rows), generate(keep=keep, seed=3).rows(rows))
    assert not torch.equal(generate(keep=keep, seed=3).rows(rows), generate(keep=keep, seed=4).rows(rows))


def test_a_filter_that_keeps_nothing_of_a_class_is_refused_with_the_class():
    with pytest.raises(ValueError, match="of class 2 were all refused"):
        generate(6, keep=lambda images, labels: labels != 2)


def test_a_filter_that_keeps_nothing_without_classes_is_refused(tmp_path):
    source = Brightness()
    source.num_classes = 0
    with pytest.raises(ValueError, match="must keep some candidates"):
        SyntheticPool.generate(source, 2, keep=lambda i, y: i[:, 0, 0, 0] > 255, progress=False, out=tmp_path / "p")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "mask",
    [
        lambda images: torch.ones(len(images)),
        lambda images: torch.ones(len(images), 1, dtype=torch.bool),
        lambda images: torch.ones(len(images) + 1, dtype=torch.bool),
        lambda images: True,
        lambda images: [1] * len(images),
    ],
)
def test_a_filter_must_return_one_bool_per_image(mask):
    with pytest.raises(ValueError, match="A filter must return 6 bools"):
        generate(6, keep=lambda images, labels: mask(images))


def test_a_filter_may_return_a_list_or_an_array():
    pool = generate(6, keep=[lambda i, y: bright(i, y).tolist(), lambda i, y: bright(i, y).numpy()])
    assert int(pool.rows(torch.arange(6)).min()) >= 128


def test_something_else_than_a_filter_is_refused():
    with pytest.raises((TypeError, ValueError), match=r"keep|filter"):
        generate(6, keep=0.9)


IMAGES = torch.tensor([0, 100, 200, 255], dtype=torch.uint8)[:, None, None, None].expand(4, 1, 2, 2)


def linear(images):
    """Logits that favour class 1 as the image is bright."""
    value = images.mean(dim=(1, 2, 3))
    return torch.stack([10 - 20 * value, 20 * value - 10], dim=1)


def test_a_teacher_keeps_images_it_is_confident_about():
    keep = TeacherConfidence(linear, 0.9)
    assert keep(IMAGES, torch.tensor([1, 1, 1, 1])).tolist() == [False, False, True, True]
    assert keep(IMAGES, torch.tensor([0, 0, 0, 0])).tolist() == [True, True, False, False]
    assert keep(IMAGES, None).tolist() == [True, True, True, True]


@pytest.mark.parametrize(("threshold", "kept"), [(0.0, 4), (1.0, 0)])
def test_a_threshold_of_0_keeps_all_images_and_of_1_certain_ones(threshold, kept):
    logits = torch.zeros(4, 2)
    assert int(TeacherConfidence(lambda images: logits, threshold)(IMAGES, torch.zeros(4).long()).sum()) == kept


def test_a_teacher_is_called_in_eval_mode_without_gradient_and_left_as_it_was():
    teacher = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(4, 2)).train()
    teacher[2].eval()
    before = {key: value.clone() for key, value in teacher.state_dict().items()}
    keep = TeacherConfidence(teacher, 0.5)
    first = keep(IMAGES, torch.tensor([0, 1, 0, 1]))
    assert torch.equal(first, keep(IMAGES, torch.tensor([0, 1, 0, 1])))
    assert [module.training for module in teacher] == [True, True, False, True]
    assert all(torch.equal(value, before[key]) for key, value in teacher.state_dict().items())


def test_a_teacher_sees_floats_of_0_to_1():
    seen = []
    TeacherConfidence(lambda images: seen.append(images) or torch.zeros(4, 2))(IMAGES, None)
    assert torch.equal(seen[0], IMAGES / 255)


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (torch.zeros(4), "logits"),
        (torch.zeros(3, 2), "logits"),
        (torch.zeros(4, 2, 1), "logits"),
        (None, "logits"),
        (torch.full((4, 2), float("nan")), "finite"),
        (torch.full((4, 2), float("inf")), "finite"),
    ],
)
def test_a_teacher_must_return_finite_logits(logits, message):
    with pytest.raises(ValueError, match=f"A teacher must return .*{message}"):
        TeacherConfidence(lambda images: logits)(IMAGES, None)


def test_a_teacher_must_know_the_classes_asked_for():
    with pytest.raises(ValueError, match="gives 2 probabilities and class 5"):
        TeacherConfidence(linear)(IMAGES, torch.tensor([0, 1, 5, 0]))


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_is_a_probability(threshold):
    with pytest.raises(ValueError, match="threshold must be between 0 and 1"):
        TeacherConfidence(linear, threshold)


def test_a_teacher_filters_a_pool():
    pool = generate(12, labels=1, keep=TeacherConfidence(linear, 0.95))
    assert int(pool.rows(torch.arange(12)).min()) > 128
    assert pool.info.acceptance < 0.8


def test_agreement_keeps_images_if_the_teacher_predicts_their_class():
    keep = TeacherAgreement(linear)
    assert keep(IMAGES, torch.tensor([1, 1, 1, 1])).tolist() == [False, False, True, True]
    assert keep(IMAGES, torch.tensor([0, 1, 1, 0])).tolist() == [True, False, True, False]


def test_agreement_needs_classes_that_the_teacher_knows():
    with pytest.raises(ValueError, match="labels must be given for TeacherAgreement"):
        TeacherAgreement(linear)(IMAGES, None)
    with pytest.raises(ValueError, match="gives 2 probabilities and class 5"):
        TeacherAgreement(linear)(IMAGES, torch.tensor([0, 1, 5, 0]))


def ramp(n=100):
    return (torch.arange(n) * 255 // (n - 1)).byte()[:, None, None, None].expand(n, 1, 2, 2)


@pytest.mark.parametrize(("quantile", "kept"), [(0.0, [80, 20]), (0.5, [40, 10]), (0.8, [16, 4]), (1.0, [1, 1])])
def test_a_calibrated_teacher_keeps_a_share_of_each_class(quantile, kept):
    def unsure(images):
        return linear(images) / 4  # so that no two confidences round to the same float

    labels = (torch.arange(100) < 20).long()  # class 1: the darkest images, with the lowest confidences
    mask = TeacherConfidence.calibrate(unsure, ramp(), labels, quantile)(ramp(), labels)
    assert [int(mask[labels == each].sum()) for each in (0, 1)] == kept


def test_a_calibrated_teacher_judges_an_image_alone_as_in_a_batch():
    labels = torch.arange(100) % 2
    keep = TeacherConfidence.calibrate(linear, ramp(), labels)
    alone = torch.cat([keep(image[None], label[None]) for image, label in zip(ramp(), labels)])
    assert torch.equal(alone, keep(ramp(), labels))
    assert 0 < int(alone.sum()) < 100


def test_without_classes_there_is_one_calibrated_threshold():
    keep = TeacherConfidence.calibrate(linear, ramp(), None, 0.5)
    assert int(keep(ramp(), None).sum()) == pytest.approx(50, abs=2)
    assert isinstance(keep.threshold, float)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((ramp(), torch.zeros(100).long(), 1.5), "quantile must be between 0 and 1"),
        ((ramp(), torch.zeros(100).long(), float("nan")), "quantile must be between 0 and 1"),
        ((ramp(), torch.arange(100) // 95, 0.5), "at least 10 of each class, but got 5 of class 1"),
        ((ramp(), torch.zeros(100), 0.5), "labels must be 100 integers"),
        ((ramp(), torch.zeros(99).long(), 0.5), "labels must be 100 integers"),
        ((ramp(9), None, 0.5), "at least 10, but got 9"),
    ],
)
def test_bad_calibration_images_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TeacherConfidence.calibrate(linear, *arguments)


def test_a_class_without_a_threshold_is_refused():
    keep = TeacherConfidence(linear, {0: 0.5})
    with pytest.raises(ValueError, match=r"but got \[1\]"):
        keep(IMAGES, torch.tensor([0, 1, 0, 0]))
    with pytest.raises(ValueError, match=r"labels must be given .* pass one for each candidate"):
        keep(IMAGES, None)
    with pytest.raises(ValueError, match="threshold must be between"):
        TeacherConfidence(linear, {0: 0.5, 1: 2.0})


def test_candidates_are_the_images_that_filters_see():
    seen = []
    source = padded()
    SyntheticPool.generate(source, 30, keep=lambda i, y: seen.append((i, y)) or torch.ones(len(i)).bool())
    images, labels = draw_candidates(source, 30)
    assert images.shape[1:] == seen[0][0].shape[1:] == (1, 12, 10)
    assert torch.equal(labels, seen[0][1])
    assert torch.equal(images, draw_candidates(source, 30)[0])
    assert not torch.equal(images, draw_candidates(source, 30, seed=1)[0])
    assert draw_candidates(SyntheticPool(real_images(3)), 5)[1] is None


def real_images(n, seed=0, side=16, channels=1):
    """Images of a few smooth shapes, all different."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, channels, 4, 4, generator=rng)
    return nn.functional.interpolate(coarse, size=(side, side), mode="bilinear").mul(255).byte()


def noise(n, seed=9):
    return torch.randint(0, 256, (n, 1, 16, 16), generator=torch.Generator().manual_seed(seed)).byte()


class Pixels:
    """The pixels as features."""

    name = "pixels"

    def __call__(self, images):
        return images.float().flatten(1)


REAL, NEW = real_images(200), real_images(300, seed=1)


@pytest.mark.parametrize("quantile", [0.5, 0.9])
def test_density_keeps_that_share_of_new_real_images_and_nothing_strange(quantile):
    keep = RealDensity(REAL, features=Pixels(), quantile=quantile)
    assert float(keep(NEW, None).float().mean()) == pytest.approx(quantile, abs=0.1)
    assert not bool(keep(noise(20), None).any())


def test_density_is_the_distance_to_the_kth_neighbour():
    class Brightness:
        name = "brightness"

        def __call__(self, images):
            return images.float().mean(dim=(1, 2, 3))[:, None]

    real = torch.tensor([0, 10, 30, 60, 100], dtype=torch.uint8)[:, None, None, None].expand(5, 1, 2, 2)
    keep = RealDensity(real, features=Brightness(), k=2, quantile=1.0)  # of 30, 20, 30, 40, 70 to the second others
    candidates = torch.tensor([130, 131, 80, 0], dtype=torch.uint8)[:, None, None, None].expand(4, 1, 2, 2)
    assert keep(candidates, None).tolist() == [True, False, True, True]
    middle = RealDensity(real, features=Brightness(), k=2, quantile=0.5)  # 30
    candidates = torch.tensor([90, 91, 40], dtype=torch.uint8)[:, None, None, None].expand(3, 1, 2, 2)
    assert middle(candidates, None).tolist() == [True, False, True]


def test_density_compares_with_the_class_asked_for():
    dark, bright = REAL // 4, 255 - REAL // 4
    keep = RealDensity(torch.cat([dark, bright]), torch.arange(400) // 200, Pixels())
    both = torch.cat([NEW[:50] // 4, 255 - NEW[:50] // 4])
    right = torch.arange(100) // 50
    assert float(keep(both, right).float().mean()) > 0.8
    assert not bool(keep(both, 1 - right).any())
    assert bool(RealDensity(torch.cat([dark, bright]), features=Pixels())(both, 1 - right).any())


def test_density_takes_your_own_features():
    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 8), nn.Linear(8, 2))
    keep = RealDensity(REAL, features=ClassifierFeatures(model), k=3)
    assert float(keep(NEW, None).float().mean()) > 0.7


def test_the_size_of_blocks_does_not_change_the_density(monkeypatch):
    whole = RealDensity(REAL, features=Pixels())(NEW, None)
    monkeypatch.setattr("gan_augment._core._neighbours.ROWS", 7)
    monkeypatch.setattr("gan_augment._core._neighbours.COLUMNS", 3)
    assert torch.equal(RealDensity(REAL, features=Pixels())(NEW, None), whole)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"real": REAL.float()}, ValueError, "real must be uint8"),
        ({"real": REAL[0]}, ValueError, "real must be uint8"),
        ({"real": "mnist"}, TypeError, "real must be a tensor"),
        ({"real": REAL[:5]}, ValueError, "real must be at least 6"),
        ({"labels": torch.arange(200) // 197}, ValueError, "at least 6 of each class, but got 3 of class 1"),
        ({"labels": torch.zeros(10).long()}, ValueError, "labels must be 200 integers"),
        ({"k": 0}, ValueError, "k must be at least 1"),
        ({"k": 2.0}, TypeError, "k must be an int"),
        ({"quantile": 1.1}, ValueError, "quantile must be between 0 and 1"),
        ({"features": "nothing"}, ValueError, "features must be one of"),
        ({"features": 3}, TypeError, "features must be a name"),
    ],
)
def test_density_refuses_wrong_input_by_name(arguments, error, message):
    with pytest.raises(error, match=message):
        RealDensity(**{"real": REAL, **arguments})


def test_density_refuses_other_candidates():
    keep = RealDensity(REAL, torch.arange(200) % 2, Pixels())
    with pytest.raises(ValueError, match="must be uint8 images of the shape of the training images"):
        keep(real_images(2, side=20), torch.zeros(2).long())
    with pytest.raises(ValueError, match="labels must be given"):
        keep(NEW, None)
    with pytest.raises(ValueError, match=r"but got \[7\]"):
        keep(NEW[:2], torch.tensor([0, 7]))


@settings(max_examples=20, deadline=None)
@given(rows=st.lists(st.integers(0, 199), min_size=1, max_size=20), flip=st.booleans(), change=st.integers(-1, 1))
def test_copies_are_always_dropped(rows, flip, change):
    copies = REAL[rows].flip(-1) if flip else REAL[rows]
    copies = (copies.int() + change).clamp(0, 255).byte()
    assert not bool(NotACopy(REAL)(copies, None).any())


def test_new_images_are_kept_but_for_the_percentile():
    assert float(NotACopy(REAL)(NEW, None).float().mean()) == pytest.approx(0.95, abs=0.06)
    assert float(NotACopy(REAL, percentile=50.0)(NEW, None).float().mean()) == pytest.approx(0.5, abs=0.15)


def test_a_mirrored_image_is_not_a_copy_without_flips():
    assert float(NotACopy(REAL, flips=False)(REAL.flip(-1), None).float().mean()) > 0.8
    assert not bool(NotACopy(REAL, flips=False)(REAL, None).any())


def test_copies_are_dropped_if_all_real_images_are_equal():
    keep = NotACopy(REAL[:1].repeat(5, 1, 1, 1))
    assert keep(torch.cat([REAL[:1], noise(1)]), None).tolist() == [False, True]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"real": REAL.float()}, ValueError, "real must be uint8"),
        ({"real": None}, TypeError, "real must be a tensor"),
        ({"real": REAL[:1]}, ValueError, "real must be at least 2 images"),
        ({"percentile": 0}, ValueError, "percentile must be between 0 and 100"),
        ({"percentile": float("nan")}, ValueError, "percentile must be between 0 and 100"),
        ({"side": 0}, ValueError, "side must be at least 1"),
    ],
)
def test_not_a_copy_refuses_wrong_input_by_name(arguments, error, message):
    with pytest.raises(error, match=message):
        NotACopy(**{"real": REAL, **arguments})


def test_not_a_copy_refuses_images_of_another_size():
    with pytest.raises(ValueError, match="must be uint8 images of the shape of the training images"):
        NotACopy(REAL)(real_images(2, side=20), None)


def padded(classes=3):
    torch.manual_seed(0)
    config = GeneratorConfig(
        image_size=16, channels=1, num_classes=classes, width=4, resize_mode="pad", source_size=(12, 10)
    )
    generator = Generator(config)
    with torch.no_grad():
        generator.to_image.weight.mul_(400)
        generator.train()(torch.randn(32, 100), torch.arange(32) % classes if classes else None)
    return generator.eval()


def judge(classes=3, **changes):
    torch.manual_seed(1)
    values = {"image_size": 16, "channels": 1, "width": 4, "num_classes": classes, "normalization": "none", **changes}
    discriminator = Discriminator(DiscriminatorConfig(**values))
    with torch.no_grad():
        discriminator.head.weight.mul_(30)
    return discriminator


def test_rejection_keeps_images_that_look_real_to_the_discriminator():
    discriminator = judge(0)
    keep = DiscriminatorRejection(discriminator, padded(0), burn_in=200)
    images, labels = draw_candidates(padded(0), 300, seed=5)
    signed = nn.functional.pad(images, (3, 3, 2, 2)).float() / 127.5 - 1
    logits = discriminator.eval()(signed).detach()
    probabilities = keep.probabilities(images, labels)
    assert torch.equal(probabilities[logits.argsort()], probabilities.sort().values)
    mask = keep(images, labels)
    assert float(logits[mask].mean()) > float(logits[~mask].mean())
    assert float(mask.double().mean()) == pytest.approx(float(probabilities.mean()), abs=0.1)


def test_the_acceptance_is_that_of_the_paper():
    discriminator = judge(0)
    keep = DiscriminatorRejection(discriminator, padded(0), burn_in=200, percentile=60.0)
    images, _ = draw_candidates(padded(0), 50, seed=5)
    logits = discriminator.eval()(nn.functional.pad(images, (3, 3, 2, 2)).float() / 127.5 - 1).detach().double()
    gap = (logits - keep._maximum[0]).clamp(max=0)
    exponent = gap - torch.log(1 - torch.exp(gap - 1e-8)) - keep._gamma[0]
    torch.testing.assert_close(keep.probabilities(images, None), 1 / (1 + torch.exp(-exponent)), atol=1e-6, rtol=0)


def test_a_larger_percentile_is_stricter():
    images, labels = draw_candidates(padded(), 300, seed=5)
    shares = [
        float(DiscriminatorRejection(judge(), padded(), percentile=p).probabilities(images, labels).mean())
        for p in (0, 50, 80, 100)
    ]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.5 > shares[2]
    assert shares[3] < 0.05


def test_every_class_keeps_images():
    images, labels = draw_candidates(padded(), 300, seed=5)
    discriminator = judge()
    with torch.no_grad():
        discriminator.embedding.weight[0] += 100.0  # all images of class 0 look far more real than the others
    mask = DiscriminatorRejection(discriminator, padded())(images, labels)
    assert min(torch.bincount(labels[mask], minlength=3).tolist()) > 10


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_the_order_of_candidates_does_not_matter(data, every_filter):
    images, labels = draw_candidates(padded(), 24, seed=data.draw(st.integers(0, 99)))
    order = torch.tensor(data.draw(st.permutations(range(24))))
    for keep in every_filter:
        assert torch.equal(keep(images[order], labels[order]), keep(images, labels)[order])


def test_every_filter_is_pickled(every_filter):
    images, labels = draw_candidates(padded(), 24)
    for keep in every_filter:
        again = pickle.loads(pickle.dumps(keep))
        assert torch.equal(again(images, labels), keep(images, labels))


def test_every_filter_makes_a_pool_that_is_a_function_of_the_seed(every_filter):
    for keep in every_filter:
        one, again = (SyntheticPool.generate(padded(), 6, keep=keep, seed=2, progress=False) for _ in range(2))
        assert torch.equal(one.rows(torch.arange(6)), again.rows(torch.arange(6)))


@pytest.fixture(scope="module")
def every_filter():
    real, labels = draw_candidates(padded(), 90, seed=1)
    teacher = nn.Sequential(nn.Flatten(), nn.Linear(120, 3))
    return (
        TeacherAgreement(teacher),
        TeacherConfidence.calibrate(teacher, real, labels),
        RealDensity(real, labels, Pixels()),
        RealDensity(real),
        NotACopy(real),
        DiscriminatorRejection(judge(), padded(), burn_in=90),
        DiscriminatorRejection(judge(0, spectral_norm=True), padded(), burn_in=90),
    )


def test_rejection_is_drawn_from_the_seed_and_the_batch():
    images, labels = draw_candidates(padded(), 100, seed=5)
    keep = DiscriminatorRejection(judge(), padded(), seed=3)
    assert torch.equal(keep(images, labels), keep(images, labels))
    assert torch.equal(keep(images, labels), DiscriminatorRejection(judge(), padded(), seed=3)(images, labels))
    assert not torch.equal(keep(images, labels), DiscriminatorRejection(judge(), padded(), seed=4)(images, labels))
    assert not torch.equal(keep(images, labels)[:50], keep(images[:50], labels[:50]))


def test_rejection_leaves_the_discriminator_and_the_global_state_alone():
    discriminator = judge(spectral_norm=True).train()
    before = {key: value.clone() for key, value in discriminator.state_dict().items()}
    images, labels = draw_candidates(padded(), 60, seed=5)
    state = torch.get_rng_state()
    keep = DiscriminatorRejection(discriminator, padded(), burn_in=60)
    mask = keep(images, labels)
    assert torch.equal(torch.get_rng_state(), state)
    assert discriminator.training
    assert all(torch.equal(value, before[key]) for key, value in discriminator.state_dict().items())
    with torch.no_grad():
        discriminator.head.bias += 100  # training it further does not change the filter
    assert torch.equal(keep(images, labels), mask)


@pytest.mark.parametrize(
    ("discriminator", "source", "arguments", "error", "message"),
    [
        (None, padded(), {}, TypeError, "discriminator must be a gan_augment Discriminator.*None"),
        (judge(minibatch_stddev=4), padded(), {}, ValueError, "minibatch_stddev"),
        (judge(image_size=32), padded(), {}, ValueError, "source must give images of"),
        (judge(channels=3), padded(), {}, ValueError, "source must give images of"),
        (judge(2), padded(), {}, ValueError, "must know the classes of the source"),
        (judge(3), padded(0), {}, ValueError, "must know the classes of the source"),
        (judge(), padded(), {"percentile": 101}, ValueError, "percentile must be between 0 and 100"),
        (judge(), padded(), {"burn_in": 29}, ValueError, "burn_in must be at least 30"),
        (judge(), padded(), {"seed": -1}, ValueError, "seed must be at least 0"),
        (judge(), 3, {}, TypeError, "source must be"),
    ],
)
def test_rejection_refuses_wrong_input_by_name(discriminator, source, arguments, error, message):
    with pytest.raises(error, match=message):
        DiscriminatorRejection(discriminator, source, **arguments)


def test_rejection_refuses_other_candidates():
    keep = DiscriminatorRejection(judge(), padded(), burn_in=30)
    images, labels = draw_candidates(padded(), 9)
    with pytest.raises(ValueError, match="must be uint8 images of the shape of the training images"):
        keep(nn.functional.pad(images, (1, 1)), labels)
    with pytest.raises(ValueError, match=r"labels must be given .* pass one for each candidate"):
        keep(images, None)
    with pytest.raises(ValueError, match=r"but got \[4\]"):
        keep(images, labels * 2)


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_with_a_name_is_built_from_what_a_study_has(name):
    source = padded()
    images, labels = draw_candidates(source, 60)
    teacher = nn.Sequential(nn.Flatten(), nn.Linear(images[0].numel(), 3))
    keep = FILTERS[name].build(FilterInputs(images, labels, teacher, source, judge()))
    assert isinstance(keep, Filter)
    assert keep(images, labels).dtype == torch.bool


def test_a_filter_needs_only_to_be_called():
    class Even(Filter):
        def __call__(self, images, labels):
            return even(images, labels)

    keep = Even.build(FilterInputs(IMAGES, None, nn.Identity(), Brightness()))
    assert isinstance(keep, Even)
    assert bool((generate(keep=keep).rows(torch.arange(60)) % 2 == 0).all())
    with pytest.raises(NotImplementedError, match="Filter must define __call__"):
        generate(keep=Filter())
