"""Drawing synthetic images with their targets, on the right device."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from .._core import draw_seed
from ..synthesis import ClassSources, Source, SourceLike, as_source, draw
from ._policy import LabelPolicy, label_images

MAX_ROUNDS = 64


class DeviceSources:
    """A source, and copies of its generators on other devices.

    A generator that the user named belongs to the mix, so it draws on the device of each batch. An object that the
    user passed stays where it is, unless ``device`` asks for a copy elsewhere. Only the source itself is pickled: the
    copies could be on devices that another process must not touch.

    Args:
        given: What the user passed as the source.
        device (str or torch.device, optional): Device to draw on, instead of that of the batch.

    Raises:
        ValueError: If no part of the source draws on a device.
    """

    def __init__(self, given: SourceLike, device: str | torch.device | None) -> None:
        self.source, self._named = as_source(given), _is_named(given)
        self._device = None if device is None else torch.device(device)
        self._copies: dict[torch.device, Source] = {}
        if device is not None and not _has_device(self.source, self._named):
            raise ValueError(
                f"device must be None for a source that draws on no device, but got {device!r} for {self.source.name}."
            )

    def on(self, device: torch.device) -> Source:
        """Returns the source to draw from for a batch on a device."""
        device = self._device or device
        if device not in self._copies:
            self._copies[device] = self._copy(self.source, self._named, device)
        return self._copies[device]

    def _copy(self, source: Any, named: Any, device: torch.device) -> Source:
        if isinstance(named, dict):
            return ClassSources({key: self._copy(source.sources[key], named[key], device) for key in named})
        stays = source.device in (None, device) or not (named or self._device)
        copied: Source = source if stays else copy.deepcopy(source).to(device)
        return copied

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_copies": {}}


def _is_named(given: Any) -> Any:
    """Returns whether the user gave a name or a folder; a dict of answers for a mapping."""
    if isinstance(given, Mapping):
        return {key: _is_named(each) for key, each in given.items()}
    return isinstance(given, (str, os.PathLike))


def _has_device(source: Any, named: Any) -> bool:
    if isinstance(named, dict):
        return any(_has_device(source.sources[key], each) for key, each in named.items())
    return source.device is not None


def draw_labelled(
    source: Source,
    policy: LabelPolicy | None,
    n: int,
    classes: Tensor | None,
    options: dict[int, list[int]] | None,
    num_classes: int | None,
    as_real: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor | None]:
    """Draws synthetic uint8 images and the targets that the policy gives them.

    Args:
        source (Source): The source of the images.
        policy (LabelPolicy, optional): None for no targets.
        n (int): Number of images, above 0.
        classes (Tensor, optional): The data's class of each image, int64 ``(n,)``. None: random classes of the source.
        options (dict, optional): The policy's ``source_classes`` of the source, to draw ``classes`` from.
        num_classes (int, optional): Number of classes of the data.
        as_real (callable): Gives synthetic images the size and channels of the real images.

    Raises:
        ValueError: If the policy refuses nearly all images.
    """
    missing = torch.arange(n)
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for _ in range(MAX_ROUNDS):
        wanted = None if classes is None else classes[missing]
        if wanted is None or options is None:
            asked = _random_classes(source, len(missing))
        else:
            asked = _choose_classes(wanted, options)
        images = draw(source, len(missing), asked, seed=draw_seed())
        if policy is None:
            return images, None
        targets, keep = label_images(policy, images, wanted, num_classes, as_real)
        if not parts and bool(keep.all()):
            return images, targets
        parts.append((images[keep.to(images.device)], targets[keep], missing[keep]))
        missing = missing[~keep]
        if len(missing) == 0:
            images, targets, places = (torch.cat(each) for each in zip(*parts))
            order = places.argsort()
            return images[order.to(images.device)], targets[order]
    raise ValueError(
        f"A label policy must accept some images, but {type(policy).__name__} left {len(missing)} of {n} without a "
        f"label after {MAX_ROUNDS} draws; lower its threshold, or use another source."
    )


def _random_classes(source: Source, n: int) -> Tensor | None:
    """Draws ``n`` classes of a source; returns None if it has no classes."""
    known = torch.tensor(list(source.class_indices), dtype=torch.int64)
    return known[torch.randint(len(known), (n,))] if len(known) else None


def _choose_classes(wanted: Tensor, options: dict[int, list[int]]) -> Tensor:
    """Returns one of the source's classes for each class of the data, at random if there are several."""
    choices = [options[label] for label in wanted.tolist()]
    places = (torch.rand(len(choices)) * torch.tensor([len(each) for each in choices])).long().tolist()
    return torch.tensor([each[place] for each, place in zip(choices, places)], dtype=torch.int64)
