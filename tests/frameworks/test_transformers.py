"""transformers' Trainer."""

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset, default_collate

from gan_augment import GANAugmentedDataset, SyntheticMix

from .conftest import SIZE

transformers = pytest.importorskip("transformers", reason="transformers is in the extra dev")


class Classifier(nn.Module):
    """A linear classifier that mixes by a part of its own, if it has one."""

    def __init__(self, seen, mix=None):
        super().__init__()
        self.seen, self.mix, self.head = seen, mix, nn.Linear(3 * SIZE**2, 3)

    def forward(self, pixel_values, labels):
        if self.mix is not None:
            pixel_values, labels = self.mix(pixel_values, labels)
        self.seen.note(pixel_values, labels, self.training)
        logits = self.head(pixel_values.flatten(1))
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


def collate(samples):
    images, labels = default_collate(samples)
    return {"pixel_values": images, "labels": labels}


def train(model, data, arrays, folder, collator=collate, kind=None):
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=8,
        per_device_eval_batch_size=8,
        num_train_epochs=2,
        eval_strategy="epoch",
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )
    trainer = (kind or transformers.Trainer)(
        model=model, args=arguments, data_collator=collator, train_dataset=data, eval_dataset=TensorDataset(*arrays)
    )
    trainer.train()


def test_plain(arrays, seen, tmp_path):
    train(Classifier(seen), TensorDataset(*arrays), arrays, tmp_path)
    assert sum(seen.train) == sum(seen.evaluation) == 0


@pytest.mark.parametrize("mode", ["replace", "append", "balance"])
def test_a_wrapped_training_set_is_told_of_the_epoch_and_leaves_evaluation_alone(arrays, pool, seen, tmp_path, mode):
    data = GANAugmentedDataset(TensorDataset(*arrays), pool, 0.25, mode=mode, progress=False)
    train(Classifier(seen), data, arrays, tmp_path)
    assert sum(seen.train) == 2 * int(data.synthetic_mask().sum()) > 0
    assert data.epoch_is_set
    assert data.epoch == 1
    assert len(seen.evaluation) == 6
    assert sum(seen.evaluation) == 0


def test_a_mix_that_is_a_part_of_the_model_mixes_training_batches_alone(arrays, pool, seen, tmp_path):
    train(Classifier(seen, SyntheticMix(pool, 0.25)), TensorDataset(*arrays), arrays, tmp_path)
    assert seen.train == [2] * 6
    assert len(seen.evaluation) == 6
    assert sum(seen.evaluation) == 0


class TwoCollators(transformers.Trainer):
    """A trainer whose training loader alone mixes, as docs/labels.md writes it down."""

    mix = None

    def get_train_dataloader(self):
        plain, self.data_collator = self.data_collator, MixingCollator(self.data_collator, self.mix)
        try:
            return super().get_train_dataloader()
        finally:
            self.data_collator = plain


class MixingCollator:
    def __init__(self, collator, mix):
        self.collator, self.mix = collator, mix

    def __call__(self, samples):
        return self.mix(self.collator(samples))


def test_a_collator_of_the_training_loader_mixes_training_batches_alone(arrays, pool, seen, tmp_path):
    class Mixing(TwoCollators):
        mix = SyntheticMix(pool, 0.25)

    train(Classifier(seen), TensorDataset(*arrays), arrays, tmp_path, kind=Mixing)
    assert seen.train == [2] * 6
    assert len(seen.evaluation) == 6
    assert sum(seen.evaluation) == 0


def test_a_mix_takes_the_batches_of_a_collator(arrays, pool):
    batch = collate(list(zip(*arrays)))
    mixed = SyntheticMix(pool, 1.0)(batch)
    assert list(mixed) == ["pixel_values", "labels"]
    assert torch.equal(mixed["labels"], arrays[1])
