"""What a recipe calls the fields of the two networks' configurations."""

from __future__ import annotations

GENERATOR_FIELDS = {
    "latent_dim": "latent_dim",
    "latent": "latent",
    "width": "generator_width",
    "max_width": "max_width",
    "kernel_size": "kernel_size",
    "upsampling": "upsampling",
    "normalization": "generator_normalization",
    "spectral_norm": "generator_spectral_norm",
    "attention_resolution": "attention_resolution",
    "base_size": "generator_base_size",
    "stem_width": "generator_stem_width",
    "normalize_units": "normalize_units",
    "negative_slope": "generator_negative_slope",
    "initialization": "initialization",
    "mapping_layers": "mapping_layers",
}
DISCRIMINATOR_FIELDS = {
    "width": "discriminator_width",
    "max_width": "max_width",
    "kernel_size": "kernel_size",
    "normalization": "discriminator_normalization",
    "spectral_norm": "discriminator_spectral_norm",
    "attention_resolution": "attention_resolution",
    "base_size": "discriminator_base_size",
    "negative_slope": "discriminator_negative_slope",
    "dropout": "dropout",
    "normalize_first": "normalize_first",
    "minibatch_stddev": "minibatch_stddev",
    "initialization": "initialization",
}
