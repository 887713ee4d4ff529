"""Draws samples as a pure function of the seed."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import PIL.Image
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized
from torchvision.utils import make_grid

from .._core import ROW_BYTES, check_dense, check_number, check_space, png_marks
from ._anchors import ANCHOR_DRAWS
from ._config import GeneratorConfig
from ._transposed import ConvTranspose2d

if TYPE_CHECKING:
    from ._generator import Generator

# Number of images in a block. Latents are drawn in whole blocks, because torch draws the same first values for tensors
# of different sizes only in whole vectors. Batches are filled up to a power of two or to whole blocks, because some
# layers round differently for other batch sizes. The difference of 1e-8 can change a pixel by one.
BLOCK = 16
SIDE = 10  # maximum number of rows and columns of a grid
WIDTH = 1320  # pixels; a hundred images of 128 px
CARD_WIDTH = 660  # pixels; a hundred images of 64 px take half a megabyte
PADDING = 2


@contextmanager
def eval_mode(module: nn.Module) -> Iterator[None]:
    """Puts a module into eval mode, and restores the mode of each of its parts afterwards."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def draw_latents(
    generator: Generator, n: int, seed: int, labels: Tensor | None = None, truncation: float | None = None
) -> Tensor:
    """Draws the latents that :meth:`Generator.sample` uses, on the CPU; the first rows are the same for every ``n``.

    Args:
        generator (Generator): Generator for the latents. If it has anchors, the latents lie between those of the class.
        n (int): Number of latents.
        seed (int): Seed.
        labels (Tensor, optional): Class of each latent, int64 ``(n,)``, for a generator with anchors and classes.
        truncation (float, optional): See :meth:`Generator.sample`.

    Returns:
        Tensor: float32 latents ``(n, latent_dim + variations)``.

    Example:
        >>> from gan_augment import from_pretrained
        >>> draw_latents(from_pretrained("dcgan-mnist-32"), 4, seed=0).shape
        torch.Size([4, 64])
    """
    config = generator.config
    rng = torch.Generator().manual_seed(seed)
    wide = config.latent_dim + config.variations
    columns = wide + (ANCHOR_DRAWS if config.anchors else 0)
    blocks = [torch.rand((BLOCK, columns), generator=rng, dtype=torch.float64) for _ in range(math.ceil(n / BLOCK))]
    uniform = torch.cat(blocks)[:n] * 2 - 1 if blocks else torch.empty(0, columns)
    if config.latent == "uniform":
        latents = uniform[:, :wide] * (1.0 if truncation is None else truncation)
    else:  # the inverse of the normal distribution function; truncation narrows the interval of its argument
        limit = 1.0 if truncation is None else math.erf(truncation / math.sqrt(2))
        tiny = torch.finfo(torch.float64).eps
        latents = torch.erfinv(uniform[:, :wide].clamp(tiny - 1, 1 - tiny) * limit) * math.sqrt(2)
    latents = latents.float()
    if not config.anchors:
        return latents
    classes = torch.zeros(n, dtype=torch.int64) if labels is None else labels
    return generator.anchor_walk()(classes, (uniform[:, wide:] + 1) / 2, latents)


def check_labels(labels: Tensor | Sequence[int] | int | None, n: int, num_classes: int) -> Tensor | None:
    """Returns the labels as an int64 tensor ``(n,)``, or None for an unconditional source.

    Raises:
        ValueError: If they are not ``n`` integers below ``num_classes``.
    """
    if num_classes == 0:
        if labels is not None:
            raise ValueError("labels must be None for an unconditional generator, but got labels.")
        return None
    if labels is None:
        return torch.arange(n) % num_classes
    tensor = torch.as_tensor(labels, dtype=torch.int64 if n == 0 else None)
    check_dense(tensor, "labels")
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
        raise ValueError(f"labels must be integers, but got {tensor.dtype} instead.")
    tensor = tensor.detach().to("cpu", torch.int64)
    if tensor.ndim == 0:
        tensor = tensor.repeat(n)
    if tensor.shape != (n,):
        raise ValueError(f"labels must have shape ({n},), but got {tuple(tensor.shape)} instead.")
    wrong = tensor[(tensor < 0) | (tensor >= num_classes)]
    if len(wrong):
        raise ValueError(f"labels must be between 0 and {num_classes - 1}, but got {wrong[0].item()} instead.")
    return tensor


def draw_images(generator: Generator, latents: Tensor, labels: Tensor | None, batch_size: int) -> Tensor:
    """Maps latents and their classes to uint8 images, in eval mode."""
    config, n = generator.config, len(latents)
    parameter = next(generator.parameters())
    device, dtype = parameter.device, parameter.dtype
    step = math.ceil(batch_size / BLOCK) * BLOCK
    least = 1 if all(map(_is_exact, generator.modules())) else BLOCK
    # Created outside of inference mode, so that the images can enter autograd.
    out = torch.empty((n, config.channels, config.image_size, config.image_size), dtype=torch.uint8, device=device)
    with torch.inference_mode(), eval_mode(generator), torch.autocast(device.type, enabled=False):
        for start in range(0, n, step):
            latent = latents[start : start + step]
            count = len(latent)
            rows = torch.arange(_filled(count, least)) % count
            label = None if labels is None else labels[start : start + step][rows].to(device)
            images = generator(latent[rows].to(device, dtype), label)[:count].float()
            out[start : start + count] = images.mul_(127.5).add_(127.5).round_().clamp_(0, 255)
    return out


def _is_exact(layer: nn.Module) -> bool:
    """Returns whether a layer is known to treat an image in a batch of 1, 2, 4 or 8 exactly as in a block."""
    if isinstance(layer, nn.ConvTranspose2d):
        return isinstance(layer, ConvTranspose2d) and not is_parametrized(layer)
    return not isinstance(layer, (nn.Linear, nn.Conv2d))


def _filled(count: int, least: int) -> int:
    """Returns the size to which a batch is filled up: the next power of two, or above ``BLOCK`` its next multiple."""
    return math.ceil(count / BLOCK) * BLOCK if count > BLOCK else max(1 << (count - 1).bit_length(), least)


def check_memory(config: GeneratorConfig, n: int, batch_size: int) -> None:
    """Checks that there is memory for all images, and for those of one batch."""
    columns = config.latent_dim + config.variations + ANCHOR_DRAWS
    check_space(f"n={n}", n, 2 * config.channels * config.image_size**2 + 32 * columns + ROW_BYTES)
    if (at_once := min(batch_size, n)) > BLOCK:
        remedy = "Pass a smaller batch_size, or leave it out."
        check_space(f"batch_size={batch_size}", at_once, 4 * config.cost.values, remedy=remedy)


def check_truncation(truncation: float | None, config: GeneratorConfig) -> None:
    if truncation is None:
        return
    check_number("truncation", truncation)
    if not (math.isfinite(truncation) and truncation > 0):
        raise ValueError(f"truncation must be a number above 0, but got {truncation} instead.")
    if config.anchors:
        raise ValueError("truncation must be None for a generator with anchors, since it samples between them.")
    if config.latent == "uniform" and truncation > 1:
        raise ValueError(f"truncation must be at most 1 for uniform latents, but got {truncation} instead.")


def sample_grid(generator: Generator, seed: int = 0, width: int = WIDTH) -> PIL.Image.Image:
    """Draws a picture of samples in rows of ten, or of fewer if they are large.

    Args:
        generator (Generator): The generator. With classes, there is a row for each of the first ten.
        seed (int): Seed of the samples. Default: 0.
        width (int): Maximum width of the picture in pixels, unless a single image is wider. Default: 1320.
    """
    columns = max(1, min(SIDE, width // (generator.config.image_size + PADDING)))
    rows = min(generator.num_classes, SIDE) or columns
    labels = torch.arange(rows).repeat_interleave(columns) if generator.num_classes else None
    samples = generator.sample(rows * columns, labels, seed=seed).cpu()
    grid = make_grid(samples, nrow=columns, padding=PADDING, pad_value=255)
    picture = PIL.Image.fromarray(grid.permute(1, 2, 0).numpy())
    zoom = max(1, 480 // picture.width)  # enlarges small images
    return picture.resize((picture.width * zoom, picture.height * zoom), PIL.Image.Resampling.NEAREST)


def card_grid(generator: Generator) -> bytes:
    """Returns the PNG of a card, with samples of seed 0."""
    file = io.BytesIO()
    sample_grid(generator, width=CARD_WIDTH).save(file, format="png", optimize=True, pnginfo=png_marks())
    return file.getvalue()
