"""Defines the transform that varies images as images of the same class vary, without a generator."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import PIL.Image
import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from .._core import (
    as_uint8,
    check_range,
    check_tensor,
    is_finite,
    parse_tensors,
    read_limited,
    to_signed,
    to_uint8,
    write_whole,
)
from ..data import TrainingImages, open_images, split_item
from ..models import CONTROLS, KNOTS, REGISTRATION_SIDE, class_components, displace, enlarge, tone
from ..synthesis import ImageKind, check_unit_range
from ._structure import Inputs, edit_rows

MAX_BYTES = 2**20  # of a file; a fitted transform has less than 10,000
MAX_VALUE = 10.0  # of a component; 2 moves a pixel by a whole side, or makes black white
MAX_SCALE = 10.0
_SCALARS = ("p", "deform", "tone")


class ClassVariation(v2.Transform):  # type: ignore[misc]
    """Applies the deformations and changes of tone that occur between images of the same class.

    :meth:`fit` learns in seconds, and without a GAN, how two images of a class differ: it warps one onto the other, and
    then maps its tones to those of the other. Random mixes of the principal components of many such deformations and
    tone curves then vary an image (https://arxiv.org/abs/1510.02795). Use it like
    :class:`torchvision.transforms.v2.ElasticTransform` on single images, or on batches, in which each image gets its
    own random variation. Like torchvision's transforms, it also works in eval mode, and draws from torch's global
    generator. Labels pass through unchanged.

    The components come from the pairs of all classes together, so no labels are needed after the fit.

    Args:
        fields (Tensor): Deformations ``(n, 2, 8, 8)``: displacements on a coarse grid, in units of half a side.
        curves (Tensor): Changes of the tones ``(m, channels, 8)``, for 8 tones from black to white.
        p (float): Probability that an image is varied. Default: 0.5.
        deform (float): Scale of the deformations. At 1, they are as large as those between two images of a class.
            Default: 0.8.
        tone (float): Scale of the changes of tone; at 1, they are as large as those between two images of a class.
            Default: 0.8.

    Raises:
        TypeError: If ``fields`` or ``curves`` is not a tensor.
        ValueError: If an argument has the wrong shape or is out of range.

    Shape:
        Input: images ``(n, c, h, w)`` or ``(c, h, w)``, uint8 or float 0..1, or a PIL image, alone or with labels and
        further entries. Arrays have their channels last. Masks, boxes, key points and videos are refused.

        Output: the same structure and types.

    Example:
        >>> images, labels = torch.randint(256, (20, 1, 28, 28), dtype=torch.uint8), torch.arange(20) % 2
        >>> variation = ClassVariation.fit(images, labels)
        >>> transform = v2.Compose([variation, v2.ToDtype(torch.float32, scale=True)])
        >>> transform(images[0]).shape
        torch.Size([1, 28, 28])
        >>> varied, same_labels = variation(images, labels)
    """

    def __init__(
        self, fields: Tensor, curves: Tensor, *, p: float = 0.5, deform: float = 0.8, tone: float = 0.8
    ) -> None:
        super().__init__()
        _check_components("fields", fields, (2, CONTROLS, CONTROLS))
        _check_components("curves", curves, (3 if curves.shape[1:2] == (3,) else 1, KNOTS))
        check_range("p", p, 0, 1)
        check_range("deform", deform, 0, MAX_SCALE)
        check_range("tone", tone, 0, MAX_SCALE)
        # Not buffers, so that they stay out of the state_dict of a model that holds the transform.
        self.fields = fields.detach().float().cpu().contiguous()
        self.curves = curves.detach().float().cpu().contiguous()
        self.p, self.deform, self.tone = float(p), float(deform), float(tone)

    @classmethod
    def fit(
        cls,
        data: Any,
        labels: Any = None,
        *,
        p: float = 0.5,
        deform: float = 0.8,
        tone: float = 0.8,
        progress: bool = True,
    ) -> ClassVariation:
        """Learns how images of a class differ, and returns the transform.

        It compares at most 512 pairs of images, at 32 px or less, on the CPU. The same images give the same transform.

        Args:
            data: Images with labels, in any form that :func:`gan_augment.fit` takes, without random transforms; or a
                tensor or array of images, uint8 or float 0..1, with ``labels``.
            labels (optional): The class of each image, if ``data`` does not hold it.
            p (float): See :class:`ClassVariation`. Default: 0.5.
            deform (float): See :class:`ClassVariation`. Default: 0.8.
            tone (float): See :class:`ClassVariation`. Default: 0.8.
            progress (bool): Whether to show a progress bar while images are read. Default: True.

        Raises:
            TypeError: If ``data`` is not a data set, or an item is not an image.
            ValueError: If an item cannot be read or has no class, or no class has two images.
        """
        if labels is not None and len(labels) != len(data):
            raise ValueError(f"labels must hold {len(data)} classes, one for each image, but got {len(labels)}.")
        dataset: Any = open_images(data) if labels is None else list(zip(data, labels))
        side = _side_of_first(dataset)  # smaller images would be blurred if they were enlarged
        options: dict[str, Any] = {"allow_synthetic": True}  # it trains no generator
        found = TrainingImages.from_dataset(dataset, side, "resize", progress=progress, **options)
        if found.source_size is None and side < REGISTRATION_SIDE:  # the others may be larger
            found = TrainingImages.from_dataset(dataset, REGISTRATION_SIDE, "resize", progress=False, **options)
        components = class_components(found.images, found.classes)
        if components is None:
            raise ValueError(
                f"data must hold at least two images of the same class, but its {len(found)} images are all of "
                "different classes; add images, or join classes."
            )
        return cls(*components, p=p, deform=deform, tone=tone)

    def forward(self, *inputs: Any) -> Any:
        """Varies the images of the input; see the class."""
        if not inputs:
            raise TypeError("ClassVariation must be called with an image or a batch of images.")
        whole = inputs if len(inputs) > 1 else inputs[0]
        found = Inputs.find(whole, None, "ClassVariation")
        image, kind = found.image, ImageKind.of(found.image)
        if kind.channels != self.curves.shape[1]:
            raise ValueError(
                f"Images must have {self.curves.shape[1]} channels, like those that ClassVariation was fitted to, but "
                f"got {kind.channels}; convert them first."
            )
        if isinstance(image, PIL.Image.Image):
            return found.rebuild(F.to_pil_image(self._vary(F.pil_to_tensor(image)[None])[0]), None, {})
        check_unit_range(image if found.single else image[:1], "Vary images before you normalize them.")
        shape = (-1, kind.channels, kind.height, kind.width)
        varied = edit_rows(image, lambda own: self._vary(own.reshape(shape)).view(own.shape))
        return found.rebuild(varied, None, {})

    def extra_repr(self) -> str:
        return f"p={self.p}, deform={self.deform}, tone={self.tone}"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the transform to a safetensors file, which :meth:`load` reads.

        Args:
            path (str or Path): The file, in an existing folder. It is replaced if it exists.
        """
        from safetensors.torch import save

        scalars = {name: torch.tensor(getattr(self, name), dtype=torch.float64) for name in _SCALARS}
        write_whole(Path(path), save({"fields": self.fields, "curves": self.curves, **scalars}))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ClassVariation:
        """Reads a transform that :meth:`save` wrote. Nothing in the file is executed.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is damaged, larger than 1 MiB, or not a transform that :meth:`save` wrote.
        """
        path = Path(path)
        tensors = parse_tensors(path, read_limited(path, MAX_BYTES))
        expected = {"fields", "curves", *_SCALARS}
        if set(tensors) != expected or any(tensors[name].numel() != 1 for name in _SCALARS):
            raise ValueError(f"{path} must hold {sorted(expected)}, but holds {sorted(tensors)[:20]}.")
        scalars = {name: float(tensors[name]) for name in _SCALARS}
        try:
            return cls(tensors["fields"], tensors["curves"], **scalars)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path} must hold a fitted transform, but does not: {error}") from None

    def _vary(self, images: Tensor) -> Tensor:
        """Varies some of the images ``(n, c, h, w)``, uint8 or float 0..1."""
        rows = (torch.rand(len(images)) < self.p).nonzero().flatten().to(images.device)
        codes = torch.randn(len(rows), len(self.fields) + len(self.curves))
        if not len(rows) or not (self.deform or self.tone):
            return images
        if len(rows) == len(images):
            return self._varied(images, codes)
        return images.index_copy(0, rows, self._varied(images[rows], codes))

    def _varied(self, images: Tensor, codes: Tensor) -> Tensor:
        fields, curves, codes = (each.to(images.device) for each in (self.fields, self.curves, codes))
        shapes, tones = torch.split(codes, [len(fields), len(curves)], dim=1)
        with torch.autocast(images.device.type, enabled=False):  # half precision would shift the pixels
            signed = to_signed(images) if images.dtype == torch.uint8 else images.float().mul(2).sub_(1)
            if self.deform:
                signed = displace(signed, _displacements(self.deform * shapes, fields, *images.shape[2:]))
            if self.tone:
                signed = _change_tones(signed, _mix(self.tone * tones, curves))
            return to_uint8(signed) if images.dtype == torch.uint8 else signed.add(1).div(2).to(images.dtype)


def _side_of_first(dataset: Any) -> int:
    """Returns the side at which to register images if all are like the first."""
    try:
        image, _ = split_item(dataset[0])
        return min(REGISTRATION_SIDE, max(as_uint8(image).shape[1:]))
    except (TypeError, ValueError, OSError, LookupError):  # what is wrong is said when all images are read
        return REGISTRATION_SIDE


def _check_components(name: str, components: Tensor, shape: tuple[int, ...]) -> None:
    check_tensor(components, name)
    if not components.is_floating_point() or not len(components) or components.shape[1:] != shape:
        raise ValueError(
            f"{name} must be floats of shape (n, {', '.join(map(str, shape))}), but got {components.dtype} of shape "
            f"{tuple(components.shape)}; use ClassVariation.fit."
        )
    if not is_finite(components) or float(components.abs().max()) > MAX_VALUE:
        raise ValueError(f"{name} must be between {-MAX_VALUE} and {MAX_VALUE}, but are not; use ClassVariation.fit.")


def _mix(weights: Tensor, components: Tensor) -> Tensor:
    return (weights @ components.flatten(1)).view(len(weights), *components.shape[1:])


def _change_tones(images: Tensor, curves: Tensor) -> Tensor:
    """Changes each pixel of images -1..1 like :func:`tone` changes the nearest of 256 tones, which takes less time."""
    levels = to_signed(torch.arange(256, device=images.device)).expand(*curves.shape[:2], 1, 256)
    table = (tone(levels, curves) - levels).flatten(2)
    nearest = images.add(1).mul_(127.5).round_().nan_to_num_().clamp_(0, 255)
    changes = table.gather(2, nearest.flatten(2).long()).view(images.shape)
    return changes.add_(images).clamp_(-1, 1)


def _displacements(weights: Tensor, fields: Tensor, height: int, width: int) -> Tensor:
    """Returns the displacements ``(n, 2, height, width)`` of weighted sums of fields."""
    if len(weights) > len(fields):  # then it is faster to enlarge the fields than their sums
        return _mix(weights, enlarge(fields, height, width))
    return enlarge(_mix(weights, fields), height, width)
