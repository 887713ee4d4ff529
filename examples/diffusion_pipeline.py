"""A diffusion model as a source: one prompt for each class, drawn once into a pool.

    pip install "gan-augment[diffusers]"
    python examples/diffusion_pipeline.py stabilityai/sd-turbo --steps 1 --count 200 --out pools/insects

Diffusion models are slow, so the images are generated once. Whether they help is a question for a study:
``gan-augment study --data photos/ --source pools/insects --out study``.
"""

import argparse

import torch
from diffusers import DiffusionPipeline

from gan_augment import DiffusersSource, SyntheticMix, SyntheticPool

PROMPTS = {"ants": "a photo of an ant", "bees": "a photo of a bee"}  # the names of your classes, in their order


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pipeline", help="text-to-image pipeline: a repository on the Hub or a folder")
    parser.add_argument("--steps", type=int, default=30, help="denoising steps for each image (default: 30)")
    parser.add_argument("--count", type=int, default=200, help="images to generate (default: 200)")
    parser.add_argument("--out", required=True, help="folder of the pool")
    options = parser.parse_args()
    pipeline = DiffusionPipeline.from_pretrained(options.pipeline)
    pipeline.to("cuda" if torch.cuda.is_available() else "cpu")

    source = DiffusersSource(pipeline, PROMPTS, num_inference_steps=options.steps)
    pool = SyntheticPool.generate(source, options.count, seed=0, out=options.out)
    print(f"{len(pool)} images of {list(pool.class_names)} in {options.out}")

    real, labels = torch.rand(4, *pool.image_shape), torch.tensor([0, 1, 0, 1])  # put your batches here
    images, labels = SyntheticMix(options.out, ratio=0.5)(real, labels)
    print(f"a mixed batch: {tuple(images.shape)}, classes {labels.tolist()}")


if __name__ == "__main__":
    main()
