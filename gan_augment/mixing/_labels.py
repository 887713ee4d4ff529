"""Label policies: the explicit rules that give a synthetic image its target. Labels are never guessed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from .._core import as_names, check_count, class_map_by_name, differing_class, names_say_more
from ..data import MAX_LABELS, find_class_names
from ..synthesis import Source, check_threshold, teacher_probabilities

CHOICES = (
    "'same' (of the class of the real image), 'conditional' (of the class asked for), a class index, "
    "'uniform' (every class alike), a Teacher, or None (there are no labels)"
)


@dataclass(frozen=True)
class LabelPolicy:
    """The rule that gives a synthetic image its target; one of the classes below.

    Args:
        weight (float, optional): Weight of a synthetic image in the loss, above 0. Where it is given, a
            weight for each item (1 for real ones) follows the target in what comes out.
    """

    weight: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.weight is not None and not 0 < self.weight < float("inf"):
            raise ValueError(f"weight must be above 0, but got {self.weight} instead.")

    @property
    def soft(self) -> bool:
        """Whether the targets, of real images too, are probabilities of the classes."""
        return False

    def classes(self, source: Source) -> dict[int, list[int]] | None:
        """Target -> the classes to ask the source for; None where a target does not decide on the image."""
        return None

    def targets(self, images: Tensor, num_classes: int | None) -> tuple[Tensor, Tensor]:
        """Targets of uint8 images that no class was asked for, and which of them to use, bool ``(n,)``.

        The targets are int64 ``(n,)``, or float ``(n, num_classes)`` where the policy is soft.
        """
        raise TypeError(f"{type(self).__name__} asks for classes and does not label images.")


@dataclass(frozen=True)
class Same(LabelPolicy):
    """A synthetic image of the class of the real one that it replaces or joins; the target stays."""

    def classes(self, source: Source) -> dict[int, list[int]]:
        """Every class to itself."""
        return {label: [label] for label in source.class_indices}


@dataclass(frozen=True)
class Conditional(LabelPolicy):
    """The class that was asked of the generator, through an optional class map.

    Args:
        class_map (mapping of int to int, optional): The source's class -> the data set's class. Classes
            of the source that it leaves out are not asked for; classes of the data set that it does not
            reach get no synthetic images, and the ratio holds in each of the others. Default: each to
            itself.
    """

    class_map: Mapping[int, int] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for key, value in (self.class_map or {}).items():
            if not (_is_class(key) and _is_class(value)):
                raise ValueError(f"class_map must map class indices to class indices, but has {key!r}: {value!r}.")
        if self.class_map is not None and not self.class_map:
            raise ValueError("class_map must name at least one class, but it is empty.")

    def classes(self, source: Source) -> dict[int, list[int]]:
        """Every target that the map reaches."""
        known = list(source.class_indices)
        reached: dict[int, list[int]] = {}
        for asked, target in (self.class_map or {label: label for label in known}).items():
            if asked not in known:
                raise ValueError(f"class_map must name classes of the source, but it has {known} and not {asked}.")
            reached.setdefault(target, []).append(asked)
        return reached


@dataclass(frozen=True)
class Fixed(LabelPolicy):
    """One class for every synthetic image, which may be a class of its own.

    Args:
        label (int): That class.
    """

    label: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _is_class(self.label):
            raise ValueError(f"A fixed label must be a class index, but got {self.label!r} instead.")

    def targets(self, images: Tensor, num_classes: int | None) -> tuple[Tensor, Tensor]:
        """The class, for all."""
        return torch.full((len(images),), self.label), torch.ones(len(images), dtype=torch.bool)


@dataclass(frozen=True)
class Uniform(LabelPolicy):
    """Every class with the same probability: LSRO (https://arxiv.org/abs/1701.07717)."""

    @property
    def soft(self) -> bool:
        """Always."""
        return True

    def targets(self, images: Tensor, num_classes: int | None) -> tuple[Tensor, Tensor]:
        """Rows of ``1 / num_classes``."""
        if num_classes is None:
            raise ValueError("num_classes must be given for labels='uniform', where labels are class indices.")
        rows = torch.full((len(images), num_classes), 1 / num_classes)
        return rows, torch.ones(len(images), dtype=torch.bool)


@dataclass(frozen=True)
class Teacher(LabelPolicy):
    """What a classifier says of the image.

    Args:
        teacher (callable): Maps float images 0..1 ``(n, c, h, w)`` to logits ``(n, num_classes)``; fitted
            on training images only.
        kind (str): ``"hard"``: its likeliest class, and images of which it is less sure than the
            threshold are not used; ``"soft"``: its probabilities, for all images.
        threshold (float): For ``"hard"``: the least probability.
    """

    teacher: Callable[[Tensor], Any] | None = None
    kind: Literal["hard", "soft"] = "hard"
    threshold: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.teacher):
            raise TypeError(f"teacher must be callable, but got {type(self.teacher)} instead.")
        if self.kind not in ("hard", "soft"):
            raise ValueError(f"kind must be 'hard' or 'soft', but got {self.kind!r} instead.")
        check_threshold(self.threshold)

    @property
    def soft(self) -> bool:
        """For ``kind="soft"``."""
        return self.kind == "soft"

    def targets(self, images: Tensor, num_classes: int | None) -> tuple[Tensor, Tensor]:
        """The teacher's classes or probabilities."""
        if self.teacher is None:  # refused above
            raise TypeError("teacher must be callable.")
        probabilities = teacher_probabilities(self.teacher, images).cpu()
        if num_classes is not None and probabilities.shape[1] != num_classes:
            raise ValueError(
                f"A teacher must know the {num_classes} classes of the data, but gives {probabilities.shape[1]}."
            )
        if self.soft:
            return probabilities, torch.ones(len(images), dtype=torch.bool)
        confidence, labels = probabilities.max(dim=1)
        return labels, confidence >= self.threshold


Labels: TypeAlias = LabelPolicy | Literal["same", "conditional", "uniform"] | int | None


def as_policy(labels: Labels, classes: int) -> LabelPolicy | None:
    """A label policy out of what a user may write, fitting a source of so many classes; 0 is unconditional.

    Raises:
        TypeError: If it is none.
        ValueError: If it needs classes that the source does not have; with the choices.
    """
    if labels is None or isinstance(labels, LabelPolicy):
        policy = labels
    elif labels in ("same", "conditional", "uniform") and isinstance(labels, str):
        policy = {"same": Same, "conditional": Conditional, "uniform": Uniform}[labels]()
    elif isinstance(labels, int) and not isinstance(labels, bool):
        policy = Fixed(label=labels)
    else:
        raise TypeError(f"labels must be {CHOICES}, but got {labels!r} instead.")
    if isinstance(policy, (Same, Conditional)) and classes == 0:
        name = type(policy).__name__.lower()
        raise ValueError(
            f"labels={name!r} must have a source with classes, but this one is unconditional; choose {CHOICES}, "
            "or pass a mapping from class to generator."
        )
    return policy


def check_num_classes(num_classes: int) -> int:
    """A number of classes that data may have.

    Raises:
        TypeError: If it is no int.
        ValueError: If it is out of range.
    """
    if check_count("num_classes", num_classes, 1) > MAX_LABELS:
        raise ValueError(f"num_classes must be at most {MAX_LABELS:,}, but got {num_classes:,} instead.")
    return int(num_classes)


def _is_class(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_LABELS


def check_classes(policy: LabelPolicy | None, source: Source, count: int) -> None:
    """Holds a policy against the number of classes of the data.

    Raises:
        ValueError: If the source's classes, or a label that the policy gives, are not among them.
    """
    matching = source.num_classes == count or source.partial
    if isinstance(policy, Same) and (not matching or source.num_classes > count):
        raise ValueError(
            f"The source must have the classes of the data for labels='same', but it has {source.num_classes} "
            f"and the data {count}; pass num_classes= if the data have more classes than they show, or map the "
            "classes with labels=Conditional(class_map={...})."
        )
    given: Iterable[int] = ()
    if isinstance(policy, Conditional):
        given = policy.classes(source)
    elif isinstance(policy, Fixed):
        given = [policy.label]
    beyond = [target for target in given if target >= count]
    if beyond:
        raise ValueError(
            f"labels must give classes of the data, from 0 to {count - 1}, but give {beyond}; map the "
            "classes with labels=Conditional(class_map={...}), or raise num_classes for a class of its own."
        )


def check_class_names(policy: LabelPolicy | None, source: Source, names: Sequence[str] | None) -> None:
    """Compares the names of the source's classes with those of the data, if indices mean the same in both.

    Warns if the source has names that say more than its indices, and the data show none.

    Raises:
        ValueError: If a class of one index has different names.
    """
    known = source.class_names
    if known is None or not (isinstance(policy, Same) or (isinstance(policy, Conditional) and not policy.class_map)):
        return
    if names is None:
        if names_say_more(known):
            first = ", ".join(f"{index} is {name!r}" for index, name in enumerate(known[:3]))
            first += ", and so on" if len(known) > 3 else ""
            warnings.warn(
                "The source names its classes, but the data set does not, so classes are matched by index. Check "
                f"that class {first}. Then set `classes` of the data set to its names in the order of its labels, or "
                "map the classes with labels=Conditional(class_map={...}).",
                UserWarning,
                stacklevel=3,
            )
        return
    index = differing_class(known, names)
    if index is not None:
        found = class_map_by_name(known, names)
        which = "{the source's class: the data's class, ...}" if found is None else found
        raise ValueError(
            f"The classes of the source must be those of the data for labels={type(policy).__name__.lower()!r}, but "
            f"class {index} is {known[index]!r} of the source and {names[index]!r} of the data; map the classes with "
            f"labels=Conditional(class_map={which})."
        )


def given_names(classes: Any, source: Source) -> tuple[str, ...]:
    """The names that a user gives for the classes of the data: a sequence, a mapping or a data set.

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
