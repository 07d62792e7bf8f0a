"""What needs an installed BasicSR; and code in a process in which there is none, whether it is installed or not."""

import subprocess
import sys
from pathlib import Path

import pytest

from iqa_sr.basicsr_compat.left_out import LEFT_OUT
from tests import ROOT

REFUSED = """
import sys


class _Refusing:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] == "basicsr":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, _Refusing)
"""


def marks_of(name):
    """The marks of a test that names a class of an option file: `basicsr` where only an installed BasicSR has it."""
    return [pytest.mark.basicsr] if name in LEFT_OUT else []


def without_basicsr(code, folder, *arguments):
    """Run code in a folder, with arguments in `sys.argv`; returns what it has written to stdout.

    Threads are those of the tests: their number changes the last bits of a training.
    """
    program = Path(folder, "without_basicsr.py")
    start = f"sys.path.insert(0, {str(ROOT)!r})\nimport torch\n\ntorch.set_num_threads(1)\n"
    program.write_text(REFUSED + start + code)
    command = [sys.executable, program.name, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
