"""Speed of sampling at 64 px on this CPU, against the plain module in eval mode.

python -m benchmarks.sampling
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gan_augment import Generator, SyntheticPool, from_pretrained, save_pretrained

from .timing import ratios

BATCHES, ROUNDS = (1, 16, 64, 256), 7
POOL, POOL_BATCH = 1024, 64  # images; the time of a pool grows with its size


def plain_dcgan() -> nn.Module:
    """The layers of pytorch/examples' generator, in a row."""
    layers: list[nn.Module] = []
    for before, after, first in ((100, 512, True), (512, 256, False), (256, 128, False), (128, 64, False)):
        conv = nn.ConvTranspose2d(before, after, 4, 1 if first else 2, 0 if first else 1, bias=False)
        layers += [conv, nn.BatchNorm2d(after), nn.ReLU(True)]
    return nn.Sequential(*layers, nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False), nn.Tanh()).eval()


def sample_plain(module: nn.Module, n: int, device: str = "cpu") -> Tensor:
    """Draws images as a user would by hand."""
    with torch.inference_mode():
        images: Tensor = module(torch.randn(n, 100, 1, 1, device=device)).mul(127.5).add(127.5).to(torch.uint8)
    return images


def sampling_ratios(n: int, rounds: int, device: str = "cpu") -> list[float]:
    """Images per second of :meth:`Generator.sample`, ``n`` images per call, over those of the plain module."""
    plain, ours = plain_dcgan().to(device), Generator().to(device)
    return ratios(lambda: sample_plain(plain, n, device), lambda: ours.sample(n, seed=0), rounds, max(1, 128 // n))


def pool_ratios(rounds: int, device: str = "cpu", size: int = POOL) -> list[float]:
    """Time of one forward pass after another into a list over that of :meth:`SyntheticPool.generate`."""
    plain, ours = plain_dcgan().to(device), Generator().to(device)
    return ratios(
        lambda: [sample_plain(plain, POOL_BATCH, device).cpu() for _ in range(size // POOL_BATCH)],
        lambda: SyntheticPool.generate(ours, size, progress=False),
        rounds,
    )


def first_image_ratios(rounds: int) -> list[float]:
    """Time of building, loading and sampling by hand over that of ``from_pretrained`` and one image."""
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder, "plain.safetensors")
        save_file(plain_dcgan().state_dict(), weights)
        save_pretrained(Generator(), Path(folder, "ours"))

        def by_hand() -> Tensor:
            module = plain_dcgan()
            module.load_state_dict(load_file(weights))
            return sample_plain(module, 1)

        return ratios(by_hand, lambda: from_pretrained(Path(folder, "ours")).sample(1, seed=0), rounds)


def main() -> None:
    rows = {f"images/s sampled, {n} per call": sampling_ratios(n, ROUNDS) for n in BATCHES}
    rows["pool"] = pool_ratios(3)
    rows["from_pretrained and first image"] = first_image_ratios(ROUNDS)
    for name, found in rows.items():
        spread = f"{min(found):.2f} to {max(found):.2f}"
        print(f"{name}: {statistics.median(found):.2f} x the plain module ({spread})")


if __name__ == "__main__":
    main()
