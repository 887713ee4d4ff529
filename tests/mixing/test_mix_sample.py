"""SyntheticMix on single samples."""

import numpy as np
import PIL.Image
import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from gan_augment import Fixed, Same, SyntheticMix

from .helpers import Exploding, batch, pool, shown, synthetic


def picture(mode, label=1):
    return PIL.Image.new(mode, (16, 16), label if mode == "L" else (label,) * 3)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_pil_image_keeps_its_mode_and_size(mode):
    image, label = SyntheticMix(pool(), ratio=1.0)(picture(mode), 1)
    assert isinstance(image, PIL.Image.Image)
    assert (image.mode, image.size) == (mode, (16, 16))
    assert bool(synthetic(image))
    assert int(shown(image)) == label == 1


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("wrap", [torch.Tensor.clone, tv_tensors.Image])
def test_a_tensor_keeps_its_class_type_and_shape(dtype, wrap):
    real = wrap(batch([2], dtype=dtype, channels=3)[0][0])
    image, label = SyntheticMix(pool(), ratio=1.0)(real, 2)
    assert (type(image), image.dtype, image.shape) == (type(real), dtype, real.shape)
    assert bool(synthetic(image))
    assert int(shown(image)) == label == 2


@pytest.mark.parametrize("real", [tv_tensors.Image(torch.zeros(1, 16, 16)), torch.zeros(1, 16, 16)])
@pytest.mark.parametrize("pure", [False, True])
def test_the_class_of_a_tensor_never_depends_on_the_draw_with_transform(real, pure):
    transform = v2.Compose([v2.ToDtype(torch.float32, scale=True), *([v2.ToPureTensor()] if pure else [])])
    mix = SyntheticMix(pool(), ratio=0.5, transform=transform)
    assert {type(mix(real, 1)[0]) for _ in range(20)} == {type(real)}


def test_a_transform_that_returns_a_tensor_for_pil_images_is_refused():
    mix = SyntheticMix(pool(), ratio=1.0, transform=v2.PILToTensor())
    with pytest.raises(ValueError, match=r"transform must return images like the real ones, PIL.*but returned"):
        mix(picture("L"), 1)


def test_a_transform_may_return_pil_images():
    image, _ = SyntheticMix(pool(), ratio=1.0, transform=v2.ToPILImage())(picture("L"), 1)
    assert isinstance(image, PIL.Image.Image)
    assert int(shown(image)) == 1


@pytest.mark.parametrize("label", [1, np.int64(1), torch.tensor(1), torch.tensor(1, dtype=torch.int32)])
@pytest.mark.parametrize("policy", ["same", 0])
def test_a_label_keeps_its_type(label, policy):
    mix = SyntheticMix(pool(), ratio=0.5, labels=policy, return_synthetic=True)
    for _ in range(20):
        _, out, is_synthetic = mix(picture("L"), label)
        assert type(out) is type(label)
        assert getattr(out, "dtype", None) == getattr(label, "dtype", None)
        assert int(out) == (0 if policy == 0 and is_synthetic else 1)


def test_samples_are_replaced_at_the_ratio():
    mix = SyntheticMix(pool(), ratio=0.3, return_synthetic=True)
    flags = [mix(picture("L"), 1)[2] for _ in range(600)]
    assert all(type(flag) is bool for flag in flags)
    assert abs(sum(flags) / 600 - 0.3) < 0.08  # four standard deviations


def test_a_real_sample_is_returned_unchanged():
    image = picture("RGB")
    out, label = SyntheticMix(pool(), ratio=0)(image, 1)
    assert out is image
    assert label == 1


def test_ratio_0_does_not_draw():
    image = picture("L")
    assert SyntheticMix(Exploding(), ratio=0)(image, 1) == (image, 1)


def test_the_image_is_never_changed():
    image = picture("L")
    before = image.tobytes()
    out, _ = SyntheticMix(pool(), ratio=1.0)(image, 1)
    assert image.tobytes() == before != out.tobytes()


def test_a_dict_keeps_its_other_entries():
    given = {"index": 7, "image": picture("L"), "label": 1}
    out = SyntheticMix(pool(), ratio=1.0, labels=2)(given)
    assert {key: out[key] for key in ("index", "label")} == {"index": 7, "label": 2}
    assert given["label"] == 1


def test_an_entry_that_equals_the_label_is_not_changed():
    out = SyntheticMix(pool(), ratio=1.0, labels=2)({"index": 1, "image": picture("L"), "label": 1})
    assert {key: out[key] for key in ("index", "label")} == {"index": 1, "label": 2}


def test_further_entries_pass_through():
    _, _, name = SyntheticMix(pool(), ratio=1.0)(picture("L"), 1, "a.png")
    assert name == "a.png"


def test_a_weight_follows_every_sample():
    mix = SyntheticMix(pool(), ratio=0.5, labels=Same(weight=0.25))
    for _ in range(20):
        image, _, weight = mix(picture("L"), 1)
        assert float(weight) == (0.25 if bool(synthetic(image)) else 1.0)


def test_a_synthetic_image_gets_the_most_likely_class_of_a_mixed_row():
    row = torch.tensor([0.3, 0.6, 0.1])
    image, target = SyntheticMix(pool(), ratio=1.0)(batch([1])[0][0], row)
    assert int(shown(image)) == 1
    assert target.tolist() == [0, 1, 0]
    _, targets = SyntheticMix(pool(), ratio=1.0)(batch([1])[0], row[None])
    assert torch.equal(targets[0], target)


def test_a_soft_policy_keeps_the_probabilities_of_a_real_image():
    row = torch.tensor([0.3, 0.6, 0.1])
    mix = SyntheticMix(pool(), ratio=0, labels="uniform", num_classes=3)
    assert torch.equal(mix(batch([1])[0][0], row)[1], row)


def test_a_soft_policy_infers_the_number_of_classes_from_probabilities():
    mix = SyntheticMix(pool(), ratio=1.0, labels="uniform")
    assert mix(batch([1])[0][0], torch.tensor([0.0, 1.0]))[1].tolist() == [0.5, 0.5]


def test_an_image_without_a_label_is_refused_unless_labels_is_none():
    with pytest.raises(ValueError, match="Could not find the labels"):
        SyntheticMix(pool())(picture("L"))
    assert bool(synthetic(SyntheticMix(pool(), ratio=1.0, labels=None)(picture("L"))))


@pytest.mark.parametrize("mode", ["append", "balance"])
def test_modes_that_make_batches_longer_are_refused(mode):
    with pytest.raises(ValueError, match=f"mode='{mode}' must be given batches, but got a single image"):
        SyntheticMix(pool(), ratio=0.5, mode=mode)(picture("L"), 1)


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_out_of_range_is_refused(label):
    with pytest.raises(ValueError, match=f"between 0 and 2, but got {label}"):
        SyntheticMix(pool(), ratio=1.0)(picture("L"), label)


def test_probabilities_of_another_number_of_classes_are_refused():
    with pytest.raises(ValueError, match=r"3 .*5"):
        SyntheticMix(pool(), ratio=1.0)(batch([1])[0][0], torch.full((5,), 0.2))


@pytest.mark.parametrize("label", ["cat", 1.5, None, torch.tensor(1.0), torch.tensor([1, 2])])
def test_an_object_that_is_not_a_label_is_refused(label):
    with pytest.raises((TypeError, ValueError), match="A label must be a class index"):
        SyntheticMix(pool(), ratio=1.0)(picture("L"), label)


@pytest.mark.parametrize("mode", ["P", "RGBA", "1", "I;16"])
def test_unsupported_pil_modes_are_refused(mode):
    with pytest.raises(ValueError, match=f"mode 'L' or 'RGB'.*{mode!r}"):
        SyntheticMix(pool(), ratio=1.0)(PIL.Image.new(mode, (16, 16)), 1)


def test_a_fixed_label_beyond_the_columns_of_probabilities_is_refused():
    with pytest.raises(ValueError, match="labels must"):
        SyntheticMix(pool(), ratio=1.0, labels=Fixed(label=5))(batch([1])[0][0], torch.tensor([0.0, 1.0, 0.0]))
