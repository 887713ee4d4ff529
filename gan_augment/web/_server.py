"""Serves the page: its folder, its limits, and the headers of its answers."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import _generators as generators
from ._limits import Limits
from ._studies import OUT, StudyDesk
from ._visitors import RECEIVED, VISITORS, Visitors, page_folder, used_bytes

FOREIGN = (b"cross-site", b"same-site")  # what a browser says of a request that a page of another origin sends
FORM_BYTES = 2**20  # of a form around an uploaded file, at most
LOOPBACK = ("127.0.0.1", "localhost", "::1")
TIDY_SECONDS = 5.0
# The browser loads nothing from other hosts. Gradio's scripts and styles need the two exceptions.
POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'self'; form-action 'self'"
)


def serve(
    further: Sequence[str] = (),
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    folder: str | os.PathLike[str] | None = None,
    limits: Limits | None = None,
) -> None:
    """Serves the page of ``gan-augment ui`` until the process is interrupted.

    The page draws samples, mixes them into uploaded images, runs light studies and offers pools for download. It asks
    for no password, so by default only this machine can reach it.

    Args:
        further (sequence of str): Generators to offer in addition to the installed ones, in any form that
            :func:`gan_augment.from_pretrained` takes. Default: none.
        host (str): Address to listen on. Default: ``"127.0.0.1"``, for this machine only.
        port (int): Port, 1..65535. Default: 7860.
        folder (str or Path, optional): Folder for everything that the page writes. It is emptied at the start and at
            the end. Default: a temporary folder.
        limits (Limits, optional): How much a visitor may ask for. Default: those of :class:`Limits`.

    Raises:
        ModuleNotFoundError: If Gradio is not installed.
        ValueError: If the port is in use, a generator cannot be loaded, or the folder holds other files.
    """
    check_gradio()
    check_port(host, port)
    further = tuple(os.path.abspath(name) if os.path.isdir(name) else name for name in further)
    for name in further:
        generators.load(name)
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory()) if folder is None else folder
        place = stack.enter_context(page_folder(Path(place)))
        stack.enter_context(_environment(place))
        limits = limits or Limits()
        desk = StudyDesk(limits)
        stack.callback(desk.close)
        visitors = Visitors(place, limits, desk.forget)
        _launch(visitors, desk, limits, tuple(generators.names(further)), host, port, stack)
        print(f"The page is at http://{_shown(host)}:{port} until you press Ctrl-C.", flush=True)
        while True:
            threading.Event().wait(TIDY_SECONDS)
            visitors.tidy()
            desk.tidy()


def _launch(
    visitors: Visitors,
    desk: StudyDesk,
    limits: Limits,
    names: tuple[str, ...],
    host: str,
    port: int,
    stack: contextlib.ExitStack,
) -> None:
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.routing import Route

    from .page._controls import Server
    from .page._page import build_page
    from .page._style import STYLE, theme

    page = build_page(Server(visitors, desk, limits, names))
    page.queue(max_size=4 * limits.visitors)
    middleware = [Middleware(Guard, visitors=visitors, limits=limits)]
    if is_loopback(host):  # another name for this machine is a web site that tries to read the page
        middleware.append(Middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, "[::1]", host]))
    routes = [Route("/downloads/{token}/{name}", Downloads(visitors.folder))]
    page.launch(
        server_name=_shown(host), server_port=port, share=False, quiet=True, prevent_thread_lock=True, footer_links=[],
        max_file_size=limits.upload_bytes, ssr_mode=False, mcp_server=False, run_history=False, pwa=False,
        enable_monitoring=False, theme=theme(), css=STYLE, app_kwargs={"middleware": middleware, "routes": routes},
    )  # fmt: skip
    stack.callback(page.close, verbose=False)


class Guard:
    """Refuses requests of other web sites and uploads without room, and tells the browser to load nothing from them."""

    def __init__(self, app: Any, visitors: Visitors, limits: Limits) -> None:
        self.app, self.visitors, self.limits = app, visitors, limits
        self.coming = 0  # bytes of the uploads that are being received

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from starlette.responses import PlainTextResponse

        async def send_with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                extra = {"content-security-policy": POLICY, "referrer-policy": "no-referrer"}
                headers = [(name.encode(), value.encode()) for name, value in extra.items()]
                message = {**message, "headers": [*message["headers"], *headers]}
            await send(message)

        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        size, most = 0, self.limits.upload_bytes + FORM_BYTES
        if scope["method"] == "POST" and scope["path"].rstrip("/").endswith("/upload"):
            size = _announced(scope, most)
        if refused := self._refusal(scope, size, most):
            await PlainTextResponse(*refused)(scope, receive, send)
            return
        self.coming += size
        try:
            await self.app(scope, _at_most(most, receive), send_with_policy)
        finally:
            self.coming -= size

    def _refusal(self, scope: Any, size: int, most: int) -> tuple[str, int] | None:
        """Returns why a request is refused, and the status of the answer; None if it is not refused."""
        if scope["method"] == "POST" and dict(scope["headers"]).get(b"sec-fetch-site") in FOREIGN:
            return "Another web site must not use this page.", 403
        if size > most:
            return f"The upload must be at most {self.limits.upload_bytes:,} bytes, but is larger.", 413
        if size and used_bytes(self.visitors.folder) + self.coming + size > self.limits.total_bytes:
            return "The page has no room left for files; try again in a few minutes.", 507
        return None


def _announced(scope: Any, most: int) -> int:
    """Returns the size of a body as its sender announces it, or ``most`` if it comes in chunks."""
    headers = dict(scope["headers"])
    return most if b"transfer-encoding" in headers else int(headers.get(b"content-length", most))


def _at_most(most: int, receive: Any) -> Any:
    """Receives a body until it is too long, and then says that the browser has gone."""
    left = most

    async def receive_some() -> Any:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        return message if left >= 0 else {"type": "http.disconnect"}

    return receive_some


class Downloads:
    """Sends the files of a visitor to everyone who knows the random name of the visitor's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from starlette.responses import FileResponse, PlainTextResponse, Response

        token, name = scope["path_params"]["token"], scope["path_params"]["name"]
        place = self.folder / VISITORS / token
        path = place / "upload" / OUT / name if name == "report.html" else place / "downloads" / name
        # isfile and not is_file, which raises an error for a long name
        known = token.isalnum() and os.path.basename(name) == name and os.path.isfile(path)
        answer: Response = PlainTextResponse("This file no longer exists. Make it again.", 404)
        if known:
            answer = FileResponse(path, filename=name, headers={"x-content-type-options": "nosniff"})
        await answer(scope, receive, send)


def check_gradio() -> None:
    """Raises a ModuleNotFoundError that names the extra if Gradio is not installed."""
    if find_spec("gradio") is None:
        raise ModuleNotFoundError("The page requires Gradio: run pip install 'gan-augment[web]'.")


def check_port(host: str, port: int) -> None:
    """Raises a ValueError if the page cannot listen there."""
    if not 0 < port < 2**16:
        raise ValueError(f"port must be between 1 and 65535, but got {port} instead.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # like the server
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = f"cannot be used ({error.strerror or error})"
            raise ValueError(f"Port {port} of {host} {reason}; choose another one with --port.") from None


def is_loopback(host: str) -> bool:
    """Returns whether only this machine reaches an address.

    Example:
        >>> is_loopback("127.0.0.2"), is_loopback("localhost"), is_loopback("0.0.0.0")
        (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # it is a name
        return host in LOOPBACK


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@contextmanager
def _environment(folder: Path) -> Iterator[None]:
    """Puts temporary files and caches into the folder of the page. Gradio reads its variables when it is imported."""
    cache = folder / "cache"
    cache.mkdir()
    changes = {
        "GRADIO_TEMP_DIR": str(folder / RECEIVED), "TMPDIR": str(cache), "TEMP": str(cache), "TMP": str(cache),
        "MPLCONFIGDIR": str(cache), "GRADIO_ANALYTICS_ENABLED": "False",
    }  # fmt: skip
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    tempfile.tempdir = None  # read it again
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        tempfile.tempdir = None
        sys.stdout.flush()
