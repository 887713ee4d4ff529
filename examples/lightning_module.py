"""Lightning: three ways to mix, all in training only. A score on synthetic images would say little about real ones.

    pip install lightning "gan-augment[demo]"
    python examples/lightning_module.py --way batch

* ``batch``: the mix is a part of the module and runs after the transfer, on the device. Lightning sets the mode of the
  module, so validation batches pass unchanged.
* ``collate``: the training loader's ``collate_fn`` mixes, in its workers. Give the validation loader no such function:
  a collate function does not know whether the model trains, and mixed validation batches would measure nothing.
* ``dataset``: the training set is wrapped. A callback tells it the epoch, so that a run can be repeated.
"""

import argparse
from functools import partial

import lightning
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, default_collate

from gan_augment import GANAugmentedDataset, SyntheticMix
from gan_augment.demo import load_digits


class Digits(lightning.LightningModule):
    def __init__(self, mix: SyntheticMix | None) -> None:
        super().__init__()
        self.mix = mix
        self.model = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))

    def on_after_batch_transfer(self, batch, dataloader_idx):
        # Lightning calls this in validation too. There, the mix is in eval mode and returns the batch unchanged.
        return batch if self.mix is None else self.mix(*batch)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return nn.functional.cross_entropy(self.model(images), labels)

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.log("accuracy", (self.model(images).argmax(1) == labels).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-3)


def mixing_collate(mix: SyntheticMix, samples: list):
    return mix(*default_collate(samples))  # a function of the module, because workers may have to pickle it


class SetEpoch(lightning.Callback):
    def on_train_epoch_start(self, trainer, module):
        trainer.train_dataloader.dataset.set_epoch(trainer.current_epoch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--way", choices=["batch", "collate", "dataset"], default="batch")
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    images, labels = load_digits()
    images = images.float() / 255
    train, validation = TensorDataset(images[::10], labels[::10]), TensorDataset(images[1::2], labels[1::2])
    mix, collate, callbacks = SyntheticMix("dcgan-mnist-32", ratio=0.25), default_collate, []
    if options.way == "collate":
        collate = partial(mixing_collate, mix)
    elif options.way == "dataset":
        train, callbacks = GANAugmentedDataset(train, "dcgan-mnist-32", ratio=0.25), [SetEpoch()]
    trainer = lightning.Trainer(
        max_epochs=options.epochs, logger=False, enable_checkpointing=False, callbacks=callbacks, devices=1
    )
    loader = DataLoader(train, batch_size=50, shuffle=True, collate_fn=collate)
    trainer.fit(Digits(mix if options.way == "batch" else None), loader, DataLoader(validation, batch_size=500))
    print(f"accuracy: {trainer.callback_metrics['accuracy']:.1%}")


if __name__ == "__main__":
    main()
