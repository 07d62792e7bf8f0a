"""Sequential test between two: a confidence sequence for a mean, which may be looked at after every answer.

Whatever the hidden mean m of outcomes in [0, 1], the mixture over q of
    prod_i (q / m)^x_i ((1 - q) / (1 - m))^(1 - x_i),    q from a Beta distribution,
is a nonnegative supermartingale that begins at 1: a factor is convex in x, so its mean is at most that of an outcome
that is 0 or 1. It ever reaches 1 / a with the probability a at most (Ville). Means for which it is below are the
sequence; that holds at all times at once, so that the test may end as soon as it is decided.

Reference:
    Robbins: Statistical Methods Related to the Law of the Iterated Logarithm, Annals of Mathematical Statistics 41(5),
    1970 (the mixture);
    Waudby-Smith, Ramdas: Estimating Means of Bounded Random Variables by Betting, JRSS B 86(1), 2024,
    https://arxiv.org/abs/2010.09686 (bounded outcomes).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import betaln, xlog1py, xlogy

__all__ = ["Decision", "SequentialTest", "confidence_sequence", "sequential_test"]

Decision = Literal["first better", "second better", "equivalent", "undecided"]
_CONCENTRATION = 2.0  # of the mixture, Beta(2, 2): decides early on clear differences, and not late on small ones
_TINY = 1e-12
_MOST = 10**6  # answers


@dataclass(frozen=True)
class SequentialTest:
    """What the answers so far decide between two checkpoints.

    Attributes:
        decision: Decision; the chance that any other than `undecided` is ever wrong is at most 1 - `confidence`.
        answers: Number of answers.
        mean: Mean preference for the first, 0 to 1; NaN without answers.
        interval: Ends of the confidence sequence of the mean; (0, 1) without answers.
        confidence: Chance that the sequence holds the true mean at all times, in (0, 1).
        margin: Distance from 0.5 below which both are equivalent; 0 never calls them so.
        needed: Estimate of how many further answers decide, if they are as those so far; 0 where it is decided, None
            where even a million would not.
    """

    decision: Decision
    answers: int
    mean: float
    interval: tuple[float, float]
    confidence: float
    margin: float
    needed: int | None


def sequential_test(outcomes: Sequence[float] | np.ndarray, confidence: float, margin: float = 0.0) -> SequentialTest:
    """Decide between two checkpoints, if the answers so far suffice.

    Each outcome is to have the same expectation whatever those before it were: contents come in a random order, and
    answers about one content are one outcome.

    Args:
        outcomes: `(n,)`, preferences for the first checkpoint, 0 to 1; a tie is 0.5.
        confidence: Chance that the decision is right, in (0, 1).
        margin: Distance from 0.5, in [0, 0.5), that does not matter: 0.05 for 45 to 55 %.

    Raises:
        ValueError: If an outcome, the confidence or the margin is outside its range.
    """
    values = np.asarray(outcomes, np.float64)
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence`: expected a number between 0 and 1, got {confidence}; usual is 0.95")
    if not 0 <= margin < 0.5:
        raise ValueError(f"`margin`: expected a number of at least 0 and below 0.5, got {margin}; usual is 0.05")
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError("`outcomes`: expected preferences from 0 to 1 without NaN; skipped questions are left out")
    answers, total = len(values), float(values.sum())
    interval = confidence_sequence(answers, total, confidence)
    decision = _decision(interval, margin)
    mean = total / answers if answers else math.nan
    needed = 0 if decision != "undecided" else _needed(answers, mean, confidence, margin)
    return SequentialTest(decision, answers, mean, interval, confidence, margin, needed)


def confidence_sequence(answers: int, total: float, confidence: float) -> tuple[float, float]:
    """Ends of the confidence sequence of the mean after some outcomes.

    Args:
        answers: Number of the outcomes.
        total: Their sum.
        confidence: Same as in `sequential_test`.
    """
    if not answers:
        return 0.0, 1.0
    prior = betaln(_CONCENTRATION, _CONCENTRATION)
    mixture = betaln(_CONCENTRATION + total, _CONCENTRATION + answers - total) - prior

    def excess(mean: float) -> float:  # above 0 outside the sequence
        return float(mixture - xlogy(total, mean) - xlog1py(answers - total, -mean) + math.log(1 - confidence))

    middle = total / answers
    low = 0.0 if excess(_TINY) <= 0 else float(brentq(excess, _TINY, middle))
    high = 1.0 if excess(1 - _TINY) <= 0 else float(brentq(excess, middle, 1 - _TINY))
    return low, high


def _decision(interval: tuple[float, float], margin: float) -> Decision:
    low, high = interval
    if low > 0.5:
        return "first better"
    if high < 0.5:
        return "second better"
    return "equivalent" if low > 0.5 - margin and high < 0.5 + margin else "undecided"


def _needed(answers: int, mean: float, confidence: float, margin: float) -> int | None:
    """The fewest further answers of the same mean that decide."""
    if not answers:
        return None

    def decides(count: int) -> bool:
        return _decision(confidence_sequence(count, mean * count, confidence), margin) != "undecided"

    high = answers
    while not decides(high):
        high *= 2
        if high > _MOST:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high - answers
