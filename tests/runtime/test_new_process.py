"""New processes of our own import nothing from the working folder."""

import subprocess
import sys

import pytest

from iqa_sr.runtime.new_process import import_folders, python_command
from tests import TESTS


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    """A working folder with files that have the names of modules."""
    for name in ("argparse", "importlib", "json", "pathlib", "re", "torch", "yaml"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the working folder')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(TESTS.parent))
    return tmp_path


@pytest.mark.parametrize("way", ["ours", "module"])
def test_a_file_in_the_working_folder_is_no_module(hostile, way):
    args = ["metrics", "--help"]
    own = way == "ours"
    command = python_command("iqa_sr.cli.main:main", *args) if own else [sys.executable, "-m", "iqa_sr.cli", *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "usage: iqa-sr metrics" in done.stdout, done.stderr


def test_a_new_process_imports_what_this_one_does(hostile, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(hostile), "", "/elsewhere", *sys.path])
    assert import_folders() == sys.path[2:]
    monkeypatch.chdir(TESTS.parent)
    assert import_folders() == [str(hostile), str(TESTS.parent), *sys.path[2:]], "a checkout is no foreign folder"
