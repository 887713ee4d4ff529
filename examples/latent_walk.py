"""Makes a film of a walk between latents, which shows the images between two samples of a generator.

    python examples/latent_walk.py dcgan-mnist-32 walk.webp --label 3

Sixteen walks run side by side. Each visits four samples, and ends where it begins, so that the film can repeat.
"""

import argparse

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import to_pil_image
from torchvision.utils import make_grid

from gan_augment import from_pretrained
from gan_augment.models import draw_latents

ROWS, STOPS, FRAMES = 4, 4, 20  # rows of walks; latents that each visits; frames between two of them


def between(one: Tensor, other: Tensor, share: float) -> Tensor:
    """Interpolates on an arc, because a straight line passes near the centre of the sphere on which latents lie."""
    angle = torch.arccos(torch.cosine_similarity(one, other, dim=1).clamp(-0.999, 0.999))[:, None]
    return (torch.sin((1 - share) * angle) * one + torch.sin(share * angle) * other) / torch.sin(angle)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("generator", help="name in the zoo, org/name on the Hub, or a folder")
    parser.add_argument("out", help="file to write, such as walk.webp or walk.gif")
    parser.add_argument("--label", type=int, default=0, help="class to show, if the generator has classes (default: 0)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    generator = from_pretrained(options.generator)
    labels = torch.full((STOPS * ROWS**2,), options.label) if generator.num_classes else None
    # The latents that `sample` draws: normal ones show nothing if the generator was fitted to few images.
    stops = draw_latents(generator, STOPS * ROWS**2, options.seed, labels).unflatten(0, (STOPS, ROWS**2))
    labels = None if labels is None else labels[: ROWS**2]
    frames = []
    with torch.no_grad():
        for one, other in zip(stops, stops.roll(-1, 0)):  # the last leg leads back to the first stop
            for frame in range(FRAMES):
                images = generator(between(one, other, frame / FRAMES), labels)  # -1..1
                frames.append(to_pil_image(make_grid(images / 2 + 0.5, nrow=ROWS).clamp(0, 1)))
    frames[0].save(options.out, save_all=True, append_images=frames[1:], duration=50, loop=0)
    print(f"{len(frames)} frames in {options.out}")


if __name__ == "__main__":
    main()
