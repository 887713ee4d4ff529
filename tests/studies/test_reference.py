"""The arm of reference images: how its samples compare with the images that it was trained on."""

import json

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, TensorDataset
from torchvision.transforms.v2.functional import resize

from gan_augment import SyntheticPool
from gan_augment.cli import main
from gan_augment.data import fingerprint, fingerprints, seen
from gan_augment.evaluation import SmallCNN
from gan_augment.studies import study

from .conftest import CLASSES, PLAIN, SIDE, gratings

SMALL = {**PLAIN, "augment": "none", "ratios": 0.5, "steps": 2, "seeds": 2, "progress": False}


def tiny(channels, num_classes):
    return SmallCNN(channels, num_classes, width=8)


@pytest.fixture(scope="module")
def fresh():
    """Real images of the same classes that are neither in the data set nor in the test."""
    return TensorDataset(*gratings(1500, 2))


def blurred(images):
    """Samples of a poor generator: the images without most of what tells their classes."""
    noise = torch.randint(0, 256, images.shape, generator=torch.Generator().manual_seed(0))
    return (0.15 * images.float() + 0.85 * noise).byte()


def test_a_poor_generator_loses_against_its_own_images_which_are_no_control(few, test_images, fresh):
    images, labels = fresh.tensors
    options = {**SMALL, "classifier": tiny, "steps": 60, "seeds": 5}
    result = study(few, SyntheticPool(blurred(images), labels), test=test_images, reference=fresh, **options)
    assert result.reference == "reference 0.5"
    assert result.arm("reference 0.5").difference.verdict == "helps"
    assert result.against_reference == "hurts"
    assert "The synthetic images are worse than the reference images" in str(result)
    assert result.control == "oversampled 0.5"
    assert result.cheaper is None
    assert result.ratio == 0


@pytest.mark.slow
def test_a_perfect_generator_loses_nothing(few, test_images, fresh):
    options = {**SMALL, "classifier": tiny, "steps": 80, "seeds": 5}
    result = study(few, SyntheticPool(*gratings(1500, 3)), test=test_images, reference=fresh, **options)
    assert result.verdict == "helps"
    assert result.against_reference == "no effect shown"
    assert result.reference_sentence.startswith("The study shows no difference between the synthetic images and the")


def test_pools_hold_each_reference_image_once_and_none_that_the_study_uses(few, test_images, fresh, tmp_path):
    reference, out = ConcatDataset([few, TensorDataset(*(each[:150] for each in fresh.tensors))]), tmp_path / "study"
    pool = SyntheticPool(*gratings(30, 3))
    result = study(few, pool, test=test_images, reference=reference, count=20, out=out, **SMALL)
    known = fingerprints(image for image, _ in reference)
    for index in range(2):
        kept = SyntheticPool.load(out / "pools" / f"control-reference-{index}")
        images = kept.rows(torch.arange(len(kept)))
        assert bool(seen(images, known).all())
        assert len(fingerprints(images)) == len(kept) == 195 - 20 - 5  # training and validation images are left out
        labels = {fingerprint(image): int(label) for image, label in reference}
        assert [labels[fingerprint(image)] for image in images] == kept.labels.tolist()
    assert any("Up to 25 of the 195 reference images are also in the data set" in note for note in result.notes)
    assert any("nobody can tell whether the reference images are among them" in note for note in result.notes)


def test_a_pool_has_as_many_reference_images_as_samples(few, test_images, fresh, tmp_path):
    pool = SyntheticPool(*gratings(30, 3), fingerprints=fingerprints(fresh.tensors[0][:1000]))
    out = tmp_path / "study"
    result = study(few, pool, test=test_images, reference=fresh, pool_size=90, out=out, **SMALL)
    kept = SyntheticPool.load(out / "pools" / "control-reference-0")
    assert torch.bincount(kept.labels).tolist() == [30] * CLASSES
    assert "The source was trained on 1,000 of the 1,500 reference images." in result.notes


@pytest.mark.parametrize(
    ("more", "count", "gain"),
    [(0, None, "It was trained on no other images."), (7, None, "7 other"), (7, 20, "27 other")],
)
def test_the_report_says_how_many_other_images_a_source_knows(few, test_images, fresh, more, count, gain):
    images = torch.cat([few.tensors[0], fresh.tensors[0][:more]])
    pool = SyntheticPool(*gratings(30, 3), fingerprints=fingerprints(images))
    result = study(few, pool, test=test_images, count=count, **SMALL)
    note = next(note for note in result.notes if "may favour it" in note)
    assert f"trained on {len(few)} of the {len(few)} training and validation images" in note
    assert gain in note


def test_test_images_are_refused_or_left_out(few, test_images, tmp_path):
    mixed, out = ConcatDataset([TensorDataset(*gratings(60, 2)), test_images]), tmp_path / "study"
    pool = SyntheticPool(*gratings(30, 3))
    with pytest.raises(ValueError, match="The reference must not contain test images, but contains 600 of 600"):
        study(few, pool, test=test_images, reference=mixed, out=out, **SMALL)
    assert not out.exists()
    with pytest.warns(UserWarning, match="The reference contains 600 of the 600 test images"):
        result = study(few, pool, test=test_images, reference=mixed, on_seen="warn", out=out, **SMALL)
    kept = SyntheticPool.load(out / "pools" / "control-reference-0")
    assert not seen(kept.rows(torch.arange(len(kept))), fingerprints(test_images.tensors[0])).any()
    assert any("The reference contains 600 of the 600 test images" in note for note in result.notes)


def test_test_images_in_the_size_of_the_study_are_found(few, tmp_path):
    """As for a source that was trained on small copies of the images."""
    large, labels = gratings(600, 1)
    large = large.repeat_interleave(2, 2).repeat_interleave(2, 3)
    data, test = TensorDataset(large[:90], labels[:90]), TensorDataset(large[90:], labels[90:])
    small = resize(large[90:], [SIDE, SIDE], antialias=True)
    options = {**SMALL, "image_size": SIDE, "test": test}
    with pytest.raises(ValueError, match="The reference must not contain test images, but contains 510 of 510"):
        study(data, SyntheticPool(*gratings(30, 3)), reference=TensorDataset(small, labels[90:]), **options)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (lambda few: few, "reference must have, for every class, some images that are not in the data set"),
        (lambda few: TensorDataset(few.tensors[0][:30], torch.arange(30) % 2), "reference must have the classes"),
        (lambda few: TensorDataset(few.tensors[0]), "has no label"),
        (lambda few: "nowhere.npz", "there is no 'nowhere.npz'"),
    ],
)
def test_a_reference_that_cannot_be_is_refused_before_any_training(few, test_images, reference, message, tmp_path):
    options = {**SMALL, "validation": 0.0}
    with pytest.raises((ValueError, TypeError), match=message):
        study(
            few, SyntheticPool(*gratings(30, 3)), test=test_images, reference=reference(few), out=tmp_path / "study",
            **options,
        )  # fmt: skip
    assert not (tmp_path / "study").exists()


def test_a_reference_is_for_a_source_alone(few, test_images, fresh):
    with pytest.raises(ValueError, match="reference must be left out with recipe"):
        study(few, recipe="tiny-conditional", test=test_images, reference=fresh, **SMALL)


def test_a_study_goes_on_with_the_same_reference_alone(few, test_images, fresh, tmp_path):
    pool, options = SyntheticPool(*gratings(30, 3)), {**SMALL, "test": test_images, "out": tmp_path / "study"}
    whole = study(few, pool, reference=fresh, **options)
    next((tmp_path / "study" / "runs").glob("*reference*")).unlink()
    (tmp_path / "study" / "pools" / "control-reference-0" / "images.npy").write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="control-reference-0 is damaged"):
        again = study(few, pool, reference=fresh, **options)
    assert [arm.log_loss for arm in again.arms] == [arm.log_loss for arm in whole.arms]
    for other in (TensorDataset(fresh.tensors[0], fresh.tensors[1].flip(0)), None):
        with pytest.raises(ValueError, match="holds one that differs in reference_images"):
            study(few, pool, reference=other, **options)


def test_the_command_takes_a_reference_and_the_report_shows_it(fresh, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, seed, count in (("train", 0, 60), ("test", 1, 90), ("own", 2, 90)):
        images, labels = gratings(count, seed)
        np.savez(f"{name}.npz", images=images.numpy(), labels=labels.numpy())
    SyntheticPool(*gratings(90, 3)).save("pool")
    arguments = "study --data train.npz --test test.npz --source pool --reference own.npz --out study --augment none"
    arguments += " --ratios 0.5 --steps 2 --seeds 2 --pool-size 60 --processes 1 --classifier small-cnn --lr 0.002"
    assert main([*arguments.split(), "--controls", "repeated", "--quiet"]) == 0
    report = json.loads((tmp_path / "study" / "report.json").read_text())
    assert report["reference"] == "reference 0.5"
    assert report["settings"]["reference"] == "own.npz"
    assert report["reference_sentence"] in (tmp_path / "study" / "report.html").read_text()
    assert "differs from reference 0.5" in (tmp_path / "study" / "report.md").read_text()
