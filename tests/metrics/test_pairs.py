import pickle

import pytest
import torch

from gan_augment.metrics import closest_pairs, nearest_training_image, pairs_picture

from .test_features import smooth

TRAINING = smooth(40, 3, 16)
NEW = smooth(10, 3, 16, seed=5)


def mixed():
    """Ten samples, of which the seventh is a mirrored copy, and the third a copy but for a little noise."""
    samples = NEW.clone()
    samples[6] = TRAINING[11].flip(-1)
    samples[2] = (TRAINING[30].int() + 3).clamp(0, 255).byte()
    return samples


def test_copies_come_first_in_pixels():
    pairs = closest_pairs(TRAINING, mixed(), 4)
    assert pairs.samples[:2].tolist() == [6, 2]
    assert pairs.training[:2].tolist() == [11, 30]
    assert pairs.distances.tolist() == sorted(pairs.distances.tolist())
    found = nearest_training_image(TRAINING, mixed())
    assert torch.equal(pairs.distances, found.distances.sort().values[:4])
    assert all(torch.equal(a, b) for a, b in zip(pickle.loads(pickle.dumps(pairs)), pairs))


def test_pixels_take_the_options_of_the_search():
    assert closest_pairs(TRAINING, mixed(), 1, flips=False).samples.tolist() == [2]
    shifted = torch.roll(TRAINING[[8]], 1, dims=3)
    assert float(closest_pairs(TRAINING, shifted, 1, shift=1).distances) < 1e-3


@pytest.mark.parametrize("features", ["random-convolutions", lambda images: images.flatten(1).float()])
def test_copies_come_first_in_features(features):
    samples = NEW.clone()
    samples[6] = TRAINING[11]
    pairs = closest_pairs(TRAINING, samples, 3, features=features)
    assert (int(pairs.samples[0]), int(pairs.training[0])) == (6, 11)
    assert float(pairs.distances[0]) < 1e-3 < float(pairs.distances[1])
    assert pairs.distances.dtype == torch.float32


def test_there_are_no_more_pairs_than_samples():
    assert len(closest_pairs(TRAINING, NEW[:3], 8).samples) == 3


def test_the_picture_has_each_sample_beside_its_nearest_in_order():
    samples = mixed()
    pairs = closest_pairs(TRAINING, samples, 3)
    picture = pairs_picture(TRAINING, samples, pairs, columns=2, gap=3)
    assert picture.dtype == torch.uint8
    assert picture.shape == (3, 3 + 2 * 19, 3 + 2 * 35)
    for index, (sample, image) in enumerate(zip(pairs.samples, pairs.training)):
        top, left = 3 + index // 2 * 19, 3 + index % 2 * 35
        cell = picture[:, top : top + 16, left : left + 32]
        assert torch.equal(cell, torch.cat([samples[sample], TRAINING[image]], dim=2))
        picture[:, top : top + 16, left : left + 32] = 255
    assert bool((picture == 255).all())


def test_the_picture_of_its_own_pairs():
    assert torch.equal(pairs_picture(TRAINING, NEW), pairs_picture(TRAINING, NEW, closest_pairs(TRAINING, NEW, 8)))


@pytest.mark.parametrize(
    ("samples", "options", "message"),
    [
        (NEW.float(), {}, "samples must be uint8"),
        (NEW[:, :1], {}, "samples must have 3 channels"),
        (NEW[..., 1:], {}, "samples must have the size"),
        (NEW, {"columns": 0}, "columns must be at least 1"),
        (NEW, {"gap": -1}, "gap must be at least 0"),
    ],
)
def test_what_makes_no_picture_is_refused(samples, options, message):
    with pytest.raises(ValueError, match=message):
        pairs_picture(TRAINING, samples, **options)
    if not options:
        with pytest.raises(ValueError, match=message):
            closest_pairs(TRAINING, samples)


def test_no_pairs_are_refused():
    with pytest.raises(ValueError, match="n must be at least 1"):
        closest_pairs(TRAINING, NEW, 0)
