"""Scores of versions by the people who compared their images: Bradley-Terry over all raters' answers."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.sparse.csgraph import connected_components

from iqa_sr.data.answers.comparisons import RaterPreference, rater_weight, raters_comparisons
from iqa_sr.data.answers.log import LABELS, AnswerLog, read_logs
from iqa_sr.stats.bradley_terry import BradleyTerry, bradley_terry

__all__ = ["PeopleScores", "answer_logs", "people_scores"]


@dataclass(frozen=True)
class PeopleScores:
    """What people think of versions.

    Attributes:
        versions: K names of those that were compared with another one, sorted: all commands make the same draws.
        fit: Their scores, intervals and chances; larger is preferred.
        groups: `(K,)`, number of the group of each version; those of different groups were never compared, not even by
            way of others, and their scores cannot be.
        weights: Weight of each rater's answers, 0 to 1, by name.
        answers: Number of the answers, repeats included.
        contents: Number of the contents that they are about.
    """

    versions: tuple[str, ...]
    fit: BradleyTerry
    groups: np.ndarray
    weights: dict[str, float]
    answers: int
    contents: int

    def chances(self, among: Iterable[str]) -> dict[str, float]:
        """Chance of each of some versions to be the best of them: its share of the draws of contents.

        Args:
            among: Names; those that were not compared are left out.

        Returns:
            0 to 1 by name; NaN where the answers are about one content.
        """
        wanted = set(among)
        which = np.array([version in wanted for version in self.versions])
        chances = self.fit.chance_best(which)
        return {self.versions[index]: float(chances[index]) for index in np.flatnonzero(which)}


def answer_logs(folders: Sequence[Path]) -> list[tuple[Path, AnswerLog]]:
    """Logs of answers about what lies in some folders, each with the folder that its keys are relative to.

    They lie in the folder itself, or in any above it: those about several folders in one that holds them all.

    Args:
        folders: Folders that were labeled, such as result folders.

    Raises:
        ValueError: If a log cannot be understood.
    """
    paths = [Path(os.path.abspath(folder)) for folder in folders]
    roots = [root for path in paths for root in (path, *path.parents)]
    return [(root, log) for root in dict.fromkeys(roots) for log in read_logs(root / LABELS)]


def people_scores(
    logs: Sequence[tuple[Path, AnswerLog]], images: Mapping[Path, str], resamples: int = 1000, seed: int = 0
) -> PeopleScores | None:
    """Scores from the answers that compare two of the given versions.

    A rater's repeats are averaged, the mean of them counts once. Each rater's answers are weighted by what they got
    right of their known pairs (`rater_weight`).

    Args:
        logs: Logs as `answer_logs` gives them.
        images: Name of the version that an image shows, by the image's path.
        resamples: Number of draws of contents for the intervals.
        seed: Seed of the draws.

    Returns:
        None where nobody has compared any of them.
    """
    images = {Path(os.path.abspath(path)): version for path, version in images.items()}
    by_rater: dict[str, list[tuple[Path, AnswerLog]]] = {}
    for root, log in logs:
        if log.facts is not None:
            by_rater.setdefault(log.facts.rater, []).append((root, log))
    votes: list[_Vote] = []
    weights: dict[str, float] = {}
    for rater, own in by_rater.items():
        weight = rater_weight([log for _, log in own])
        counted = [vote for root, log in own for vote in _votes(root, log, images, weight)]
        if counted:
            weights[rater] = weight
            votes += counted
    if not votes:
        return None
    versions = tuple(sorted({name for vote in votes for name in (vote.first, vote.second)}))
    number = {name: index for index, name in enumerate(versions)}
    fit = bradley_terry(
        len(versions),
        np.array([number[vote.first] for vote in votes]),
        np.array([number[vote.second] for vote in votes]),
        np.array([vote.comparison.share for vote in votes]),
        contents := np.array([vote.comparison.question.content for vote in votes]),
        np.array([vote.weight for vote in votes]),
        resamples,
        seed,
    )
    compared = np.zeros((len(versions), len(versions)), bool)
    for vote in votes:
        compared[number[vote.first], number[vote.second]] = True
    groups = connected_components(compared, directed=False)[1]
    answers = sum(vote.comparison.answers for vote in votes)
    return PeopleScores(versions, fit, groups, weights, answers, len(np.unique(contents)))


class _Vote(NamedTuple):
    first: str
    second: str
    comparison: RaterPreference
    weight: float


def _votes(root: Path, log: AnswerLog, images: Mapping[Path, str], weight: float) -> Iterator[_Vote]:
    for one in raters_comparisons(log.answers):
        first, second = (
            images.get(Path(os.path.abspath(root / key))) for key in (one.question.first, one.question.second)
        )
        if first is not None and second is not None and first != second:
            yield _Vote(first, second, one, weight)
