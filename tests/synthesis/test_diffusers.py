"""A diffusion model as a source."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import TensorDataset

from gan_augment import DiffusersSource, SyntheticMix, SyntheticPool, study

from .pipelines import StandInPipeline, tiny_pipeline

PROMPTS = {"cat": "a photo of a cat", "dog": "a photo of a dog"}


@given(st.lists(st.integers(0, 1), max_size=7), st.integers(1, 4), st.integers(0, 2**62))
@settings(max_examples=30, deadline=None)
def test_an_image_depends_on_its_label_its_place_and_the_seed_alone(labels, batch_size, seed):
    whole = DiffusersSource(StandInPipeline(), PROMPTS, batch_size=batch_size).sample(
        7, [*labels, *[0] * 7][:7], seed=seed
    )
    some = DiffusersSource(StandInPipeline(), PROMPTS).sample(len(labels), torch.tensor(labels), seed=seed)
    assert len(some) == len(labels)
    assert all(torch.equal(one, other) for one, other in zip(some, whole))
    assert [bool(image.any()) for image in some] == [label == 1 for label in labels]  # its cats are black


def test_a_real_pipeline_fills_a_pool_that_is_mixed_in(tmp_path):
    source = DiffusersSource(tiny_pipeline(tmp_path), PROMPTS, num_inference_steps=2)
    pool = SyntheticPool.generate(source, 6, out=tmp_path / "pets", progress=False)
    assert pool.class_names == ("cat", "dog")
    assert source.to("cpu").device == torch.device("cpu")
    images, labels = SyntheticMix(pool, ratio=0.5, classes=["cat", "dog"])(
        torch.rand(4, 3, 32, 32), torch.arange(4) % 2
    )
    assert images.shape == (4, 3, 32, 32)
    assert labels.tolist() == [0, 1, 0, 1]


def test_a_study_takes_a_diffusion_model():
    rng = torch.Generator().manual_seed(0)
    data = TensorDataset(torch.randint(0, 256, (60, 3, 16, 16), dtype=torch.uint8, generator=rng), torch.arange(60) % 2)
    data.classes = list(PROMPTS)
    quick = {"classifier": "small-cnn", "lr": 2e-3, "augment": "none", "ratios": 0.5, "controls": "repeated"}
    source = DiffusersSource(StandInPipeline(), PROMPTS, num_inference_steps=1)
    result = study(data, source, **quick, steps=2, seeds=2, pool_size=20, progress=False)
    assert result.arm("synthetic 0.5").classifier == "small-cnn"


@pytest.mark.parametrize(
    ("pipeline", "prompts", "error", "message"),
    [
        ("sd-turbo", PROMPTS, TypeError, "pipeline must be a text-to-image pipeline"),
        (StandInPipeline(), ["cat"], TypeError, "prompts must map the name of each class"),
        (StandInPipeline(), {"cat": 3}, TypeError, "prompts must map the name of each class"),
        (StandInPipeline(), {}, ValueError, "at least one class"),
    ],
)
def test_what_is_no_pipeline_or_prompt_is_refused(pipeline, prompts, error, message):
    with pytest.raises(error, match=message):
        DiffusersSource(pipeline, prompts)
