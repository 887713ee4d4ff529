import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment import fit, resume
from gan_augment.models import PARTNERS
from gan_augment.training._coverage import sketch
from gan_augment.training._morphs import CONTROLS, Morphs, near_pairs, register, warp

from .conftest import run_until, same_weights


def discs(centres, size=24, radius=5.0):
    """White discs on black, in -1..1."""
    axis = torch.arange(size) + 0.5
    down, right = axis[None, :, None], axis[None, None, :]
    x, y = (torch.tensor(each)[:, None, None] for each in zip(*centres))
    distance = ((right - x) ** 2 + (down - y) ** 2).sqrt()
    return (radius - distance).clamp(-1, 1)[:, None]


def as_uint8(images):
    return images.mul(127.5).add(127.5).round().to(torch.uint8)


def test_no_field_moves_nothing():
    images = torch.rand(3, 3, 20, 20) * 2 - 1
    torch.testing.assert_close(warp(images, torch.zeros(3, 2, CONTROLS, CONTROLS)), images, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("axis", "dim"), [(0, 3), (1, 2)])
def test_a_constant_field_shifts(axis, dim):
    images = torch.rand(2, 1, 16, 16) * 2 - 1
    fields = torch.zeros(2, 2, CONTROLS, CONTROLS)
    fields[:, axis] = 2 * 3 / 16  # three of sixteen pixels, in half sides
    moved = warp(images, fields)
    torch.testing.assert_close(moved.narrow(dim, 0, 13), images.narrow(dim, 3, 13), atol=1e-4, rtol=0)


def test_a_disc_is_registered_to_a_disc_elsewhere():
    sources, targets = discs([(10.0, 12.0), (12.0, 9.0)]), discs([(13.0, 12.0), (12.0, 14.0)])
    before = (sources - targets).square().mean()
    assert float((warp(sources, register(sources, targets)) - targets).square().mean()) < 0.25 * float(before)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(0, 1000))
def test_pairs_are_near_of_one_class_and_come_with_their_reverse(labels, seed):
    labels = torch.tensor([*labels, *range(max(labels) + 1)])
    sketches = torch.rand(len(labels), 5, generator=torch.Generator().manual_seed(seed))
    pairs = near_pairs(sketches, labels)
    found = {tuple(pair) for pair in pairs.tolist()}
    assert len(found) == len(pairs)
    assert all(a != b and labels[a] == labels[b] and (b, a) in found for a, b in found)
    counts = torch.bincount(labels)
    for index, label in enumerate(labels.tolist()):
        assert sum(a == index for a, _ in found) >= min(PARTNERS, int(counts[label]) - 1)


@pytest.fixture(scope="module")
def morphs():
    """Ways between discs of two classes: one moves from left to right, the other down."""
    places = [(8.0 + step, 12.0) for step in range(0, 9, 2)] + [(12.0, 8.0 + step) for step in range(0, 9, 2)]
    images = as_uint8(discs(places))
    result = Morphs(images, torch.tensor([0] * 5 + [1] * 5), sketch(images))
    result.fit()
    return result


def test_every_way_knows_its_reverse(morphs):
    assert torch.equal(morphs.pairs[morphs.reverse], morphs.pairs.flip(1))


def centre(images):
    weight = (images[:, 0] + 1) / 2
    axis = torch.arange(24) + 0.5
    total = weight.sum((1, 2))
    return (weight.sum(1) * axis).sum(1) / total, (weight.sum(2) * axis).sum(1) / total


def test_a_disc_travels_on_its_way(morphs):
    torch.manual_seed(0)
    labels = torch.arange(200) % 2
    bases, pairs, way, images = morphs.draw(labels, transfer=0.0)
    assert torch.equal(bases, pairs[:, 0])
    assert torch.equal(morphs.labels[bases], labels)
    x, y = centre(images)
    first, second = (centre(morphs.read(pairs[:, i])) for i in (0, 1))
    for found, start, end in ((x, first[0], second[0]), (y, first[1], second[1])):
        error = (found - torch.lerp(start, end, way[:, 0])).abs()
        assert float(error.mean()) < 0.5


def test_a_way_is_carried_to_another_image_of_the_class(morphs):
    torch.manual_seed(0)
    labels = torch.zeros(200, dtype=torch.int64)
    bases, pairs, way, images = morphs.draw(labels, transfer=1.0)
    assert len(set(bases.tolist())) > 3
    assert not torch.equal(bases, pairs[:, 0])
    assert bool((morphs.labels[bases] == 0).all())
    assert float(centre(images)[1].sub(12).abs().max()) < 1.5  # nothing moves down that did not
    assert bool((images.abs() <= 1 + 1e-4).all())
    assert way.shape == (200, 1)


def test_a_class_of_one_image_has_no_ways():
    images = as_uint8(discs([(8.0, 8.0), (12.0, 12.0), (10.0, 10.0)]))
    alone = Morphs(images, torch.tensor([0, 0, 1]), sketch(images))
    assert alone.counts.tolist() == [2, 0]


OPTIONS = {"morphs": 0.5, "transfer": 0.5}


@pytest.mark.parametrize("recipe", ["tiny", "tiny-conditional"])
def test_a_run_with_morphs_resumes_to_the_same_bits(labelled, tiny_recipe, tmp_path, recipe):
    options = {**tiny_recipe, **OPTIONS, "recipe": recipe}
    whole = fit(labelled, out=tmp_path / "whole", progress=False, **options)
    assert whole.generator.config.transfer == 0.5
    run_until(3, labelled, tmp_path / "killed", **options)
    assert same_weights(resume(tmp_path / "killed", labelled, progress=False).generator, whole.generator)


def test_a_class_of_one_image_can_be_fitted(labelled, tiny_recipe):
    alone = [(image, int(index == 0)) for index, (image, _) in enumerate(labelled)]
    generator = fit(alone, "tiny-conditional", progress=False, **{**tiny_recipe, **OPTIONS}).generator
    assert generator.sample(4, [0, 1, 0, 1], seed=0).shape == (4, 1, 16, 16)


@pytest.mark.parametrize("objective", ["adversarial", "imle"])
@pytest.mark.parametrize("name", ["morphs", "transfer"])
def test_without_anchors_there_are_no_ways(labelled, objective, name):
    with pytest.raises(ValueError, match="which has no anchors"):
        fit(labelled, "tiny", objective=objective, progress=False, **{name: 0.5})


def test_classes_of_one_image_each_can_be_fitted(labelled, tiny_recipe):
    alone = [(image, index) for index, (image, _) in enumerate(labelled[:6])]
    generator = fit(alone, "tiny-conditional", progress=False, **{**tiny_recipe, **OPTIONS}).generator
    assert generator.num_classes == 6
