"""The commands that import, download and publish generators."""

import pytest
import torch

from gan_augment import from_pretrained
from gan_augment.cli import main

from ..importing.layouts import Wrapped, as_trained, plain


def test_import_writes_a_folder_and_says_what_was_assumed(tmp_path, capsys):
    torch.save(as_trained(Wrapped("main", *plain(32))).state_dict(), tmp_path / "G.pth")
    assert main(["import", str(tmp_path / "G.pth"), "--out", str(tmp_path / "ours")]) == 0
    assert "strides [1, 2, 2, 2]" in capsys.readouterr().out
    assert from_pretrained(tmp_path / "ours").config.image_size == 32


def test_import_takes_hints(tmp_path):
    torch.save(as_trained(Wrapped("main", *plain(32)), uniform=True).state_dict(), tmp_path / "G.pth")
    hints = ["--hint", "latent=uniform", "--hint", "last=sigmoid", "--hint", "strides=[1, 2, 2, 2]"]
    assert main(["import", str(tmp_path / "G.pth"), "--out", str(tmp_path / "ours"), *hints]) == 0
    assert from_pretrained(tmp_path / "ours").config.latent == "uniform"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["import", "none.pth", "--out", "x"], "There is no file 'none.pth'"),
        (["import", "none.pth", "--out", "x", "--hint", "colour=red"], "colour"),
        (["push", "dcgan-mnist-32", "org/name"], "push needs --license"),
        (["push", "org/name", "--license", "mit"], "push needs a generator"),
        (["push", "dcgan-mnist-32", "org/name", "--zoo"], "push needs a generator"),
        (["push", "dcgan-mnist-32", "name", "--license", "mit"], "repo_id must be 'org/name'"),
        (["download", "dcgan-mnist-64"], "did you mean 'dcgan-mnist-32'"),
    ],
)
def test_bad_input_is_one_sentence(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_download_prints_the_folder(capsys):
    assert main(["download", "dcgan-mnist-32"]) == 0
    assert from_pretrained(capsys.readouterr().out.strip()).num_classes == 10
