"""Counts the generators of other layouts that `import_checkpoint` imports with the right images, and times it.

    python -m benchmarks.importing [--only course-64] [--seed 1]

There are thirteen layouts of the tests, and two more with two sizes and seven activations each. Each is drawn three
times, with weights and statistics that no test uses. Images are close if their pixels differ by less than a hundredth
of their range on average. A leaky ReLU with a slope of 0.01 is mistaken for a ReLU, which makes half of that
difference. There is no peer to compare with: other libraries need the code of the network.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import nn

from gan_augment import import_checkpoint
from tests.importing import layouts

CLOSE = 0.02
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky 0.2": partial(nn.LeakyReLU, 0.2),
    "leaky 0.01": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "selu": nn.SELU,
}
LAYOUTS: dict[str, tuple[Callable[[], nn.Module], dict[str, Any]]] = {
    "resized": (layouts.Resized, {}),
    "resized, class multiplied": (partial(layouts.Resized, 32, 3), {"classes": 3}),
    "functional": (layouts.Functional, {}),
    "dense": (layouts.Dense, {}),
    "96 px": (layouts.threes, {}),
    "last of kernel 1": (layouts.refined, {}),
    "cut to 28 px": (partial(layouts.refined, 1), {}),
    "nested blocks": (layouts.nested_blocks, {}),
    "attributes": (partial(layouts.Attributes, False), {}),
    "two stems": (layouts.Stems, {"classes": 4}),
    "class after": (partial(layouts.Embedded, False), {"classes": 5}),
    "class before": (partial(layouts.Embedded, True), {"classes": 5}),
    "uniform latents": (lambda: layouts.Wrapped("main", *layouts.plain(32)), {"uniform": True}),
}


def cases() -> Iterator[tuple[str, Callable[[], nn.Module], dict[str, Any]]]:
    """Yields the name of each layout, how to make the network, and the options with which it is called."""
    for name, function in ACTIVATIONS.items():
        for width in (8, 64):
            make: Callable[[], nn.Module] = partial(layouts.digits_without_padding, width, function)
            yield f"course-{width} {name}", make, {"latent": 10}
        for side, channels, width in ((32, 3, 4), (28, 1, 16)):
            layers = partial(layouts.plain, side, channels, width, relu=function)
            yield f"dcgan-{side} {name}", lambda layers=layers: layouts.Wrapped("main", *layers()), {}
    for name, (make, call) in LAYOUTS.items():
        yield name, make, call


def import_and_compare(make: Callable[[], nn.Module], call: dict[str, Any], seed: int) -> tuple[float, float, int]:
    """Returns the mean difference from the network's images, the seconds of this thread, and the number of warnings."""
    torch.manual_seed(seed)
    network = layouts.as_trained(make(), seed=seed, **call)
    with tempfile.NamedTemporaryFile(suffix=".pth") as file, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        torch.save(network.state_dict(), file.name)
        started = time.thread_time()
        try:
            generator = import_checkpoint(file.name)
        except ValueError:
            return float("inf"), time.thread_time() - started, 0
        seconds = time.thread_time() - started
    latents = torch.randn((8, call.get("latent", 20)), generator=torch.Generator().manual_seed(99))
    labels = torch.arange(8) % call["classes"] if "classes" in call else None
    with torch.no_grad():
        wanted = network(latents) if labels is None else network(latents, labels)
        found = generator(latents, labels)
    if found.shape != wanted.shape:
        return float("inf"), seconds, len(said)
    return float((found - wanted).abs().mean()), seconds, len(said)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="run only the layouts whose name contains this text")
    parser.add_argument("--seed", type=int, default=1, help="first of three seeds (default: 1)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    for name, make, call in cases():
        if options.only not in name:
            continue
        for seed in range(options.seed, options.seed + 3):
            distance, seconds, warned = import_and_compare(make, call, seed)
            results.append((distance, seconds))
            if distance > CLOSE:
                print(f"{name}, seed {seed}: other images, {'with' if warned else 'without'} a warning", flush=True)
    close = sum(distance <= CLOSE for distance, _ in results)
    times = sorted(seconds for _, seconds in results)
    print(f"{close} of {len(results)} close; median {times[len(times) // 2]:.1f} s, at most {times[-1]:.1f} s")


if __name__ == "__main__":
    main()
