import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment import fit, from_pretrained, resume
from gan_augment.models import CONTROLS, KNOTS, Variations, draw_latents, warp
from gan_augment.models._learn_variations import (
    DEFORMATIONS,
    MAX_PAIRS,
    TONES,
    class_pairs,
    learn_variations,
    match_tones,
    principal,
    register,
)
from gan_augment.models._variations import tone
from gan_augment.training import get_recipe

from .conftest import TINY, run_until, same_weights

CODES = DEFORMATIONS + TONES


def discs(centres, size=24, radius=5.0):
    """White discs on black, in -1..1."""
    axis = torch.arange(size) + 0.5
    down, right = axis[None, :, None], axis[None, None, :]
    x, y = (torch.tensor(each)[:, None, None] for each in zip(*centres))
    distance = ((right - x) ** 2 + (down - y) ** 2).sqrt()
    return (radius - distance).clamp(-1, 1)[:, None]


def as_uint8(images):
    return images.mul(127.5).add(127.5).round().to(torch.uint8)


def centre(images):
    """Where the light is: columns and rows."""
    weight = (images[:, 0] + 1) / 2
    axis = torch.arange(24) + 0.5
    total = weight.sum((1, 2))
    return (weight.sum(1) * axis).sum(1) / total, (weight.sum(2) * axis).sum(1) / total


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


def test_a_disc_is_registered_to_a_disc_elsewhere(full_registration):
    sources, targets = discs([(10.0, 12.0), (12.0, 9.0)]), discs([(13.0, 12.0), (12.0, 14.0)])
    before = (sources - targets).square().mean()
    assert float((warp(sources, register(sources, targets)) - targets).square().mean()) < 0.25 * float(before)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3))
def test_a_curve_is_linear_between_its_knots(seed, channels):
    rng = torch.Generator().manual_seed(seed)
    curves = torch.rand(2, channels, KNOTS, generator=rng) * 0.2 - 0.1
    images = torch.rand(2, channels, 5, 5, generator=rng) * 2 - 1
    knots = torch.linspace(-1, 1, KNOTS)
    changed = tone(images, curves)
    for n in range(2):
        for channel in range(channels):
            values = images[n, channel].flatten()
            below = ((values + 1) / 2 * (KNOTS - 1)).long().clamp(max=KNOTS - 2)
            part = (values - knots[below]) / (knots[1] - knots[0])
            curve = curves[n, channel]
            wanted = values + (1 - part) * curve[below] + part * curve[below + 1]
            torch.testing.assert_close(changed[n, channel].flatten(), wanted.clamp(-1, 1), atol=1e-5, rtol=0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.5, 0.9), st.floats(-0.1, 0.1))
def test_matched_tones_undo_a_change_of_contrast(seed, contrast, brightness):
    images = torch.rand(2, 3, 20, 20, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    targets = images * contrast + brightness
    found = tone(images, match_tones(images, targets[:, :, torch.randperm(20)]))  # only the histogram counts
    assert float((found - targets).abs().mean()) < 0.25 * float((images - targets).abs().mean()) + 0.005


def test_images_that_are_alike_need_no_curve():
    images = torch.rand(2, 1, 12, 12) * 2 - 1
    torch.testing.assert_close(match_tones(images, images), torch.zeros(2, 1, KNOTS))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=40))
def test_pairs_are_two_images_of_a_class(labels):
    labels = torch.tensor(labels)
    pairs = class_pairs(labels)
    counts = torch.bincount(labels)
    assert len(pairs) <= min(MAX_PAIRS, int((counts * (counts - 1)).sum()))
    assert (len(pairs) > 0) == bool((counts > 1).any())
    assert len(torch.unique(pairs, dim=0)) == len(pairs)
    assert bool((labels[pairs[:, 0]] == labels[pairs[:, 1]]).all())
    assert not bool((pairs[:, 0] == pairs[:, 1]).any())
    assert torch.equal(pairs, class_pairs(labels))


def test_every_image_that_has_another_one_is_in_pairs():
    pairs = class_pairs(torch.tensor([0, 1, 0, 2, 1, 0]))
    assert set(map(tuple, pairs.tolist())) == {(0, 2), (2, 0), (0, 5), (5, 0), (2, 5), (5, 2), (1, 4), (4, 1)}


def test_principal_components_have_the_spread_of_the_differences():
    torch.manual_seed(0)
    axes = torch.linalg.qr(torch.randn(6, 6)).Q
    rows = torch.randn(20_000, 2) * torch.tensor([3.0, 0.5]) @ axes[:2]
    found = principal(rows, 4)
    torch.testing.assert_close(found[:2].norm(dim=1), torch.tensor([3.0, 0.5]), rtol=0.03, atol=0)
    torch.testing.assert_close((found[0] @ axes[0]).abs(), torch.tensor(3.0), rtol=0.03, atol=0)
    assert float(found[2:].abs().max()) < 1e-3


@pytest.fixture
def moving(full_registration):
    """Of discs of two classes that differ in place from left to right, and in how bright they are."""
    places = [(8.0 + step, 12.0) for step in range(0, 9, 2)] * 2
    bright = torch.tensor([0.3, 0.5, 0.7, 0.9, 1.0] * 2)[torch.randperm(10, generator=torch.Generator().manual_seed(1))]
    images = (discs(places) + 1) * bright[:, None, None, None] - 1
    result = Variations(1, DEFORMATIONS, TONES)
    learn_variations(result, as_uint8(images), torch.tensor([0] * 5 + [1] * 5), 1.0, 1.0)
    return result


def test_images_vary_as_those_of_a_class_do(moving):
    torch.manual_seed(0)
    base = discs([(12.0, 12.0)]).expand(400, -1, -1, -1) * 0.7 - 0.3
    images = moving(base, torch.randn(400, CODES))
    columns, rows = centre(images)
    assert float(columns.std()) > 2 > 4 * float(rows.std())
    light = images[:, 0, 10:14].amax((1, 2))
    assert float(light.std()) > 0.15
    assert bool((images[:, 0, 0] < -0.8).all())  # what is black in all images stays so


def test_no_code_changes_nothing(moving):
    base = discs([(12.0, 12.0)]) * 0.7 - 0.3
    torch.testing.assert_close(moving(base, torch.zeros(1, CODES)), base, atol=1e-5, rtol=0)


def test_strengths_scale_the_changes():
    images = as_uint8(discs([(8.0 + step, 12.0) for step in range(0, 9, 2)]))
    whole, half = (Variations(1, 3, 2) for _ in range(2))
    learn_variations(whole, images, torch.zeros(5, dtype=torch.int64), 1.0, 0.5)
    learn_variations(half, images, torch.zeros(5, dtype=torch.int64), 0.5, 0.25)
    torch.testing.assert_close(whole.fields, 2 * half.fields)
    torch.testing.assert_close(whole.curves, 2 * half.curves)


def test_a_layer_that_has_learned_nothing_changes_nothing():
    images, layer = torch.rand(3, 3, 16, 16) * 2 - 1, Variations(3, 5, 2)
    torch.testing.assert_close(layer(images, torch.randn(3, 7)), images, atol=1e-5, rtol=0)
    learn_variations(layer, as_uint8(images), torch.arange(3), 1.0, 1.0)  # of no class there are two
    torch.testing.assert_close(layer(images, torch.randn(3, 7)), images, atol=1e-5, rtol=0)


def test_gradients_pass_through_to_images():
    layer = Variations(1, 2, 1)
    layer.fields.normal_(std=0.05)
    layer.curves.normal_(std=0.05)
    codes = torch.randn(2, 3, dtype=torch.float64)
    images = (torch.rand(2, 1, 8, 8) * 1.2 - 0.6).requires_grad_(True)
    layer(images, codes).sum().backward()
    assert float((images.grad != 0).float().mean()) > 0.5


@pytest.fixture(scope="module")
def varied(labelled, tmp_path_factory):
    out = tmp_path_factory.mktemp("varied") / "run"
    return fit(labelled, "tiny-conditional", out=out, progress=False, **{**TINY, "steps": 20}), out


def test_samples_are_varied_and_latents_alone_are_not(varied):
    generator = varied[0].generator
    latents = draw_latents(generator, 6, seed=0, labels=torch.arange(6) % 3)
    assert latents.shape == (6, generator.config.latent_dim + DEFORMATIONS + TONES)
    labels, own = torch.arange(6) % 3, latents[:, : generator.config.latent_dim]
    with torch.no_grad():
        plain, changed = generator(own, labels), generator(latents, labels)
    torch.testing.assert_close(changed, generator.variations(plain, latents[:, own.shape[1] :]))
    assert float((changed - plain).abs().mean()) > 0.01


def test_a_folder_keeps_the_variations(varied):
    result, out = varied
    again = from_pretrained(out / "generator")
    assert torch.equal(again.variations.fields, result.generator.variations.fields)
    assert torch.equal(again.sample(9, seed=3), result.generator.sample(9, seed=3))


@pytest.mark.parametrize("recipe", ["tiny", pytest.param("tiny-conditional", marks=pytest.mark.slow)])
@pytest.mark.parametrize("coverage", [pytest.param(1.0, marks=pytest.mark.slow), 0.5])
def test_a_varied_run_resumes_to_the_same_bits(labelled, tiny_recipe, tmp_path, recipe, coverage):
    options = {**tiny_recipe, "recipe": recipe, "coverage": coverage}
    whole = fit(labelled, out=tmp_path / "whole", progress=False, **options)
    run_until(4, labelled, tmp_path / "killed", **options)
    assert same_weights(resume(tmp_path / "killed", labelled, progress=False).generator, whole.generator)


def test_one_of_both_can_be_left_out(labelled, tiny_recipe):
    for options, counts in (({"deform": 0.0}, (0, TONES)), ({"tone": 0.0}, (DEFORMATIONS, 0))):
        generator = fit(labelled, "tiny", progress=False, **{**tiny_recipe, **options}).generator
        assert (len(generator.variations.fields), len(generator.variations.curves)) == counts
        assert generator.sample(3, seed=0).shape == (3, 1, 16, 16)
    assert fit(labelled, "tiny", deform=0.0, tone=0.0, progress=False, **tiny_recipe).generator.variations is None


def test_classes_of_one_image_each_can_be_fitted(labelled, tiny_recipe):
    alone = [(image, index) for index, (image, _) in enumerate(labelled[:6])]
    generator = fit(alone, "tiny-conditional", progress=False, **tiny_recipe).generator
    assert generator.sample(6, list(range(6)), seed=0).shape == (6, 1, 16, 16)


@pytest.mark.parametrize("objective", ["adversarial", "imle"])
@pytest.mark.parametrize("name", ["deform", "tone"])
def test_without_anchors_nothing_varies(labelled, objective, name):
    assert get_recipe("tiny", objective=objective).variations == (0, 0)
    with pytest.raises(ValueError, match=f"{name} must be left out"):
        fit(labelled, "tiny", objective=objective, progress=False, **{name: 0.7})


def test_more_entries_than_the_latent_has_are_refused(varied):
    with pytest.raises(ValueError, match="latent must have 8 or 24 entries"):
        varied[0].generator(torch.randn(2, 20), torch.zeros(2, dtype=torch.int64))


def test_another_default_type_changes_nothing(varied):
    before = varied[0].generator.sample(3, seed=0)
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(varied[0].generator.sample(3, seed=0), before)
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_traced_generator_takes_other_batches(varied):
    generator = varied[0].generator
    latents = draw_latents(generator, 5, seed=0, labels=torch.arange(5) % 3)
    traced = torch.jit.trace(generator.eval(), (latents[:2], torch.tensor([0, 1])))
    torch.testing.assert_close(traced(latents, torch.arange(5) % 3), generator(latents, torch.arange(5) % 3))


def test_what_equals_the_recipe_is_no_override(labelled, tiny_recipe):
    fit(labelled, "tiny", progress=False, top_k=1.0, n_critic=1, loss="hinge", **tiny_recipe)
