"""SyntheticMix at each place where a training script may use it."""

import PIL.Image
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, default_collate
from torchvision.datasets import ImageFolder, VisionDataset
from torchvision.transforms import v2

from gan_augment import SyntheticMix

from .helpers import Collate, pool, real, shown, synthetic, values

LABELS = [0, 1, 2] * 16


def make_mix(source=None, **options):
    return SyntheticMix(source or pool(), ratio=0.5, **options)


def test_in_a_plain_loop_after_the_loader():
    mix = make_mix()
    for images, labels in DataLoader(real(LABELS), batch_size=12):
        images, targets = mix(images, labels)
        assert int(synthetic(images).sum()) == 6
        assert torch.equal(shown(images), targets)


def test_in_a_plain_loop_with_a_live_generator(generator):
    mix = make_mix(generator, return_synthetic=True)
    for images, labels in DataLoader(real(LABELS), batch_size=12):
        out, targets, flags = mix(images, labels)
        assert int(flags.sum()) == 6
        assert torch.equal(out[~flags], images[~flags])
        assert not bool((out[flags] == images[flags]).flatten(1).all(1).any())
        assert torch.equal(targets, labels)


def test_in_collate_fn_with_2_workers():
    loader = DataLoader(real(LABELS), batch_size=12, num_workers=2, collate_fn=Collate(make_mix()))
    batches = list(loader)
    assert len(batches) == 4
    for images, targets in batches:
        assert int(synthetic(images).sum()) == 6
        assert torch.equal(shown(images), targets)
    drawn = [tuple(values(images).tolist()) for images, _ in batches]
    assert len(set(drawn)) == 4, "workers drew alike"


def test_before_mixup_or_cutmix():
    mixed = v2.RandomChoice([v2.MixUp(num_classes=10), v2.CutMix(num_classes=10)])
    both = v2.Compose([make_mix(pool(10)), mixed])
    for images, labels in DataLoader(real(LABELS), batch_size=12):
        out, targets = both(images, labels)
        assert (out.shape, targets.shape) == (images.shape, (12, 10))
        assert torch.allclose(targets.sum(1), torch.ones(12))


@pytest.mark.parametrize("after", [v2.MixUp(num_classes=10), v2.CutMix(num_classes=10)])
def test_after_mixup_a_synthetic_image_has_one_class(after):
    both = v2.Compose([after, make_mix(pool(10), return_synthetic=True)])
    for images, labels in DataLoader(real(LABELS), batch_size=12):
        out, targets, flags = both(images, labels)
        assert int(flags.sum()) == 6
        assert torch.allclose(targets.sum(1), torch.ones(12))
        assert bool((targets[flags].amax(1) == 1).all())
        assert torch.equal(shown(out[flags]), targets[flags].argmax(1))


class Joint(VisionDataset):
    """PIL images and labels that go through ``transforms=``, as in torchvision's structured data sets."""

    def __getitem__(self, index):
        image, label = PIL.Image.new("RGB", (16, 16), (index % 3,) * 3), index % 3
        return (image, label) if self.transforms is None else self.transforms(image, label)

    def __len__(self):
        return 48


@pytest.mark.parametrize("num_workers", [0, 2])
def test_in_the_transforms_of_a_data_set(num_workers):
    to_tensor = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.ToPureTensor()]
    dataset = Joint(transforms=v2.Compose([make_mix(), *to_tensor]))
    count = 0
    for images, targets in DataLoader(dataset, batch_size=12, num_workers=num_workers):
        assert images.shape == (12, 3, 16, 16)
        assert torch.equal(shown(images), targets)
        count += int(synthetic(images).sum())
    assert 8 <= count <= 40  # 24 and four and a half standard deviations


def test_in_the_transforms_of_a_data_set_after_conversion_to_tensors():
    to_tensor = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    dataset = Joint(transforms=v2.Compose([*to_tensor, make_mix()]))
    for images, targets in DataLoader(dataset, batch_size=12):
        assert torch.equal(shown(images), targets)
        assert 0 < int(synthetic(images).sum()) < 12


class Samples:
    """A collate function that mixes PIL samples before it converts them to tensors."""

    def __init__(self, mix):
        self.mix, self.to_tensor = mix, v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])

    def __call__(self, samples):
        mixed = [self.mix(image, label) for image, label in samples]
        assert all(image.mode == "RGB" and image.size == (16, 16) for image, _ in mixed)
        return default_collate([(self.to_tensor(image), label) for image, label in mixed])


def test_with_the_pil_images_of_an_image_folder(folder):
    mix = SyntheticMix(pool(), ratio=1.0)
    seen = 0
    for images, targets in DataLoader(ImageFolder(folder), batch_size=4, num_workers=2, collate_fn=Samples(mix)):
        assert bool(synthetic(images).all())
        assert torch.equal(shown(images), targets)
        seen += len(images)
    assert seen == 12


def test_the_transform_of_an_image_folder_is_refused_because_it_sees_no_label(folder):
    with pytest.raises(ValueError, match="Could not find the labels"):
        ImageFolder(folder, transform=make_mix())[0]


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 3)

    def forward(self, images):
        return self.head(torch.relu(self.conv(images)).mean(dim=(2, 3)))


@pytest.mark.parametrize("mode", ["replace", "append"])
def test_in_an_amp_loop_with_channels_last(mode):
    model = Network().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
    mix = make_mix(pool(channels=3), mode=mode)
    for images, labels in DataLoader(real(LABELS, channels=3), batch_size=24):
        images = images.to(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out, targets = mix(images, labels)
            loss = nn.functional.cross_entropy(model(out), targets)
        assert (out.dtype, len(out)) == (torch.float32, 24 if mode == "replace" else 48)
        assert out.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(shown(out), targets)
        optimizer.zero_grad()
        loss.backward()
        assert all(bool(p.grad.isfinite().all()) and bool(p.grad.any()) for p in model.parameters())
        optimizer.step()


def test_autocast_does_not_change_the_samples_of_a_generator(generator):
    images, labels = real([0, 1, 2] * 4).tensors
    torch.manual_seed(1)
    plain = SyntheticMix(generator, ratio=1.0)(images, labels)[0]
    torch.manual_seed(1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = SyntheticMix(generator, ratio=1.0)(images, labels)[0]
    assert torch.equal(plain, cast)


def test_gradients_reach_the_real_images_only():
    images, labels = real([0, 1, 2] * 4).tensors
    images = images.clone().requires_grad_()
    out, _, flags = make_mix(return_synthetic=True)(images, labels)
    out.sum().backward()
    assert torch.equal(images.grad.flatten(1).amax(1) > 0, ~flags)
