"""The command that has started this process, as it can be given again."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["command_text", "own_command"]

ON_WINDOWS = os.name == "nt"


def command_text(command: Sequence[str]) -> str:
    """A command as it can be typed: Windows takes double quotes only, and a backslash for what it is."""
    return subprocess.list2cmdline(command) if ON_WINDOWS else shlex.join(command)


def own_command(arguments: Sequence[str]) -> list[str]:
    """The arguments of the command line, from the program (`python`, `torchrun`, `iqa-sr`) to the last argument.

    Args:
        arguments: Arguments behind the program, as they were parsed.

    Returns:
        The arguments of torchrun's own command line where it has started this process, else those of this process;
        where neither ends in the arguments, as in a program that calls ours or one that we have started ourselves,
        `python train_sr.py` and the arguments.
    """
    arguments = list(arguments)
    for argv in (_launcher() if "TORCHELASTIC_RUN_ID" in os.environ else [], list(sys.orig_argv)):
        if argv[1:2] != ["-c"] and len(argv) > len(arguments) and argv[len(argv) - len(arguments) :] == arguments:
            return _without_interpreter(argv)
    return [*(["iqa-sr"] if arguments[:1] == ["train"] else ["python", "train_sr.py"]), *arguments]


def _launcher() -> list[str]:
    try:
        content = Path(f"/proc/{os.getppid()}/cmdline").read_bytes()
    except OSError:  # no Linux
        return []
    return [os.fsdecode(word) for word in content.split(b"\0")[:-1]]


def _without_interpreter(argv: list[str]) -> list[str]:
    """`torchrun ...` instead of `/usr/bin/python /usr/bin/torchrun ...`, where that is what the name finds."""
    script = Path(argv[1])
    found = shutil.which(script.name)
    return [script.name, *argv[2:]] if script.is_absolute() and found == str(script) else argv
