import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import tv_tensors

from gan_augment._core import as_uint8, quantize, resize_to_square, to_channels, undo_resize

GREY = torch.arange(12, dtype=torch.uint8).reshape(1, 3, 4) * 20
COLOUR = torch.arange(36, dtype=torch.uint8).reshape(3, 3, 4) * 7


@pytest.mark.parametrize(
    "image",
    [
        GREY,
        GREY[0],
        GREY.numpy(),
        GREY[0].numpy(),
        GREY.float() / 255,
        GREY.double() / 255,
        GREY.half() / 255,
        tv_tensors.Image(GREY),
        PIL.Image.fromarray(GREY[0].numpy()),
        GREY.numpy()[:, ::-1][:, ::-1],
    ],
)
def test_every_kind_of_grey_image_becomes_the_same_uint8(image):
    result = as_uint8(image)
    assert type(result) is torch.Tensor
    assert result.dtype == torch.uint8
    assert torch.equal(result, GREY)


@pytest.mark.parametrize("image", [COLOUR, COLOUR.numpy(), COLOUR / 255, tv_tensors.Image(COLOUR)])
def test_every_kind_of_rgb_image_becomes_the_same_uint8(image):
    assert torch.equal(as_uint8(image), COLOUR)


def test_pil_modes_become_grey_or_rgb():
    rgb = PIL.Image.fromarray(COLOUR.permute(1, 2, 0).numpy())
    assert torch.equal(as_uint8(rgb), COLOUR)
    assert as_uint8(rgb.convert("P")).shape == (3, 3, 4)
    assert as_uint8(rgb.convert("1")).unique().tolist() in ([0], [255], [0, 255])


@pytest.mark.filterwarnings("error")
def test_a_read_only_array_is_an_image_like_any_other():
    array = np.asarray(PIL.Image.fromarray(GREY[0].numpy()))
    assert not array.flags.writeable
    assert torch.equal(as_uint8(array), GREY)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 255), st.sampled_from((torch.float16, torch.float32, torch.float64)))
def test_every_value_survives_the_way_through_float(value, dtype):
    assert int(quantize(torch.tensor([value], dtype=dtype) / 255)) == value


@pytest.mark.parametrize("mode", ["RGBA", "LA", "CMYK", "I", "F", "HSV", "YCbCr"])
def test_other_pil_modes_are_refused_by_name(mode):
    with pytest.raises(ValueError, match=mode):
        as_uint8(PIL.Image.new(mode, (4, 4)))


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        ("a path.png", TypeError, "str"),
        (None, TypeError, "None"),
        ([[0, 1]], TypeError, "list"),
        (torch.zeros(4, 8, 8), ValueError, "shape"),
        (torch.zeros(2, 8, 8), ValueError, "shape"),
        (torch.zeros(1, 1, 8, 8), ValueError, "shape"),
        (torch.zeros(8), ValueError, "shape"),
        (torch.zeros(1, 0, 8), ValueError, "shape"),
        (torch.zeros(1, 8, 8, dtype=torch.int64), ValueError, "int64"),
        (torch.zeros(1, 8, 8, dtype=torch.bool), ValueError, "bool"),
        (torch.full((1, 8, 8), -0.5), ValueError, "between 0 and 1"),
        (torch.full((1, 8, 8), 255.0), ValueError, "between 0 and 1"),
        (torch.full((1, 8, 8), float("nan")), ValueError, "between 0 and 1"),
        (torch.full((1, 8, 8), float("inf")), ValueError, "between 0 and 1"),
    ],
)
def test_what_is_no_image_is_refused(image, error, message):
    with pytest.raises(error, match=message):
        as_uint8(image)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(("resize", "crop", "pad")), st.integers(1, 32), st.integers(1, 32), st.sampled_from((1, 3)))
def test_every_fit_gives_the_square(fit, height, width, channels):
    image = torch.randint(0, 256, (channels, height, width), dtype=torch.uint8)
    fitted = resize_to_square(image, 32, fit)
    assert fitted.shape == (channels, 32, 32)
    assert fitted.dtype == torch.uint8


@pytest.mark.parametrize("fit", ["resize", "crop", "pad"])
def test_an_image_of_the_right_size_is_left_alone(fit):
    image = torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8)
    assert torch.equal(resize_to_square(image, 32, fit), image)


def test_resize_keeps_both_sides_and_crop_the_centre():
    image = torch.zeros(1, 32, 64, dtype=torch.uint8)
    image[..., :16] = 255
    assert resize_to_square(image, 32, "resize")[0, 16, 0] == 255
    assert int(resize_to_square(image, 32, "crop").max()) == 0


def test_pad_puts_black_around():
    fitted = resize_to_square(torch.full((1, 28, 20), 9, dtype=torch.uint8), 32, "pad")
    assert bool((fitted[:, 2:30, 6:26] == 9).all())
    assert int(fitted.int().sum()) == 9 * 28 * 20


def test_pad_refuses_what_is_larger_than_the_square():
    with pytest.raises(ValueError, match="at most 32 px for resize_mode='pad', but got 33 x 10"):
        resize_to_square(torch.zeros(1, 33, 10, dtype=torch.uint8), 32, "pad")


@settings(max_examples=50, deadline=None)
@given(st.sampled_from((16, 28, 32, 64)), st.data())
def test_cropping_undoes_padding_exactly(side, data):
    height, width = data.draw(st.integers(1, side)), data.draw(st.integers(1, side))
    image = torch.randint(0, 256, (2, 1, height, width), dtype=torch.uint8)
    padded = resize_to_square(image, side, "pad")
    assert torch.equal(undo_resize(padded, height, width, "pad", (height, width)), image)


def test_resize_is_undone_to_the_shape_it_came_from():
    images = torch.zeros(2, 1, 32, 32, dtype=torch.uint8)
    assert undo_resize(images, 20, 40, "resize", (20, 40)).shape == (2, 1, 20, 40)
    assert undo_resize(images, 10, 20, "resize", (20, 40)).shape == (2, 1, 10, 20)
    with pytest.raises(ValueError, match="20 x 40"):
        undo_resize(images, 32, 33, "resize", (20, 40))


def test_a_crop_cannot_give_a_wide_image_back():
    with pytest.raises(ValueError, match="32 x 32 for real images of 20 x 40"):
        undo_resize(torch.zeros(2, 1, 32, 32, dtype=torch.uint8), 20, 40, "crop", (20, 40))


def test_grey_becomes_rgb_and_back_unchanged():
    rgb = to_channels(GREY, 3)
    assert rgb.shape == (3, 3, 4)
    assert bool((rgb == GREY).all())
    assert int((to_channels(rgb, 1).int() - GREY.int()).abs().max()) <= 1
