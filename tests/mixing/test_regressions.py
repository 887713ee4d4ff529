"""Uses that once went wrong silently."""

import collections
import inspect
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, TensorDataset, default_collate, random_split
from torchvision.transforms import v2

from gan_augment import (
    Conditional,
    FixedRatioBatchSampler,
    GANAugmentedDataset,
    LabelPolicy,
    SyntheticMix,
    SyntheticPool,
    Teacher,
)
from gan_augment._core import undo_resize

from .helpers import batch, pool, real

LABELS = [0, 1, 2] * 8


class Named(Dataset):
    """A data set like torchvision's, with class names and all three transforms."""

    def __init__(self, transform=None, target_transform=None, transforms=None):
        self.targets, self.classes = LABELS, ["a", "b", "c"]
        self.transform, self.target_transform, self.transforms = transform, target_transform, transforms

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        image, target = torch.zeros(1, 16, 16, dtype=torch.uint8), self.targets[index]
        image = image if self.transform is None else self.transform(image)
        target = target if self.target_transform is None else self.target_transform(target)
        return (image, target) if self.transforms is None else self.transforms(image, target)


def parity(label):
    return label % 2


def joint_parity(image, label):
    return image, label % 2


def augmented(dataset, *args, **options):
    return GANAugmentedDataset(dataset, *args, **{"mode": "append", "progress": False, **options})


@pytest.mark.parametrize("options", [{"target_transform": parity}, {"transforms": joint_parity}])
def test_classes_are_counted_after_the_target_transform(options):
    with pytest.raises(ValueError, match="it has 3 and the data have 2"):
        augmented(Named(**options), pool(), 0.5)
    data = augmented(Named(**options), pool(), 0.5, labels=Conditional(class_map={0: 0, 1: 1, 2: 0}))
    assert {item[1] for item in data} == {0, 1}


def test_a_list_of_labels_that_differs_from_the_items_is_not_used():
    class Moved(Named):
        def __getitem__(self, index):
            image, target = super().__getitem__(index)
            return image, (target + 1) % 3

    data = augmented(Moved(), pool(), 0.5)
    assert data.targets[::2] == [(label + 1) % 3 for label in LABELS]


def test_padding_is_cropped_off_for_the_source_size_only():
    images = torch.randint(0, 256, (2, 1, 32, 32), dtype=torch.uint8)
    assert torch.equal(undo_resize(images, 32, 32, "pad", (28, 28)), images)
    assert torch.equal(undo_resize(images, 28, 28, "pad", (28, 28)), images[..., 2:-2, 2:-2])


def test_a_transform_that_is_set_later_applies_to_real_and_synthetic_images():
    base = Named()
    data = augmented(base, pool(), 0.5)
    data.transform = v2.ToDtype(torch.float32, scale=True)
    assert base.transform is data.transform
    assert data[0][0].dtype == data[31][0].dtype == torch.float32


@pytest.mark.parametrize("rows", [[[0.0, 1.0, 1.0]], [[0.2, 0.3, 0.1]], [[1.5, -0.5, 0.0]]])
def test_rows_that_are_not_probabilities_are_refused(rows):
    rows = torch.tensor(rows)
    with pytest.raises(ValueError, match="must be class probabilities"):
        SyntheticMix(pool(), 1.0)(torch.rand(1, 1, 16, 16), rows)
    with pytest.raises(ValueError, match="must be class probabilities"):
        SyntheticMix(pool(), 1.0)(torch.rand(1, 16, 16), rows[0])
    with pytest.raises(ValueError, match="must be class probabilities"):
        augmented(TensorDataset(torch.rand(1, 1, 16, 16), rows), pool(), 0.5)


def test_a_teacher_sees_synthetic_images_in_the_shape_of_the_real_ones():
    shapes = set()

    def teacher(images):
        shapes.add(tuple(images.shape[1:]))
        return torch.tensor([[9.0, 0.0, 0.0]]).repeat(len(images), 1)

    policy = Teacher(teacher=teacher)
    SyntheticMix(pool(), 1.0, labels=policy)(torch.rand(4, 3, 24, 24), torch.zeros(4, dtype=torch.int64))
    augmented(TensorDataset(torch.rand(6, 3, 24, 24), torch.arange(6) % 3), pool(), 0.5, labels=policy)
    assert shapes == {(3, 24, 24)}


def test_a_normalised_batch_is_refused_after_an_unnormalised_one():
    mix = SyntheticMix(pool(), 1.0)
    images, labels = batch([0, 1])
    mix(images, labels)
    mix((images * 255).to(torch.uint8), labels)
    with pytest.raises(ValueError, match="between 0 and 1"):
        mix(images * 4 - 2, labels)


def test_a_sampler_in_another_epoch_than_its_data_set_is_refused():
    data = augmented(real(LABELS), pool(), 0.5, mode="replace")
    sampler = FixedRatioBatchSampler(data, 6, 0.5)
    sampler.set_epoch(1)
    with pytest.raises(ValueError, match="call set_epoch on both"):
        list(sampler)
    data.set_epoch(1)
    assert all(sum(data.is_synthetic(index) for index in batch_) == 3 for batch_ in sampler)


@pytest.mark.parametrize("mask", [torch.arange(10) % 3, [0, 1, 0, 1]])
def test_a_sampler_refuses_class_labels_as_a_mask(mask):
    with pytest.raises(TypeError, match="a bool for each item"):
        FixedRatioBatchSampler(mask, 4, 0.5)


def test_transforms_may_turn_images_into_other_data():
    flat = augmented(Named(transform=torch.flatten), pool(), 0.5)
    assert {item[0].shape for item in flat} == {(256,)}
    arrays = augmented(Named(transform=np.asarray), pool(), 0.5)
    assert {type(item[0]) for item in arrays} == {np.ndarray}


def test_a_data_set_that_needs_its_transform_says_what_to_do():
    class Needs(Named):
        def __getitem__(self, index):
            image, target = torch.zeros(1, 16, 16, dtype=torch.uint8), self.targets[index]
            return self.transform(image).float_image, target

    def transform(image):
        return SimpleNamespace(float_image=image)

    with pytest.raises(ValueError, match="Pass transform=None"):
        augmented(Needs(transform), pool(), 0.5)


def test_classes_are_found_through_a_random_split():
    part, _ = random_split(Named(), [20, 4])
    assert augmented(part, pool(), 0.5).classes == ["a", "b", "c"]


def test_a_teacher_is_not_pickled_for_workers():
    data = augmented(real(LABELS), pool(), 0.5, labels=Teacher(teacher=lambda x: torch.eye(3)[[0] * len(x)] * 20))
    assert len(pickle.loads(pickle.dumps(data))) == len(data)


@pytest.mark.parametrize("kind", [list, collections.namedtuple("Pair", ["image", "label"])])
def test_items_keep_their_container(kind):
    class Contained(Named):
        def __getitem__(self, index):
            pair = super().__getitem__(index)
            return kind(*pair) if hasattr(kind, "_fields") else kind(pair)

    data = augmented(Contained(), pool(), 0.5)
    assert {type(item) for item in data} == {kind}
    assert type(default_collate([data[0], data[31]])) is type(default_collate([data[31], data[0]]))


def test_different_class_names_are_refused_and_equal_ones_are_not():
    data = Named()
    named = SyntheticPool(pool().rows(torch.arange(12)), pool().labels, class_names=["a - first", "B", "c"])
    assert len(augmented(data, named, 0.5)) == 48
    data.classes = ["c", "b", "a"]
    with pytest.raises(ValueError, match="class 0 is 'a - first' in the source and 'c' in the data"):
        augmented(data, named, 0.5)
    mapped = augmented(data, named, 0.5, labels=Conditional(class_map={0: 2, 1: 1, 2: 0}))
    assert mapped.class_counts == {0: (8, 8), 1: (8, 8), 2: (8, 8)}


def test_a_pool_that_is_too_small_gives_a_warning():
    with pytest.warns(UserWarning, match="some appear 3 times per epoch"):
        augmented(real([0, 1, 2] * 10), pool(), 0.5)


def test_a_normalisation_can_be_passed_as_transform():
    normalize = v2.Normalize([0.5], [0.5])
    images, labels = batch([0, 1, 2])
    torch.manual_seed(0)
    mixed, _ = SyntheticMix(pool(), 1.0, transform=normalize)(normalize(images), labels)
    torch.manual_seed(0)
    plain, _ = SyntheticMix(pool(), 1.0)(images, labels)
    assert torch.allclose(mixed, normalize(plain))


class ByBrightness(LabelPolicy):
    """A user's policy that labels each image by its brightness."""

    def targets(self, images, classes, num_classes):
        labels = (images.amax((1, 2, 3)) > images.amax((1, 2, 3)).float().mean()).long()
        return labels, torch.ones(len(images), dtype=torch.bool)


def test_a_policy_of_the_user_sees_each_image():
    data = augmented(real(LABELS), pool(), 0.5, labels=ByBrightness())
    assert {int(item[1]) for item in list(data)[1::2]} == {0, 1}


def test_ratio_0_leaves_the_random_state_alone():
    images, labels = batch([0, 1, 2])
    state = torch.get_rng_state()
    SyntheticMix(pool(), 0.0)(images, labels)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("argument", ["ratio", "mode", "labels", "num_classes", "return_synthetic"])
def test_both_entrances_have_the_same_defaults(argument):
    of_mix, of_data = (inspect.signature(each).parameters[argument] for each in (SyntheticMix, GANAugmentedDataset))
    assert of_mix.default == of_data.default
