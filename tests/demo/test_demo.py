"""The demo and the command line, shortened."""

import base64
import contextlib
import copy
import html.parser
import io
import json
import re

import PIL.Image
import pytest
import torch

from gan_augment.cli import main
from gan_augment.data import fingerprints
from gan_augment.demo import check_digits_unseen, load_digits, run_demo
from gan_augment.models import Card
from gan_augment.studies import study
from gan_augment.studies._settings import PRESETS

from ..test_cli_scripts import documented

ARGUMENTS = ["--seeds", "2", "--steps", "8", "--count", "50", "--ratio", "0.25"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The folder that the command wrote, and what it printed."""
    folder, printed = tmp_path_factory.mktemp("demo") / "new" / "folder", io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main(["demo", "--out", str(folder), *ARGUMENTS]) == 0
    return folder, printed.getvalue()


class Page(html.parser.HTMLParser):
    """The text and the pictures of a page, by caption."""

    def __init__(self, text):
        super().__init__()
        self.pictures, self.text = {}, ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            attrs = dict(attrs)
            data = base64.b64decode(attrs["src"].partition(",")[2])
            self.pictures[attrs["alt"]] = PIL.Image.open(io.BytesIO(data)).convert("RGB")

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def page(demo):
    return Page((demo[0] / "report.html").read_text())


def test_the_page_shows_samples_and_a_batch_and_says_what_it_means(page):
    assert min(page.pictures["Synthetic images, unfiltered, one row for each class"].size) > 100
    assert min(page.pictures["A training batch; the synthetic images have an orange frame"].size) > 100
    assert "The generator was trained on 55,000 other digits" in page.text
    assert "3,000 test images" in page.text
    assert page.text.count("Mixing ") == 1


def test_the_demo_is_a_study_with_its_baselines_over_paired_seeds(demo):
    report = json.loads((demo[0] / "report.json").read_text())
    assert [arm["name"] for arm in report["arms"]] == [
        "affine", "affine-mix", "synthetic 0.25", "varied 0.25", "oversampled 0.25",
    ]  # fmt: skip
    assert [len(arm["accuracy"]) for arm in report["arms"]] == [2] * 5
    assert (report["data"]["train"], report["data"]["test"]) == (50, 3000)
    assert set(report["comparisons"]) == {"affine", "affine-mix", "varied 0.25", "oversampled 0.25"}
    assert report["verdict"] in ("helps", "no effect shown", "hurts")
    assert "trained on none of the 3,000 test images" in report["source"]["seen"]
    assert report["settings"]["command"].startswith("gan-augment demo --out ")


def test_synthetic_digits_are_framed_in_orange(page):
    picture = page.pictures["A training batch; the synthetic images have an orange frame"]
    orange = sum(count for count, colour in picture.getcolors(2**20) if colour == (230, 97, 0))
    assert 0 < orange < picture.width * picture.height / 2


def test_the_command_prints_a_table_and_the_lines_to_copy(demo):
    printed = demo[1]
    assert "95% interval" in printed
    assert "synthetic 0.25 " in printed
    assert 'SyntheticMix("dcgan-mnist-32", ratio=0.25)' in printed


def test_a_second_call_trains_nothing_again(demo, monkeypatch):
    monkeypatch.setattr("gan_augment.studies._jobs.run_job", None)
    assert main(["demo", "--out", str(demo[0]), *ARGUMENTS]) == 0


def test_the_printed_lines_run():
    from gan_augment.demo import SNIPPET

    loader = [(torch.rand(4, 1, 28, 28), torch.arange(4))]
    scope = {"loader": loader, "model": lambda images: torch.zeros(4, 10), "criterion": torch.nn.CrossEntropyLoss()}
    exec(SNIPPET.format(ratio=0.5), scope)
    assert scope["images"].shape == (4, 1, 28, 28)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--ratio", "1.5"], "ratios must be"),
        (["--seeds", "1"], "seeds must be at least 2"),
        (["--count", "5"], "count must be between"),
        (["--steps", "0"], "steps must be at least 1"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(arguments, sentence, capsys, tmp_path):
    assert main(["demo", "--out", str(tmp_path / "demo"), *arguments]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()


def test_help_and_docstrings_state_the_steps_of_the_preset(capsys):
    steps = PRESETS["demo"]["steps"]
    for command in ("demo", "study"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert re.search(rf"(default: |demo:\s+){steps}\)", capsys.readouterr().out)
    assert f"Default: {steps}." in run_demo.__doc__
    assert f'``"demo"``: {steps}.' in study.__doc__


def test_the_zoo_is_listed_with_its_terms(capsys):
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    assert "dcgan-mnist-32" in printed
    assert "licence: mit" in printed


def test_the_demo_refuses_before_it_trains(tmp_path):
    with pytest.raises(ValueError, match="ratio"):
        run_demo(tmp_path, ratio=-1)


def test_the_demo_judges_no_generator_that_may_have_seen_its_digits(tiny):
    images, _ = load_digits()
    generator = copy.deepcopy(tiny)
    with pytest.raises(ValueError, match="must have a card with the fingerprints"):
        check_digits_unseen(generator, images[:5])
    generator.card = Card("tested", fingerprints=fingerprints(images[3:9]))
    with pytest.raises(ValueError, match="trained on 2 of 5 of them"):
        check_digits_unseen(generator, images[:5])
    check_digits_unseen(generator, images[:3])


@pytest.mark.slow
def test_a_demo_that_is_repeated_continues_and_prints_its_result_as_json(demo, capsys):
    assert main(["demo", "--out", str(demo[0]), *ARGUMENTS, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == documented("demo")
    assert document["headline"] in demo[1]
    assert document["report"] == str(demo[0] / "report.html")
