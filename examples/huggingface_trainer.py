"""Wraps a data set of Hugging Face's ``datasets``, and trains on it with the ``Trainer`` of transformers.

    pip install datasets transformers "gan-augment[demo]"
    python examples/huggingface_trainer.py

Synthetic items are dictionaries with the same keys as the real ones. The Trainer tells the wrapped data set when
an epoch starts. The evaluation data stay as they are.
"""

import argparse
import tempfile

import datasets
import numpy as np
import torch
from torch import nn
from transformers import Trainer, TrainingArguments

from gan_augment import GANAugmentedDataset
from gan_augment.demo import load_digits


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))

    def forward(self, image, label):
        logits = self.layers(image)
        return {"loss": nn.functional.cross_entropy(logits, label), "logits": logits}


def collate(items: list[dict]) -> dict[str, torch.Tensor]:
    images = np.stack([np.asarray(item["image"], dtype=np.float32) / 255 for item in items])
    return {"image": torch.from_numpy(images)[:, None], "label": torch.tensor([item["label"] for item in items])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    images, labels = load_digits()
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=[str(digit) for digit in range(10)])}
    )
    columns = {"image": [image[0].numpy() for image in images[::5]], "label": labels[::5].tolist()}
    digits = datasets.Dataset.from_dict(columns, features=features).train_test_split(0.5, seed=0)
    train = GANAugmentedDataset(digits["train"], "dcgan-mnist-32", ratio=0.25)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            num_train_epochs=options.epochs,
            per_device_train_batch_size=50,
            learning_rate=1e-3,
            save_strategy="no",
            report_to=[],
            remove_unused_columns=False,
            label_names=["label"],
        )
        trainer = Trainer(
            model=Classifier(),
            args=arguments,
            data_collator=collate,
            train_dataset=train,
            eval_dataset=digits["test"],
            compute_metrics=lambda found: {"accuracy": (found.predictions.argmax(1) == found.label_ids).mean()},
        )
        trainer.train()
        print(f"accuracy: {trainer.evaluate()['eval_accuracy']:.1%}")


if __name__ == "__main__":
    main()
