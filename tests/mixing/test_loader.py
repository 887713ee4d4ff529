"""BatchLoader yields what a DataLoader yields, or says why it cannot."""

import pickle
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import ConcatDataset, DataLoader, DistributedSampler, Subset, TensorDataset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from gan_augment import BatchLoader, Fixed, GANAugmentedDataset, SyntheticPool, Teacher, Uniform
from gan_augment.data import walk_leaves
from gan_augment.mixing import _loader, _tables

from .helpers import SIZE, Digits, Jitter, batch, clearly_one, draw_of_all, pool, real

TO_FLOAT = v2.ToDtype(torch.float32, scale=True)
LABELS = [0, 0, 0, 1, 1, 2, 0, 1, 0, 2, 1]
POLICIES = {
    "same": "same",
    "conditional": "conditional",
    "fixed": Fixed(label=1, weight=0.5),
    "uniform": Uniform(),
    "teacher": Teacher(clearly_one),
    "soft teacher": Teacher(clearly_one, kind="soft", weight=2.0),
}


def wrap(dataset, ratio=0.4, source=None, **options):
    return GANAugmentedDataset(dataset, source or pool(), ratio, progress=False, **options)


def assert_same(one, other):
    one, other = list(one), list(other)
    assert len(one) == len(other)
    for mine, theirs in zip(one, other):
        assert type(mine) is type(theirs)
        leaves, twins = list(walk_leaves(mine)), list(walk_leaves(theirs))
        assert [path for path, _ in leaves] == [path for path, _ in twins]
        for (_, leaf), (_, twin) in zip(leaves, twins):
            assert type(leaf) is type(twin)
            assert leaf.dtype == twin.dtype
            assert torch.equal(leaf, twin)


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.integers(0, 2), min_size=3, max_size=20).filter(lambda labels: set(labels) == {0, 1, 2}),
    mode=st.sampled_from(["replace", "append", "balance"]),
    ratio=st.sampled_from([0, 0.1, 0.4, 0.8]),
    policy=st.sampled_from(sorted(POLICIES)),
    return_synthetic=st.booleans(),
    dtype=st.sampled_from([torch.uint8, torch.float32, torch.float16]),
    size=st.sampled_from([SIZE, 12]),
    batch_size=st.integers(1, 9),
    epoch=st.sampled_from([None, 0, 7]),
    drop_last=st.booleans(),
)
def test_batches_equal_those_of_a_data_loader(
    labels, mode, ratio, policy, return_synthetic, dtype, size, batch_size, epoch, drop_last
):
    if mode == "balance" and policy not in ("same", "conditional"):
        mode = "replace"
    images, labels = batch(labels, dtype=dtype, size=size)
    noisy = pool()
    noisy = SyntheticPool(torch.randint(0, 256, noisy.rows(torch.arange(12)).shape, dtype=torch.uint8), noisy.labels)
    dataset = wrap(
        TensorDataset(images, labels),
        ratio,
        source=noisy,
        mode=mode,
        labels=POLICIES[policy],
        num_classes=3,
        return_synthetic=return_synthetic,
    )
    if epoch is not None:
        dataset.set_epoch(epoch)
    loader = BatchLoader(dataset, batch_size, shuffle=False, drop_last=drop_last)
    twin = DataLoader(dataset, batch_size, drop_last=drop_last)
    assert len(loader) == len(twin)
    for _ in range(2):
        # Without an epoch, the data set begins the next one after len(dataset) items, which drop_last delays.
        if epoch is not None or not drop_last or len(dataset) % batch_size == 0:
            assert_same(loader, twin)


class Items(Digits):
    """Digits whose items have another form."""

    def __init__(self, make, transform=None):
        super().__init__(LABELS, transform)
        self.make = make

    def __getitem__(self, index):
        return self.make(*self.item(index))

    __getitems__ = None


FORMS = {
    "int": lambda image, label: (image, label),
    "list": lambda image, label: [image, label],
    "dict": lambda image, label: {"image": image, "label": label},
    "nested": lambda image, label: (image, {"labels": torch.tensor(label)}),
    "bool": lambda image, label: (image, label > 1),
    "numpy scalar": lambda image, label: (image, np.int32(label)),
    "int16": lambda image, label: (image, torch.tensor(label, dtype=torch.int16)),
    "boxed": lambda image, label: (image, torch.tensor([label])),
    "one-hot": lambda image, label: (image, torch.eye(3, dtype=torch.int64)[label]),
    "array": lambda image, label: (image, np.eye(3, dtype=np.uint8)[label]),
}


@pytest.mark.parametrize("policy", ["same", "uniform"])
@pytest.mark.parametrize("form", FORMS)
def test_items_of_any_form_are_collated_as_usual(form, policy):
    dataset = wrap(Items(FORMS[form], TO_FLOAT), labels=policy, num_classes=3, return_synthetic=True)
    assert_same(BatchLoader(dataset, 4, shuffle=False), DataLoader(dataset, 4))


@pytest.mark.parametrize("return_synthetic", [True, False])
@pytest.mark.parametrize("make", [lambda image, label: image, lambda image, label: (image,)])
def test_images_without_labels(make, return_synthetic):
    dataset = wrap(Items(make, TO_FLOAT), labels=None, return_synthetic=return_synthetic)
    assert_same(BatchLoader(dataset, 4, shuffle=False), DataLoader(dataset, 4))


def test_folders_subsets_and_parts(folder):
    transform = v2.Compose([v2.ToImage(), TO_FLOAT, v2.Normalize([0.5] * 3, [0.2] * 3)])
    images = ImageFolder(folder, transform)
    for dataset in (images, Subset(images, [0, 7, 11]), ConcatDataset([images, Subset(images, [8, 2, 11])])):
        train = wrap(dataset, mode="append")
        assert_same(BatchLoader(train, 5, shuffle=False), DataLoader(train, 5))


def test_images_are_read_once():
    digits = Digits(LABELS, TO_FLOAT)
    loader = BatchLoader(wrap(digits), 4)
    digits.images.zero_()
    digits.targets = None
    assert sum(int((images > 0).any(dim=(1, 2, 3)).sum()) for images, _ in loader) > 4


@pytest.mark.parametrize("mode", ["replace", "append", "balance"])
def test_shuffled_batches_hold_each_item_once_in_an_order_of_seed_and_epoch(mode):
    dataset = wrap(real(LABELS), mode=mode)
    for epoch in range(2):
        dataset.set_epoch(epoch)
        orders = []
        for seed in (0, 0, 1):
            loader = BatchLoader(dataset, 4, seed=seed)
            images, labels = (torch.cat(each) for each in zip(*loader))
            orders.append([(float(image.mean()), int(label)) for image, label in zip(images, labels)])
            assert_same(loader, loader)
        assert orders[0] == orders[1] != orders[2]
        items = [(float(image.mean()), int(label)) for image, label in (dataset[i] for i in range(len(dataset)))]
        assert Counter(orders[0]) == Counter(orders[2]) == Counter(items)


def test_the_loader_counts_epochs_unless_they_are_set():
    dataset, twin = wrap(Digits(LABELS, TO_FLOAT)), wrap(Digits(LABELS, TO_FLOAT))
    loader = BatchLoader(dataset, 4)
    passes = [list(loader) for _ in range(3)]
    assert not dataset.epoch_is_set
    assert dataset.epoch == 0
    for epoch, found in enumerate(passes):
        twin.set_epoch(epoch)
        assert_same(found, BatchLoader(twin, 4))
    dataset.set_epoch(1)
    assert_same(loader, passes[1])


def test_ranks_share_the_items_like_a_distributed_sampler(monkeypatch):
    dataset = wrap(real(LABELS))
    dataset.set_epoch(3)
    loader = BatchLoader(dataset, 3, shuffle=False)
    for rank in range(4):
        monkeypatch.setattr(_loader, "process_group", lambda rank=rank: (4, rank))
        sampler = DistributedSampler(dataset, 4, rank, shuffle=False)
        assert len(loader) == 1
        assert_same(loader, DataLoader(dataset, 3, sampler=sampler))


def test_it_draws_from_no_global_generator():
    torch.manual_seed(0)
    expected = draw_of_all()[0]
    torch.manual_seed(0)
    list(BatchLoader(wrap(Digits(LABELS, TO_FLOAT)), 4))
    assert draw_of_all()[0] == expected


def test_a_transform_of_batches_gets_all_images_as_they_were():
    dataset = wrap(Digits(LABELS, Jitter()))
    seen = []
    loader = BatchLoader(dataset, 4, transform=lambda images: seen.append(images) or v2.RandomHorizontalFlip(1)(images))
    assert sum(len(images) for images, _ in loader) == len(dataset)
    assert all(images.dtype == torch.uint8 and images.shape[1:] == (1, SIZE, SIZE) for images in seen)
    plain = BatchLoader(dataset, 4, transform=None)
    assert next(iter(plain))[0].dtype == torch.uint8


class DrawsNothing:
    """A transform that uses its own generator, which no global state shows."""

    def __init__(self):
        self.rng = torch.Generator().manual_seed(0)

    def __call__(self, image):
        return image.float() * torch.rand((), generator=self.rng)


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (Jitter(), "draws random numbers"),
        (v2.RandomHorizontalFlip(0), "draws random numbers"),
        (DrawsNothing(), "values or types differ"),
        (lambda image: image / image.max(), "values or types differ"),
        (lambda image: image.float().flatten(), "must return a tensor of 8 images"),
        (lambda image: image.float()[None], "must return a tensor of 8 images"),
        (lambda image: image.float().mean(dim=0), "must return a tensor of 8 images"),
        (lambda image: image.squeeze(), "must return a tensor of 1 images"),
        (lambda image: {1: image}[image.ndim - 2], "KeyError: 2"),
    ],
)
def test_the_transform_of_the_data_set_must_do_the_same_for_batches(transform, message):
    dataset = wrap(Digits(LABELS, transform), ratio=0)
    with pytest.raises(ValueError, match=message) as raised:
        BatchLoader(dataset, 4)
    assert "Pass transform=, which gets whole batches, or use a DataLoader." in str(raised.value)


def test_synthetic_images_with_another_transform_are_refused():
    dataset = wrap(Digits(LABELS, TO_FLOAT), transform=lambda image: image / 300)
    with pytest.raises(ValueError, match="values or types differ"):
        BatchLoader(dataset, 4)
    assert len(list(BatchLoader(dataset, 4, transform=TO_FLOAT))) == 3


def test_transforms_of_image_and_label_are_refused():
    digits = Digits(LABELS)
    digits.transforms = lambda image, label: (image, label)
    with pytest.raises(ValueError, match="takes image and label"):
        BatchLoader(wrap(digits), 4)


class Noisy(Digits):
    """Images that are random before any transform."""

    def item(self, index):
        image, label = super().item(index)
        return (image + torch.rand(image.shape)).clamp(0, 1), label


def sizes():
    return [(torch.zeros(1, SIZE + index % 2, SIZE, dtype=torch.uint8), label) for index, label in enumerate(LABELS)]


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (lambda: sizes(), "of one size and kind before the transforms.*but image 1"),
        (lambda: Items(lambda image, label: (image, label, 7)), "nothing but an image and a label"),
        (lambda: Noisy(LABELS), "must always be the same before the transforms"),
        (lambda: wrap(real(LABELS)), "must be the same in each epoch"),
        (lambda: Subset(wrap(real(LABELS)), range(9)), "must be the same in each epoch"),
    ],
)
def test_data_sets_that_tensors_cannot_hold_are_refused(dataset, message):
    with pytest.raises(ValueError, match=f"(?s){message}.*DataLoader"):
        BatchLoader(wrap(dataset()), 4)


@pytest.mark.parametrize("label", [[0.5, 0.5, 0.0], torch.tensor([0.5, 0.5, 0.0]), [0, 1, 0]])
def test_labels_that_a_class_does_not_tell_are_refused(label):
    with pytest.raises(TypeError, match="Labels must be class indices"):
        BatchLoader(wrap(Items(lambda image, _: (image, label))), 4)


def test_memory_is_checked_before_images_are_read(monkeypatch):
    def refuse(*args, **options):
        raise ValueError("too many")

    dataset = wrap(Digits(LABELS, TO_FLOAT))
    monkeypatch.setattr(_tables, "check_space", refuse)
    monkeypatch.setattr(torch, "empty", None)
    with pytest.raises(ValueError, match="too many"):
        BatchLoader(dataset, 4)


@pytest.mark.parametrize(
    ("dataset", "options", "error", "message"),
    [
        (lambda: real(LABELS), {}, TypeError, "dataset must be a GANAugmentedDataset"),
        (lambda: wrap(real(LABELS)), {"transform": "none"}, TypeError, "transform must be callable, 'inherit' or None"),
        (lambda: wrap(real(LABELS)), {"batch_size": 0}, ValueError, "batch_size must be"),
        (lambda: wrap(real(LABELS)), {"seed": -1}, ValueError, "seed must be"),
    ],
)
def test_wrong_arguments_are_refused(dataset, options, error, message):
    with pytest.raises(error, match=message):
        BatchLoader(dataset(), **{"batch_size": 4, **options})


@pytest.mark.parametrize("transform", [lambda images: images[:1], lambda images: list(images)])
def test_a_transform_must_return_all_images(transform):
    loader = BatchLoader(wrap(real(LABELS)), 4, transform=transform)
    with pytest.raises(ValueError, match="transform must return a tensor of 4 images"):
        list(loader)


def test_it_pickles_and_yields_the_same():
    loader = BatchLoader(wrap(Digits(LABELS, TO_FLOAT)), 4)
    assert_same(pickle.loads(pickle.dumps(loader)), loader)
