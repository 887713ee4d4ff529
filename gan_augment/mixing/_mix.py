"""The transform that mixes synthetic images into batches and samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import PIL.Image
import torch
from torch import Tensor
from torch.utils.data import get_worker_info
from torchvision.transforms import v2

from .._core import ROW_BYTES, check_space, draw_seed
from ..data import MAX_LABELS, TargetKind, check_label_range, one_hot, read_target
from ..synthesis import ImageKind, Source, SourceLike, check_unit_range, match_shape
from ._draw import Choices, DeviceSources, draw_labelled
from ._operator import fits, mix_by_number, register
from ._positions import (
    check_can_balance,
    check_known_classes,
    check_mode,
    check_num_classes,
    check_ratio,
    oversampled_rows,
    replaces_real,
    synthetic_per_real,
    warn_about_fill,
)
from ._randomness import different_on_rank, find_rank, stochastic_round
from ._structure import Inputs, LabelsGetter, edit_rows, match_one, match_rows, take_rows
from ._wrapped import read_names
from .policies._registry import Labels, resolve_policy


class SyntheticMix(v2.Transform):  # type: ignore[misc]
    """Mixes synthetic images into a batch, or into single samples, at a given ratio.

    Use it like :class:`torchvision.transforms.v2.MixUp`, before or after it: on batches ``(images, labels)`` after the
    loader or in its ``collate_fn``, or on one sample through a data set's ``transforms=``. The input is never changed.
    All draws come from torch's global generator. In distributed training, the ranks draw different images even if
    they share a seed.

    Unlike torchvision's transforms, it only mixes in training mode. After ``mix.eval()``, images and labels pass
    through unchanged. If the mix is a submodule of your model, ``model.train()`` and ``model.eval()`` switch it, but
    the generator is not part of ``model.parameters()`` or ``model.state_dict()``. A ``v2.Compose`` does not pass the
    mode on to its transforms: use ``nn.Sequential(mix, v2.MixUp(...))``, which you call with one tuple of images and
    labels. In a ``collate_fn``, a mix always stays in training mode: use it in the training loader only, or wrap the
    training data in :class:`GANAugmentedDataset`.

    Args:
        source: A zoo name, folder, generator, pool, mapping from class to any of these, or any :class:`Source`. A
            :class:`SyntheticPool` is the fastest; on a GPU, move it there with :meth:`SyntheticPool.to`.
        ratio (float): Synthetic share of the result, ``n_synthetic / (n_real + n_synthetic)``. If it is not a whole
            number of images, batches get the number below or above, so that the ratio holds on average. ``"fill"``
            ignores it. Default: 0.1.
        mode (str): ``"replace"`` (the default) replaces real images, so that batches keep their size. ``"append"``
            appends synthetic images to the batch. ``"balance"`` repeats real images until all classes of the batch
            are equally large, and then replaces some. ``"fill"`` appends images until each class is as large as the
            largest class of the batch, with the same warning as :class:`GANAugmentedDataset`.
        labels: The label policy: ``"same"`` (the default), ``"conditional"``, a class index, ``"uniform"``, a
            :class:`Teacher` or another :class:`LabelPolicy`; None if there are no labels.
        num_classes (int, optional): Number of classes of the data. Required if the label policy is soft and labels
            are class indices.
        classes (optional): Names of the data's classes, to compare with those of the source: a sequence in the order
            of the labels, a mapping such as ``class_to_idx``, or a data set that has them. Default: names are not
            compared, because a transform only sees indices.
        labels_getter (callable or "default" or None): Finds the labels in the input, like that of ``MixUp``.
        transform (callable, optional): A transform for synthetic images, such as ``v2.Normalize(...)``, if the real
            images are already transformed. It gets and must return a tensor with the dtype, size and channels of the
            real images (float 0..1, or uint8 if they are uint8).
        return_synthetic (bool): Whether to append a bool for each image, True for synthetic images (in a mapping:
            under ``"is_synthetic"``). In eval mode all are False. Default: False.
        device (str or torch.device, optional): Device on which a copy of the generator draws. Default: a generator
            given by name or folder draws on the device of each batch (on the CPU in workers of a loader), and a
            generator that you pass as an object stays where it is.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument is out of range, or the source is unconditional and there is no label policy for it.

    Shape:
        Input: images ``(n, c, h, w)``, uint8 or float 0..1, with class indices ``(n,)`` or ``(n, 1)``, or with
        probabilities ``(n, num_classes)``, which may be one-hot integers or booleans; or one image, PIL or
        ``(c, h, w)``, with its label. Arrays have their channels last.

        Output: the same structure and types. Labels become probabilities if, and only if, the label policy is soft. If
        a row of probabilities mixes several classes, a synthetic image in its place gets the most likely class only.

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
        warn_about_fill(mode)
        self.return_synthetic = return_synthetic
        if labels is not None and labels_getter is None:
            raise ValueError("labels must be None if labels_getter is None; pass labels=None too.")
        self.labels_getter = None if labels is None else labels_getter
        if transform is not None and not callable(transform):
            raise TypeError(f"transform must be callable or None, but got {transform!r} instead.")
        if not (labels_getter in (None, "default") or callable(labels_getter)):
            raise TypeError(f"labels_getter must be callable, 'default' or None, but got {labels_getter!r} instead.")
        self.transform_synthetic = transform
        # Not an attribute of its own: nn.Module would register a generator, and the user's model would train it.
        self._sources = DeviceSources(source, device)
        source = self._sources.source
        self._geometry = source.geometry
        self.policy = policy = resolve_policy(labels, source)
        options = None if policy is None else policy.source_classes(source)
        self._choices = None if options is None else Choices(options)
        check_known_classes(mode, self._choices is not None)
        names = None if classes is None else read_names(classes, source)
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
        self._checked = False  # whether a batch was checked and mixed
        self._rank_of_parent = 0
        soft = policy is not None and policy.soft
        # An operator requires an output with the shapes and types of the input.
        self._is_operator = self.labels_getter == "default" and mode == "replace" and not (soft or self._marks)
        self._number = register(self)

    @property
    def source(self) -> Source:
        """The source of the synthetic images, on the device where it was loaded."""
        return self._sources.source

    def forward(self, *inputs: Any) -> Any:
        """Mixes in training mode, and returns the input unchanged in eval mode; see the class."""
        if not inputs:
            raise TypeError("SyntheticMix must be called with images, and with their labels if there are any.")
        whole = inputs if len(inputs) > 1 else inputs[0]
        if not (self.training or self._marks):
            return whole
        if torch.compiler.is_compiling() and self._is_operator and type(whole) is tuple and len(whole) == 2:
            images, labels = whole
            if fits(images, labels):
                return mix_by_number(images, labels, self._number)
        return self._mix(whole)

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # one graph break, instead of one for each draw
    def _mix(self, whole: Any) -> Any:
        found = Inputs.find(whole, self.labels_getter)
        image = found.image
        if not self.training:
            none = False if found.single else torch.zeros(len(image), dtype=torch.bool, device=_device_of(image))
            return found.rebuild(image, found.labels, self._extra(none))
        kind = ImageKind.of(image)
        self._check_range(image, found.single)
        mixed = self._mix_sample(found, kind) if found.single else self._mix_batch(found, kind)
        self._checked = True
        return mixed

    def extra_repr(self) -> str:
        return f"source={self.source.name}, ratio={self.ratio}, mode={self.mode!r}, labels={self.policy}"

    @property
    def _rank(self) -> int:  # of the training process that this process belongs to
        return find_rank(0 if get_worker_info() is None else self._rank_of_parent)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_rank_of_parent": self._rank}  # a spawned worker cannot find it out

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._number = register(self)

    def _check_range(self, image: Any, single: bool) -> None:
        if self.transform_synthetic is not None or isinstance(image, PIL.Image.Image):
            return
        # The first batch shows whether images are normalised. Later, checking one is enough; on a GPU, it would wait.
        if single or not self._checked:
            check_unit_range(image)
        elif _device_of(image).type == "cpu":
            check_unit_range(image[:1])

    def _mix_batch(self, found: Inputs, kind: ImageKind) -> Any:
        images, n, grow = found.image, len(found.image), self.mode != "replace"
        targets, target = self._read_targets(found.labels, n)
        if grow and found.has_other_rows(n):
            raise ValueError(
                f"mode={self.mode!r} makes batches longer, but the input has another entry with {n} rows, which "
                "SyntheticMix cannot extend; use mode='replace'."
            )
        with different_on_rank(self._rank if self.ratio or grow else 0):
            if self.mode == "balance":
                check_can_balance(_classes(targets), [] if self._choices is None else self._choices.classes.tolist())
                rows = oversampled_rows(_classes(targets), draw_seed())
                images, targets = take_rows(images, rows), take_rows(targets, rows)
            drawn = self._draw(targets, kind, _device_of(images))
        is_synthetic = torch.zeros(len(images) if self._marks else 0, dtype=torch.bool)
        if drawn is not None:
            chosen, synthetic, new_targets = drawn
            positions = chosen if replaces_real(self.mode) else None
            matched = match_rows(synthetic, kind, self._geometry, self.transform_synthetic)
            if targets.ndim > new_targets.ndim:
                new_targets = one_hot(new_targets, targets.shape[1])
            images = edit_rows(images, lambda own: _put(own, positions, matched))
            targets = _put(targets, positions, new_targets)
            if self._marks:
                is_synthetic = _put(is_synthetic, positions, torch.ones(len(matched), dtype=torch.bool))
        return found.rebuild(images, target.make(targets), self._extra(is_synthetic.to(_device_of(images))))

    def _mix_sample(self, found: Inputs, kind: ImageKind) -> Any:
        if self.mode != "replace":
            raise ValueError(f"mode={self.mode!r} must be given batches, but got a single image.")
        image, label = found.image, found.labels
        targets, target = self._read_targets(label, None)
        if self.policy is not None and self.policy.soft:
            label = target.make(targets[0])
        with different_on_rank(self._rank if self.ratio else 0):
            drawn = self._draw(targets, kind, _device_of(image))
        if drawn is not None:
            _, synthetic, new_targets = drawn
            image = match_one(synthetic[0], kind, self._geometry, self.transform_synthetic)
            label = target.make(new_targets[0])
        return found.rebuild(image, label, self._extra(image is not found.image))

    def _read_targets(self, labels: Any, n: int | None) -> tuple[Tensor, TargetKind]:
        """Returns labels as class indices ``(n,)`` or probabilities ``(n, classes)``, and their own kind."""
        if self.policy is None:  # a placeholder that no result contains
            return torch.full((1 if n is None else n,), -1), TargetKind(Tensor, torch.int64)
        targets, kind = read_target(labels, n)
        targets = targets[None] if n is None else targets  # a single label becomes a row
        if targets.ndim == 2:
            if self.num_classes not in (None, targets.shape[1]):
                raise ValueError(f"labels must have {self.num_classes} columns, but got {targets.shape[1]} instead.")
            self.policy.check_classes(self.source, targets.shape[1])
        else:
            if targets.device.type == "cpu" or not self._checked:
                check_label_range(targets, self.num_classes or MAX_LABELS)
            if self.policy.soft:
                if self.num_classes is None:
                    raise ValueError("num_classes must be given if labels are class indices and the policy is soft.")
                targets = one_hot(targets, self.num_classes)
        return targets, kind.as_soft(targets.shape[1]) if self.policy.soft else kind

    def _draw(self, targets: Tensor, kind: ImageKind, device: torch.device) -> tuple[Tensor, Tensor, Tensor] | None:
        """Draws synthetic images; returns the positions to replace, the images and their targets, or None."""
        n, share = len(targets), 0.0 if self.mode == "fill" else synthetic_per_real(self.ratio, self.mode)
        pixels = kind.channels * kind.height * kind.width
        check_space(f"ratio={self.ratio}", math.ceil(share * n), pixels + ROW_BYTES, remedy="Lower the ratio.")
        known = self.num_classes if targets.ndim == 1 else targets.shape[1]
        wanted, positions = None, None
        if self._choices is None:
            count = stochastic_round(share * n)
        elif self.mode == "fill":
            classes, options = _classes(targets), self._choices.classes
            counts = torch.bincount(classes, minlength=int(options.max()) + 1)
            wanted = torch.repeat_interleave(options, counts.max() - counts[options])
            count = len(wanted)
        else:
            reachable = torch.arange(n)
            if not self._choices.cover(known):
                reachable = torch.isin(_classes(targets), self._choices.classes).nonzero().flatten()
            positions = _choose(reachable, stochastic_round(share * len(reachable)))
            wanted, count = _take(targets, positions), len(positions)
            wanted = wanted if wanted.ndim == 1 else wanted.argmax(dim=1)
        if count == 0:
            return None
        as_real = partial(match_shape, kind=kind, geometry=self._geometry)
        source = self._sources.on(device)
        synthetic, labels = draw_labelled(source, self.policy, count, wanted, self._choices, known, as_real)
        return _choose(torch.arange(n), count) if positions is None else positions, synthetic, labels

    @property
    def _marks(self) -> bool:  # whether the output also says which images are synthetic
        return self.return_synthetic or (self.policy is not None and self.policy.weight is not None)

    def _extra(self, is_synthetic: Tensor | bool) -> dict[str, Any]:
        extra: dict[str, Any] = {}
        if self.policy is not None and self.policy.weight is not None:
            extra["weight"] = torch.where(torch.as_tensor(is_synthetic), self.policy.weight, 1.0)
        if self.return_synthetic:
            extra["is_synthetic"] = is_synthetic
        return extra


def _classes(targets: Tensor) -> Tensor:
    """Returns the class of each target, on the CPU; the most likely one of probabilities."""
    return (targets if targets.ndim == 1 else targets.argmax(dim=1)).cpu()


def _put(rows: Tensor, positions: Tensor | None, new: Tensor) -> Tensor:
    """Returns a copy with new rows at the positions, or at the end if there are none."""
    new = new.to(rows.device, rows.dtype, non_blocking=True)
    if positions is None:
        return torch.cat([rows, new])
    return rows.index_copy(0, positions.to(rows.device, non_blocking=True), new)


def _take(rows: Tensor, positions: Tensor) -> Tensor:
    return rows[positions.to(rows.device, non_blocking=True)]


def _choose(candidates: Tensor, count: int) -> Tensor:
    """Returns ``count`` candidates in random order. No candidate is chosen twice before all are chosen once."""
    chosen = candidates[:0]
    while len(candidates) and len(chosen) < count:
        chosen = torch.cat([chosen, candidates[torch.randperm(len(candidates))]])
    return chosen[:count]


def _device_of(images: Any) -> torch.device:
    return images.device if isinstance(images, Tensor) else torch.device("cpu")
