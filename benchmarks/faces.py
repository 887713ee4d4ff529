"""What generators of faces are worth, by judges that trained none of them.

    GAN_AUGMENT_DATA=DATA python -m benchmarks.faces dcgan-celeba-64 RUN/generator --judge JUDGE.safetensors

Each row is a generator, or real training faces in the place of samples. KID, precision and recall compare 1,000 samples
with the 1,000 held-out faces of CelebA, in two kinds of features: those of a network that learns the 40 attributes of
CelebA from the 9,000 training faces, and those of EfficientNet-Lite0, which flatter a generator that a projected
discriminator trained. "Face" is the share in which OpenCV's detector finds a face. "Agreement" is the share of samples,
all classes alike, in which the network of attributes sees the class asked for (Male and Smiling); for real faces, in
which it sees the labels.

The network of attributes is trained once, in minutes, and kept in the file JUDGE. The detector needs
``pip install "opencv-python-headless<5"``.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as V

from gan_augment import from_pretrained
from gan_augment.metrics import ClassifierFeatures, FeatureNetwork, load_features, measure
from gan_augment.models import sample_grid

from .data import FACES_HELD_OUT, Data, celeba, folder

STEPS, BATCH, WIDTH, COUNT = 1_500, 64, 32, 1_000
ASKED = ("Male", "Smiling")  # the classes of dcgan-celeba-attributes-64, the first the least significant bit
ZOOM = 4  # of a face before the detector looks for it
LEAST_FACE = 0.35  # of the image's side


def attributes() -> tuple[Tensor, list[str]]:
    """The attributes of all faces, float 0 or 1, and their names."""
    with np.load(folder() / "celeba-10k" / "attributes.npz", allow_pickle=False) as file:
        return torch.from_numpy(file["attributes"] > 0).float(), file["attribute_names"].tolist()


def network(outputs: int) -> nn.Sequential:
    """Four convolutions and two linear layers, for faces of 64 px."""
    layers: list[nn.Module] = []
    for before, after in zip((3, WIDTH, 2 * WIDTH, 4 * WIDTH), (WIDTH, 2 * WIDTH, 4 * WIDTH, 8 * WIDTH)):
        layers += [
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.MaxPool2d(2),
            nn.ReLU(),
        ]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8 * WIDTH, 128), nn.ReLU(), nn.Dropout(0.2)]
    return nn.Sequential(*layers, nn.Linear(128, outputs))


def load_judge(data: Data, path: Path) -> nn.Module:
    """The network of attributes, trained on the training faces if the file does not exist."""
    wanted, _ = attributes()
    model = network(wanted.shape[1])
    if path.exists():
        model.load_state_dict(load_file(path))
        return model.eval()
    torch.manual_seed(0)
    model = network(wanted.shape[1]).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        rows = torch.randint(0, len(data.train), (BATCH,))
        images = data.train[rows].float() / 255
        images = torch.where(torch.rand(BATCH, 1, 1, 1) < 0.5, images.flip(3), images)
        logits = model(images.contiguous(memory_format=torch.channels_last))
        loss = F.binary_cross_entropy_with_logits(logits, wanted[rows])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path)
    return model.eval()


@torch.no_grad()
def found_attributes(judge: nn.Module, images: Tensor) -> Tensor:
    """The attributes that the network sees, float 0 or 1."""
    return torch.cat([judge(batch.float() / 255) for batch in images.split(100)]).gt(0).float()


def face_share(images: Tensor) -> float:
    """The share of uint8 RGB images in which OpenCV's detector of frontal faces finds one."""
    import cv2

    cv2.setNumThreads(1)
    detector = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_alt2.xml")
    least = round(LEAST_FACE * ZOOM * images.shape[-1])
    hits = 0
    for image in images:
        grey = cv2.cvtColor(image.permute(1, 2, 0).numpy(), cv2.COLOR_RGB2GRAY)
        grey = cv2.resize(grey, None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_CUBIC)
        hits += len(detector.detectMultiScale(grey, 1.1, 3, minSize=(least, least))) > 0
    return hits / len(images)


def agreement(judge: nn.Module, images: Tensor, classes: Tensor) -> str:
    """The share of images in which the network sees the attributes of their classes."""
    _, names = attributes()
    seen = found_attributes(judge, at_64(images))[:, [names.index(name) for name in ASKED]]
    wanted = torch.stack([(classes >> bit & 1).float() for bit in range(len(ASKED))], dim=1)
    return f"{float((seen == wanted).all(dim=1).float().mean()):.1%}"


def at_64(images: Tensor) -> Tensor:
    """Images at the size of the judge and of the held-out faces."""
    return images if images.shape[-1] == 64 else V.resize(images, [64, 64], antialias=True)


def row(name: str, images: Tensor, data: Data, networks: list[FeatureNetwork], agrees: str) -> str:
    """A row of the table."""
    cells = [name]
    for features in networks:
        found = measure(data.held_out, at_64(images), features, split="held-out")
        cells.append(f"{found['kid'].value:.4f} ±{found['kid'].spread:.4f}")
        cells += [f"{found[each].value:.2f}" for each in ("precision", "recall")]
    return f"| {' | '.join([*cells, f'{face_share(images):.1%}', agrees])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("generators", nargs="*", help="names or folders; with classes, only those of Male and Smiling")
    parser.add_argument("--judge", type=Path, required=True, help="file of the network of attributes; made if missing")
    parser.add_argument("--grids", type=Path, help="folder for a grid of each generator")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*commercial use")
    data = celeba(FACES_HELD_OUT, attributes=ASKED)
    assert data.held_out_labels is not None
    judge = load_judge(data, options.judge)
    wanted, _ = attributes()
    right = (found_attributes(judge, data.held_out) == wanted[-FACES_HELD_OUT:]).float().mean()
    common = torch.maximum(wanted.mean(0), 1 - wanted.mean(0)).mean()
    print(f"celeba-attributes: {right:.1%} of the attributes of held-out faces right; the commoner value: {common:.1%}")
    networks = [ClassifierFeatures(judge, "celeba-attributes"), load_features("efficientnet-lite0")]
    columns = [f"{figure} ({features.name})" for features in networks for figure in ("KID", "precision", "recall")]
    print(f"| faces | {' | '.join(columns)} | face | agreement |\n| {' | '.join(['---'] * (len(columns) + 3))} |")
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))
    agrees = agreement(judge, data.held_out, data.held_out_labels)
    print(row("real", data.train[order[:COUNT]], data, networks, agrees), flush=True)
    for name in options.generators:
        generator, agrees, labels = from_pretrained(name), "", None
        if generator.num_classes:
            labels, asked = data.held_out_labels[:COUNT], torch.arange(COUNT) % generator.num_classes
            agrees = agreement(judge, generator.sample(COUNT, asked, seed=1), asked)
        print(row(name, generator.sample(COUNT, labels, seed=0), data, networks, agrees), flush=True)
        if options.grids:
            options.grids.mkdir(parents=True, exist_ok=True)
            sample_grid(generator).save(options.grids / f"{Path(name).parent.name or name}.png")


if __name__ == "__main__":
    main()
