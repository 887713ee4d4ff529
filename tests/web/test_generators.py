"""What the page shows of a generator, without a page."""

import pytest
import torch

from gan_augment import Generator, GeneratorConfig, from_pretrained
from gan_augment.web import _generators as generators


@pytest.fixture(scope="module")
def digits():
    return generators.load("dcgan-mnist-32")


def test_samples_are_those_of_the_generator(digits):
    images, captions = generators.sample(digits, 4, None, 3, generators.truncation_limit(digits))
    assert images.equal(from_pretrained("dcgan-mnist-32").sample(4, seed=3))
    assert captions == ["0", "1", "2", "3"]
    images, captions = generators.sample(digits, 2, 7, 3, 0.5)
    assert images.equal(digits.sample(2, 7, seed=3, truncation=0.5))
    assert captions == ["7", "7"]


def test_an_unconditional_generator_has_no_captions():
    generator = Generator(GeneratorConfig(image_size=16, width=4)).eval()
    images, captions = generators.sample(generator, 2, 5, 0, None)  # a class that is left from another generator
    assert (len(images), captions) == (2, ["", ""])
    assert generators.walk(generator, (0, 1), None, [0.5]).shape == (1, 3, 16, 16)


def test_a_walk_leads_from_one_sample_to_the_other(digits):
    images = generators.walk(digits, (4, 9), 3, [0, 0.5, 1]).int()
    for found, seed in ((images[0], 4), (images[2], 9)):
        assert (found - digits.sample(1, 3, seed=seed)[0].int()).abs().max() <= 1
    assert (images[1] - images[0]).abs().max() > 50


def test_only_generators_that_can_be_truncated_offer_it():
    assert generators.truncation_limit(Generator(GeneratorConfig(image_size=16, width=4))) == 4
    uniform = Generator(GeneratorConfig(image_size=16, width=4, latent="uniform"))
    assert generators.truncation_limit(uniform) == 1
    anchored = Generator(GeneratorConfig(image_size=16, width=4, anchors=8)).eval()
    assert generators.truncation_limit(anchored) is None
    assert len(generators.sample(anchored, 2, None, 0, 0.5)[0]) == 2  # a bound that is left from another generator


def test_the_facts_come_from_the_card(digits, saved):
    facts = generators.facts("dcgan-mnist-32", digits)
    assert facts["Licence of the weights"] == "mit"
    assert facts["Commercial use"] == "allowed"
    assert "MNIST" in facts["Training data"]
    assert "1990" in facts["Limits"]
    assert generators.facts(str(saved), generators.load(str(saved)))["Limits"].startswith("unknown")


def test_faces_are_not_for_commercial_use():
    if "dcgan-celeba-64" not in generators.names():
        pytest.skip("The faces are not installed: pip install zoo/faces.")
    facts = generators.facts("dcgan-celeba-64", generators.load("dcgan-celeba-64"))
    assert facts["Commercial use"] == "not allowed"
    assert facts["Classes"] == "none (unconditional)"


def test_a_generator_is_loaded_once():
    assert generators.load("dcgan-mnist-32") is generators.load("dcgan-mnist-32")


def test_further_generators_come_first(saved):
    assert generators.names((str(saved),))[:2] == [str(saved), "dcgan-mnist-32"]
    assert generators.title(str(saved)) == saved.name


def test_an_unknown_upscaler_is_refused():
    with pytest.raises(ValueError, match="The upscaler must be one of"):
        generators.load_upscaler("/etc/passwd")


def test_arcs_keep_the_length_of_latents():
    one, other = torch.randn(2, 1, 100)
    one, other = one / one.norm(), other / other.norm()
    middle = generators._between(one, other, 0.5)
    assert float(middle.norm()) == pytest.approx(1, abs=1e-5)


def test_generators_of_two_runs_have_different_titles(tmp_path):
    for run in ("cats", "dogs"):
        (tmp_path / run / "generator").mkdir(parents=True)
    assert [generators.title(str(tmp_path / run / "generator")) for run in ("cats", "dogs")] == ["cats", "dogs"]
    assert generators.title("org/generator") == "org/generator"


def test_a_visitor_sees_no_folders_and_each_title_once(tmp_path):
    folders = [str(tmp_path / run / "cats") for run in ("a", "b")] + [str(tmp_path / "dogs" / "generator")]
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    found = generators.by_title([*folders, "dcgan-mnist-32"])
    assert found == dict(zip(["cats", "cats (2)", "dogs", "dcgan-mnist-32"], [*folders, "dcgan-mnist-32"]))
