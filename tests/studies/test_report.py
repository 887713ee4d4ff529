"""The report of a study: what a reader, a program and a browser find in it."""

import base64
import dataclasses
import html.parser
import io
import itertools
import json
import math
import re
import shutil
import subprocess
from xml.etree import ElementTree

import PIL.Image
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import TensorDataset

from gan_augment import SyntheticPool
from gan_augment.evaluation import Hyperparameters
from gan_augment.studies import ArmResult, Interval, StudyResult
from gan_augment.studies._result import Trial, strictest_control
from gan_augment.studies.report import write_report
from gan_augment.studies.report._plots import Axis, ratio_plot
from gan_augment.studies.report._style import DARK, LIGHT
from gan_augment.studies.report._write import escaped as escaped_markdown

HOSTILE = "<script>alert('x')</script> \"&| `*_[a](http://evil.example)\n# \x00\x1b\udc80"


def arm(name, kind="synthetic", ratio=0.0, gain=0.01, classes=3, **changes):
    scores = tuple(0.8 + gain + seed / 1000 for seed in range(3))
    found = Interval(gain, gain - 0.004, gain + 0.004, 3, 0.95)
    fields = {
        "augment": "affine",
        "classifier": "small-cnn",
        "ratio": ratio,
        "labels": "Same(weight=None)" if kind == "synthetic" else "",
        "filters": (),
        "accuracy": scores,
        "balanced_accuracy": scores,
        "recall": tuple(min(1.0, 0.7 + gain * (label + 1)) for label in range(classes)),
        "validation": 0.3,
        "calibration_error": 0.031,
        "log_loss": 0.52,
        "seconds": 12.0,
        "difference": found,
    }
    return ArmResult(name, kind, **{**fields, **changes})


def study_result(classes=3, **changes):
    arms = (
        arm("affine", "ordinary", gain=0.0, classes=classes, difference=None),
        arm("none", "none", gain=-0.05, classes=classes, augment="none"),
        arm("oversampled 0.25", "oversampled", 0.25, gain=0.001, classes=classes),
        arm("synthetic 0.25", "synthetic", 0.25, gain=0.012, classes=classes),
        arm("synthetic 0.5", "synthetic", 0.5, gain=0.002, classes=classes),
        arm("synthetic 0.25, agreement", "synthetic", 0.25, gain=0.007, classes=classes, filters=("agreement",)),
    )
    fields = {
        "verdict": "helps",
        "sign_flip": 0.25,
        "ratio": 0.25,
        "metric": "accuracy",
        "baseline": "affine",
        "choice": "synthetic 0.25",
        "control": "oversampled 0.25",
        "generator_adds": "helps",
        "cheaper": None,
        "trials": (
            Trial("small-cnn", Hyperparameters(lr=0.002), 0.31, 3, chosen=True),
            Trial("small-cnn", Hyperparameters(lr=0.005), 0.42, 1, chosen=False),
        ),
        "arms": arms,
        "comparisons": {each.name: arms[3].difference for each in arms[:3]},
        "seeds": 3,
        "steps": 400,
        "data": {
            "name": "cells",
            "train": 1200,
            "validation": 300,
            "test": 900,
            "class_names": [f"class {label}" for label in range(classes)],
            "class_counts": [400.0] * classes,
            "image_shape": (3, 32, 32),
            "splits": 2,
        },
        "source": {
            "name": "dcgan-cells",
            "fitted": 2,
            "fit_steps": [812, 1020],
            "planned_fit_steps": 1500,
            "fit_seconds": 3700.0,
            "pool_seconds": 61.0,
            "trainings": 19,
            "training_seconds": 216.0,
            "pool_size": 4000,
            "seen": "None of the test images was seen.",
            "copies": "No copies were found.",
            "acceptance": {"agreement": 0.75},
        },
        "notes": ("Three seeds are few.",),
        "settings": {"mode": "replace", "steps": 400, "command": "gan-augment study cells/"},
        "pictures": {"What was mixed in": torch.arange(3 * 16 * 24, dtype=torch.uint8).view(3, 16, 24)},
    }
    return StudyResult(**{**fields, **changes})


class Page(html.parser.HTMLParser):
    """Elements in their order, the text, and the text inside each kind of element."""

    def __init__(self, text):
        super().__init__()
        self.source, self.text, self.elements, self.open, self.inside = text, "", [], [], {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
            self.inside.setdefault(tag, []).append("")

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "title"} & set(self.open):
            self.text += data
        for tag in set(self.open):
            self.inside[tag][-1] += data

    def named(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def plots(self):
        """The outermost pictures, parsed as XML."""
        found, depth, start = [], 0, 0
        for match in re.finditer(r"<svg\b|</svg>", self.source):
            start = match.start() if depth == 0 else start
            depth += 1 if match[0] == "<svg" else -1
            if depth == 0:
                found.append(ElementTree.fromstring(self.source[start : match.end()]))
        return found


def read(folder, result):
    write_report(result, folder)
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def test_the_verdict_comes_first_with_the_ratio_and_code_to_paste(tmp_path):
    page = read(tmp_path / "new" / "folder", study_result())
    assert page.inside["h1"] == ["▲ Helps"]
    assert page.text.split()[1] == "Helps"
    result = study_result()
    places = [
        page.text.index(part) for part in (result.headline, "Ratio to use: 0.25", "SyntheticMix(source, ratio=0.25)")
    ]
    assert places == sorted(places)
    assert page.text.index("SyntheticMix(") < page.text.index(page.inside["h2"][0])
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == [
        "report.html",
        "report.json",
        "report.md",
    ]


@pytest.mark.parametrize("verdict", ["hurts", "no effect shown"])
def test_where_mixing_does_not_help_the_advice_is_to_train_without(tmp_path, verdict):
    page = read(tmp_path, study_result(verdict=verdict, ratio=0.0))
    assert page.inside["h1"][0].endswith(verdict.capitalize())
    assert "Ratio to use: 0" in page.text
    assert "Train without synthetic images" in page.text
    for name in ("report.html", "report.md"):
        assert "SyntheticMix" not in (tmp_path / name).read_text()


@pytest.mark.parametrize(
    ("labels", "mode", "code"),
    [
        ("Same(weight=None)", "replace", "SyntheticMix(source, ratio=0.25)"),
        ("Same(weight=0.5)", "replace", "SyntheticMix(source, ratio=0.25, labels=Same(weight=0.5))"),
        (
            "Conditional(weight=None, class_map={1: 2})",
            "replace",
            "SyntheticMix(source, ratio=0.25, labels=Conditional(class_map={1: 2}))",
        ),
        ("Uniform(weight=None)", "replace", "SyntheticMix(source, ratio=0.25, labels=Uniform())"),
        ("conditional", "replace", 'SyntheticMix(source, ratio=0.25, labels="conditional")'),
        ("Teacher(model=SmallCNN(...))", "replace", "SyntheticMix(source, ratio=0.25, labels=labels)"),
        ("Same(weight=None)", "balance", 'GANAugmentedDataset(train, source, mode="balance", ratio=0.25)'),
    ],
)
def test_the_code_mixes_as_the_chosen_arm_did(tmp_path, labels, mode, code):
    result = study_result(settings={"mode": mode})
    arms = tuple(
        dataclasses.replace(each, labels=labels) if each.name == result.choice else each for each in result.arms
    )
    page = read(tmp_path, dataclasses.replace(result, arms=arms))
    pasted = page.inside["code"][0]
    assert code in pasted
    compile(pasted, "pasted", "exec")
    if mode == "balance":
        images, labels = torch.zeros(5, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0, 0, 0, 1])
        names = {"train": TensorDataset(images, labels), "source": SyntheticPool(images[:2], torch.arange(2))}
        exec(pasted, names)
        assert names["train"].class_counts == {0: (3, 1), 1: (3, 1)}


def balance_result(**changes):
    plain = study_result()
    added = (
        arm("oversampled", "oversampled", gain=-0.02),
        arm("class weights", "class weights", gain=-0.03),
        arm("filled up", "filled up", gain=-0.2),
    )
    kept = [each for each in plain.arms if each.name != "oversampled 0.25"]
    compared = {**plain.comparisons, "affine": Interval(0.012, 0.008, 0.016, 3, 0.95)}
    compared["oversampled"] = Interval(0.001, -0.003, 0.005, 3, 0.95)
    fields = {
        "arms": (*kept, *added),
        "comparisons": compared,
        "settings": {"mode": "balance"},
        "control": None,
        **changes,
    }
    return dataclasses.replace(plain, **fields)


def test_of_uneven_classes_the_verdict_is_against_oversampling_too(tmp_path):
    name = strictest_control("affine", balance_result().comparisons)
    assert name == "oversampled"
    result = balance_result(verdict="no effect shown", ratio=0.0)
    assert "+0.10 points (95% interval -0.30 to +0.50) compared with oversampled. Use ratio 0." in result.headline
    page = read(tmp_path, result)
    assert "all classes are equally frequent" in page.text
    assert any(item.startswith("filled up") for item in page.inside["li"])
    assert "in which all classes are equally frequent" in balance_result().headline


def test_a_line_of_uneven_classes_starts_at_oversampling(tmp_path):
    def start(gain):
        arms = tuple(
            arm("oversampled", "oversampled", gain=gain) if each.name == "oversampled" else each
            for each in balance_result().arms
        )
        picture = ratio_plot(balance_result(arms=arms))
        first, zero = (
            float(re.search(rf'<line class="{css}" x1="[^"]+" (?:x2="[^"]+" )?y1="([^"]+)"', picture).group(1))
            for css in ("line c0 dash0", "zero")
        )
        return zero - first

    assert start(-0.02) < start(0.0) == 0 < start(0.02)


def test_every_arm_is_named_in_the_plot_and_in_the_table(tmp_path):
    result = study_result()
    page = read(tmp_path, result)
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    for each in result.arms:
        assert sum(name.split(" (")[0] == each.name for name in page.inside["th"]) >= 1
        assert sum(item.startswith(each.name) for item in page.inside["li"]) >= 1
        assert f"| {each.name}" in markdown
    assert "synthetic 0.25 (choice)" in page.inside["th"]
    assert "affine (baseline)" in page.inside["th"]
    for figures in ("81.30", "+1.20", "+0.80 to +1.60", "0.031", "0.520", "12.0"):
        assert figures in page.inside["td"]
        assert f"| {figures} |" in markdown


def test_what_was_compared_notes_cost_and_settings_are_told(tmp_path):
    page = read(tmp_path, study_result())
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    told = ["1,200 training images", "300 validation images", "900 test images", "3 paired seeds over 2 splits"]
    told += ["Three seeds are few.", "None of the test images was seen.", "No copies were found.", "1 h 1 min"]
    told += ["75.0", "gan-augment study cells/", '"steps": 400', "4,000 images each"]
    for words in told:
        assert words in page.text
        assert words in markdown


@pytest.mark.parametrize(
    ("splits", "p", "agrees"),
    [
        (
            5,
            0.0625,
            "With 5 splits, p cannot be below 0.062, so the test agrees if the difference has the same sign in",
        ),
        (8, 0.0156, "The test agrees if p is at most 0.05."),
    ],
)
def test_the_report_says_what_the_sign_flip_test_found_and_when_it_agrees(tmp_path, splits, p, agrees):
    result = study_result(sign_flip=p)
    read(tmp_path, dataclasses.replace(result, data={**result.data, "splits": splits}))
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert f"a sign-flip test over the {splits} splits, must agree with the interval. It gives p = {p:.2g}:" in markdown
    assert agrees in markdown


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (None, "2, 812 to 1,020 steps each"),
        ("5m", "2, 812 to 1,020 of 1,500 steps each, because the budget ran out"),
    ],
)
def test_the_cost_says_how_far_each_fitting_came(tmp_path, budget, said):
    result = study_result()
    read(tmp_path, dataclasses.replace(result, settings={**result.settings, "budget": budget}))
    assert f"Fitting generators: {said} |" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_nothing_from_outside_becomes_markup(tmp_path):
    result = study_result()
    arms = tuple(
        dataclasses.replace(each, name=each.name + HOSTILE, augment=HOSTILE, labels=HOSTILE, filters=(HOSTILE,))
        for each in result.arms
    )
    hostile = dataclasses.replace(
        result,
        arms=arms,
        baseline=result.baseline + HOSTILE,
        choice=result.choice + HOSTILE,
        control=f"affine{HOSTILE}",
        trials=tuple(dataclasses.replace(each, classifier=HOSTILE) for each in result.trials),
        comparisons={f"affine{HOSTILE}": arms[1].difference},
        data={**result.data, "name": HOSTILE, "class_names": [HOSTILE] * 3},
        source={**result.source, "name": HOSTILE, "seen": HOSTILE, "copies": HOSTILE, "acceptance": {HOSTILE: 0.5}},
        notes=(HOSTILE,),
        settings={"command": HOSTILE, HOSTILE: HOSTILE},
        pictures={HOSTILE: next(iter(result.pictures.values()))},
    )
    plain, page = read(tmp_path / "plain", result), read(tmp_path, hostile)
    assert page.named("script") == []
    kinds = [{attribute for _, attributes in p.elements for attribute in attributes} for p in (plain, page)]
    assert kinds[0] == kinds[1]
    assert len(page.inside["h1"]) == 1
    assert page.plots
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    prose = re.sub(r"^(````*)\w+\n.*?^\1$", "", markdown, flags=re.MULTILINE | re.DOTALL)
    assert not re.search(r"(?<!\\)<script|(?<!\\)\]\(|^# (?!Helps)|https?://", prose, re.MULTILINE)
    for table in re.findall(r"(?:^\|.*\n)+", prose, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


@given(st.text())
def test_markdown_keeps_to_one_line_and_every_letter(text):
    line = escaped_markdown(text)
    assert len(line.splitlines()) <= 1
    letters = re.sub(r"\\(.)", r"\1", line.replace("<!-- -->", ""))
    assert letters == " ".join("".join(c if c.isprintable() else " " for c in text).split())


def test_the_page_asks_for_nothing_from_anywhere(tmp_path):
    page = read(tmp_path, study_result())
    for tag, attributes in page.elements:
        assert tag not in ("script", "link", "iframe", "object", "base", "form")
        assert not {"href", "srcset", "action", "xlink:href"} & set(attributes)
        assert attributes.get("src", "data:image/png;base64,").startswith("data:image/png;base64,")
    assert "url(" not in page.source
    assert "@import" not in page.source
    assert "default-src 'none'" in page.source


def test_a_reader_finds_the_way(tmp_path):
    page = read(tmp_path, study_result())
    assert page.named("html") == [{"lang": "en"}]
    assert any(each.get("name") == "viewport" for each in page.named("meta"))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all(each["aria-labelledby"] in ids for each in page.named("section"))
    assert page.named("img")
    assert all(each["alt"] for each in page.named("img"))
    assert all(each.get("scope") in ("row", "col") for each in page.named("th"))


def test_plots_are_well_formed_and_have_titles(tmp_path):
    plots = read(tmp_path, study_result()).plots
    titled = [plot for plot in plots if plot.find("title") is not None]
    assert len(titled) == 6 + 1 + 3  # a strip for each arm, the ratios, a strip for each class
    assert all(plot.get("aria-hidden") == "true" or plot.find("title") is not None for plot in plots)


def places(plot, css):
    return [
        float(inner.get("x").rstrip("%"))
        for inner in plot.iter("svg")
        if any(css in path.get("class").split() for path in inner.findall("path"))
    ]


def test_better_arms_lie_further_right_and_the_baseline_on_the_line_at_zero(tmp_path):
    plots = read(tmp_path, study_result()).plots
    baseline, none, oversampled, choice, half, _ = plots[:6]
    zero = {line.get("x1") for line in baseline.iter("line") if line.get("class") == "zero"}
    assert zero == {f"{places(baseline, 'hollow')[0]:.3f}%"}
    order = [places(plot, "fill")[0] for plot in (none, oversampled, half, choice)]
    assert order == sorted(order)
    assert places(choice, "choice")
    assert not places(half, "choice")
    line = next(line for line in choice.iter("line") if line.get("class") == "line choice")
    assert float(line.get("x1")[:-1]) < order[-1] < float(line.get("x2")[:-1])


def test_the_plot_of_ratios_has_a_ring_for_each_seed_and_a_line_for_each_family(tmp_path):
    plot = next(plot for plot in read(tmp_path, study_result()).plots if plot.get("role") == "img")
    assert len(list(plot.iter("circle"))) == 4 * 3
    families = [list(group.iter("line")) for group in plot.iter("g")]
    assert [len(lines) for lines in families] == [2, 1, 1]  # from the baseline at 0, over one or two ratios


@pytest.mark.parametrize("classes", [2, 20, 21, 100])
def test_any_number_of_classes(tmp_path, classes):
    page = read(tmp_path, study_result(classes))
    strips = [item for item in page.inside["li"] if "→" in item]
    assert len(strips) == (classes if classes <= 20 else 10)
    assert (f"Of {classes} classes, the plot shows the 10 whose recall changed most" in page.text) == (classes > 20)
    assert f"class {classes - 1}" in page.inside["th"]
    assert f"| class {classes - 1} |" in (tmp_path / "report.md").read_text()


def test_of_many_classes_those_that_changed_most_either_way_are_shown(tmp_path):
    result = study_result(40)
    after = [0.5] * 40
    after[7], after[30] = 0.9, 0.1
    recalls = {result.baseline: (0.5,) * 40, result.choice: tuple(after)}
    arms = tuple(dataclasses.replace(each, recall=recalls.get(each.name, each.recall)) for each in result.arms)
    strips = [item for item in read(tmp_path, dataclasses.replace(result, arms=arms)).inside["li"] if "→" in item]
    assert strips[0].startswith("class 7 ")
    assert strips[-1].startswith("class 30 ")


def test_json_round_trip_without_nan(tmp_path):
    result = study_result()
    arms = (
        *result.arms[:-1],
        dataclasses.replace(result.arms[-1], log_loss=math.nan, recall=(math.inf, 0.5, math.nan)),
    )
    write_report(dataclasses.replace(result, arms=arms), tmp_path)

    def refuse(name):
        raise AssertionError(name)

    read_back = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert read_back["arms"][-1]["log_loss"] is None
    assert read_back["arms"][-1]["recall"] == [None, 0.5, None]
    expected = json.loads(json.dumps(result.to_dict()))
    assert {key: value for key, value in read_back.items() if key != "arms"} == {
        key: value for key, value in expected.items() if key != "arms"
    }
    assert read_back["arms"][:-1] == expected["arms"][:-1]


@pytest.mark.parametrize(
    "found",
    [(0.0, 0.0, 0.0), (0.3, 0.3, 0.3), (math.nan, math.nan, math.nan), (-1.0, -3.0, 1.0), (1e9, -1e12, 1e12)],
)
def test_values_outside_the_usual_ranges(tmp_path, found):
    result = study_result()
    odd = {"difference": Interval(*found, 3, 0.95), "calibration_error": found[2], "log_loss": 1e30, "seconds": 0.0}
    odd |= {"accuracy": found, "recall": found}
    arms = tuple(dataclasses.replace(each, **odd) if each.kind == "synthetic" else each for each in result.arms)
    result = dataclasses.replace(result, arms=arms)
    page = read(tmp_path, result)
    for plot in page.plots:
        for element in plot.iter():
            for key in ("x", "x1", "x2", "width"):
                value = element.get(key, "0%")
                assert not value.endswith("%") or -1e-6 <= float(value[:-1]) <= 100 + 1e-6
    words = re.sub(r"base64,[^\"]*", "", page.source).replace(result.headline, "")
    assert not re.search(r"\bnan\b|\binf\b", words)


def test_names_and_paths_of_any_language(tmp_path):
    names = ["Katze 🐈", "狗", "ציפור"]
    result = study_result(settings={"command": "gan-augment study /daten/b\udcfccher"})
    page = read(tmp_path, dataclasses.replace(result, data={**result.data, "class_names": names}))
    for name in names:
        assert name in page.inside["th"]
        assert name in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["settings"] == result.settings


def test_pictures_are_in_the_page_pixel_for_pixel(tmp_path):
    rng = torch.Generator().manual_seed(0)
    shapes = [(1, 1, 1), (3, 16, 24), (4, 40, 8), (1, 700, 900)]
    pictures = {str(shape): torch.randint(0, 256, shape, dtype=torch.uint8, generator=rng) for shape in shapes}
    images = read(tmp_path, study_result(pictures=pictures)).named("img")
    assert [image["alt"] for image in images] == [str(shape) for shape in shapes]
    for image, (channels, height, width) in zip(images, shapes):
        decoded = PIL.Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2])))
        assert decoded.size == (width, height)
        assert list(decoded.tobytes()) == pictures[image["alt"]].permute(1, 2, 0).flatten().tolist()
        assert (image.get("class") == "small") == (channels != 1 or width == 1)
        assert int(image["width"]) * height == int(image["height"]) * width
    assert "Pictures" not in read(tmp_path, study_result(pictures={})).inside["h2"]


@pytest.mark.parametrize(
    "picture", [torch.zeros(3, 8, 8), torch.zeros(8, 8, dtype=torch.uint8), torch.zeros(2, 8, 8).byte()]
)
def test_what_is_no_picture_is_refused_before_anything_is_written(tmp_path, picture):
    with pytest.raises(ValueError, match="uint8"):
        write_report(study_result(pictures={"odd": picture}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_earlier_report_is_replaced(tmp_path):
    read(tmp_path, study_result())
    assert read(tmp_path, study_result(verdict="hurts", ratio=0.0)).inside["h1"] == ["▼ Hurts"]
    assert len(list(tmp_path.iterdir())) == 3


finite = st.floats(-1e9, 1e9)


@given(st.lists(finite, min_size=1), st.integers(1, 12), st.floats(1e-3, 10))
def test_an_axis_holds_its_values_between_round_ticks(values, count, narrowest):
    axis = Axis.around(values, count=count, narrowest=narrowest)
    low, high = axis.ticks[0], axis.ticks[-1]
    slack = 1e-9 * (high - low)
    assert low - slack <= min(values)
    assert max(values) <= high + slack
    assert high - low >= narrowest * (1 - 1e-9)
    assert 2 <= len(axis.ticks) <= 2 * count + 3
    steps = [after - before for before, after in itertools.pairwise(axis.ticks)]
    assert min(steps) > 0
    assert math.isclose(min(steps), max(steps), rel_tol=1e-6)
    digits = f"{steps[0]:.6e}"[0]
    assert digits in "125" or f"{steps[0]:.2e}"[0] in "125"
    assert [axis.share(low), axis.share(high)] == [0.0, 1.0]
    labels = [axis.label(tick, signed=True) for tick in axis.ticks]
    assert all(float(label) == pytest.approx(tick, rel=1e-4, abs=1e-9) for label, tick in zip(labels, axis.ticks))


@given(st.lists(st.sampled_from([math.nan, math.inf, -math.inf])))
def test_an_axis_of_nothing_finite_still_has_two_ends(values):
    axis = Axis.around(values)
    assert axis.ticks[0] < 0 < axis.ticks[-1]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_text_and_marks_stand_out_from_the_paper(theme):
    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    colours = {name: luminance(value) for name, value in re.findall(r"--(\w+): #(\w{6})", theme)}
    paper = colours.pop("paper")
    for name in colours.keys() - {"rule", "soft"}:
        for back in (paper, colours["soft"]) if name == "ink" else (paper,):
            dark, light = sorted((colours[name], back))
            assert (light + 0.05) / (dark + 0.05) >= 4.5, name


def measure(tmp_path, width, script):
    """Returns the numbers that a script finds in the report, in a frame of this width with all details unfolded."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("There is no Chromium to look at the page with.")
    (tmp_path / "frame.html").write_text(
        f"<iframe width={width} height=800 style='border: 0' src=report.html onload='const page = "
        "this.contentDocument.documentElement; page.querySelectorAll(`details`).forEach(each => each.open = true); "
        f"document.title = [{script}]'></iframe>"
    )
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    flags += ["--disable-component-update", "--disable-sync", "--disable-quic", "--allow-file-access-from-files"]
    flags += ["--hide-scrollbars", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    command = [browser, *flags, (tmp_path / "frame.html").as_uri()]
    dumped = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    title = re.search(r"<title>([\d,]+)</title>", dumped)
    assert title, dumped
    return list(map(int, title[1].split(",")))


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 60])
def test_no_page_is_wider_than_a_telephone(tmp_path, classes):
    result = study_result(
        classes, notes=("long" * 60, "a sentence"), pictures={"wide": torch.zeros(3, 20, 3000).byte()}
    )
    names = [f"{'unbroken' * 9} {label}" for label in range(classes)]
    read(tmp_path, dataclasses.replace(result, data={**result.data, "class_names": names}))
    script = "page.clientWidth, page.scrollWidth, page.querySelectorAll(`svg`).length"
    inner, scrolled, plots = measure(tmp_path, 360, script)
    assert inner == 360
    assert scrolled <= 360
    assert plots > 10


@pytest.mark.slow
@pytest.mark.parametrize("width", [872, 1100])  # of the frame in the page of gan-augment ui, and of a small screen
def test_all_columns_of_the_arms_fit_a_screen(tmp_path, width):
    wide = Interval(0.07, -0.8194, 0.9594, 2, 0.95)
    result = study_result()
    read(tmp_path, dataclasses.replace(result, arms=[dataclasses.replace(arm, difference=wide) for arm in result.arms]))
    table = "page.querySelector(`.scroll`)"
    inner, scrolled = measure(tmp_path, width, f"{table}.clientWidth, {table}.scrollWidth")
    assert scrolled == inner > 800


def test_a_control_that_needs_no_generator_is_recommended_if_it_does_as_well(tmp_path):
    varied = arm("varied 0.25", "varied", 0.25, gain=0.011)
    same = Interval(0.001, -0.003, 0.005, 3, 0.95)
    plain = study_result()
    compared = {**plain.comparisons, "varied 0.25": same}
    told = {"generator_adds": "no effect shown", "cheaper": "varied 0.25", "ratio": 0.0}
    result = study_result(arms=(*plain.arms, varied), control="varied 0.25", comparisons=compared, **told)
    page = read(tmp_path, result)
    assert "Use varied 0.25 instead" in page.text
    assert "ClassVariation.fit(train" in page.text


@pytest.mark.parametrize("role", ["generator_adds", "against_reference"])
def test_a_comparison_whose_interval_and_sign_flip_test_disagree_says_so(role):
    result = study_result(reference="none", **{"against_reference": "helps", role: "no effect shown"})
    sentences = {"generator_adds": result.generator_sentence, "against_reference": result.reference_sentence}
    for name, sentence in sentences.items():
        assert ("sign-flip test over the splits does not agree" in sentence) == (name == role)
