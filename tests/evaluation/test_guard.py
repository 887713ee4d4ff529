"""Nobody judges a source by images that it was trained on."""

import copy
import pickle
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gan_augment import SyntheticPool, from_pretrained
from gan_augment.data import fingerprints
from gan_augment.evaluation._guard import Exposure, check_unseen
from gan_augment.models import Card
from gan_augment.synthesis import ClassSources, UpscaledSource, Upscaler, fingerprints_of

IMAGES = torch.randint(0, 256, (20, 1, 6, 6), generator=torch.Generator().manual_seed(0)).byte()


def hashes(*places):
    return torch.cat([fingerprints(IMAGES[[place]]) for place in places])


def trained_on(generator, *places):
    generator = copy.deepcopy(generator)
    generator.card = Card("tested", fingerprints=fingerprints(IMAGES[list(places)]))
    return generator


class Enlarge(nn.Module):
    def forward(self, images):
        return images.repeat_interleave(2, 2).repeat_interleave(2, 3)


class Blank:
    def sample(self, n, labels=None, *, seed=None):
        return torch.zeros(n, 1, 16, 16, dtype=torch.uint8)


def every_kind(generator, tmp_path):
    """All that a source of a generator with a card may be."""
    SyntheticPool.generate(generator, 3, out=tmp_path / "pool", progress=False)
    generator.save_pretrained(tmp_path / "generator")
    with_card, with_prints = Blank(), Blank()
    with_card.card = generator.card
    with_prints.fingerprints = generator.card.fingerprints
    upscaled = UpscaledSource(generator, Upscaler(Enlarge()))
    return {
        "generator": generator,
        "folder": tmp_path / "generator",
        "pool": SyntheticPool.generate(generator, 3, progress=False),
        "folder of a pool": str(tmp_path / "pool"),
        "classes": ClassSources({0: generator, 2: generator}),
        "mapping": {0: generator},
        "upscaled": upscaled,
        "upscaled pool": UpscaledSource(SyntheticPool.load(tmp_path / "pool"), Upscaler(Enlarge())),
        "upscaled classes": UpscaledSource(ClassSources({1: generator}), Upscaler(Enlarge())),
        "pool of upscaled": SyntheticPool.generate(upscaled, 3, progress=False),
        "with a card": with_card,
        "with fingerprints": with_prints,
    }


def test_a_source_of_any_kind_is_not_judged_by_what_it_has_seen(tiny, tmp_path):
    for kind, source in every_kind(trained_on(tiny, 0, 1, 2, 3), tmp_path).items():
        assert check_unseen(source, hashes(4, 5)) == Exposure(0, 2, True), kind
        with pytest.raises(ValueError, match="trained on 2 of 3 of them"):
            check_unseen(source, hashes(3, 1, 4))
        with pytest.warns(UserWarning, match="2 of the 3 test images"):
            assert check_unseen(source, hashes(3, 1, 4), on_seen="warn") == Exposure(2, 3, True), kind


@settings(max_examples=30, deadline=None)
@given(trained=st.sets(st.integers(0, 19)), tested=st.lists(st.integers(0, 19), min_size=1))
def test_every_test_image_that_was_trained_on_is_counted(trained, tested):
    source = Blank()
    source.fingerprints = fingerprints(IMAGES[sorted(trained)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exposure = check_unseen(source, hashes(*tested), on_seen="warn")
    assert exposure == Exposure(sum(each in trained for each in tested), len(tested), True)


def test_what_does_not_say_what_it_has_seen_is_not_known(tiny):
    for source in (Blank(), tiny, SyntheticPool(IMAGES), {0: tiny}):
        exposure = check_unseen(source, hashes(0))
        assert exposure == Exposure(0, 1, False)
        assert "nobody can tell whether" in exposure.sentence


def test_of_several_sources_one_that_is_not_known_hides_nothing(tiny):
    mixed = ClassSources({0: trained_on(tiny, 0, 1), 1: tiny})
    assert check_unseen(mixed, hashes(5)) == Exposure(0, 1, False)
    assert "nobody can tell whether" in check_unseen(mixed, hashes(5)).sentence
    with pytest.raises(ValueError, match="trained on 1 of 2"):
        check_unseen(mixed, hashes(1, 5))
    with pytest.warns(UserWarning, match="at least 1"):
        assert "at least 1" in check_unseen(mixed, hashes(1, 5), on_seen="warn").sentence


def test_the_sentences_say_which_it_is():
    assert Exposure(0, 1200, True).sentence == "The source was trained on none of the 1,200 test images."
    assert "trained on 7 of the 1,200 test images" in Exposure(7, 1200, True).sentence


def test_fingerprints_of_several_sources_are_their_union(tiny):
    one, other = trained_on(tiny, 0, 1), trained_on(tiny, 1, 2)
    both = fingerprints_of(ClassSources({0: one, 1: UpscaledSource(other, Upscaler(Enlarge()))}).sources[1])
    assert torch.equal(both, fingerprints(IMAGES[1:3]))
    assert torch.equal(fingerprints_of(ClassSources({0: one, 1: other})), fingerprints(IMAGES[:3]))
    assert fingerprints_of(ClassSources({0: one, 1: tiny})) is None
    assert fingerprints_of(tiny) is None


def test_the_zoo_was_not_trained_on_the_digits_of_the_demo():
    from gan_augment.demo import load_digits

    images, _ = load_digits()
    generator = from_pretrained("dcgan-mnist-32")
    own = [int(each) for each in fingerprints_of(generator)[:2]]
    assert check_unseen(generator, fingerprints(images[:50])).seen == 0
    with pytest.raises(ValueError, match="trained on 2 of 3"):
        check_unseen("dcgan-mnist-32", torch.tensor([*own, 1]))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((Blank(), torch.zeros(3)), ValueError, "hashes must be int64"),
        ((Blank(), IMAGES), ValueError, "hashes must be int64"),
        ((Blank(), torch.zeros(0).long()), ValueError, "hashes must be int64"),
        ((Blank(), [1, 2]), TypeError, "hashes must be a tensor"),
        ((None, hashes(0)), TypeError, "source must be"),
        (("dcgan-nothing", hashes(0)), ValueError, "dcgan-nothing"),
    ],
)
def test_wrong_input_is_refused_by_name(arguments, error, message):
    with pytest.raises(error, match=message):
        check_unseen(*arguments)


def test_there_is_no_third_way():
    with pytest.raises(ValueError, match="on_seen must be one of"):
        check_unseen(Blank(), hashes(0), on_seen="ignore")


def test_a_source_whose_fingerprints_are_none_is_refused_in_a_sentence():
    source = Blank()
    source.fingerprints = ["a"]
    with pytest.raises(TypeError, match="fingerprints must be a tensor"):
        check_unseen(source, hashes(0))


def test_an_exposure_is_pickled():
    assert pickle.loads(pickle.dumps(Exposure(1, 2, True))) == Exposure(1, 2, True)
