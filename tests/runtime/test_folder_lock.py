"""One run for each folder, and nobody is locked out by a crash."""

import os
import runpy
import signal
import sys

import pytest

from iqa_sr.errors import TrainingStopped
from iqa_sr.runtime import folder_lock, signals
from iqa_sr.runtime.folder_lock import locked
from iqa_sr.training import dry_run


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


def test_a_system_without_posix_modules_and_signals_imports_all_and_tells_that_it_has_no_locks(
    tmp_path, monkeypatch, caplog
):
    for name in ("fcntl", "resource"):
        monkeypatch.setitem(sys.modules, name, None)
    without = [number for number in signal.Signals if number.name != "SIGHUP"]
    monkeypatch.setattr(signal, "Signals", without)
    monkeypatch.delattr(signal, "SIGHUP")
    runpy.run_path(dry_run.__file__)
    assert [number.name for number in runpy.run_path(signals.__file__)["STOPPING"]] == ["SIGINT", "SIGTERM"]
    with runpy.run_path(folder_lock.__file__)["locked"](tmp_path / "run", "train"):
        assert "has no locks" in caplog.text
    assert list(tmp_path.iterdir()) == []
