"""Files that hold tables: CSV, Excel and plain text."""

import csv
import logging
import math
import re
import zipfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from iqa_sr.errors import did_you_mean
from iqa_sr.io.file_kinds import describe_file
from iqa_sr.io.files import check_file, read_text

__all__ = ["RENAMED", "as_number", "current_names", "read_columns", "read_lines", "read_pairs", "split_lines"]

RENAMED = {"picture": "image"}
"""Columns of our own tables by the names that earlier versions gave them; people have published such files."""

_LARGEST_SHEETS = 2**30
"""In bytes, unpacked: no table that people filled is as large."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

logger = logging.getLogger(__name__)
_told: set[str] = set()


def current_names(names: Sequence[str], wanted: Sequence[str], path: str | Path) -> list[str]:
    """The names of a table's columns, those of earlier versions as they are now; a warning tells of each, once a run.

    Args:
        names: Names in the file.
        wanted: Names that are looked for; only these take the place of an old one, where they are not there.
        path: The file, for the warning.
    """
    old = {old: new for old, new in RENAMED.items() if old in names and new in wanted and new not in names}
    for name, new in old.items():
        text = f"{path}: the column {name!r} is read as {new!r}, which is its name now; rename it."
        if text not in _told:
            _told.add(text)
            logger.warning("%s", text)
    return [old.get(name, name) for name in names]


def read_columns(path: Path, wanted: Sequence[str], sheet: str | None = None) -> tuple[list[str], list[dict[str, str]]]:
    """The column names of a CSV or Excel file, and the lines below them by name.

    Args:
        path: The file.
        wanted: Names that must be there, or in their place those of `RENAMED`; the first line that holds them all is
            that of the names.
        sheet: Name of the sheet of an Excel file; None for its first one.

    Raises:
        FileNotFoundError: As `read_lines`.
        ValueError: As `read_lines`; or if no line holds the wanted names, a name stands there twice, or a line has more
            cells than there are names.
        ModuleNotFoundError: As `read_lines`.
    """
    lines = read_lines(path, sheet)
    position = next((position for position, line in enumerate(lines) if set(wanted) <= _present(line)), None)
    if position is None:
        kind = describe_file(path) if lines and path.suffix.lower() != ".xlsx" else ""
        if kind and not kind.startswith("text that"):
            raise ValueError(f"{path}: expected a table with the columns {', '.join(wanted)}, but it is {kind}")
        found = ", ".join(lines[0])[:200] if lines else "nothing"
        hint = "; separate the columns by commas" if lines and len(lines[0]) == 1 and set(found) & {";", "\t"} else ""
        raise ValueError(f"{path}: expected the columns {', '.join(wanted)}, found {found}{hint}")
    names = current_names(lines[position], wanted, path)
    doubles = sorted({name for name in names if name and names.count(name) > 1})
    if doubles:
        raise ValueError(f"{path}: more than one column is called {', '.join(doubles)}; rename or remove all but one")
    missing = [""] * len(names)
    rows = []
    for number, line in enumerate(lines[position + 1 :], start=1):
        if any(line[len(names) :]):
            raise ValueError(
                f"{path}: row {number} below the names has {len(line)} cells for {len(names)} columns: "
                f"{', '.join(line)[:200]}\nWrite numbers with a decimal point, and text that holds a comma in quotes."
            )
        rows.append({name: value for name, value in zip(names, [*line, *missing], strict=False) if name})
    return [name for name in names if name], rows


def _present(names: Sequence[str]) -> set[str]:
    """Names of columns, also the present ones of those that were renamed."""
    return {*names, *(RENAMED[name] for name in names if name in RENAMED)}


def read_lines(path: Path, sheet: str | None = None) -> list[list[str]]:
    """The cells of each line of a CSV or Excel file, without spaces around them; empty lines are left out.

    Args:
        path: The file; Excel where it ends in `.xlsx`.
        sheet: Name of the sheet of an Excel file; None for its first one.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged or of another kind, or there is no such sheet.
        ModuleNotFoundError: If the file is Excel's and openpyxl is not installed.
    """
    check_file(path, "table")
    if path.suffix.lower() == ".xlsx":
        lines = _excel_lines(path, sheet)
    else:
        try:
            lines = list(csv.reader(split_lines(read_text(path, "table")), strict=True))
        except csv.Error as error:
            raise ValueError(f"{path}: not a CSV file ({error})") from error
    stripped = ([cell.strip() for cell in line] for line in lines)
    return [line for line in stripped if any(line)]


def _excel_lines(path: Path, sheet: str | None) -> list[list[str]]:
    try:
        import openpyxl
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{path} is an Excel file: reading it needs `pip install openpyxl`; or save the sheet as {path.stem}.csv"
        ) from error
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(part.file_size for part in archive.infolist())
        if size > _LARGEST_SHEETS:
            raise ValueError(f"{size / 2**30:.1f} GiB unpacked")
        with closing(openpyxl.load_workbook(path, read_only=True, data_only=True)) as book:
            names = book.sheetnames
            if sheet is None or sheet in names:
                lines = book[sheet or names[0]].iter_rows(values_only=True)
                return [[_cell_text(cell) for cell in line] for line in lines]
    except Exception as error:  # openpyxl passes on whatever its parts raise at what they do not expect
        kind = describe_file(path)
        seems = "" if not kind or "Office" in kind else f"; it is {kind}"
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ValueError(f"{path}: damaged, or not an Excel file ({reason}){seems}") from error
    raise ValueError(f"{path}: there is no sheet {sheet!r}; {did_you_mean(sheet, names)}")


def _cell_text(cell: Any) -> str:
    """A cell as it would stand in a CSV file: whole numbers without a point, nothing for empty ones."""
    if cell is None:
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def split_lines(text: str) -> list[str]:
    """The lines of a text, whichever system's line ends it has; unlike `str.splitlines` at no other sign."""
    return re.split(r"\r\n?|\n", text)


def as_number(value: Any) -> float:
    """Value of a cell as a number; NaN where it is none, or not written as one in a table: `1_000`, `0x10`, `inf`."""
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """The lines of a text file that has two fields in each, separated by spaces.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is another kind of file.
    """
    found = []
    for position, line in enumerate(split_lines(read_text(path, "list")), start=1):
        fields = line.split()
        if fields and len(fields) != 2:
            raise ValueError(f"{path}, line {position}: expected an image and a score, got {line.strip()[:60]!r}")
        if fields:
            found.append((fields[0], fields[1]))
    return found
