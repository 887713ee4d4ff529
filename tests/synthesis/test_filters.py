import pytest
import torch
from torch import nn

from gan_augment import SyntheticPool, TeacherConfidence


class Brightness:
    """A source whose image is of the value of its place in the stream; with classes."""

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


def test_one_filter_need_not_be_in_a_list():
    assert torch.equal(generate(keep=bright).rows(torch.arange(60)), generate(keep=[bright]).rows(torch.arange(60)))


def test_without_filters_all_are_accepted():
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
def test_a_filter_must_give_a_bool_an_image(mask):
    with pytest.raises(ValueError, match="A filter must return 6 bools"):
        generate(6, keep=lambda images, labels: mask(images))


def test_a_filter_may_give_a_list_or_an_array():
    pool = generate(6, keep=[lambda i, y: bright(i, y).tolist(), lambda i, y: bright(i, y).numpy()])
    assert int(pool.rows(torch.arange(6)).min()) >= 128


def test_what_is_no_filter_is_refused_in_a_sentence():
    with pytest.raises((TypeError, ValueError), match=r"keep|filter"):
        generate(6, keep=0.9)


IMAGES = torch.tensor([0, 100, 200, 255], dtype=torch.uint8)[:, None, None, None].expand(4, 1, 2, 2)


def linear(images):
    """Logits that favour class 1 as the image is bright."""
    value = images.mean(dim=(1, 2, 3))
    return torch.stack([10 - 20 * value, 20 * value - 10], dim=1)


def test_a_teacher_keeps_what_it_is_sure_of():
    keep = TeacherConfidence(linear, 0.9)
    assert keep(IMAGES, torch.tensor([1, 1, 1, 1])).tolist() == [False, False, True, True]
    assert keep(IMAGES, torch.tensor([0, 0, 0, 0])).tolist() == [True, True, False, False]
    assert keep(IMAGES, None).tolist() == [True, True, True, True]


@pytest.mark.parametrize(("threshold", "kept"), [(0.0, 4), (1.0, 0)])
def test_a_threshold_of_0_keeps_all_and_of_1_what_is_certain(threshold, kept):
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
def test_a_teacher_must_give_finite_logits(logits, message):
    with pytest.raises(ValueError, match=f"A teacher must return .*{message}"):
        TeacherConfidence(lambda images: logits)(IMAGES, None)


def test_a_teacher_must_know_the_classes_asked_for():
    with pytest.raises(ValueError, match="gives 2 and class 5"):
        TeacherConfidence(linear)(IMAGES, torch.tensor([0, 1, 5, 0]))


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_is_a_probability(threshold):
    with pytest.raises(ValueError, match="threshold must be between 0 and 1"):
        TeacherConfidence(linear, threshold)


def test_a_teacher_filters_a_pool():
    pool = generate(12, labels=1, keep=TeacherConfidence(linear, 0.95))
    assert int(pool.rows(torch.arange(12)).min()) > 128
    assert pool.info.acceptance < 0.8
