"""Files whose names a table spells otherwise than the disk: in another case, with backslashes, accents apart."""

import os
from pathlib import Path

from iqa_sr.io.file_names import folded

__all__ = ["FileFinder", "find_folder"]


class FileFinder:
    """Finds files and folders whatever the case of their names, as `folded` has it; every folder is listed once."""

    def __init__(self) -> None:
        self._names: dict[Path, dict[str, str]] = {}

    def find(self, path: Path) -> Path | None:
        """The file or folder under the name that it has on the disk; None where there is none.

        The very name is preferred. The folder that it is in must be written as it is; a table from Windows may have
        backslashes before it.
        """
        if "\\" in path.name and not os.path.lexists(path):
            path = path.parent / path.name.replace("\\", "/")
        if path.parent not in self._names:
            names = sorted(os.listdir(path.parent), reverse=True) if path.parent.is_dir() else []
            self._names[path.parent] = {folded(name): name for name in names} | {name: name for name in names}
        known = self._names[path.parent]
        name = known.get(path.name) or known.get(folded(path.name))
        return path.with_name(name) if name else None


def find_folder(parent: Path, name: str) -> Path | None:
    """The sub-folder of that name, whatever its case; None where there is none."""
    found = FileFinder().find(parent / name)
    return found if found is not None and found.is_dir() else None
