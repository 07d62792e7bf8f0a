"""New Python processes of our own: they import what this one imports, and nothing from the working folder.

`python -m` looks into the working folder before anywhere else, and a folder of images or results may hold a file with
the name of a module. (`python -P` would do, but Python 3.10 does not know it.) Imports nothing but `os` and `sys`,
which Python itself has imported already.
"""

import os
import sys

__all__ = ["import_folders", "python_command"]

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def import_folders() -> list[str]:
    """`sys.path` without the working folder in front, unless this package lies there: in a checkout it does."""
    here = os.path.realpath(os.getcwd())
    if here == os.path.realpath(_ROOT):
        return [folder or here for folder in sys.path]
    first, *others = sys.path
    return [folder for folder in ([] if os.path.realpath(first) == here else [first]) + others if folder]


def python_command(function: str, *args: str) -> list[str]:
    """The command line of a new process that calls a function without arguments; its exit code is what that returns.

    Args:
        function: Name of the function, as `iqa_sr.cli.main:main`.
        args: Arguments in its `sys.argv`, behind `iqa-sr`.
    """
    module, _, name = function.partition(":")
    code = f"import sys; sys.path[:] = {import_folders()!r}; sys.argv[0] = 'iqa-sr'"
    return [sys.executable, "-c", f"{code}; from {module} import {name}; sys.exit({name}())", *args]
