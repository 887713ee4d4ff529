import pickle

import PIL.Image
import pytest
import torch
from torchvision.transforms.v2.functional import affine, pil_to_tensor, resize

from benchmarks.rings import Rings, invalid_share, is_ring, ring_radius


def stack(size, n=60, seed=1):
    rings = Rings(n, size, seed)
    return torch.stack([pil_to_tensor(image) for image in rings]), torch.tensor([rings.radius(i) for i in range(n)])


def test_rings_are_rgb_pictures_that_are_a_function_of_seed_and_index():
    rings = Rings(5, 32, seed=3)
    assert [(image.mode, image.size) for image in rings] == [("RGB", (32, 32))] * 5
    assert rings[2].tobytes() == Rings(9, 32, seed=3)[2].tobytes() == rings[-3].tobytes()
    assert len({image.tobytes() for image in [*rings, *Rings(5, 32, seed=4)]}) == 10
    assert pickle.loads(pickle.dumps(rings))[1].tobytes() == rings[1].tobytes()
    with pytest.raises(IndexError, match="below 5"):
        rings[5]


def test_the_default_is_365_pictures_of_128_px():
    assert (len(Rings()), Rings()[0].size) == (365, (128, 128))


def test_radii_run_from_a_dot_to_beyond_the_frame():
    radii = torch.tensor([Rings(300).radius(index) for index in range(300)])
    assert 0.1 <= float(radii.min()) < 0.12
    assert 1.15 < float(radii.max()) <= 1.2


def test_some_dots_are_inverted():
    rings = Rings(200, 16)
    corners = [rings[i].getpixel((0, 0)) for i in range(200) if rings.radius(i) < 0.3]
    yellow = sum(red > blue for red, _, blue in corners)
    assert 0.1 * len(corners) < yellow < 0.6 * len(corners)


@pytest.mark.parametrize("size", [32, 64, 128, 200])
def test_real_rings_are_valid_and_their_radius_is_measured(size):
    images, radii = stack(size)
    assert invalid_share(images) == 0
    assert float((ring_radius(images) - radii).abs().median()) < 0.005


@pytest.mark.parametrize("size", [32, 64, 128])
def test_what_is_no_single_ring_is_invalid(size):
    images, radii = stack(size)
    apart = (radii - radii.flip(0)).abs() > 0.15
    mixed = ((images.int() + images.flip(0)) // 2)[apart].to(torch.uint8)
    shift = round(0.15 * size)
    shifted = affine(images, 0.0, [shift, 0], 1.0, [0.0])
    shifted[..., :shift] = images[..., :1, :1]  # goes on with the background
    half = images.clone()
    half[..., : size // 2] = images[..., :1, :1]
    noise = torch.randint(0, 256, images.shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    flat = torch.full_like(images, 90)
    shares = [invalid_share(wrong) for wrong in (mixed, shifted, half, noise, flat)]
    assert min(shares) > 0.9, shares


def test_a_second_ring_in_the_same_colours_is_invalid():
    images, radii = stack(64, n=200)
    small, large = images[(radii > 0.3) & (radii < 0.5)], images[(radii > 0.75) & (radii < 0.95)]
    count = min(len(small), len(large))
    axis = (torch.arange(64) + 0.5) / 32 - 1
    inside = torch.hypot(axis, axis[:, None]) < 0.64
    both = torch.where(inside, small[:count], large[:count])
    assert count > 20
    assert invalid_share(both) > 0.95


def test_rings_at_another_size_or_with_more_noise_stay_valid():
    images, _ = stack(128)
    assert invalid_share(resize(images, [64, 64], antialias=True)) < 0.02
    noise = torch.randint(-8, 9, images.shape, generator=torch.Generator().manual_seed(0))
    assert invalid_share((images + noise).clamp(0, 255).to(torch.uint8)) < 0.02


def test_each_image_is_judged_alone():
    images, _ = stack(32, n=20)
    mixed = torch.cat([images, torch.zeros(20, 3, 32, 32, dtype=torch.uint8)])
    assert is_ring(mixed).tolist() == [True] * 20 + [False] * 20
    assert invalid_share(mixed) == 0.5


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(2, 1, 32, 32, dtype=torch.uint8),
        torch.zeros(2, 3, 32, 32),
        torch.zeros(2, 3, 32, 30, dtype=torch.uint8),
        torch.zeros(0, 3, 32, 32, dtype=torch.uint8),
        torch.zeros(3, 32, 32, dtype=torch.uint8),
        torch.zeros(2, 3, 8, 8, dtype=torch.uint8),
    ],
)
def test_what_are_no_rgb_squares_are_refused(images):
    with pytest.raises(ValueError, match="images must be"):
        invalid_share(images)


@pytest.mark.parametrize("options", [{"n": 0}, {"image_size": 8}, {"seed": -1}])
def test_arguments_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} must be"):
        Rings(**options)


def test_rings_are_pil_images():
    assert isinstance(Rings(1, 16)[0], PIL.Image.Image)
