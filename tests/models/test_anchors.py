import hashlib
import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from gan_augment import Generator, GeneratorConfig, from_pretrained
from gan_augment.models import ANCHOR_DRAWS, AnchorWalk, add_noise, to_sphere

SEEDS = st.integers(0, 2**63 - 1)


@st.composite
def walks(draw, noise=None):
    """Anchors of several classes in any order, and what draws between them."""
    counts = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    labels = draw(st.permutations([label for label, count in enumerate(counts) for _ in range(count)]))
    dim = draw(st.integers(1, 8))
    rng = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    anchors = to_sphere(torch.randn(len(labels), dim, generator=rng))
    noise = draw(st.floats(0, 2)) if noise is None else noise
    walk = AnchorWalk(anchors, torch.tensor(labels), noise, max(labels) + 1)
    return walk, anchors, torch.tensor(labels)


def draws(walk, data, n=6):
    classes = torch.tensor(data.draw(st.lists(st.integers(0, len(walk.counts) - 1), min_size=1, max_size=n)))
    rng = torch.Generator().manual_seed(data.draw(st.integers(0, 10**6)))
    uniform = torch.rand(len(classes), ANCHOR_DRAWS, generator=rng, dtype=torch.float64)
    return classes, uniform, torch.randn(len(classes), walk.anchors.shape[1], generator=rng)


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 10), st.integers(1, 30), st.integers(0, 1000))
def test_a_sphere_has_the_length_of_normal_latents(n, dim, seed):
    latents = torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)) * 5
    on = to_sphere(latents)
    torch.testing.assert_close(on.norm(dim=1), torch.full((n,), math.sqrt(dim)))
    torch.testing.assert_close(to_sphere(on), on)
    torch.testing.assert_close(to_sphere(latents * 3), on)


@settings(max_examples=80, deadline=None)
@given(walks(), st.data())
def test_latents_lie_on_the_sphere(drawn, data):
    walk, anchors, _ = drawn
    latents = walk(*draws(walk, data))
    torch.testing.assert_close(latents.norm(dim=1), torch.full((len(latents),), math.sqrt(anchors.shape[1])))
    assert latents.dtype == torch.float32


@settings(max_examples=80, deadline=None)
@given(walks(noise=0.0), st.data())
def test_a_walk_leads_from_an_anchor_to_another_one_of_the_class(drawn, data):
    walk, anchors, labels = drawn
    classes, uniform, normal = draws(walk, data)
    uniform[:, 2] = 0
    starts = walk(classes, uniform, normal)
    uniform[:, 2] = 1
    for label, start, end, place in zip(classes, starts, walk(classes, uniform, normal), uniform[:, 0]):
        members = anchors[labels == label]
        first = min(int(place * len(members)), len(members) - 1)
        torch.testing.assert_close(start, members[first])
        others = members if len(members) == 1 else torch.cat([members[:first], members[first + 1 :]])
        assert float((others - end).norm(dim=1).min()) < 1e-4


@settings(max_examples=60, deadline=None)
@given(walks(), st.integers(1, 5), st.data())
def test_entries_beyond_the_anchors_stay_as_they_are_drawn(drawn, more, data):
    walk, anchors, _ = drawn
    classes, uniform, normal = draws(walk, data)
    variations = torch.randn(len(classes), more)
    latents = walk(classes, uniform, torch.cat([normal, variations], dim=1))
    assert torch.equal(latents[:, anchors.shape[1] :], variations)
    assert torch.equal(latents[:, : anchors.shape[1]], walk(classes, uniform, normal))


def test_a_walk_goes_to_one_of_the_nearest():
    angles = torch.arange(100) / 32
    anchors = to_sphere(torch.stack([angles.cos(), angles.sin()], dim=1))
    walk = AnchorWalk(anchors, torch.zeros(100, dtype=torch.int64), 0.0, 1)
    uniform = torch.rand(500, ANCHOR_DRAWS)
    uniform[:, 2] = 1
    start = torch.floor(uniform[:, 0] * 100)
    end = torch.cdist(walk(torch.zeros(500, dtype=torch.int64), uniform, torch.zeros(500, 2)), anchors).argmin(1)
    assert int((end - start).abs().max()) <= 10  # at the ends of the row all ten lie on one side
    assert int((end - start).abs().min()) == 1


@settings(max_examples=60, deadline=None)
@given(walks(noise=0.0), st.data())
def test_a_walk_stays_between_two_anchors_of_its_class(drawn, data):
    walk, anchors, labels = drawn
    classes, uniform, normal = draws(walk, data)
    for label, latent in zip(classes, walk(classes, uniform, normal)):
        members = anchors[labels == label].double()
        # A point between two others is a sum of both with weights of at least 0; brought to the sphere, it still is.
        best = math.inf
        for one in members:
            for other in members:
                solution = torch.linalg.lstsq(torch.stack([one, other], 1), latent.double()[:, None], driver="gelsd")
                if bool((solution.solution >= -1e-3).all()):
                    rest = torch.stack([one, other], 1) @ solution.solution - latent.double()[:, None]
                    best = min(best, float(rest.norm()))
        if anchors.shape[1] > 1:
            assert best < 1e-3


@settings(max_examples=60, deadline=None)
@given(walks(), st.data())
def test_other_classes_do_not_matter(drawn, data):
    walk, anchors, labels = drawn
    classes, uniform, normal = draws(walk, data)
    label = int(classes[0])
    moved = torch.where((labels == label)[:, None], anchors, to_sphere(torch.randn_like(anchors)))
    again = AnchorWalk(moved, labels, walk.noise, int(labels.max()) + 1)
    mine = classes == label
    assert torch.equal(again(classes, uniform, normal)[mine], walk(classes, uniform, normal)[mine])


def test_every_anchor_of_a_class_is_reached():
    anchors = to_sphere(torch.randn(5, 8))
    walk = AnchorWalk(anchors, torch.tensor([0, 1, 0, 1, 0]), 0.0, 2)
    uniform = torch.rand(200, ANCHOR_DRAWS)
    uniform[:, 2] = 0
    reached = torch.cdist(walk(torch.zeros(200, dtype=torch.int64), uniform, torch.zeros(200, 8)), anchors).argmin(1)
    assert set(reached.tolist()) == {0, 2, 4}
    uniform[:, :2] = 1.0  # what torch.rand in float32 comes near to
    latents = walk(torch.zeros(200, dtype=torch.int64), uniform, torch.zeros(200, 8))
    torch.testing.assert_close(latents, anchors[4].expand(200, -1))


def test_noise_moves_a_latent_as_far_as_it_says():
    torch.manual_seed(0)
    anchors = to_sphere(torch.randn(1, 512)).repeat(500, 1)
    walk = AnchorWalk(anchors, torch.zeros(500, dtype=torch.int64), 0.1, 1)
    moved = add_noise(anchors, torch.randn(500, 512), walk.noise) - anchors
    assert float(moved.square().mean().sqrt()) == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize("labels", [[0, 2], [1], [-1, 0], [0, -5]])
def test_a_class_without_an_anchor_is_refused(labels):
    with pytest.raises(ValueError, match="anchor_labels must contain all classes"):
        AnchorWalk(torch.ones(len(labels), 3), torch.tensor(labels), 0.1, 2)


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    config = GeneratorConfig(image_size=16, channels=1, width=4, latent_dim=8, num_classes=3, anchors=11)
    generator = Generator(config)
    with torch.no_grad():
        generator.to_image.weight.mul_(400)
        generator.train()(torch.randn(32, 8), torch.arange(32) % 3)
    return generator.eval()


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 50), batch_size=st.none() | st.integers(1, 60), seed=SEEDS)
def test_an_image_depends_on_the_seed_and_its_place_alone(generator, n, batch_size, seed):
    assert torch.equal(generator.sample(n, seed=seed, batch_size=batch_size), generator.sample(50, seed=seed)[:n])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=40), SEEDS, st.data())
def test_an_image_does_not_depend_on_the_classes_of_the_others(generator, labels, seed, data):
    place = data.draw(st.integers(0, len(labels) - 1))
    alone = generator.sample(place + 1, labels[place], seed=seed)
    assert torch.equal(generator.sample(len(labels), labels, seed=seed)[place], alone[place])


def test_images_of_one_call_differ(generator):
    images = generator.sample(50, 1, seed=0)
    assert len({image.numpy().tobytes() for image in images}) == 50


def test_truncation_is_refused_with_anchors(generator):
    with pytest.raises(ValueError, match="truncation must be None for a generator with anchors"):
        generator.sample(2, truncation=0.5)


def test_a_generator_without_anchors_has_no_walk():
    with pytest.raises(ValueError, match="must have anchors"):
        Generator(GeneratorConfig(image_size=16, width=4)).anchor_walk()


@pytest.mark.parametrize(
    "options",
    [
        {"anchors": -1},
        {"anchors": 10**7},
        {"anchors": 2, "num_classes": 3},
        {"anchors": 2, "latent": "uniform"},
        {"latent_noise": -0.1},
        {"latent_noise": float("nan")},
    ],
)
def test_an_absurd_configuration_is_refused(options):
    with pytest.raises(ValueError, match=r"must be"):
        GeneratorConfig(image_size=16, **options)


def test_a_folder_gives_the_same_samples(generator, tmp_path):
    generator.save_pretrained(tmp_path)
    again = from_pretrained(tmp_path)
    assert torch.equal(again.sample(20, seed=0), generator.sample(20, seed=0))
    assert torch.equal(again.anchor_labels, generator.anchor_labels)


def tampered(generator, folder, **tensors):
    """A folder of the generator, with other tensors and the hashes that go with them."""
    generator.save_pretrained(folder)
    path = folder / "generator.safetensors"
    save_file({**load_file(path), **tensors}, path)
    data = path.read_bytes()
    config = json.loads((folder / "config.json").read_text())
    config["files"][path.name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    "labels",
    [
        [0, 2] * 5 + [0],
        [-1] + [0, 1] * 5,
        [0, 1] * 5 + [0],
        [0] * 11,
        [0, 1, 2] * 3 + [3, 3],
        [0, 1, 2] * 3 + [2**40, 0],
    ],
    ids=str,
)
def test_anchors_of_wrong_classes_are_refused_in_a_sentence(generator, tmp_path, labels):
    tampered(generator, tmp_path, anchor_labels=torch.tensor(labels))
    with pytest.raises(ValueError, match=r"anchor"):
        from_pretrained(tmp_path).sample(6, seed=0)


@pytest.mark.parametrize(
    "tensors",
    [
        {"anchors": torch.zeros(10, 8)},
        {"anchors": torch.full((11, 8), float("nan"))},
        {"anchor_labels": torch.zeros(11)},
        {"anchor_labels": torch.zeros(12, dtype=torch.int64)},
    ],
)
def test_anchors_of_another_kind_are_refused(generator, tmp_path, tensors):
    with pytest.raises(ValueError, match="anchor"):
        from_pretrained(tampered(generator, tmp_path, **tensors))


def test_anchors_that_are_equally_far_apart_give_the_same_however_many_are_drawn():
    anchors = to_sphere(torch.eye(40))
    walk = AnchorWalk(anchors, torch.zeros(40, dtype=torch.int64), 0.0, 1)
    uniform, normal = torch.rand(200, ANCHOR_DRAWS), torch.zeros(200, 40)
    labels = torch.zeros(200, dtype=torch.int64)
    whole = walk(labels, uniform, normal)
    assert torch.equal(whole[:5], walk(labels[:5], uniform[:5], normal[:5]))
