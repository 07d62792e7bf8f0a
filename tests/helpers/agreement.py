"""`iqa-sr agree` as the tests call it, and what it has written."""

import csv
from pathlib import Path

from iqa_sr.cli.main import main
from tests.helpers.sr_datasets import make_image, save


def agree(layout, *args, data="data", output="out"):
    """Exit status of the command, with few resamples."""
    return main(["agree", str(data), "--layout", layout, "--output", str(output), "--resamples", "20", *args])


def numbers(measure="2afc", output="out"):
    """By metric and group: value, count and ties of `agreement.csv`."""
    with open(Path(output) / "agreement.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["measure"] == measure and row["value"]]
    return {(row["metric"], row["group"]): (float(row["value"]), int(row["count"]), row["ties"]) for row in rows}


def pairs_of(labeled, *groups):
    """What observers prefer, by the names of the two images."""
    return {
        (Path(pair.first).name, Path(pair.second).name): pair.preferred
        for pair in labeled.pairs
        if not groups or set(groups) & set(pair.groups)
    }


def write_pairs(text, names="abcdefg"):
    """Write `data` with an image of each name and the table `pairs.csv`."""
    for number, name in enumerate(names):
        save(f"data/{name}.png", make_image(number, 32))
    Path("data/pairs.csv").write_text(text)
