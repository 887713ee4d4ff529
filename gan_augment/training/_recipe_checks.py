"""What a recipe must not be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ._augment import OPERATIONS
from ._losses import LOSSES
from ._recipe_fields import DISCRIMINATOR_FIELDS, GENERATOR_FIELDS

if TYPE_CHECKING:
    from ._recipe import Recipe

_SHARES = ("held_out", "coverage", "label_smoothing", "top_k", "cooldown", "growing", "warmup", "ema_decay")
_WEIGHTS = ("reconstruction_weight", "gradient_penalty", "r1", "r2", "lecam", "clip_weights", "latent_noise")
_RATES = ("generator_lr", "discriminator_lr", "coverage_lr", "latent_lr")
# What acts only where a discriminator takes part, and what only where images are reconstructed.
ADVERSARIAL_FIELDS = (
    "loss",
    "augment",
    "adaptive",
    "label_smoothing",
    "gradient_penalty",
    "r1",
    "r2",
    "penalty_every",
    "lecam",
    "clip_weights",
    "top_k",
    "n_critic",
    "optimizer",
    "optimizer_options",
    "generator_lr",
    "discriminator_lr",
    "cooldown",
    "warmup",
    "freeze_discriminator",
    "reconstruction_weight",
    *(set(DISCRIMINATOR_FIELDS.values()) - set(GENERATOR_FIELDS.values())),
)
ANCHORED_FIELDS = ("latent_lr", "deform", "tone")
COVERAGE_FIELDS = ("coverage", "reconstruction_weight", "latent_noise", "coverage_lr")


def check_recipe(recipe: Recipe) -> None:
    """Refuses values that are out of range, or do not go with another.

    Raises:
        ValueError: With the first one.
    """
    for operation in recipe.augment:
        check_choice("augment", operation, OPERATIONS)
    ranges = {
        "batch_size": (2, 65_536),
        "accumulation": (1, 65_536),
        "steps": (1, 10**9),
        "epochs": (0, 10**6),
        "n_critic": (1, 100),
        "penalty_every": (1, 1000),
        "imle_candidates": (1, 10_000),
        "adaptive": (0, 10**12),
        "freeze_discriminator": (0, 8),
        "evaluations": (0, 10_000),
        "deform": (0.0, 10.0),
        "tone": (0.0, 10.0),
        **dict.fromkeys((*_SHARES, *_RATES), (0.0, 1.0)),
        **dict.fromkeys(_WEIGHTS, (0.0, 1000000.0)),
    }
    for name, (low, high) in ranges.items():
        check_range(name, getattr(recipe, name), low, high)
    for operation, probability in recipe.augment.items():
        check_range(f"augment[{operation!r}]", probability, 0.0, 1.0)
    _check_combinations(recipe)


def check_overrides(recipe: Recipe, overrides: dict[str, Any]) -> None:
    """Refuses what was asked for expressly, but cannot act under the recipe's objective.

    Recipes themselves may hold such values, which act as soon as ``objective`` or ``coverage`` lets them; so may
    overrides that switch something off.

    Args:
        recipe (Recipe): The overrides included.
        overrides (dict): What was asked for and differs from the recipe.

    Raises:
        ValueError: With all of them.
    """
    covering = recipe.objective != "adversarial"
    idle = {
        *(() if recipe.adversarial else ADVERSARIAL_FIELDS),
        *(() if covering else COVERAGE_FIELDS),
        *(() if recipe.objective == "anchored" else ANCHORED_FIELDS),
        *(() if recipe.objective == "imle" else ("imle_candidates",)),
    }
    if not recipe.adversarial and recipe.schedule in ("constant", "linear", "cosine"):  # torch's own act on all rates
        idle.add("schedule")
    names = [name for name, value in overrides.items() if name in idle and value]
    if names:
        coverage = f" and coverage={recipe.coverage}" if covering else ""
        raise ValueError(
            f"{', '.join(names)} must be left out with objective={recipe.objective!r}{coverage}, where nothing uses "
            f"{'it' if len(names) == 1 else 'them'}."
        )
    if recipe.epochs and "steps" in overrides:
        raise ValueError(f"steps must be left out beside epochs={recipe.epochs}, which set them; or pass epochs=0 too.")


def _check_combinations(recipe: Recipe) -> None:
    start, end = recipe.class_fade
    batch_norm = recipe.discriminator_normalization == "batch"
    for wrong, sentence in (
        (not 0 <= start <= end <= 1, f"class_fade must be two rising shares of 0 to 1, but got {recipe.class_fade}"),
        (
            recipe.batch_size % recipe.accumulation,
            f"batch_size must be a multiple of accumulation={recipe.accumulation}, but got {recipe.batch_size}",
        ),
        (
            recipe.label_smoothing and not LOSSES[recipe.loss].smooths,
            f"label_smoothing must be 0 for loss={recipe.loss!r}, which has no target to smooth",
        ),
        (
            batch_norm and (recipe.gradient_penalty or recipe.r1 or recipe.r2),
            "discriminator_normalization must not be 'batch' beside a gradient penalty, which is of single images",
        ),
        (
            recipe.loss in ("relativistic", "wasserstein") and recipe.adaptive,
            f"adaptive must be 0 for loss={recipe.loss!r}, whose logits have no sign to follow",
        ),
        (
            recipe.loss == "relativistic" and recipe.top_k < 1,
            "top_k must be 1 for loss='relativistic', which compares every fake with a real image",
        ),
        (recipe.adaptive and not recipe.augment, "adaptive needs augment, whose strength it sets"),
        (
            recipe.balance_classes and not recipe.conditional,
            "balance_classes needs conditional=True, without which the classes are not read",
        ),
        (
            recipe.growing and recipe.objective != "adversarial",
            f"growing must be 0 for objective={recipe.objective!r}, which fits whole images from the start",
        ),
        (
            recipe.objective != "adversarial" and recipe.latent != "normal",
            f"latent must be 'normal' for objective={recipe.objective!r}, but got {recipe.latent!r} instead",
        ),
        (
            recipe.normalize_units and recipe.batch_size < 2 * recipe.accumulation,
            f"accumulation must leave parts of 2 images or more for normalize_units, but got {recipe.accumulation}",
        ),
        (
            recipe.tune == "norms" and recipe.generator_normalization != "batch",
            f"tune must not be 'norms' with generator_normalization={recipe.generator_normalization!r}",
        ),
        (
            recipe.tune == "mapping" and not recipe.mapping_layers,
            "mapping_layers must be at least 1 for tune='mapping'",
        ),
    ):
        if wrong:
            raise ValueError(f"{sentence}.")


def check_choice(name: str, value: str, choices: Any) -> None:
    """Refuses what is none of the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {tuple(choices)}, but got {value!r} instead.")


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Refuses what is not finite or out of range."""
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{name} must be between {low} and {high}, but got {value} instead.")
