"""The picture of fixed samples."""

import io

import numpy as np
import torch
from PIL import Image

from gan_augment import Generator, GeneratorConfig
from gan_augment.models import sample_grid
from gan_augment.models._sampling import card_grid


def test_a_grid_has_a_row_for_each_class_and_fixed_latents(tiny):
    picture = sample_grid(tiny)
    assert picture.size == (2 * (10 * 18 + 2), 2 * (3 * 18 + 2))
    assert picture.tobytes() == sample_grid(tiny).tobytes()
    assert picture.tobytes() != sample_grid(tiny, seed=1).tobytes()
    row = np.asarray(picture)[40:72:2, 4:36:2, 0]  # without the zoom and the frame
    sample = tiny.sample(30, torch.arange(3).repeat_interleave(10), seed=0)[10, 0].numpy()
    assert (row == sample).all()


def test_a_grid_of_large_images_has_fewer_of_them():
    picture = sample_grid(Generator(GeneratorConfig(image_size=256, width=4, max_width=8)))
    assert picture.size == (5 * 258 + 2, 5 * 258 + 2)


def test_a_cards_grid_is_a_png_of_samples_and_not_wide():
    generator = Generator(GeneratorConfig(image_size=128, width=4, max_width=8))
    with Image.open(io.BytesIO(card_grid(generator))) as picture:
        assert picture.format == "PNG"
        assert picture.size == (5 * 130 + 2, 5 * 130 + 2)
        cell = np.asarray(picture)[2:130, 132:260]
    assert (cell == generator.sample(2, seed=0)[1].permute(1, 2, 0).numpy()).all()
