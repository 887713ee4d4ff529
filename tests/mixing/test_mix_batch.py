"""SyntheticMix on batches."""

import copy
import pickle
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision import tv_tensors
from torchvision.transforms import v2

from gan_augment import Conditional, Fixed, Same, SyntheticMix, Teacher, Uniform

from . import helpers
from .helpers import SIZE, Exploding, Marked, batch, pool, shown, synthetic, values

FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def test_replace_keeps_labels_and_images_show_them():
    images, labels = batch([0, 1, 2] * 10)
    out, targets = SyntheticMix(pool(), ratio=0.5)(images, labels)
    assert int(synthetic(out).sum()) == 15
    assert torch.equal(shown(out), labels)
    assert torch.equal(targets, labels)


def test_append_adds_images_with_the_targets_that_they_show():
    images, labels = batch([0, 1, 2] * 4)
    out, targets = SyntheticMix(pool(), ratio=0.5, mode="append")(images, labels)
    assert torch.equal(out[:12], images)
    assert synthetic(out).tolist() == [False] * 12 + [True] * 12
    assert torch.equal(shown(out), targets)


def test_balance_repeats_real_images_until_classes_are_equal_and_replaces_the_same_share():
    images, labels = batch([0, 0, 0, 0, 1])
    out, targets = SyntheticMix(pool(), 0.5, mode="balance")(images, labels)
    assert torch.bincount(targets).tolist() == [4, 4]
    assert int(synthetic(out).sum()) == 4
    assert torch.equal(shown(out), targets)


def test_fill_makes_each_class_as_large_as_the_largest_and_warns():
    images, labels = batch([0, 0, 0, 0, 1])
    with pytest.warns(UserWarning, match="what looks synthetic is rare.*mode='balance'"):
        mix = SyntheticMix(pool(), mode="fill")
    out, targets = mix(images, labels)
    assert torch.bincount(targets).tolist() == [4, 4, 4]
    assert torch.equal(shown(out), targets)
    assert torch.equal(out[:5], images)


@pytest.mark.parametrize("dtype", [torch.uint8, *FLOATS])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["replace", "append"])
def test_images_keep_their_type_values_and_channels(dtype, channels, mode):
    images, labels = batch([0, 1, 2, 1], dtype=dtype, channels=channels)
    out, targets = SyntheticMix(pool(), ratio=0.5, mode=mode)(images, labels)
    assert (type(out), out.dtype, out.shape[1:]) == (torch.Tensor, dtype, images.shape[1:])
    assert bool(synthetic(out).any())
    assert torch.equal(shown(out), targets)


def test_colour_images_become_grey_for_grey_real_images():
    images, labels = batch([0, 1, 2, 1])
    out, _ = SyntheticMix(pool(channels=3), ratio=1.0)(images, labels)
    assert out.shape == images.shape
    assert torch.equal(shown(out), labels)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
@pytest.mark.parametrize("mode", ["replace", "append"])
@pytest.mark.parametrize("policy", ["same", 1])
def test_labels_keep_their_integer_type(dtype, mode, policy):
    images, labels = batch([0, 1, 2, 1])
    _, targets = SyntheticMix(pool(), ratio=0.5, mode=mode, labels=policy)(images, labels.to(dtype))
    assert targets.dtype == dtype


@pytest.mark.parametrize("mode", ["replace", "append"])
def test_tv_tensors_keep_their_class(mode):
    images, labels = batch([0, 1, 2, 1])
    out, _ = SyntheticMix(pool(), ratio=0.5, mode=mode)(tv_tensors.Image(images), labels)
    assert type(out) is tv_tensors.Image
    assert bool(synthetic(out).any())


@pytest.mark.parametrize("mode", ["replace", "append", "balance", "fill"])
def test_channels_last_is_kept(mode):
    images, labels = batch([0, 1, 1, 2], channels=3)
    images = images.to(memory_format=torch.channels_last)
    out, _ = SyntheticMix(pool(), ratio=0.5, mode=mode)(images, labels)
    assert bool(synthetic(out).any())
    assert out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("mode", ["replace", "append", "balance", "fill"])
@given(labels=st.lists(st.integers(0, 2), min_size=1, max_size=12), ratio=st.floats(0, 0.9))
@settings(max_examples=30, deadline=None)
def test_the_input_is_never_changed(mode, labels, ratio):
    images, targets = batch(labels)
    given = {"image": images, "label": targets, "id": "seven"}
    before = copy.deepcopy(given)
    SyntheticMix(pool(), ratio=ratio, mode=mode)(given)
    assert list(given) == list(before)
    assert given["image"] is images
    assert torch.equal(images, before["image"])
    assert torch.equal(targets, before["label"])


@given(labels=st.lists(st.integers(0, 2), min_size=1, max_size=12), mode=st.sampled_from(["replace", "append"]))
@settings(max_examples=30, deadline=None)
def test_ratio_0_is_the_identity(labels, mode):
    images, targets = batch(labels)
    out, same = SyntheticMix(pool(), ratio=0, mode=mode)(images, targets)
    assert torch.equal(out, images)
    assert torch.equal(same, targets)


@pytest.mark.parametrize("labels", ["same", 1, None])
@pytest.mark.parametrize("mode", ["replace", "append"])
def test_ratio_0_does_not_draw(labels, mode):
    images, targets = batch([0, 1, 2])
    mix = SyntheticMix(Exploding(), ratio=0, labels=labels, mode=mode)
    assert torch.equal(mix(images) if labels is None else mix(images, targets)[0], images)


def test_a_batch_without_synthetic_images_does_not_draw():
    images, targets = batch([2, 2])
    mix = SyntheticMix(Exploding(), ratio=1.0, labels=Conditional(class_map={0: 0}))
    out, _ = mix(images, targets)
    assert torch.equal(out, images)


@pytest.mark.filterwarnings("ignore:mode='fill'")
@pytest.mark.parametrize("mode", ["balance", "fill"])
@pytest.mark.parametrize("labels", [torch.zeros(0, dtype=torch.int64), torch.zeros(0, 3)])
def test_an_empty_batch_stays_empty_if_classes_are_balanced(mode, labels):
    images, targets = SyntheticMix(pool(), ratio=0.5, mode=mode)(torch.zeros(0, 1, SIZE, SIZE), labels)
    assert images.shape == (0, 1, SIZE, SIZE)
    assert targets.shape == labels.shape


def test_an_empty_batch_stays_empty():
    images, labels = batch([0, 1])
    out, targets = SyntheticMix(pool(), ratio=0.5)(images[:0], labels[:0])
    assert out.shape == (0, 1, 16, 16)
    assert targets.shape == (0,)


def test_classes_that_the_source_lacks_stay_real():
    images, labels = batch([0, 1, 2] * 4)
    mix = SyntheticMix({0: Marked(), 2: Marked()}, ratio=1.0)
    out, targets = mix(images, labels)
    assert torch.equal(synthetic(out), labels != 1)
    assert torch.equal(shown(out), targets)


def test_a_mapping_gives_each_class_its_own_source():
    images, labels = batch([0, 1, 1, 0])
    dark, light = pool(1, labelled=False), pool(classes=[9], labelled=False)
    out, _ = SyntheticMix({0: dark, 1: light}, ratio=1.0)(images, labels)
    assert ((values(out) - 100) // 10).tolist() == [0, 9, 9, 0]


def test_draws_follow_the_global_seed():
    images, labels = batch([0, 1, 2] * 6)
    mix = SyntheticMix(pool(), ratio=0.5)
    torch.manual_seed(5)
    first = mix(images, labels)[0]
    torch.manual_seed(5)
    again = mix(images, labels)[0]
    assert torch.equal(first, again)
    assert not torch.equal(first, mix(images, labels)[0])


def test_return_synthetic_marks_synthetic_images():
    images, labels = batch([0, 1, 2] * 4)
    for mode in ("replace", "append", "balance", "fill"):
        out, _, flags = SyntheticMix(pool(), ratio=0.5, mode=mode, return_synthetic=True)(images, labels)
        assert flags.dtype == torch.bool
        assert torch.equal(flags, synthetic(out))


def test_a_dict_stays_a_dict():
    images, labels = batch([0, 1, 2] * 4)
    mix = SyntheticMix(pool(), ratio=0.5, labels=Same(weight=0.25), return_synthetic=True)
    out = mix({"pixels": images, "label": labels, "path": "a"})
    assert list(out) == ["pixels", "label", "path", "weight", "is_synthetic"]
    assert torch.equal(out["is_synthetic"], synthetic(out["pixels"]))
    assert torch.equal(out["weight"], torch.where(out["is_synthetic"], 0.25, 1.0))


def test_further_entries_pass_through():
    images, labels = batch([0, 1, 2])
    extra = torch.arange(3)
    _, _, same, text = SyntheticMix(pool(), ratio=0.5)(images, labels, extra, "text")
    assert same is extra
    assert text == "text"


def test_a_list_from_a_loader_keeps_its_type():
    out = SyntheticMix(pool(), ratio=0.5)(list(batch([0, 1, 2, 1])))
    assert type(out) is list
    assert torch.equal(shown(out[0]), out[1])


@pytest.mark.parametrize("rows", [torch.arange(3), ["a", "b", "c"], ("a", "b", "c")])
@pytest.mark.parametrize("mode", ["append", "balance", "fill"])
def test_rows_that_cannot_be_extended_are_refused(mode, rows):
    images, labels = batch([0, 1, 1])
    with pytest.raises(ValueError, match=f"mode='{mode}'"):
        SyntheticMix(pool(), ratio=0.5, mode=mode)(images, labels, rows)


def test_a_labels_getter_finds_labels_elsewhere():
    images, labels = batch([0, 1, 2] * 4)
    mix = SyntheticMix(pool(), ratio=0.5, labels_getter=lambda inputs: inputs[0]["y"])
    out = mix({"y": labels, "other": 3}, images)
    assert torch.equal(shown(out[1]), labels)
    assert int(synthetic(out[1]).sum()) == 6


def test_transform_makes_synthetic_images_like_transformed_real_ones():
    images, labels = batch([0, 1, 2, 1])
    after = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5], [0.1])])
    normalised = (images - 0.5) / 0.1
    mix = SyntheticMix(pool(), ratio=0.5, transform=after, return_synthetic=True)
    out, targets, flags = mix(normalised, labels)
    assert int(flags.sum()) == 2
    assert torch.equal(shown((out * 0.1 + 0.5).clamp(0, 1)), targets)
    assert torch.equal(out[~flags], normalised[~flags])


def test_a_transform_that_returns_another_kind_is_refused_with_both_kinds():
    images, labels = batch([0, 1, 2, 1])
    mix = SyntheticMix(pool(), ratio=1.0, transform=v2.ToDtype(torch.float64, scale=True))
    with pytest.raises(ValueError, match=r"float32 1 x 16 x 16.*float64 1 x 16 x 16"):
        mix(images, labels)


# As a submodule ------------------------------------------------------------------------------------


class Holder(nn.Module):
    def __init__(self, mix):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.mix = mix


def test_a_module_never_sees_the_generator(generator):
    teacher = nn.Sequential(nn.Flatten(), nn.Linear(256, 3))
    holder = Holder(SyntheticMix(generator, labels=Teacher(teacher=teacher)))
    assert len(list(holder.parameters())) == 2
    assert set(holder.state_dict()) == {"layer.weight", "layer.bias"}
    assert not any(part is generator or part is teacher for part in holder.modules())
    for mode in (True, False):
        generator.train(not mode)
        holder.train(mode)
        assert generator.training is not mode


def test_sampling_uses_eval_mode_and_restores_the_mode(generator):
    images, labels = batch([0, 1, 2] * 3)
    generator.train()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    torch.manual_seed(1)
    out, _ = SyntheticMix(generator, ratio=1.0)(images, labels)
    assert generator.training
    assert all(torch.equal(before[name], value) for name, value in generator.state_dict().items())
    generator.eval()
    torch.manual_seed(1)
    assert torch.equal(out, SyntheticMix(generator, ratio=1.0)(images, labels)[0])


@pytest.mark.parametrize(
    "policy", [Same(), Conditional(class_map={0: 1}), Fixed(label=2), Uniform(), Teacher(teacher=helpers.clearly_one)]
)
def test_pickling_works_with_every_policy(generator, policy):
    assert pickle.loads(pickle.dumps(policy)) == policy
    mix = SyntheticMix(generator, ratio=0.5, labels=policy, num_classes=3)
    copied = pickle.loads(pickle.dumps(mix))
    images, labels = batch([0, 1, 2] * 3)
    torch.manual_seed(3)
    first = mix(images, labels)
    torch.manual_seed(3)
    again = copied(images, labels)
    assert all(torch.equal(a, b) for a, b in zip(first, again))


# Refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [-0.1, 1.1, float("nan"), float("inf")])
@pytest.mark.parametrize("mode", ["replace", "append"])
def test_a_ratio_out_of_range_is_refused(ratio, mode):
    with pytest.raises(ValueError, match=r"ratio must be in \[0, 1"):
        SyntheticMix(pool(), ratio=ratio, mode=mode)


def test_ratio_1_requires_replacing():
    SyntheticMix(pool(), ratio=1, mode="replace")
    with pytest.raises(ValueError, match=r"\[0, 1\) for mode='append'"):
        SyntheticMix(pool(), ratio=1, mode="append")


@pytest.mark.parametrize("ratio", [np.float32(0.25), np.float64(0.25), np.int64(1), Fraction(1, 4)])
def test_a_ratio_may_be_any_real_number(ratio):
    assert SyntheticMix(pool(), ratio=ratio).ratio == float(ratio)


@pytest.mark.parametrize("ratio", ["0.1", None, True, np.True_, 0.1j, torch.tensor(0.1)])
def test_a_ratio_of_the_wrong_type_is_refused(ratio):
    with pytest.raises(TypeError, match="ratio must be a number"):
        SyntheticMix(pool(), ratio=ratio)


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="mode must be 'append', 'replace', 'balance' or 'fill'"):
        SyntheticMix(pool(), mode="prepend")


@pytest.mark.parametrize("shape", [(3, 16), (2, 3, 1, 16, 16)])
def test_wrong_dims_are_refused(shape):
    with pytest.raises(ValueError, match=r"dims|found 0"):
        SyntheticMix(pool())(torch.zeros(shape), torch.zeros(shape[0], dtype=torch.int64))


@pytest.mark.parametrize("label", [-1, 3])
def test_labels_out_of_range_are_refused(label):
    images, labels = batch([0, 1])
    labels[1] = label
    with pytest.raises(ValueError, match=f"labels must be between 0 and 2, but got {label}"):
        SyntheticMix(pool(), ratio=0.5)(images, labels)


@pytest.mark.filterwarnings("ignore:mode='fill'")
@pytest.mark.parametrize("mode", ["replace", "append", "balance", "fill"])
@pytest.mark.parametrize("label", [-1, -100, 10**9])
def test_labels_that_cannot_be_classes_are_refused(mode, label):
    images, labels = batch([0, 1])
    labels[1] = label
    with pytest.raises(ValueError, match=rf"labels must be between 0 and \d+, but got {label}"):
        SyntheticMix(pool(), ratio=0.5, mode=mode, labels="conditional")(images, labels)


@pytest.mark.parametrize(
    "labels", [torch.zeros(3), torch.zeros(2, dtype=torch.int64), torch.zeros(3, 1, 1), torch.ones(3, 3) > 0]
)
def test_labels_of_the_wrong_shape_or_type_are_refused(labels):
    with pytest.raises(ValueError, match="labels must"):
        SyntheticMix(pool(), ratio=0.5)(batch([0, 1, 2])[0], labels)


def test_soft_labels_of_another_number_of_classes_are_refused():
    with pytest.raises(ValueError, match="3 columns, but got 5"):
        SyntheticMix(pool(), ratio=0.5)(batch([0, 1])[0], torch.full((2, 5), 0.2))


@pytest.mark.parametrize("channels", [2, 4])
def test_images_of_other_channels_are_refused(channels):
    images, labels = batch([0, 1], channels=channels)
    with pytest.raises(ValueError, match=rf"1 or 3.*\(2, {channels}, 16, 16\)"):
        SyntheticMix(pool(), ratio=0.5)(images, labels)


def test_images_of_another_shape_are_refused_with_both_shapes():
    images, labels = batch([0, 1])
    with pytest.raises(ValueError, match=r"16 x 16.*16 x 8"):
        SyntheticMix(pool(), ratio=1.0)(images[..., :8], labels)


def test_a_source_with_other_classes_is_refused_with_a_remedy():
    with pytest.raises(ValueError, match=r"it has 3 and the data have 5.*class_map"):
        SyntheticMix(pool(), num_classes=5)


@pytest.mark.parametrize("labels", ["same", "conditional", Same(), Conditional()])
def test_an_unconditional_source_must_have_a_policy(unconditional, labels):
    with pytest.raises(ValueError, match=r"unconditional; choose 'same'.*'uniform'.*Teacher.*None"):
        SyntheticMix(unconditional, labels=labels)


@pytest.mark.parametrize(
    "thing",
    [
        tv_tensors.BoundingBoxes([[0, 0, 4, 4]], format="XYXY", canvas_size=(16, 16)),
        tv_tensors.Mask(torch.zeros(1, 16, 16, dtype=torch.uint8)),
    ],
)
def test_boxes_and_masks_are_refused(thing):
    with pytest.raises(ValueError, match=f"SyntheticMix .* cannot take items with {type(thing).__name__}"):
        SyntheticMix(pool())(*batch([0]), thing)


@pytest.mark.parametrize("name", ["dcgan-mnits-32", "no such thing", ""])
def test_an_unknown_name_is_refused(name):
    with pytest.raises(ValueError, match="name must be a name in the zoo, an existing folder or"):
        SyntheticMix(name)


@pytest.mark.parametrize("source", [None, 3, [1, 2], object()])
def test_an_object_that_is_not_a_source_is_refused(source):
    with pytest.raises(TypeError, match="source must be a zoo name"):
        SyntheticMix(source)


def test_normalised_images_are_refused_without_transform():
    images, labels = batch([0, 1])
    with pytest.raises(ValueError, match=r"between 0 and 1.*transform="):
        SyntheticMix(pool())(images * 2 - 1, labels)


def test_images_without_labels_are_refused_unless_labels_is_none():
    images, _ = batch([0, 1, 2])
    with pytest.raises(ValueError, match="Could not find the labels"):
        SyntheticMix(pool())(images)
    out = SyntheticMix(pool(), ratio=1.0, labels=None)(images)
    assert bool(synthetic(out).all())


def test_labels_getter_none_requires_labels_none():
    with pytest.raises(ValueError, match="pass labels=None too"):
        SyntheticMix(pool(), labels_getter=None)
    SyntheticMix(pool(), labels=None, labels_getter=None)


def test_labels_must_be_an_object_of_the_input():
    with pytest.raises(ValueError, match="in the input exactly once"):
        SyntheticMix(pool(), labels_getter=lambda inputs: inputs[1].clone())(*batch([0, 1]))


def test_balance_must_know_classes():
    with pytest.raises(ValueError, match="mode='balance' needs to know the class"):
        SyntheticMix(pool(), mode="balance", labels="uniform", num_classes=3)


def test_soft_targets_require_num_classes():
    with pytest.raises(ValueError, match="num_classes must be given"):
        SyntheticMix(pool(), ratio=0.5, labels="uniform")(*batch([0, 1]))


def test_a_source_must_return_images():
    class Wrong(Marked):
        def sample(self, n, labels=None, *, seed=None):
            return super().sample(n + 1, None, seed=seed)

    with pytest.raises(ValueError, match=r"sample\(2\) must return \(2, 1 or 3, height, width\)"):
        SyntheticMix(Wrong(), ratio=1.0)(*batch([0, 1]))
