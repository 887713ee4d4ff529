"""SyntheticMix: synthetic images in place of, or besides, the images of a batch."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor
from torch.utils.data import get_worker_info
from torchvision import tv_tensors
from torchvision.transforms import v2

from .._core import ROW_BYTES, as_names, check_space, draw_seed
from ..data import MAX_LABELS, TargetKind, check_label_range, find_class_names, one_hot, read_target
from ..synthesis import (
    ImageKind,
    Source,
    SourceLike,
    as_channels_first,
    as_kind,
    call_transform,
    check_unit_range,
    match_batch,
    match_image,
    match_shape,
)
from ._drawing import DeviceSources, draw_labelled
from ._inputs import Inputs, LabelsGetter
from ._labels import Labels, resolve_policy
from ._plan import check_reachable, even_rows
from ._ranks import draws_of_rank, find_rank
from ._ratio import (
    check_mode,
    check_num_classes,
    check_ratio,
    stochastic_round,
    synthetic_share,
    takes_places,
    warn_of_fill,
)


class SyntheticMix(v2.Transform):  # type: ignore[misc]
    """Mixes synthetic images into a batch, or into single samples, at a set ratio.

    Used like :class:`torchvision.transforms.v2.MixUp`, before or after it: on batches ``(images, labels)``
    after the loader or in its ``collate_fn``; and on one sample through a data set's ``transforms=``. The
    input is never changed. All draws come from torch's global generator; ranks of a distributed training
    draw differently, also if they share a seed.

    Unlike torchvision's transforms, it mixes in training mode only: after ``mix.eval()`` images and
    labels pass through as they are. Make it a part of your model (``self.mix = mix``), and
    ``model.train()`` and ``model.eval()`` switch it. A ``v2.Compose`` does not pass the mode on to its
    transforms: use ``nn.Sequential(mix, v2.MixUp(...))``, which is called with one tuple of images and
    labels. ``model.parameters()``, ``model.state_dict()`` and ``model.train()`` never see its
    generator. A ``collate_fn`` is in training mode whatever the model is: use it in the training loader
    alone, or wrap the training data in :class:`GANAugmentedDataset`.

    Args:
        source: A zoo name, folder, generator, pool, mapping from class to any of these, or any
            :class:`Source`. A :class:`SyntheticPool` is the fastest.
        ratio (float): Synthetic share of the result, ``n_synthetic / (n_real + n_synthetic)``. In a batch
            it is met on average: a fraction of an image is one image in that fraction of the batches.
            Not used by ``"fill"``.
        mode (str): ``"replace"``: in place of real images, so that batches keep their size; ``"append"``:
            behind them; ``"balance"``: in place of real images, which first come again until all classes
            of the batch come equally often; ``"fill"``: behind them, as many as bring each class up to the
            largest one of the batch, with the same warning as :class:`GANAugmentedDataset`.
        labels: The label policy: ``"same"``, ``"conditional"``, a class index, ``"uniform"``, a
            :class:`Teacher` or another :class:`LabelPolicy`; None says that there are no labels.
        num_classes (int, optional): Needed where targets must become probabilities and labels are
            class indices.
        classes (optional): The names of the data's classes, which are compared with those of the source: a
            sequence in the order of the labels, a mapping such as ``class_to_idx``, or a data set that has
            them. A transform sees only indices: without this, names are not compared.
        labels_getter (callable or "default" or None): As MixUp's: finds the labels in the input.
        transform (callable, optional): For real images that were transformed already, by normalisation
            say. It gets each synthetic image as a tensor of their type, size and channels (float 0..1, or
            uint8 where they are), and must return what they are: ``transform=v2.Normalize(...)``.
        return_synthetic (bool): Whether a bool for each image, True for synthetic ones, comes behind the
            rest (under ``"is_synthetic"`` in a mapping); False for all in eval mode.
        device (str or torch.device, optional): Device on which a generator draws. Default: a generator that you
            give by name or folder draws on the device of each batch, so workers of a loader draw on the CPU. A
            generator that you pass as an object stays where it is: move it with ``generator.to(device)``. With
            ``device=``, a copy of either draws there.

    Raises:
        TypeError: If an argument is of the wrong type.
        ValueError: If an argument is out of range, or an unconditional source has no label policy.

    Shape:
        Images ``(n, c, h, w)``, uint8 or float 0..1, with class indices ``(n,)`` or ``(n, 1)``, or
        probabilities ``(n, num_classes)``, which may be one-hot integers or booleans; or one image, PIL or
        ``(c, h, w)``, with its label. Arrays have their channels last. The output has the same structure
        and types; labels become probabilities if, and only if, the label policy is soft. A row
        of probabilities that is mixed from several classes becomes, for a synthetic image, its likeliest
        class alone.

    Example:
        >>> mix = SyntheticMix("dcgan-mnist-32", ratio=0.25)
        >>> images, labels = mix(torch.rand(8, 1, 28, 28), torch.arange(8))
        >>> images.shape, labels.tolist()
        (torch.Size([8, 1, 28, 28]), [0, 1, 2, 3, 4, 5, 6, 7])
    """

    def __init__(
        self,
        source: SourceLike,
        ratio: float = 0.1,
        *,
        mode: str = "replace",
        labels: Labels = "same",
        num_classes: int | None = None,
        classes: Any = None,
        labels_getter: LabelsGetter = "default",
        transform: Callable[[Any], Any] | None = None,
        return_synthetic: bool = False,
        device: str | torch.device | None = None,
    ) -> None:
        super().__init__()
        self.mode = check_mode(mode)
        self.ratio = check_ratio(ratio, mode)
        warn_of_fill(mode)
        self.return_synthetic = return_synthetic
        if labels is not None and labels_getter is None:
            raise ValueError("labels_getter=None says that there are no labels; then pass labels=None too.")
        self.labels_getter = None if labels is None else labels_getter
        if transform is not None and not callable(transform):
            raise TypeError(f"transform must be callable or None, but got {transform!r} instead.")
        if not (labels_getter in (None, "default") or callable(labels_getter)):
            raise TypeError(f"labels_getter must be callable, 'default' or None, but got {labels_getter!r} instead.")
        self.transform_synthetic = transform
        # Not as an attribute: nn.Module would register a generator, and the user's model would train it.
        self._sources = DeviceSources(source, device)
        source = self._sources.source
        self._geometry = source.geometry
        self.policy = policy = resolve_policy(labels, source)
        self._options = None if policy is None else policy.source_classes(source)
        if mode in ("balance", "fill") and self._options is None:
            raise ValueError(f"mode={mode!r} must know the class of an image: labels='same' or 'conditional'.")
        names = None if classes is None else _class_names(classes, source)
        if num_classes is not None:
            num_classes = check_num_classes(num_classes)
        elif names is not None:
            num_classes = len(names)
        elif policy is not None:
            num_classes = policy.data_classes(source)
        self.num_classes = num_classes
        if policy is not None and num_classes is not None:
            policy.check_classes(source, num_classes)
        if policy is not None and names is not None:
            if policy.same_classes and num_classes != len(names):
                raise ValueError(
                    f"classes must name each of num_classes={num_classes}, but names {len(names)} classes."
                )
            policy.check_names(source, names)
        self._range_checked = False
        self._rank_of_parent = 0

    @property
    def source(self) -> Source:
        """The source of the synthetic images, on the device where it was loaded."""
        return self._sources.source

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # one graph break, instead of one for each draw
    def forward(self, *inputs: Any) -> Any:
        """Mixes in training mode, and passes images and labels on in eval mode; see the class."""
        if not inputs:
            raise TypeError("SyntheticMix must be called with images, and with their labels if there are any.")
        whole = inputs if len(inputs) > 1 else inputs[0]
        if not (self.training or self._extra(False)):
            return whole
        found = Inputs.find(whole, self.labels_getter)
        image = found.image
        if not isinstance(image, PIL.Image.Image) and image.ndim not in (3, 4):
            of_rows = isinstance(found.labels, (Tensor, np.ndarray)) and len(found.labels.shape) > 0
            if image.ndim != 2 or of_rows:  # one grey image has 2
                raise ValueError(f"Images must have 3 dims (one image) or 4 (a batch), but got {image.ndim} instead.")
        single = isinstance(image, PIL.Image.Image) or image.ndim < 4
        if not self.training:
            none = False if single else torch.zeros(len(image), dtype=torch.bool, device=_device_of(image))
            return found.rebuild(image, found.labels, self._extra(none))
        kind = ImageKind.of(image)
        self._check_range(image)
        return self._mix_sample(found, kind) if single else self._mix_batch(found, kind)

    def extra_repr(self) -> str:
        return f"source={self.source.name}, ratio={self.ratio}, mode={self.mode!r}, labels={self.policy}"

    @property
    def _rank(self) -> int:
        """The rank of the training that this process belongs to."""
        return find_rank(0 if get_worker_info() is None else self._rank_of_parent)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_rank_of_parent": self._rank}  # a spawned worker cannot know it otherwise

    def _check_range(self, image: Any) -> None:
        if self.transform_synthetic is not None or isinstance(image, PIL.Image.Image):
            return
        image, _ = as_channels_first(image)
        # On a GPU once: normalised images show in the first batch, and a look at each would wait for it.
        if image.device.type == "cpu" or not self._range_checked:
            check_unit_range(image)
            self._range_checked = True

    # A batch ---------------------------------------------------------------------------------------

    def _mix_batch(self, found: Inputs, kind: ImageKind) -> Any:
        n, grow = len(found.image), self.mode != "replace"
        images, labels = found.image, found.labels
        targets, target = None, None
        if self.policy is not None:
            targets, target = self._read_targets(labels, n)
        if grow and found.has_other_rows(n):
            raise ValueError(
                f"mode={self.mode!r} makes batches longer, and the input has another entry of {n} rows that it "
                "cannot extend; use mode='replace'."
            )
        with draws_of_rank(self._rank if self.ratio or grow else 0):
            if self.mode == "balance" and targets is not None:
                check_reachable(_classes(targets), self._options or ())
                rows = even_rows(_classes(targets), draw_seed())
                images, targets = _take(images, rows), _take(targets, rows)
            drawn = self._draw(len(images), targets, kind, _device_of(images))
        is_synthetic = torch.zeros(len(images), dtype=torch.bool)
        if drawn is not None:
            positions, synthetic, new_targets = drawn
            add = not takes_places(self.mode)
            if add:
                positions = torch.arange(n, n + len(synthetic))
                is_synthetic = torch.zeros(n + len(synthetic), dtype=torch.bool)
            is_synthetic[positions] = True
            images = _put(images, positions, self._match(synthetic, kind), add)
            if targets is not None and new_targets is not None:
                if targets.ndim == 2 and new_targets.ndim == 1:
                    new_targets = one_hot(new_targets, targets.shape[1])
                targets = _put(targets, positions, new_targets, add)
        if targets is not None and target is not None:
            labels = target.make(targets)
        return found.rebuild(images, labels, self._extra(is_synthetic.to(_device_of(images))))

    def _read_targets(self, labels: Any, n: int | None) -> tuple[Tensor, TargetKind]:
        """Labels as class indices ``(n,)`` or probabilities ``(n, classes)``, and the kind that comes out.

        ``n`` is None for one label, which becomes a row of its own.
        """
        targets, kind = read_target(labels, n)
        targets = targets[None] if n is None else targets
        if targets.ndim == 2:
            if self.num_classes not in (None, targets.shape[1]):
                raise ValueError(f"labels must have {self.num_classes} columns, but got {targets.shape[1]} instead.")
            if self.policy is not None:
                self.policy.check_classes(self.source, targets.shape[1])
        else:
            check_label_range(targets, self.num_classes or MAX_LABELS)
        if self.policy is not None and self.policy.soft:
            targets = targets if targets.ndim == 2 else one_hot(targets, self._known_classes())
            kind = kind.as_soft(targets.shape[1])
        return targets, kind

    def _draw(
        self, n: int, targets: Tensor | None, kind: ImageKind, device: torch.device
    ) -> tuple[Tensor, Tensor, Tensor | None] | None:
        """Positions of the real images to replace, and synthetic images with their targets; None for none."""
        share = 0.0 if self.mode == "fill" else synthetic_share(self.ratio, self.mode)
        pixels = kind.channels * kind.height * kind.width
        check_space(f"ratio={self.ratio}", math.ceil(share * n), pixels + ROW_BYTES, remedy="Lower the ratio.")
        wanted, positions = None, None
        if targets is None or self._options is None:
            count = stochastic_round(share * n)
        else:
            classes = _classes(targets)
            if self.mode == "fill":
                wanted = self._missing(classes)
            else:
                reachable = torch.isin(classes, torch.tensor(list(self._options))).nonzero().flatten()
                positions = _choose(reachable, stochastic_round(share * len(reachable)))
                wanted = classes[positions]
            count = len(wanted)
        if count == 0:
            return None
        known = self.num_classes if targets is None or targets.ndim == 1 else targets.shape[1]

        def as_real(images: Tensor) -> Tensor:
            return match_shape(images, kind, self._geometry)

        source = self._sources.on(device)
        synthetic, labels = draw_labelled(source, self.policy, count, wanted, self._options, known, as_real)
        return _choose(torch.arange(n), count) if positions is None else positions, synthetic, labels

    def _missing(self, classes: Tensor) -> Tensor:
        """A class for each image that brings the classes, where the source can, up to the largest."""
        reachable = torch.tensor(sorted(self._options or ()))
        counts = torch.bincount(classes, minlength=int(reachable.max()) + 1)
        return torch.repeat_interleave(reachable, counts.max() - counts[reachable])

    def _match(self, synthetic: Tensor, kind: ImageKind) -> Tensor:
        """Synthetic uint8 images as the real ones of a batch are, as a plain tensor ``(n, c, h, w)``."""
        if self.transform_synthetic is None:
            return match_batch(synthetic, kind, self._geometry)
        return torch.stack([as_channels_first(self._transformed(image, kind))[0] for image in synthetic])

    def _transformed(self, image: Tensor, kind: ImageKind) -> Any:
        is_tensor = kind.container not in ("PIL", "array")
        before = dataclasses.replace(kind, container="tensor", subclass=None) if is_tensor else kind
        after = call_transform(self.transform_synthetic, match_image(image, before, self._geometry))
        if isinstance(after, Tensor) and is_tensor:  # which tensor it is, a transform may not know
            after = as_kind(after.as_subclass(Tensor), kind)
        found = ImageKind.of(after)
        if found != kind:
            raise ValueError(f"transform must give what the real images are, {kind}, but gave {found}.")
        return after

    def _known_classes(self) -> int:
        if self.num_classes is None:
            raise ValueError("num_classes must be given where labels are class indices and the policy is soft.")
        return self.num_classes

    def _extra(self, is_synthetic: Tensor | bool) -> dict[str, Any]:
        extra: dict[str, Any] = {}
        if self.policy is not None and self.policy.weight is not None:
            extra["weight"] = torch.where(torch.as_tensor(is_synthetic), self.policy.weight, 1.0)
        if self.return_synthetic:
            extra["is_synthetic"] = is_synthetic
        return extra

    # One sample ------------------------------------------------------------------------------------

    def _mix_sample(self, found: Inputs, kind: ImageKind) -> Any:
        if self.mode != "replace":
            raise ValueError(f"mode={self.mode!r} must be given batches, but got a single image.")
        image, label = found.image, found.labels
        targets, target = None, None
        if self.policy is not None:
            targets, target = self._read_targets(label, None)
            label = target.make(targets[0]) if self.policy.soft else label
        with draws_of_rank(self._rank if self.ratio else 0):
            drawn = self._draw(1, targets, kind, _device_of(image))
        if drawn is not None:
            _, synthetic, new_targets = drawn
            plain = self.transform_synthetic is None
            image = match_image(synthetic[0], kind, self._geometry) if plain else self._transformed(synthetic[0], kind)
            if target is not None and new_targets is not None:
                label = target.make(new_targets[0])
        return found.rebuild(image, label, self._extra(image is not found.image))


def _classes(targets: Tensor) -> Tensor:
    """The class of each target, on the CPU; the likeliest one of probabilities."""
    return (targets if targets.ndim == 1 else targets.argmax(dim=1)).cpu()


def _choose(candidates: Tensor, count: int) -> Tensor:
    """``count`` of the candidates at random, each once before any comes twice."""
    chosen = candidates[:0]
    while len(candidates) and len(chosen) < count:
        chosen = torch.cat([chosen, candidates[torch.randperm(len(candidates))]])
    return chosen[:count]


def _device_of(images: Any) -> torch.device:
    return images.device if isinstance(images, Tensor) else torch.device("cpu")


def _take(whole: Any, rows: Tensor) -> Any:
    """Rows of a tensor or an array, of the same class."""
    if isinstance(whole, np.ndarray):
        return whole[rows.numpy()]
    own = whole.as_subclass(Tensor) if isinstance(whole, tv_tensors.TVTensor) else whole
    out = own[rows.to(own.device)]
    return tv_tensors.wrap(out, like=whole) if isinstance(whole, tv_tensors.TVTensor) else out


def _put(whole: Any, positions: Tensor, parts: Tensor, grow: bool) -> Any:
    """A copy of a tensor or an array with parts put behind it, or at positions; of the same class."""
    if isinstance(whole, np.ndarray):
        plain, layout = as_channels_first(whole)
        kind = dataclasses.replace(ImageKind.of(whole), layout=layout)
        return as_kind(_put(plain, positions, parts, grow), kind)
    # A tensor class of a user keeps what it knows by itself; torchvision's must be told.
    own = whole.as_subclass(Tensor) if isinstance(whole, tv_tensors.TVTensor) else whole
    parts = parts.to(own.device, own.dtype)
    if grow:
        out = torch.cat([own, parts])
        if own.ndim == 4 and not own.is_contiguous() and own.is_contiguous(memory_format=torch.channels_last):
            out = out.contiguous(memory_format=torch.channels_last)
    else:
        out = own.clone()
        out[positions.to(out.device)] = parts
    if isinstance(whole, tv_tensors.TVTensor):
        return tv_tensors.wrap(out, like=whole)
    return out if type(out) is type(whole) else out.as_subclass(type(whole))


def _class_names(classes: Any, source: Source) -> tuple[str, ...]:
    """Returns the names of the data's classes, from a sequence, a mapping or a data set.

    Raises:
        TypeError: If it has another type, or has no names.
    """
    names = find_class_names(classes) or as_names(classes)
    if names is None:
        raise TypeError(
            "classes must be names in the order of the labels, a mapping such as class_to_idx, or a data set that has "
            f"them, but got {classes!r:.100}."
        )
    if source.class_names is None:
        warnings.warn(
            "The source has no class names, so `classes` cannot be compared with them. Look at samples of each class.",
            UserWarning,
            stacklevel=3,
        )
    return names
