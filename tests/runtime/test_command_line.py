"""The command that resumes: the one that was given, as the shell takes it."""

import os
import sys

from iqa_sr.runtime import command_line
from iqa_sr.runtime.command_line import own_command

ARGS = ["-opt", "my options.yml", "--force_yml", "name=a b"]


def test_the_arguments_of_the_process_itself(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "orig_argv", ["python", "-u", "train_sr.py", *ARGS])
    assert own_command(ARGS) == ["python", "-u", "train_sr.py", *ARGS]
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "iqa_sr.cli", "train", *ARGS])
    assert own_command(["train", *ARGS]) == ["python", "-m", "iqa_sr.cli", "train", *ARGS]
    script = tmp_path / "iqa-sr"
    script.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "orig_argv", ["/usr/bin/python", str(script), "train", *ARGS])
    assert own_command(["train", *ARGS]) == ["iqa-sr", "train", *ARGS]


def test_the_arguments_of_torchrun(monkeypatch):
    launcher = ["torchrun", "--nproc_per_node=2", "train_sr.py", *ARGS]
    monkeypatch.setattr(sys, "orig_argv", ["python", "-u", "train_sr.py", *ARGS])
    monkeypatch.setattr(command_line, "_launcher", lambda: launcher)
    assert own_command(ARGS)[0] == "python", "another parent is none of its business"
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    assert own_command(ARGS) == launcher


def test_a_program_that_calls_ours():
    assert own_command(ARGS) == ["python", "train_sr.py", *ARGS]
    assert own_command(["train", *ARGS]) == ["iqa-sr", "train", *ARGS]
    assert os.getppid() and command_line._launcher(), "Linux tells the parent's arguments"
