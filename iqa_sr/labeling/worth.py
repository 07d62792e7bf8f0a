"""What answers are worth: known pairs right, agreement with oneself and with others, scores of the versions."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from iqa_sr.data.answers.records import Answer, Question
from iqa_sr.stats.bradley_terry import BradleyTerry, bradley_terry, posterior, win_counts
from iqa_sr.stats.krippendorff import krippendorff_alpha
from iqa_sr.stats.sequential_test import SequentialTest, sequential_test

__all__ = [
    "HASTY_SECONDS",
    "MARGIN",
    "Reliability",
    "Until",
    "agreement_between",
    "compared",
    "preferences",
    "reliability",
    "scores_of",
    "width_so_far",
]

HASTY_SECONDS = 0.5
"""An answer in less was hardly thought about."""
MARGIN = 0.1
"""Distance of the preference from 0.5 that does not matter: 40 to 60 % is as good as the same."""
_TO_95_PERCENT = 2 * 1.959964  # width of an interval in standard deviations


@dataclass(frozen=True)
class Reliability:
    """How far one rater's answers can be trusted.

    Attributes:
        answers: Number of answers, skips left out.
        skipped: Number of questions that were skipped.
        known: Number of known pairs that were answered.
        right: Number of those of which the untouched image was preferred.
        repeats: Number of questions that were asked and answered again.
        same: Number of those with the same answer as before.
        hasty: Number of answers within less than `HASTY_SECONDS`.
    """

    answers: int
    skipped: int
    known: int
    right: int
    repeats: int
    same: int
    hasty: int


@dataclass(frozen=True)
class Until:
    """Sequential test between two versions.

    Attributes:
        versions: Names of the two.
        confidence: Chance that the decision is right, in (0, 1).
        margin: Distance of the preference from 0.5 below which they are alike, in [0, 0.5).

    Raises:
        ValueError: If one of the two numbers is out of its range.
    """

    versions: tuple[str, str]
    confidence: float
    margin: float = MARGIN

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            raise ValueError(f"`until`: expected a confidence between 0 and 1, got {self.confidence}; usual is 0.95")
        if not 0 <= self.margin < 0.5:
            raise ValueError(f"`margin`: expected at least 0 and less than 0.5, got {self.margin}; usual is 0.1")

    def test(self, answers: Iterable[Answer]) -> SequentialTest:
        """What the answers decide; of each content the first one counts, known pairs and repeats do not."""
        outcomes = []
        for answer in answers:
            question, preference = answer.question, answer.preference
            if question.purpose == "asked" and preference is not None:
                versions = question.first_version, question.second_version
                if versions in (self.versions, self.versions[::-1]):
                    outcomes.append(preference if versions == self.versions else 1 - preference)
        return sequential_test(outcomes, self.confidence, self.margin)


def reliability(answers: Sequence[Answer]) -> Reliability:
    """Count what tells how far a rater's answers can be trusted."""
    given = [answer for answer in answers if answer.choice != "skip"]
    known = [answer for answer in given if answer.question.purpose == "known"]
    first = {answer.question.images: answer.choice for answer in given if answer.question.purpose == "asked"}
    again = [answer for answer in given if answer.question.purpose == "repeat" and answer.question.images in first]
    return Reliability(
        answers=len(given),
        skipped=len(answers) - len(given),
        known=len(known),
        right=sum(answer.choice == "first" for answer in known),
        repeats=len(again),
        same=sum(answer.choice == first[answer.question.images] for answer in again),
        hasty=sum(answer.seconds < HASTY_SECONDS for answer in given),
    )


def preferences(answers: Iterable[Answer]) -> dict[frozenset[str], tuple[Question, float]]:
    """A rater's preference for the first image of each pair that was asked for; repeats are averaged with it."""
    found: dict[frozenset[str], tuple[Question, list[float]]] = {}
    for answer in answers:
        if answer.question.purpose != "known" and answer.preference is not None:
            # A repeat has the same first image: only the sides are swapped.
            found.setdefault(answer.question.images, (answer.question, []))[1].append(answer.preference)
    return {images: (question, sum(values) / len(values)) for images, (question, values) in found.items()}


def agreement_between(raters: Sequence[Sequence[Answer]]) -> tuple[float, int]:
    """Krippendorff's alpha (ordinal) of several raters, and the number of pairs that two of them or more answered.

    Of a pair that was repeated the first answer counts; NaN where there is nothing to compare.
    """
    units: dict[frozenset[str], dict[int, float]] = {}
    for rater, answers in enumerate(raters):
        for answer in answers:
            if answer.question.purpose == "asked" and answer.preference is not None:
                turned = answer.question.first != min(answer.question.images)
                value = 1 - answer.preference if turned else answer.preference
                units.setdefault(answer.question.images, {})[rater] = value
    shared = [given for given in units.values() if len(given) > 1]
    ratings = np.full((len(raters), len(shared)), np.nan)
    for unit, given in enumerate(shared):
        for rater, value in given.items():
            ratings[rater, unit] = value
    return (krippendorff_alpha(ratings, "ordinal") if shared else math.nan), len(shared)


def compared(raters: Iterable[Sequence[Answer]]) -> tuple[list[str], list[tuple[Question, float]]]:
    """The versions that were compared, sorted, and each rater's preferences about them."""
    told = [one for answers in raters for one in preferences(answers).values()]
    versions = {name for question, _ in told for name in (question.first_version, question.second_version)}
    return sorted(versions), told


def scores_of(versions: Sequence[str], told: Sequence[tuple[Question, float]], seed: int = 0) -> BradleyTerry:
    """Bradley-Terry scores of the versions, with intervals by the bootstrap over contents."""
    first, second, share = _indices(versions, told)
    contents = np.array([question.content for question, _ in told])
    return bradley_terry(len(versions), first, second, share, contents, seed=seed)


def width_so_far(versions: Sequence[str], told: Sequence[tuple[Question, float]]) -> float:
    """Mean width of the 95 % intervals of the scores in logits, by the posterior alone: quick, and a little too narrow.

    It knows nothing of what contents have in common.
    """
    spread = posterior(win_counts(len(versions), *_indices(versions, told))).covariance
    center = np.eye(len(versions)) - 1 / len(versions)  # scores have the mean 0
    return float(_TO_95_PERCENT * np.sqrt(np.diag(center @ spread @ center)).mean())


def _indices(
    versions: Sequence[str], told: Sequence[tuple[Question, float]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    index = {version: position for position, version in enumerate(versions)}
    first = np.array([index[question.first_version] for question, _ in told], int)
    second = np.array([index[question.second_version] for question, _ in told], int)
    return first, second, np.array([share for _, share in told], float)
