import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment import Card, GeneratorConfig

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
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS,
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
        {"name": "x", "fingerprints": torch.zeros(3)},
        {"name": "x", "fingerprints": torch.zeros(3, 1, dtype=torch.int64)},
    ],
)
def test_a_card_of_the_wrong_types_is_refused(values):
    with pytest.raises(ValueError, match=f"A card's {list(values)[-1]} must be"):
        Card(**values)
