"""What raters think of pairs of images: repeats averaged, known pairs taken as what a rater's word is worth."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from iqa_sr.data.answers.log import AnswerLog
from iqa_sr.data.answers.records import Answer, Question

__all__ = [
    "RaterPreference",
    "known_pairs_right",
    "rater_weight",
    "raters_comparisons",
    "weight_of_answers",
]


@dataclass(frozen=True)
class RaterPreference:
    """A rater's opinion on two images of one content.

    Attributes:
        question: Question as it was first asked; a repeat may have had the images the other way round.
        share: Preference for the first image of the question, 0 to 1: the mean over the rater's answers.
        answers: Number of these answers, at least 1.
    """

    question: Question
    share: float
    answers: int


def raters_comparisons(answers: Iterable[Answer]) -> list[RaterPreference]:
    """One rater's opinions: asked and repeated pairs, each pair of images once, in the order of the first answers.

    Known pairs and skipped questions are left out.

    Args:
        answers: Answers of one rater.
    """
    found: dict[frozenset[str], tuple[Question, list[float]]] = {}
    for answer in answers:
        preference = answer.preference
        if answer.question.purpose == "known" or preference is None:
            continue
        question, shares = found.setdefault(answer.question.images, (answer.question, []))
        shares.append(preference if answer.question.first == question.first else 1 - preference)
    return [RaterPreference(question, sum(shares) / len(shares), len(shares)) for question, shares in found.values()]


def known_pairs_right(answers: Iterable[Answer]) -> tuple[float, int]:
    """How many known pairs a rater got right, `same` counting half, and how many were answered."""
    shares = [answer.preference for answer in answers if answer.question.purpose == "known"]
    given = [share for share in shares if share is not None]
    return sum(given), len(given)


def weight_of_answers(right: float, known: int) -> float:
    """Weight of each answer of a rater, 0 to 1: 2 p - 1, where p is the share of known pairs that they got right.

    One more known pair is taken as right, so that a rater without any counts fully, and one slip in two does not
    silence a beginner; one in one does, until the next known pair. Whoever guesses counts next to nothing.

    Args:
        right: Number of known pairs that are right; `same` counts half.
        known: Number of known pairs that were answered.
    """
    return max(0.0, 2 * (right + 1) / (known + 1) - 1)


def rater_weight(logs: Sequence[AnswerLog]) -> float:
    """`weight_of_answers` of a rater with several logs."""
    counted = [known_pairs_right(log.answers) for log in logs]
    return weight_of_answers(sum(right for right, _ in counted), sum(known for _, known in counted))
