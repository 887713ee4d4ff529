"""What SyntheticMix adds to a training step, beside MixUp and nothing, and what a generator in the loop costs.

python -m benchmarks.mixing_speed
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import default_collate
from torchvision.transforms import v2

from gan_augment import Generator, SyntheticMix, SyntheticPool
from gan_augment.evaluation import SmallCNN

from .sampling import plain_dcgan
from .timing import in_turn, ratios

BATCH, RATIO, CLASSES = 128, 0.25, 10
STEPS = {28: 12, 64: 2}  # of each kind in a round


def make_mix(size: int, channels: int, device: str) -> SyntheticMix:
    """A mix that draws from a pool of noise, on the GPU if the batches are there."""
    images = torch.randint(0, 256, (4000, channels, size, size), dtype=torch.uint8)
    pool = SyntheticPool(images, torch.arange(4000) % CLASSES)
    return SyntheticMix(pool if device == "cpu" else pool.to(device), RATIO)


def make_batch(size: int, channels: int, device: str) -> tuple[Tensor, Tensor]:
    return torch.rand(BATCH, channels, size, size, device=device), torch.randint(0, CLASSES, (BATCH,), device=device)


@functools.cache
def _step_times(size: int, channels: int, rounds: int, device: str) -> list[list[float]]:
    """Seconds of steps of a small CNN with nothing, with MixUp and with SyntheticMix, in each round."""
    images, labels = make_batch(size, channels, device)
    model = SmallCNN(channels, CLASSES).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters())

    def step(mix: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None) -> None:
        batch, targets = (images, labels) if mix is None else mix(images, labels)
        optimizer.zero_grad()
        F.cross_entropy(model(batch), targets).backward()
        optimizer.step()

    kinds = (None, v2.MixUp(num_classes=CLASSES), make_mix(size, channels, device))
    return in_turn([functools.partial(step, mix) for mix in kinds], rounds, STEPS[size])


def step_with_mix(size: int, channels: int, against: str, rounds: int, device: str = "cpu") -> list[float]:
    """The time of a step with SyntheticMix over that with ``"nothing"`` or with ``"mixup"``."""
    nothing, mixup, ours = _step_times(size, channels, rounds, device)
    return [one / other for one, other in zip(ours, nothing if against == "nothing" else mixup)]


def transform_alone(size: int, channels: int, rounds: int, device: str = "cpu") -> list[float]:
    """The time of SyntheticMix over that of MixUp, without a step."""
    images, labels = make_batch(size, channels, device)
    mix, mixup = make_mix(size, channels, device), v2.MixUp(num_classes=CLASSES)
    return ratios(lambda: mix(images, labels), lambda: mixup(images, labels), rounds, 50)


def live_mixing(rounds: int, device: str = "cpu") -> list[float]:
    """Batches a second with a generator of 64 px in the loop, over those with one image at a time."""
    images = torch.randint(0, 256, (BATCH, 3, 64, 64), dtype=torch.uint8)
    plain, generator = plain_dcgan().to(device), Generator().to(device)
    mix = SyntheticMix(generator, RATIO, labels=0)

    @torch.inference_mode()
    def item(index: int) -> tuple[Tensor, int]:  # as a user would write __getitem__
        if index % 4:
            return images[index], 0
        drawn = plain(torch.randn(1, 100, 1, 1, device=device))[0]
        return drawn.mul(127.5).add(127.5).clamp(0, 255).to(torch.uint8).cpu(), 0

    def one_at_a_time() -> None:
        batch, _ = default_collate([item(index) for index in range(BATCH)])
        batch.to(device)

    def ours() -> None:
        batch, labels = default_collate([(images[index], 0) for index in range(BATCH)])
        mix(batch.to(device), labels.to(device))

    return ratios(one_at_a_time, ours, rounds, 2)


def main() -> None:
    for size, channels in ((28, 1), (64, 3)):
        for against in ("nothing", "mixup"):
            found = step_with_mix(size, channels, against, 7)
            print(f"step with SyntheticMix, {size} px, over {against}: {statistics.median(found):.3f}")
        print(f"SyntheticMix over MixUp, {size} px, alone: {statistics.median(transform_alone(size, channels, 7)):.2f}")
    print(f"live mixing over one image at a time: {statistics.median(live_mixing(5)):.1f} x")


if __name__ == "__main__":
    main()
