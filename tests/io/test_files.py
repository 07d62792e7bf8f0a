"""Files are written whole or not at all."""

import multiprocessing
import os
import stat

import pytest

from iqa_sr.io import files
from iqa_sr.io.files import atomic_write
from tests.helpers.full_disk import full_device


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("content", "written"),
    [
        ("grün\n\r\n", "grün\n\r\n".encode()),
        (b"\x00\xff", b"\x00\xff"),
        (lambda path: path.write_bytes(b"own"), b"own"),
    ],
)
def test_text_bytes_and_a_writer(tmp_path, content, written):
    for _ in range(2):  # a new file, and one in the place of an old one
        atomic_write(tmp_path / "x", content)
        assert (tmp_path / "x").read_bytes() == written
    assert names(tmp_path) == ["x"], "no temporary file is left"


def test_the_content_is_on_the_device_before_it_has_its_name(tmp_path, monkeypatch):
    """The temporary file lies in the same folder, hidden, and is synced whole before it is renamed."""
    done, sync, rename = [], os.fsync, os.replace

    def watched_sync(descriptor):
        done.append(
            ("sync", os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")), os.fstat(descriptor).st_size)
        )
        sync(descriptor)

    def watched_rename(source, target):
        done.append(("rename", source.name, source.stat().st_size))
        assert source.parent == target.parent == tmp_path
        rename(source, target)

    monkeypatch.setattr(files.os, "fsync", watched_sync)
    monkeypatch.setattr(files.os, "replace", watched_rename)
    for content in ("text", lambda path: path.write_bytes(b"text")):
        atomic_write(tmp_path / "x.txt", content)
        (first, name, size), second = done
        assert (first, size, second) == ("sync", 4, ("rename", name, 4))
        assert name.startswith(".x.txt.") and name.endswith(".tmp")
        done.clear()


@pytest.mark.parametrize("old", [b"old", None])
def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch, old):
    path = tmp_path / "x"
    if old is not None:
        path.write_bytes(old)
    before = names(tmp_path)

    def fail(temporary):
        temporary.write_bytes(b"half")
        raise RuntimeError("no more")

    def broken(*_):
        raise OSError(5, "Input/output error")

    with pytest.raises(RuntimeError, match="no more"):
        atomic_write(path, fail)
    for call in ("fsync", "replace"):
        with monkeypatch.context() as patch, pytest.raises(OSError, match="Input/output error"):
            patch.setattr(files.os, call, broken)
            atomic_write(path, b"new")
    with full_device(1000), pytest.raises(OSError, match="File too large"):
        atomic_write(path, bytes(5000))
    assert names(tmp_path) == before and (old is None or path.read_bytes() == old)


def test_a_folder_that_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        atomic_write(tmp_path / "none" / "x", "text")
    assert not names(tmp_path)


def test_the_longest_names_are_written(tmp_path):
    for name in ("n" * 255, "ü" * 127):
        atomic_write(tmp_path / name, "text")
    assert len(names(tmp_path)) == 2


def _write_often(path, letter):
    for _ in range(100):
        atomic_write(path, letter * 10_000)


def test_processes_do_not_clash(tmp_path):
    """Each finds the whole file of one of them at any time, and nobody takes the other's temporary one away."""
    path, context = tmp_path / "x", multiprocessing.get_context("fork")
    atomic_write(path, "a" * 10_000)
    processes = [context.Process(target=_write_often, args=(path, letter)) for letter in "bc"]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        content = path.read_text()
        assert len(content) == 10_000 and len(set(content)) == 1
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0] and names(tmp_path) == ["x"]


def test_writers_of_one_process_do_not_clash(tmp_path):
    """A second write of the same path inside the first one, as another thread may do it."""
    path = tmp_path / "x"

    def write(temporary):
        temporary.write_text("outer")
        atomic_write(path, "inner")
        assert path.read_text() == "inner"

    atomic_write(path, write)
    assert path.read_text() == "outer" and names(tmp_path) == ["x"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_permissions_are_those_of_any_new_file(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        for content in ("text", lambda path: path.write_bytes(b"text")):
            atomic_write(tmp_path / "x", content)
            assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == mode
    finally:
        os.umask(before)
