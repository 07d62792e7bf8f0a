"""Paths as Windows writes them: drives in arguments, backslashes in texts, commands to be typed again."""

import argparse
import errno
from pathlib import Path, PureWindowsPath
from unittest.mock import MagicMock

import pytest
import yaml

from iqa_sr.cli.main import report_errors
from iqa_sr.config.option_files import apply_overrides, read_option_file
from iqa_sr.data.multi_gt.layouts import GroundTruthOptions
from iqa_sr.data.preferences.triplets import read_triplets
from iqa_sr.data.problems import DataProblems
from iqa_sr.errors import OptionError
from iqa_sr.evaluation.inputs import named_path
from iqa_sr.io.files import check_inside
from iqa_sr.runtime import command_line
from iqa_sr.runtime.command_line import command_text
from iqa_sr.scores.score_table import Origin, ScoreRow, ScoreTable
from iqa_sr.scores.wanted_scores import _text
from iqa_sr.selection.record import choice_record
from iqa_sr.selection.sources import CheckpointFile
from iqa_sr.training import summary
from tests.helpers.result_folders import FACTS

DRIVE = r"D:\data\new train"


class WindowsFolder(PureWindowsPath):
    """A folder on Windows, whose working folder is on drive C."""

    def absolute(self):
        return WindowsFolder("C:/work") / self

    resolve = absolute


# --- Arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [DRIVE, r"\\server\share\data", "D:/data", r"C:\x", "D:"])
def test_a_path_with_a_drive_follows_a_name(path):
    assert named_path(f"set5={path}") == ("set5", Path(path))
    assert named_path(path) == ("", Path(path))


@pytest.mark.parametrize("path", [DRIVE, r"C:\new\test", "C:/data", r"\\server\share"])
def test_a_path_with_a_drive_is_the_value_of_an_override(path):
    options = {"datasets": {"train": {"dataroot_gt": "x"}}, "path": {}}
    changed = apply_overrides(options, [f"datasets:train:dataroot_gt={path}", f"path:experiments_root={path}"])
    assert changed["datasets"]["train"]["dataroot_gt"] == changed["path"]["experiments_root"] == path


@pytest.mark.parametrize("name", [r"C:\x", "C:x", r"\x", r"..\x", r"a\..\x", r"\\server\x"])
def test_a_name_in_a_table_leads_nowhere_else_on_windows(name):
    with pytest.raises(ValueError, match="expected a name below its folder"):
        check_inside(name, "image")
    assert check_inside(r"a\x.png", "image") == r"a\x.png"


# --- Option files -----------------------------------------------------------------------------------------------------


def test_paths_of_windows_in_an_option_file(tmp_path):
    file = tmp_path / "o.yml"
    file.write_text(f"plain: {DRIVE}\nsingle: '{DRIVE}'\nslashes: \"D:/data\"\n", encoding="utf-8")
    assert read_option_file(file) == {"plain": DRIVE, "single": DRIVE, "slashes": "D:/data"}
    file.write_text(yaml.safe_dump({"path": DRIVE}), encoding="utf-8")  # as a run's own copy has them
    assert read_option_file(file) == {"path": DRIVE}


@pytest.mark.parametrize("path", [r"D:\data", r"C:\users\x", r"C:\xy"])
def test_backslashes_in_double_quotes_are_explained(tmp_path, path):
    file = tmp_path / "o.yml"
    file.write_text(f'name: a\ndataroot_gt: "{path}"\n', encoding="utf-8")
    with pytest.raises(OptionError, match=r"line 2.*: write paths in single quotes, or with /"):
        read_option_file(file)


def test_an_option_file_of_notepad(tmp_path):
    file = tmp_path / "o.yml"
    file.write_bytes("\ufeffname: größe\r\nscale: 2\r\n".encode())
    assert read_option_file(file) == {"name": "größe", "scale": 2}


def test_data_on_two_drives_are_refused_with_the_place_of_the_option():
    same = (WindowsFolder("C:/a"), WindowsFolder("c:/b"), WindowsFolder("relative"))
    assert GroundTruthOptions._on_one_drive(same) == same
    with pytest.raises(ValueError, match="expected folders on one drive"):
        GroundTruthOptions._on_one_drive((WindowsFolder("relative"), WindowsFolder("D:/b")))
    assert "dataroot_gt" in GroundTruthOptions.__pydantic_decorators__.field_validators["_on_one_drive"].info.fields


# --- Texts that are read elsewhere ------------------------------------------------------------------------------------


def test_a_score_table_has_the_same_text_on_windows():
    assert _text(WindowsFolder(DRIVE)) == "D:/data/new train"


def test_a_score_table_that_came_over_windows_is_the_same(tmp_path):
    origin = Origin(r"D:\data", "", "", "0123456789abcdef")
    rows = [ScoreRow("größe", "sub/a,b.png", "", "niqe", 3.5, origin), ScoreRow("", "c#.png", "", "niqe", 4.0)]
    file = tmp_path / "scores.csv"
    ScoreTable(FACTS, rows).write(file)
    assert b"\r" not in file.read_bytes()
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert ScoreTable.read(file).rows == rows
    table = ScoreTable.open(file)
    table.append([rows[1]._replace(image="d.png")])
    assert b"\r" not in file.read_bytes() and len(ScoreTable.read(file).rows) == 3


def test_a_list_of_triplets_from_windows(tmp_path):
    (tmp_path / "train.txt").write_bytes(b"a\\x.png,a\\y.png,ref\\z.png,1,1,0\r\n")
    problems = DataProblems()
    (triplet,) = read_triplets(tmp_path / "train.txt", problems)
    assert not problems and triplet.images == ("a/x.png", "a/y.png", "ref/z.png")


def test_the_record_of_a_choice_has_forward_slashes():
    choice = MagicMock(best=0, limits=[], counted=[], resampling=None)
    choice.scores = MagicMock(checkpoints=["a"], metrics=[], images=[])
    choice.scores.means.return_value.metrics = []
    choice.order = MagicMock(ranks=[1], kept=[False])
    source = MagicMock(files={"a": CheckpointFile(PureWindowsPath(DRIVE))}, left_out={})
    assert choice_record(choice, source, [], [], [], 0)["copy_of"] == "D:/data/new train"


# --- Messages ---------------------------------------------------------------------------------------------------------


def test_a_command_can_be_typed_again(monkeypatch):
    command = ["python", "train_sr.py", "-opt", r"C:\my options\a.yml", "--force_yml", r"path:experiments_root=D:\x"]
    assert command_text(["a", "b c"]) == "a 'b c'"
    monkeypatch.setattr(command_line, "ON_WINDOWS", True)
    typed = command_text(command)
    assert typed == r'python train_sr.py -opt "C:\my options\a.yml" --force_yml path:experiments_root=D:\x'


def test_a_run_on_another_drive_tells_where_it_is(monkeypatch):
    def no_way(path):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr(summary.os.path, "relpath", no_way)
    assert summary._shown(PureWindowsPath(DRIVE)) == DRIVE


def test_a_file_that_is_open_elsewhere_is_told_as_such(capsys):
    def replace():
        error = PermissionError(errno.EACCES, "The process cannot access the file", "scores.csv")
        error.winerror = 32
        raise error

    def refuse():
        raise PermissionError(errno.EACCES, "Access is denied", "scores.csv")

    parser = argparse.ArgumentParser()
    assert report_errors(replace, False, parser) == report_errors(refuse, False, parser) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first == "error: scores.csv: another program has it open; close that, and give the same command again"
    assert "no permission" in second
