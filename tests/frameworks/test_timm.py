"""timm's data sets and loaders."""

import PIL.Image
import pytest
import torch

from gan_augment import GANAugmentedDataset, SyntheticMix

from .conftest import CLASSES, DARK, SIZE

timm_data = pytest.importorskip("timm.data", reason="timm is in the extra dev")


def loader(dataset, training):
    return timm_data.create_loader(
        dataset,
        input_size=(3, SIZE, SIZE),
        batch_size=8,
        is_training=training,
        no_aug=True,
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        num_workers=0,
        use_prefetcher=False,
        device=torch.device("cpu"),
        persistent_workers=False,
    )


def dataset(folder, training):
    return timm_data.create_dataset("", root=str(folder), is_training=training)


def run(train, evaluation, seen, mix=None):
    """Two epochs of training and validation."""
    for epoch in range(2):
        if hasattr(train.dataset, "set_epoch"):
            train.dataset.set_epoch(epoch)
        for images, labels in train:
            if mix is not None:
                images, labels = mix(images, labels)
            seen.note(images, labels, True)
        for images, labels in evaluation:
            seen.note(images, labels, False)


def test_plain(folder, seen):
    run(loader(dataset(folder, True), True), loader(dataset(folder, False), False), seen)
    assert sum(seen.train) == sum(seen.evaluation) == 0


@pytest.mark.parametrize("mode", ["replace", "append", "balance"])
def test_a_wrapped_data_set_gets_the_transform_of_the_loader(folder, pool, seen, mode):
    train = GANAugmentedDataset(dataset(folder, True), pool, 0.25, mode=mode, num_classes=len(CLASSES), progress=False)
    run(loader(train, True), loader(dataset(folder, False), False), seen)
    assert len(seen.train) == 2 * (len(train) // 8)
    assert sum(seen.train) > 0
    assert sum(seen.evaluation) == 0


def test_a_transform_of_batches(folder, pool, seen):
    mix = SyntheticMix(pool, 0.25)
    run(loader(dataset(folder, True), True), loader(dataset(folder, False), False), seen, mix)
    assert seen.train == [2] * 6
    assert sum(seen.evaluation) == 0


def test_photos_of_several_shapes_get_their_transform_from_the_loader_after_wrapping(tmp_path, pool, seen):
    sides = [(SIZE, 2 * SIZE), (2 * SIZE, SIZE), (SIZE, SIZE)]  # the first is no square like the synthetic images
    for label, name in enumerate(CLASSES):
        (tmp_path / name).mkdir()
        for number in range(8):
            photo = PIL.Image.new("RGB", sides[number % 3], (DARK + label,) * 3)
            photo.save(tmp_path / name / f"{number}.png")
    train = GANAugmentedDataset(dataset(tmp_path, True), pool, 0.25, progress=False)
    run(loader(train, True), loader(dataset(tmp_path, False), False), seen)
    assert sum(seen.train) == 12
    assert sum(seen.evaluation) == 0
