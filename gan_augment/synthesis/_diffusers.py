"""A source that draws from a text-to-image pipeline of diffusers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .._core import check_count, draw_seed
from ._as_source import Source, class_labels


class DiffusersSource(Source):
    """Draws images from a text-to-image pipeline of diffusers (https://github.com/huggingface/diffusers).

    Diffusion models are slow, so generate a :class:`SyntheticPool` once and mix from it. Look at samples first, because
    the prompts decide what they show. The function :func:`study` measures whether the images help.

    Args:
        pipeline: A pipeline that takes the arguments ``prompt``, ``generator`` and ``output_type``, such as those of
            ``AutoPipelineForText2Image``. The source draws on its device.
        prompts (dict of str to str): Maps the name of each class to its prompt, in the order of the classes.
        batch_size (int): Number of images per call of the pipeline. Default: 8.
        **options: Further arguments of the pipeline, such as ``num_inference_steps=30``.

    Raises:
        TypeError: If ``pipeline`` is not callable, or a prompt is not a string.
        ValueError: If there are no prompts.

    Example:
        >>> from diffusers import AutoPipelineForText2Image  # doctest: +SKIP
        >>> pipeline = AutoPipelineForText2Image.from_pretrained("stabilityai/sd-turbo")  # doctest: +SKIP
        >>> prompts = {"ant": "a photo of an ant", "bee": "a photo of a bee"}
        >>> source = DiffusersSource(pipeline, prompts, num_inference_steps=1, guidance_scale=0.0)  # doctest: +SKIP
        >>> pool = SyntheticPool.generate(source, 2000, out="insects")  # doctest: +SKIP
    """

    def __init__(self, pipeline: Any, prompts: Mapping[str, str], *, batch_size: int = 8, **options: Any) -> None:
        if not callable(pipeline):
            raise TypeError(f"pipeline must be a text-to-image pipeline of diffusers, but got {type(pipeline)}.")
        if not isinstance(prompts, Mapping) or not all(isinstance(text, str) for text in prompts.values()):
            raise TypeError(f"prompts must map the name of each class to a text, but got {prompts!r}.")
        if not prompts:
            raise ValueError("prompts must hold the prompt of at least one class, but it is empty.")
        self.pipeline, self.options = pipeline, options
        self.prompts = list(prompts.values())
        self.batch_size = check_count("batch_size", batch_size, 1)
        self.num_classes, self.class_names = len(prompts), list(prompts)
        pipeline.set_progress_bar_config(disable=True)

    @property
    def device(self) -> torch.device:  # type: ignore[override]  # the pipeline may be moved
        """The device of the pipeline."""
        return torch.device(self.pipeline.device)

    def to(self, device: Any) -> DiffusersSource:
        """Moves the pipeline to a device, and returns the source."""
        self.pipeline.to(device)
        return self

    def sample(self, n: int, labels: Any = None, *, seed: int | None = None) -> Tensor:
        """Draws images, float 0..1 ``(n, 3, h, w)``. Image ``i`` depends only on the seed, ``i`` and its label."""
        classes = class_labels(self, n, labels).tolist()
        seed = draw_seed() if seed is None else seed
        images = []
        for start in range(0, n, self.batch_size):
            chosen = range(start, min(start + self.batch_size, n))
            # One generator for each image, on the CPU: then an image depends on neither the batch nor the device.
            generators = [torch.Generator().manual_seed((seed + index) % 2**63) for index in chosen]
            prompts = [self.prompts[classes[index]] for index in chosen]
            drawn = self.pipeline(prompt=prompts, generator=generators, output_type="pt", **self.options)
            images.append(drawn.images.float().clamp(0, 1))
        return torch.cat(images) if images else torch.empty(0, 3, 1, 1)
