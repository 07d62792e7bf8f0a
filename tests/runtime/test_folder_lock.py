"""One run for each folder, and nobody is locked out by a crash."""

import os
import signal

import pytest

from iqa_sr.errors import TrainingStopped
from iqa_sr.runtime.folder_lock import locked


def test_a_folder_is_locked_once_however_it_is_spelled(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "run")
    with locked(tmp_path / "run", "train"):
        for same in (tmp_path / "run", tmp_path / "link", tmp_path / "x" / ".." / "run"):
            text = rf"run is in use by process {os.getpid()} on .*: train\n.*\.run\.lock"
            with pytest.raises(TrainingStopped, match=text), locked(same, "other"):
                pass
        with locked(tmp_path / "run2", "other"):
            pass
    with locked(tmp_path / "link", "again"), locked(tmp_path / "not" / "there" / "run", "train"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["link"], "nothing is left behind"


def test_a_killed_process_leaves_no_lock(tmp_path):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with locked(tmp_path / "run", "train"):
            os.write(write, b"locked")
            signal.pause()
    assert os.read(read, 6) == b"locked"
    with pytest.raises(TrainingStopped, match=f"process {child} on"), locked(tmp_path / "run", "other"):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert (tmp_path / ".run.lock").exists()
    with locked(tmp_path / "run", "again"):
        pass
