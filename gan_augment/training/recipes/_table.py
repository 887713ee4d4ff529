"""The recipes as plain data, to list them without torch. Five rebuild systems of other authors; ours do better."""

from __future__ import annotations

from typing import Any

Fields = dict[str, Any]

_ALL = {"color": 0.7, "translation": 0.7, "cutout": 0.7}
_MILD = {"color": 0.5, "translation": 0.5}
_DCGAN_ADAM = {"betas": (0.5, 0.999)}

# What the five systems have in common, and do without.
_PLAIN: Fields = {
    "latent_dim": 100,
    "loss": "nonsaturating",
    "simultaneous": False,
    "discriminator_normalization": "batch",
    "discriminator_spectral_norm": False,
    "optimizer_options": _DCGAN_ADAM,
    "cooldown": 0.0,
    "ema_decay": 0.0,
    "precision": "fp32",
}

# Hundreds of images: every one is anchored and varied, and by default no discriminator follows.
_TINY: Fields = {
    "objective": "anchored",
    "coverage": 1.0,
    "deform": 0.8,
    "tone": 0.8,
    "augment": _ALL,
    "generator_lr": 1e-4,
    "discriminator_lr": 2e-4,
}

# Thousands of images.
_SMALL: Fields = {"augment": _MILD, "held_out": 0.1}


# The defaults of Keras, in which two of the systems were written, and the layers of its DCGAN tutorial.
_KERAS: Fields = dict(
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


TABLE: dict[str, Fields] = {
    # Its author describes a Wasserstein loss, but published no numbers: the size, the latent, the lengths and a
    # gradient penalty with the settings of its paper are our choice.
    "rings-365": dict(
        _PLAIN,
        description="365 RGB images of rings at 128 px, Wasserstein loss",
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
    "mnist-sn": dict(
        _KERAS,
        description="MNIST at 28 px, spectral normalisation of the discriminator, 200 epochs",
        image_size=28,
        channels=1,
        generator_stem_width=256,
        discriminator_spectral_norm=True,
        batch_size=128,
        epochs=200,
    ),
    # Layer sizes were never published: pytorch/examples' widths at 28 px are our choice.
    "fashion-dcgan": dict(
        _PLAIN,
        description="Fashion-MNIST at 28 px, uniform latents, 50 epochs",
        image_size=28,
        channels=1,
        resize_mode="resize",
        latent="uniform",
        discriminator_normalization="none",
        batch_size=128,
        epochs=50,
    ),
    # Batch-norm momentum and epsilon are torch's, not Keras'; the two networks take turns.
    "celebahq-5k-64": dict(
        _KERAS,
        description="5,000 faces at 64 px, 500 epochs",
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
    "celeba-128": dict(
        _PLAIN,
        description="Faces at 128 px, a generator with 49 million weights, 60 epochs",
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
    "tiny": dict(_TINY, description="Hundreds of images"),
    "tiny-conditional": dict(_TINY, description="Hundreds of images in classes", conditional=True),
    "small": dict(_SMALL, description="Thousands of images"),
    "conditional": dict(_SMALL, description="Thousands of images in classes", conditional=True),
}

_LIGHT: dict[str, Fields] = {
    "rings-365": {
        "description": "365 RGB images of rings at 64 px, Wasserstein loss",
        "image_size": 64,
        "generator_width": 32,
        "discriminator_width": 32,
    },
    "mnist-sn": {"generator_width": 32, "generator_stem_width": 128, "discriminator_width": 32},
    "celeba-128": {
        "description": "Faces at 128 px, 60 epochs",
        "generator_width": 32,
        "discriminator_width": 32,
        "batch_size": 64,
    },
}
for _name, _recipe in tuple(TABLE.items()):
    _narrow: Fields = {**_recipe, **_LIGHT.get(_name, {"generator_width": 32, "discriminator_width": 32})}
    _narrow["description"] = f"{_narrow['description']}; narrower, for a laptop's processor"
    TABLE[f"{_name}-light"] = _narrow
