"""Uses a diffusion model as a source, with one prompt for each class. A pool keeps the generated images.

    pip install "gan-augment[diffusers]"
    python examples/diffusion_pipeline.py --pipeline stabilityai/sd-turbo --steps 1 --guidance 0 --out pools/insects

Without ``--pipeline`` the script builds a tiny, untrained one, which needs no network access and generates noise.
Diffusion models are slow, so the images are generated once. Whether they help is a question for a study:
``gan-augment study --data photos/ --source pools/insects --out study``.
"""

import argparse
import json
import tempfile
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, DiffusionPipeline, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from gan_augment import DiffusersSource, SyntheticMix, SyntheticPool

PROMPTS = {"ants": "a photo of an ant", "bees": "a photo of a bee"}  # the names of your classes, in their order


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", help="text-to-image pipeline: a repository on the Hub or a folder")
    parser.add_argument("--steps", type=int, default=30, help="denoising steps for each image (default: 30)")
    parser.add_argument("--guidance", type=float, default=7.5, help="guidance scale; 0 for turbo models (default: 7.5)")
    parser.add_argument("--count", type=int, default=200, help="images to generate (default: 200)")
    parser.add_argument("--out", required=True, help="folder of the pool")
    options = parser.parse_args()
    pipeline = DiffusionPipeline.from_pretrained(options.pipeline) if options.pipeline else tiny_pipeline()
    pipeline.to("cuda" if torch.cuda.is_available() else "cpu")

    source = DiffusersSource(pipeline, PROMPTS, num_inference_steps=options.steps, guidance_scale=options.guidance)
    pool = SyntheticPool.generate(source, options.count, seed=0, out=options.out)
    print(f"{len(pool)} images of {list(pool.class_names)} in {options.out}")

    real, labels = torch.rand(4, *pool.image_shape), torch.tensor([0, 1, 0, 1])  # put your batches here
    images, labels = SyntheticMix(options.out, ratio=0.5)(real, labels)
    print(f"a mixed batch: {tuple(images.shape)}, classes {labels.tolist()}")


def tiny_pipeline() -> StableDiffusionPipeline:
    """Returns a pipeline with random weights, for images of 16 px."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    with tempfile.TemporaryDirectory() as folder:
        vocabulary, merges = Path(folder, "vocab.json"), Path(folder, "merges.txt")
        vocabulary.write_text(json.dumps({word: index for index, word in enumerate(words)}))
        merges.write_text("#version: 0.2\n")
        tokenizer = CLIPTokenizer(str(vocabulary), str(merges), model_max_length=32)
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    tokens = {"vocab_size": len(words), "bos_token_id": 0, "eos_token_id": 1, "max_position_embeddings": 32}
    blocks = {"block_out_channels": (4, 8), "norm_num_groups": 2}
    down, up = ("DownBlock2D", "CrossAttnDownBlock2D"), ("CrossAttnUpBlock2D", "UpBlock2D")
    encoder = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    attention = {"cross_attention_dim": 8, "attention_head_dim": 2}
    return StableDiffusionPipeline(
        vae=AutoencoderKL(**blocks, **encoder),
        text_encoder=CLIPTextModel(CLIPTextConfig(**sizes, **tokens)),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(**blocks, **attention, sample_size=8, down_block_types=down, up_block_types=up),
        scheduler=DDIMScheduler(clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


if __name__ == "__main__":
    main()
