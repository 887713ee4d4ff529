import PIL.Image
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import tv_tensors

from gan_augment import Geometry
from gan_augment._core import resize_to_square
from gan_augment.synthesis import ImageKind, check_unit_range, match_batch, match_image

SIDES = st.integers(2, 40)  # torch itself cannot resize three channels to 1 x 1


def image_of(container, dtype, channels, height, width):
    values = torch.randint(0, 256, (channels, height, width), dtype=torch.uint8)
    if container == "PIL":
        array = values[0].numpy() if channels == 1 else values.permute(1, 2, 0).numpy()
        return PIL.Image.fromarray(array)
    tensor = values if dtype == torch.uint8 else (values / 255).to(dtype)
    return tv_tensors.Image(tensor) if container == "tv_tensors.Image" else tensor


@st.composite
def kinds(draw, side=SIDES):
    container = draw(st.sampled_from(("PIL", "tensor", "tv_tensors.Image")))
    dtypes = (torch.uint8, torch.float16, torch.float32, torch.float64, torch.bfloat16)
    dtype = torch.uint8 if container == "PIL" else draw(st.sampled_from(dtypes))
    return ImageKind(container, dtype, draw(st.sampled_from((1, 3))), draw(side), draw(side))


@settings(max_examples=50, deadline=None)
@given(kinds())
def test_the_kind_of_an_image_describes_it(kind):
    image = image_of(kind.container, kind.dtype, kind.channels, kind.height, kind.width)
    assert ImageKind.of(image) == kind


def test_the_kind_of_a_batch_is_that_of_its_images():
    assert ImageKind.of(torch.zeros(8, 3, 5, 6)) == ImageKind("tensor", torch.float32, 3, 5, 6)
    assert ImageKind.of(tv_tensors.Image(torch.zeros(8, 1, 5, 6))).container == "tv_tensors.Image"


@pytest.mark.parametrize("mode", ["RGBA", "P", "1", "LA", "CMYK", "I;16", "F"])
def test_a_pil_mode_that_cannot_be_matched_is_refused_by_name(mode):
    with pytest.raises(ValueError, match=mode):
        ImageKind.of(PIL.Image.new(mode, (4, 4)))


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (torch.zeros(4, 8, 8), ValueError, r"\(4, 8, 8\)"),
        (torch.zeros(2, 4, 8, 8), ValueError, r"\(2, 4, 8, 8\)"),
        (torch.zeros(8), ValueError, r"\(8,\)"),
        (torch.zeros(8, 8, 3), ValueError, r"\(8, 8, 3\)"),
        (torch.zeros(1, 1, 1, 8, 8), ValueError, r"\(1, 1, 1, 8, 8\)"),
        (torch.zeros(1, 8, 8, dtype=torch.int64), ValueError, "int64"),
        (torch.zeros(1, 8, 8, dtype=torch.bool), ValueError, "bool"),
        ("image.png", TypeError, "str"),
        (None, TypeError, "NoneType"),
    ],
)
def test_images_that_cannot_be_matched_are_refused(image, error, message):
    with pytest.raises(error, match=message):
        ImageKind.of(image)


@settings(max_examples=50, deadline=None)
@given(kinds(), st.sampled_from((1, 3)))
def test_a_synthetic_image_takes_exactly_the_kind_of_the_real_one(kind, channels):
    synthetic = torch.randint(0, 256, (channels, 32, 32), dtype=torch.uint8)
    matched = match_image(synthetic, kind, Geometry("resize"))
    assert ImageKind.of(matched) == kind
    assert type(matched) is type(image_of(kind.container, kind.dtype, kind.channels, kind.height, kind.width))


@settings(max_examples=40, deadline=None)
@given(kinds(), st.sampled_from((1, 3)), st.integers(0, 4))
def test_a_batch_takes_the_shape_type_and_values_of_the_real_one(kind, channels, n):
    images = torch.randint(0, 256, (n, channels, 32, 32), dtype=torch.uint8)
    before = images.clone()
    matched = match_batch(images, kind, Geometry("resize"))
    assert type(matched) is torch.Tensor
    assert matched.shape == (n, kind.channels, kind.height, kind.width)
    assert matched.dtype == kind.dtype
    if kind.dtype != torch.uint8 and n:
        assert 0 <= float(matched.min()) <= float(matched.max()) <= 1
    assert torch.equal(images, before)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(("PIL", "tensor", "tv_tensors.Image")), SIDES, SIDES, st.sampled_from((1, 3)))
def test_pixels_survive_padding_and_matching(container, height, width, channels):
    real = torch.randint(0, 256, (channels, height, width), dtype=torch.uint8)
    padded = resize_to_square(real, 40, "pad")
    kind = ImageKind(container, torch.uint8, channels, height, width)
    matched = match_image(padded, kind, Geometry("pad", (height, width)))
    expected = image_of("tensor", torch.uint8, channels, height, width)
    assert ImageKind.of(matched).height == expected.shape[1]
    if container == "PIL":
        matched = torch.frombuffer(bytearray(matched.tobytes()), dtype=torch.uint8)
        matched = matched.reshape(height, width, channels).permute(2, 0, 1)
    assert torch.equal(torch.as_tensor(matched), real)


def test_digits_of_28_padded_to_32_come_back_identical():
    digits = torch.randint(0, 256, (5, 1, 28, 28), dtype=torch.uint8)
    padded = resize_to_square(digits, 32, "pad")
    kind = ImageKind.of(digits)
    assert torch.equal(match_batch(padded, kind, Geometry("pad", (28, 28))), digits)
    floats = match_batch(padded, ImageKind.of(digits / 255), Geometry("pad", (28, 28)))
    torch.testing.assert_close(floats, digits / 255, rtol=0, atol=1e-7)


def test_padding_is_undone_by_cropping_if_the_sizes_varied():
    digit = torch.randint(0, 256, (1, 28, 28), dtype=torch.uint8)
    matched = match_image(resize_to_square(digit, 32, "pad"), ImageKind.of(digit), Geometry("pad", None))
    assert torch.equal(matched, digit)


def test_grey_becomes_rgb_with_three_equal_channels():
    grey = torch.randint(0, 256, (2, 1, 8, 8), dtype=torch.uint8)
    matched = match_batch(grey, ImageKind("tensor", torch.uint8, 3, 8, 8), Geometry())
    assert torch.equal(matched, grey.expand(2, 3, 8, 8))


def test_an_image_can_keep_its_own_size():
    kind = ImageKind("tensor", torch.uint8, 1, 100, 50)
    image = torch.randint(0, 256, (1, 32, 32), dtype=torch.uint8)
    assert match_image(image, kind, Geometry("pad", (28, 20)), resize=False).shape == (1, 28, 20)
    assert match_image(image, kind, Geometry("crop"), resize=False).shape == (1, 32, 32)


@pytest.mark.parametrize(
    ("height", "width", "geometry"),
    [(20, 40, Geometry("crop")), (28, 30, Geometry("pad", (28, 28))), (30, 30, Geometry("resize", (20, 40)))],
)
def test_a_shape_that_cannot_be_matched_is_refused_with_both(height, width, geometry):
    images = torch.zeros(1, 1, 32, 32, dtype=torch.uint8)
    with pytest.raises(ValueError, match=rf"Synthetic .* but got \d+ x \d+ for real images of {height} x {width}"):
        match_batch(images, ImageKind("tensor", torch.uint8, 1, height, width), geometry)


@settings(max_examples=30, deadline=None)
@given(st.floats(-3, 3), st.floats(-3, 3))
def test_only_normalized_images_are_refused(low, high):
    images = torch.tensor([low, high]).reshape(1, 1, 1, 2)
    if min(low, high) < -0.11 or max(low, high) > 1.11:
        with pytest.raises(ValueError, match="before you normalize them"):
            check_unit_range(images)
    elif min(low, high) > -0.09 and max(low, high) < 1.09:
        check_unit_range(images)


def test_uint8_and_empty_images_have_no_range_to_check():
    check_unit_range(torch.full((1, 1, 2, 2), 255, dtype=torch.uint8))
    check_unit_range(torch.zeros(0, 1, 2, 2))
