import copy

import pytest
import torch

from gan_augment import Generator, GeneratorConfig
from gan_augment.training._optimization import EMA, recalibrate_batch_norm


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return Generator(GeneratorConfig(image_size=16, channels=1, num_classes=3, width=4, latent_dim=8))


def change(generator, value):
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.fill_(value)
        for buffer in generator.buffers():
            buffer.fill_(value + 1)


def test_the_average_starts_as_the_generator_in_eval_mode_without_gradient(generator):
    ema = EMA(generator.train(), 0.9)
    assert ema.generator is not generator
    assert not any(module.training for module in ema.generator.modules())
    assert not any(parameter.requires_grad for parameter in ema.generator.parameters())
    assert all(torch.equal(a, b) for a, b in zip(ema.generator.parameters(), generator.parameters()))
    assert generator.training
    assert all(parameter.requires_grad for parameter in generator.parameters())


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999, 1.0])
def test_the_average_follows_its_ramp(generator, decay):
    change(generator, 0.0)
    ema, expected = EMA(generator, decay), 0.0
    for step in range(1, 30):
        change(generator, float(step))
        ema.update(generator, step)
        used = min(decay, (1 + step) / (10 + step))
        expected = used * expected + (1 - used) * step
        for parameter in ema.generator.parameters():
            torch.testing.assert_close(parameter, torch.full_like(parameter, expected))


def test_buffers_are_copied_and_not_averaged(generator):
    ema = EMA(generator, 0.999)
    change(generator, 5.0)
    ema.update(generator, 10_000)
    assert all(bool((buffer == 6).all()) for buffer in ema.generator.buffers())
    assert sum(1 for _ in ema.generator.buffers()) > 0


def test_the_average_leaves_the_generator_alone(generator):
    before = copy.deepcopy(generator.state_dict())
    EMA(generator, 0.5).update(generator, 3)
    assert all(torch.equal(value, before[key]) for key, value in generator.state_dict().items())


def test_recalibrated_statistics_are_those_of_batches(generator):
    with torch.no_grad():
        generator.to_image.weight.mul_(200)
        for buffer in generator.buffers():
            if buffer.is_floating_point():
                buffer.fill_(3.0)  # nobody's statistics
    latents, labels = torch.randn(512, 8), torch.arange(512) % 3
    with torch.no_grad():
        off = generator.eval()(latents, labels)
        recalibrate_batch_norm(generator)
        assert not any(module.training for module in generator.modules())
        ours = generator(latents, labels)
        batch = copy.deepcopy(generator).train()(latents, labels)
    assert float(batch.std()) > 0.1
    assert float((ours - batch).abs().mean()) < 0.1 * float((off - batch).abs().mean())
    assert float((ours - batch).abs().mean()) < 0.1 * float(batch.std())


def test_recalibrating_is_repeatable_and_changes_no_weight(generator):
    weights = [parameter.clone() for parameter in generator.parameters()]
    before = torch.get_rng_state()
    momenta = [m.momentum for m in generator.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    recalibrate_batch_norm(generator)
    first = generator.sample(4, seed=0)
    recalibrate_batch_norm(generator)
    assert torch.equal(generator.sample(4, seed=0), first)
    assert all(torch.equal(a, b) for a, b in zip(weights, generator.parameters()))
    assert torch.equal(torch.get_rng_state(), before)
    assert [m.momentum for m in generator.modules() if isinstance(m, torch.nn.BatchNorm2d)] == momenta


def test_recalibrating_a_generator_with_spectral_norm_is_repeatable():
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(image_size=16, width=4, latent_dim=8, spectral_norm=True))
    recalibrate_batch_norm(generator)
    first = {key: value.clone() for key, value in generator.state_dict().items()}
    recalibrate_batch_norm(generator)
    assert all(torch.equal(value, first[key]) for key, value in generator.state_dict().items())
