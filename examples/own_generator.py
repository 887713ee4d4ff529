"""Uses your own generator as a source: any object with a method ``sample``.

    python examples/own_generator.py

A subclass of ``Source`` can also state its classes and their names. This one draws discs and squares: replace ``draw``
with your network.
"""

import torch
from torch import Tensor

from gan_augment import Source, SyntheticMix, SyntheticPool


class Shapes(Source):
    """Draws a disc (class 0) or a square (class 1) at a random place."""

    num_classes = 2
    class_names = ("disc", "square")

    def sample(self, n: int, labels: Tensor | None = None, *, seed: int | None = None) -> Tensor:
        rng = torch.Generator()
        rng.seed() if seed is None else rng.manual_seed(seed)
        labels = torch.randint(0, 2, (n,), generator=rng) if labels is None else torch.as_tensor(labels)
        return self.draw(labels, torch.randint(8, 24, (n, 2), generator=rng))

    def draw(self, labels: Tensor, centres: Tensor) -> Tensor:
        """Returns uint8 images ``(n, 3, 32, 32)``."""
        axis = torch.arange(32)
        rows = (axis[None, :, None] - centres[:, 0, None, None]).abs()
        columns = (axis[None, None, :] - centres[:, 1, None, None]).abs()
        disc, square = rows.square() + columns.square() < 36, torch.maximum(rows, columns) < 6
        shown = torch.where(labels[:, None, None] == 0, disc, square)
        return (shown * 200 + 30).byte()[:, None].expand(-1, 3, -1, -1).contiguous()


def main() -> None:
    source = Shapes()
    images, labels = torch.rand(8, 3, 32, 32), torch.arange(8) % 2
    mixed, _ = SyntheticMix(source, ratio=0.5)(images, labels)
    changed = (mixed != images).flatten(1).any(1)
    print(f"{int(changed.sum())} of {len(images)} images of the batch are synthetic")

    pool = SyntheticPool.generate(source, 100, seed=0, progress=False)  # if drawing is slow
    print(
        f"a pool of {len(pool)} images, {torch.bincount(pool.labels).tolist()} of the classes {list(pool.class_names)}"
    )


if __name__ == "__main__":
    main()
