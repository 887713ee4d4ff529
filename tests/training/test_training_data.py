import weakref

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import IterableDataset, TensorDataset
from torchvision import tv_tensors

from gan_augment._core import resize_to_square
from gan_augment.data import TrainingImages, fingerprints

GREY = torch.randint(0, 256, (6, 1, 14, 12), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
COLOUR = torch.randint(0, 256, (6, 3, 14, 12), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def read(dataset, image_size=16, resize_mode="pad", **options):
    return TrainingImages.from_dataset(
        dataset, image_size, resize_mode, **{"conditional": False, "progress": False, **options}
    )


@pytest.mark.parametrize(
    "dataset",
    [
        GREY,
        list(GREY),
        list(GREY / 255),
        [image[0].numpy() for image in GREY],
        [PIL.Image.fromarray(image[0].numpy()) for image in GREY],
        [tv_tensors.Image(image) for image in GREY],
        [(image, 1) for image in GREY],
        [(image, 1, "more") for image in GREY],
        [[image] for image in GREY],
        TensorDataset(GREY, torch.zeros(6)),
    ],
)
def test_every_kind_of_data_set_gives_the_same_images(dataset):
    read_images = read(dataset)
    assert torch.equal(read_images.images, resize_to_square(GREY, 16, "pad"))
    assert (read_images.labels, read_images.num_classes, read_images.class_counts()) == (None, 0, [])
    assert read_images.source_size == (14, 12)
    assert torch.equal(read_images.fingerprints, fingerprints(GREY))
    assert len(read_images) == 6


def test_labels_are_class_indices_of_any_kind():
    labels = [0, np.int64(2), torch.tensor(1), np.uint8(2), 0, torch.tensor(0, dtype=torch.int8)]
    images = read(list(zip(GREY, labels)), conditional=True)
    assert images.labels.tolist() == [0, 2, 1, 2, 0, 0]
    assert images.labels.dtype == torch.int64
    assert (images.num_classes, images.class_counts()) == (3, [3, 1, 2])


def test_grey_and_rgb_together_are_rgb():
    images = read([*GREY[:2], *COLOUR[:2]])
    assert images.images.shape == (4, 3, 16, 16)
    assert torch.equal(images.images[0, 0], images.images[0, 2])
    assert not torch.equal(images.images[2, 0], images.images[2, 2])


@pytest.mark.parametrize(("channels", "dataset"), [(1, COLOUR), (3, GREY), (1, GREY), (3, COLOUR)])
def test_channels_are_as_asked(channels, dataset):
    assert read(dataset, channels=channels).images.shape == (6, channels, 16, 16)


def test_fingerprints_are_of_the_images_before_the_fit():
    assert torch.equal(read(COLOUR, resize_mode="crop", channels=1).fingerprints, fingerprints(COLOUR))


def test_there_is_no_source_size_where_sizes_vary():
    assert read([GREY[0], GREY[0, :, :10]]).source_size is None


def test_the_images_are_a_copy():
    dataset = GREY.clone()
    images = read(dataset, image_size=16)
    before = images.images.clone()
    dataset.zero_()
    assert torch.equal(images.images, before)


@pytest.mark.parametrize(
    "label",
    [
        None,
        -1,
        0.5,
        1.0,
        "cat",
        [1, 1],
        torch.tensor(1.0),
        np.float32(1),
        torch.tensor([0.0, 1.0, 1.0]),
        torch.tensor([0, 1, 2]),
        np.array([1, 1, 0]),
        torch.tensor([1.7]),
    ],
    ids=repr,
)
def test_a_label_that_is_no_class_index_is_refused_with_its_item(label):
    with pytest.raises(ValueError, match=r"(?i)item 1 .*class"):
        read([(GREY[0], 0), (GREY[1], label)], conditional=True)


def test_unlabelled_images_with_classes_asked_for_are_refused():
    with pytest.raises(ValueError, match="a recipe without classes"):
        read(GREY, conditional=True)


class Stream(IterableDataset):
    def __iter__(self):
        return iter(GREY)


@pytest.mark.parametrize("dataset", [Stream(), iter(GREY), (image for image in GREY), 3, None])
def test_what_is_not_map_style_is_refused(dataset):
    with pytest.raises(TypeError, match="dataset must be map-style"):
        read(dataset)


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="it is empty"):
        read([])


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        ("a.png", TypeError, "str"),
        (PIL.Image.new("RGBA", (8, 8)), ValueError, "RGBA"),
        (torch.zeros(4, 8, 8), ValueError, "shape"),
        (torch.full((1, 8, 8), -1.0), ValueError, "between 0 and 1"),
        (torch.zeros(1, 17, 8), ValueError, "at most 16 px"),
    ],
)
def test_what_is_no_image_is_refused(image, error, message):
    with pytest.raises(error, match=message):
        read([GREY[0], image])


@pytest.mark.parametrize(
    ("item", "error"),
    [
        ("a.png", TypeError),
        (PIL.Image.new("RGBA", (8, 8)), ValueError),
        (torch.full((1, 8, 8), -1.0), ValueError),
        (torch.zeros(1, 17, 8), ValueError),
        ((GREY[0], "cat"), ValueError),
    ],
)
def test_a_bad_item_is_named_by_its_index(item, error):
    with pytest.raises(error, match=r"(?i)item 2 "):
        read([(GREY[0], 0), (GREY[1], 0), item], conditional=True)


def test_a_file_that_cannot_be_read_is_named_by_its_index():
    class Damaged(torch.utils.data.Dataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            if index == 1:
                raise OSError("image file is truncated")
            return GREY[index]

    with pytest.raises(ValueError, match="Item 1 of the data set cannot be read: image file is truncated"):
        read(Damaged())


@pytest.mark.parametrize("place", range(4))
def test_the_first_rgb_image_makes_all_rgb_wherever_it_comes(place):
    dataset = [*GREY[:3]]
    dataset.insert(place, COLOUR[0])
    images = read(dataset).images
    assert torch.equal(images, torch.stack([resize_to_square(image.expand(3, -1, -1), 16, "pad") for image in dataset]))


def test_grey_saved_as_rgb_stays_rgb():
    assert read(GREY.repeat(1, 3, 1, 1)).images.shape[1] == 3


def test_originals_are_read_once_in_order_and_not_kept():
    class Counting(torch.utils.data.Dataset):
        read, alive = [], weakref.WeakSet()

        def __len__(self):
            return 6

        def __getitem__(self, index):
            self.read.append(index)
            assert len(self.alive) <= 1
            image = GREY[index].clone()
            self.alive.add(image)
            return image

    dataset = Counting()
    read(dataset)
    assert dataset.read == list(range(6))


def test_a_subset_has_its_own_images_labels_and_fingerprints():
    images = read(list(zip(COLOUR, [0, 1, 2, 0, 1, 2])), conditional=True)
    part = images.subset([4, 0])
    assert torch.equal(part.images, images.images[[4, 0]])
    assert (part.labels.tolist(), part.class_counts(), part.num_classes) == ([1, 0], [1, 1, 0], 3)
    assert torch.equal(part.fingerprints, fingerprints(COLOUR[[0, 4]]))
    assert part.digest() == images.subset(torch.tensor([4, 0])).digest() != images.subset([0, 4]).digest()
    assert images.subset(range(6)).digest() == images.digest()


@pytest.mark.parametrize("indices", [[], [-1], [6], [0.0], torch.ones(6, dtype=torch.bool), [[0]], 0])
def test_what_are_no_indices_are_refused(indices):
    with pytest.raises(ValueError, match="indices must be"):
        read(GREY).subset(indices)


def test_copies_of_an_image_have_one_fingerprint():
    assert len(read([GREY[0], GREY[0], GREY[1]]).fingerprints) == 2


def labelled_images(labels):
    images = torch.arange(len(labels), dtype=torch.int32).view(torch.uint8).reshape(-1, 1, 2, 2)
    return read(list(zip(images, labels)), image_size=2, conditional=True)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_split_is_a_stratified_partition(data):
    counts = data.draw(st.lists(st.integers(1, 30), min_size=1, max_size=6))
    labels = data.draw(st.permutations([label for label, count in enumerate(counts) for _ in range(count)]))
    images = labelled_images(labels)
    most = len(labels) - len(counts)
    held_out = data.draw(st.floats(0, 1) | st.integers(0, most))
    seed = data.draw(st.integers(0, 2**63 - 1))
    train, held = images.split(held_out, seed)
    wanted = held_out if isinstance(held_out, int) else min(round(held_out * len(labels)), most)
    held_counts = [0] * len(counts) if held is None else held.class_counts()
    assert sum(held_counts) == wanted
    assert (held is None) == (wanted == 0)
    assert min(train.class_counts()) >= 1
    parts = train.hashes if held is None else torch.cat([train.hashes, held.hashes])
    assert sorted(parts.tolist()) == sorted(images.hashes.tolist())
    if wanted <= most * 0.5:  # else the last images of small classes move the others' shares
        for count, here in zip(counts, held_counts):
            assert abs(here - wanted * count / len(labels)) < 2
    again, _ = images.split(held_out, seed)
    assert again.digest() == train.digest()


def test_a_split_depends_on_the_seed_and_keeps_the_order():
    images = labelled_images([0, 1] * 20)
    first, second = images.split(0.25, 0), images.split(0.25, 1)
    assert first[1].class_counts() == [5, 5]
    assert first[1].digest() != second[1].digest()
    places = [images.hashes.tolist().index(value) for value in first[0].hashes.tolist()]
    assert places == sorted(places)


def test_images_without_labels_are_split_too():
    train, held = read(GREY).split(2, 0)
    assert (len(train), len(held), held.labels) == (4, 2, None)
    assert set(train.fingerprints.tolist()).isdisjoint(held.fingerprints.tolist())


def test_all_but_one_image_of_each_class_can_be_held_out():
    train, _ = labelled_images([0, 0, 1, 1, 1]).split(1.0, 0)
    assert train.class_counts() == [1, 1]


@pytest.mark.parametrize(
    ("held_out", "error"),
    [(-1, ValueError), (6, ValueError), (1.5, ValueError), (float("nan"), ValueError), ("3", TypeError)],
)
def test_what_is_no_share_or_count_is_refused(held_out, error):
    with pytest.raises(error, match="held_out must be"):
        read(GREY).split(held_out, 0)
