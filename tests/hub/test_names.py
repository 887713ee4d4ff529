import os
import urllib.request
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from gan_augment import from_pretrained, list_pretrained
from gan_augment._core import HubName, hub_name
from gan_augment.hub import GeneratorEntry, find_entry, resolve_name, zoo_entries

from .conftest import cut_network


def test_the_guard_would_catch_the_network(offline):
    with pytest.raises(AssertionError, match="socket"):
        urllib.request.urlopen("http://127.0.0.1:9/")


NAMES = st.one_of(
    st.text(max_size=300),
    st.text("abcDC01./~@-_\\:", max_size=40),
    st.from_regex(r"[\w.-]{1,20}/[\w.-]{1,20}(@[\w./-]{1,9})?", fullmatch=True),
    st.sampled_from(list_pretrained()).flatmap(
        lambda name: st.integers(0, len(name)).map(lambda i: name[:i] + name[i + 1 :])
    ),
)


@settings(max_examples=300, deadline=None)
@given(NAMES)
@example("~nobody-of-that-name/x")
@example("a\0b")
@example("/a\0b")
@example("\ud800")
@example("https://huggingface.co/org/name")
@example("a" * 10_000)
@example("/" + "a" * 300)
def test_a_name_never_reaches_the_network(name):
    with pytest.MonkeyPatch.context() as patch:
        cut_network(patch)
        try:
            target = resolve_name(name)
        except ValueError:
            return
        assert isinstance(target, (HubName, Path)) or target == find_entry(name)


@settings(max_examples=50, deadline=None)
@given(NAMES)
def test_loading_what_is_not_of_the_hub_never_reaches_the_network_and_fails_in_a_sentence(name):
    assume(name not in list_pretrained() and hub_name(name) is None)
    with pytest.MonkeyPatch.context() as patch:
        cut_network(patch)
        with pytest.raises((ValueError, FileNotFoundError)):
            from_pretrained(name)


@pytest.mark.parametrize("name", list_pretrained())
def test_a_zoo_name_is_its_entry(name):
    assert resolve_name(name) == zoo_entries()[name]
    assert isinstance(resolve_name(name), GeneratorEntry)
    assert name in list_pretrained()


@pytest.mark.parametrize(
    "name",
    ["dcgan-mnist-23", "dcgan_mnist_32", "DCGAN-MNIST-32", "dcgan-mnist32", "dcgan-mnist-32 ", "dcgan-mnist-32\n"],
)
def test_a_near_miss_is_an_error_that_suggests(name):
    with pytest.raises(ValueError, match="did you mean 'dcgan-mnist-32'"):
        resolve_name(name)


@pytest.mark.parametrize("name", ["dcgan-celeba-256", "biggan", "", " ", "gpt2"])
def test_a_name_of_nothing_is_an_error_even_where_the_hub_might_know_it(name):
    with pytest.raises(ValueError, match="'org/name"):
        resolve_name(name)


@pytest.mark.parametrize("name", [None, 3, b"dcgan-mnist-32", ["dcgan-mnist-32"], {}])
def test_what_is_no_name_is_a_type_error(name):
    with pytest.raises(TypeError, match="must be a str or a path"):
        resolve_name(name)


@pytest.mark.parametrize(
    ("name", "repo_id", "revision"),
    [
        ("org/name", "org/name", None),
        ("org/name@v1", "org/name", "v1"),
        ("org/name@refs/pr/1", "org/name", "refs/pr/1"),
        ("o-r.g/na_m.e-64@0123456789abcdef", "o-r.g/na_m.e-64", "0123456789abcdef"),
    ],
)
def test_an_organisation_and_a_name_are_on_the_hub(name, repo_id, revision):
    assert resolve_name(name) == HubName(repo_id, revision)


@pytest.mark.parametrize("name", ["org/name", "org/name@v1"])
def test_a_name_on_the_hub_is_written_as_it_is_read(name):
    assert str(resolve_name(name)) == name


@pytest.mark.parametrize(
    "name",
    [
        "a/b/c",
        "org/",
        "org/-name",
        "org/na..me",
        "org/na--me",
        "org/name@",
        "org/name@@",
        "org/na me",
        "-o/n",
        "o\\n",
        "org/name\n",
        "org/name@v1\n",
        "org/" + "a" * 97,
        "org/é",
        "https://x.org/y",
    ],
)
def test_what_the_hub_does_not_allow_is_no_name(name):
    with pytest.raises(ValueError, match="must be a name in the zoo"):
        resolve_name(name)


@pytest.mark.parametrize("name", ["./org/name", "../x", "/tmp/x", ".", "./dcgan-mnist-32"])
def test_what_is_written_as_a_path_is_a_path_whether_it_exists_or_not(name):
    assert resolve_name(name) == Path(name)


def test_a_tilde_is_the_home(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    assert resolve_name("~/x") == Path("/somewhere/x")


def test_a_path_object_is_always_a_path():
    assert resolve_name(Path("dcgan-mnist-32")) == Path("dcgan-mnist-32")
    assert resolve_name(Path("org/name")) == Path("org/name")


def test_an_existing_folder_goes_before_the_hub_and_after_the_zoo(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.makedirs("org/name")
    os.makedirs("dcgan-mnist-32")
    assert resolve_name("org/name") == Path("org/name")
    assert resolve_name("org/other") == HubName("org/other")
    assert resolve_name("org/name@main") == HubName("org/name", "main")
    assert resolve_name("dcgan-mnist-32") == find_entry("dcgan-mnist-32")


@pytest.mark.parametrize("name", [*list_pretrained(), Path("org/name")])
def test_only_the_hub_has_revisions(name, offline):
    with pytest.raises(ValueError, match="revision must be None"):
        from_pretrained(name, revision="v1")


def test_the_registry_says_what_people_must_know():
    for name, entry in zoo_entries().items():
        assert entry.name == name
        assert entry.license
        assert entry.data_terms
        assert entry.description
