"""Tensors without usable values are refused in one sentence wherever images or labels are expected."""

import warnings

import pytest
import torch

from gan_augment import (
    SyntheticPool,
    Upscaler,
)
from gan_augment import data as d
from gan_augment import metrics as m
from gan_augment.models import SRGAN, SRGANConfig
from gan_augment.synthesis import (
    NotACopy,
    RealDensity,
    draw,
)

IMAGES = torch.randint(0, 256, (12, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(12) % 3
FEATURES = torch.rand(12, 4, generator=torch.Generator().manual_seed(0))


def spoilt(tensor):
    """The tensor in every form that cannot be used."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of these are still prototypes
        kinds = {
            "sparse": tensor.to_sparse(),
            "meta": tensor.to("meta"),
            "nested": torch.nested.nested_tensor(list(tensor.float())),
            "empty": tensor[:0],
            "array": tensor.numpy(),
            "list": tensor.tolist(),
        }
        if tensor.is_floating_point():
            kinds["nan"] = torch.full_like(tensor, float("nan"))
    if tensor.dim() == 2:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kinds["sparse rows"] = tensor.to_sparse_csr()
    return kinds


class Gives:
    def __init__(self, images):
        self.images = images

    def sample(self, n, labels=None, *, seed=None):
        return self.images


ENTRANCES = {
    "pool": (SyntheticPool, IMAGES),
    "draw": (lambda images: draw(Gives(images), 12, None, seed=0), IMAGES),
    "generate": (lambda images: SyntheticPool.generate(Gives(images), 1, progress=False), IMAGES),
    "upscaler": (lambda images: Upscaler(SRGAN(SRGANConfig(width=4, blocks=1)))(images), IMAGES),
    "density": (RealDensity, IMAGES),
    "copies": (NotACopy, IMAGES),
    "density labels": (lambda labels: RealDensity(IMAGES, labels, k=1), LABELS),
    "fingerprint": (d.fingerprint, IMAGES[0]),
    "fingerprints": (lambda images: d.fingerprints([images]), IMAGES[0]),
    "measure samples": (lambda images: m.measure(IMAGES, images, "random-convolutions", split="test"), IMAGES),
    "measure real": (lambda images: m.measure(images, IMAGES, "random-convolutions", split="test"), IMAGES),
    "diversity": (lambda images: m.diversity_report(images, IMAGES), IMAGES),
    "diversity labels": (lambda labels: m.diversity_report(IMAGES, IMAGES, LABELS, labels), LABELS),
    "diversity samples": (lambda images: m.diversity_report(IMAGES, images), IMAGES),
    "copy report training": (lambda images: m.copy_report(IMAGES, images), IMAGES),
    "copy report": (lambda images: m.copy_report(images, IMAGES), IMAGES),
    "pairs": (lambda images: m.closest_pairs(IMAGES, images), IMAGES),
    "leaks": (lambda images: m.leaked_augmentation(IMAGES, images), IMAGES),
    "random convolutions": (m.RandomConvolutions(), IMAGES),
    "kid": (lambda x: m.kid(x, FEATURES), FEATURES),
    "fid": (lambda x: m.frechet_distance(FEATURES, x), FEATURES),
    "recall": (lambda x: m.precision_recall(x, FEATURES), FEATURES),
    "density coverage": (lambda x: m.density_coverage(FEATURES, x), FEATURES),
    "authenticity": (lambda x: m.authenticity(x, FEATURES), FEATURES),
    "ct": (lambda x: m.ct_score(FEATURES, x, FEATURES), FEATURES),
    "class share": (lambda labels: m.class_share(labels, 3), LABELS),
    "class agreement": (lambda labels: m.class_agreement(labels, LABELS), LABELS),
    "asked classes": (lambda labels: m.class_agreement(LABELS, labels), LABELS),
}
FINE = {("upscaler", "empty"), ("density labels", "array"), ("density labels", "list")}
UNUSABLE = [(name, kind) for name, (_, good) in ENTRANCES.items() for kind in spoilt(good) if (name, kind) not in FINE]


@pytest.mark.parametrize(("name", "kind"), UNUSABLE)
def test_a_tensor_without_values_is_refused_in_a_sentence(name, kind):
    call, good = ENTRANCES[name]
    with pytest.raises((ValueError, TypeError), match=r"^\S.* (must|but) ") as caught:
        call(spoilt(good)[kind])
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("kind", ["sparse", "meta", "nested", "empty"])
def test_labels_without_values_are_refused_in_a_sentence(tiny, kind):
    labels = spoilt(LABELS)[kind]
    for call in (lambda: SyntheticPool(IMAGES, labels), lambda: tiny.sample(12, labels)):
        with pytest.raises(ValueError, match=r"labels must "):
            call()


def test_labels_of_any_integers_are_taken():
    for dtype in (torch.uint8, torch.uint16, torch.int16, torch.uint32, torch.int64):
        pool = SyntheticPool(IMAGES, LABELS.to(dtype))
        assert pool.labels.tolist() == LABELS.tolist()
        assert pool.num_classes == 3
