"""HGGT's labels: one JSON file per image and annotator, joined by majority."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from iqa_sr.data.label_files import decided, read_label_files
from iqa_sr.data.multi_gt.records import Label
from iqa_sr.data.problems import DataProblems
from iqa_sr.io.file_names import composed

__all__ = ["Votes", "majority", "read_votes"]

Votes = dict[str, dict[str, list[Label]]]
"""For each image's stem, its accents composed, and each version's folder: one label per annotator who gave one."""


def majority(votes: Sequence[Label]) -> Label:
    """The label that more than half of the annotators gave; Similar if there is none, or no vote at all.

    Three different votes of three annotators are Similar, as in HGGT's code. Where an annotator's file is missing, the
    votes that are there decide by the same rule: two that differ are Similar, one alone counts.
    """
    return decided(votes) or Label.SIMILAR


def read_votes(folder: Path, problems: DataProblems) -> Votes:
    """Read all annotators' labels below a folder.

    Args:
        folder: Holds a folder for each annotator (`A/`, `B/`, `C/`), which hold `STEM.json`: `Image_2: {File: "01",
            Label: "Positive"}` and so on. Entries without a label (the original) are passed over.
        problems: Takes files and labels that cannot be understood.
    """
    files = sorted(folder.glob("*/*.json"))
    votes: Votes = {composed(file.stem): {} for file in files}
    for file, labels in read_label_files(files, _labels, "not a label file of HGGT's format", problems):
        for version, label in labels.items():
            votes[composed(file.stem)].setdefault(version, []).append(label)
    return votes


def _labels(_: Path, content: Any) -> dict[str, Label]:
    labels = {}
    for key, entry in content.items():
        if key.startswith("Image") and entry["Label"] not in (None, "", "None"):
            if not isinstance(entry["File"], (str, int)):
                raise TypeError(f"{key}: expected the name of a folder, got {entry['File']!r}")
            labels[str(entry["File"])] = Label.of(entry["Label"])
    return labels
