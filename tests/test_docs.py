"""The README and the pages of docs/: their links, their pictures and their code."""

import re
import shlex
from pathlib import Path

import pytest
import torch
from torchvision.transforms.v2.functional import to_pil_image

from gan_augment import Generator, GeneratorConfig, SyntheticPool
from gan_augment.cli._parser import build_parser

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def anchors(page):
    """The anchors of a page's headings, spelt like on GitHub."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def python_blocks(page):
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@PAGE
def test_links_lead_to_files_and_headings(page):
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_the_readme_fits_one_screen_and_names_every_guide():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 100
    assert all(f"(docs/{page.name})" in text for page in PAGES[2:])


def test_the_numbers_of_the_readme_are_those_of_the_evidence():
    measured, said = (
        set(re.findall(r"[+-][\d.]+ \([+-][\d.]+ to [+-][\d.]+\)", (ROOT / page).read_text(encoding="utf-8")))
        for page in ("docs/evidence.md", "README.md")
    )
    assert said
    assert said <= measured


@pytest.mark.filterwarnings("ignore:The pool has too few images")
def test_the_code_of_the_readme_and_of_mixing_runs(tmp_path, monkeypatch):
    real = torch.utils.data.TensorDataset(torch.rand(20, 1, 28, 28), torch.arange(20) % 10)
    mixed, wrapped = python_blocks("README.md")
    batches = {"loader": torch.utils.data.DataLoader(real, 4)}
    exec(mixed, batches)
    assert batches["images"].shape == (4, 1, 28, 28)
    scope = {"train": real}
    exec(wrapped, scope)
    assert sum(scope["train"].is_synthetic(place) for place in range(20)) == 5
    monkeypatch.chdir(tmp_path)
    (pooled,) = python_blocks("docs/mixing.md")
    sure = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    exec(pooled.replace("threshold=0.9", "threshold=0").replace("2000", "20"), {"classifier": sure})
    assert len(SyntheticPool.load("pools/digits")) == 20


def test_the_code_of_start_here_mixes_a_folder(tmp_path, monkeypatch):
    for label in range(2):
        (tmp_path / "photos" / str(label)).mkdir(parents=True)
        for index in range(6):
            image = torch.randint(0, 256, (3, 20, 30), dtype=torch.uint8)
            to_pil_image(image).save(tmp_path / "photos" / str(label) / f"{index}.png")
    generator = Generator(GeneratorConfig(image_size=64, width=4, num_classes=2))
    generator.save_pretrained(tmp_path / "runs" / "photos" / "generator")
    monkeypatch.chdir(tmp_path)
    (code,) = python_blocks("docs/start.md")
    scope = {}
    exec(code.replace("num_workers=2", "num_workers=0"), scope)
    images, _ = next(iter(scope["loader"]))
    assert images.shape == (12, 3, 64, 64)
    assert sum(scope["train"].is_synthetic(place) for place in range(12)) == 3


def test_the_commands_of_the_readme_and_of_the_guides_parse():
    texts = [re.sub(r" +#.*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE) for page in PAGES]
    commands = [line for text in texts for line in re.findall(r"^(?: {4})?(gan-augment [a-z].*)$", text, re.MULTILINE)]
    assert len(commands) > 5
    for command in commands:
        words = shlex.split(command.removeprefix("gan-augment "))
        if "..." not in words:
            build_parser().parse_args(words)
