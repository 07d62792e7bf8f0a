"""Names of files and folders on other systems: those that Windows refuses, those that a disk takes for one name."""

import os
import tempfile
import unicodedata
from collections.abc import Iterable
from pathlib import Path

__all__ = ["composed", "folded", "folds_case", "unfit_names", "windows_problem"]

ON_WINDOWS = os.name == "nt"
_REFUSED = frozenset('<>:"|?*') | frozenset(map(chr, range(32)))
_PORTS = {f"{port}{digit}" for port in ("COM", "LPT") for digit in "123456789\xb9\xb2\xb3"}
_DEVICES = frozenset({"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | _PORTS)
"""With any ending, as `nul.txt`, the name of a device."""


def windows_problem(name: str) -> str:
    """Reason why Windows cannot have a file or folder of this name, one part of a path; empty where it can.

    What follows a colon would silently become a hidden stream of the file before it, and a device takes whatever is
    written to it and keeps nothing.
    """
    if found := sorted(_REFUSED.intersection(name)):
        return f"Windows takes no {found[0]!r} in a name"
    if name.partition(".")[0].rstrip(" ").upper() in _DEVICES:
        return f"on Windows {name.partition('.')[0]} is a device"
    if name.endswith((".", " ")):
        return "Windows drops a dot or a space at the end of a name"
    return ""


def composed(name: str) -> str:
    """A name with its accents composed (NFC): macOS and its archives write them as letter and mark (NFD)."""
    return unicodedata.normalize("NFC", name)


def folded(name: str) -> str:
    """What names have in common that are one on a disk that knows no case, and tells no way to write accents apart."""
    return composed(composed(name).casefold())


def folds_case(folder: Path) -> bool:
    """Check whether a disk takes `a` and `A` for one name, as those of Windows and macOS mostly do.

    Args:
        folder: Folder on that disk, which need not be there; a file is made for a moment in it, or in the next folder
            above that is there. False where that cannot be.
    """
    folder = folder.absolute()
    there = next((one for one in (folder, *folder.parents) if one.is_dir()), None)
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".iqa_sr_") as file:
            return os.path.lexists(os.path.join(os.path.dirname(file.name), os.path.basename(file.name).swapcase()))
    except OSError:
        return False


def unfit_names(folder: Path, names: Iterable[str]) -> list[str]:
    """Names that cannot be those of files below a folder on the disk where it lies, each with the reason.

    Args:
        folder: Folder that the files are about to be written to; need not be there.
        names: Names of the files, with slashes between them and their folders.
    """
    names = list(names)
    parts = {name: filter(None, map(windows_problem, name.split("/"))) for name in names} if ON_WINDOWS else {}
    found = [f"{name!a}: {problem}" for name, problems in parts.items() if (problem := next(problems, ""))]
    first: dict[str, str] = {}
    for name in names if folds_case(folder) else ():
        other = first.setdefault(folded(name), name)
        if other != name:
            found.append(f"{other!a} and {name!a} would be one file: this disk does not tell upper from lower case")
    return found
