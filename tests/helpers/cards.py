"""Model cards as they are typed, and what stands in them."""

import json
from pathlib import Path

from iqa_sr.cli.main import main as cli


def card(experiment, *more, folder="card"):
    """Write a card; returns the page and the entry."""
    assert cli(["card", str(experiment), "--output", folder, *more]) == 0
    return Path(folder, "README.md").read_text(encoding="utf-8"), json.loads(Path(folder, "model.json").read_text())


def refused(capsys, *arguments):
    """The error of a command that writes nothing."""
    capsys.readouterr()
    assert cli(["card", *map(str, arguments)]) == 1
    return capsys.readouterr().err


def row_of(page, first):
    """The cells of the row of a table that begins with a text."""
    line = next(line for line in page.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]
