"""Downloading and publishing with the client of huggingface_hub, against a server on loopback."""

import contextlib
import functools
import hashlib
import io
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import huggingface_hub
import pytest
import torch
import yaml

from gan_augment import (
    Card,
    Discriminator,
    DiscriminatorConfig,
    Generator,
    from_pretrained,
    list_pretrained,
    push_to_hub,
    save_pretrained,
)
from gan_augment._core import HubName
from gan_augment.cli import main
from gan_augment.hub import _entries, find_entry
from gan_augment.hub._download import explain_error

from ..core.disks import small_files
from ..core.processes import killed_after
from ..test_cli_scripts import documented
from ..test_last_words import shown_above
from .server import TOKEN, HubServer, Repository

SOON = {"HF_HUB_ETAG_TIMEOUT": "1", "HF_HUB_DOWNLOAD_TIMEOUT": "1"}


@pytest.fixture(scope="module")
def hub():
    server = HubServer()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def client(hub, tmp_path_factory):
    """Runs in another process, because the Hub's client reads its environment when it is imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.url)
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("HF_HUB_DISABLE_XET", "1")  # its storage does not use HTTP alone
        patch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        for name, value in SOON.items():
            patch.setenv(name, value)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            yield lambda function, *arguments, **options: pool.submit(function, *arguments, **options).result()


@pytest.fixture
def files(tiny, tmp_path):
    """The files of a published generator."""
    tiny.save_pretrained(tmp_path / "tiny")
    return {path.name: path.read_bytes() for path in (tmp_path / "tiny").iterdir()}


@pytest.fixture
def repo(hub, files):
    """A repository that no other test uses; its faults end with the test."""
    repo_id = f"someone/tiny-{len(hub.repositories)}"
    hub.repositories[repo_id] = Repository()
    hub.repositories[repo_id].commit(files)
    hub.requests.clear()
    yield repo_id
    hub.faults.clear()


def from_pretrained_bytes(files, folder):
    """Returns samples of the generator with these files."""
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return sample(folder)


# These functions run in the client's process.


def sample(name, **options):
    return from_pretrained(name, **options).sample(4, seed=0)


def failure(name, **options):
    """Returns the type and message of the exception, and that of the error that Python shows above it."""
    try:
        from_pretrained(name, **options)
    except Exception as error:
        return type(error), str(error), shown_above(error)
    return None


def limited(name, size, **options):
    """Returns the same for a disk on which no file can be larger than ``size`` bytes."""
    with small_files(size):
        return failure(name, **options)


def killed(name, **options):
    """Kills a process in the middle of a download, and returns the incomplete files that it leaves."""
    child = os.fork()
    if child == 0:
        failure(name, **options)
        os._exit(0)
    cache, deadline = Path(options["cache_dir"]), time.monotonic() + 30
    while not list(cache.glob("*/blobs/*.incomplete")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return list(cache.glob("*/blobs/*.incomplete"))


def is_killed_after(seconds, name, **options):
    return killed_after(functools.partial(failure, name, **options), seconds)


def save_again(name, folder, **options):
    from gan_augment import download

    source = download(name, **options)
    shutil.copytree(source, folder)
    return from_pretrained(source).card


def registered(repo, sha256):
    """Adds a generator to the registry that is not installed, with a commit on the Hub, and returns its name."""
    entry = {
        **{"name": "faces-of-the-hub", "sha256": sha256, "license": "cc-by-nc-4.0", "data_terms": "for research"},
        **{"commercial_use": False, "description": "Faces", "image_size": 16, "channels": 1, "num_classes": 3},
    }
    folder = Path(tempfile.mkdtemp())
    shutil.copytree(_entries.ZOO_FOLDER, folder, dirs_exist_ok=True)
    content = {"format": 1, "generators": [{**entry, "hub": repo} if repo else entry]}
    (folder / "faces.json").write_text(json.dumps(content))
    _entries.ZOO_FOLDER = folder
    return "faces-of-the-hub"


def sample_of_pin(repo, sha256, **options):
    """Returns samples of a generator that the registry pins on the Hub."""
    before = _entries.ZOO_FOLDER
    try:
        return sample(registered(repo, sha256), **options)
    finally:
        _entries.ZOO_FOLDER = before


def failure_of_pin(repo, sha256, **options):
    """Returns the type and message of the exception for such a generator."""
    before = _entries.ZOO_FOLDER
    try:
        return failure(registered(repo, sha256), **options)[:2]
    finally:
        _entries.ZOO_FOLDER = before


def publish_zoo(token):
    os.environ["HF_TOKEN"] = token
    try:
        return main(["push", "--zoo", "--public", "zoo"])
    finally:
        del os.environ["HF_TOKEN"]


def publish_by_command(folder, repo_id, token):
    """Returns the exit status and what ``gan-augment push --json`` printed."""
    os.environ["HF_TOKEN"] = token
    try:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            return main(["push", str(folder), repo_id, "--license", "mit", "--json"]), printed.getvalue()
    finally:
        del os.environ["HF_TOKEN"]


def publish(folder, repo_id, **options):
    return push_to_hub(from_pretrained(folder), repo_id, **options)


def test_a_repository_is_loaded_and_then_found_in_the_cache(hub, client, repo, tiny):
    assert (client(sample, repo) == tiny.sample(4, seed=0)).all()
    assert ("GET", f"{repo}/resolve/main/config.json") in hub.requests
    hub.requests.clear()
    assert (client(sample, repo, local_files_only=True) == tiny.sample(4, seed=0)).all()
    assert not hub.requests


def test_all_files_are_of_the_commit_that_the_branch_was_at(hub, client, repo):
    client(sample, repo)
    commit = hub.repositories[repo].resolve("main")
    assert {path.split("/")[3] for _, path in hub.requests if "config.json" not in path and "/resolve/" in path} == {
        commit
    }


def test_a_cached_commit_needs_no_request(hub, client, repo, tiny):
    commit = hub.repositories[repo].resolve("main")
    client(sample, f"{repo}@{commit}")
    hub.requests.clear()
    assert (client(sample, repo, revision=commit) == tiny.sample(4, seed=0)).all()
    assert not hub.requests


def test_a_branch_by_either_way_of_naming_it(hub, client, repo, tiny, files):
    hub.repositories[repo].commit(files, "old")
    hub.repositories[repo].commit({"config.json": b"{}"})
    for name, options in ((f"{repo}@old", {}), (repo, {"revision": "old"})):
        assert (client(sample, name, **options) == tiny.sample(4, seed=0)).all()
    kind, words, _ = client(failure, f"{repo}@old", revision="main")
    assert kind is ValueError
    assert "revision must be 'old'" in words


def test_a_private_repository_needs_the_token(hub, client, repo, tiny):
    hub.repositories[repo].private = True
    kind, words, above = client(failure, repo)
    assert (kind, above) == (ValueError, None)
    assert "hf auth login" in words
    assert (client(sample, repo, token=TOKEN) == tiny.sample(4, seed=0)).all()


@pytest.mark.parametrize(
    ("prepare", "options", "kind", "words"),
    [
        (lambda hub, repo: hub.repositories.pop(repo), {}, ValueError, "has no repository"),
        (lambda hub, repo: setattr(hub.repositories[repo], "gated", True), {}, PermissionError, "is gated: accept"),
        (lambda hub, repo: None, {"revision": "v9"}, ValueError, "must have the revision 'v9'"),
        (lambda hub, repo: None, {"local_files_only": True}, FileNotFoundError, "downloading is not allowed; call"),
        (lambda hub, repo: hub.repositories[repo].commits.update(
            {sha: {"model.pth": b""} for sha in hub.repositories[repo].commits}
        ), {}, ValueError, "holds no generator of gan-augment.*import_checkpoint"),
        (lambda hub, repo: hub.faults.update({"config.json": 403}), {}, PermissionError, "does not let you read"),
        (lambda hub, repo: hub.faults.update({"GET storage": "cut"}), {}, ConnectionError, "try again"),
        (lambda hub, repo: hub.faults.update({"generator.safetensors": "other"}), {}, ValueError,
         "must have the SHA-256 .* To download it again, delete"),
    ],
    ids=["missing", "gated", "revision", "offline", "foreign", "forbidden", "cut", "other bytes"],
)  # fmt: skip
def test_each_failure_is_a_sentence_with_a_remedy(hub, client, repo, prepare, options, kind, words):
    prepare(hub, repo)
    raised, said, above = client(failure, repo, **options)
    assert raised is kind
    assert "\n" not in said
    assert re.search(words, said), said
    assert above is None  # the traceback ends with this sentence alone


@pytest.mark.slow  # the client tries again and again, for half a minute
@pytest.mark.parametrize(("fault", "words"), [(429, "too many requests; wait"), (500, "try again"), ("slow", "try")])
def test_a_hub_that_does_not_serve_is_named(hub, client, repo, fault, words):
    hub.faults["config.json"] = fault
    kind, said, above = client(failure, repo)
    assert kind is ConnectionError
    assert words in said
    assert above is None  # the traceback ends with this sentence alone


def test_wrong_bytes_are_replaced_as_the_error_says(hub, client, repo, tiny):
    hub.faults["generator.safetensors"] = "other"
    _, words, _ = client(failure, repo)
    hub.faults.clear()
    shutil.rmtree(re.search("delete '(.*)'", words)[1])
    assert (client(sample, repo) == tiny.sample(4, seed=0)).all()


@pytest.mark.slow
def test_what_is_pushed_is_what_is_pulled(hub, client, repo, tiny, tmp_path):
    tiny.save_pretrained(tmp_path / "tiny")
    new = repo.replace("tiny", "new")
    url = client(publish, tmp_path / "tiny", new, license="mit", token=TOKEN)
    assert hub.repositories[new].private
    assert url.endswith(hub.repositories[new].resolve("main"))
    card = client(save_again, new, tmp_path / "pulled", token=TOKEN)
    pulled = {path.name: path.read_bytes() for path in (tmp_path / "pulled").iterdir()}
    pushed = dict(hub.repositories[new].commits[hub.repositories[new].resolve("main")])
    del pushed[".gitattributes"]
    assert pulled == pushed
    assert (card.license, card.name) == ("mit", new.partition("/")[2])
    assert (from_pretrained(tmp_path / "pulled").sample(4, seed=0) == tiny.sample(4, seed=0)).all()


def sha256_of_config(files):
    return hashlib.sha256(files["config.json"]).hexdigest()


def test_a_zoo_name_that_is_not_installed_comes_from_the_commit_that_the_registry_pins(hub, client, repo, files, tiny):
    pin, sha256 = f"{repo}@{hub.repositories[repo].resolve('main')}", sha256_of_config(files)
    hub.repositories[repo].commit({"config.json": b"moved on"})
    assert (client(sample_of_pin, pin, sha256) == tiny.sample(4, seed=0)).all()
    assert not any("discriminator" in path or "/main/" in path for _, path in hub.requests)
    assert (client(sample_of_pin, pin, sha256, local_files_only=True) == tiny.sample(4, seed=0)).all()


def test_a_pinned_commit_with_another_configuration_is_refused_before_its_weights(hub, client, repo):
    pin = f"{repo}@{hub.repositories[repo].resolve('main')}"
    kind, words = client(failure_of_pin, pin, "0" * 64)
    assert kind is ValueError
    assert re.search("have the SHA-256 0{64} from the registry, but has another; delete '.*' to download it", words)
    assert not any("generator.safetensors" in path for _, path in hub.requests)


def test_a_pinned_generator_that_is_no_longer_there_says_so(hub, client, repo, files):
    kind, words = client(failure_of_pin, f"{repo}@{'0' * 40}", sha256_of_config(files))
    assert (kind, "must have the revision '0000" in words) == (ValueError, True)
    kind, words = client(failure_of_pin, None, "0" * 64)
    assert (kind, 'run pip install "gan-augment[faces]"' in words) == (ModuleNotFoundError, True)


@pytest.mark.slow
def test_the_command_prints_where_it_published_as_json(hub, client, tmp_path, tiny):
    tiny.save_pretrained(tmp_path / "tiny")
    status, printed = client(publish_by_command, tmp_path / "tiny", "someone/pushed", TOKEN)
    document = json.loads(printed)
    assert (status, set(document)) == (0, documented("push"))
    assert document["urls"]["someone/pushed"].endswith(hub.repositories["someone/pushed"].resolve("main"))


def test_the_zoo_is_published_by_one_command(hub, client):
    if missing := list_pretrained(installed=False):
        pytest.skip(f"gan-augment-faces is not installed: there is no {missing[0]} to publish")
    assert client(publish_zoo, TOKEN) == 0
    for name in list_pretrained():
        repository = hub.repositories[f"zoo/{name}"]
        assert not repository.private
        folder, files = find_entry(name).folder, repository.files()
        assert {path.name for path in folder.iterdir()} == set(files) - {".gitattributes"}
        assert all((folder / each).read_bytes() == files[each] for each in set(files) - {".gitattributes"})
        commit, pinned = repository.resolve("main"), find_entry(name).sha256
        assert (client(sample_of_pin, f"zoo/{name}@{commit}", pinned) == from_pretrained(name).sample(4, seed=0)).all()


def test_a_push_without_the_right_to_it_says_so(hub, client, repo, tmp_path, tiny):
    tiny.save_pretrained(tmp_path / "tiny")
    with pytest.raises(PermissionError, match=r"does not let you write .*hf auth login"):
        client(publish, tmp_path / "tiny", "someone/other", license="mit", token="hf_reader")
    assert "someone/other" not in hub.repositories


@pytest.mark.parametrize("repo_id", ["name", "org/name@main", "a/b/c", "../x", "org/na--me"])
def test_a_push_needs_an_organisation_and_a_name(tiny, repo_id):
    with pytest.raises(ValueError, match="repo_id must be 'org/name'"):
        push_to_hub(tiny, repo_id, license="mit")


def test_a_push_to_a_new_branch_makes_it(hub, client, repo, tiny, saved):
    before = hub.repositories[repo].resolve("main")
    for _ in range(2):
        client(publish, saved, repo, license="mit", revision="v2", token=TOKEN)
    assert hub.repositories[repo].resolve("main") == before
    assert (client(sample, f"{repo}@v2") == tiny.sample(4, seed=0)).all()


def test_a_failed_push_names_the_branch(hub, client, repo, saved):
    with pytest.raises(PermissionError, match=rf"does not let you write in '{repo}@v2'"):
        client(publish, saved, repo, license="mit", revision="v2", token="hf_reader")
    assert list(hub.repositories[repo].branches) == ["main"]


def test_a_push_deletes_what_the_earlier_generator_had_and_nothing_else(hub, client, repo, tiny, saved):
    card = Card("old", fingerprints=torch.arange(3))
    foreign = {"notes.txt": b"mine", "old/grid.png": b"mine", "fingerprints.safetensors.txt": b"mine"}
    old = {"discriminator.safetensors": b"stale", "fingerprints.safetensors": b"stale", "grid.png": b"stale"}
    repository = hub.repositories[repo]
    repository.commit({**foreign, **old, "README.md": card.to_readme(tiny.config).encode()})
    commits = len(repository.commits)
    client(publish, saved, repo, license="mit", token=TOKEN)
    assert len(repository.commits) == commits + 1
    files = repository.files()
    assert set(files) == {*foreign, "README.md", "config.json", "generator.safetensors", "grid.png"}
    assert files["grid.png"] == (saved / "grid.png").read_bytes()


@pytest.mark.parametrize("options", [{}, {"revision": "v2"}])
@pytest.mark.parametrize("text", [b"# Mine", b"---\nlicense: mit\n---\n# Mine", b"\xff"])
def test_a_push_does_not_write_over_words_of_others(hub, client, repo, saved, text, options):
    repository = hub.repositories[repo]
    commit, repository.private = repository.commit({"README.md": text}), True
    with pytest.raises(ValueError, match=r"its README\.md is not the card of a generator, .*; delete it on the Hub"):
        client(publish, saved, repo, license="mit", token=TOKEN, **options)
    assert repository.files(options.get("revision", "main")) == repository.commits[commit]
    assert not [path for _, path in hub.requests if "preupload" in path or "/commit/" in path or "objects" in path]


def test_a_push_that_cannot_see_the_card_does_not_write_over_it(hub, client, repo, saved):
    commit = hub.repositories[repo].commit({"README.md": b"# Mine"})
    hub.faults["README.md"] = 403
    with pytest.raises(PermissionError, match="does not let you write"):
        client(publish, saved, repo, license="mit", token=TOKEN)
    assert hub.repositories[repo].resolve("main") == commit


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"generator": "dcgan-mnist-32"}, TypeError, "generator must be a Generator, but got <class 'str'>"),
        ({"license": None}, TypeError, "license must be a str, but got <class 'NoneType'>"),
        ({"license": ["mit"]}, TypeError, "license must be a str"),
        ({"license": "MIT licence"}, ValueError, "license must be a licence name"),
        ({"repo_id": None}, TypeError, "repo_id must be a str"),
        ({"repo_id": "x" * 10_000}, ValueError, "repo_id must be 'org/name'"),
        ({"commit_message": None}, TypeError, "commit_message must be a str"),
        ({"commit_message": " \n"}, ValueError, "commit_message must not be empty"),
        ({"private": None}, TypeError, "private must be a bool"),
        ({"private": "no"}, TypeError, "private must be a bool"),
        ({"revision": 2}, TypeError, "revision must be a str"),
        ({"revision": ""}, ValueError, "revision must be the name of a branch, but got ''"),
        ({"revision": "a..b"}, ValueError, "revision must be the name of a branch"),
        ({"revision": "v 2"}, ValueError, "revision must be the name of a branch"),
    ],
)
def test_a_push_of_the_wrong_arguments_never_reaches_the_network(tiny, offline, options, kind, words):
    with pytest.raises(kind, match=words) as caught:
        push_to_hub(**{"generator": tiny, "repo_id": "someone/tiny", "license": "mit", **options})
    assert len(str(caught.value)) < 500


def test_a_push_needs_a_network(tiny, monkeypatch, offline):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConnectionError, match="HF_HUB_OFFLINE is set; unset it"):
        push_to_hub(tiny, "someone/tiny", license="mit")


@pytest.mark.parametrize("fault", ["huge", "missing"])
def test_a_card_that_is_missing_or_huge_does_not_keep_the_weights_away(hub, client, repo, tiny, saved, fault):
    if fault == "huge":
        hub.faults["README.md"] = "huge"
    else:
        files = {path.name: path.read_bytes() for path in saved.iterdir() if path.name != "README.md"}
        hub.repositories[repo].commit(files)
    assert (client(sample, repo) == tiny.sample(4, seed=0)).all()
    assert not [path for command, path in hub.requests if command == "GET" and path.endswith("README.md")][1:]


def test_figures_on_a_benchmark_go_where_the_hub_looks_for_them(hub, client, repo, tiny, tmp_path):
    generator = Generator(tiny.config)
    figure = {"metric": "kid", "value": 0.5, "on": "samples", "benchmark": "org/faces", "task": "kid"}
    generator.card = Card("x", measured=[figure, {**figure, "of": "real images", "value": 0.0}, {"metric": "m"}])
    generator.save_pretrained(tmp_path / "new")
    client(publish, tmp_path / "new", repo, license="mit", token=TOKEN)
    files = hub.repositories[repo].files("main")
    written = yaml.safe_load(files[".eval_results/gan-augment.yaml"])
    assert written == [{"dataset": {"id": "org/faces", "task_id": "kid"}, "value": 0.5, "notes": "kid, samples"}]
    if hasattr(huggingface_hub, "parse_eval_result_entries"):  # newer clients read and write them like this
        entries = huggingface_hub.parse_eval_result_entries(written)
        assert huggingface_hub.eval_result_entries_to_yaml(entries) == written
    generator.card = Card("x")
    generator.save_pretrained(tmp_path / "without")
    client(publish, tmp_path / "without", repo, license="mit", token=TOKEN)
    assert ".eval_results/gan-augment.yaml" not in hub.repositories[repo].files("main")


@pytest.mark.parametrize("name", ["config.json", "generator.safetensors", "discriminator.safetensors"])
def test_a_huge_file_is_refused_before_it_is_fetched(hub, client, repo, tiny, tmp_path, name):
    judge = Discriminator(DiscriminatorConfig(image_size=16, channels=1, width=4))
    save_pretrained(tiny, tmp_path / "judged", discriminator=judge)
    hub.repositories[repo].commit({path.name: path.read_bytes() for path in (tmp_path / "judged").iterdir()})
    hub.faults[name] = "huge"
    with pytest.raises(ValueError, match=rf"{name} of '{repo}(@\w+)?' must be at most [\d,]+ bytes, but has 1,099,511"):
        client(save_again, repo, tmp_path / "never", cache_dir=tmp_path / "cache")
    assert not [path for command, path in hub.requests if command == "GET" and path.endswith(name)]
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.name.endswith((name, ".incomplete"))]


@pytest.mark.slow
def test_what_is_cached_is_loaded_where_the_hub_cannot_be_asked(hub, client, repo, tiny):
    client(sample, repo)
    hub.faults["config.json"] = 503
    assert (client(sample, repo) == tiny.sample(4, seed=0)).all()


@pytest.mark.slow
def test_several_processes_may_download_at_once(hub, repo, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as pool:
        tasks = [pool.submit(sample, repo, cache_dir=str(tmp_path / "cache")) for _ in range(3)]
        digests = {hashlib.sha256(task.result().numpy().tobytes()).hexdigest() for task in tasks}
    assert len(digests) == 1


def test_an_unknown_exception_of_the_transport_is_a_failed_connection():
    error = explain_error(RuntimeError("odd\nand long"), HubName("a/b"), "read x")
    assert isinstance(error, ConnectionError)
    assert "could not read x in 'a/b': odd;" in str(error)


def test_a_full_disk_is_not_a_failed_connection():
    error = OSError(28, "No space left on device")
    assert explain_error(error, HubName("a/b"), "read x") is error


def test_a_download_to_a_full_disk_says_what_it_needs_and_goes_on_when_there_is_room(client, repo, files, tmp_path):
    size = len(files["generator.safetensors"])
    kind, words, _ = client(limited, repo, size - 1, cache_dir=tmp_path)
    assert issubclass(kind, OSError)
    assert re.fullmatch(
        rf"\S+generator\.safetensors needs {size:,} bytes, but there is not enough space [^\n]*\.", words
    )
    assert not list(tmp_path.rglob("*.incomplete"))
    assert torch.equal(client(sample, repo, cache_dir=tmp_path), from_pretrained_bytes(files, tmp_path / "files"))


def test_what_a_killed_download_leaves_is_removed_by_the_next(hub, client, repo, files, tmp_path):
    hub.faults["GET storage"] = "hang"
    assert client(killed, repo, cache_dir=tmp_path / "cache")
    hub.faults.clear()
    again = client(sample, repo, cache_dir=tmp_path / "cache")
    assert torch.equal(again, from_pretrained_bytes(files, tmp_path / "files"))
    assert not list(tmp_path.rglob("*.incomplete"))


@pytest.mark.slow
def test_downloads_that_are_killed_at_random_moments_end_whole(hub, client, repo, files, tmp_path):
    wanted = from_pretrained_bytes(files, tmp_path / "files")
    client(sample, repo, cache_dir=tmp_path / "first")  # the first download takes longer
    started = time.perf_counter()
    client(sample, repo, cache_dir=tmp_path / "whole")
    seconds, moments, kills = time.perf_counter() - started, random.Random(0), 0
    for number in range(30):
        cache = tmp_path / f"cache-{number // 3}"  # killed three times each
        kills += client(is_killed_after, moments.uniform(0, 1.2 * seconds), repo, cache_dir=cache)
        if number % 3 == 2:
            assert torch.equal(client(sample, repo, cache_dir=cache), wanted)
            assert not list(cache.rglob("*.incomplete"))
    assert kills > 10
