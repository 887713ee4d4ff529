from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import tv_tensors

from gan_augment import Generator, GeneratorConfig, Geometry, Source, SyntheticMix, SyntheticPool
from gan_augment.models import Card
from gan_augment.synthesis import ClassSources, UpscaledSource, Upscaler, as_source, draw, fingerprints_of


class Constant:
    """A source of constant images, to which the class is added."""

    def __init__(self, value=0, shape=(1, 4, 4), **attributes):
        self.value, self.shape, self.asked = value, shape, []
        self.__dict__.update(attributes)

    def sample(self, n, labels=None, *, seed=None):
        self.asked.append((n, labels, seed))
        images = torch.full((n, *self.shape), self.value, dtype=torch.uint8)
        return images if labels is None else images + labels[:, None, None, None].to(torch.uint8)


class Gives:
    """A source that returns a given tensor."""

    def __init__(self, images):
        self.images = images

    def sample(self, n, labels=None, *, seed=None):
        return self.images


def test_an_object_with_a_sample_is_a_source_with_defaults():
    source = as_source(Constant(7))
    assert isinstance(source, Source)
    assert as_source(source) is source
    assert source.num_classes == 0
    assert list(source.class_indices) == []
    assert source.geometry == Geometry("crop", None)
    assert source.name == "Constant"
    assert {source.card, source.fingerprints, source.class_names, source.device, source.image_shape} == {None}
    assert source.sample(2, seed=0).unique().tolist() == [7]


def test_what_an_object_says_of_its_images_is_taken():
    prints, card = torch.tensor([3, 5]), Card("mine", fingerprints=torch.tensor([1]))
    said = {"num_classes": 3, "class_names": ["a", "b", "c"], "geometry": Geometry("pad", (3, 3)), "card": card}
    source = as_source(Constant(class_indices=torch.tensor([0, 2]), **said))
    assert {name: getattr(source, name) for name in said} == said
    assert source.class_indices == [0, 2]
    assert source.name == "mine"
    assert source.fingerprints.tolist() == [1]
    assert as_source(Constant(card=card, fingerprints=prints)).fingerprints is prints


def test_a_subclass_of_source_is_a_source_as_it_is():
    class Own(Source):
        num_classes = 4

        def __init__(self):
            self.class_indices = (1, 3)

        def sample(self, n, labels=None, *, seed=None):
            return torch.zeros(n, 1, 4, 4, dtype=torch.uint8)

    source = Own()
    assert as_source(source) is source
    assert source.to("cpu") is source
    assert source.parts() == [source]
    assert SyntheticPool.generate(source, 4, progress=False).labels.tolist() == [1, 3, 1, 3]
    with pytest.raises(NotImplementedError, match="must define sample"):
        Source().sample(1)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("num_classes", "x", TypeError),
        ("num_classes", 3.0, TypeError),
        ("num_classes", True, TypeError),
        ("num_classes", -1, ValueError),
        ("class_indices", 3, TypeError),
        ("class_indices", "01", TypeError),
        ("class_indices", [0.0, 1.0], TypeError),
        ("class_indices", [], ValueError),
        ("class_indices", [0, 5], ValueError),
        ("class_indices", [-1], ValueError),
        ("geometry", "pad", TypeError),
        ("card", {"name": "mine"}, TypeError),
        ("fingerprints", [1, 2], TypeError),
        ("fingerprints", torch.zeros(3), ValueError),
        ("class_names", ["a"], ValueError),
    ],
)
def test_a_wrong_attribute_is_refused_by_name(name, value, error):
    with pytest.raises(error, match=f"^.*{name} must be .*, but got .*$"):
        as_source(Constant(**{"num_classes": 2, name: value}))


@pytest.mark.parametrize(
    ("name", "value"), [("device", "cpu"), ("image_shape", (4, 4)), ("image_shape", 3), ("geometry", None)]
)
def test_a_wrong_attribute_of_a_subclass_is_refused_by_name(name, value):
    class Own(Source):
        def sample(self, n, labels=None, *, seed=None):
            raise AssertionError("it was drawn from")

    source = Own()
    setattr(source, name, value)
    with pytest.raises(TypeError, match=f"A source's {name} must be .*, but got"):
        as_source(source)


def test_combined_sources_answer_for_their_parts(tiny):
    class Enlarge(torch.nn.Module):
        def forward(self, images):
            return images.repeat_interleave(2, 2).repeat_interleave(2, 3)

    large = UpscaledSource({0: tiny, 2: Constant(shape=(1, 16, 16), geometry=tiny.geometry)}, Upscaler(Enlarge()))
    assert [part.name for part in large.parts()] == ["Generator", "Constant"]
    assert large.partial
    assert list(large.class_indices) == [0, 2]
    assert large.to("cpu") is large
    assert fingerprints_of(large) is None
    assert UpscaledSource(tiny, Upscaler(Enlarge())).image_shape == (1, 32, 32)
    assert UpscaledSource(tiny, Upscaler(Enlarge())).device == torch.device("cpu")


def test_a_generator_and_a_pool_are_sources_as_they_are(tiny):
    pool = SyntheticPool(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), geometry=Geometry("pad", (3, 3)))
    assert as_source(tiny) is tiny
    assert as_source(pool) is pool
    assert (tiny.num_classes, pool.num_classes) == (3, 0)
    assert pool.geometry == Geometry("pad", (3, 3))


def test_a_folder_is_the_generator_in_it(tiny, tmp_path):
    tiny.save_pretrained(tmp_path)
    for name in (tmp_path, str(tmp_path)):
        assert torch.equal(as_source(name).sample(3, seed=0), tiny.sample(3, seed=0))


def test_the_geometry_of_a_generator_is_in_its_configuration():
    config = GeneratorConfig(image_size=32, width=2, resize_mode="pad", source_size=(28, 28))
    assert Generator(config).geometry == Geometry("pad", (28, 28))
    assert ClassSources({0: Generator(config)}).geometry == Geometry("pad", (28, 28))


@pytest.mark.parametrize("source", [None, 3, 0.5, [1, 2], torch.zeros(2, 1, 4, 4), object(), np.zeros(3), lambda n: n])
def test_other_objects_are_not_sources(source):
    with pytest.raises(TypeError, match="source must be a zoo name"):
        as_source(source)


def test_an_unknown_name_is_not_a_source():
    with pytest.raises(ValueError, match="did you mean"):
        as_source("dcgan-mnist-33")


@pytest.mark.parametrize("mapping", [{}, {-1: Constant()}, {"a": Constant()}, {True: Constant()}, {1.0: Constant()}])
def test_a_mapping_must_have_classes_as_keys(mapping):
    with pytest.raises(ValueError, match="A mapping of sources must"):
        as_source(mapping)


def test_a_mapping_is_a_source_of_its_classes():
    source = as_source(OrderedDict({4: Constant(40), 1: Constant(10)}))
    assert isinstance(source, ClassSources)
    assert source.num_classes == 5
    assert list(source.class_indices) == [1, 4]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from((1, 4, 6)), max_size=20), st.integers(0, 2**63 - 1))
def test_each_class_is_asked_of_its_own_source(labels, seed):
    source = ClassSources({4: Constant(40), 1: Constant(10), 6: Constant(60)})
    images = source.sample(len(labels), torch.tensor(labels, dtype=torch.int64), seed=seed)
    assert images.shape == (len(labels), 1, 4, 4)
    assert images[:, 0, 0, 0].tolist() == [10 * label for label in labels]


def test_a_source_with_classes_is_asked_for_its_key_and_one_without_for_none():
    with_classes, without = Constant(0, num_classes=3), Constant(9)
    ClassSources({2: with_classes, 0: without}).sample(3, torch.tensor([2, 0, 2]), seed=5)
    ((n, labels, _),) = with_classes.asked
    assert (n, labels.tolist()) == (2, [2, 2])
    ((n, labels, _),) = without.asked
    assert (n, labels) == (1, None)


def test_without_labels_the_classes_of_a_mapping_come_in_turn():
    assert ClassSources({4: Constant(40), 1: Constant(10)}).sample(4, seed=0)[:, 0, 0, 0].tolist() == [10, 40, 10, 40]


def test_a_mapping_is_pure_given_a_seed(tiny):
    unconditional = Generator(GeneratorConfig(image_size=16, channels=1, width=4))
    source = ClassSources({0: tiny, 5: unconditional, 6: unconditional})
    labels = torch.tensor([0, 5, 5, 6, 6, 0])
    images = source.sample(6, labels, seed=3)
    assert torch.equal(source.sample(6, labels, seed=3), images)
    assert not torch.equal(source.sample(6, labels, seed=4), images)
    assert not torch.equal(images[1], images[3])  # two classes of one source are two draws


def test_a_class_that_no_source_has_is_refused_by_number():
    with pytest.raises(ValueError, match="3"):
        ClassSources({0: Constant(), 7: Constant()}).sample(2, torch.tensor([0, 3]), seed=0)


def test_one_class_for_all_is_that_class():
    source = ClassSources({0: Constant(1), 1: Constant(10)})
    assert source.sample(3, 1, seed=0)[:, 0, 0, 0].tolist() == [10, 10, 10]


@pytest.mark.parametrize("labels", [[0], [0, 0, 0], [[0, 0]], [0.0, 1.0]])
def test_labels_of_a_mapping_that_do_not_fit_are_refused(labels):
    with pytest.raises(ValueError, match="labels must"):
        ClassSources({0: Constant(), 1: Constant()}).sample(2, torch.tensor(labels), seed=0)


def test_a_source_that_cannot_draw_the_class_of_its_key_is_refused():
    with pytest.raises(ValueError, match="The source of class 5"):
        as_source({5: Constant(num_classes=3)})
    with pytest.raises(ValueError, match="The source of class 1"):
        as_source({1: Constant(num_classes=3, class_indices=(0, 2))})


def test_sources_of_two_sizes_or_geometries_are_refused():
    with pytest.raises(ValueError, match="the same shape"):
        ClassSources({0: Constant(), 1: Constant(shape=(1, 5, 5))}).sample(2, torch.tensor([0, 1]), seed=0)
    with pytest.raises(ValueError, match="must have the same geometry"):
        ClassSources({0: Constant(), 1: Constant(geometry=Geometry("pad", (3, 3)))})


def test_draw_passes_labels_only_if_there_are_some():
    source = Constant()
    draw(source, 2, None, seed=7)
    draw(source, 2, torch.tensor([0, 1]), seed=8)
    assert source.asked[0] == (2, None, 7)
    assert source.asked[1][1].tolist() == [0, 1]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_draw_makes_floats_uint8(dtype):
    images = torch.tensor([0, 1, 254, 255]).reshape(1, 1, 2, 2)
    assert torch.equal(draw(Gives((images / 255).to(dtype)), 1, None, seed=0), images.to(torch.uint8))


def test_draw_gives_a_plain_tensor_without_gradient():
    images = tv_tensors.Image(torch.rand(2, 3, 4, 4)).requires_grad_()
    drawn = draw(Gives(images), 2, None, seed=0)
    assert type(drawn) is torch.Tensor
    assert not drawn.requires_grad


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (None, TypeError, "must return a tensor"),
        (np.zeros((2, 1, 4, 4), dtype=np.uint8), TypeError, "must return a tensor"),
        ([torch.zeros(1, 4, 4)] * 2, TypeError, "must return a tensor"),
        (torch.zeros(2, 4, 4), ValueError, r"must return \(2, 1 or 3, height, width\)"),
        (torch.zeros(1, 2, 4, 4, 4), ValueError, "must return"),
        (torch.zeros(1, 1, 4, 4), ValueError, "must return"),
        (torch.zeros(3, 1, 4, 4), ValueError, "must return"),
        (torch.zeros(2, 4, 4, 3), ValueError, "must return"),
        (torch.zeros(2, 2, 4, 4), ValueError, "must return"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.int64), ValueError, "int64"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.int8), ValueError, "int8"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.bool), ValueError, "bool"),
        (torch.full((2, 1, 4, 4), -1.0), ValueError, "between 0 and 1"),
        (torch.full((2, 1, 4, 4), 255.0), ValueError, "between 0 and 1"),
        (torch.full((2, 1, 4, 4), float("nan")), ValueError, "between 0 and 1"),
    ],
)
def test_draw_refuses_results_that_are_not_images(images, error, message):
    with pytest.raises(error, match=message):
        draw(Gives(images), 2, None, seed=0)


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"], {"b": 1, "a": 0}, {"a", "b"}, [1, 2], 5])
def test_names_that_are_not_those_of_the_classes_are_refused(names):
    class Named:
        num_classes, class_names = 2, names

        def sample(self, n, labels=None, *, seed=None):
            return torch.zeros(n, 1, 8, 8, dtype=torch.uint8)

    with pytest.raises((ValueError, TypeError), match="class_names must be "):
        SyntheticMix(Named(), 0.5)
