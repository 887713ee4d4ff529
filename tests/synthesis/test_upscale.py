"""Enlarging synthetic images."""

import copy
import json
import multiprocessing
import os
import pickle
import zipfile
from pathlib import Path

import PIL.Image
import pytest
import torch
from torch import nn
from torchvision.transforms.v2 import functional as F

from gan_augment import GANAugmentedDataset, SyntheticPool, Upscaler
from gan_augment._core import config_sha256
from gan_augment.hub import _entries, find_entry, list_upscalers, load_upscaler, save_upscaler
from gan_augment.models import SRGAN, SRGANConfig
from gan_augment.synthesis import UpscaledSource


class Nearest(nn.Module):
    """A network that repeats pixels."""

    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, images):
        return nn.functional.interpolate(images, scale_factor=self.scale, mode="nearest")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return SRGAN(SRGANConfig(scale=2, width=8, blocks=2)).eval()


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(16, 16), (40, 33), (130, 70)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_of_repeated_pixels_are_the_repeated_image(scale, size, dtype, channels):
    images = torch.randint(256, (3, channels, *size), dtype=torch.uint8)
    images = images if dtype == torch.uint8 else images / 255
    large = Upscaler(Nearest(scale), tile=32, overlap=4)(images)
    assert large.dtype == dtype
    expected = nn.functional.interpolate(images.float(), scale_factor=scale, mode="nearest")
    assert torch.allclose(large.float(), expected, atol=1e-6)


def test_tiles_see_enough_around_them(network):
    images = torch.rand(1, 3, 64, 64)
    whole = Upscaler(network, tile=64)(images)
    tiled = Upscaler(network, tile=16, overlap=24)(images)
    assert torch.allclose(whole, tiled, atol=1e-5)


def test_the_network_keeps_its_mode():
    network = SRGAN(SRGANConfig(width=8, blocks=1)).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    Upscaler(network)(torch.rand(2, 3, 16, 16))
    assert network.training
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_networks_and_images_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="by a whole number"):
        Upscaler(nn.Identity())
    with pytest.raises(ValueError, match="images must be"):
        Upscaler(Nearest(2))(torch.rand(3, 16, 16))


@pytest.mark.parametrize("dtype", [torch.int64, torch.int8, torch.bool])
def test_images_of_other_integers_are_refused(dtype):
    with pytest.raises(TypeError, match=f"must be uint8 .* or floating point .*, but got {dtype}"):
        Upscaler(Nearest(2))(torch.zeros(1, 3, 16, 16, dtype=dtype))


@pytest.mark.parametrize("weights", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float32])
def test_weights_of_any_precision_take_images_of_any(weights, dtype, network):
    images = torch.rand(2, 3, 20, 20)
    images = (images * 255).to(dtype) if dtype == torch.uint8 else images.to(dtype)
    large = Upscaler(copy.deepcopy(network).to(weights))(images)
    assert large.dtype == dtype
    expected = Upscaler(network)(images)
    assert torch.allclose(large.float(), expected.float(), atol=5 if dtype == torch.uint8 else 0.02)


def test_its_name_is_that_of_the_file_the_folder_or_the_network(network, tmp_path, monkeypatch):
    save_upscaler(network, tmp_path / "faces-2.x")
    torch.save(network.state_dict(), tmp_path / "ours.v1.pth")
    assert Upscaler(network).name == "SRGAN"
    assert Upscaler(network, name="mine").name == "mine"
    assert Upscaler.load(tmp_path / "faces-2.x").name == "faces-2.x"
    assert Upscaler.load(tmp_path / "ours.v1.pth").name == "ours.v1"
    assert Upscaler.load(tmp_path / "faces-2.x", name="mine", tile=32).name == "mine"
    monkeypatch.chdir(tmp_path / "faces-2.x")
    assert Upscaler.load(".").name == "faces-2.x"


def test_an_enlarged_source_is_a_source(tiny, network):
    source = UpscaledSource(tiny, Upscaler(network))
    assert source.sample(4, [0, 1, 2, 0], seed=1).shape == (4, 1, 32, 32)
    assert (source.sample(4, seed=1) == source.sample(6, seed=1)[:4]).all()
    pool = SyntheticPool.generate(source, 6, progress=False)
    assert pool.num_classes == 3
    again = UpscaledSource(pool, Upscaler(network))
    assert again.sample(2, seed=0).shape == (2, 1, 64, 64)
    assert UpscaledSource(source, Upscaler(network)).sample(2, seed=0).shape == (2, 1, 64, 64)
    assert pickle.loads(pickle.dumps(source)).sample(2, seed=0).shape == (2, 1, 32, 32)


def test_padding_is_undone_at_the_larger_size(network):
    source = UpscaledSource("dcgan-mnist-32", Upscaler(network))
    assert (source.geometry.resize_mode, source.geometry.source_size) == ("pad", (56, 56))
    images = [(torch.zeros(1, 56, 56, dtype=torch.uint8), label % 10) for label in range(20)]
    mixed = GANAugmentedDataset(images, source, 0.5)
    assert mixed[len(mixed) - 1][0].shape == (1, 56, 56)


def test_a_network_is_the_same_after_saving_and_loading(network, tmp_path):
    save_upscaler(network, tmp_path / "x2")
    again = Upscaler.load(tmp_path / "x2")
    images = torch.randint(256, (2, 3, 20, 20), dtype=torch.uint8)
    assert (again(images) == Upscaler(network)(images)).all()
    data = bytearray((tmp_path / "x2" / "upscaler.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "x2" / "upscaler.safetensors").write_bytes(data)
    with pytest.raises(ValueError, match=r"must have the SHA-256"):
        load_upscaler(tmp_path / "x2")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "gan_augment": "0", "upscaler": 3, "files": {}}'])
def test_a_broken_folder_is_refused(text, network, tmp_path):
    save_upscaler(network, tmp_path)
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config\.json"):
        load_upscaler(tmp_path)


@pytest.mark.parametrize(("field", "value"), [("width", 2**31), ("scale", 3), ("blocks", "x"), ("depth", 1)])
def test_a_wrong_configuration_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        SRGANConfig.from_dict({field: value})


@pytest.fixture
def shipped(network, tmp_path, monkeypatch):
    """The folder of a registry that ships two upscalers."""
    content = {"format": 1, "generators": [], "upscalers": []}
    for name in ("srgan-shapes-2x", "digits-4x"):
        save_upscaler(network, tmp_path / name)
        terms = {"license": "mit", "data_terms": "none", "commercial_use": True, "description": "Enlarges"}
        content["upscalers"].append({"name": name, "sha256": config_sha256(tmp_path / name), **terms, "scale": 2})
    (tmp_path / "zoo.json").write_text(json.dumps(content))
    (tmp_path / "faces.json").write_text('{"format": 1, "generators": []}')
    monkeypatch.setattr(_entries, "ZOO_FOLDER", tmp_path)
    return tmp_path


def test_an_upscaler_of_the_zoo_is_loaded_by_name_and_verified(shipped, network):
    upscaler = Upscaler.load("srgan-shapes-2x")
    images = torch.rand(1, 3, 16, 16)
    assert upscaler.name == "srgan-shapes-2x"
    assert torch.equal(upscaler(images), Upscaler(network)(images))
    save_upscaler(SRGAN(SRGANConfig(width=4, blocks=1)), shipped / "srgan-shapes-2x")
    with pytest.raises(ValueError, match=r"SHA-256 .* from the registry"):
        Upscaler.load("srgan-shapes-2x")


def test_all_upscalers_of_the_zoo_load_and_are_small():
    for name in list_upscalers(installed=True):
        entry = find_entry(name)
        assert Upscaler.load(name).scale == entry.scale
        assert sum(file.stat().st_size for file in entry.folder.iterdir()) < 4_000_000


def test_the_error_for_a_mistyped_name_lists_the_nearest_first(shipped):
    for wrong, first, second in (
        ("srgan-shape-2x", "srgan-shapes-2x", "digits-4x"),
        ("Digits_4", "digits-4x", "srgan-s"),
    ):
        with pytest.raises(ValueError, match=f"must be one of .*{first}.*{second}.*, but got '{wrong}'"):
            Upscaler.load(wrong)
    for missing in ("./srgan-shape-2x", shipped / "none.pth"):
        with pytest.raises(FileNotFoundError):
            Upscaler.load(missing)


def test_a_path_may_begin_at_home(network, tmp_path, monkeypatch):
    save_upscaler(network, tmp_path / "x2")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert Upscaler.load("~/x2").name == "x2"
    with pytest.raises(ValueError, match=r"home folder in .* is not known"):
        Upscaler.load("~nobody-of-this-name/x2")


def sample_in_child(upscaler, images, queue):
    torch.set_num_threads(1)
    queue.put(upscaler(images).numpy())


def test_spandrels_networks_get_the_size_they_need_and_survive_pickle(tmp_path):
    spandrel = pytest.importorskip("spandrel")
    from spandrel.architectures.RealCUGAN import UpCunet2x

    torch.manual_seed(0)
    torch.save(UpCunet2x(in_channels=3, out_channels=3).state_dict(), tmp_path / "cugan.pth")
    upscaler = Upscaler.load(tmp_path / "cugan.pth")
    known = spandrel.ModelLoader("cpu").load_from_file(tmp_path / "cugan.pth").eval()
    assert known.size_requirements.minimum > 21
    images = torch.rand(1, 3, 21, 18)
    large = upscaler(images)
    assert upscaler.scale == 2
    assert torch.allclose(large, known(images).clamp(0, 1), atol=1e-6)
    upscaler.network.bfloat16()
    again = pickle.loads(pickle.dumps(upscaler))
    assert torch.equal(again(images), upscaler(images))


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_spandrels_networks_reach_other_processes(method, third_party):
    pytest.importorskip("spandrel")
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("not on this system")
    upscaler = Upscaler.load(third_party / "realesr-animevideov3.pth")
    images, context = torch.rand(1, 3, 8, 9), multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=sample_in_child, args=(upscaler, images, queue))
    process.start()
    large = torch.from_numpy(queue.get(timeout=120))
    process.join()
    assert torch.allclose(large, upscaler(images), atol=1e-6)


def faces(count=8):
    path = Path(os.environ["GAN_AUGMENT_DATA"]) / "celeba-10k" / "images.zip"
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))[:count]
        images = [F.pil_to_tensor(PIL.Image.open(archive.open(name)).convert("RGB")) for name in names]
    return torch.stack([F.center_crop(image, [128, 128]) for image in images])


def psnr(one, other):
    return float(10 * torch.log10(255**2 / (one.float() - other.float()).square().mean()))


@pytest.mark.parametrize(("name", "scale"), [("srgan-x2-leftthomas.pth", 2), ("srgan-x4-leftthomas.pth", 4)])
def test_published_srgan_weights_beat_bicubic_on_faces(name, scale, third_party):
    upscaler = Upscaler.load(third_party / name)
    large = faces()
    small = F.resize(large, [128 // scale] * 2, interpolation=F.InterpolationMode.BICUBIC, antialias=True)
    bicubic = F.resize(small, [128, 128], interpolation=F.InterpolationMode.BICUBIC, antialias=True)
    assert upscaler.scale == scale
    assert psnr(upscaler(small), large) > psnr(bicubic, large) + 0.3


def test_other_networks_are_read_by_spandrel(third_party):
    pytest.importorskip("spandrel")
    upscaler = Upscaler.load(third_party / "realesr-animevideov3.pth")
    assert upscaler.scale == 4
    image = faces(1)
    assert psnr(F.resize(upscaler(image), [128, 128], antialias=True), image) > 20


def test_a_generator_is_not_an_upscaler(third_party):
    pytest.importorskip("spandrel")
    with pytest.raises(ValueError, match="must hold a network for super-resolution"):
        Upscaler.load(third_party / "dcgan-fashion-mnist-aman-sunesh.pth")


def test_faces_and_digits_can_be_enlarged_by_them(third_party):
    upscaler = Upscaler.load(third_party / "srgan-x2-leftthomas.pth")
    digits = UpscaledSource("dcgan-mnist-32", upscaler).sample(10, list(range(10)), seed=0)
    assert digits.shape == (10, 1, 64, 64)
    assert digits.float().std() > 40
