"""Images whose pixels tell their origin: real images hold their class, synthetic ones 100 + 10 x class + copy."""

import random

import numpy as np
import PIL.Image
import torch
from torch.utils.data import Dataset, TensorDataset

from gan_augment import SyntheticPool

SIZE = 16
COPIES = range(3, 7)  # in the middle of a decade, so that half precision does not leave it


def pool(num_classes=3, *, channels=1, size=SIZE, classes=None, labelled=True, height=None):
    """A pool of four constant images of each class."""
    classes = range(num_classes) if classes is None else classes
    labels = torch.tensor([label for label in classes for _ in COPIES])
    values = torch.tensor([100 + 10 * label + copy for label in classes for copy in COPIES], dtype=torch.uint8)
    images = values[:, None, None, None].expand(-1, channels, height or size, size).clone()
    return SyntheticPool(images, labels, num_classes=num_classes) if labelled else SyntheticPool(images)


def batch(labels, *, dtype=torch.float32, channels=1, size=SIZE):
    """Real images of these labels."""
    labels = torch.as_tensor(labels)
    images = labels.to(torch.uint8)[:, None, None, None].expand(-1, channels, size, size).clone()
    return (images if dtype == torch.uint8 else images.to(dtype) / 255), labels


def real(labels, **kind):
    """Real images of these labels as a data set."""
    return TensorDataset(*batch(labels, **kind))


def values(image):
    """Returns the value 0..255 of each image, or of a single image."""
    if isinstance(image, PIL.Image.Image):
        image = torch.from_numpy(np.array(image)).reshape(image.height, image.width, -1).permute(2, 0, 1)
    flat = image.as_subclass(torch.Tensor).flatten(-3)
    assert bool((flat == flat[..., :1]).all()), "an image is not constant"
    flat = flat[..., 0]
    return flat.long() if flat.dtype == torch.uint8 else flat.float().mul(255).round().long()


def synthetic(image):
    """Returns whether images are synthetic, judged by their pixels."""
    return values(image) >= 100


def shown(image):
    """Returns the class that images show, judged by their pixels."""
    found = values(image)
    return torch.where(found >= 100, (found - 100) // 10, found)


class Exploding:
    """A source that must not be sampled."""

    num_classes = 3

    def sample(self, n, labels=None, *, seed=None):
        raise AssertionError("The source was sampled.")


class Marked:
    """A source of constant images of the class asked for, or of an unknown class 4 if no class is asked for."""

    def __init__(self, num_classes=3):
        self.num_classes = num_classes

    def sample(self, n, labels=None, *, seed=None):
        labels = torch.full((n,), 4) if labels is None else labels
        copies = torch.randint(3, 7, (n,), generator=torch.Generator().manual_seed(seed))
        return (100 + 10 * labels + copies).to(torch.uint8)[:, None, None, None].repeat(1, 1, SIZE, SIZE)


class Digits(Dataset):
    """A data set like torchvision's, which counts how it is read."""

    def __init__(self, labels, transform=None):
        self.images, labels = batch(labels, dtype=torch.uint8)
        self.targets, self.transform = labels.tolist(), transform
        self.classes = [f"digit {label}" for label in range(max(self.targets) + 1)]
        self.class_to_idx = {name: label for label, name in enumerate(self.classes)}
        self.single_reads, self.batch_reads = 0, 0

    def __len__(self):
        return len(self.targets)

    def item(self, index):
        image = self.images[index]
        return (image if self.transform is None else self.transform(image)), self.targets[index]

    def __getitem__(self, index):
        self.single_reads += 1
        return self.item(index)

    def __getitems__(self, indices):
        self.batch_reads += 1
        return [self.item(index) for index in indices]


def seed_all(seed):
    """Seeds all three global generators."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002


def draw_of_all():
    """Draws a number from each of the three global generators."""
    return torch.rand(()).item(), random.random(), float(np.random.rand())  # noqa: NPY002


class Jitter:
    """A random transform that draws from all three global generators."""

    def __call__(self, image):
        return image.float() / 255 * (0.4 + 0.2 * sum(draw_of_all()))


class Collate:
    """A collate function that mixes."""

    def __init__(self, mix):
        self.mix = mix

    def __call__(self, samples):
        return self.mix(*torch.utils.data.default_collate(samples))


def bright_or_not(images):
    """A teacher that is sure of two classes: bright or dark."""
    bright = images.mean(dim=(1, 2, 3)) > 0.5
    return torch.stack([torch.where(bright, 9.0, 0.0), torch.where(bright, 0.0, 9.0)], dim=1)


def never_sure(images):
    """A teacher of three classes that is sure of nothing."""
    return torch.zeros(len(images), 3)


def clearly_one(images):
    """A teacher of three classes that sees class 1 in everything."""
    return torch.tensor([[0.0, 9.0, 0.0]]).repeat(len(images), 1)


def made(dataset):
    """Returns the synthetic items of an augmented data set."""
    return [dataset[index] for index in dataset.synthetic_mask().nonzero().flatten().tolist()]


def flatten(items):
    """Returns items ``(image, target)`` in a form to compare: value, target."""
    return [(round(float(image.float().mean()), 9), int(target)) for image, target in items]
