"""A lock on a folder, which ends with its process."""

import contextlib
import os
import signal
import time

import pytest

from gan_augment._core import LOCK, lock_folder


@pytest.fixture
def holder(tmp_path):
    """The number of a process that holds the folder until it is killed."""
    held, hold = os.pipe()
    child = os.fork()
    if child == 0:
        with lock_folder(tmp_path):
            os.write(hold, b"x")
            time.sleep(60)
        os._exit(0)
    os.read(held, 1)
    yield child
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def locks(folder):
    with lock_folder(folder):
        return os.listdir(folder)


def test_a_folder_that_another_process_holds_is_refused_until_that_is_killed(tmp_path, holder):
    with pytest.raises(ValueError, match=rf"in use by process {holder} on \S+; wait until it ends"):
        locks(tmp_path)
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    assert os.listdir(tmp_path) == [LOCK]
    assert locks(tmp_path) == [LOCK]
    assert os.listdir(tmp_path) == []


def test_one_process_holds_a_folder_once(tmp_path):
    with lock_folder(tmp_path):
        with pytest.raises(ValueError, match=f"process {os.getpid()} on"):
            locks(tmp_path)
        assert os.listdir(tmp_path) == [LOCK]
