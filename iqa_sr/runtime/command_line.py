"""The command that has started this process, as it can be given again."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["own_command"]


def own_command(arguments: Sequence[str]) -> list[str]:
    """The words of the command line, from the program (`python`, `torchrun`, `iqa-sr`) to the last argument.

    Args:
        arguments: What follows the program, as it was parsed.

    Returns:
        The words of torchrun's own command line where it has started this process, else those of this process; where
        neither ends in the arguments, as in a program that calls ours or one that we have started ourselves,
        `python train_sr.py` and the arguments.
    """
    arguments = list(arguments)
    for words in (_launcher() if "TORCHELASTIC_RUN_ID" in os.environ else [], list(sys.orig_argv)):
        if words[1:2] != ["-c"] and len(words) > len(arguments) and words[len(words) - len(arguments) :] == arguments:
            return _without_interpreter(words)
    return [*(["iqa-sr"] if arguments[:1] == ["train"] else ["python", "train_sr.py"]), *arguments]


def _launcher() -> list[str]:
    try:
        content = Path(f"/proc/{os.getppid()}/cmdline").read_bytes()
    except OSError:  # no Linux
        return []
    return [os.fsdecode(word) for word in content.split(b"\0")[:-1]]


def _without_interpreter(words: list[str]) -> list[str]:
    """`torchrun ...` instead of `/usr/bin/python /usr/bin/torchrun ...`, where that is what the name finds."""
    script = Path(words[1])
    found = shutil.which(script.name)
    return [script.name, *words[2:]] if script.is_absolute() and found == str(script) else words
