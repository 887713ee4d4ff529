"""The server without a browser: what it refuses before it starts, and what its answers say."""

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from gan_augment.cli import main
from gan_augment.web._server import check_port
from gan_augment.web.page._messages import kindly, sentence

from .conftest import ROOT, free_port, is_served, python_path, wait_for


def test_a_port_in_use_is_refused_with_a_way_out():
    with socket.socket() as used:
        used.bind(("127.0.0.1", 0))
        used.listen()
        with pytest.raises(ValueError, match="choose another one with --port"):
            check_port("127.0.0.1", used.getsockname()[1])
    with pytest.raises(ValueError, match="between 1 and 65535"):
        check_port("127.0.0.1", 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no-such-generator"], "no-such-generator"),
        (["--folder", "FULL"], "holds other files"),
        (["--host", "no.such.host.invalid"], "cannot be used"),
    ],
    ids=str,
)
def test_bad_arguments_are_refused_before_any_work(tmp_path, capsys, arguments, words):
    pytest.importorskip("gradio", reason="gradio is in the extra web")
    (tmp_path / "thesis.txt").write_text("mine")
    given = [str(tmp_path) if each == "FULL" else each for each in arguments]
    assert main(["ui", "--port", str(free_port()), *given]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def ask(server, path="/", **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(server.url + path, headers=headers), timeout=20) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_the_browser_is_told_to_load_nothing_from_elsewhere(server):
    status, headers, _ = ask(server)
    assert status == 200
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "https:" not in headers["content-security-policy"]


def test_another_host_name_is_refused(server):
    assert ask(server, Host="evil.example")[0] == 400


@pytest.mark.parametrize(
    "path", ["/downloads/x/y.zip", "/downloads/../page.zip", "/downloads/%2e%2e/%2e%2e%2flog", "/downloads/visitors/.."]
)
def test_downloads_lead_to_files_of_the_page_only(server, path):
    assert ask(server, path)[0] == 404


def test_files_outside_the_page_are_not_served(server):
    for path in (server.log, server.folder / ".gan-augment-ui", "/etc/passwd"):
        assert ask(server, f"/gradio_api/file={path}")[0] in (403, 404)


def raising(error):
    raise error


def test_errors_are_sentences_without_tracebacks(capsys):
    gradio = pytest.importorskip("gradio", reason="gradio is in the extra web")
    with pytest.raises(gradio.Error) as caught:
        kindly(lambda: check_port("127.0.0.1", -1))()
    assert caught.value.message == "port must be between 1 and 65535, but got -1 instead."
    assert capsys.readouterr().err == ""
    with pytest.raises(gradio.Error) as caught:
        kindly(lambda: {}["<b>"])()
    assert "This is a bug in gan-augment (KeyError)" in caught.value.message
    assert "Traceback" in capsys.readouterr().err


def test_an_error_of_the_system_is_no_bug():
    with pytest.raises(OSError, match="No such file") as caught:
        os.stat("/no/such/file")
    assert sentence(caught.value).startswith("The machine that runs the page cannot do this now: ")


@pytest.mark.slow
def test_the_space_serves_the_page(tmp_path):
    pytest.importorskip("gradio", reason="gradio is in the extra web")
    port, app = free_port(), ROOT / "examples" / "space" / "app.py"
    environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), "TMPDIR": str(tmp_path), "PYTHONPATH": python_path()}
    with subprocess.Popen([sys.executable, app], env=environment, cwd=tmp_path) as process:
        try:
            wait_for(lambda: is_served(f"http://127.0.0.1:{port}") or process.poll() is not None, 120)
            assert process.poll() is None
        finally:
            process.terminate()
