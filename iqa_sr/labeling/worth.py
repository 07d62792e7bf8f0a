"""What answers are worth: known pairs right, agreement with oneself and with others, what decides."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from iqa_sr.data.answers.comparisons import raters_comparisons
from iqa_sr.data.answers.records import Answer
from iqa_sr.stats.bradley_terry import posterior, win_counts
from iqa_sr.stats.krippendorff import krippendorff_alpha
from iqa_sr.stats.sequential_test import SequentialTest, sequential_test

__all__ = [
    "HASTY_SECONDS",
    "MARGIN",
    "Reliability",
    "Until",
    "agreement_between",
    "reliability",
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


def width_so_far(answers: Sequence[Answer]) -> tuple[float, int]:
    """How well one rater's answers tell versions apart, by the posterior alone: quick, and a little too narrow.

    It knows nothing of what contents have in common.

    Returns:
        Mean width of the 95 % intervals of the scores in logits, NaN without answers; and the number of pairs compared.
    """
    told = raters_comparisons(answers)
    if not told:
        return math.nan, 0
    pairs = [(one.question.first_version, one.question.second_version) for one in told]
    index = {version: position for position, version in enumerate(sorted({name for pair in pairs for name in pair}))}
    first, second = (np.array([index[pair[side]] for pair in pairs]) for side in (0, 1))
    wins = win_counts(len(index), first, second, np.array([one.share for one in told]))
    center = np.eye(len(index)) - 1 / len(index)  # scores have the mean 0
    spread = np.diag(center @ posterior(wins).covariance @ center)
    return float(_TO_95_PERCENT * np.sqrt(spread).mean()), len(told)
