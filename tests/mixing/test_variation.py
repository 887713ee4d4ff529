"""ClassVariation: what it keeps of an image, what it learns, and its files."""

import pickle

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader, TensorDataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from gan_augment import ClassVariation
from gan_augment.models import CONTROLS, KNOTS, Variations, _learn_variations


def variation(channels=1, p=1.0, **options):
    """A transform as if it were fitted, which takes no time."""
    rng = torch.Generator().manual_seed(0)
    fields = 0.1 * torch.randn(12, 2, CONTROLS, CONTROLS, generator=rng)
    return ClassVariation(fields, 0.1 * torch.randn(4, channels, KNOTS, generator=rng), p=p, **options)


def pictures(count=6, channels=1, size=20, dtype=torch.uint8):
    """Random images without fine detail, so that a deformed one differs from another."""
    rng = torch.Generator().manual_seed(1)
    coarse = torch.rand(count, channels, 5, 5, generator=rng)
    images = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")
    return images.mul(255).round().to(torch.uint8) if dtype == torch.uint8 else images.to(dtype)


def seeded(transform, *inputs, seed=0):
    torch.manual_seed(seed)
    return transform(*inputs)


def bars(count, size=24):
    """Bright bars in the middle that differ only in their width."""
    columns = (torch.arange(size) - (size - 1) / 2).abs()
    widths = torch.linspace(3, 8, count)
    return (columns < widths[:, None])[:, None, None, :].expand(count, 1, size, size).mul(200).to(torch.uint8)


@pytest.fixture
def rough(monkeypatch):
    """Pairs are registered in five steps, for tests that only need some transform."""
    monkeypatch.setattr(_learn_variations, "STEPS", 5)


@given(
    count=st.integers(1, 20),
    channels=st.sampled_from([1, 3]),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    dtype=st.sampled_from([torch.uint8, torch.float16, torch.float32, torch.float64]),
    p=st.sampled_from([0.0, 0.3, 1.0]),
    scale=st.sampled_from([0.0, 0.5, 10.0]),
)
@settings(max_examples=40, deadline=None)
def test_batches_keep_their_shape_type_and_range(count, channels, height, width, dtype, p, scale):
    images = torch.rand(count, channels, height, width)
    images = images.mul(255).to(dtype) if dtype == torch.uint8 else images.to(dtype)
    before, labels = images.clone(), torch.arange(count)
    varied, same = variation(channels, p=p, deform=scale, tone=scale)(images, labels)
    assert varied.shape == images.shape
    assert varied.dtype == dtype
    assert same is labels
    assert torch.equal(images, before)
    if dtype.is_floating_point:
        assert 0 <= float(varied.min()) <= float(varied.max()) <= 1
    if p == 0 or scale == 0:
        assert torch.equal(varied, images)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_it_changes_shapes_alone_or_tones_alone(dtype):
    flat, images = (
        torch.full_like(pictures(dtype=dtype), 0.5 if dtype.is_floating_point else 128),
        pictures(dtype=dtype),
    )
    shapes, tones = variation(tone=0), variation(deform=0)
    assert not torch.equal(shapes(images), images)
    assert torch.allclose(shapes(flat).float(), flat.float(), atol=1e-5)  # deformed grey is the same grey
    assert len(tones(flat).flatten(1).unique(dim=1).T) == 1  # every pixel of an image gets the same new tone
    assert not torch.equal(tones(images), images)


def test_uint8_and_float_images_vary_alike():
    images = pictures(channels=3)
    whole, floats = (seeded(variation(3), each) for each in (images, images / 255))
    assert (whole / 255 - floats).abs().max() <= 0.5 / 255 + 1e-5


def test_pixels_that_are_not_a_number_stay_so_and_no_others():
    images = pictures(2, dtype=torch.float32)
    images[1, 0, 3, 4] = float("nan")
    varied = variation(deform=0)(images)
    assert torch.equal(varied.isnan(), images.isnan())


@pytest.mark.parametrize(("count", "size"), [(9, 20), (40, 20), (3, 70)])
def test_it_is_the_last_layer_of_the_tiny_recipes(count, size):
    """Within the rounding of tones to 256 levels."""
    transform, images = variation(3), pictures(count, 3, size, torch.float32)
    layer = Variations(3, 12, 4)
    layer.fields.copy_(0.8 * transform.fields)
    layer.curves.copy_(0.8 * transform.curves)
    varied = seeded(transform, images)
    torch.manual_seed(0)
    torch.rand(count)  # decides which images are varied
    expected = (layer(images * 2 - 1, torch.randn(count, 16)) + 1) / 2
    assert (varied - expected).abs().max() < 0.01


@pytest.mark.parametrize("count", [5, 30])  # fewer and more images than components are deformed in different ways
def test_each_image_of_a_batch_gets_its_own_variation(count):
    images = pictures(1).repeat(count, 1, 1, 1)
    varied = variation()(images)
    assert len(varied.unique(dim=0)) == count


def test_a_batch_varies_as_much_as_single_images():
    image, transform = pictures(1, dtype=torch.float32), variation()
    many = transform(image.repeat(1000, 1, 1, 1))
    singles = torch.stack([transform(image[0]) for _ in range(1000)])
    for moment in (torch.Tensor.mean, torch.Tensor.std):
        assert (moment(many, 0) - moment(singles, 0)).abs().max() < 0.05


@given(p=st.floats(0, 1), seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_p_is_the_share_of_varied_images(p, seed):
    images = pictures(1, size=8).repeat(400, 1, 1, 1)
    varied = seeded(variation(p=p), images, seed=seed)
    share = float((varied != images).flatten(1).any(1).float().mean())
    assert abs(share - p) < 0.13


@pytest.mark.parametrize(
    "image",
    [
        PIL.Image.new("L", (20, 16), 100),
        pictures(1)[0],
        pictures(1)[0, 0],
        pictures(1)[0, 0].numpy(),
        pictures(1)[0].permute(1, 2, 0).numpy(),
        tv_tensors.Image(pictures(1)[0]),
        pictures(2).contiguous(memory_format=torch.channels_last),
    ],
    ids=["PIL", "chw", "hw", "array hw", "array hwc", "tv_tensors", "batch"],
)
@pytest.mark.parametrize("wrap", [lambda image: image, lambda image: {"image": image, "label": 3, "name": "a"}])
def test_containers_and_structures_are_kept(image, wrap):
    varied = variation()(wrap(image))
    found = varied["image"] if isinstance(varied, dict) else varied
    assert type(found) is type(image)
    assert np.asarray(found).shape == np.asarray(image).shape
    assert not np.array_equal(np.asarray(found), np.asarray(image))
    if isinstance(varied, dict):
        assert (varied["label"], varied["name"]) == (3, "a")


def test_it_works_in_a_compose_on_single_images_and_in_eval_mode():
    transform = v2.Compose([variation(3), v2.ToDtype(torch.float32, scale=True)]).eval()
    image = PIL.Image.fromarray(pictures(1, 3)[0].permute(1, 2, 0).numpy())
    assert not torch.equal(transform(v2.functional.pil_to_tensor(image)), v2.functional.to_dtype(pictures(1, 3)[0]))
    out = v2.Compose([v2.PILToTensor(), variation(3), v2.ToDtype(torch.float32, scale=True)])(image)
    assert out.dtype == torch.float32


@pytest.mark.parametrize(
    ("inputs", "error", "words"),
    [
        ((), TypeError, "must be called with an image"),
        ((pictures(2, 3), torch.arange(2)), ValueError, "must have 1 channels, like those .* but got 3"),
        (
            (pictures(2, dtype=torch.float32) * 4 - 2,),
            ValueError,
            "between 0 and 1, .* before you normalize",
        ),
        ((pictures(2).int(),), ValueError, "found 0"),
        ((torch.zeros(2, 20, 20),), ValueError, r"must have shape \(1 or 3, height, width\)"),
        (([pictures(2), pictures(2)],), ValueError, "must be given one image, or one batch of images, but found 2"),
        (
            (pictures(1)[0], tv_tensors.Mask(torch.zeros(20, 20))),
            ValueError,
            "ClassVariation .* cannot take .* Mask",
        ),
    ],
)
def test_what_it_cannot_vary_is_refused(inputs, error, words):
    with pytest.raises(error, match=words):
        variation()(*inputs)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"p": 1.5}, "p must be between 0 and 1, but got 1.5"),
        ({"deform": -1.0}, "deform must be between 0 and 10"),
        ({"tone": float("nan")}, "tone must be between 0 and 10"),
        ({"fields": torch.zeros(12, 2, 4, 4)}, r"fields must be floats of shape \(n, 2, 8, 8\)"),
        ({"fields": torch.zeros(0, 2, 8, 8)}, "fields must be floats"),
        ({"curves": torch.zeros(4, 2, 8)}, "curves must be floats"),
        ({"curves": torch.zeros(4, 1, 8).int()}, "curves must be floats"),
        ({"fields": torch.full((1, 2, 8, 8), float("inf"))}, "fields must be between -10.0 and 10.0"),
        ({"curves": torch.full((1, 1, 8), 11.0)}, "curves must be between -10.0 and 10.0"),
    ],
)
def test_wrong_arguments_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        ClassVariation(**{"fields": torch.zeros(2, 2, 8, 8), "curves": torch.zeros(2, 1, 8), **changes})


@pytest.mark.parametrize("name", ["p", "deform", "tone"])
def test_a_text_is_no_number(name):
    with pytest.raises(TypeError, match=f"^{name} must be a number, but got <class 'str'> instead.$"):
        ClassVariation(torch.zeros(2, 2, 8, 8), torch.zeros(2, 1, 8), **{name: "1"})


def test_it_learns_how_images_of_a_class_differ():
    """The bars of a class differ in width, so widths vary, and every bar stays a bar."""
    transform = ClassVariation.fit(bars(8), torch.zeros(8, dtype=torch.int64), p=1.0, deform=1.0, progress=False)
    torch.manual_seed(0)
    varied = transform(bars(3)[1:2].repeat(200, 1, 1, 1)).float()
    lit = varied.mean((1, 2))  # the light of each column
    widths = (lit > 100).sum(1).float()
    real = (bars(8)[:, 0, 0] > 100).sum(1).float()
    assert 0.4 * real.std() < widths.std() < 1.6 * real.std()
    assert varied.std(2).mean() < 15  # along a column, almost nothing changes


def test_a_transform_is_fitted_to_anything_that_fit_takes(rough, folder, tmp_path):
    images, labels = pictures(6), torch.tensor([0, 0, 1, 1, 2, 2])
    np.savez(tmp_path / "a.npz", images=images.numpy(), labels=labels.numpy())
    same = [
        ClassVariation.fit(images, labels, progress=False),
        ClassVariation.fit(images, labels.tolist(), progress=False),
        ClassVariation.fit(images / 255, labels, progress=False),
        ClassVariation.fit(TensorDataset(images, labels), progress=False),
        ClassVariation.fit([{"image": i, "label": n} for i, n in zip(images, labels)], progress=False),
        ClassVariation.fit(tmp_path / "a.npz", progress=False),
    ]
    assert all(torch.equal(same[0].fields, each.fields) and torch.equal(same[0].curves, each.curves) for each in same)
    assert ClassVariation.fit(folder, progress=False).curves.shape[1] == 3


def test_a_fit_leaves_the_random_state_alone_and_needs_none(rough):
    images, labels = pictures(6), [0, 0, 0, 1, 1, 1]
    first = seeded(lambda: ClassVariation.fit(images, labels, progress=False), seed=1)
    state = torch.get_rng_state()
    again = ClassVariation.fit(images, labels, progress=False)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.fields, again.fields)


@pytest.mark.parametrize(
    ("data", "labels", "error", "words"),
    [
        (pictures(3), [0, 1, 2], ValueError, "at least two images of the same class, but its 3 images are all of"),
        (pictures(3), [0, 1], ValueError, "labels must hold 3 classes, one for each image, but got 2"),
        (pictures(3), None, ValueError, "has no label"),
        (pictures(3) * 1.0 - 3, [0, 0, 0], ValueError, "Item 0 of the data set cannot be read"),
        (3, None, TypeError, "data must be a path, a name or a map-style data set"),
    ],
)
def test_data_without_pairs_are_refused(data, labels, error, words):
    with pytest.raises(error, match=words):
        ClassVariation.fit(data, labels, progress=False)


def test_a_pickled_or_saved_transform_gives_the_same_images(tmp_path):
    transform, images = variation(3, p=0.7, deform=0.3, tone=0.9), pictures(20, 3)
    transform.save(tmp_path / "a.safetensors")
    wanted = seeded(transform, images)
    for again in (pickle.loads(pickle.dumps(transform)), ClassVariation.load(tmp_path / "a.safetensors")):
        assert torch.equal(seeded(again, images), wanted)
        assert repr(again) == repr(transform) == "ClassVariation(p=0.7, deform=0.3, tone=0.9)"
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data[:-1], "must be a safetensors file"),
        (lambda data: b"", "must be a safetensors file"),
        (lambda data: data + bytes(2**20), "must be at most 1,048,576 bytes"),
        (lambda data: pickle.dumps({"fields": 1}), "must be a safetensors file"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, change, words):
    path = tmp_path / "a.safetensors"
    variation().save(path)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=words):
        ClassVariation.load(path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fields": None}, "must hold .*'fields'"),
        ({"other": torch.zeros(1)}, "but holds .*'other'"),
        ({"p": torch.zeros(2)}, "must hold .*'p'"),
        ({"p": torch.tensor(2.0)}, "must hold a fitted transform, but does not: p must be between 0 and 1"),
        ({"fields": torch.zeros(3, 2, 9, 8)}, "must hold a fitted transform, but does not: fields"),
        ({"curves": torch.full((1, 1, 8), float("nan"))}, "must hold a fitted transform, but does not: curves"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, changes, words):
    path = tmp_path / "a.safetensors"
    variation().save(path)
    tensors = {**load_file(path), **changes}
    save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, path)
    with pytest.raises(ValueError, match=words):
        ClassVariation.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.safetensors"):
        ClassVariation.load(tmp_path / "nothing.safetensors")


class Varied:
    """One image, many times, through a transform."""

    def __init__(self):
        self.transform, self.image = variation(), pictures(1)[0]

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return self.transform(self.image), index


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_draw_different_images_and_follow_the_seed(start):
    def epoch():
        loader = DataLoader(Varied(), batch_size=2, num_workers=2, multiprocessing_context=start)
        return torch.cat([images for images, _ in seeded(lambda: list(loader))])

    first = epoch()
    assert len(first.unique(dim=0)) == 8
    assert torch.equal(first, epoch())
