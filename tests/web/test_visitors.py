"""Folders of visitors: private, limited and deleted."""

import threading
import time

import pytest

from gan_augment.web import Limits
from gan_augment.web._visitors import RECEIVED, VISITORS, Visitors, page_folder, used_bytes


@pytest.fixture
def visitors(tmp_path):
    def make(**limits):
        return Visitors(place, Limits(**limits), left.append)

    left = []
    with page_folder(tmp_path / "page") as place:
        make.left, make.folder = left, place
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
    assert visitors.left == ["a"]
    assert all_.get("a") is not one


def test_who_is_idle_is_forgotten(visitors):
    all_ = visitors(idle_seconds=0.1)
    all_.get("a")
    time.sleep(0.2)
    all_.tidy()
    assert visitors.left == ["a"]


def test_there_is_room_for_some_visitors(visitors):
    all_ = visitors(visitors=2)
    all_.get("a"), all_.get("b")
    with pytest.raises(ValueError, match="serves 2 visitors at a time"):
        all_.get("c")
    all_.leave("b")
    all_.get("c")  # takes the place of the one who has left
    assert visitors.left == ["b"]


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
