"""The network of published figures: its weights are fetched, which no test does."""

import hashlib
import io
import pickle
import socket

import pytest
import torch

from gan_augment.metrics import InceptionFeatures, _feature_networks, load_features

from .test_features import smooth

fidelity = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3", reason="torch-fidelity is not installed")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of torch's."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    return tmp_path / "hub" / "checkpoints" / fidelity.URL_INCEPTION_V3.rpartition("/")[2]


def pin(monkeypatch, data):
    monkeypatch.setattr(_feature_networks, "INCEPTION_SHA256", hashlib.sha256(data).hexdigest())


def test_weights_that_cannot_be_fetched_are_one_sentence(cache, monkeypatch):
    def offline(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    for proxy in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(proxy, raising=False)
        monkeypatch.delenv(proxy.upper(), raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", offline)
    with pytest.raises(
        ConnectionError, match=r"cannot be downloaded from https://github.com/.*Name or service"
    ) as error:
        load_features("inception")
    assert str(cache) in str(error.value)
    assert "\n" not in str(error.value)
    assert list(cache.parent.iterdir()) == []


def test_other_weights_in_the_cache_are_refused(cache):
    cache.parent.mkdir(parents=True)
    cache.write_bytes(b"other")
    with pytest.raises(ValueError, match=f"{cache.name} must have the SHA-256 6726825d"):
        InceptionFeatures()


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(FileNotFoundError):
        InceptionFeatures(weights=tmp_path / "none.pth")


class Trap:
    def __reduce__(self):
        return print, ("unpickled",)


def test_what_holds_more_than_tensors_is_not_unpickled(tmp_path, monkeypatch, capsys):
    torch.save({"fc.weight": Trap()}, tmp_path / "trap.pth")
    pin(monkeypatch, (tmp_path / "trap.pth").read_bytes())
    with pytest.raises(Exception, match="Weights only load failed"):
        InceptionFeatures(weights=tmp_path / "trap.pth")
    assert "unpickled" not in capsys.readouterr().out


@pytest.mark.slow
def test_features_are_those_of_torch_fidelity(cache, monkeypatch):
    class Untrained(fidelity.FeatureExtractorInceptionV3):
        def load_state_dict(self, state):  # of the right names and shapes, and no meaning
            return None

    torch.manual_seed(0)
    empty = io.BytesIO()
    torch.save({}, empty)
    empty.seek(0)
    theirs = Untrained("inception-v3-compat", ["2048"], feature_extractor_weights_path=empty)
    cache.parent.mkdir(parents=True)
    torch.save(theirs.state_dict(), cache)
    pin(monkeypatch, cache.read_bytes())
    network, images = load_features("inception"), smooth(3)
    features = network(images)
    assert network.name == "inception"
    assert features.shape == (3, 2048)
    torch.testing.assert_close(features, theirs(images)[0], rtol=1e-4, atol=1e-6)
    assert torch.equal(pickle.loads(pickle.dumps(network))(images), features)
    grey = images[:, :1]
    torch.testing.assert_close(network(grey), network(grey.repeat(1, 3, 1, 1)))
