import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment import fit, from_pretrained, resume
from gan_augment.models import draw_latents
from gan_augment.training import get_recipe
from gan_augment.training.losses._coverage import Coverage, principal_latents, reconstruction_loss, sketch

from .conftest import TINY, new_trainer, run_steps, run_until, same_weights, training_images

pytestmark = pytest.mark.usefixtures("no_plot")


def noise(n, seed=0, side=16):
    """Images of 4 x 4 random squares: nothing about one can be told from the others."""
    rng = torch.Generator().manual_seed(seed)
    small = torch.randint(0, 256, (n, 1, 4, 4), generator=rng, dtype=torch.uint8)
    return torch.nn.functional.interpolate(small, size=(side, side), mode="nearest")


@pytest.fixture(scope="module")
def separable():
    """Three classes: left half white, right half white, and grey, each with a little noise."""
    rng = torch.Generator().manual_seed(0)
    base = torch.zeros(3, 1, 16, 16)
    base[0, :, :, :8], base[1, :, :, 8:], base[2] = 220, 220, 110
    images = base.repeat_interleave(6, 0) + torch.randint(0, 30, (18, 1, 16, 16), generator=rng)
    return images.to(torch.uint8), [label for label in range(3) for _ in range(6)], base


def test_every_image_is_reproduced():
    images = training_images(noise(12))
    trainer = new_trainer(
        images, "tiny", generator_width=16, latent_dim=16, batch_size=12, coverage=1.0, latent_noise=0.05, augment={}
    )
    losses = []
    for step in range(120):
        trainer.step(step / 120)
        losses.append(trainer.losses()["reconstruction"])
    assert sum(losses[-10:]) / 10 < 0.35 * losses[0]
    # Each anchor gives its own image, and is nearer to it than to any other.
    targets = images.images.float() / 127.5 - 1
    with torch.no_grad():
        given = trainer.generator.train()(trainer.coverage.anchors)
    nearest = torch.cdist(given.flatten(1), targets.flatten(1)).argmin(1)
    assert int((nearest == torch.arange(12)).sum()) >= 11


@pytest.fixture(scope="module")
def anchored(separable, tmp_path_factory):
    images, labels, _ = separable
    out = tmp_path_factory.mktemp("anchored") / "run"
    options = {**TINY, "generator_width": 8, "batch_size": 18, "steps": 120, "coverage": 1.0, "evaluations": 1}
    result = fit(
        list(zip(images, labels)),
        "tiny-conditional",
        resize_mode="resize",
        out=out,
        progress=False,
        **options,
        ema_decay=0.9,
    )
    return result, out


def test_samples_of_a_class_lie_near_its_images(anchored, separable):
    base = separable[2].flatten(1)
    samples = anchored[0].generator.sample(60, seed=1).float().flatten(1)
    assert torch.cdist(samples, base).argmin(1).tolist() == [i % 3 for i in range(60)]


def test_the_generator_keeps_its_anchors_through_its_files(anchored):
    result, out = anchored
    generator, again = result.generator, from_pretrained(out / "generator")
    assert generator.config.anchors == 18
    assert sorted(again.anchor_labels.tolist()) == [0] * 6 + [1] * 6 + [2] * 6
    assert torch.equal(again.anchors, generator.anchors)
    assert torch.equal(again.sample(40, seed=3), generator.sample(40, seed=3))
    torch.testing.assert_close(again.anchors.norm(dim=1), torch.full((18,), 8**0.5))


def test_the_card_says_what_the_objective_was(anchored):
    assert anchored[0].generator.card.training["objective"] == "anchored"


def test_each_anchored_class_has_its_own_anchors(anchored):
    walk = anchored[0].generator.anchor_walk()
    assert walk.counts.tolist() == [6, 6, 6]


@pytest.mark.parametrize("objective", ["anchored", "imle"])
@pytest.mark.parametrize("coverage", [0.5, 1.0])
def test_a_killed_run_goes_on_to_the_same_bits(labelled, tiny_recipe, tmp_path, objective, coverage):
    options = {
        "recipe": "tiny-conditional",
        **tiny_recipe,
        "objective": objective,
        "coverage": coverage,
        "resize_mode": "pad",
    }
    options["evaluations"] = 2
    whole = fit(labelled, out=tmp_path / "whole", progress=False, **options)
    run_until(4, labelled, tmp_path / "killed", **options)
    result = resume(tmp_path / "killed", labelled, progress=False)
    assert same_weights(result.generator, whole.generator)
    assert result.losses == whole.losses


@pytest.mark.parametrize("conditional", [False, True])
def test_imle_gives_each_image_a_latent_of_its_class_that_comes_near(conditional, separable):
    images, labels, _ = separable
    data = training_images(images, labels if conditional else None)
    recipe = get_recipe("tiny", **{**TINY, "objective": "imle", "latent_dim": 2, "conditional": conditional})
    torch.manual_seed(0)
    coverage = Coverage(data, recipe)
    seen = []

    def generate(latents, labels):  # the latent's first number is the brightness
        seen.append((latents, labels))
        return latents[:, 0].clamp(-1, 1)[:, None, None, None].expand(-1, 1, 16, 16)

    coverage.refresh(generate, 0)
    assert sum(len(latents) for latents, _ in seen) == 18 * recipe.imle_candidates
    drawn = torch.cat([latents for latents, _ in seen])
    classes = torch.cat([labels for _, labels in seen])
    for row, anchor in enumerate(coverage.anchors):
        (match,) = (drawn == anchor).all(1).nonzero()
        assert int(classes[match]) == (labels[row] if conditional else 0)
    before = coverage.anchors.clone()
    coverage.refresh(generate, 1)  # not due
    assert torch.equal(coverage.anchors, before)


def test_imle_rejects_what_is_near_already():
    data = training_images(torch.full((1, 1, 16, 16), 128, dtype=torch.uint8))
    coverage = Coverage(data, get_recipe("tiny", **{**TINY, "objective": "imle", "imle_candidates": 100}))
    drawn = []

    def generate(latents, labels):
        drawn.append(latents[:, 0])
        return latents[:, 0].mul(0.1)[:, None, None, None].expand(-1, 1, 16, 16)

    coverage.refresh(generate, 0)
    distances = (torch.cat(drawn) * 0.1 - (128 / 127.5 - 1)).abs().sort().values
    chosen = float((coverage.anchors[0, 0] * 0.1 - (128 / 127.5 - 1)).abs())
    assert float(distances[9]) <= chosen <= float(distances[11])  # the nearest of what is left by a tenth


def test_imle_fits_and_samples(labelled, tiny_recipe):
    result = fit(labelled, "tiny-conditional", objective="imle", coverage=0.5, progress=False, **tiny_recipe)
    assert result.generator.config.anchors == 0
    assert result.generator.sample(4, seed=0).shape == (4, 1, 16, 16)
    assert set(result.losses) == {"generator", "discriminator", "reconstruction"}


def test_without_the_discriminator_there_is_one_loss(labelled, tiny_recipe):
    assert set(fit(labelled, "tiny", coverage=1.0, progress=False, **tiny_recipe).losses) == {"reconstruction"}


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20), st.integers(1, 40), st.integers(0, 1000), st.integers(1, 20))
def test_first_latents_lie_on_the_sphere_and_differ(n, latent_dim, seed, copies):
    torch.manual_seed(seed)
    images = torch.cat([noise(n, seed), noise(1, seed).repeat(copies, 1, 1, 1)])
    latents = principal_latents(sketch(images), latent_dim)
    assert latents.shape == (n + copies, latent_dim)
    assert latents.dtype == torch.float32
    torch.testing.assert_close(latents.norm(dim=1), torch.full((n + copies,), latent_dim**0.5))


def test_neighbours_among_images_start_as_neighbours():
    torch.manual_seed(0)
    base = noise(5)
    near = (base.int() + torch.randint(0, 2, base.shape)).clamp(0, 255).to(torch.uint8)
    latents = principal_latents(sketch(torch.cat([base, near])), 4)  # as many as tell the five apart
    distances = torch.cdist(latents, latents).fill_diagonal_(float("inf"))
    assert distances.argmin(1).tolist() == [5, 6, 7, 8, 9, 0, 1, 2, 3, 4]


def test_one_image_or_equal_images_have_latents_too():
    for images in (noise(1), noise(1).repeat(4, 1, 1, 1)):
        assert bool(torch.isfinite(principal_latents(sketch(images), 8)).all())


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.sampled_from((16, 28, 32)), st.floats(-1, 1), st.floats(-1, 1))
def test_the_reconstruction_loss_of_flat_images_is_their_difference(n, side, one, other):
    flat = torch.ones(n, 3, side, side, dtype=torch.float64)
    assert float(reconstruction_loss(flat * one, flat * other)) == pytest.approx(abs(one - other), abs=1e-12)


def test_a_checkerboard_counts_at_the_finest_scale_only():
    board = (torch.arange(16)[:, None] + torch.arange(16)).remainder(2).double().mul(2).sub(1).expand(1, 1, 16, 16)
    assert float(reconstruction_loss(board, torch.zeros_like(board))) == pytest.approx(1 / 3)


def test_sketches_are_of_one_length_at_any_size():
    for side in (16, 28, 64):
        assert sketch(torch.zeros(2, 3, side, side)).shape == (2, 3 * 256)


@pytest.mark.parametrize("objective", ["anchored", "imle"])
def test_a_mirrored_image_is_reproduced_too(labelled, objective):
    generator_anchors = {"anchored": 2 * len(labelled), "imle": 0}[objective]
    options = {**TINY, "steps": 2, "objective": objective}
    result = fit(labelled, "tiny", flip=True, progress=False, **options)
    assert result.generator.config.anchors == generator_anchors
    assert result.generator.card.training["images"] == len(labelled)


def test_both_sides_of_an_image_have_an_anchor():
    images = training_images(noise(6))
    trainer = new_trainer(images, "tiny", flip=True, generator_width=8, latent_dim=8, batch_size=12)
    assert torch.equal(trainer.images.images[6:], images.images.flip(3))
    assert len(trainer.coverage.anchors) == 12


def test_anchors_learn_while_imle_chooses():
    data = training_images(noise(8))
    for objective, names in (("anchored", {"coverage", "anchors"}), ("imle", {"coverage"})):
        trainer = new_trainer(data, "tiny", objective=objective)
        assert set(trainer.optimizers) == names | {"generator", "discriminator"}
        before = trainer.coverage.anchors.detach().clone()
        run_steps(trainer, 2)
        assert not torch.equal(trainer.coverage.anchors, before)


def test_new_latents_are_disturbed_as_those_of_the_finished_generator():
    data = training_images(noise(1))
    trainer = new_trainer(data, "tiny", latent_dim=256, latent_noise=0.4, deform=0.0, tone=0.0)
    with torch.no_grad():
        new = trainer.coverage.sample(torch.zeros(64, dtype=torch.int64))
        generator = trainer.averaged_generator()
        finished = draw_latents(generator, 64, 0)
    spreads = [float((latents - generator.anchors).square().mean().sqrt()) for latents in (new, finished)]
    assert spreads[0] == pytest.approx(spreads[1], rel=0.1)
