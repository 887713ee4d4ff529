"""Splits: of every class, by group, as many as asked, and never the same image on two sides."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import TensorDataset

from gan_augment.studies._splits import StudyData, draw_held_out, first_rows_by_class

from .conftest import gratings


def read(dataset, test=0.25, groups=None, image_size=None, seed=0):
    return StudyData.read(dataset, test, groups, image_size, seed, False)


labels_strategy = st.lists(st.integers(0, 3), min_size=12, max_size=80).filter(
    lambda labels: all(labels.count(label) >= 3 for label in range(4))
)


@given(labels_strategy, st.floats(0.1, 0.6), st.integers(0, 2**40))
@settings(max_examples=60, deadline=None)
def test_every_class_is_on_both_sides_in_proportion(labels, share, seed):
    classes = torch.tensor(labels)
    held_out = draw_held_out(classes, None, share, seed)
    assert torch.equal(held_out, draw_held_out(classes, None, share, seed))
    for label in range(4):
        found = int(held_out[classes == label].sum())
        expected = share * labels.count(label)
        assert 1 <= found < labels.count(label)
        assert abs(found - expected) < 2.01


@given(labels_strategy, st.integers(0, 2**40), st.data())
@settings(max_examples=60, deadline=None)
def test_the_first_of_each_class_are_as_many_as_asked(labels, seed, data):
    classes = torch.tensor(labels)
    count = data.draw(st.integers(4, len(labels)))
    keep = first_rows_by_class(classes, count)
    assert int(keep.sum()) == count
    for label in range(4):
        taken = keep[classes == label]
        assert taken[: int(taken.sum())].all()
        assert int(taken.sum()) >= 1


@given(st.integers(0, 2**40))
@settings(max_examples=30, deadline=None)
def test_a_group_is_never_on_two_sides(seed):
    rng = torch.Generator().manual_seed(seed)
    groups = torch.randint(0, 30, (200,), generator=rng)
    classes = torch.randint(0, 3, (200,), generator=rng)
    held_out = draw_held_out(classes, groups, 0.25, seed)
    assert not set(groups[held_out].tolist()) & set(groups[~held_out].tolist())
    assert 0.1 < float(held_out.float().mean()) < 0.4


def test_a_study_keeps_groups_together_in_test_and_validation():
    images, labels = gratings(120, 0)
    groups = [f"patient {index // 4}" for index in range(120)]
    data = read(TensorDataset(images, labels), groups=groups)
    train, validation = data.split(0, None, 0.2, 0)
    sides = [{index // 4 for index in rows.tolist()} for rows in (train, validation, data.test_rows)]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]
    assert sum(map(len, (train, validation, data.test_rows))) == 120


@pytest.mark.parametrize("form", [torch.tensor, np.array, lambda groups: list(torch.tensor(groups))])
def test_groups_may_be_a_tensor_or_an_array(form):
    groups = [index // 4 for index in range(120)]
    data = read(TensorDataset(*gratings(120, 0)), groups=form(groups))
    assert data.groups.tolist() == groups


def test_an_image_without_a_group_is_refused():
    groups = [0.0] * 119 + [float("nan")]
    with pytest.raises(ValueError, match="name the group of each image, but that of image 119 is nan"):
        read(TensorDataset(*gratings(120, 0)), groups=groups)


def test_groups_of_files_are_found_by_a_regular_expression(tmp_path):
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for photo in range(8):
            for box in range(2):
                picture = Image.effect_noise((16, 16), 20 + photo + 8 * box)
                picture.save(tmp_path / label / f"{photo}_{box}.png")
    data = read(str(tmp_path), groups=r"(\d+)_\d+\.png")
    of_rows = data.groups
    assert len(set(of_rows.tolist())) == 8
    assert not set(of_rows[data.test_rows].tolist()) & set(of_rows[data.train_rows].tolist())
    with pytest.raises(ValueError, match="must match the path of every image"):
        read(str(tmp_path), groups=r"patient(\d+)")
    with pytest.raises(ValueError, match="must have a capture group"):
        read(str(tmp_path), groups=r"\d+")


def test_count_leaves_validation_images_beside_it():
    data = read(TensorDataset(*gratings(400, 0)), test=TensorDataset(*gratings(50, 1)))
    train, validation = data.split(0, 60, 0.2, 0)
    assert (len(train), len(validation)) == (60, 15)
    assert not set(train.tolist()) & set(validation.tolist())
    other, _ = data.split(1, 60, 0.2, 0)
    assert set(other.tolist()) != set(train.tolist())
    again, _ = data.split(0, 60, 0.2, 0)
    assert torch.equal(again, train)
    with pytest.raises(ValueError, match="count must leave"):
        data.split(0, 390, 0.2, 0)


def test_test_images_that_are_trained_on_are_num_duplicates_and_many_are_refused():
    images, labels = gratings(60, 0)
    others, other_labels = gratings(58, 1)
    test = TensorDataset(torch.cat([others, images[:2]]), torch.cat([other_labels, labels[:2]]))
    data = read(TensorDataset(images, labels), test=test)
    assert data.num_duplicates == 2
    assert len(data.test_rows) == 58
    with pytest.raises(ValueError, match="must not be training images"):
        read(TensorDataset(images, labels), test=TensorDataset(images[:30], labels[:30]))


def test_images_of_several_sizes_need_one():
    dataset = [(Image.new("L", (16, 16)), 0), (Image.new("L", (20, 20)), 1)] * 8
    with pytest.raises(ValueError, match="image_size must be given"):
        read(dataset)


def test_other_classes_in_the_test_are_refused():
    images, labels = gratings(60, 0)
    with pytest.raises(ValueError, match="must have the classes"):
        read(TensorDataset(images, labels), test=TensorDataset(images[:2], torch.tensor([0, 1])))
