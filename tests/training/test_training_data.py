import numpy as np
import PIL.Image
import pytest
import torch
from torch.utils.data import IterableDataset, TensorDataset
from torchvision import tv_tensors

from gan_augment.metrics import fingerprints
from gan_augment.models.images import fit_image
from gan_augment.training._data import TrainingImages

GREY = torch.randint(0, 256, (6, 1, 14, 12), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
COLOUR = torch.randint(0, 256, (6, 3, 14, 12), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def read(dataset, image_size=16, fit="pad", **options):
    return TrainingImages.from_dataset(dataset, image_size, fit, **{"conditional": False, "progress": False, **options})


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
    assert torch.equal(read_images.images, fit_image(GREY, 16, "pad"))
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
    assert torch.equal(read(COLOUR, fit="crop", channels=1).fingerprints, fingerprints(COLOUR))


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
        True,
        "cat",
        [0, 1],
        torch.tensor(1.0),
        torch.tensor(True),
        np.float32(1),
        torch.tensor([0.0, 1.0, 0.0]),
        torch.tensor([0, 1, 0]),
        np.array([0, 1, 0]),
        torch.tensor([1.7]),
    ],
    ids=repr,
)
def test_a_label_that_is_no_class_index_is_refused_with_its_item(label):
    with pytest.raises(ValueError, match=r"A label must be a class index .* item 1 "):
        read([(GREY[0], 0), (GREY[1], label)], conditional=True)


def test_unlabelled_images_with_classes_asked_for_are_refused():
    with pytest.raises(ValueError, match="conditional=False"):
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
