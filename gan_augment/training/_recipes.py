"""The recipes: five systems as they were described, and what is known to do better."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

from ._recipe import Recipe
from ._recipe_checks import check_choice

_ALL = {"color": 0.7, "translation": 0.7, "cutout": 0.7}
_MILD = {"color": 0.5, "translation": 0.5}
_DCGAN_ADAM = {"betas": (0.5, 0.999)}

# What the five systems have in common, and do without.
_PLAIN = Recipe(
    latent_dim=100,
    loss="nonsaturating",
    discriminator_normalization="batch",
    discriminator_spectral_norm=False,
    optimizer_options=_DCGAN_ADAM,
    cooldown=0.0,
    ema_decay=0.0,
    precision="fp32",
)

# Hundreds of images: every one is anchored and varied, and by default no discriminator follows.
_TINY = Recipe(
    objective="anchored",
    coverage=1.0,
    deform=0.8,
    tone=0.8,
    augment=_ALL,
    generator_lr=1e-4,
    discriminator_lr=2e-4,
)

# Thousands of images.
_SMALL = Recipe(augment=_MILD, held_out=0.1)


# The defaults of Keras, in which two of the systems were written, and the layers of its DCGAN tutorial.
_KERAS = dataclasses.replace(
    _PLAIN,
    resize_mode="resize",
    kernel_size=5,
    initialization="glorot",
    normalize_units=True,
    generator_negative_slope=0.3,
    discriminator_negative_slope=0.3,
    discriminator_normalization="none",
    dropout=0.3,
)


def _as(base: Recipe, description: str, **fields: Any) -> Recipe:
    return dataclasses.replace(base, description=description, **fields)


RECIPES: dict[str, Recipe] = {
    # Its loss, size, latent and lengths were never published: Wasserstein with gradient penalty, which its
    # author found essential, at 128 px, with the settings of that loss's paper, are our choice.
    "rings-365": _as(
        _PLAIN,
        "365 RGB images of rings at 128 px, Wasserstein loss",
        image_size=128,
        loss="wasserstein",
        gradient_penalty=10.0,
        n_critic=5,
        discriminator_normalization="none",
        optimizer_options={"betas": (0.0, 0.9)},
        generator_lr=1e-4,
        discriminator_lr=1e-4,
        batch_size=64,
        steps=10_000,
    ),
    # Networks, latent, batch and rate are our choice: those of TensorFlow's DCGAN tutorial.
    "mnist-sn": _as(
        _KERAS,
        "MNIST at 28 px, spectral normalisation of the discriminator, 200 epochs",
        image_size=28,
        channels=1,
        generator_stem_width=256,
        discriminator_spectral_norm=True,
        batch_size=128,
        epochs=200,
    ),
    # Layer sizes were never published: pytorch/examples' widths at 28 px are our choice.
    "fashion-dcgan": _as(
        _PLAIN,
        "Fashion-MNIST at 28 px, uniform latents, 50 epochs",
        image_size=28,
        channels=1,
        resize_mode="resize",
        latent="uniform",
        discriminator_normalization="none",
        batch_size=128,
        epochs=50,
    ),
    # Batch-norm momentum and epsilon are torch's, not Keras'; the two networks take turns.
    "celebahq-5k-64": _as(
        _KERAS,
        "5,000 faces at 64 px, 500 epochs",
        image_size=64,
        channels=3,
        generator_base_size=8,
        discriminator_base_size=16,
        batch_size=64,
        epochs=500,
        optimizer_options={"betas": (0.9, 0.999)},
        generator_lr=1e-4,
        discriminator_lr=1e-4,
    ),
    "celeba-128": _as(
        _PLAIN,
        "Faces at 128 px, a generator of 49 million weights, 60 epochs",
        image_size=128,
        channels=3,
        latent_dim=128,
        generator_width=128,
        max_width=2048,
        initialization="torch",
        normalize_first=True,
        batch_size=256,
        epochs=60,
    ),
    "tiny": _as(_TINY, "Hundreds of images"),
    "tiny-conditional": _as(_TINY, "Hundreds of images in classes", conditional=True),
    "small": _as(_SMALL, "Thousands of images"),
    "conditional": _as(_SMALL, "Thousands of images in classes", conditional=True),
}

_LIGHT = {
    "rings-365": {"image_size": 64, "generator_width": 32, "discriminator_width": 32},
    "mnist-sn": {"generator_width": 32, "generator_stem_width": 128, "discriminator_width": 32},
    "celeba-128": {"generator_width": 32, "discriminator_width": 32, "batch_size": 64},
}
for _name in tuple(RECIPES):
    _fields: dict[str, Any] = _LIGHT.get(_name, {"generator_width": 32, "discriminator_width": 32})
    RECIPES[f"{_name}-light"] = _as(
        RECIPES[_name], f"{RECIPES[_name].description}; narrower, for a laptop's processor", **_fields
    )


def get_recipe(recipe: str | Recipe, **overrides: Any) -> Recipe:
    """A recipe by name, with fields overridden.

    Raises:
        ValueError: If there is no such recipe, or no such field.

    Example:
        >>> get_recipe("tiny", steps=500).steps
        500
    """
    if isinstance(recipe, str):
        check_choice("recipe", recipe, RECIPES)
        recipe = RECIPES[recipe]
    names = [field.name for field in dataclasses.fields(Recipe)]
    for key in overrides:
        if key not in names:
            raise ValueError(f"A recipe has the fields {names}, but {key!r} is none of them.")
    return dataclasses.replace(copy.deepcopy(recipe), **overrides)
