"""People's answers in the selection of a checkpoint: read beside the scores, as a rule, a column and sentences."""

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from iqa_sr.data.answers.log import LABELS, LOG
from iqa_sr.data.answers.people import PeopleScores, answer_logs, people_scores
from iqa_sr.runtime.command_line import command_text
from iqa_sr.scores.result_folder import image_file, split_image
from iqa_sr.selection.sources import CandidateCheckpoints

__all__ = ["PEOPLE", "compared_by_people", "people_record", "people_rows", "people_score", "read_people"]

PEOPLE = "people"
"""Name of the rule and of the column."""


def read_people(source: CandidateCheckpoints, resamples: int, seed: int) -> PeopleScores | None:
    """Scores by the people who compared images of the table's checkpoints and of what they are compared with.

    Args:
        source: Checkpoints and scores; answers about other images than the table's do not count.
        resamples: Number of draws of contents.
        seed: Seed of the draws.

    Returns:
        None where nobody has compared any.

    Raises:
        ValueError: If a log of answers cannot be understood.
    """
    logs = answer_logs(list(source.results))
    if not logs:
        return None
    names = dict.fromkeys(row.image for row in source.table.rows)
    images = {
        image_file(folder, label, *split_image(image)): version
        for folder, labels in source.results.items()
        for label, version in labels.items()
        for image in names
    }
    return people_scores(logs, images, resamples, seed)


def compared_by_people(people: PeopleScores | None, source: CandidateCheckpoints, paths: Sequence[str]) -> PeopleScores:
    """The people's scores, if a checkpoint can be chosen by them; checkpoints that nobody compared are left out.

    Args:
        people: Scores that were found.
        source: Checkpoints to choose from; changed.
        paths: Paths that the source was read from.

    Raises:
        ValueError: If nobody has compared two of the checkpoints, or some of them were never compared with others.
    """
    known = {} if people is None else dict(zip(people.versions, people.groups, strict=True))
    groups = {label: int(known[label]) for label in source.files if label in known}
    folders = [str(folder) for folder in source.results] or ["RESULTS"]
    ask = f"Ask people: {command_text(['iqa-sr', 'label', *folders, '--rater', 'NAME'])}"
    if people is None or not groups:
        raise ValueError(
            f"`by` people: expected {LABELS}/RATER/{LOG} with answers about the checkpoints of {', '.join(paths)}, "
            f"found none\n{ask}"
        )
    if not any(people.weights.values()):
        raise ValueError(
            f"`by` people: the answers of {', '.join(people.weights)} count nothing, as half of their known pairs are "
            f"wrong, or more\n{ask} with another name"
        )
    if len(groups) == 1 or len(set(groups.values())) > 1:
        apart = [[label for label in groups if groups[label] == group] for group in dict.fromkeys(groups.values())]
        shown = " and ".join(", ".join(labels[:3]) for labels in apart[:2])
        text = "was compared with no other checkpoint" if len(groups) == 1 else "were never compared with each other"
        raise ValueError(
            f"`by` people: {shown} {text}, so that no scores tell which is better\n{ask}; or `exclude` checkpoints."
        )
    source.leave_out([label for label in source.files if label not in groups], "nobody has compared it")
    return people


def people_score(people: PeopleScores, label: str) -> str:
    """Score of a version with its interval, as a cell of a table; `-` if nobody has compared it."""
    if label not in people.versions:
        return "- "
    index = people.versions.index(label)
    low, high = people.fit.intervals[index]
    ends = "" if math.isnan(low) else f" [{_signed(low)}, {_signed(high)}]"
    return f"{_signed(people.fit.scores[index])}{ends}"


def _signed(value: float) -> str:
    return f"{round(float(value), 2) + 0.0:+.2f}"  # -0.0 + 0.0 is 0.0


def people_rows(people: PeopleScores | None, labels: Collection[str], columns: Sequence[str]) -> list[tuple[str, ...]]:
    """Lines below the checkpoints: what else was compared with them, such as the references.

    Args:
        people: Scores; None where nobody has compared any.
        labels: Labels of the checkpoints, which have lines already.
        columns: Headings of the table.
    """
    others = [] if people is None else [version for version in people.versions if version not in labels]
    return [
        (version, *(people_score(people, version) if column == PEOPLE else "- " for column in columns[1:]))
        for version in others
        if people is not None
    ]


def people_record(people: PeopleScores | None, among: Collection[str]) -> dict[str, Any] | None:
    """Content of `best.json` about the people's answers.

    Args:
        people: Scores; None where nobody has compared any.
        among: Labels of the checkpoints that can be chosen.
    """
    if people is None:
        return None
    chances = people.chances(among)

    def known(value: float) -> float | None:
        return float(value) if np.isfinite(value) else None

    return {
        "answers": people.answers,
        "contents": people.contents,
        "raters": people.weights,
        "versions": {
            version: {
                "score": float(people.fit.scores[index]),
                "interval": [known(end) for end in people.fit.intervals[index]],
                "chance_best": known(chances[version]) if version in chances else None,
            }
            for index, version in enumerate(people.versions)
        },
    }
