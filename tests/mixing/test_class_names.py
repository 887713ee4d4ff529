"""Class names are found wherever a library keeps them, and compared, so that labels never go wrong silently."""

import warnings
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import ConcatDataset, Dataset, Subset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from gan_augment import Conditional, GANAugmentedDataset, SyntheticMix, SyntheticPool
from gan_augment._core import differing_class
from gan_augment._core._class_names import _words
from gan_augment.data import TrainingImages, find_class_names

from .helpers import Digits, pool, real, shown

LABELS = [0, 1, 2] * 4
NAMES = ["ant", "bee", "cat"]


def named(names):
    """Returns a source with these class names."""
    plain = pool(len(names))
    return SyntheticPool(plain.rows(torch.arange(len(plain))), plain.labels, class_names=names)


def augmented(dataset, source, **options):
    return GANAugmentedDataset(dataset, source, 0.25, mode="append", progress=False, **options)


class Labelled(Dataset):
    """A data set with the attributes of some library."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)

    def __len__(self):
        return len(LABELS)

    def __getitem__(self, index):
        return torch.full((1, 16, 16), LABELS[index] / 255), LABELS[index]


class Wrapper(Dataset):
    """A user's wrapper, which may change labels."""

    def __init__(self, dataset, relabel=lambda label: label):
        self.dataset, self.relabel = dataset, relabel

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        image, label = self.dataset[index]
        return image, self.relabel(label)


def index_of(names):
    return {name: index for index, name in enumerate(names)}


KEPT = [
    lambda names: Labelled(classes=names),
    lambda names: Labelled(classes=np.array(names)),
    lambda names: Labelled(classes=np.array(names).astype("S")),
    lambda names: Labelled(classes=[name.encode() for name in names]),
    lambda names: Labelled(class_to_idx=index_of(names)),
    lambda names: Labelled(class_to_idx=dict(reversed(index_of(names).items()))),
    lambda names: Labelled(class_names=tuple(names)),
    lambda names: Labelled(vocab=names),
    lambda names: Labelled(class_indices=index_of(names)),
    lambda names: Labelled(idx2label=dict(enumerate(names))),
    lambda names: Labelled(classes=sorted(names), class_to_idx=index_of(names)),
    lambda names: Labelled(classes=set(names), class_to_idx=index_of(names)),
    lambda names: Labelled(id2label=dict(enumerate(names))),
    lambda names: Labelled(reader=SimpleNamespace(class_to_idx=index_of(names))),
    lambda names: Labelled(info={"label": {str(index): name for index, name in enumerate(names)}}),
    lambda names: Labelled(metainfo={"classes": names}),
    lambda names: Subset(Labelled(classes=names), range(6)),
    lambda names: ConcatDataset([Labelled(classes=names), Labelled(class_to_idx=index_of(names))]),
    lambda names: Wrapper(Labelled(classes=names)),
    lambda names: Subset(
        Wrapper(Subset(Labelled(reader=SimpleNamespace(class_to_idx=index_of(names))), range(9))), [0, 1]
    ),
    lambda names: Labelled(classes=names, targets=LABELS, transforms=v2.Compose([v2.Identity()])),
]


@pytest.mark.parametrize("keep", KEPT)
def test_names_are_found_and_compared(keep):
    data = keep(NAMES)
    assert find_class_names(data) == tuple(NAMES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        augmented(data, named(NAMES), num_classes=3)
    with pytest.raises(ValueError, match=r"class 0 is 'ant' in the source and 'cat' in the data.*\{0: 2, 1: 1, 2: 0\}"):
        augmented(keep(NAMES[::-1]), named(NAMES))


def test_names_without_an_order_are_ignored():
    assert find_class_names(Labelled(classes=set(NAMES))) is None


def test_a_list_of_names_takes_precedence_over_a_mapping_with_other_names():
    assert find_class_names(Labelled(classes=NAMES, class_to_idx={"n01": 0, "n02": 1, "n03": 2})) == tuple(NAMES)


@pytest.mark.parametrize("labels", ["same", "conditional", Conditional()])
def test_names_are_compared_for_every_policy_that_matches_by_index(labels):
    with pytest.raises(ValueError, match="class 0 is 'ant'"):
        augmented(Labelled(classes=NAMES[::-1]), named(NAMES), labels=labels)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_timm_sorts_folders_differently_from_image_folder(tmp_path):
    timm = pytest.importorskip("timm")
    for name in ("10", "9", "B", "a"):
        (tmp_path / name).mkdir()
        for number in range(2):
            PIL.Image.new("L", (16, 16)).save(tmp_path / name / f"{number}.png")
    folder, theirs = ImageFolder(tmp_path), timm.data.create_dataset("", tmp_path)
    assert folder.classes != list(find_class_names(theirs))
    with pytest.raises(ValueError, match=r"class_map=\{0: 1, 1: 0, 2: 3, 3: 2\}"):
        augmented(theirs, named(folder.classes))
    data = augmented(theirs, named(find_class_names(theirs)))
    assert data.classes == ["9", "10", "a", "B"]
    assert data.class_to_idx["B"] == 3


def hugging_face(**features):
    datasets = pytest.importorskip("datasets")
    columns = {"image": [PIL.Image.new("L", (16, 16), label) for label in LABELS], "label": LABELS, **features}
    known = {"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)}
    known |= {name: datasets.ClassLabel(names=["x", "y", "z"]) for name in features}
    return datasets.Dataset.from_dict(columns, features=datasets.Features(known))


def renamed(rows):
    images = [v2.functional.to_image(image) for image in rows["image"]]
    return {"pixel_values": images, "labels": rows["label"]}


@pytest.mark.slow
@pytest.mark.parametrize("prepare", [lambda data: data, lambda data: data.with_transform(renamed)])
def test_names_of_hugging_face_features(prepare):
    data = prepare(hugging_face())
    mixed = augmented(data, named(NAMES))
    assert len(mixed) == 16
    assert mixed[15].keys() == data[0].keys()
    with pytest.raises(ValueError, match="class 0 is 'cat'"):
        augmented(data, named(NAMES[::-1]))


@pytest.mark.slow
def test_names_come_from_the_label_column():
    data = hugging_face(coarse_label=LABELS)
    assert find_class_names(data) == tuple(NAMES)
    assert find_class_names(data.with_transform(renamed)) is None  # either column could be the label
    assert TrainingImages.from_dataset(data, 16, "pad", progress=False).class_names == tuple(NAMES)


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrap", [lambda label, feature: ({"label": label}, {"label": feature}), lambda label, feature: ([label], [feature])]
)
def test_names_of_nested_hugging_face_features(wrap):
    datasets = pytest.importorskip("datasets")
    feature = wrap(0, datasets.ClassLabel(names=NAMES))[1]
    features = datasets.Features(image=datasets.Image(), about=feature) if isinstance(feature, dict) else None
    features = features or datasets.Features(image=datasets.Image(), label=feature)
    key = next(name for name in features if name != "image")
    rows = [{"image": PIL.Image.new("L", (16, 16), label), key: wrap(label, None)[0]} for label in LABELS]
    data = datasets.Dataset.from_list(rows, features=features)
    assert find_class_names(data) == tuple(NAMES)
    with pytest.raises(ValueError, match="class 0 is 'cat'"):
        augmented(data, named(NAMES[::-1]))


@pytest.mark.parametrize("relabel", [lambda label: (label + 1) % 3, lambda label: label // 2])
def test_names_below_a_wrapper_that_changes_labels_are_ignored(relabel):
    assert find_class_names(Wrapper(Labelled(classes=NAMES), relabel)) is None
    changed = Labelled(classes=NAMES, targets=LABELS, target_transform=relabel)
    changed.__class__ = type(
        "Changed", (Labelled,), {"__getitem__": lambda s, i: (torch.zeros(1, 16, 16), relabel(LABELS[i]))}
    )
    assert find_class_names(changed) is None
    assert TrainingImages.from_dataset(changed, 16, "pad", progress=False).class_names is None


def test_data_without_names_give_a_warning_if_the_names_of_the_source_are_not_just_numbers():
    with pytest.warns(UserWarning, match=r"class 0 is 'ant'.*set `classes` of the data set.*class_map") as caught:
        augmented(real(LABELS), named(NAMES))
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="names"):
        augmented(Labelled(), named(["1", "0", "2"]))


@pytest.mark.parametrize(
    "names", [["0", "1", "2"], ["class 0", "class 1", "class 2"], ["0 - zero", "1 - one", "2 - two"]]
)
def test_names_that_are_just_numbers_give_no_warning(names):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        augmented(real(LABELS), named(names))
        augmented(real(LABELS), pool())
        augmented(real(LABELS), named(NAMES), labels=Conditional({0: 0, 1: 1, 2: 2}))


def test_setting_classes_removes_the_warning():
    data = real(LABELS)
    data.classes = NAMES
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        augmented(data, named(NAMES))


@pytest.mark.parametrize(
    "classes", [NAMES[::-1], tuple(NAMES[::-1]), index_of(NAMES[::-1]), Labelled(classes=NAMES[::-1])]
)
def test_a_mix_compares_the_names_that_it_is_given(classes):
    with pytest.raises(ValueError, match=r"class 0 is 'ant' in the source and 'cat' in the data"):
        SyntheticMix(named(NAMES), 1.0, classes=classes)
    mix = SyntheticMix(named(NAMES[::-1]), 1.0, classes=classes)
    images, labels = mix(torch.zeros(3, 1, 16, 16), torch.arange(3))
    assert torch.equal(shown(images), labels)
    mapped = SyntheticMix(named(NAMES), 1.0, classes=classes, labels=Conditional({0: 2, 1: 1, 2: 0}))
    assert shown(mapped(torch.zeros(3, 1, 16, 16), torch.arange(3))[0]).tolist() == [2, 1, 0]


def test_a_mix_infers_the_number_of_classes_from_their_names():
    with pytest.raises(ValueError, match="it has 3 and the data have 2"):
        SyntheticMix(named(NAMES), classes=["ant", "bee"])
    rows = SyntheticMix(named(NAMES), 1.0, classes=NAMES, labels="uniform")(
        torch.zeros(1, 1, 16, 16), torch.tensor([1])
    )
    assert rows[1].shape == (1, 3)


@pytest.mark.parametrize("classes", ["ant", 3, [1.5], [], real(LABELS), {"ant": 0, "bee": 5}])
def test_a_mix_refuses_classes_without_names(classes):
    with pytest.raises(TypeError, match="classes must be names"):
        SyntheticMix(named(NAMES), classes=classes)


def test_a_mix_refuses_names_that_do_not_match_num_classes():
    with pytest.raises(ValueError, match="classes must name each of num_classes=3, but names 2 classes"):
        SyntheticMix(named(NAMES), classes=NAMES[:2], num_classes=3)
    SyntheticMix(named(NAMES), classes=NAMES, num_classes=4, labels=3)  # a class of its own


def test_fitting_drops_the_names_of_last_classes_without_images():
    images = TrainingImages.from_dataset(Labelled(classes=[*NAMES, "dog"]), 16, "pad", progress=False)
    assert images.class_names == tuple(NAMES)


def test_a_mix_warns_if_the_source_has_no_names_to_compare():
    with pytest.warns(UserWarning, match="source has no class names"):
        SyntheticMix(pool(), classes=NAMES)


@pytest.mark.parametrize(
    ("first", "second", "differs"),
    [
        (["Shirt", "T-shirt/top"], ["T-shirt/top", "Shirt"], 0),
        (["woman", "woman, smiling"], ["woman, smiling", "woman"], 0),
        (["C", "C++"], ["C++", "C"], 0),
        (["+", "-"], ["-", "+"], 0),
        (["a", "rose", "tea rose"], ["a", "tea rose", "rose"], 1),
        (["Ankle_boot", "bag"], ["ankle boot", "Bag"], None),
        (["0", "1"], ["0 - zero", "1 - one"], None),
        (["caf\u00e9"], ["cafe\u0301"], None),
        (["Shirt", "T-shirt/top"], ["shirt", "t shirt top"], None),
    ],
)
def test_names_agree_with_one_class_only(first, second, differs):
    assert differing_class(first, second) == differs


WORDS = st.lists(st.text("ab c+", max_size=5), max_size=7)


@given(WORDS, WORDS)
def test_names_are_compared_as_if_each_were_compared_with_all(first, second):
    ours, theirs = ([set(_words(name)) for name in names] for names in (first, second))

    def alone(words, others, index):
        return [place for place, other in enumerate(others) if words <= other or other <= words] == [index]

    expected = (
        index
        for index, (one, other) in enumerate(zip(ours, theirs))
        if _words(first[index]) != _words(second[index])
        and not (alone(one, theirs, index) and alone(other, ours, index))
    )
    assert differing_class(first, second) == next(expected, None)


@pytest.mark.parametrize("wrap", [lambda data: Subset(data, range(9)), lambda data: ConcatDataset([data, data])])
def test_names_set_on_a_subset_or_a_concatenation_are_used(wrap):
    data = wrap(Labelled())
    data.classes = NAMES
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mixed = augmented(data, named(NAMES))
    assert mixed.classes == NAMES
    assert mixed.class_to_idx == index_of(NAMES)
    with pytest.raises(ValueError, match="class 0 is 'cat' in the source and 'ant' in the data"):
        augmented(data, named(NAMES[::-1]))


def test_parts_with_different_classes_for_a_label_are_refused():
    data = ConcatDataset([Labelled(classes=NAMES), Labelled(classes=["ant", "cat"]), Labelled()])
    words = r"class 1 is 'bee' in one and 'cat' in another; give the parts the same labels, and set `classes`"
    for read in (
        lambda: augmented(data, pool()),
        lambda: TrainingImages.from_dataset(data, 16, "pad", progress=False),
        lambda: SyntheticMix(pool(), classes=data),
    ):
        with pytest.raises(ValueError, match=words):
            read()
    data.classes = NAMES
    augmented(data, pool())
    longer = ConcatDataset([Labelled(classes=NAMES[:2]), Labelled(classes=["Ant", "Bee", "Cat"])])
    assert find_class_names(longer) == ("Ant", "Bee", "Cat")


class Delegating(Wrapper):
    """A wrapper that forwards all attributes of the wrapped data set."""

    def __getattr__(self, name):
        if name == "dataset" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.dataset, name)


def test_names_that_a_wrapper_forwards_are_ignored_if_it_changes_labels():
    assert find_class_names(Delegating(Labelled(classes=NAMES))) == tuple(NAMES)
    changed = Delegating(Labelled(classes=NAMES), lambda label: (label + 1) % 3)
    assert find_class_names(changed) is None
    with pytest.warns(UserWarning, match="the data set does not"):
        augmented(changed, named(NAMES))


def test_names_are_found_below_a_wrapper_whatever_its_attribute_is_called():
    class Mine(Dataset):
        def __init__(self, data, shift=0):
            self.photos, self.shift = data, shift

        def __len__(self):
            return len(self.photos)

        def __getitem__(self, index):
            image, label = self.photos[index]
            return image, (label + self.shift) % 3

    assert find_class_names(Mine(Labelled(classes=NAMES))) == tuple(NAMES)
    assert find_class_names(Mine(Labelled(classes=NAMES), shift=1)) is None


def test_labels_and_names_are_checked_with_an_item_of_each_class():
    def swap(label):
        return {8: 9, 9: 8}.get(label, label)

    class Stale(Digits):
        def item(self, index):
            image, label = super().item(index)
            return image, swap(label)

    labels = [*range(8)] * 20 + [8, 9]
    assert find_class_names(Wrapper(Digits(labels), swap)) is None
    mixed = GANAugmentedDataset(Stale(labels), pool(10), 0.5, mode="append", progress=False)
    assert all(mixed[index][1] == mixed.targets[index] for index in range(len(mixed)))
