import hashlib
import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from gan_augment import (
    Card,
    Discriminator,
    DiscriminatorConfig,
    Generator,
    GeneratorConfig,
    download,
    from_pretrained,
    save_pretrained,
)
from gan_augment.models import _saving, load_discriminator

FILES = {"README.md", "config.json", "generator.safetensors", "grid.png"}
LOADERS = {"generator.safetensors": from_pretrained, "discriminator.safetensors": load_discriminator}


def rehash(folder):
    """Makes config.json vouch for the files as they are now."""
    config = json.loads((folder / "config.json").read_text())
    for name in config["files"]:
        data = (folder / name).read_bytes()
        config["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / "config.json").write_text(json.dumps(config))


def edit_config(folder, change):
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


def edit_weights(folder, change, name="generator.safetensors"):
    tensors = load_file(folder / name)
    change(tensors)
    save_file(tensors, folder / name)
    rehash(folder)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_classes": 3, "spectral_norm": True, "attention_resolution": 8},
        {"image_size": 28, "channels": 1, "upsampling": "resize", "kernel_size": 3, "latent": "uniform"},
        {"image_size": 32, "normalization": "instance", "resize_mode": "pad", "source_size": (28, 20)},
    ],
)
def test_a_generator_survives_its_folder(tmp_path, options):
    generator = Generator(GeneratorConfig(**{"image_size": 16, "width": 4, **options}))
    save_pretrained(generator, tmp_path / "new" / "folder")
    loaded = from_pretrained(tmp_path / "new" / "folder")
    assert loaded.config == generator.config
    state = loaded.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in generator.state_dict().items())
    assert torch.equal(loaded.sample(4, seed=0), generator.sample(4, seed=0))


def test_a_folder_may_be_named_by_a_str(saved, tiny):
    assert torch.equal(from_pretrained(str(saved)).sample(4, seed=0), tiny.sample(4, seed=0))


def test_a_loaded_generator_is_in_eval_mode_with_its_card(saved):
    loaded = from_pretrained(saved)
    assert not any(module.training for module in loaded.modules())
    assert loaded.card.name == "generator"


def test_loading_does_not_prepare_weights_for_sampling(tmp_path):
    Generator().save_pretrained(tmp_path / "saved")
    loaded = from_pretrained(tmp_path / "saved")
    assert not any(getattr(layer, "_prepared", None) for layer in loaded.modules())


def test_a_folder_holds_readable_files_and_nothing_else(saved):
    assert {path.name for path in saved.iterdir()} == FILES
    assert json.loads((saved / "config.json").read_text())["generator"]["image_size"] == 16
    assert (saved / "README.md").read_text().startswith("---\n")


def test_half_precision_halves_the_file_and_hardly_changes_the_images(tiny, saved, tmp_path):
    tiny.save_pretrained(tmp_path, half_precision=True)
    sizes = [(folder / "generator.safetensors").stat().st_size for folder in (tmp_path, saved)]
    assert sizes[0] < 0.7 * sizes[1]
    loaded = from_pretrained(tmp_path)
    assert all(p.dtype == torch.float32 for p in loaded.parameters())
    difference = loaded.sample(8, seed=0).int() - tiny.sample(8, seed=0).int()
    assert int(difference.abs().max()) <= 4
    assert int(tiny.sample(8, seed=0).int().max() - tiny.sample(8, seed=0).int().min()) > 100


def test_a_channels_last_generator_in_training_can_be_saved(tiny, tmp_path):
    other = Generator(tiny.config).train().to(memory_format=torch.channels_last)
    other.load_state_dict(tiny.state_dict())
    other.save_pretrained(tmp_path)
    assert other.training
    assert torch.equal(from_pretrained(tmp_path).sample(4, seed=0), tiny.sample(4, seed=0))


@pytest.fixture
def carded(tiny):
    generator = Generator(tiny.config)
    generator.load_state_dict(tiny.state_dict())
    known = torch.tensor([-(2**63), -1, 5, 2**63 - 1])
    generator.card = Card("x", "mit", ("mnist",), {"terms": "none"}, {"steps": 3}, [{"metric": "m"}], known)
    return generator


def test_the_card_and_the_fingerprints_survive(carded, tmp_path):
    carded.save_pretrained(tmp_path)
    loaded = from_pretrained(tmp_path).card
    assert loaded == carded.card
    assert torch.equal(loaded.fingerprints, carded.card.fingerprints)


def test_saving_over_another_generator_leaves_nothing_of_it(carded, saved, tmp_path):
    carded.save_pretrained(tmp_path)
    from_pretrained(saved).save_pretrained(tmp_path)
    assert from_pretrained(tmp_path).card.fingerprints is None
    assert contents(tmp_path) == contents(saved)


def test_a_weight_that_is_not_finite_is_not_saved(tiny, folder):
    before = contents(folder)
    broken = Generator(tiny.config)
    with torch.no_grad():
        broken.to_image.weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"finite, but to_image\.weight"):
        broken.save_pretrained(folder)
    assert contents(folder) == before


def test_a_weight_beyond_half_precision_is_not_saved(tiny, tmp_path):
    large = Generator(tiny.config)
    with torch.no_grad():
        large.to_image.weight[0, 0, 0, 0] = 1e6
    with pytest.raises(ValueError, match=r"finite, but to_image\.weight"):
        large.save_pretrained(tmp_path / "x", half_precision=True)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_a_full_disk_leaves_the_old_files_whole(tiny, folder, monkeypatch, fails_at):
    before, calls = contents(folder), []
    original = Path.write_bytes

    def write_bytes(self, data):
        calls.append(self)
        if len(calls) == fails_at:
            original(self, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        return original(self, data)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(OSError, match="No space"):
        Generator(tiny.config).save_pretrained(folder)
    assert contents(folder) == before


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_truncated_file_is_refused_by_name(saved, tmp_path_factory, data):
    name = data.draw(st.sampled_from(("config.json", "generator.safetensors")))
    folder = Path(shutil.copytree(saved, tmp_path_factory.mktemp("t") / "g"))
    whole = (folder / name).read_bytes()
    cut = data.draw(st.integers(0, len(whole) - (3 if name == "config.json" else 1)))
    (folder / name).write_bytes(whole[:cut])
    with pytest.raises(ValueError, match=name):
        from_pretrained(folder)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_flipped_bit_in_the_weights_is_refused_by_name(saved, tmp_path_factory, data):
    folder = Path(shutil.copytree(saved, tmp_path_factory.mktemp("b") / "g"))
    whole = bytearray((folder / "generator.safetensors").read_bytes())
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    (folder / "generator.safetensors").write_bytes(whole)
    with pytest.raises(ValueError, match=r"generator\.safetensors must have the SHA-256"):
        from_pretrained(folder)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_flipped_bit_in_the_header_is_refused_even_where_the_hash_agrees(saved, tmp_path_factory, data):
    folder = Path(shutil.copytree(saved, tmp_path_factory.mktemp("h") / "g"))
    whole = bytearray((folder / "generator.safetensors").read_bytes())
    length = 8 + int.from_bytes(whole[:8], "little")
    whole[data.draw(st.integers(0, length - 1))] ^= 1 << data.draw(st.integers(0, 7))
    (folder / "generator.safetensors").write_bytes(whole)
    rehash(folder)
    try:
        loaded = from_pretrained(folder)
    except ValueError as error:
        assert "generator.safetensors" in str(error)  # noqa: PT017 - it may also load
    else:  # in a name of the metadata, or one tensor's place for another's of its shape
        assert loaded.sample(1, seed=0).shape == (1, 1, 16, 16)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_misshapen_tensor_is_refused_by_name(saved, tmp_path_factory, data):
    folder = Path(shutil.copytree(saved, tmp_path_factory.mktemp("m") / "g"))
    key = data.draw(st.sampled_from(sorted(load_file(folder / "generator.safetensors"))))
    change = data.draw(st.sampled_from(("missing", "unexpected", "misshapen")))

    def damage(tensors):
        if change == "missing":
            del tensors[key]
        elif change == "unexpected":
            tensors[key + ".more"] = tensors[key].clone()
        else:
            tensors[key] = torch.cat([tensors[key].reshape(-1), torch.zeros(1, dtype=tensors[key].dtype)])

    edit_weights(folder, damage)
    with pytest.raises(ValueError, match=change) as caught:
        from_pretrained(folder)
    assert key in str(caught.value)
    assert "generator.safetensors" in str(caught.value)


def test_a_transposed_tensor_is_refused(folder):
    edit_weights(folder, lambda t: t.update({"to_image.weight": t["to_image.weight"].transpose(0, 1).contiguous()}))
    with pytest.raises(ValueError, match=r"misshapen: \['to_image.weight'\]"):
        from_pretrained(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("generator.safetensors", "to_image.weight"),
        ("discriminator.safetensors", "head.parametrizations.weight.original"),
    ],
)
def test_weights_that_are_not_finite_are_refused_by_name(judged, value, name, key):
    edit_weights(judged, lambda tensors: tensors[key].fill_(value), name)
    with pytest.raises(ValueError, match=f"{name} must hold usable weights, but {key} is not finite"):
        LOADERS[name](judged)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.uint8])
def test_weights_of_a_type_that_weights_do_not_have_are_refused(folder, dtype):
    edit_weights(folder, lambda t: t.update({"to_image.weight": t["to_image.weight"].to(dtype)}))
    with pytest.raises(ValueError, match=r"to_image\.weight"):
        from_pretrained(folder)


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("dump", [lambda trap: pickle.dumps(trap), lambda trap: pickle.dumps({"a": trap}, protocol=0)])
def test_a_pickle_is_never_unpickled(folder, tmp_path, dump):
    trap = tmp_path / "sprung"
    data = dump(Trap(trap))
    pickle.loads(data)
    assert trap.exists()  # it would work
    trap.unlink()
    (folder / "generator.safetensors").write_bytes(data)
    rehash(folder)
    with pytest.raises(ValueError, match=r"generator\.safetensors must be a safetensors file"):
        from_pretrained(folder)
    assert not trap.exists()


def test_a_torch_checkpoint_is_never_unpickled(folder, tmp_path):
    trap = tmp_path / "sprung"
    torch.save({"a": Trap(trap)}, folder / "generator.safetensors")
    rehash(folder)
    with pytest.raises(ValueError, match=r"generator\.safetensors"):
        from_pretrained(folder)
    assert not trap.exists()


@pytest.mark.parametrize("name", ["config.json", "generator.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        from_pretrained(folder)


LONG = {"x" * 300: "y" * 10_000}


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update({f"{'x' * 1000}{i}": 1 for i in range(100)}),
        lambda c: c.update(format=[LONG] * 9),
        lambda c: c["files"].update({f"{'x' * 1000}{i}": 1 for i in range(100)}),
        lambda c: c["files"].update({"generator.safetensors": [LONG] * 9}),
        lambda c: c["files"]["generator.safetensors"].update(sha256="0" * 100_000),
        lambda c: c["files"]["generator.safetensors"].update(bytes=[1] * 100_000),
        lambda c: c["generator"].update({f"{'x' * 1000}{i}": 1 for i in range(100)}),
        lambda c: c["generator"].update(latent="y" * 100_000),
        lambda c: c.update(generator=[LONG] * 9),
        lambda c: c["generator"].update(num_classes=0, attention_resolution=8, spectral_norm=True, kernel_size=3),
    ],
)
def test_no_message_is_as_long_as_the_file(folder, change):
    edit_config(folder, change)
    with pytest.raises(ValueError, match=r"config\.json|generator\.safetensors") as caught:
        from_pretrained(folder)
    assert len(str(caught.value).replace(str(folder), "")) < 600


def test_no_message_has_all_names_of_a_file(folder):
    edit_weights(folder, lambda tensors: tensors.update({f"{'x' * 500}{i}": torch.zeros(1) for i in range(100)}))
    with pytest.raises(ValueError, match="unexpected") as caught:
        from_pretrained(folder)
    assert len(str(caught.value).replace(str(folder), "")) < 600


def test_a_warning_of_the_terms_is_no_longer_than_a_few_lines(tiny, tmp_path):
    generator = Generator(tiny.config)
    generator.card = Card("long", data={"commercial_use": False, "terms": "words\n" * 1000})
    generator.save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match="forbid commercial use: words words") as caught:
        from_pretrained(tmp_path)
    assert len(str(caught[0].message)) < 500


def test_a_card_too_long_to_be_read_is_not_saved(tiny, folder):
    before, generator = contents(folder), Generator(tiny.config)
    generator.card = Card("long", data={"description": "words " * 9_000})
    with pytest.raises(ValueError, match="at most 32,768 characters"):
        generator.save_pretrained(folder)
    assert contents(folder) == before


@pytest.mark.parametrize("name", ["./nowhere", Path("nowhere"), Path("empty"), "empty"])
def test_a_folder_without_a_generator_is_not_downloaded(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"must hold config\.json, but '(nowhere|empty)' does not"):
        download(name)


def test_a_folder_of_something_else_is_not_downloaded(tmp_path, saved):
    (tmp_path / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    with pytest.raises(ValueError, match=r"config\.json must have the keys"):
        download(tmp_path)
    assert download(saved) == saved


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        from_pretrained(tmp_path / "nowhere")


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_wrong_field_of_the_generator_is_refused_by_name_and_file(saved, tmp_path_factory, data):
    folder = Path(shutil.copytree(saved, tmp_path_factory.mktemp("c") / "g"))
    name = data.draw(st.sampled_from(sorted(GeneratorConfig().to_dict())))
    change = data.draw(st.sampled_from(("unknown", "absurd")))
    absurd = data.draw(st.sampled_from((-1, 10**30, "x", [], {}, [1, 2, 3], float("nan"), [0, 0])))

    def damage(config):
        if change == "unknown":
            config["generator"][name + "_"] = 1
        else:
            config["generator"][name] = absurd

    edit_config(folder, damage)
    with pytest.raises(ValueError, match=name) as caught:
        from_pretrained(folder)
    assert "config.json" in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [("width", 8), ("latent_dim", 99), ("num_classes", 4), ("channels", 3), ("image_size", 32), ("kernel_size", 5)],
)
def test_a_valid_configuration_of_other_weights_is_refused(folder, field, value):
    edit_config(folder, lambda config: config["generator"].update({field: value}))
    with pytest.raises(ValueError, match=r"generator\.safetensors must hold the tensors of its configuration"):
        from_pretrained(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("format"), "keys"),
        (lambda c: c.pop("files"), "keys"),
        (lambda c: c.update(extra=1), "extra"),
        (lambda c: c.update(format=2), "format 1, but is of 2"),
        (lambda c: c.update(format=None), "format"),
        (lambda c: c.update(files=[]), "files"),
        (lambda c: c.update(files={}), "files"),
        (lambda c: c["files"].update({"../x": c["files"]["generator.safetensors"]}), "files"),
        (lambda c: c["files"].update({"generator.safetensors": 3}), "sha256"),
        (lambda c: c["files"].update({"generator.safetensors": {"bytes": 1}}), "sha256"),
        (lambda c: c.update(generator=[]), "mapping"),
        (lambda c: c.update(generator=None), "mapping"),
        (lambda c: c["files"]["generator.safetensors"].update(sha256=None), "SHA-256"),
        (lambda c: c["files"]["generator.safetensors"].update(bytes="1"), "bytes"),
    ],
)
def test_a_wrong_config_file_is_refused_with_the_culprit(folder, change, message):
    edit_config(folder, change)
    with pytest.raises(ValueError, match=message):
        from_pretrained(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", "[" * 100_000, "\xff", '{"a": NaN}', "1" * 10_000])
def test_a_config_that_is_no_mapping_is_refused_by_name(folder, text):
    (folder / "config.json").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=r"config\.json must"):
        from_pretrained(folder)


def test_fingerprints_that_are_not_the_listed_ones_are_refused_by_name(carded, tmp_path):
    carded.save_pretrained(tmp_path)
    save_file({"fingerprints": torch.tensor([1, 2, 3, 4])}, tmp_path / "fingerprints.safetensors")
    with pytest.raises(ValueError, match=r"fingerprints\.safetensors"):
        from_pretrained(tmp_path)
    (tmp_path / "fingerprints.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"fingerprints\.safetensors"):
        from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "tensors",
    [{}, {"other": torch.zeros(1)}, {"fingerprints": torch.zeros(2)}, {"fingerprints": torch.zeros(2, 2).long()}],
)
def test_fingerprints_of_another_shape_are_refused_by_name(carded, tmp_path, tensors):
    carded.save_pretrained(tmp_path)
    save_file(tensors, tmp_path / "fingerprints.safetensors")
    rehash(tmp_path)
    with pytest.raises(ValueError, match=r"fingerprints"):
        from_pretrained(tmp_path)


def test_fingerprints_are_not_lost_with_the_card(carded, tmp_path):
    carded.save_pretrained(tmp_path)
    (tmp_path / "README.md").unlink()
    with pytest.warns(UserWarning, match=r"README\.md is not a complete card: it is missing"):
        card = from_pretrained(tmp_path).card
    assert torch.equal(card.fingerprints, carded.card.fingerprints)


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        ("    terms: none", "    terms: none\n    seen: 2024-05-01", None),
        ("  training:\n    steps: 3", "  training: long", "training"),
        ("  measured:\n  - metric: m", "  measured:\n  - 0.3", "measured"),
        ("  measured:\n  - metric: m", "  measured: .nan", "measured"),
        ("  measured:\n  - metric: m", "  notes: mine", "measured"),
        ("license: mit", "license: [mit, other]", "license"),
        ("datasets:\n- mnist", "datasets: {}", "datasets"),
        ("gan_augment:\n", "gan_augment:\n  more: 1\n", None),
        ("license: mit", "license: mit\nlicense: other", "license"),
        ("    terms: none", "    terms: all\n    terms: none", None),
    ],
)
def test_of_an_edited_card_all_is_kept_that_can_be_read(carded, tmp_path, old, new, lost):
    carded.save_pretrained(tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert old in text
    (tmp_path / "README.md").write_text(text.replace(old, new, 1))
    with pytest.warns(UserWarning, match=r"README\.md is not a complete card"):
        loaded = from_pretrained(tmp_path)
    for field in ("name", "license", "datasets", "training", "measured"):
        kept = getattr(loaded.card, field)
        assert (kept == getattr(carded.card, field)) == (field != lost)
    assert loaded.card.data["terms"] == "none"
    loaded.save_pretrained(tmp_path)
    assert from_pretrained(tmp_path).card == loaded.card


@pytest.mark.parametrize("edit", ["\ufeff{}", "\n\n{}", "{}\nMore words.\n---\n"])
def test_edits_that_change_no_metadata_go_without_a_warning(carded, tmp_path, edit, recwarn):
    carded.save_pretrained(tmp_path)
    text = (tmp_path / "README.md").read_text()
    (tmp_path / "README.md").write_text(edit.format(text.replace("MIT", "mit")), encoding="utf-8")
    assert from_pretrained(tmp_path).card == carded.card
    assert not recwarn.list


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# no metadata",
        "---\na: 1\n",
        "---\ngan_augment: 3\n---\n",
        "---\n{\n---\n",
        "---\n" + "[" * 5_000 + "\n---\n",
        "---\nname: !!int ''\n---\n",
        "---\nname: !!bool 'x'\n---\n",
        "---\nname: !!timestamp 'x'\n---\n",
        "---\nname: !!float 'x'\n---\n",
        "---\n? [a]\n: b\n---\n",
        "\xff",
    ],
)
def test_a_broken_card_is_told_and_the_weights_are_loaded(folder, tiny, text):
    (folder / "README.md").write_text(text, encoding="latin-1")
    with pytest.warns(UserWarning, match=r"README\.md is not a complete card"):
        loaded = from_pretrained(folder)
    assert torch.equal(loaded.sample(2, seed=0), tiny.sample(2, seed=0))


def test_a_huge_configuration_file_is_refused_by_name_and_a_huge_card_not_read(folder):
    with open(folder / "README.md", "ab") as file:
        file.truncate(2**20 + 1)
    with pytest.warns(UserWarning, match=r"README\.md is not a complete card: it is larger than 1,048,576 bytes"):
        from_pretrained(folder)
    with open(folder / "config.json", "ab") as file:
        file.truncate(2**20 + 1)
    with pytest.raises(ValueError, match=r"config\.json must be at most 1,048,576 bytes"):
        from_pretrained(folder)


@pytest.mark.parametrize("name", LOADERS)
def test_huge_weights_are_refused_by_name(judged, monkeypatch, name):
    monkeypatch.setitem(_saving.FILE_LIMITS, name, (judged / name).stat().st_size - 1)
    with pytest.raises(ValueError, match=f"{name} must be at most"):
        LOADERS[name](judged)


def test_a_huge_configuration_is_refused_before_its_network_is_built(folder, monkeypatch):
    drawn, original = [], torch.nn.init.normal_

    def normal_(tensor, *arguments, **keywords):
        drawn.append(tensor)
        return original(tensor, *arguments, **keywords)

    edit_config(folder, lambda c: c["generator"].update(width=512, max_width=4096, latent_dim=4096))
    monkeypatch.setattr(torch.nn.init, "normal_", normal_)
    with pytest.raises(ValueError, match=r"generator\.safetensors"):
        from_pretrained(folder)
    assert max(tensor.numel() for tensor in drawn) > 10_000_000
    assert all(tensor.device.type == "meta" for tensor in drawn)


def test_from_pretrained_puts_it_on_the_device(saved):
    assert next(from_pretrained(saved, device="meta").parameters()).device.type == "meta"


@pytest.fixture(scope="session")
def judge():
    """A discriminator of the tiny generator's images, whose power iterations have moved."""
    torch.manual_seed(1)
    config = DiscriminatorConfig(image_size=16, channels=1, width=4, num_classes=3, spectral_norm=True)
    discriminator = Discriminator(config).to(memory_format=torch.channels_last)
    with torch.no_grad():
        discriminator(torch.randn(8, 1, 16, 16), torch.arange(8) % 3)
    return discriminator


@pytest.fixture(scope="session")
def saved_with_judge(tiny, judge, tmp_path_factory):
    """A folder that holds the tiny generator and its discriminator; tests copy it."""
    folder = tmp_path_factory.mktemp("judged")
    save_pretrained(tiny, folder, discriminator=judge)
    return folder


@pytest.fixture
def judged(saved_with_judge, tmp_path):
    return Path(shutil.copytree(saved_with_judge, tmp_path / "judged"))


@pytest.mark.parametrize(
    "options",
    [
        {"spectral_norm": True, "normalization": "none", "num_classes": 3},
        {"spectral_norm": True, "attention_resolution": 8},
        {"normalization": "instance"},
        {"image_size": 28, "kernel_size": 3},
    ],
)
def test_a_discriminator_survives_its_folder_to_the_bit(tmp_path, options):
    config = DiscriminatorConfig(**{"image_size": 16, "channels": 1, "width": 4, **options})
    discriminator = Discriminator(config)
    images, labels = torch.randn(4, 1, config.image_size, config.image_size), torch.tensor([0, 1, 2, 0])
    discriminator(images, labels)  # moves its buffers
    generator = Generator(GeneratorConfig(image_size=config.image_size, channels=1, width=4))
    save_pretrained(generator, tmp_path, discriminator=discriminator)
    loaded = load_discriminator(str(tmp_path))
    assert loaded.config == config
    before, after = discriminator.state_dict(), loaded.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(value, after[key]) and value.dtype == after[key].dtype for key, value in before.items())
    torch.testing.assert_close(loaded.eval()(images, labels), discriminator.eval()(images, labels))
    assert all(parameter.requires_grad and parameter.is_leaf for parameter in loaded.parameters())


def test_a_loaded_discriminator_can_be_trained(judged):
    loaded = load_discriminator(judged)
    before = {key: parameter.detach().clone() for key, parameter in loaded.named_parameters()}
    optimizer = torch.optim.Adam(loaded.parameters(), 0.1)
    loaded(torch.randn(4, 1, 16, 16), torch.tensor([0, 1, 2, 0])).square().sum().backward()
    optimizer.step()
    assert all(not torch.equal(before[key], parameter) for key, parameter in loaded.named_parameters())


def test_the_generator_is_the_same_with_a_discriminator_and_needs_no_file_of_it(judged, saved):
    assert {path.name for path in judged.iterdir()} == FILES | {"discriminator.safetensors"}
    assert (judged / "generator.safetensors").read_bytes() == (saved / "generator.safetensors").read_bytes()
    (judged / "discriminator.safetensors").unlink()
    assert torch.equal(from_pretrained(judged).sample(2, seed=0), from_pretrained(saved).sample(2, seed=0))
    with pytest.raises(FileNotFoundError, match=r"discriminator\.safetensors"):
        load_discriminator(judged)


def test_a_folder_without_a_discriminator_has_none(folder, tmp_path):
    assert load_discriminator(folder) is None
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        load_discriminator(tmp_path / "nowhere")


def test_saving_again_without_the_discriminator_removes_it(tiny, judged, saved):
    tiny.save_pretrained(judged)
    assert contents(judged) == contents(saved)
    assert load_discriminator(judged) is None


def test_half_precision_halves_the_discriminator_and_keeps_whole_numbers(tiny, judge, judged, tmp_path):
    generator = Generator(tiny.config)
    generator.register_buffer("anchor_labels", torch.tensor([0, 2**40, 3]))
    generator.register_buffer("anchors", torch.randn(3, 100))
    save_pretrained(generator, tmp_path / "half", discriminator=judge, half_precision=True)
    stored = load_file(tmp_path / "half" / "generator.safetensors")
    assert torch.equal(stored["anchor_labels"], generator.anchor_labels)
    assert stored["anchors"].dtype == torch.float16
    sizes = [(folder / "discriminator.safetensors").stat().st_size for folder in (tmp_path / "half", judged)]
    assert sizes[0] < 0.8 * sizes[1]
    loaded = load_discriminator(tmp_path / "half")
    assert all(parameter.dtype == torch.float32 for parameter in loaded.parameters())
    for key, value in loaded.named_parameters():
        torch.testing.assert_close(value, dict(judge.named_parameters())[key], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("options", "field"), [({"image_size": 32, "channels": 1}, "image_size"), ({"image_size": 16}, "channels")]
)
def test_a_discriminator_of_other_images_is_not_saved(tiny, folder, options, field):
    before = contents(folder)
    with pytest.raises(ValueError, match=f"The discriminator's {field} must be"):
        save_pretrained(tiny, folder, discriminator=Discriminator(DiscriminatorConfig(width=4, **options)))
    assert contents(folder) == before


def test_a_discriminator_that_is_not_finite_is_not_saved(tiny, judge, folder):
    before, broken = contents(folder), Discriminator(judge.config)
    with torch.no_grad():
        next(iter(broken.parameters())).fill_(float("inf"))
    with pytest.raises(ValueError, match="Weights must be finite"):
        save_pretrained(tiny, folder, discriminator=broken)
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("discriminator"), "must have both .* or neither"),
        (lambda c: c["files"].pop("discriminator.safetensors"), "must have both .* or neither"),
        (lambda c: c.update(discriminator=None), "mapping"),
        (lambda c: c["discriminator"].update(width=-1), "width must be"),
        (lambda c: c["discriminator"].update(depth=3), "depth"),
        (lambda c: c["discriminator"].update(width=8), r"discriminator\.safetensors .*misshapen"),
        (lambda c: c["discriminator"].update(spectral_norm=False), r"discriminator\.safetensors .*missing"),
        (
            lambda c: c["files"]["discriminator.safetensors"].update(bytes=1),
            r"discriminator\.safetensors must have 1 b",
        ),
        (lambda c: c.update(critic={}), "critic"),
    ],
)
def test_a_wrong_config_of_the_discriminator_is_refused_with_the_culprit(judged, change, message):
    edit_config(judged, change)
    with pytest.raises(ValueError, match=message):
        load_discriminator(judged)


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_a_damaged_discriminator_is_refused_by_name(saved_with_judge, tmp_path_factory, data):
    folder = Path(shutil.copytree(saved_with_judge, tmp_path_factory.mktemp("d") / "g"))
    file = folder / "discriminator.safetensors"
    whole = bytearray(file.read_bytes())
    position = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        file.write_bytes(whole[:position])
    else:
        whole[position] ^= 1 << data.draw(st.integers(0, 7))
        file.write_bytes(whole)
    with pytest.raises(ValueError, match=r"discriminator\.safetensors must have"):
        load_discriminator(folder)
