"""Files and folders that are whole or absent."""

import errno
import os
import re
import signal
import time

import pytest

from gan_augment._core import (
    NoRoomError,
    aside_path,
    holds_something,
    remove_asides,
    write_aside,
    write_folder_aside,
    write_whole,
)

from .disks import small_disk, small_files


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def little_room():
    """Lets no file grow beyond 50,000 bytes."""
    with small_files(50_000):
        yield


def killed_while_writing(path, kind):
    """In a process of its own, which a fork has at once."""
    child = os.fork()
    if child == 0:
        with (write_aside if kind == "file" else write_folder_aside)(path) as aside:
            (aside if kind == "file" else aside / "part").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def fill(folder, **files):
    """Writes a folder of files of some sizes."""
    with write_folder_aside(folder) as aside:
        for name, size in files.items():
            (aside / name).write_bytes(bytes(size))


def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a"
    write_whole(path, b"old")
    with pytest.raises(FileNotFoundError, match="nowhere"), write_aside(path) as aside:
        aside.write_bytes(b"new"), (tmp_path / "nowhere").read_bytes()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_a_file_without_room_leaves_the_old_one_and_says_what_it_needs(tmp_path, little_room):
    path = tmp_path / "a"
    write_whole(path, b"old")
    with pytest.raises(
        NoRoomError, match=rf"^{re.escape(str(path))} needs 60,000 bytes, but there is not enough space"
    ) as caught:
        write_whole(path, bytes(60_000))
    assert caught.value.errno == errno.EFBIG
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_a_folder_without_room_is_not_there(tmp_path, little_room):
    with pytest.raises(NoRoomError, match="needs more space than is left"):
        fill(tmp_path / "a", part=10, other=60_000)
    assert names(tmp_path) == []


def test_what_was_explained_is_not_explained_again(tmp_path, little_room):
    with pytest.raises(NoRoomError, match=r"^[^;]*needs 60,000 bytes"), write_folder_aside(tmp_path / "a") as aside:
        write_whole(aside / "part", bytes(60_000))


def test_a_folder_replaces_an_empty_one_and_goes_where_a_link_leads(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with write_folder_aside(tmp_path / "link") as aside:
        (aside / "part").write_text("whole")
    assert (tmp_path / "real" / "part").read_text() == "whole"
    assert names(tmp_path) == ["link", "real"]


def test_a_folder_that_was_filled_meanwhile_is_left_as_it_is(tmp_path):
    with pytest.raises(ValueError, match="must be new or empty"), write_folder_aside(tmp_path / "a"):
        fill(tmp_path / "a", part=10)
    assert names(tmp_path) == ["a"]
    assert names(tmp_path / "a") == ["part"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_process_leaves_is_removed_and_what_a_living_one_writes_is_not(tmp_path, kind):
    killed_while_writing(tmp_path / "a", kind)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".a.")
    assert not holds_something(tmp_path)
    mine = tmp_path / "b"
    with write_aside(mine) as aside:
        aside.write_text("whole")
        theirs = aside_path(tmp_path / "c").name.replace(f"-{os.getpid()}-", f"-{os.getppid()}-")
        (tmp_path / theirs).write_text("of a process that runs")
        remove_asides(tmp_path)
        assert names(tmp_path) == sorted([aside.name, theirs])
    remove_asides(tmp_path, locked=True)
    assert names(tmp_path) == ["b"]


def test_what_another_machine_writes_is_removed_after_a_day(tmp_path):
    theirs = tmp_path / re.sub(r"[0-9a-f]{8}-\d+-", "00000000-1-", aside_path(tmp_path / "a").name)
    theirs.write_text("half")
    remove_asides(tmp_path)
    assert theirs.exists()
    os.utime(theirs, (time.time() - 2 * 24 * 3600,) * 2)
    remove_asides(tmp_path)
    assert not theirs.exists()


def test_other_hidden_files_stay(tmp_path):
    for name in (".git", ".a.0123456789ab", ".DS_Store", "a.00000000-1-00000000"):
        (tmp_path / name).write_text("")
    remove_asides(tmp_path, locked=True)
    assert len(names(tmp_path)) == 4
    assert holds_something(tmp_path)


def test_a_long_name_is_written_too(tmp_path):
    write_whole(tmp_path / ("ä" * 127), b"whole")
    assert names(tmp_path) == ["ä" * 127]


def test_a_folder_that_is_a_disk_of_its_own_is_filled(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        fill(disk, part=10)
        assert names(disk) == ["part"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
@pytest.mark.parametrize("kind", ["folder", "pipe", "link to a pipe"])
def test_only_files_are_replaced(tmp_path, kind):
    path = place = tmp_path / "x"  # as root, a rename would also replace a device such as /dev/null
    if kind == "folder":
        place.mkdir()
    else:
        os.mkfifo(place)
    if kind == "link to a pipe":
        path = tmp_path / "link"
        path.symlink_to(place)
    with pytest.raises(ValueError, match="must be a file, but is a folder or a device"):
        write_whole(path, b"data")
    assert place.is_dir() or place.is_fifo()
    assert sorted(tmp_path.iterdir()) == sorted({path, place})
