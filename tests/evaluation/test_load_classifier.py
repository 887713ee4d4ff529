"""Classifiers by name: how images come to them, which layers train, and what is refused."""

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gan_augment.evaluation import (
    Classifier,
    Hyperparameters,
    PretrainedClassifier,
    SmallCNN,
    default_classifiers,
    load_classifier,
    predict_logits,
    train_classifier,
    with_lr,
)

SCALE = {"side": 128, "mean": [0.5] * 3, "std": [0.25] * 3}


class Backbone(nn.Module):
    """Remembers the batches that come to it."""

    def __init__(self, layers=8):
        super().__init__()
        self.layers = nn.Sequential(*(nn.Conv2d(3, 3, 1) for _ in range(layers)), nn.BatchNorm2d(3))
        self.seen = []

    def forward(self, images):
        self.seen.append(images)
        return self.layers(images)


@given(st.sampled_from([1, 3]), st.integers(16, 200), st.booleans())
@settings(max_examples=30, deadline=None)
def test_images_of_any_size_come_in_three_channels_at_a_size_that_the_network_knows(channels, side, fixed):
    model = PretrainedClassifier(Backbone(), 3, 5, **SCALE, fixed=fixed)
    grey = 0.75 * torch.ones(2, channels, side, side)
    assert model(grey).shape == (2, 5)
    (seen,) = model.backbone.seen
    expected = 128 if fixed else min(max(side, 96), 128)
    assert seen.shape == (2, 3, expected, expected)
    assert torch.allclose(seen, torch.ones_like(seen), atol=1e-5)  # (0.75 - 0.5) / 0.25


@pytest.mark.parametrize("backbone_lr", [0.0, 1e-2])
def test_only_the_head_and_the_last_quarter_of_the_layers_train(backbone_lr):
    torch.manual_seed(0)
    start = Backbone()
    images = torch.randint(0, 256, (8, 1, 16, 16), dtype=torch.uint8)
    model = train_classifier(
        images,
        torch.arange(8) % 2,
        num_classes=2,
        steps=3,
        batch_size=4,
        hyperparameters=Hyperparameters(lr=0.1, backbone_lr=backbone_lr),
        build=lambda channels, classes: PretrainedClassifier(copy.deepcopy(start), 3, classes, **SCALE),
    )
    before, after = start.state_dict(), model.backbone.state_dict()
    changed = {name.split(".")[1] for name in before if not torch.equal(before[name], after[name])}
    assert changed == ({"7", "8"} if backbone_lr else set())  # two of nine layers, and no statistics
    assert torch.equal(after["layers.8.running_mean"], torch.zeros(3))
    assert model.head.weight.abs().sum() > 0


def test_the_bundled_network_is_the_same_in_every_process_and_starts_undecided():
    pytest.importorskip("efficientnet_lite_pytorch")
    classifier = load_classifier("efficientnet-lite0")
    model = classifier.build(1, 4)
    images = torch.randint(0, 256, (3, 1, 28, 28), dtype=torch.uint8)
    assert predict_logits(model, images).shape == (3, 4)
    assert torch.equal(predict_logits(model, images), torch.zeros(3, 4))  # the head starts at zero
    again = pickle.loads(pickle.dumps(classifier)).build(1, 4)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values()))


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Random weights of resnet18 in place of torchvision's, in the cache where torchvision looks for them."""
    models = pytest.importorskip("torchvision").models
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    network = models.resnet18()
    path = tmp_path / "checkpoints" / models.ResNet18_Weights.DEFAULT.url.rpartition("/")[2]
    path.parent.mkdir()
    torch.save(network.state_dict(), path)
    return network, path


def test_torchvision_s_weights_come_from_its_cache(weights):
    network, _ = weights
    classifier = load_classifier("torchvision:resnet18")
    model = classifier.build(3, 7)
    images = torch.rand(2, 3, 100, 100)
    network.fc = nn.Identity()
    expected = network.eval()((images - model.mean) / model.std)
    with torch.no_grad():
        model.eval()
        model.head.weight.copy_(torch.randn(7, 512))
        assert torch.allclose(model(images), model.head(expected), atol=1e-4)
    assert classifier.trials == load_classifier("efficientnet-lite0").trials
    assert pickle.loads(pickle.dumps(classifier)).build(1, 2)(torch.rand(2, 1, 28, 28)).shape == (2, 2)


def test_a_file_in_the_cache_that_holds_more_than_tensors_is_not_unpickled(weights, tmp_path):
    class Harm:
        def __reduce__(self):
            return open, (str(tmp_path / "harm"), "w")

    torch.save({"weight": Harm()}, weights[1])
    with pytest.raises(ValueError, match="must hold only tensors"):
        load_classifier("torchvision:resnet18").build(3, 2)
    assert not (tmp_path / "harm").exists()


def test_weights_that_cannot_be_downloaded_say_what_to_do(weights, monkeypatch):
    weights[1].unlink()
    entry = pytest.importorskip("torchvision").models.ResNet18_Weights.DEFAULT.value
    monkeypatch.setattr(entry, "url", "http://127.0.0.1:9/resnet18-00000000.pth")
    with pytest.raises(ConnectionError, match=r"copy them to .*or use 'efficientnet-lite0'"):
        load_classifier("torchvision:resnet18").build(3, 2)


def test_a_network_of_timm(tmp_path):
    timm = pytest.importorskip("timm")
    network = timm.create_model("resnet10t", pretrained=False)
    timm.models.save_for_hf(network, tmp_path, model_config={"pretrained_cfg": network.pretrained_cfg})
    model = load_classifier(f"timm:local-dir:{tmp_path}").build(1, 3)
    assert model(torch.rand(2, 1, 32, 32)).shape == (2, 3)
    assert torch.equal(model.backbone.conv1[0].weight, network.conv1[0].weight)


def test_a_function_of_a_module(tmp_path, monkeypatch):
    (tmp_path / "mine_classifiers.py").write_text(
        "from gan_augment.evaluation import SmallCNN\n\ndef narrow(channels, classes):\n"
        "    return SmallCNN(channels, classes, width=4)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    classifier = load_classifier("mine_classifiers:narrow")
    assert (classifier.name, classifier.build(1, 2)[0].out_channels) == ("mine_classifiers:narrow", 4)
    with pytest.raises(ValueError, match="must name a function of a module that Python can import"):
        load_classifier("mine_classifiers:wide")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet18", "classifier must be one of .*torchvision:NAME"),
        ("torchvision:", "torchvision has no pretrained classifier ''"),
        ("torchvision:resnet1", "torchvision has no pretrained classifier 'resnet1'"),
        ("torchvision:r3d_18", "must be a classifier of images"),
        (".mine:net", "must name a function of a module"),
        ("torchvision:raft_small", "must be a classifier of images"),
        ("timm:resnet1", "timm has no pretrained network 'resnet1'"),
        ("no_such_module_at_all:net", "must name a function of a module"),
        ("math:pi", "must name a function, but it is"),
    ],
)
def test_a_wrong_name_is_refused(name, message):
    pytest.importorskip("timm")
    with pytest.raises(ValueError, match=message):
        load_classifier(name).build(3, 2)


def test_functions_and_classifiers_are_taken_as_they_are_and_modules_are_not():
    assert load_classifier(SmallCNN).name == "SmallCNN"
    own = Classifier("own", SmallCNN, (Hyperparameters(lr=0.5),))
    assert load_classifier(own) is own
    assert with_lr(own, 0.1).trials == (Hyperparameters(lr=0.1),)
    with pytest.raises(TypeError, match="a function that builds a module"):
        load_classifier(nn.Linear(2, 2))
    with pytest.raises(TypeError, match="one or more Hyperparameters"):
        Classifier("own", SmallCNN, ())


def test_without_the_extra_the_default_is_the_small_network(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert default_classifiers() == ("small-cnn",)


def test_training_keeps_all_tensors_on_its_device():
    # The meta device computes nothing, but it refuses tensors of other devices.
    images, labels = torch.randint(0, 256, (8, 1, 16, 16), dtype=torch.uint8), torch.arange(8) % 2
    steps = []
    model = train_classifier(
        images, labels, num_classes=2, steps=2, batch_size=4, device="meta", on_step=lambda: steps.append(1)
    )
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    assert len(steps) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 0.0}, "lr must be a finite number above 0"),
        ({"lr": float("nan")}, "lr must be a finite number above 0"),
        ({"steps": 0}, "steps must be a finite number above 0"),
        ({"weight_decay": -1.0}, "weight_decay must be a finite number of at least 0"),
        ({"backbone_lr": float("inf")}, "backbone_lr must be a finite number of at least 0"),
    ],
)
def test_hyperparameters_are_checked(change, message):
    with pytest.raises(ValueError, match=message):
        Hyperparameters(**change)


def test_numbers_of_numpy_become_floats_and_equal_trials_are_refused():
    assert type(Hyperparameters(lr=np.float32(0.5)).lr) is float
    with pytest.raises(ValueError, match="trials must differ"):
        Classifier("own", SmallCNN, (Hyperparameters(), Hyperparameters(lr=2e-3)))


def test_only_a_pretrained_classifier_has_a_learning_rate_for_its_backbone():
    images = torch.zeros(4, 1, 16, 16, dtype=torch.uint8)
    with pytest.raises(ValueError, match="backbone_lr must be 0"):
        train_classifier(
            images, torch.arange(4) % 2, num_classes=2, steps=1, hyperparameters=Hyperparameters(backbone_lr=0.1)
        )
