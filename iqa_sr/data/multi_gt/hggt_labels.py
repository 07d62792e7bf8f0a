"""HGGT's labels: one JSON file per picture and annotator, joined by majority."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from iqa_sr.data.multi_gt.records import Label
from iqa_sr.data.problems import DataProblems

__all__ = ["Votes", "decided", "majority", "read_votes"]

Votes = dict[str, dict[str, list[Label]]]
"""For each picture's stem and each version's folder: one label per annotator who gave one."""


class _Sheet(NamedTuple):
    """What one annotator said of one picture, or why it cannot be read."""

    stem: str
    labels: Mapping[str, Label]
    problem: str | None = None


def majority(votes: Sequence[Label]) -> Label:
    """The label that more than half of the annotators gave; Similar if there is none, or no vote at all.

    Three different votes of three annotators are Similar, as in HGGT's code. Where an annotator's file is missing, the
    votes that are there decide by the same rule: two that differ are Similar, one alone counts.
    """
    return decided(votes) or Label.SIMILAR


def decided(votes: Sequence[Label]) -> Label | None:
    """The label that more than half of the annotators gave; None if there is none."""
    label, count = Counter(votes).most_common(1)[0] if votes else (None, 0)
    return label if 2 * count > len(votes) else None


def read_votes(folder: Path, problems: DataProblems) -> Votes:
    """All annotators' labels below a folder.

    Args:
        folder: Holds a folder for each annotator (`A/`, `B/`, `C/`), which hold `STEM.json`: `Picture_2: {File: "01",
            Label: "Positive"}` and so on. Entries without a label (the original) are passed over.
        problems: Takes files and labels that cannot be understood.
    """
    files = sorted(folder.glob("*/*.json"))
    with ThreadPoolExecutor(8) as pool:
        sheets = list(pool.map(_read_sheet, files, chunksize=64))
    votes: Votes = {}
    for sheet in sheets:
        if sheet.problem:
            problems.add("unreadable label", sheet.problem)
        versions = votes.setdefault(sheet.stem, {})
        for version, label in sheet.labels.items():
            versions.setdefault(version, []).append(label)
    return votes


def _read_sheet(path: Path) -> _Sheet:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        labels = {
            str(entry["File"]): Label.of(entry["Label"])
            for key, entry in content.items()
            if key.startswith("Picture") and entry["Label"] not in (None, "", "None")
        }
        return _Sheet(path.stem, labels)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        return _Sheet(path.stem, {}, f"{path}: not a label file of HGGT's format ({type(error).__name__}: {error})")
