"""The DCGAN generator."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .._core import check_count, check_seed
from . import _onnx, _saving
from ._anchors import AnchorWalk, to_sphere
from ._blocks import (
    ClassConditionalNorm2d,
    Mapping,
    Picklable,
    SelfAttention2d,
    initialized,
    scaled_conv,
    unconditional_norm,
)
from ._config import GeneratorConfig
from ._sampling import check_labels, check_memory, check_truncation, draw_images, draw_latents
from ._source import Geometry, Source, computed
from ._transposed import ConvTranspose2d
from ._variations import Variations


class _GeneratorBlock(nn.Module):
    """Applies one step up: convolution, normalisation (by class), ReLU and optional self-attention."""

    def __init__(self, conv: nn.Module, channels: int, side: int, first: bool, config: GeneratorConfig) -> None:
        super().__init__()
        self.conv = initialized(conv, config, dense=first)
        self.conditional, self.negative_slope = config.num_classes > 0, config.negative_slope
        self.per_unit = first and config.normalize_units
        features = channels * side**2 if self.per_unit else channels
        self.norm = (ClassConditionalNorm2d if self.conditional else unconditional_norm)(features, config)
        attention = side == config.attention_resolution and not (first and config.stem_width)
        self.attention = SelfAttention2d(channels, config) if attention else nn.Identity()

    def forward(self, x: Tensor, labels: Tensor | None, class_weight: float) -> Tensor:
        x = self.conv(x)
        shape = x.shape
        if self.per_unit:
            x = x.reshape(shape[0], -1, 1, 1)
        x = self.norm(x, labels, class_weight) if self.conditional else self.norm(x)
        if self.per_unit:
            x = x.reshape(shape)
        inplace = torch.is_inference_mode_enabled()  # in training, hooks may keep the norm's output
        x = F.leaky_relu(x, self.negative_slope, inplace) if self.negative_slope else F.relu(x, inplace)
        out: Tensor = self.attention(x)
        return out


class Generator(Picklable, Source):
    """The generator of DCGAN (https://arxiv.org/abs/1511.06434), for any size from 16 to 256 px.

    A generator is a :class:`Source`: every function that takes a source takes a generator.

    Args:
        config (GeneratorConfig, optional): Configuration, kept as ``config``. Default: that of ``dcgan`` in
            pytorch/examples.

    Example:
        >>> generator = Generator(GeneratorConfig(image_size=32, channels=1, num_classes=10))
        >>> generator.sample(4, labels=[3, 3, 5, 7], seed=0).shape
        torch.Size([4, 1, 32, 32])
    """

    config: GeneratorConfig
    num_classes = computed(lambda self: self.config.num_classes)
    class_names = computed(lambda self: self.config.class_names)
    geometry = computed(lambda self: Geometry(self.config.resize_mode, self.config.source_size))
    image_shape = computed(lambda self: (self.config.channels, self.config.image_size, self.config.image_size))
    device = computed(lambda self: next(self.parameters()).device)

    def __init__(self, config: GeneratorConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or GeneratorConfig()
        widths, sides, kernel, upsampling = config.widths, config.sides, config.kernel_size, config.upsampling
        bias = config.normalization == "none"  # normalisation would remove it
        if config.stem_width:
            widths, sides = (config.stem_width, *widths), (sides[0], *sides)
        layers: list[nn.Module] = [ConvTranspose2d(config.latent_dim, widths[0], sides[0], bias=bias)]
        for wide, narrow, before, after in zip(widths, widths[1:], sides, sides[1:]):
            layers.append(scaled_conv(wide, narrow, kernel, upsampling, bias, after // before))
        self.blocks = nn.ModuleList(
            _GeneratorBlock(layer, width, side, level == 0, config)
            for level, (layer, width, side) in enumerate(zip(layers, widths, sides))
        )
        last = scaled_conv(widths[-1], config.channels, kernel, upsampling, config.normalization != "batch")
        self.to_image = initialized(last, config)
        self.mapping: nn.Module = Mapping(config) if config.mapping_layers else nn.Identity()
        self.anchors: Tensor | None
        self.anchor_labels: Tensor | None
        self.register_buffer("anchors", torch.randn(config.anchors, config.latent_dim) if config.anchors else None)
        labels = torch.arange(config.anchors) % max(config.num_classes, 1) if config.anchors else None
        self.register_buffer("anchor_labels", labels)
        self.variations: Variations | None = None
        if config.variations:
            self.variations = Variations(config.channels, config.deformations, config.tones)
        self.to(memory_format=torch.channels_last)  # the fastest layout on CPUs; values do not change

    def forward(self, latent: Tensor, labels: Tensor | None = None, class_weight: float = 1.0) -> Tensor:
        """Maps latents ``(n, latent_dim)`` and classes ``(n,)`` to images ``(n, c, s, s)`` in -1..1.

        Further entries of the latents vary the images, if the generator has variations. ``class_weight``, 0..1,
        interpolates between the mean of all classes and the class (https://arxiv.org/abs/2201.06578).
        """
        width, further = self.config.latent_dim, self.config.variations
        if latent.shape[1] not in (width, width + further):
            entries = f"{width} or {width + further}" if further else width
            raise ValueError(f"latent must have {entries} entries for each image, but got {latent.shape[1]} instead.")
        x = self.mapping(latent[:, :width])[:, :, None, None]
        for block in self.blocks:
            x = block(x, labels, class_weight)
        images = torch.tanh(self.to_image(x))
        if self.variations is None or latent.shape[1] == width:
            return images
        varied: Tensor = self.variations(images, latent[:, width:])
        return varied

    def anchor_walk(self) -> AnchorWalk:
        """Returns a function that draws latents between the anchors, on the CPU.

        Raises:
            ValueError: If the generator has no anchors.
        """
        if self.anchors is None or self.anchor_labels is None:
            raise ValueError("The generator must have anchors, but it has none.")
        anchors, labels = to_sphere(self.anchors.cpu().float()), self.anchor_labels.cpu()
        return AnchorWalk(anchors, labels, self.config.latent_noise, max(self.config.num_classes, 1))

    def sample(
        self,
        n: int,
        labels: Tensor | list[int] | int | None = None,
        *,
        seed: int | None = None,
        truncation: float | None = None,
        batch_size: int | None = None,
    ) -> Tensor:
        """Draws images in eval mode, as a pure function of the seed.

        Image ``i`` depends only on the weights, the seed, ``i`` and its label. The network keeps its mode.

        For latents of your own, such as those between two images, call the generator itself, in eval mode:
        ``generator(latents, labels)`` returns images in -1..1. :func:`gan_augment.models.draw_latents` draws the
        latents that this method uses.

        Args:
            n (int): Number of images.
            labels (sequence of int, int, optional): Class of each image, or of all. Default: image ``i`` has class
                ``i % num_classes``. Must be None for an unconditional generator.
            seed (int, optional): Seed from 0 to 2**63 - 1. Default: drawn from torch's global generator.
            truncation (float, optional): Bound of the latents. Normal latents beyond it are drawn again, and uniform
                ones are scaled to it. It makes images sharper and less diverse. Default: None, no truncation.
            batch_size (int, optional): Number of images per forward pass, rounded up to a multiple of 16. It bounds
                the memory and does not change the images. Default: 32, the fastest on CPUs.

        Returns:
            Tensor: uint8 images ``(n, channels, image_size, image_size)`` on the generator's device.

        Raises:
            ValueError: If an argument is out of range, or the labels are not below ``num_classes``.

        Example:
            >>> generator = Generator(GeneratorConfig(image_size=16))
            >>> bool((generator.sample(3, seed=7) == generator.sample(9, seed=7)[:3]).all())
            True
            >>> one, other = draw_latents(generator, 2, seed=7)
            >>> between = torch.stack([one.lerp(other, share) for share in (0.0, 0.5, 1.0)])
            >>> generator.eval()(between).shape  # -1..1
            torch.Size([3, 3, 16, 16])
        """
        n = check_count("n", n, 0)
        batch_size = 32 if batch_size is None else check_count("batch_size", batch_size, 1)
        check_truncation(truncation, self.config)
        check_memory(self.config, n, batch_size)
        classes = check_labels(labels, n, self.num_classes)
        latents = draw_latents(self, n, check_seed(seed), classes, truncation)
        return draw_images(self, latents, classes, batch_size)

    save_pretrained = _saving.save_pretrained

    def export_onnx(self, path: str | os.PathLike[str]) -> None:
        """Writes the generator as an ONNX file, which runs without torch (extra ``onnx``).

        The input ``latents`` is float32 ``(n, latent_dim)``, for any ``n``. A generator with classes has a second
        input, ``labels``, int64 ``(n,)``. The output ``images`` is float32 0..1, ``(n, channels, image_size,
        image_size)``. In ONNX Runtime, it differs from that of the network in eval mode by at most 1e-4. If the
        generator has variations, latents have ``config.variations`` further entries. If these are 0, the image is not
        varied. The metadata of the file hold the configuration, the licence and the terms of the data.
        :func:`gan_augment.models.draw_latents` draws the latents that :meth:`sample` uses.

        Args:
            path (str or Path): The file. Its folder is created if it is missing, and an existing file is replaced.

        Raises:
            ModuleNotFoundError: If the package onnx is not installed.
            ValueError: If ``path`` is a folder, or a weight is not finite.

        Example:
            >>> import tempfile
            >>> generator = Generator(GeneratorConfig(image_size=16, num_classes=10))
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     generator.export_onnx(f"{folder}/digits.onnx")
            ...     os.listdir(folder)
            ['digits.onnx']
        """
        _onnx.export_onnx(self, path)

    @classmethod
    def from_pretrained(cls, name_or_path: str | os.PathLike[str], **kwargs: Any) -> Generator:
        """Loads a generator by name or from a folder; see :func:`gan_augment.from_pretrained`."""
        from .. import hub  # against the order of the rooms, like push_to_hub

        return hub.from_pretrained(name_or_path, **kwargs)

    def push_to_hub(self, repo_id: str, *, license: str, **kwargs: Any) -> str:  # noqa: A002  # the Hub's word
        """Publishes the generator, privately by default; see :func:`gan_augment.push_to_hub`."""
        from .. import hub

        return hub.push_to_hub(self, repo_id, license=license, **kwargs)
