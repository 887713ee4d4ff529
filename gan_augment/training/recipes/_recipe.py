"""Recipes: complete training configurations as data, and those that have a name."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from ..._core import check_range, check_types
from ...models import DiscriminatorConfig, GeneratorConfig, ProjectedConfig
from .._augment import AugmentationOptions
from .._data import DataOptions
from .._networks import NetworkOptions
from .._optimization import OptimizationOptions
from .._schedule import ScheduleOptions
from ..losses._coverage import ObjectiveOptions
from ..losses._registry import LossOptions
from ..losses._regularizers import RegularizerOptions
from ._options import Options, check_choice
from ._table import TABLE


@dataclass(frozen=True, kw_only=True, repr=False)
class Recipe(
    ScheduleOptions,
    AugmentationOptions,
    OptimizationOptions,
    RegularizerOptions,
    LossOptions,
    ObjectiveOptions,
    NetworkOptions,
    DataOptions,
):
    """Everything that :func:`fit` needs to know in addition to the images.

    Its fields are those of its parts, which document them: :class:`DataOptions`, :class:`NetworkOptions`,
    :class:`ObjectiveOptions`, :class:`LossOptions`, :class:`RegularizerOptions`, :class:`OptimizationOptions`,
    :class:`AugmentationOptions` and :class:`ScheduleOptions`. Every field has a default.

    Args:
        description (str): What the recipe is for, in one line.
        **fields: Fields of the parts.

    Raises:
        ValueError: If a value is unknown, out of range, or does not suit the others.

    Example:
        >>> recipe = Recipe(loss="wasserstein", gradient_penalty=10.0, n_critic=5)
        >>> recipe
        Recipe(loss='wasserstein', gradient_penalty=10.0, n_critic=5)
    """

    description: str = ""

    def __post_init__(self) -> None:
        check_types(self)
        for field in dataclasses.fields(self):
            if "range" in field.metadata:
                check_range(field.name, getattr(self, field.name), *field.metadata["range"])
        for part in PARTS:
            for problem in part.problems(self):
                raise ValueError(f"{problem}.")

    def __repr__(self) -> str:
        defaults = vars(Recipe())
        changed = [f"{name}={value!r}" for name, value in vars(self).items() if value != defaults[name]]
        return f"Recipe({', '.join(changed)})"

    def generator_config(
        self,
        channels: int,
        num_classes: int,
        source_size: tuple[int, int] | None = None,
        class_names: tuple[str, ...] | None = None,
    ) -> GeneratorConfig:
        """Returns the generator's configuration for images with these numbers of channels and classes."""
        return GeneratorConfig(
            image_size=self.image_size,
            channels=channels,
            num_classes=num_classes,
            resize_mode=self.resize_mode,
            source_size=source_size,
            class_names=class_names,
            **self.network_fields(GeneratorConfig),
        )

    def discriminator_config(self, channels: int, num_classes: int) -> DiscriminatorConfig | ProjectedConfig:
        """Returns the discriminator's configuration for images with these numbers of channels and classes."""
        kind = ProjectedConfig if self.discriminator == "projected" else DiscriminatorConfig
        return kind(image_size=self.image_size, channels=channels, num_classes=num_classes, **self.network_fields(kind))

    @property
    def pretrained(self) -> bool:
        """Whether a run needs a pretrained network, the one that ``features`` names."""
        perceptual = self.objective != "adversarial" and self.reconstruction == "perceptual"
        return perceptual or (self.adversarial and self.discriminator == "projected")

    @property
    def anchors_mirrored(self) -> bool:
        """Whether mirrored images are added to the data; otherwise ``flip`` mirrors images at random."""
        return self.flip and self.objective != "adversarial"

    def to_dict(self) -> dict[str, Any]:
        """Returns the recipe as values that JSON can hold."""
        return dict(_with_all(list, dataclasses.asdict(self)))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """Builds a recipe from the result of :meth:`to_dict`, even after it was stored as JSON.

        Fields that are newer than the stored recipe get the value that repeats the behaviour of that time.

        Raises:
            ValueError: If a field is missing or unknown, or a value is refused.
        """
        fields = dataclasses.fields(cls)
        values = {**{each.name: each.metadata["before"] for each in fields if "before" in each.metadata}, **values}
        wrong = sorted(set(values) ^ {each.name for each in fields})
        if wrong:
            raise ValueError(f"A recipe must have the fields of Recipe, but {wrong} are missing or unknown.")
        return cls(**_with_all(tuple, values))


PARTS = cast("tuple[type[Options], ...]", Recipe.__bases__[::-1])  # in the order of the fields


class _Recipes(Mapping[str, Recipe]):
    """The recipes of the table. Each is built when it is asked for."""

    def __getitem__(self, name: str) -> Recipe:
        return Recipe(**copy.deepcopy(TABLE[name]))

    def __iter__(self) -> Iterator[str]:
        return iter(TABLE)

    def __len__(self) -> int:
        return len(TABLE)


RECIPES: Mapping[str, Recipe] = _Recipes()


def get_recipe(recipe: str | Recipe, **overrides: Any) -> Recipe:
    """Returns a recipe by name, with fields overridden.

    Raises:
        TypeError: If ``recipe`` is neither a name nor a recipe.
        ValueError: If there is no such recipe or field, or a value is refused.

    Example:
        >>> get_recipe("tiny", steps=500).steps
        500
    """
    if isinstance(recipe, str):
        check_choice("recipe", recipe, RECIPES)
        recipe = RECIPES[recipe]
    elif not isinstance(recipe, Recipe):
        raise TypeError(f"recipe must be a name or a Recipe, but got {type(recipe)} instead.")
    names = [field.name for field in dataclasses.fields(Recipe)]
    for key in overrides:
        if key not in names:
            raise ValueError(f"The fields of a recipe are {names}, but got {key!r}.")
    return dataclasses.replace(copy.deepcopy(recipe), **overrides)


def check_overrides(recipe: Recipe, overrides: dict[str, Any]) -> None:
    """Raises an error if an override has no effect under the recipe, which already contains the overrides.

    The values of a recipe itself may be unused, because another ``objective`` or ``coverage`` may use them. Overrides
    that turn something off are accepted too.
    """
    unused = {name for part in PARTS for name in part.unused(recipe)}
    names = [name for name, value in overrides.items() if name in unused and value]
    if names:
        deciding = ["objective", *(["coverage"] if recipe.objective != "adversarial" else [])]
        deciding += ["discriminator"] if recipe.discriminator != "dcgan" and recipe.adversarial else []
        given = " and ".join(f"{name}={getattr(recipe, name)!r}" for name in deciding)
        raise ValueError(
            f"{', '.join(names)} must be left out with {given}, because nothing uses "
            f"{'it' if len(names) == 1 else 'them'}."
        )
    if recipe.epochs and "steps" in overrides:
        raise ValueError(f"steps must be left out with epochs={recipe.epochs}, which sets them; or pass epochs=0 too.")


def _with_all(kind: type[list[Any]] | type[tuple[Any, ...]], value: Any) -> Any:
    """Returns a value whose lists and tuples, at any depth, are all of one kind."""
    if isinstance(value, dict):
        return {key: _with_all(kind, each) for key, each in value.items()}
    return kind(_with_all(kind, each) for each in value) if isinstance(value, (tuple, list)) else value
