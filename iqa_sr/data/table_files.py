"""Files that hold tables: CSV, Excel, MATLAB and plain text, read by column names."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from iqa_sr.options import nearest

__all__ = ["read_csv", "read_matlab", "read_pairs", "read_sheet"]


def read_csv(path: Path, wanted: Sequence[str]) -> tuple[list[str], list[dict[str, str]]]:
    """The column names of a CSV file, and its lines by them; spaces around values do not count.

    Raises:
        ValueError: If it is no text file, or no line of it holds the wanted names.
    """
    return _named(csv.reader(_lines(path)), wanted, path)


def read_sheet(path: Path, wanted: Sequence[str], sheet: str | None = None) -> tuple[list[str], list[dict[str, str]]]:
    """As `read_csv`, of an Excel file, too, from the sheet of that name, or the first one.

    Raises:
        ValueError: As `read_csv`; or if there is no such sheet, or the file is damaged.
        ModuleNotFoundError: If openpyxl is not installed.
    """
    if path.suffix != ".xlsx":
        return read_csv(path, wanted)
    try:
        import openpyxl
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{path} is an Excel file: reading it needs `pip install openpyxl`; or save the sheet as {path.stem}.csv"
        ) from error
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (BadZipFile, KeyError, OSError) as error:
        raise ValueError(f"{path}: damaged, or not an Excel file") from error
    try:
        if sheet is not None and sheet not in book.sheetnames:
            raise ValueError(f"{path}: there is no sheet {sheet!r}; {nearest(sheet, book.sheetnames)}")
        cells = book[sheet or book.sheetnames[0]].iter_rows(values_only=True)
        return _named(([_text(cell) for cell in line] for line in cells), wanted, path)
    finally:
        book.close()


def _named(lines: Iterable[Sequence[str]], wanted: Sequence[str], path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The lines below the one that holds the wanted column names, by column."""
    names: list[str] = []
    first: list[str] = []
    found: list[dict[str, str]] = []
    for line in lines:
        values = [value.strip() for value in line]
        if not any(values):
            continue
        if names:
            found.append(
                {name: value for name, value in zip(names, values, strict=False) if name}
                | {name: "" for name in names[len(values) :]}
            )
        elif set(wanted) <= set(values):
            names = values
        first = first or values
    if not names:
        raise ValueError(f"{path}: expected the columns {', '.join(wanted)}, found {', '.join(first) or 'nothing'}")
    return [name for name in names if name], found


def _text(cell: Any) -> str:
    """A cell as it would stand in a CSV file: whole numbers without a point, nothing for empty ones."""
    if cell is None:
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text file ({error})") from error


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """The lines of a text file that has two words in each.

    Raises:
        ValueError: If it is no such file.
    """
    found = []
    for number, line in enumerate(_lines(path), start=1):
        words = line.split()
        if words and len(words) != 2:
            raise ValueError(f"{path}, line {number}: expected a picture and a score, got {line.strip()[:60]!r}")
        if words:
            found.append((words[0], words[1]))
    return found


def read_matlab(path: Path) -> dict[str, Any]:
    """The arrays of a MATLAB file by name.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged or of a version that scipy does not read.
        ModuleNotFoundError: If scipy is not installed.
    """
    try:
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{path} is a MATLAB file: reading it needs `pip install scipy`") from error
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    try:
        content: dict[str, Any] = loadmat(path)
    except (MatReadError, ValueError, TypeError, OSError, NotImplementedError) as error:
        raise ValueError(f"{path}: damaged, or not a MATLAB file that scipy reads ({error})") from error
    return content
