"""Files that hold tables: CSV, Excel and plain text."""

import csv
import math
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from iqa_sr.errors import nearest

__all__ = ["as_number", "read_columns", "read_lines", "read_pairs"]


def read_columns(path: Path, wanted: Sequence[str], sheet: str | None = None) -> tuple[list[str], list[dict[str, str]]]:
    """The column names of a CSV or Excel file, and the lines below them by name.

    Args:
        path: The file.
        wanted: Names that must be there; the first line that holds them all is that of the names.
        sheet: Name of the sheet of an Excel file; None for its first one.

    Raises:
        ValueError: As `read_lines`; or if no line holds the wanted names.
        ModuleNotFoundError: As `read_lines`.
    """
    lines = read_lines(path, sheet)
    place = next((place for place, line in enumerate(lines) if set(wanted) <= set(line)), None)
    if place is None:
        found = ", ".join(lines[0]) if lines else "nothing"
        raise ValueError(f"{path}: expected the columns {', '.join(wanted)}, found {found}")
    names = lines[place]
    missing = [""] * len(names)
    rows = [
        {name: value for name, value in zip(names, [*line, *missing], strict=False) if name}
        for line in lines[place + 1 :]
    ]
    return [name for name in names if name], rows


def read_lines(path: Path, sheet: str | None = None) -> list[list[str]]:
    """The cells of each line of a CSV or Excel file, without spaces around them; empty lines are left out.

    Args:
        path: The file; Excel where it ends in `.xlsx`.
        sheet: Name of the sheet of an Excel file; None for its first one.

    Raises:
        ValueError: If the file is damaged or of another kind, or there is no such sheet.
        ModuleNotFoundError: If the file is Excel's and openpyxl is not installed.
    """
    if path.suffix.lower() == ".xlsx":
        lines = _excel_lines(path, sheet)
    else:
        try:
            lines = list(csv.reader(_text_lines(path)))
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
        with closing(openpyxl.load_workbook(path, read_only=True, data_only=True)) as book:
            if sheet is not None and sheet not in book.sheetnames:
                raise ValueError(f"{path}: there is no sheet {sheet!r}; {nearest(sheet, book.sheetnames)}")
            lines = book[sheet or book.sheetnames[0]].iter_rows(values_only=True)
            return [[_cell_text(cell) for cell in line] for line in lines]
    except (BadZipFile, KeyError, OSError, SyntaxError) as error:  # the last one is that of XML
        raise ValueError(f"{path}: damaged, or not an Excel file") from error


def _cell_text(cell: Any) -> str:
    """A cell as it would stand in a CSV file: whole numbers without a point, nothing for empty ones."""
    if cell is None:
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _text_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text file ({error})") from error


def as_number(value: Any) -> float:
    """What a cell is as a number; NaN where it is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """The lines of a text file that has two words in each.

    Raises:
        ValueError: If it is no such file.
    """
    found = []
    for place, line in enumerate(_text_lines(path), start=1):
        words = line.split()
        if words and len(words) != 2:
            raise ValueError(f"{path}, line {place}: expected a picture and a score, got {line.strip()[:60]!r}")
        if words:
            found.append((words[0], words[1]))
    return found
