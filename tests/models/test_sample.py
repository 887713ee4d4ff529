import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment import Generator, GeneratorConfig

SEEDS = st.integers(0, 2**63 - 1)


def test_samples_are_uint8_nchw(tiny):
    images = tiny.sample(5, seed=0)
    assert images.shape == (5, 1, 16, 16)
    assert images.dtype == torch.uint8
    assert images.unique().numel() > 3


def test_no_samples_are_an_empty_batch(tiny):
    assert tiny.sample(0, seed=0).shape == (0, 1, 16, 16)
    assert tiny.sample(0, labels=torch.empty(0, dtype=torch.int64), seed=0).shape == (0, 1, 16, 16)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 70), batch_size=st.none() | st.integers(1, 100), seed=SEEDS)
def test_an_image_depends_on_the_seed_and_its_place_alone(tiny, n, batch_size, seed):
    assert torch.equal(tiny.sample(n, seed=seed, batch_size=batch_size), tiny.sample(70, seed=seed)[:n])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=40), SEEDS, st.data())
def test_an_image_does_not_depend_on_the_classes_of_the_others(tiny, labels, seed, data):
    place = data.draw(st.integers(0, len(labels) - 1))
    alone = tiny.sample(place + 1, labels[place], seed=seed)
    assert torch.equal(tiny.sample(len(labels), labels, seed=seed)[place], alone[place])


def test_images_of_one_call_differ(tiny):
    images = tiny.sample(70, 1, seed=0)
    assert len({image.numpy().tobytes() for image in images}) == 70


@pytest.mark.parametrize("options", [{}, {"spectral_norm": True, "attention_resolution": 8}, {"latent": "uniform"}])
def test_the_mode_changes_nothing_and_is_left_as_it_was(options):
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(image_size=16, width=4, num_classes=3, **options)).eval()
    expected = generator.sample(20, seed=1)
    generator.train()
    generator.blocks[0].eval()
    modes = {name: module.training for name, module in generator.named_modules()}
    state = copy.deepcopy(generator.state_dict())
    assert torch.equal(generator.sample(20, seed=1), expected)
    assert {name: module.training for name, module in generator.named_modules()} == modes
    assert set(modes.values()) == {True, False}
    assert all(torch.equal(value, state[key]) for key, value in generator.state_dict().items())


def test_the_mode_is_left_as_it_was_when_sampling_fails(tiny):
    generator = copy.deepcopy(tiny).train()
    del generator.blocks[1].norm.scale
    with pytest.raises(AttributeError):
        generator.sample(2, seed=0)
    assert all(module.training for module in generator.modules())


def test_without_a_seed_torch_decides(tiny):
    torch.manual_seed(5)
    first, second = tiny.sample(4), tiny.sample(4)
    torch.manual_seed(5)
    assert torch.equal(tiny.sample(4), first)
    assert not torch.equal(first, second)


def test_with_a_seed_the_global_generator_is_untouched(tiny):
    before = torch.get_rng_state()
    tiny.sample(4, seed=0)
    assert torch.equal(torch.get_rng_state(), before)


def test_labels_default_to_the_classes_in_turn(tiny):
    assert torch.equal(tiny.sample(5, seed=0), tiny.sample(5, [0, 1, 2, 0, 1], seed=0))


@pytest.mark.parametrize("labels", [1, [1, 1], torch.tensor([1, 1]), torch.tensor([1, 1], dtype=torch.uint8)])
def test_one_class_may_be_written_in_many_ways(tiny, labels):
    assert torch.equal(tiny.sample(2, labels, seed=0), tiny.sample(2, [1, 1], seed=0))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 3], "between 0 and 2, but got 3"),
        ([-1, 0], "between 0 and 2, but got -1"),
        ([0], "shape"),
        ([0, 1, 2], "shape"),
        ([[0, 1]], "shape"),
        ([0.0, 1.0], "integers"),
        ([True, False], "integers"),
        (7, "between 0 and 2, but got 7"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tiny, labels, message):
    with pytest.raises(ValueError, match=f"labels must .*{message}"):
        tiny.sample(2, labels, seed=0)


def test_an_unconditional_generator_takes_no_labels():
    with pytest.raises(ValueError, match="labels must be None"):
        Generator(GeneratorConfig(image_size=16, width=4)).sample(2, [0, 1])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n": -1}, ValueError, "n must be at least 0"),
        ({"n": 2.0}, TypeError, "n must be an int"),
        ({"n": True}, TypeError, "n must be an int"),
        ({"n": 1, "batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"n": 1, "batch_size": 1.5}, TypeError, "batch_size must be an int"),
        ({"n": 1, "seed": -1}, ValueError, "seed must be at least 0"),
        ({"n": 1, "seed": 2**63}, ValueError, "seed must be at most"),
        ({"n": 1, "seed": 0.5}, TypeError, "seed must be an int"),
        ({"n": 1, "truncation": 0.0}, ValueError, "truncation must be"),
        ({"n": 1, "truncation": -1.0}, ValueError, "truncation must be"),
        ({"n": 1, "truncation": float("nan")}, ValueError, "truncation must be"),
        ({"n": 1, "truncation": float("inf")}, ValueError, "truncation must be"),
        ({"n": 1, "truncation": "1"}, TypeError, "truncation must be a number"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(tiny, arguments, error, message):
    with pytest.raises(error, match=message):
        tiny.sample(**arguments)


class Echo(Generator):
    """Keeps the latents that it was asked to map."""

    def forward(self, latent, labels=None):
        self.latents = latent.clone()
        return super().forward(latent, labels)


def latents_of(latent, truncation):
    torch.manual_seed(0)
    generator = Echo(GeneratorConfig(image_size=16, width=2, latent=latent, latent_dim=256))
    generator.sample(64, seed=3, truncation=truncation)
    return generator.latents


def test_normal_latents_are_standard_normal():
    latents = latents_of("normal", None)
    assert float(latents.mean()) == pytest.approx(0, abs=0.03)
    assert float(latents.std()) == pytest.approx(1, abs=0.03)
    assert float((latents.abs() > 1.96).float().mean()) == pytest.approx(0.05, abs=0.01)


def test_uniform_latents_are_uniform():
    latents = latents_of("uniform", None)
    assert float(latents.abs().max()) <= 1
    assert float(latents.mean()) == pytest.approx(0, abs=0.03)
    assert float(latents.var()) == pytest.approx(1 / 3, abs=0.01)


@pytest.mark.parametrize(("latent", "truncation"), [("normal", 0.5), ("normal", 2.0), ("uniform", 0.5)])
def test_truncation_bounds_the_latents(latent, truncation):
    latents = latents_of(latent, truncation)
    assert truncation * 0.95 < float(latents.abs().max()) <= truncation * (1 + 1e-6)


def test_a_far_truncation_is_none():
    torch.testing.assert_close(latents_of("normal", 30.0), latents_of("normal", None))


def test_uniform_latents_are_not_truncated_outwards():
    generator = Generator(GeneratorConfig(image_size=16, width=4, latent="uniform"))
    with pytest.raises(ValueError, match="truncation must be at most 1"):
        generator.sample(1, truncation=1.5)


def test_autocast_changes_nothing(tiny):
    expected = tiny.sample(20, seed=0)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(tiny.sample(20, seed=0), expected)


@pytest.mark.parametrize("context", [torch.no_grad, torch.enable_grad])
def test_samples_can_enter_autograd(tiny, context):
    with context():
        images = tiny.sample(2, seed=0)
    weight = torch.ones((), requires_grad=True)
    (images.float() * weight).sum().backward()
    assert float(weight.grad) == float(images.float().sum())


def test_memory_format_hardly_matters(tiny):
    other = copy.deepcopy(tiny).to(memory_format=torch.channels_last)
    difference = other.sample(20, seed=0).int() - tiny.sample(20, seed=0).int()
    assert int(difference.abs().max()) <= 1
