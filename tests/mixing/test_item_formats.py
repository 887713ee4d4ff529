"""``fit``, ``GANAugmentedDataset`` and ``SyntheticMix`` read items and labels by the same rule."""

import collections
import pathlib

import numpy as np
import PIL.Image
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, default_collate
from torchvision import tv_tensors

from gan_augment import GANAugmentedDataset, SyntheticMix
from gan_augment.data import TrainingImages, walk_leaves

from .helpers import pool, real, shown

CLASSES = 3
LABELS = [0, 1, 2] * 2
Pair = collections.namedtuple("Pair", ["image", "label"])


class Tagged(torch.Tensor):
    """A tensor class of another library."""


def picture(label):
    return torch.full((3, 16, 16), label, dtype=torch.uint8)


def one_hot(label, kind):
    return torch.nn.functional.one_hot(torch.tensor(label), CLASSES).to(kind)


def batch_feature(**entries):
    return pytest.importorskip("transformers").BatchFeature(entries)


LABEL_FORMS = {
    "int": int,
    "numpy": np.int64,
    "numpy uint8": np.uint8,
    "0-d": torch.tensor,
    "uint8": lambda label: torch.tensor(label, dtype=torch.uint8),
    "boxed": lambda label: torch.tensor([label]),
    "boxed array": lambda label: np.array([label], np.uint8),
    "boxed list": lambda label: [label],
    "0-d array": lambda label: np.array(label),
    "one-hot": lambda label: one_hot(label, torch.int64),
    "one-hot bool": lambda label: one_hot(label, torch.bool),
    "one-hot array": lambda label: one_hot(label, torch.uint8).numpy(),
    "one-hot list": lambda label: one_hot(label, torch.int64).tolist(),
    "probabilities": lambda label: one_hot(label, torch.float64),
    "probabilities array": lambda label: one_hot(label, torch.float32).numpy(),
    "tensor class": lambda label: torch.tensor(label).as_subclass(Tagged),
}
ITEM_FORMS = {
    "pair": lambda image, label: (image, label),
    "list": lambda image, label: [image, label],
    "named tuple": Pair,
    "with path": lambda image, label: (image, label, "a.png"),
    "with index, weight, path": lambda image, label: (image, label, 7, 0.5, pathlib.Path("a.png"), torch.ones(2)),
    "labels in a mapping": lambda image, label: (image, {"labels": label}),
    "mapping": lambda image, label: {"image": image, "label": label},
    "label in a mapping in a mapping": lambda image, label: {"image": image, "target": {"id": 3, "labels": label}},
    "mappings in a mapping": lambda image, label: {"meta": {"id": 3}, "input": {"image": image, "label": label}},
    "img, fine_label": lambda image, label: {"img": image, "fine_label": label, "id": 3},
    "pixel_values, labels": lambda image, label: {"label_name": "a", "labels": label, "pixel_values": image},
    "target": lambda image, label: {"data": image, "target": label},
    "ordered": lambda image, label: collections.OrderedDict(image=image, label=label),
    "BatchFeature": lambda image, label: batch_feature(pixel_values=image, labels=label),
}
IMAGE_FORMS = {
    "tensor": lambda label: picture(label),
    "tensor class": lambda label: picture(label).as_subclass(Tagged),
    "tv_tensor": lambda label: tv_tensors.Image(picture(label)),
    "half": lambda label: (picture(label) / 255).half(),
    "PIL": lambda label: PIL.Image.new("RGB", (16, 16), (label,) * 3),
    "array": lambda label: np.full((16, 16, 3), label, np.uint8),
    "array of floats": lambda label: np.full((16, 16, 3), label / 255, np.float32),
    "grey array": lambda label: np.full((16, 16), label, np.uint8),
    "grey tensor": lambda label: picture(label)[0],
}


class Items(Dataset):
    def __init__(self, make, labels=LABELS):
        self.items = [make(label) for label in labels]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def leaves(item):
    """Returns every entry of an item with its type, dtype and shape."""
    if isinstance(item, collections.abc.Mapping):
        return type(item), {key: leaves(value) for key, value in item.items()}
    if isinstance(item, (tuple, list)):
        return type(item), [leaves(value) for value in item]
    kind = PIL.Image.Image if isinstance(item, PIL.Image.Image) else type(item)
    return kind, getattr(item, "dtype", None), getattr(item, "shape", None)


def all_three(make):
    """Reads items with all three functions, and checks that structure and types stay the same."""
    dataset, source = Items(make), pool(CLASSES, channels=3)
    images = TrainingImages.from_dataset(dataset, 16, "pad", progress=False)
    assert images.labels.tolist() == LABELS
    assert images.images[:, 0, 0, 0].tolist() == LABELS
    mixed = GANAugmentedDataset(dataset, source, 0.5, mode="append", progress=False)
    assert sorted(mixed.targets) == sorted(LABELS * 2)
    for index in range(len(mixed)):
        assert leaves(mixed[index]) == leaves(make(0))
    assert leaves(SyntheticMix(source, 1.0)(make(1))) == leaves(make(1))
    return mixed


@pytest.mark.parametrize("form", LABEL_FORMS)
def test_labels_of_every_type(form):
    all_three(lambda label: (picture(label), LABEL_FORMS[form](label)))


@pytest.mark.parametrize(
    "form", [pytest.param(form, marks=pytest.mark.slow) if form == "BatchFeature" else form for form in ITEM_FORMS]
)
def test_items_of_every_type(form):
    mixed = all_three(lambda label: ITEM_FORMS[form](picture(label), label))
    items = [mixed[index] for index in range(len(mixed)) if mixed.is_synthetic(index)]
    for item in items:
        entries = [leaf for _, leaf in walk_leaves(item)]
        image = next(entry for entry in entries if isinstance(entry, torch.Tensor) and entry.ndim == 3)
        assert shown(image)[()] in LABELS
        assert "a.png" not in map(str, entries)  # not that of a real image


@pytest.mark.parametrize("form", IMAGE_FORMS)
def test_images_of_every_type(form):
    mixed = all_three(lambda label: (IMAGE_FORMS[form](label), label))
    assert len(mixed) == 12


def test_labels_keep_their_shape_in_batches():
    images = torch.zeros(6, 3, 16, 16)
    for labels in (torch.tensor(LABELS)[:, None], np.array(LABELS), LABELS, torch.tensor(LABELS).to(torch.uint8)):
        out, targets = SyntheticMix(pool(channels=3), 0.5, mode="append")(images, labels)
        assert type(targets) is type(labels)
        assert shown(out)[6:].tolist() == np.asarray(targets)[6:].reshape(-1).tolist()
    flags = torch.tensor([True, False])
    _, targets = SyntheticMix(pool(2, channels=3), 1.0)(images[:2], flags)
    assert torch.equal(targets, flags)


def test_rows_of_memory_maps_are_images_and_labels(tmp_path):
    np.save(tmp_path / "images.npy", np.stack([np.full((16, 16, 3), label, np.uint8) for label in LABELS]))
    np.save(tmp_path / "labels.npy", np.stack([one_hot(label, torch.float32).numpy() for label in LABELS]))
    images, labels = (np.load(tmp_path / f"{name}.npy", mmap_mode="c") for name in ("images", "labels"))
    dataset = list(zip(images, labels))
    assert TrainingImages.from_dataset(dataset, 16, "pad", progress=False).labels.tolist() == LABELS
    mixed = GANAugmentedDataset(dataset, pool(channels=3), 0.5, mode="append", progress=False)
    out, targets = next(iter(DataLoader(mixed, batch_size=12)))
    assert torch.equal(shown(out.movedim(3, 1)), targets.argmax(dim=1))
    out, targets = SyntheticMix(pool(channels=3), 1.0)(images, labels)
    assert ((out[:, 0, 0, 0] - 100) // 10).tolist() == targets.argmax(axis=1).tolist() == LABELS
    assert SyntheticMix(pool(channels=3), 1.0)(images[1], labels[1])[1].tolist() == [0.0, 1.0, 0.0]


def test_booleans_are_two_classes():
    dataset = Items(lambda label: (picture(label), bool(label)), [0, 1] * 3)
    mixed = GANAugmentedDataset(dataset, pool(2, channels=3), 0.5, mode="append", progress=False)
    assert {type(mixed[index][1]) for index in range(len(mixed))} == {bool}
    assert TrainingImages.from_dataset(dataset, 16, "pad", progress=False).labels.tolist() == [0, 1] * 3


NO_TARGETS = {
    "several labels": torch.tensor([1, 1, 0]),
    "several booleans": np.array([True, True, False]),
    "no label": torch.tensor([0, 0, 0]),
    "floats": torch.tensor([0.2, 0.9, 0.4]),
    "nan": torch.tensor([float("nan"), 0.5, 0.5]),
    "a float": 1.5,
    "a float tensor": torch.tensor(1.0),
    "text": "cat",
    "nothing": None,
    "boxes": {"boxes": torch.zeros(1, 4)},
    "a matrix": torch.zeros(2, 2, dtype=torch.int64),
    "complex": torch.tensor(1j),
    "empty": torch.zeros(0, dtype=torch.int64),
    "meta": torch.zeros((), dtype=torch.int64, device="meta"),
    "sparse": torch.tensor([0, 1, 0]).to_sparse(),
    "uint16": torch.zeros((), dtype=torch.uint16),
    "several targets": (1, 2),
}


@pytest.mark.parametrize("name", NO_TARGETS)
def test_targets_of_other_tasks_are_refused_by_all_three(name):
    label = NO_TARGETS[name]
    dataset = Items(lambda _: (picture(0), label))
    source = pool(CLASSES, channels=3)
    messages = []
    for read in (
        lambda: TrainingImages.from_dataset(dataset, 16, "pad", progress=False),
        lambda: GANAugmentedDataset(dataset, source, 0.5, progress=False),
        lambda: SyntheticMix(source, 0.0)(picture(0), label),
    ):
        with pytest.raises((TypeError, ValueError), match=r"(?i)label") as caught:
            read()
        messages.append(str(caught.value))
    assert all("\n" not in message and len(message) < 500 for message in messages)


@pytest.mark.parametrize(
    "image",
    [
        torch.zeros(0, 16, 16),
        torch.zeros(3, 0, 16),
        torch.zeros(3, 16, 16, device="meta"),
        torch.zeros(3, 16, 16).to_sparse(),
        torch.zeros(3, 16, 16, dtype=torch.uint16),
        np.zeros((16, 16, 3), np.uint16),
        torch.zeros(3, 16, 16, dtype=torch.complex64),
    ],
    ids=["no channels", "no rows", "meta", "sparse", "uint16", "uint16 array", "complex"],
)
def test_images_without_usable_values_are_refused_by_all_three(image):
    dataset = Items(lambda label: (image, label))
    source = pool(CLASSES, channels=3)
    for read in (
        lambda: TrainingImages.from_dataset(dataset, 16, "pad", progress=False),
        lambda: GANAugmentedDataset(dataset, source, 0.5, progress=False),
        lambda: SyntheticMix(source, 0.0)(image, 1),
        lambda: SyntheticMix(source, 0.0)(image[None], torch.tensor([1])),
    ):
        with pytest.raises((TypeError, ValueError), match=r"(?i)image"):
            read()


@pytest.mark.parametrize(
    "item",
    [
        {"image": PIL.Image.new("RGB", (16, 16)), "pixel_values": picture(0), "label": 0},
        (picture(0), 0, picture(1)),
    ],
)
def test_items_with_two_images_are_refused_by_all_three(item):
    dataset, source = Items(lambda _: item), pool(channels=3)
    for read in (
        lambda: TrainingImages.from_dataset(dataset, 16, "pad", progress=False),
        lambda: GANAugmentedDataset(dataset, source, 0.5, progress=False),
        lambda: SyntheticMix(source, 0.0)(item),
    ):
        with pytest.raises(ValueError, match="one image"):
            read()


def test_entries_without_a_neutral_value_are_refused():
    boxes = tv_tensors.BoundingBoxes(torch.zeros(1, 4), format="XYXY", canvas_size=(16, 16))
    for extra in (boxes, object()):
        with pytest.raises(TypeError, match="an item may hold text, numbers"):
            GANAugmentedDataset(Items(lambda label, e=extra: (picture(label), label, e)), pool(channels=3), 0.5)


def test_mappings_are_collated_with_weights_and_flags():
    dataset = Items(lambda label: {"image": picture(label), "label": label, "path": "a.png"})
    mixed = GANAugmentedDataset(dataset, pool(channels=3), 0.5, mode="append", return_synthetic=True, progress=False)
    batch = next(iter(DataLoader(mixed, batch_size=12)))
    assert torch.equal(shown(batch["image"]), batch["label"])
    assert [path == "" for path in batch["path"]] == batch["is_synthetic"].tolist()
    out = SyntheticMix(pool(channels=3), 0.5, return_synthetic=True)(default_collate(list(dataset)))
    assert set(out) == {"image", "label", "path", "is_synthetic"}


def test_a_mapping_of_splits_is_refused():
    with pytest.raises(TypeError, match=r"a mapping of \['train', 'test'\]; pass one of them"):
        GANAugmentedDataset({"train": real(LABELS), "test": real(LABELS)}, pool(), 0.5)


# Transforms called by keyword ----------------------------------------------------------------------


def halved(*, image, **others):
    return {"image": (image // 2 * 2).astype(np.uint8), **others}


class ByKeyword(Dataset):
    """A data set that calls its transform by keyword, like those of Albumentations users."""

    def __init__(self, transform, **others):
        self.transform, self.others = transform, others

    def __len__(self):
        return len(LABELS)

    def __getitem__(self, index):
        image = np.full((16, 16, 3), LABELS[index], np.uint8)
        return self.transform(image=image, **self.others)["image"], LABELS[index]


@pytest.mark.parametrize("others", [{}, {"label": 1}])
def test_transforms_called_by_keyword_are_inherited(others):
    mixed = GANAugmentedDataset(ByKeyword(halved, **others), pool(channels=3), 0.5, mode="append", progress=False)
    for index in range(len(mixed)):
        image, label = mixed[index]
        assert (image.shape, image.dtype) == ((16, 16, 3), np.uint8)
        assert bool((image % 2 == 0).all())
        assert not mixed.is_synthetic(index) or (image[0, 0, 0] - 100) // 10 == label


@pytest.mark.slow
def test_albumentations_works_inherited_and_as_a_transform():
    albumentations = pytest.importorskip("albumentations")
    to_tensor = pytest.importorskip("albumentations.pytorch").ToTensorV2()
    steps = albumentations.Compose([albumentations.HorizontalFlip(), albumentations.Normalize(), to_tensor])
    for transform in ("inherit", steps):
        mixed = GANAugmentedDataset(ByKeyword(steps), pool(channels=3), 0.5, transform=transform, progress=False)
        images, _ = next(iter(DataLoader(mixed, batch_size=len(mixed))))
        assert images.shape == (len(mixed), 3, 16, 16)
        assert images.dtype == torch.float32
    image = np.zeros((16, 16, 3), np.uint8)
    flip = albumentations.HorizontalFlip(p=1.0)
    assert SyntheticMix(pool(channels=3), 1.0, transform=flip)(image, 1)[0].shape == (16, 16, 3)


@pytest.mark.parametrize("name", ["animal", "species"])
def test_an_unknown_name_of_the_label_is_shown_with_the_known_names(name):
    items = [{"image": picture(label), name: label} for label in LABELS]
    words = rf"a dict of \['image', '{name}'\]"
    with pytest.raises(TypeError, match=f'a key "label", but got {words}; rename the entry of the label, or'):
        GANAugmentedDataset(items, pool(channels=3), 0.5, progress=False)
    with pytest.raises(ValueError, match=f"Could not find the labels in {words}"):
        SyntheticMix(pool(channels=3))(default_collate(items))
