"""The tests of torchvision for MixUp and CutMix (``TestCutMixMixUp``, BSD-3), rewritten for SyntheticMix.

Four of their expectations cannot hold, as SyntheticMix replaces images and does not blend them:

* a target with two classes in each row: an image has one class, so a row has as many as its policy gives;
* class indices that always become rows: they do so only under a soft policy, which the cases below use;
* class indices refused without ``num_classes``: the source knows the number, and only soft policies need it;
* a single PIL image refused: it is mixed too, with its label.
"""

import collections

import numpy as np
import PIL.Image
import pytest
import torch
from torch.utils._pytree import tree_leaves
from torch.utils.data import DataLoader, default_collate
from torchvision import tv_tensors
from torchvision.transforms import v2

from gan_augment import SyntheticMix

from .helpers import SIZE, pool, shown

CLASSES = 8
ROWS = 6


class Numbered:
    """An image of each class; its label is an index or one-hot."""

    def __init__(self, one_hot=None, dtype=torch.float32):
        self.one_hot, self.dtype = one_hot, dtype

    def __len__(self):
        return ROWS

    def __getitem__(self, index):
        image = torch.full((3, SIZE, SIZE), index, dtype=torch.uint8)
        image = image if self.dtype == torch.uint8 else image.to(self.dtype) / 255
        label = torch.nn.functional.one_hot(torch.tensor(index), CLASSES).to(self.one_hot) if self.one_hot else index
        return image, label


@pytest.fixture(scope="module")
def source():
    return pool(CLASSES, channels=3)


@pytest.mark.parametrize("labels", ["same", "uniform"])
@pytest.mark.parametrize("one_hot", [None, torch.int64, torch.int32, torch.uint8, torch.bool, torch.float32])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("use", ["unpacked", "packed", "collate packed", "collate unpacked"])
def test_supported_input_structure(source, labels, one_hot, dtype, use):
    mix = SyntheticMix(source, 1.0, labels=labels, num_classes=CLASSES)
    collate_fns = {
        "collate packed": lambda batch: mix(default_collate(batch)),
        "collate unpacked": lambda batch: mix(*default_collate(batch)),
    }
    loaded = next(iter(DataLoader(Numbered(one_hot, dtype), batch_size=ROWS, collate_fn=collate_fns.get(use))))
    if use == "unpacked":
        loaded = mix(*loaded)
    elif use == "packed":
        loaded = mix(loaded)
        assert isinstance(loaded, list)
    images, targets = loaded
    assert images.shape == (ROWS, 3, SIZE, SIZE)
    assert images.dtype == dtype
    if one_hot is None and labels == "same":
        assert targets.tolist() == list(range(ROWS)) == shown(images).tolist()
        return
    assert targets.shape == (ROWS, CLASSES)
    assert targets.dtype == (one_hot if labels == "same" or one_hot == torch.float32 else torch.float32)
    assert targets.sum(-1).tolist() == [1] * ROWS
    assert (targets != 0).sum(-1).tolist() == [1 if labels == "same" else CLASSES] * ROWS


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cpu_vs_gpu(source):
    images, labels = default_collate([Numbered()[index] for index in range(ROWS)])
    results = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        results.append([out.cpu() for out in SyntheticMix(source, 0.5)(images.to(device), labels.to(device))])
    torch.testing.assert_close(*results)


@pytest.mark.parametrize(
    "bad",
    [
        PIL.Image.new("RGB", (12, 12)),
        tv_tensors.Mask(torch.rand(12, 12)),
        tv_tensors.BoundingBoxes(torch.rand(2, 4), format="XYXY", canvas_size=(12, 12)),
        {"img": torch.rand(9, 3, 12, 12), "Nothing_else": 3},
        torch.rand(9, 3, 12, 12),
        (torch.rand(9, 3, 12, 12), "not_a_tensor"),
        (torch.rand(9, 3, 12, 12), torch.randint(0, 2, (2, 3))),
        (torch.rand(9, 3, 12, 12), torch.randint(0, 2, (2, 3, 4))),
        (torch.rand(9, 3, 12, 12)[None, None], torch.zeros(9, dtype=torch.int64)),
        (torch.rand(9, 3, 12, 12), torch.zeros(10, dtype=torch.int64)),
        (torch.rand(9, 3, 12, 12), torch.eye(CLASSES + 1, dtype=torch.int64)),
        (torch.rand(9, 3, 12, 12), torch.full((9,), CLASSES)),
    ],
)
def test_error(source, bad):
    with pytest.raises((TypeError, ValueError)):
        SyntheticMix(source, 1.0)(bad)


def test_twice_in_a_compose(source):
    images, labels = default_collate([Numbered()[index] for index in range(ROWS)])
    mix = SyntheticMix(source, 0.5)
    for steps in ([mix, mix], [mix, v2.MixUp(num_classes=CLASSES)], [v2.CutMix(num_classes=CLASSES), mix]):
        out, targets = v2.Compose(steps)(images, labels)
        assert out.shape == images.shape
        assert len(targets) == ROWS


@pytest.mark.parametrize("key", ["labels", "LABELS", "LaBeL", "SOME_WEIRD_KEY_THAT_HAS_LABeL_IN_IT"])
@pytest.mark.parametrize("kind", [tuple, list, dict])
def test_labels_getter_default_heuristic(source, key, kind):
    images, labels = torch.zeros(ROWS, 3, SIZE, SIZE), torch.arange(ROWS)
    sample = {key: labels, "another_key": "whatever"}
    sample = {"image": images, **sample} if kind is dict else kind((images, sample, "whatever_again"))
    out = SyntheticMix(source, 1.0)(sample)
    assert type(out) is kind
    found = out if kind is dict else out[1]
    assert found["another_key"] == "whatever"
    assert torch.equal(shown(out["image"] if kind is dict else out[0]), found[key])
    if key.lower() != "labels":
        out = SyntheticMix(source, 1.0)({"image": images, key: "something_else", "labels": labels})
        assert out[key] == "something_else"
        assert torch.equal(shown(out["image"]), labels)


def _deep(inputs):
    return inputs["deep"][1]["targets"][0]


def test_a_labels_getter_finds_labels_anywhere(source):
    images, labels = torch.zeros(ROWS, 3, SIZE, SIZE), torch.arange(ROWS)
    sample = {"deep": ("x", {"targets": [labels, None]}), "images": images}
    out = SyntheticMix(source, 1.0, labels_getter=_deep)(sample)
    assert torch.equal(shown(out["images"]), _deep(out))
    assert isinstance(out["deep"], tuple)
    with pytest.raises(ValueError, match="in the input exactly once"):
        SyntheticMix(source, 1.0, labels_getter=lambda inputs: _deep(inputs).clone())(sample)


def test_without_a_labels_getter_images_alone_are_mixed(source):
    images = torch.zeros(ROWS, 3, SIZE, SIZE)
    assert bool((SyntheticMix(source, 1.0, labels=None, labels_getter=None)(images) > 0).all())


Pair = collections.namedtuple("Pair", ["image", "label"])


@pytest.mark.parametrize("wrap", [Pair, collections.OrderedDict, collections.UserDict])
def test_containers_keep_their_type_and_the_input_its_content(source, wrap):
    images, labels = torch.zeros(ROWS, 3, SIZE, SIZE), torch.arange(ROWS)
    sample = wrap(images, labels) if wrap is Pair else wrap({"image": images, "label": labels})
    out = SyntheticMix(source, 1.0)(sample)
    assert type(out) is wrap
    assert not bool(images.any())
    assert (sample[0] if wrap is Pair else sample["image"]) is images


class Tagged(torch.Tensor):
    """A tensor class that keeps a tag through operations, as fastai's and MONAI's do."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        out = super().__torch_function__(func, types, args, kwargs or {})
        tags = [arg.tag for arg in tree_leaves(args) if hasattr(arg, "tag")]
        if isinstance(out, Tagged) and tags:
            out.tag = tags[0]
        return out


@pytest.mark.parametrize("mode", ["replace", "append"])
def test_tensor_classes_keep_their_type(source, mode):
    images = torch.zeros(ROWS, 3, SIZE, SIZE).as_subclass(Tagged)
    images.tag = "a.png"
    labels = torch.arange(ROWS).as_subclass(Tagged)
    out, targets = SyntheticMix(source, 0.5, mode=mode)(images, labels)
    assert type(out) is type(targets) is Tagged
    assert out.tag == "a.png"
    image, target = SyntheticMix(source, 1.0)(images[0], labels[0])
    assert type(image) is type(target) is Tagged


def test_arrays_are_mixed_with_their_channels_last(source):
    images, labels = np.zeros((ROWS, SIZE, SIZE, 3), np.uint8), np.arange(ROWS)[:, None]
    out, targets = SyntheticMix(source, 1.0)(images, labels)
    assert (type(out), out.shape, out.dtype) == (np.ndarray, images.shape, np.uint8)
    assert np.array_equal((out[:, 0, 0, 0] - 100) // 10, targets[:, 0])
    assert not images.any()
