"""Answers of people about two images, and the pairs that they make together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import NamedTuple

from iqa_sr.data.answers.comparisons import weight_of_answers

__all__ = ["ASKED", "KNOWN", "AnsweredPair", "Crop", "PairAnswer", "joined_pairs", "reliabilities"]

ASKED, REPEAT, KNOWN = "asked", "repeat", "known"
"""Kinds of answers: for its own sake, again, and about a version and its own degraded copy."""

Crop = tuple[int, int, int, int]
"""Top, left, height and width in px."""


class PairAnswer(NamedTuple):
    """What one line of a table of pairs says.

    Attributes:
        content: Name of the content that both images show.
        first: Key of the first image: its path below the data set's folder, with forward slashes. Of a known pair the
            version, the second one is its degraded copy.
        second: Key of the second image.
        preference: 1 for the first image, 0 for the second, 0.5 for neither; of a whole pair the share.
        kind: Why it was asked, or the group of the pair; may be empty.
        rater: Name of the rater; empty where the line is of a whole pair.
        crop: Place that was compared; None for the whole image.
        counted: Whether the line gives numbers of votes.
    """

    content: str
    first: str
    second: str
    preference: float
    kind: str = ""
    rater: str = ""
    crop: Crop | None = None
    counted: bool = False


@dataclass(frozen=True)
class AnsweredPair:
    """Two images and all answers about them.

    Attributes:
        content: Name of the content that both images show.
        first: Key of the first image.
        second: Key of the second image.
        answers: Answers in their order, turned so that the first image is the pair's.
    """

    content: str
    first: str
    second: str
    answers: tuple[PairAnswer, ...]

    @cached_property
    def share(self) -> float:
        """Mean of the raters' preferences for the first image, the answers of each rater averaged before."""
        raters: dict[str, list[float]] = {}
        for answer in self.answers:
            raters.setdefault(answer.rater, []).append(answer.preference)
        return fmean(fmean(preferences) for preferences in raters.values())

    @property
    def kind(self) -> str:
        """The kind that all answers have, a repeated one that of its first; `asked` where they differ."""
        if not self.answers[0].rater:
            return self.answers[0].kind
        kinds = {ASKED if answer.kind in ("", REPEAT) else answer.kind for answer in self.answers}
        return kinds.pop() if len(kinds) == 1 else ASKED

    @property
    def crop(self) -> Crop | None:
        """The place that was compared, that of the first answer which has one."""
        return next((answer.crop for answer in self.answers if answer.crop is not None), None)

    def weighed(self, weights: Mapping[str, float]) -> tuple[float, float]:
        """Share of the answers for the first image and their sum, each with the weight of its rater.

        Two answers of a rater that contradict one another are two for neither.

        Returns:
            Share and sum; 0.5 and 0 where no answer has a weight.
        """
        total = sum(weights[answer.rater] for answer in self.answers)
        first = sum(weights[answer.rater] * answer.preference for answer in self.answers)
        return (first / total, total) if total else (0.5, 0.0)


def joined_pairs(answers: Iterable[PairAnswer]) -> list[AnsweredPair]:
    """The pairs of images that were answered about, in the order of their first answers.

    The order of the two images in a line does not matter: the first answer's is the pair's.
    """
    pairs: dict[frozenset[str], list[PairAnswer]] = {}
    for answer in answers:
        pair = pairs.setdefault(frozenset((answer.first, answer.second)), [])
        if pair and pair[0].first != answer.first:
            answer = answer._replace(first=answer.second, second=answer.first, preference=1 - answer.preference)
        pair.append(answer)
    return [AnsweredPair(pair[0].content, pair[0].first, pair[0].second, tuple(pair)) for pair in pairs.values()]


def reliabilities(answers: Iterable[PairAnswer]) -> dict[str, float]:
    """Weight of each rater's answers by the known pairs, see `weight_of_answers`.

    Returns:
        Weights in [0, 1] by the raters' names.
    """
    known: dict[str, list[float]] = {}
    for answer in answers:
        shares = known.setdefault(answer.rater, [])
        if answer.kind == KNOWN:
            shares.append(answer.preference)
    return {rater: weight_of_answers(sum(shares), len(shares)) for rater, shares in known.items()}
