"""Lightning's Trainer."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from gan_augment import GANAugmentedDataset, SyntheticMix

from .conftest import SIZE

lightning = pytest.importorskip("lightning", reason="lightning is in the extra dev")


class Classifier(lightning.LightningModule):
    """A linear classifier that mixes by ``self.mix`` after the transfer of a batch, if it has one."""

    def __init__(self, seen, mix=None):
        super().__init__()
        self.seen, self.mix, self.head = seen, mix, nn.Linear(3 * SIZE**2, 3)

    def on_after_batch_transfer(self, batch, dataloader_idx):
        return batch if self.mix is None else self.mix(*batch)

    def training_step(self, batch, _):
        images, labels = batch
        self.seen.note(images, labels, True)
        return nn.functional.cross_entropy(self.head(images.flatten(1)), labels)

    def validation_step(self, batch, _):
        self.seen.note(*batch, False)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)


class SetEpoch(lightning.Callback):
    """Tells the data set of each epoch, as README.md says."""

    def on_train_epoch_start(self, trainer, module):
        trainer.train_dataloader.dataset.set_epoch(trainer.current_epoch)


def fit(model, train, arrays, *callbacks):
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
    )
    trainer.fit(model, DataLoader(train, batch_size=8, shuffle=True), DataLoader(TensorDataset(*arrays), batch_size=8))
    return model


def test_plain(arrays, seen):
    fit(Classifier(seen), TensorDataset(*arrays), arrays)
    assert sum(seen.train) == sum(seen.evaluation) == 0


def test_a_mix_that_is_a_part_of_the_model_mixes_training_batches_alone(arrays, pool, seen):
    model = fit(Classifier(seen, SyntheticMix(pool, 0.25)), TensorDataset(*arrays), arrays)
    assert seen.train == [2] * 6
    assert len(seen.evaluation) >= 6
    assert sum(seen.evaluation) == 0
    assert set(model.state_dict()) == {"head.weight", "head.bias"}


@pytest.mark.parametrize("mode", ["replace", "append", "balance"])
def test_a_wrapped_data_set(arrays, pool, seen, mode):
    train = GANAugmentedDataset(TensorDataset(*arrays), pool, 0.25, mode=mode, progress=False)
    fit(Classifier(seen), train, arrays, SetEpoch())
    assert sum(seen.train) == 2 * int(train.synthetic_mask().sum()) > 0
    assert train.epoch == 1
    assert sum(seen.evaluation) == 0
