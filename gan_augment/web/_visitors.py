"""The visitors of a page: a private folder for each, which is deleted when the visitor has left."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .._core import holds_something, lock_folder, make_folder
from ._limits import Limits
from ._uploads import Upload

MARKER = ".gan-augment-ui"  # says that a folder belongs to the page, which deletes what is in it
RECEIVED, VISITORS = "received", "visitors"  # uploads as Gradio stores them; folders of the visitors


@dataclass
class Visitor:
    """One open page.

    Attributes:
        token (str): Random name of the folder. Everyone who knows it can download its files.
        folder (Path): The private folder.
        upload (Upload, optional): The images that were uploaded last.
        seen (float): When the last request came.
        left (bool): Whether the page was closed, or lost the connection.
        working (int): Number of uploads that are being read and pools that are being written.
    """

    token: str
    folder: Path
    upload: Upload | None = None
    seen: float = field(default_factory=time.monotonic)
    left: bool = False
    working: int = 0


class Visitors:
    """The visitors of a page, by the key of their session.

    Args:
        folder (Path): Folder for all files of the page.
        limits (Limits): The limits of the page.
        on_leave (callable): Called with the token of a visitor whose files are deleted next. It may take a while.
        is_busy (callable): Called with the token of a visitor; returns whether a study of this visitor is running.
    """

    def __init__(
        self,
        folder: Path,
        limits: Limits,
        on_leave: Callable[[str], object] = lambda token: None,
        is_busy: Callable[[str], bool] = lambda token: False,
    ) -> None:
        self.folder, self.limits, self.on_leave, self.is_busy = folder, limits, on_leave, is_busy
        self._lock = threading.RLock()
        self._visitors: dict[str, Visitor] = {}

    def find(self, key: str) -> Visitor | None:
        """Returns the visitor if they have a folder, else None. A visitor who only looks does not take up a place."""
        with self._lock:
            if visitor := self._visitors.get(key):
                visitor.seen, visitor.left = time.monotonic(), False
            return visitor

    def get(self, key: str) -> Visitor:
        """Returns a visitor, with a new folder if the key is new.

        Raises:
            ValueError: If there are too many visitors.
        """
        with self._lock:
            if visitor := self.find(key):
                return visitor
            if len(self._visitors) >= self.limits.visitors:
                self._free_a_place()
            token = secrets.token_hex(16)
            place = self.folder / VISITORS / token
            place.mkdir(parents=True)
            self._visitors[key] = Visitor(token, place)
            return self._visitors[key]

    @contextmanager
    def work(self, key: str) -> Iterator[Visitor]:
        """Yields the same visitor as :meth:`get`, and reserves the visitor's place until the work is done."""
        with self._lock:
            visitor = self.get(key)
            visitor.working += 1
        try:
            yield visitor
        finally:
            with self._lock:
                visitor.working -= 1
                visitor.seen = time.monotonic()

    def _free_a_place(self) -> None:
        """Forgets a visitor who has left, or the one who has been idle for longest."""
        before = time.monotonic() - self.limits.spare_seconds
        ranks = {
            key: (not visitor.left, visitor.seen)
            for key, visitor in self._visitors.items()
            if not visitor.working and (visitor.left or (visitor.seen < before and not self.is_busy(visitor.token)))
        }
        if not ranks:
            raise ValueError(
                f"All places on this page are taken (limit: {self.limits.visitors}); try again in a few minutes."
            )
        gone = self._visitors.pop(min(ranks, key=lambda key: ranks[key]))
        threading.Thread(target=self._delete, args=(gone,), daemon=True).start()  # the new visitor need not wait

    def leave(self, key: str) -> None:
        """Notes that a page was closed. Its files stay for a moment, because a lost connection looks the same."""
        with self._lock:
            if visitor := self._visitors.get(key):
                visitor.seen, visitor.left = time.monotonic(), True

    def tidy(self) -> None:
        """Deletes the files of visitors who have left, and old uploads that belong to nobody."""
        now = time.monotonic()
        gone = []
        with self._lock:
            for key, visitor in list(self._visitors.items()):
                allowed = self.limits.grace_seconds if visitor.left else self.limits.idle_seconds
                if now - visitor.seen > allowed and not visitor.working:
                    gone.append(self._visitors.pop(key))
        for visitor in gone:  # without the lock, because a study may take a while to stop
            self._delete(visitor)
        for path in (self.folder / RECEIVED).rglob("*"):  # also what is left of uploads that broke off
            with contextlib.suppress(OSError):
                if path.is_file() and time.time() - path.stat().st_mtime > self.limits.grace_seconds:
                    path.unlink()

    def _delete(self, visitor: Visitor) -> None:
        self.on_leave(visitor.token)
        shutil.rmtree(visitor.folder, ignore_errors=True)

    def receive(self, visitor: Visitor, path: Path, name: str) -> Path:
        """Copies an uploaded file into the folder of a visitor, in place of the last one.

        It is a copy, because Gradio stores equal files of two visitors only once.

        Raises:
            ValueError: If the file is not one that Gradio received, or there is no room.
        """
        if not path.resolve().is_relative_to((self.folder / RECEIVED).resolve()) or not path.is_file():
            raise ValueError("The upload is no longer here; drop the file again.")
        place = self.new_upload(visitor, path.stat().st_size)
        with contextlib.suppress(OSError):
            os.link(path, place / name)  # takes no room
            return place / name
        shutil.copyfile(path, place / name)
        return place / name

    def new_upload(self, visitor: Visitor, size: int) -> Path:
        """Returns an empty folder for the upload of a visitor, like :meth:`new_download`."""
        return self._new_folder(visitor, "upload", size)

    def new_download(self, visitor: Visitor, size: int) -> Path:
        """Returns a new folder for a file to download, after removing the visitor's last ones.

        Raises:
            ValueError: If there is no room for so many bytes.
        """
        return self._new_folder(visitor, "downloads", size)

    def _new_folder(self, visitor: Visitor, name: str, size: int) -> Path:
        place = visitor.folder / name
        shutil.rmtree(place, ignore_errors=True)
        self.check_room(size)
        place.mkdir()
        return place

    def check_room(self, size: int) -> None:
        """Raises a ValueError if so many further bytes exceed the limit of all visitors together."""
        if used_bytes(self.folder) + size > self.limits.total_bytes:
            raise ValueError("The page has no room left for files; try again in a few minutes, or with a smaller file.")


def used_bytes(folder: Path) -> int:
    """Returns the size of all files in a folder in bytes, even if files are deleted at the same time."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(path, name)).st_size
    return total


@contextmanager
def page_folder(folder: Path) -> Iterator[Path]:
    """Locks the folder of a page for this process, and empties it before and afterwards.

    Raises:
        ValueError: If it holds something else, or another process uses it.
    """
    folder = folder.absolute()
    make_folder(folder)
    if holds_something(folder) and not (folder / MARKER).exists():
        raise ValueError(
            f"folder must be new, empty or the folder of an earlier page, but {str(folder)!r} holds other files."
        )
    with lock_folder(folder):
        (folder / MARKER).touch()
        _empty(folder)
        (folder / RECEIVED).mkdir()
        (folder / VISITORS).mkdir()
        try:
            yield folder
        finally:
            _empty(folder)


def _empty(folder: Path) -> None:
    for name in (RECEIVED, VISITORS, "cache"):
        shutil.rmtree(folder / name, ignore_errors=True)
