"""Refuses requests from other web sites, for other files, or of a kind, size or number that the page does not need."""

from __future__ import annotations

import ipaddress
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ._limits import Limits
from ._studies import OUT
from ._visitors import VISITORS, Visitors, used_bytes

FOREIGN = (b"cross-site", b"same-site")  # how a browser marks a request from a page of another origin
FORM_BYTES = 2**20  # of a form around an uploaded file, at most
LOOPBACK = ("127.0.0.1", "localhost", "::1")
API = "/gradio_api/"
SENT = ("upload", "queue/join", "cancel", "reset")  # what the page sends; other ways to run functions skip the queue
FETCHED = ("file=", "file/", "proxy=")  # the page needs none of these, and they lead to files and other hosts
# The browser loads nothing from other hosts. Gradio's scripts and styles need the two exceptions.
POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors "
)


@dataclass(frozen=True)
class Address:
    """Where the page listens, and who may show it.

    Attributes:
        host (str): Address to listen on.
        port (int): Port.
        hostnames (tuple of str): Further host names under which browsers reach the page; ``"*"`` allows any name.
        frames (tuple of str): Web sites that may show the page in a frame.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    hostnames: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The names that the page answers to, in lower case."""
        machine = socket.gethostname()
        own = () if is_loopback(self.host) else (machine, f"{machine}.local")
        return frozenset(name.lower() for name in ("localhost", self.host, *own, *self.hostnames))


class Guard:
    """Refuses requests from other web sites and uploads without room. Tells the browser to load nothing from others."""

    def __init__(self, app: Any, visitors: Visitors, limits: Limits, address: Address) -> None:
        self.app, self.visitors, self.limits, self.names = app, visitors, limits, address.names
        self.policy = POLICY + (" ".join(address.frames) or "'none'")
        self.coming = 0  # bytes of the uploads that are being received

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from starlette.responses import PlainTextResponse

        async def send_with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                extra = {"content-security-policy": self.policy, "referrer-policy": "no-referrer"}
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
        headers = dict(scope["headers"])
        if not is_known(headers.get(b"host", b"").decode("latin-1"), self.names):
            return "The page does not know this host name; add it with the option --hostname.", 400
        if not is_needed(scope["method"], scope["path"]):
            return "The page does not use this address, so the request was refused.", 404
        if scope["method"] == "POST" and headers.get(b"sec-fetch-site") in FOREIGN:
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


def is_known(header: str, names: frozenset[str]) -> bool:
    """Returns whether a ``Host`` header has an IP address or one of the names.

    A web site may point its own host name to the page's address. Browsers would then treat the page as part of it.

    Example:
        >>> [is_known(host, frozenset({"lab"})) for host in ("lab:80", "192.168.0.7", "[::1]:7860", "evil.example")]
        [True, True, True, False]
    """
    try:
        name = urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return False
    with suppress(ValueError):
        return bool(ipaddress.ip_address(name))
    return bool(name) and ("*" in names or name in names)


def is_needed(method: str, path: str) -> bool:
    """Returns whether the page makes such requests.

    Example:
        >>> is_needed("POST", "/gradio_api/queue/join"), is_needed("POST", "/gradio_api/run/predict")
        (True, False)
    """
    asked = path.removeprefix(API).rstrip("/") if path.startswith(API) else ""
    if method == "POST":
        return asked in SENT
    return method in ("GET", "HEAD") and not asked.startswith(FETCHED)


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


def check_queue(page: Any, received: Path) -> None:
    """Makes the queue refuse a task that the visitor is already waiting for, and files that were not uploaded."""
    queue = page._queue  # Gradio has no public way to look at what is waiting
    push = queue.push

    async def push_checked(body: Any, request: Any, username: Any) -> Any:
        waiting = [event for each in queue.event_queue_per_concurrency_id.values() for event in each.queue]
        if any((each.session_hash, each.fn._id) == (body.session_hash, body.fn_index) for each in waiting):
            return False, "You are already waiting for this; try again when it is done.", "queue_full"
        if names_other_file(body.data, received):
            return False, "The upload is no longer here; drop the file again.", "error"
        return await push(body=body, request=request, username=username)

    queue.push = push_checked


def _is_inside(path: str, folder: Path) -> bool:
    return os.path.isabs(path) and Path(os.path.abspath(path)).is_relative_to(os.path.abspath(folder))


def names_other_file(data: Any, folder: Path) -> bool:
    """Returns whether the data of a request name a file outside a folder, or a URL, which Gradio would fetch.

    Example:
        >>> names_other_file([{"path": "https://example.com/x.zip", "meta": {"_type": "gradio.FileData"}}], Path("."))
        True
    """
    left = [data]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            path = value.get("path")
            if path is not None and not _is_inside(str(path), folder):
                return True
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
    return False
