"""Folders of visitors: private, limited and deleted."""

import threading
import time

import pytest

from gan_augment.web import Limits
from gan_augment.web._visitors import RECEIVED, VISITORS, Visitors, page_folder, used_bytes

from .conftest import wait_for


@pytest.fixture
def visitors(tmp_path):
    def make(**limits):
        return Visitors(place, Limits(**limits), left.append, busy.__contains__)

    left, busy = [], []
    with page_folder(tmp_path / "page") as place:
        make.left, make.busy, make.folder = left, busy, place
        yield make


def received(visitors, content=b"zip", name="mine.zip"):
    """A file like one that Gradio received."""
    path = visitors.folder / RECEIVED / "hash" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_visitor_has_one_folder_and_others_have_others(visitors):
    all_ = visitors()
    one = all_.get("a")
    assert all_.get("a") is one
    assert all_.get("b").folder != one.folder
    assert one.folder.is_dir()
    assert len(one.token) == 32


def test_two_visitors_may_upload_the_same_file(visitors):
    all_ = visitors()
    path = received(visitors)
    copies = [all_.receive(all_.get(key), path, "mine.zip") for key in "ab"]
    path.unlink()
    assert [copy.read_bytes() for copy in copies] == [b"zip", b"zip"]
    all_.receive(all_.get("a"), received(visitors, b"new"), "mine.zip")
    assert [copy.read_bytes() for copy in copies] == [b"new", b"zip"]


def test_files_from_elsewhere_are_refused(visitors, tmp_path):
    (tmp_path / "secret.zip").write_bytes(b"secret")
    all_ = visitors()
    for path in (tmp_path / "secret.zip", visitors.folder / RECEIVED / "gone.zip"):
        with pytest.raises(ValueError, match="drop the file again"):
            all_.receive(all_.get("a"), path, "x.zip")


def test_who_has_left_is_forgotten_after_a_moment_but_may_come_back(visitors):
    all_ = visitors(grace_seconds=0.2)
    one, other = all_.get("a"), all_.get("b")
    all_.leave("a")
    all_.leave("b")
    assert all_.get("b") is other  # the connection was lost for a moment
    time.sleep(0.3)
    all_.tidy()
    assert not one.folder.exists()
    assert other.folder.exists()
    assert visitors.left == [one.token]
    assert all_.get("a") is not one


def test_who_is_idle_is_forgotten(visitors):
    all_ = visitors(idle_seconds=0.1)
    one = all_.get("a")
    time.sleep(0.2)
    all_.tidy()
    assert visitors.left == [one.token]


def test_there_is_room_for_some_visitors(visitors):
    all_ = visitors(visitors=2)
    _, other = all_.get("a"), all_.get("b")
    with pytest.raises(ValueError, match="limit: 2"):
        all_.get("c")
    all_.leave("b")
    all_.get("c")  # takes the place of the one who has left
    wait_for(lambda: not other.folder.exists())
    assert visitors.left == [other.token]


def test_who_only_looks_takes_no_place(visitors):
    all_ = visitors(visitors=1)
    assert all_.find("a") is None
    one = all_.get("b")
    all_.leave("b")
    assert all_.find("b") is one
    assert not one.left


def test_who_has_left_keeps_the_place_until_the_work_is_done(visitors):
    all_ = visitors(visitors=1)
    with all_.work("a") as found:
        all_.leave("a")
        with pytest.raises(ValueError, match="limit: 1"):
            all_.get("new")
        assert found.folder.is_dir()
    all_.leave("a")
    assert all_.get("new") is not found


def test_a_new_visitor_takes_the_place_of_the_one_who_is_idle_for_longest(visitors):
    all_ = visitors(visitors=3, spare_seconds=0.1)
    busy, working, idle = (all_.get(key) for key in ("busy", "working", "idle"))
    visitors.busy.append(busy.token)
    with all_.work("working") as found:
        assert found is working
        time.sleep(0.2)
        all_.get("new")
        wait_for(lambda: visitors.left == [idle.token])
        with pytest.raises(ValueError, match="limit: 3"):
            all_.get("newer")
    time.sleep(0.2)
    all_.find("new")
    all_.get("newer")
    assert all_.find("working") is None
    assert all_.find("new")


def test_nobody_waits_while_the_study_of_another_visitor_stops(tmp_path):
    stopped = threading.Event()
    with page_folder(tmp_path / "page") as place:
        all_ = Visitors(place, Limits(visitors=2, grace_seconds=0.0), lambda token: stopped.wait(20))
        one, _ = all_.get("a"), all_.get("b")
        all_.leave("a")
        begun = time.monotonic()
        all_.get("c")  # takes the place of the one who has left
        all_.leave("b")
        tidying = threading.Thread(target=all_.tidy)
        tidying.start()
        wait_for(lambda: len(all_._visitors) == 1)
        all_.get("d")
        assert time.monotonic() - begun < 10
        assert one.folder.exists()
        stopped.set()
        tidying.join()
        wait_for(lambda: not one.folder.exists())


def test_there_is_room_for_some_bytes(visitors):
    all_ = visitors(total_bytes=1000)
    path = received(visitors, bytes(600))
    with pytest.raises(ValueError, match="no room left"):
        all_.receive(all_.get("a"), path, "x.zip")
    with pytest.raises(ValueError, match="no room left"):
        all_.new_download(all_.get("a"), 500)
    path.unlink()
    assert list(all_.new_download(all_.get("a"), 500).iterdir()) == []


def test_old_uploads_that_nobody_has_are_deleted(visitors):
    all_ = visitors(grace_seconds=0.1)
    broken_off = visitors.folder / RECEIVED / "tmp9cpv8odg"  # Gradio moves a file only when it is complete
    broken_off.write_bytes(b"zi")
    paths = [received(visitors), broken_off]
    all_.tidy()
    assert all(path.exists() for path in paths)
    time.sleep(0.2)
    all_.tidy()
    assert not any(path.exists() for path in paths)


def test_many_threads_get_one_folder(visitors):
    all_, found = visitors(), []
    threads = [threading.Thread(target=lambda: found.append(all_.get("a"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1
    assert len(list((visitors.folder / VISITORS).iterdir())) == 1


def test_the_folder_of_a_page_is_emptied_and_used_by_one_page(tmp_path):
    with page_folder(tmp_path / "page") as place:
        (place / VISITORS / "left").mkdir()
        with pytest.raises(ValueError, match="in use"), page_folder(tmp_path / "page"):
            pass
    assert not (tmp_path / "page" / VISITORS).exists()
    with page_folder(tmp_path / "page") as place:
        assert used_bytes(place / VISITORS) == 0


def test_a_folder_with_other_files_is_refused_and_kept(tmp_path):
    (tmp_path / VISITORS).mkdir()
    (tmp_path / VISITORS / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds other files"), page_folder(tmp_path):
        pass
    assert (tmp_path / VISITORS / "thesis.txt").read_text() == "mine"
