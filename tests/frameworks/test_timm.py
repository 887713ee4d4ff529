"""timm's data sets and loaders."""

import pytest
import torch

from gan_augment import GANAugmentedDataset, SyntheticMix

from .conftest import CLASSES, SIZE

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
