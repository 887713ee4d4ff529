"""Serves the page: its folder, its limits, and the headers of its answers."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from . import _generators as generators
from ._guard import Address, Downloads, Guard, check_queue
from ._limits import Limits
from ._studies import StudyDesk
from ._visitors import RECEIVED, Visitors, page_folder

if TYPE_CHECKING:
    from .page._controls import Server

TIDY_SECONDS = 5.0


def serve(
    further: Sequence[str] = (),
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    folder: str | os.PathLike[str] | None = None,
    limits: Limits | None = None,
    hostnames: Sequence[str] = (),
    frames: Sequence[str] = (),
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
        hostnames (sequence of str): Further host names under which browsers reach the page; ``"*"`` allows any name.
            The page answers to IP addresses, ``localhost``, ``host`` and the name of this machine. It refuses other
            names, because a web site could point its own host name to the page's address. Default: none.
        frames (sequence of str): Web sites that may show the page in a frame, such as ``"https://huggingface.co"``.
            Default: none.

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
        from .page._controls import Server  # imports Gradio, which reads the environment

        limits = limits or Limits()
        desk = StudyDesk(limits)
        stack.callback(desk.close)
        visitors = Visitors(place, limits, desk.forget, desk.is_running)
        server = Server(visitors, desk, limits, generators.by_title(generators.names(further)))
        _launch(server, Address(host, port, tuple(hostnames), tuple(frames)), stack)
        print(f"The page is at http://{_shown(host)}:{port} until you press Ctrl-C.", flush=True)
        while True:
            threading.Event().wait(TIDY_SECONDS)
            visitors.tidy()
            desk.tidy()


def _launch(server: Server, address: Address, stack: contextlib.ExitStack) -> None:
    from starlette.middleware import Middleware
    from starlette.routing import Route

    from .page._page import build_page
    from .page._style import STYLE, theme

    page, limits, place = build_page(server), server.limits, server.visitors.folder
    page.queue(max_size=4 * limits.visitors)
    check_queue(page, place / RECEIVED)
    middleware = [Middleware(Guard, visitors=server.visitors, limits=limits, address=address)]
    routes = [Route("/downloads/{token}/{name}", Downloads(place))]
    page.launch(
        server_name=_shown(address.host), server_port=address.port, share=False, quiet=True, prevent_thread_lock=True,
        footer_links=[], max_file_size=limits.upload_bytes, ssr_mode=False, mcp_server=False, run_history=False,
        pwa=False, enable_monitoring=False, theme=theme(), css=STYLE,
        app_kwargs={"middleware": middleware, "routes": routes},
    )  # fmt: skip
    stack.callback(page.close, verbose=False)


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
