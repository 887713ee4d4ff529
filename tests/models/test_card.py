import json
import re
from pathlib import Path

import huggingface_hub
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gan_augment import Card, Generator, GeneratorConfig, from_pretrained
from gan_augment.synthesis import export_images

CONFIG = GeneratorConfig(image_size=16, channels=1, num_classes=3, width=4)
WORDS = st.text(max_size=30) | st.sampled_from(
    [
        "---",
        "---\n",
        "a---",
        "a---\nb",
        "\n---\n",
        "x\n---\ny",
        "--- #",
        "yes",
        "null",
        "1e3",
        "2020-01-01",
        "!!x",
        "# ",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
MAPPINGS = st.dictionaries(WORDS, VALUES, max_size=3)
CARDS = st.builds(
    Card,
    name=WORDS,
    license=st.none() | WORDS,
    datasets=st.lists(WORDS, max_size=3).map(tuple),
    data=MAPPINGS,
    training=MAPPINGS,
    measured=st.lists(MAPPINGS, max_size=2),
)


@settings(max_examples=40, deadline=None)
@given(CARDS)
def test_a_card_survives_its_readme(card):
    assert Card.from_readme(card.to_readme(CONFIG)) == card


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


ODD = st.recursive(
    VALUES
    | st.floats()
    | st.sampled_from([Path("x"), torch.zeros(2), b"x", "\ud800", 10**400, (1, (2, 3)), {1: 2, "1": 3}, {None: 1}])
    | st.sampled_from([12, 30, 200, 900, 10_000]).map(nested)
    | st.sampled_from(["long " * 6_000, "long " * 7_000, "\n" * 9_000, "\0" * 9_000, ["a"] * 9_000]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS | st.integers(), inner, max_size=2),
    max_leaves=3,
)


@settings(max_examples=30, deadline=None)
@given(data=st.dictionaries(WORDS, ODD, max_size=2), figure=st.dictionaries(WORDS, ODD, max_size=1), name=WORDS)
def test_whatever_card_is_made_and_written_can_be_read(data, figure, name):
    try:
        card = Card(name, datasets=[name], data=data, measured=[figure])
        text = card.to_readme(CONFIG)
    except ValueError as error:
        assert re.match("A card's .{1,500}$", str(error))  # noqa: PT017 - it may also be a card
    else:
        assert Card.from_readme(text) == card


@pytest.mark.parametrize("value", [torch.zeros(2), Path("x"), float("nan"), float("inf"), b"x", "\ud800", {1}])
@pytest.mark.parametrize("field", ["data", "training", "measured"])
def test_what_json_cannot_say_is_refused(field, value):
    held = {"x": [value]}
    with pytest.raises(ValueError, match=f"A card's {field} must be valid JSON"):
        Card("x", **{field: [held] if field == "measured" else held})


def test_what_json_says_otherwise_is_kept_as_json_has_it():
    card = Card("x", datasets=["a", "b"], data={"size": (28, 20), 1: 2})
    assert card == Card("x", datasets=("a", "b"), data={"size": [28, 20], "1": 2})


def test_a_card_is_none_of_its_makers_mappings():
    data = {"terms": ["a"]}
    card = Card("x", data=data)
    data["terms"].append("b")
    assert card.data == {"terms": ["a"]}


def test_what_is_put_into_a_card_later_is_refused_when_it_is_written():
    card = Card("x")
    card.data["folder"] = Path("x")
    with pytest.raises(ValueError, match="A card's data must be valid JSON"):
        card.to_readme(CONFIG)


def test_a_card_too_long_to_be_read_is_not_written():
    card = Card("x", data={"description": "words " * 6_000})
    with pytest.raises(ValueError, match=r"at most 32,768 characters, but are 3\d,\d+; shorten its data"):
        card.to_readme(CONFIG)


def front(card):
    return yaml.safe_load(re.match("---\n(.*?)^---$", card.to_readme(CONFIG), re.DOTALL | re.MULTILINE)[1])


@pytest.mark.parametrize(
    ("identifier", "data", "name"),
    [
        ("other", {"terms": "CelebA: non-commercial research (only)"}, "celeba-non-commercial-research-only"),
        ("other", {}, "see-card"),
        ("other", {"terms": "\u00e9"}, "see-card"),
        ("mit", {"terms": "CC BY-SA 3.0"}, None),
        (None, {}, None),
    ],
)
def test_another_licence_has_a_name(identifier, data, name):
    card = Card("x", identifier, data=data)
    assert front(card).get("license_name") == name
    assert Card.from_readme(card.to_readme(CONFIG)) == card


def test_the_name_of_a_licence_is_short():
    assert len(front(Card("x", "other", data={"terms": "word " * 50}))["license_name"]) <= 64


KID = {"metric": "kid[efficientnet-lite0, n=1000/1000, test]", "value": 0.01, "on": "samples"}


@pytest.mark.parametrize(
    "floor",
    [{"of": "real images"}, {"of": "real images", "on": "1,000 images"}, {"on": "other real images, the floor"}],
)
def test_what_real_images_score_is_not_published_as_a_figure_of_the_generator(floor):
    card = Card("x", measured=[KID, {**KID, "value": 0.0, **floor}])
    assert Card.from_readme(card.to_readme(CONFIG)).measured == card.measured
    read = huggingface_hub.ModelCard(card.to_readme(CONFIG)).data.eval_results
    assert [(result.metric_type, result.metric_value) for result in read] == [("kid", 0.01)]


def test_figures_are_told_to_the_hub_with_the_name_of_the_data():
    card = Card("x", datasets=("org/faces",), measured=[KID, {**KID, "metric": "fid", "on": "others"}, {"value": True}])
    read = huggingface_hub.ModelCard(card.to_readme(CONFIG)).data.eval_results
    assert [(result.dataset_name, result.metric_name) for result in read] == [
        ("org/faces", KID["metric"]),
        ("org/faces", "fid"),
    ]


def cells(line):
    """The cells of a table's line: what is between bars that no backslash takes away."""
    parts = re.findall(r"((?:\\.|[^|\\])*)\|", line.strip().removeprefix("|"))
    return [re.sub(r"\\(.)", r"\1", part).strip() for part in parts]


def rows(card):
    body = card.to_readme(CONFIG).partition("## Measured")[2].partition("## Use")[0]
    return [cells(line) for line in body.splitlines() if line.startswith("|")]


def test_the_table_of_figures_has_their_features():
    card = Card("x", measured=[{"metric": "kid", "value": 0.5, "on": "all", "features": "dino-v2"}, {"metric": "m"}])
    assert rows(card) == [
        ["metric", "value", "on", "features"], ["---"] * 4, ["kid", "0.5", "all", "dino-v2"], ["m", "", "", ""]
    ]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.text("ab |\\\n\r-", min_size=1, max_size=12), st.lists(st.none() | st.integers(), max_size=2))
def test_no_words_break_the_table(words, value):
    figure = {"metric": words, "value": value, "on": words, "features": words}
    said = " ".join(words.split())
    assert rows(Card("x", measured=[figure] * 2))[2:] == [[said, json.dumps(value), said, said]] * 2


@pytest.mark.parametrize("words", ["a\n## Made up", "a\r\n\n# Made up", "\n- made: up"])
def test_no_words_begin_a_line_of_their_own(words):
    card = Card(words, data={words: words}, training={"steps": [words]}, measured=[{"metric": "m", "command": words}])
    body = card.to_readme(CONFIG).partition("\n---\n")[2]
    assert not re.search("^(#+|-) [mM]ade", body, re.MULTILINE)


@pytest.mark.parametrize("text", ["a---", "---", "a---\nb", "x\n---\ny", "---\n---\n"])
def test_a_text_of_dashes_survives(text):
    card = Card(text, data={"terms": text, text: 1}, measured=[{"metric": text}])
    assert Card.from_readme(card.to_readme(CONFIG)) == card


def test_the_body_of_a_readme_may_be_edited():
    card = Card("x")
    text = card.to_readme(CONFIG) + "\n---\nmore words\n---\n"
    assert Card.from_readme(text) == card


def test_windows_line_ends_are_line_ends():
    card = Card("x", "mit", ("mnist",))
    assert Card.from_readme(card.to_readme(CONFIG).replace("\n", "\r\n")) == card


def test_a_readme_says_what_people_must_know():
    card = Card(
        "dcgan-x",
        "mit",
        ("mnist",),
        {"terms": "CC BY-SA 3.0"},
        {"steps": 12_345},
        [{"metric": "accuracy", "value": 0.97, "on": "10,000 samples", "command": "python measure.py"}],
        torch.arange(1234),
    )
    text = card.to_readme(CONFIG)
    for words in ("dcgan-x", "mit", "CC BY-SA 3.0", "12345", "0.97", "10,000 samples", "python measure.py", "1,234"):
        assert words in text
    assert "synthetic" in text
    assert "3 classes" in text
    assert "16 px grey" in text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name: x",
        "---\nname: x\n",
        "words\n---\na: 1\n---\n",
        "---\n---\n",
        "---\n[1, 2]\n---\n",
        "---\na: [1\n---\n",
        "---\na: b: c\n---\n",
        "---\n\tx: 1\n---\n",
        "---\n&a [*a]\n---\n",
        "---\ngan_augment: {}\n---\n",
        "---\ngan_augment: [name, data, training, measured]\n---\n",
        "---\ngan_augment: {name: x, data: {}, training: {}}\n---\n",
        "---\ngan_augment: {name: x, data: {}, training: {}, measured: [], more: 1}\n---\n",
        "---\ngan_augment: {name: 3, data: {}, training: {}, measured: []}\n---\n",
        "---\ngan_augment: {name: x, data: [], training: {}, measured: []}\n---\n",
        "---\ngan_augment: {name: x, data: {}, training: {}, measured: {}}\n---\n",
        "---\ngan_augment: {name: x, data: {}, training: {}, measured: [3]}\n---\n",
        "---\nlicense: [mit]\ngan_augment: {name: x, data: {}, training: {}, measured: []}\n---\n",
        "---\ndatasets: [{}]\ngan_augment: {name: x, data: {}, training: {}, measured: []}\n---\n",
    ],
)
def test_a_malformed_readme_is_refused(text):
    with pytest.raises(ValueError, match="card"):
        Card.from_readme(text)


@settings(max_examples=50, deadline=None)
@given(st.text("ab1:-[]{}&*!|>'\"#%@`,? \n\t~=<.", max_size=60))
def test_no_metadata_break_the_reader(text):
    with pytest.raises(ValueError):  # noqa: PT011 - any sentence will do
        Card.from_readme(f"---\n{text}\n---\n")


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system ['touch {path}']",
        "!!python/object/apply:builtins.open ['{path}', 'w']",
        "!!python/object/new:pathlib.Path ['{path}']",
        "!!python/name:os.system",
        "!!python/tuple [1]",
    ],
)
def test_no_tag_is_executed(tmp_path, tag):
    path = tmp_path / "sprung"
    with pytest.raises(ValueError, match="YAML"):
        Card.from_readme(f"---\ngan_augment: {tag.format(path=path)}\n---\n")
    assert not path.exists()


def test_a_bomb_of_aliases_gives_a_short_error():
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for previous, name in zip("abcd", "bcde"):
        lines.append(f"{name}: &{name} [{', '.join([f'*{previous}'] * 10)}]")
    lines.append("gan_augment: {name: *e, data: {}, training: {}, measured: []}")
    with pytest.raises(ValueError, match="alias") as caught:
        Card.from_readme("---\n" + "\n".join(lines) + "\n---\n")
    assert len(str(caught.value)) < 10_000


@pytest.mark.parametrize(
    "values",
    [
        {"name": None},
        {"name": "x", "data": None},
        {"name": "x", "training": []},
        {"name": "x", "measured": {}},
        {"name": "x", "datasets": "mnist"},
        {"name": "x", "datasets": None},
        {"name": "x", "datasets": {"mnist": 1}},
        {"name": "x", "datasets": (1,)},
        {"name": "x", "license": ("mit",)},
        {"name": "x", "fingerprints": torch.zeros(3)},
        {"name": "x", "fingerprints": torch.zeros(3, 1, dtype=torch.int64)},
    ],
)
def test_a_card_of_the_wrong_types_is_refused(values):
    with pytest.raises(ValueError, match=f"A card's {list(values)[-1]} must be"):
        Card(**values)


@pytest.mark.parametrize("said", [False, "false", "no", "No.", "unknown", 0, []])
def test_whatever_a_card_says_of_commercial_use_but_true_is_a_no(said):
    assert Card("edited", data={"commercial_use": said}).forbids_commercial_use
    for allowed in ({}, {"commercial_use": True}, {"commercial_use": "Yes"}, {"commercial_use": None}):
        assert not Card("edited", data=allowed).forbids_commercial_use


def test_what_is_printed_of_a_card_has_no_control_characters(tmp_path):
    hostile = "fine\x1b[2J\x1b]0;title\x07\u202eeno\u2066\u200b\r\n\u2028two" + "x" * 10_000
    generator = Generator(GeneratorConfig(image_size=16, width=4))
    generator.card = Card(f"name {hostile}", data={"commercial_use": False, "terms": f"terms {hostile}"})
    generator.save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match="forbid commercial use") as caught:
        from_pretrained(tmp_path)
    text, readme = str(caught[0].message), (tmp_path / "README.md").read_text()
    (file,) = export_images(generator, tmp_path / "out", 1)
    with Image.open(file) as picture:
        source = picture.text["Source"]
    assert "fine[2J]0;titleeno two" in text
    assert len(text) < 1000
    for said in (text, source, readme.partition("\n---\n")[2].replace("\n", "")):
        assert all(letter.isprintable() for letter in said)
