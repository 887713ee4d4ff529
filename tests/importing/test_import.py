"""Tests importing generators from checkpoints of other projects."""

import io
import os
import pickle
import random
import time
import warnings
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrizations, spectral_norm, weight_norm

from gan_augment import Generator, fit, from_pretrained, import_checkpoint
from gan_augment.importing import _hypothesis
from gan_augment.models import LayeredGenerator, sample_grid

from . import layouts
from .layouts import Wrapped, as_trained, plain

CASES = {
    "examples": (lambda: Wrapped("main", *plain()), {}),
    "huggan": (lambda: Wrapped("model", *plain()), {}),
    "grey 28": (lambda: Wrapped("main", *plain(28, 1)), {}),
    "leaky": (lambda: Wrapped("main", *plain(32, relu=lambda: nn.LeakyReLU(0.2))), {}),
    "blocks": (layouts.nested_blocks, {}),
    "no padding": (layouts.digits_without_padding, {"latent": 10}),
    "no padding, leaky": (lambda: layouts.digits_without_padding(8, lambda: nn.LeakyReLU(0.1)), {"latent": 10}),
    "SELU": (lambda: Wrapped("main", *plain(32, relu=nn.SELU)), {}),
    "names of this project": (layouts.Blocks, {}),
    "resized": (layouts.Resized, {}),
    "resized 64": (lambda: layouts.Resized(64), {}),
    "functional": (layouts.Functional, {}),
    "attributes": (lambda: layouts.Attributes(False), {}),
    "norms last": (lambda: layouts.Attributes(True), {}),
    "dense": (layouts.Dense, {}),
    "96 px": (layouts.threes, {}),
    "last of kernel 1": (layouts.refined, {}),
    "cut to 28 px": (lambda: layouts.refined(1), {}),
    "uniform": (lambda: Wrapped("main", *plain(32)), {"uniform": True}),
    "class multiplied": (lambda: layouts.Resized(32, 3), {"classes": 3}),
    "class after": (lambda: layouts.Embedded(False), {"classes": 5}),
    "class before": (lambda: layouts.Embedded(True), {"classes": 5}),
    "two stems": (layouts.Stems, {"classes": 4}),
    "spectral norm": (lambda: Wrapped("main", *plain(32, wrap=spectral_norm)), {}),
    "spectral parametrization": (lambda: Wrapped("main", *plain(32, wrap=parametrizations.spectral_norm)), {}),
    "weight norm": (lambda: Wrapped("main", *plain(32, wrap=weight_norm)), {}),
    "weight parametrization": (lambda: Wrapped("main", *plain(32, wrap=parametrizations.weight_norm)), {}),
}


def same_images(generator, network, latent=20, classes=0, uniform=False):
    """Returns whether both make the same images from latents that the search does not use."""
    rng = torch.Generator().manual_seed(99)
    z = torch.randn((6, latent), generator=rng)
    labels = torch.arange(6) % classes if classes else None
    with torch.no_grad():
        expected = network(z) if labels is None else network(z, labels)
        return torch.allclose(generator(z, labels), expected, atol=1e-4)


LONG = {
    "no padding",
    "no padding, leaky",
    "resized",
    "resized 64",
    "functional",
    "96 px",
    "cut to 28 px",
    "class multiplied",
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.slow) if case in LONG else case for case in CASES]
)
def test_an_imported_layout_gives_the_same_images(case, tmp_path):
    make, options = CASES[case]
    torch.manual_seed(0)
    network = as_trained(make(), **options)
    torch.save(network.state_dict(), tmp_path / "G.pth")
    generator = import_checkpoint(tmp_path / "G.pth")
    assert same_images(generator, network, **options)
    assert generator.config.latent == ("uniform" if options.get("uniform") else "normal")
    generator.save_pretrained(tmp_path / "ours")
    again = from_pretrained(tmp_path / "ours")
    assert (again.sample(4, seed=0) == generator.sample(4, seed=0)).all()
    assert pickle.loads(pickle.dumps(generator)).config == again.config
    assert again.card.training["imported_from"] == "G.pth"


COURSE = {"strides": (2, 1, 2, 2), "paddings": (0, 0, 0, 0)}


@pytest.fixture(scope="module")
def wide():
    return as_trained(layouts.digits_without_padding(64), latent=10)


@pytest.mark.parametrize("hints", [pytest.param({}, marks=pytest.mark.slow), COURSE], ids=["none", "hints"])
def test_a_wide_layout_without_padding_is_found_fast(wide, hints, tmp_path):
    torch.save(wide.state_dict(), tmp_path / "G.pth")
    start = time.process_time()
    assert same_images(import_checkpoint(tmp_path / "G.pth", **hints), wide, latent=10)
    assert time.process_time() - start < 20


@pytest.mark.slow
def test_noisy_statistics_are_not_refused(wide, tmp_path):
    rng = torch.Generator().manual_seed(0)
    state = {name: tensor.clone() for name, tensor in wide.state_dict().items()}
    for name, variance in state.items():
        if name.endswith("running_var"):
            mean = state[name.replace("var", "mean")]
            mean += 0.3 * variance.sqrt() * torch.randn(len(mean), generator=rng)
            variance *= (0.4 * torch.randn(len(variance), generator=rng)).exp()
    torch.save(state, tmp_path / "G.pth")
    with pytest.warns(UserWarning, match="match its layers only roughly"):
        generator = import_checkpoint(tmp_path / "G.pth")
    convs = [layer for layer in generator.config.layers if layer["kind"] == "conv_transpose"]
    assert [conv["stride"] for conv in convs[1:]] == [1, 2, 2]
    assert generator.config.image_size == 28


def test_a_search_that_exceeds_its_budget_names_the_hints_that_help(network, tmp_path, monkeypatch):
    monkeypatch.setattr(_hypothesis, "MOST_WORK", 1000)
    torch.save(network.state_dict(), tmp_path / "G.pth")
    with pytest.raises(
        ValueError, match=r"may hold a DCGAN generator, but .* exceeded its budget; pass `paddings=`, `function=`"
    ):
        import_checkpoint(tmp_path / "G.pth", strides=(1, 2, 2, 2))


def test_norms_that_were_never_used_in_training_are_named(tmp_path):
    torch.save(Wrapped("main", *plain(32)).state_dict(), tmp_path / "G.pth")
    with pytest.warns(UserWarning, match=r"batch norms \(main\.1 first\) were never used in training mode"):
        import_checkpoint(tmp_path / "G.pth")


@pytest.mark.parametrize(
    ("last", "normalization", "mean", "std"),
    [
        ("none", (0.1307, 0.3081), 0.1307, 0.3081),
        ("tanh", ((0.4, 0.5, 0.6), (0.2, 0.3, 0.4)), (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)),
        ("sigmoid", (0, 1), 0, 1),
    ],
)
def test_the_normalization_of_training_is_undone(network, last, normalization, mean, std, tmp_path):
    torch.save(network.state_dict(), tmp_path / "G.pth")
    generator = import_checkpoint(tmp_path / "G.pth", last=last, normalization=normalization)
    z = torch.randn(4, 20)
    with torch.no_grad():
        made = network.main[:-1](z[:, :, None, None])
        made = {"none": made, "tanh": made.tanh(), "sigmoid": made.sigmoid()}[last]
        mean, std = (torch.tensor(each).reshape(1, -1, 1, 1) for each in (mean, std))
        expected = (made * std + mean).clamp(0, 1)
        assert torch.allclose((generator(z) + 1) / 2, expected, atol=1e-4)
    generator.save_pretrained(tmp_path / "ours")
    assert torch.equal(from_pretrained(tmp_path / "ours")(z), generator(z))


@pytest.mark.parametrize("normalization", [0.5, (0.5, 0), (0.5, float("nan")), ((0.5, 0.5), (1, 1)), "ab"])
def test_an_impossible_normalization_is_refused(network, normalization, tmp_path):
    torch.save(network.state_dict(), tmp_path / "G.pth")
    with pytest.raises(ValueError, match="`normalization` must be"):
        import_checkpoint(tmp_path / "G.pth", normalization=normalization)


@pytest.fixture(scope="module")
def network():
    return as_trained(Wrapped("main", *plain(32)))


@pytest.fixture(scope="module")
def other():
    return as_trained(Wrapped("main", *plain(32)), seed=1)


def prefixed(network, prefix):
    return {f"{prefix}{name}": tensor for name, tensor in network.state_dict().items()}


WRAPPINGS = {
    "data parallel": lambda g: prefixed(g, "module."),
    "compiled": lambda g: prefixed(g, "_orig_mod."),
    "bare": lambda g: g.main.state_dict(),
    "training checkpoint": lambda g: {
        "epoch": 3, "netG_state_dict": g.state_dict(), "optimizerG": torch.optim.Adam(g.parameters()).state_dict(),
        "G_losses": [0.1, 0.2], "netD_state_dict": as_trained_discriminator().state_dict(),
    },
    "lightning": lambda g: {
        "state_dict": {**prefixed(g, "generator."), **prefixed(as_trained_discriminator(), "discriminator.")}
    },
}  # fmt: skip


def as_trained_discriminator():
    return nn.Sequential(
        nn.Conv2d(3, 8, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(8, 16, 4, 2, 1), nn.BatchNorm2d(16), nn.LeakyReLU(0.2),
        nn.Conv2d(16, 32, 4, 2, 1), nn.BatchNorm2d(32), nn.Conv2d(32, 1, 4),
    )  # fmt: skip


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("old", [False, True])
def test_a_generator_is_found_among_what_it_was_saved_with(network, wrapping, old, tmp_path):
    torch.save(WRAPPINGS[wrapping](network), tmp_path / "G.pt", _use_new_zipfile_serialization=not old)
    generator = import_checkpoint(tmp_path / "G.pt")
    assert same_images(generator, network)
    assert type(generator) is Generator


@pytest.mark.parametrize("seed", range(6))
def test_files_that_do_not_keep_the_order_of_layers(seed, tmp_path):
    network = as_trained(Wrapped("main", *plain(64)))
    state = list(network.state_dict().items())
    random.Random(seed).shuffle(state)
    torch.save({f"x.{name}": tensor for name, tensor in state}, tmp_path / "G.pth")
    assert same_images(import_checkpoint(tmp_path / "G.pth"), network)


def test_safetensors(network, tmp_path):
    save_file(network.state_dict(), tmp_path / "G.safetensors")
    assert same_images(import_checkpoint(tmp_path / "G.safetensors"), network)


@pytest.mark.parametrize(
    "make",
    [lambda: layouts.Attributes(True), pytest.param(lambda: layouts.Resized(32), marks=pytest.mark.slow)],
    ids=["norms last", "resized"],
)
def test_safetensors_sorts_names(make, tmp_path):
    network = as_trained(make())
    state = {name.replace("l1.", "z."): tensor.contiguous() for name, tensor in sorted(network.state_dict().items())}
    save_file(state, tmp_path / "G.safetensors")  # this sorts the linear layer last, and norms before convolutions
    assert same_images(import_checkpoint(tmp_path / "G.safetensors"), network)


@pytest.mark.parametrize("hints", [{"key": "none"}, {}])
def test_messages_quote_little_of_a_file(hints, tmp_path):
    networks = {f"{number}{'x' * 5000}": {f"{'y' * 5000}.weight": torch.zeros(2, 2, 2)} for number in range(30)}
    torch.save(networks, tmp_path / "G.pth")
    with pytest.raises(ValueError, match=r"must hold|holds no") as error:
        import_checkpoint(tmp_path / "G.pth", **hints)
    assert len(str(error.value)) < len(str(tmp_path)) + 600


def test_averaged_weights_are_preferred_and_a_key_overrides_that(network, other, tmp_path):
    torch.save({"G": network.state_dict(), "G_ema": other.state_dict()}, tmp_path / "both.pt")
    assert same_images(import_checkpoint(tmp_path / "both.pt"), other)
    assert same_images(import_checkpoint(tmp_path / "both.pt", key="G"), network)
    with pytest.raises(ValueError, match=r"must hold 'H', but holds \['G', "):
        import_checkpoint(tmp_path / "both.pt", key="H")


def test_two_generators_need_a_key(network, other, tmp_path):
    torch.save({"G_AB": network.state_dict(), "G_BA": other.state_dict()}, tmp_path / "both.pt")
    with pytest.raises(ValueError, match=r"several generators; pass key= with one of \['G_AB', 'G_BA'\]"):
        import_checkpoint(tmp_path / "both.pt")


def test_layers_that_fit_in_many_orders_are_refused_soon(tmp_path):
    layers = [nn.Conv2d(8, 8, 3) for _ in range(11)]
    torch.save(nn.Sequential(nn.ConvTranspose2d(5, 3, 4), *layers).state_dict(), tmp_path / "G.pth")
    start = time.process_time()
    with pytest.raises(ValueError, match="holds no DCGAN generator"):
        import_checkpoint(tmp_path / "G.pth")
    assert time.process_time() - start < 45


def test_the_state_of_torchs_generator_is_unchanged(network, tmp_path):
    torch.save(network.state_dict(), tmp_path / "G.pth")
    before = torch.get_rng_state()
    import_checkpoint(tmp_path / "G.pth")
    assert torch.equal(before, torch.get_rng_state())


def test_hints_give_what_no_tensor_shows(tmp_path):
    network = as_trained(layouts.OneHot(), classes=4)
    torch.save(network.state_dict(), tmp_path / "G.pth")
    generator = import_checkpoint(tmp_path / "G.pth", num_classes=4, class_names=("a", "b", "c", "d"))
    assert same_images(generator, network, classes=4)
    assert generator.class_names == ("a", "b", "c", "d")
    half = import_checkpoint(tmp_path / "G.pth", num_classes=4, last="sigmoid").sample(4, seed=0)
    assert (half != generator.sample(4, seed=0)).any()


@pytest.mark.parametrize(
    ("hints", "words"),
    [
        ({"function": "foo"}, "function must be one of"),
        ({"latent": "gamma"}, "latent must be one of"),
        ({"image_size": 0}, "image_size must be between"),
        ({"num_classes": -1}, "num_classes must be between"),
        ({"strides": 5}, "strides must be"),
        ({"eps": float("nan")}, "eps must be between"),
        ({"image_size": 4096}, "hints|does not fit"),
    ],
)
def test_impossible_hints_are_refused(network, hints, words, tmp_path):
    torch.save(network.state_dict(), tmp_path / "G.pth")
    with pytest.raises(ValueError, match=words):
        import_checkpoint(tmp_path / "G.pth", **hints)


@pytest.mark.parametrize(
    ("hints", "words"),
    [
        pytest.param({"image_size": 50}, "`image_size` should be 32, not 50", marks=pytest.mark.slow),
        ({"paddings": (0, 0, 1, 1)}, r"`paddings` should be \(0, 1, 1, 1\), not \(0, 0, 1, 1\)"),
        ({"function": "gelu"}, "`function` should be 'relu', not 'gelu'"),
        pytest.param({"latent": "uniform"}, "`latent` should be 'normal', not 'uniform'", marks=pytest.mark.slow),
        pytest.param({"strides": (1, 1, 2, 2)}, "`strides` should be", marks=pytest.mark.slow),
    ],
)
def test_hints_that_the_statistics_contradict_are_refused(network, hints, words, tmp_path):
    torch.save(network.state_dict(), tmp_path / "G.pth")
    with pytest.raises(
        ValueError, match=f"statistics in .*G.pth contradict the hints: .*{words}.*Leave out hints that you are not"
    ):
        import_checkpoint(tmp_path / "G.pth", **hints)


def test_weights_of_this_project_are_left_to_from_pretrained(tiny, tmp_path):
    tiny.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="load its folder with from_pretrained"):
        import_checkpoint(tmp_path / "generator.safetensors")


def test_the_usual_layers_are_assumed_without_statistics(tmp_path):
    torch.manual_seed(0)
    network = Wrapped("main", *plain(64)).eval()
    torch.save(network.state_dict(), tmp_path / "G.pth")
    with pytest.warns(UserWarning, match="nothing in the file confirms the strides, .* of any layer"):
        generator = import_checkpoint(tmp_path / "G.pth")
    assert same_images(generator, network)
    assert generator.card.training["assumed"]["norms_with_statistics"] == 0


@pytest.mark.parametrize(
    ("norm", "words"),
    [
        (nn.InstanceNorm2d, "norms without weights of any layer"),
        (lambda width: nn.GroupNorm(2, width), "single channels or groups of channels"),
    ],
)
def test_norms_that_no_tensor_shows_are_warned_of(norm, words, tmp_path):
    torch.save(as_trained(Wrapped("main", *plain(32, norm=norm))).state_dict(), tmp_path / "G.pth")
    with pytest.warns(UserWarning, match=f"nothing in the file confirms .*{words}.*Look at the samples"):
        generator = import_checkpoint(tmp_path / "G.pth")
    assert any(words in each for each in generator.card.training["assumed"]["warnings"])


def test_statistics_after_all_but_the_last_layer_give_no_warning(network, tmp_path):
    torch.save(network.state_dict(), tmp_path / "G.pth")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert import_checkpoint(tmp_path / "G.pth").card.training["assumed"]["warnings"] == []


def test_an_imported_generator_of_our_layers_can_be_trained_further(network, tmp_path):
    torch.save(network.state_dict(), tmp_path / "G.pth")
    generator = import_checkpoint(tmp_path / "G.pth")
    images = [(torch.randint(256, (3, 32, 32), dtype=torch.uint8), 0) for _ in range(120)]
    result = fit(images, "small", init=generator, steps=2, progress=False, held_out=0)
    assert result.steps == 2


def test_an_imported_generator_of_other_layers_can_only_be_sampled(tmp_path):
    torch.save(as_trained(layouts.Functional()).state_dict(), tmp_path / "G.pth")
    generator = import_checkpoint(tmp_path / "G.pth")
    assert isinstance(generator, LayeredGenerator)
    with pytest.raises(ValueError, match="init must have the layers of a Generator"):
        fit([(torch.zeros(3, 32, 32, dtype=torch.uint8), 0)] * 120, "small", init=generator, progress=False)


NOT_GENERATORS = {
    "discriminator": (lambda: nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.Conv2d(8, 16, 4, 2, 1), nn.Conv2d(16, 1, 4)),
                      "takes images of 3 channels: a discriminator"),
    "classifier": (lambda: nn.Sequential(nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5), nn.Linear(16, 10)),
                   "takes images of 1 channels: a classifier"),
    "super-resolution": (lambda: nn.Sequential(nn.Conv2d(3, 8, 9), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 3, 9)),
                         "like networks for super-resolution"),
    "fully connected": (lambda: nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 784)), "fully connected"),
    "sound": (lambda: nn.Sequential(nn.ConvTranspose1d(8, 4, 4), nn.ConvTranspose1d(4, 1, 4)), "no layer of a DCGAN"),
    "residual": (layouts.residual, "residual network"),
    "shortcuts": (layouts.with_shortcuts, "looks like a residual network"),
    "U-Net": (layouts.u_net, "images to images instead of latents, like a U-Net"),
    "broken": (lambda: nn.Sequential(nn.ConvTranspose2d(8, 7, 4), nn.ConvTranspose2d(5, 3, 4)), "does not fit what"),
}  # fmt: skip


@pytest.mark.parametrize("case", NOT_GENERATORS)
def test_other_kinds_of_networks_are_refused_by_name(case, tmp_path):
    make, words = NOT_GENERATORS[case]
    torch.save(make().state_dict(), tmp_path / "x.pth")
    with pytest.raises(ValueError, match=rf"holds no DCGAN generator: .*{words}"):
        import_checkpoint(tmp_path / "x.pth")


class Creates:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("way", ["zip", "old", "plain", "protocol 4"])
def test_a_pickle_that_would_execute_does_not(way, tmp_path):
    content, file = {"G": Creates(tmp_path / "created")}, tmp_path / "evil.pth"
    if way == "plain":
        file.write_bytes(pickle.dumps(content))
    else:
        protocol = 4 if way == "protocol 4" else 2
        torch.save(content, file, pickle_protocol=protocol, _use_new_zipfile_serialization=way != "old")
    with pytest.raises(ValueError, match=r"asks for '(posix|nt).system', which is not run"):
        import_checkpoint(file)
    assert not (tmp_path / "created").exists()


def test_a_zip_bomb_is_not_opened(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(2**26))
    with pytest.raises(ValueError, match="unpack to at most 2 times"):
        import_checkpoint(tmp_path / "bomb.pth")


def archive_of(names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"random bytes, not a checkpoint", "something else"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5 file, which Keras writes"),
        (b"PK\x03\x04 and no more", "a zip archive that ends with its directory"),
        (archive_of(["word/document.xml"]), "another zip archive"),
        (archive_of(["a/data.pkl", "a/code/x.py"]), "TorchScript"),
        (b"\x80\x02garbage", "pickle is damaged"),
        ((2**40).to_bytes(8, "little") + b"{}", "header of at most"),
        ((2).to_bytes(8, "little") + b"{}", "holds no DCGAN generator|must hold"),
        ((4).to_bytes(8, "little") + b"{nan", "must be a safetensors file"),
    ],
)
def test_files_that_are_no_checkpoints_are_refused(content, words, tmp_path):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        import_checkpoint(tmp_path / "file")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        import_checkpoint(tmp_path / "none.pth")


FOREIGN = (
    "dcgan-fashion-mnist-aman-sunesh.pth",
    "dcgan-mnist-ryhan9834.pth",
    pytest.param("cwgangp-mnist-hayatohongo.pth", marks=pytest.mark.slow),
)
REFUSED = {
    "dcgan-mnist-csinva-netD.pth": "a discriminator",
    "lenet-mnist-csinva.pth": "a classifier",
    "mlp-gan-mnist-csinva.ckpt": "fully connected",
    "srgan-x2-leftthomas.pth": "super-resolution",
    "srgan-x4-leftthomas.pth": "super-resolution",
    "realesr-animevideov3.pth": "super-resolution",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_published_checkpoints_give_recognisable_images(name, third_party, tmp_path):
    generator = import_checkpoint(third_party / name)
    assert (generator.config.image_size, generator.config.channels) == (28, 1)
    assert generator.card.training["assumed"]["misfit"] < 0.1
    sample_grid(generator).save(tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as grid:
        assert np.asarray(grid).std() > 40


def test_published_drawings_are_warned_of_another_last_activation(third_party):
    with pytest.warns(UserWarning, match='pass `last="sigmoid"`'):
        generator = import_checkpoint(third_party / "dcgan-quickdraw-moreira-and.pth")
    assert generator.card.training["assumed"]["resized"] == 2


@pytest.mark.parametrize("name", REFUSED)
def test_published_files_that_are_no_generators_are_refused(name, third_party):
    with pytest.raises(ValueError, match=f"holds no DCGAN generator: .*{REFUSED[name]}"):
        import_checkpoint(third_party / name)


@pytest.mark.parametrize("change", [lambda w: w[:0], lambda w: w * float("nan")], ids=["empty", "not finite"])
def test_empty_and_infinite_tensors_are_refused(network, change, tmp_path):
    state = network.state_dict()
    state["main.0.weight"] = change(state["main.0.weight"])
    torch.save(state, tmp_path / "G.pth")
    with pytest.raises(ValueError, match=r"main\.0 holds an empty tensor, or values that are not finite"):
        import_checkpoint(tmp_path / "G.pth")


def test_a_huge_network_costs_no_memory(tmp_path):
    wide = {"0.weight": torch.zeros(1, 1).expand(64, 2**20), "1.weight": torch.zeros(1).expand(2**18, 3, 7, 7)}
    torch.save(
        {name: tensor.clone() if name == "0.weight" else tensor for name, tensor in wide.items()}, tmp_path / "G"
    )
    with pytest.raises(ValueError, match=r"repeats stored values"):
        import_checkpoint(tmp_path / "G")
