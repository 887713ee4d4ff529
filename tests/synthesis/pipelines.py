"""Text-to-image pipelines that are small enough for tests."""

import json
import types

import pytest
import torch


def tiny_pipeline(folder):
    """Returns a real pipeline of diffusers with tiny random networks."""
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    text = transformers.CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        max_position_embeddings=16,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    small = {"block_out_channels": (4, 8), "norm_num_groups": 2}
    return diffusers.StableDiffusionPipeline(
        vae=diffusers.AutoencoderKL(
            **small, down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2
        ),
        text_encoder=transformers.CLIPTextModel(text),
        tokenizer=transformers.CLIPTokenizer(
            str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=16
        ),
        unet=diffusers.UNet2DConditionModel(
            **small,
            sample_size=8,
            layers_per_block=1,
            cross_attention_dim=8,
            attention_head_dim=2,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        ),
        scheduler=diffusers.DDIMScheduler(clip_sample=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


class StandInPipeline:
    """What a pipeline of diffusers is called with, and what it returns."""

    device = torch.device("cpu")

    def set_progress_bar_config(self, **options):
        assert options == {"disable": True}

    def to(self, device):
        self.device = torch.device(device)

    def __call__(self, prompt, *, generator, num_inference_steps=50, output_type="pil"):
        assert output_type == "pt"
        assert len(prompt) == len(generator)
        images = [torch.rand(1, 3, 16, 16, generator=each) * ("dog" in text) for text, each in zip(prompt, generator)]
        return types.SimpleNamespace(images=torch.cat(images))
