"""The column `people` of a report: what those who compared the images think of each row."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from iqa_sr.data.answers.people import PeopleScores, people_scores
from iqa_sr.report.collect import Report
from iqa_sr.scores.result_folder import RUN_FILE, image_file, split_image

__all__ = ["people_content"]


def people_content(report: Report, images: Sequence[str]) -> dict[str, Any] | None:
    """People's scores of the rows, as values for JSON.

    Args:
        report: Report with the rows and the answers.
        images: Names of the images whose answers count.

    Returns:
        `rows`: score, interval and chance to be the best checkpoint of each row, null where nobody has compared it;
        `best`: the best checkpoint, null where it cannot be told; `near`: those that cannot be told from it;
        `about`: whose answers; `cautions`: why they are not to be trusted. None where nobody has compared any.
    """
    people = people_scores(report.answers, _rows_of_files(report, images)) if report.answers else None
    if people is None:
        return None
    checkpoints = [entry.name for entry in report.entries if not entry.checkpoint.reserved]
    numbers = {version: index for index, version in enumerate(people.versions)}
    own = [numbers[name] for name in checkpoints if name in numbers]
    chances = people.chances(checkpoints)
    apart = len(set(people.groups.tolist())) > 1
    best = None if apart or len(own) < 2 else max(own, key=lambda index: people.fit.scores[index])
    near = [] if best is None else [index for index in people.fit.indistinguishable(best) if index in own]
    names = [entry.name for entry in report.entries]
    return {
        "rows": [
            _row(people, numbers[name], None if apart else chances.get(name)) if name in numbers else None
            for name in names
        ],
        "best": None if best is None else names.index(people.versions[best]),
        "near": [names.index(people.versions[index]) for index in near],
        "about": _about(people),
        "cautions": _cautions(people, apart),
    }


def _rows_of_files(report: Report, images: Sequence[str]) -> dict[Path, str]:
    """Name of the row that each file belongs to, whether or not it is still there."""
    found = {}
    for entry in report.entries:
        for source in entry.sources:
            if not os.path.lexists(source.path / RUN_FILE):  # a training: nobody is asked about its validation
                continue
            for image in images:
                if (name := source.own_name(image)) is not None:
                    file = image_file(source.path, entry.checkpoint.label, *split_image(name))
                    found[file] = entry.name
    return found


def _row(people: PeopleScores, index: int, chance: float | None) -> dict[str, Any]:
    ends = people.fit.intervals[index]
    return {
        "score": round(float(people.fit.scores[index]), 4),
        "interval": [round(float(end), 4) for end in ends] if np.isfinite(ends).all() else None,
        "chance": None if chance is None or math.isnan(chance) else chance,
    }


def _about(people: PeopleScores) -> str:
    counts = ((people.answers, "answer"), (len(people.weights), "rater"), (people.contents, "content"))
    answers, raters, contents = (f"{count} {word}{'s' * (count > 1)}" for count, word in counts)
    return f"{answers} of {raters} about {contents}"


def _cautions(people: PeopleScores, apart: bool) -> list[str]:
    found = []
    if apart:
        groups = [
            ", ".join(version for version, own in zip(people.versions, people.groups, strict=True) if own == group)
            for group in dict.fromkeys(people.groups.tolist())
        ]
        found.append(f"Never compared with each other, and not to be by their scores: {'; '.join(groups)}.")
    silent = [rater for rater, weight in people.weights.items() if not weight]
    if silent:
        found.append(f"The answers of {', '.join(silent)} count nothing: half of their known pairs are wrong, or more.")
    return found
