"""The server without a browser: what it refuses before it starts, and what its answers say."""

import asyncio
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from gan_augment.cli import main
from gan_augment.web import Limits
from gan_augment.web._guard import FORM_BYTES, Address, Guard, check_queue, is_known
from gan_augment.web._server import check_port
from gan_augment.web._visitors import RECEIVED, Visitors, page_folder
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
    "path",
    [
        "/downloads/x/y.zip",
        "/downloads/../page.zip",
        "/downloads/%2e%2e/%2e%2e%2flog",
        "/downloads/visitors/..",
        f"/downloads/{'a' * 300}/x.zip",
        f"/downloads/a/{'a' * 300}",
        "/downloads/a/x%00.zip",
    ],
)
def test_downloads_lead_to_files_of_the_page_only(server, path):
    assert ask(server, path)[0] == 404


@pytest.mark.parametrize("path", ["run/predict", "call/x", "component_server", "stream/x", "vibe-edit"])
def test_functions_run_through_the_queue_alone(guard, path):
    assert run(send_upload(guard, [b"{}"], {}, f"/gradio_api/{path}")) == 404


def test_names_of_other_web_sites_are_refused_on_a_network():
    names = Address("0.0.0.0", hostnames=("Lab.example",)).names
    for host in ("192.168.0.7:7860", "localhost", f"{socket.gethostname()}:7860", "lab.example", "[fe80::1]:7860"):
        assert is_known(host, names)
    for host in ("evil.example", "127.0.0.1.evil.example", "", "["):
        assert not is_known(host, names)
    assert is_known("evil.example", Address("0.0.0.0", hostnames=("*",)).names)
    assert not is_known("another-machine", Address().names)


def test_other_web_sites_show_the_page_in_a_frame_only_if_they_are_named(server):
    assert "frame-ancestors 'none'" in ask(server)[1]["content-security-policy"]
    shown = Guard(None, None, Limits(), Address(frames=("https://huggingface.co",)))
    assert "frame-ancestors https://huggingface.co" in shown.policy


def test_visitors_do_not_see_where_generators_are(server, saved):
    for path in ("/", "/config"):
        status, _, body = ask(server, path)
        assert status == 200
        assert saved.name in body.decode()
        assert str(saved) not in body.decode()


@pytest.fixture
def queue(tmp_path):
    """The queue of a page that has not started, with two functions that a visitor can wait for."""
    gradio = pytest.importorskip("gradio", reason="gradio is in the extra web")
    with gradio.Blocks(analytics_enabled=False) as page:
        for _ in range(2):
            gradio.Button().click(lambda file: None, gradio.File())
    page.queue()
    check_queue(page, tmp_path)
    return page._queue


def join(queue, session, function=0, file=None):
    from gradio.data_classes import PredictBodyInternal

    body = PredictBodyInternal(session_hash=session, fn_index=function, data=[file], request=None)
    return run(queue.push(body=body, request=None, username=None))


def test_a_visitor_waits_once_for_each_thing(queue):
    assert [join(queue, "a")[2], join(queue, "a", 1)[2], join(queue, "b")[2]] == ["success"] * 3
    assert join(queue, "a") == (False, "You are already waiting for this; try again when it is done.", "queue_full")


@pytest.mark.parametrize(
    "path",
    ["https://example.com/x.zip", "/etc/passwd", "x/../../y.zip", "\0", 1],
    ids=["url", "file", "up", "nul", "1"],
)
def test_only_uploads_are_read(queue, tmp_path, path):
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    assert join(queue, "a", file=[{"x": file}])[2] == "error"
    assert join(queue, "a", file={**file, "path": str(tmp_path / "x.zip")})[2] == "success"


def test_files_outside_the_page_are_not_served(server):
    for path in (server.log, server.folder / ".gan-augment-ui", "/etc/passwd"):
        assert ask(server, f"/gradio_api/file={path}")[0] in (403, 404)


class Storing:
    """An application that stores what it is sent, as Gradio does."""

    def __init__(self, folder):
        self.path, self.waiting = folder / RECEIVED / "upload", asyncio.Event()

    async def __call__(self, scope, receive, send):
        with open(self.path, "ab") as file:
            message = {"more_body": True}
            while message.get("more_body"):
                message = await receive()
                file.write(message.get("body", b""))
                await self.waiting.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})


def run(work):
    """Runs a coroutine in a thread of its own, because Playwright may keep an event loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def send_upload(guard, chunks, headers, path="/gradio_api/upload"):
    """Sends an upload in chunks, and returns the status of the answer."""
    chunks, answers = list(chunks), []

    async def receive():
        return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

    async def send(message):
        answers.append(message)

    pairs = [(name.encode(), value.encode()) for name, value in {"host": "127.0.0.1", **headers}.items()]
    await guard({"type": "http", "method": "POST", "path": path, "headers": pairs}, receive, send)
    return answers[0]["status"]


@pytest.fixture
def guard(tmp_path):
    pytest.importorskip("starlette", reason="starlette comes with gradio, in the extra web")
    limits = Limits(upload_bytes=2**20, total_bytes=3 * 2**20)
    with page_folder(tmp_path / "page") as place:
        app = Storing(place)
        app.waiting.set()
        yield Guard(app, Visitors(place, limits), limits, Address())


@pytest.mark.parametrize(
    "headers",
    [{}, {"transfer-encoding": "chunked"}, {"transfer-encoding": "chunked", "content-length": "10"}],
    ids=str,
)
@pytest.mark.parametrize("path", ["/gradio_api/upload", "/gradio_api/upload/", "/gradio_api/queue/join"])
def test_a_body_of_unknown_length_ends_at_the_limit(guard, headers, path):
    run(send_upload(guard, [bytes(2**18)] * 20, headers, path))
    assert guard.app.path.stat().st_size <= 2**20 + FORM_BYTES


def test_an_upload_that_is_too_large_is_refused_before_it_is_received(guard):
    assert run(send_upload(guard, [b""], {"content-length": str(3 * 2**20)})) == 413
    assert run(send_upload(guard, [b"a"], {"content-length": "1"})) == 200
    assert guard.app.path.read_bytes() == b"a"


def test_uploads_at_the_same_time_share_the_room(guard):
    async def upload_four():
        guard.app.waiting.clear()
        tasks = [asyncio.create_task(send_upload(guard, [b"a"], {"content-length": str(2**20)})) for _ in range(4)]
        await asyncio.sleep(0.01)
        guard.app.waiting.set()
        return [await task for task in tasks]

    assert run(upload_four()).count(507) >= 1
    assert guard.coming == 0


@pytest.mark.parametrize(("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200)])
def test_other_web_sites_cannot_send_anything(guard, site, status):
    assert run(send_upload(guard, [b"a"], {"content-length": "1", "sec-fetch-site": site})) == status


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
    assert sentence(caught.value) == "The machine that runs the page cannot do this now: No such file or directory."


SERVE_ALL = """
import contextlib, runpy, socket, sys, threading, time
from gan_augment.web import serve
for host in sys.argv[3:]:
    address = host, int(sys.argv[2])
    threading.Thread(target=serve, kwargs={"host": host, "port": address[1]}, daemon=True).start()
    listens = False
    while not listens:  # Gradio lays out one page at a time
        time.sleep(0.1)
        with contextlib.suppress(OSError), socket.create_connection(address):
            listens = True
runpy.run_path(sys.argv[1])  # the Space
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The Space, and pages at two addresses of this machine, in one process: to import everything takes long."""
    pytest.importorskip("gradio", reason="gradio is in the extra web")
    place, port, space = tmp_path_factory.mktemp("pages"), free_port(), free_port()
    hosts = [host for host in ("::1", "127.0.0.2") if can_listen(host, port)]
    environment = {**os.environ, "GRADIO_SERVER_PORT": str(space), "TMPDIR": str(place), "PYTHONPATH": python_path()}
    command = [sys.executable, "-c", SERVE_ALL, ROOT / "examples" / "space" / "app.py", str(port), *hosts]
    urls = {host: f"http://{f'[{host}]' if ':' in host else host}:{port}" for host in hosts}
    urls["space"] = f"http://127.0.0.1:{space}"
    with subprocess.Popen(command, env=environment, cwd=place) as process:
        try:
            wait_for(lambda: process.poll() is not None or all(map(is_served, urls.values())), 240)
            assert process.poll() is None
            yield urls
        finally:
            process.terminate()


def can_listen(host, port):
    try:
        check_port(host, port)
    except ValueError:
        return False
    return True


def ask_as(url, host):
    """Returns the status and the headers of an answer to a browser that knows the page by another name."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Host": host}), timeout=20) as answer:
            return answer.status, answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.headers


@pytest.mark.slow
@pytest.mark.parametrize("host", ["::1", "127.0.0.2"])
def test_any_address_of_this_machine_alone_refuses_other_names(pages, host):
    if host not in pages:
        pytest.skip(f"This machine has no address {host}.")
    assert ask_as(pages[host], "evil.example")[0] == 400


@pytest.mark.slow
def test_the_space_has_any_name_and_is_shown_by_hugging_face(pages):
    status, headers = ask_as(pages["space"], "someone-gan-augment.hf.space")
    assert status == 200
    assert "frame-ancestors https://huggingface.co" in headers["content-security-policy"]
