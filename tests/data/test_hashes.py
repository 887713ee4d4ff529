import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment.data import fingerprint, fingerprints, seen


def noise(n, channels=1, side=6, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, channels, side, side), generator=rng, dtype=torch.uint8)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**31))
def test_grey_and_its_rgb_copy_have_one_fingerprint(height, width, seed):
    grey = torch.randint(0, 256, (1, height, width), generator=torch.Generator().manual_seed(seed)).byte()
    assert fingerprint(grey) == fingerprint(grey.repeat(3, 1, 1)) == fingerprint(grey.expand(3, -1, -1))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from((1, 3)), st.data())
def test_one_changed_pixel_changes_the_fingerprint(channels, data):
    (image,) = noise(1, channels)
    place = data.draw(st.integers(0, image.numel() - 1))
    other = image.clone()
    other.view(-1)[place] ^= 1 << data.draw(st.integers(0, 7))
    assert fingerprint(other) != fingerprint(image)


def test_the_shape_is_part_of_the_content():
    image = torch.zeros(1, 2, 8, dtype=torch.uint8)
    shapes = [(1, 2, 8), (1, 8, 2), (1, 4, 4), (1, 1, 16), (1, 16, 1)]
    assert len({fingerprint(image.reshape(shape)) for shape in shapes}) == len(shapes)


def test_channels_are_not_interchangeable():
    (image,) = noise(1, 3)
    assert fingerprint(image) != fingerprint(image.flip(0))
    assert fingerprint(image) != fingerprint(image[:1])


def test_the_layout_in_memory_does_not_matter():
    (image,) = noise(1, 3)
    strided = image.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    assert not strided.is_contiguous()
    assert fingerprint(strided) == fingerprint(image)


def test_a_fingerprint_is_the_same_in_every_version():
    image = torch.arange(6, dtype=torch.uint8).reshape(1, 2, 3)
    assert fingerprint(image) == 447242762148376478  # SHA-256 of b'(1, 2, 3)' and the bytes 0 to 5


def test_fingerprints_are_distinct_and_sorted():
    images = noise(20)
    known = fingerprints([*images, *images])
    assert known.dtype == torch.int64
    assert known.tolist() == sorted({fingerprint(image) for image in images})
    assert fingerprints([]).shape == (0,)
    assert fingerprints([]).dtype == torch.int64


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(0, 19)), st.sets(st.integers(0, 19)))
def test_seen_finds_exactly_the_overlap(known, asked):
    images, asked = noise(20), sorted(asked)
    found = seen([images[i] for i in asked], fingerprints([images[i] for i in known]))
    assert found.dtype == torch.bool
    assert found.tolist() == [i in known for i in asked]
