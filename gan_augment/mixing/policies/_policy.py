"""The base class of label policies: the rules that give synthetic images their targets."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from ..._core import class_map_by_name, differing_class, names_are_meaningful
from ...data import MAX_LABELS, check_label_range
from ...synthesis import Source

CHOICES = (
    "'same' (the class of the real image), 'conditional' (the class that the generator was asked for), a class index, "
    "'uniform' (all classes with the same probability), a Teacher or another LabelPolicy, or None (no labels)"
)


@dataclass(frozen=True)
class LabelPolicy:
    """The rule that gives a synthetic image its target. Subclass it to write your own.

    Pass an instance as ``labels=`` to :class:`SyntheticMix`, :class:`GANAugmentedDataset` or :func:`study`. A
    policy must define :meth:`targets`, or :meth:`source_classes`, or both. The other methods have defaults. Policies
    must be picklable if worker processes use them.

    Args:
        weight (float, optional): Weight of a synthetic image in the loss, above 0. If it is given, each item has a
            weight after its target: this one for synthetic items, and 1 for real items.

    Example:
        >>> class Brightness(LabelPolicy):  # class 1 for bright images, else class 0
        ...     def targets(self, images, classes, num_classes):
        ...         bright = images.float().mean(dim=(1, 2, 3)) > 128
        ...         return bright.long(), torch.ones(len(images), dtype=torch.bool)
        >>> Brightness(weight=0.5)
        Brightness(weight=0.5)
    """

    name: ClassVar[str] = ""  # the string that users can pass instead of an instance, if there is one

    weight: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.weight is not None and not 0 < self.weight < float("inf"):
            raise ValueError(f"weight must be above 0, but got {self.weight} instead.")

    def source_classes(self, source: Source) -> dict[int, list[int]] | None:
        """Returns which classes of the source show each class of the data.

        Returns:
            dict or None: A class of the data -> the source's classes to draw its images from. A synthetic image then
            replaces, or joins, a real image of the same class. None (the default) if the policy uses any image
            for any class.
        """
        return None

    def targets(self, images: Tensor, classes: Tensor | None, num_classes: int | None) -> tuple[Tensor, Tensor]:
        """Returns the targets of synthetic images, and which of the images to use.

        Args:
            images (Tensor): uint8 images ``(n, c, h, w)``. They have the size and channels of the real images if
                :attr:`uses_images` is true, and those of the source otherwise.
            classes (Tensor, optional): The data's class that each image was drawn for, int64 ``(n,)``. None if
                :meth:`source_classes` returns None.
            num_classes (int, optional): Number of classes of the data, if it is known.

        Returns:
            tuple: Class indices as int64 ``(n,)``, or probabilities as float ``(n, num_classes)`` if :attr:`soft` is
            true; and bools ``(n,)``. Images with False are drawn again. By default, every image is used for the class
            that it was drawn for.
        """
        if classes is None:
            raise NotImplementedError(f"{type(self).__name__} must define targets, or return a dict of source_classes.")
        return classes, torch.ones(len(images), dtype=torch.bool)

    @property
    def soft(self) -> bool:
        """Whether targets are probabilities. The targets of real images then become probabilities too."""
        return False

    @property
    def uses_images(self) -> bool:
        """Whether targets depend on the images. If not, they must depend on the classes alone."""
        return True

    @property
    def same_classes(self) -> bool:
        """Whether an index means the same class in the source and in the data. If so, class names are compared."""
        return False

    def data_classes(self, source: Source) -> int | None:
        """Returns the number of classes of the data, if it follows from the source."""
        return None

    def check_source(self, source: Source) -> None:
        """Checks that the policy can use a source, which must have the classes of :meth:`source_classes`.

        Raises:
            ValueError: If it cannot.
        """
        options, known = self.source_classes(source), list(source.class_indices)
        if options is None:
            return
        if not known:
            raise ValueError(
                f"labels={self._shown} must have a source with classes, but this one is unconditional; choose "
                f"{CHOICES}, or pass a mapping from class to generator."
            )
        found = set(known)  # searching a sequence for each class is slow if there are thousands
        absent = [asked for several in options.values() for asked in several if asked not in found]
        if absent:
            raise ValueError(
                f"labels={self._shown} must name classes of the source, but the source has no class {absent[0]}; its "
                f"classes are {known[:20]}."
            )

    def check_classes(self, source: Source, num_classes: int) -> None:
        """Checks that the classes of :meth:`source_classes` are classes of the data, which has ``num_classes``.

        Raises:
            ValueError: If a class is too large.
        """
        check_given(self.source_classes(source) or (), num_classes)

    def check_names(self, source: Source, names: Sequence[str] | None) -> None:
        """Compares the source's class names with those of the data, if :attr:`same_classes` is true.

        Warns if ``names`` is None, and the source has names that are not just numbers.

        Raises:
            ValueError: If the source and the data have different names for the same index.
        """
        known = source.class_names
        if known is None or not self.same_classes:
            return
        if names is None:
            if names_are_meaningful(known):
                first = ", ".join(f"{index} is {name!r}" for index, name in enumerate(known[:3]))
                first += ", and so on" if len(known) > 3 else ""
                warnings.warn(
                    "The source names its classes, but the data set does not, so classes are matched by index. Check "
                    f"that class {first}. Then set `classes` of the data set to its names in the order of its labels, "
                    "or map the classes with labels=Conditional(class_map={...}).",
                    UserWarning,
                    stacklevel=3,
                )
            return
        index = differing_class(known, names)
        if index is not None:
            found = class_map_by_name(known, names)
            which = "{the source's class: the data's class, ...}" if found is None else found
            raise ValueError(
                f"The classes of the source must match those of the data for labels={self._shown}, but class {index} "
                f"is {known[index]!r} in the source and {names[index]!r} in the data; map the classes with "
                f"labels=Conditional(class_map={which})."
            )

    @property
    def _shown(self) -> str:
        return repr(self.name) if self.name else str(self)


def check_given(classes: Iterable[int], num_classes: int) -> None:
    beyond = [target for target in classes if target >= num_classes]
    if beyond:
        raise ValueError(
            f"labels must give classes of the data, from 0 to {num_classes - 1}, but give {beyond}; map the "
            "classes with labels=Conditional(class_map={...}), or raise num_classes to add a class for the synthetic "
            "images."
        )


def keeps_classes(policy: LabelPolicy | None) -> bool:
    """Returns whether a policy gives every image the class that it was drawn for."""
    return policy is not None and type(policy).targets is LabelPolicy.targets


def label_images(
    policy: LabelPolicy | None,
    images: Tensor,
    classes: Tensor | None,
    num_classes: int | None,
    as_real: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor]:
    """Returns the checked result of :meth:`LabelPolicy.targets` on the CPU; targets are -1 without a policy."""
    if policy is None:
        return torch.full((len(images),), -1), torch.ones(len(images), dtype=torch.bool)
    given = policy.targets(as_real(images) if policy.uses_images else images, classes, num_classes)
    if not (isinstance(given, tuple) and len(given) == 2 and all(isinstance(each, Tensor) for each in given)):
        raise TypeError(f"{type(policy).__name__}.targets must return two tensors, but returned {type(given)} instead.")
    targets, keep = given[0].cpu(), given[1].cpu()
    n = len(images)
    right = targets.is_floating_point() if policy.soft else targets.dtype == torch.int64
    shape = (n, num_classes or targets.shape[-1]) if policy.soft else (n,)
    if not right or targets.shape != shape or keep.shape != (n,) or keep.dtype != torch.bool:
        kind = f"float {shape}" if policy.soft else f"int64 {shape}"
        raise ValueError(
            f"{type(policy).__name__}.targets must return {kind} and bool {(n,)}, but returned {targets.dtype} "
            f"{tuple(targets.shape)} and {keep.dtype} {tuple(keep.shape)} instead."
        )
    if not policy.soft:
        check_label_range(targets, num_classes or MAX_LABELS)
    return targets, keep
