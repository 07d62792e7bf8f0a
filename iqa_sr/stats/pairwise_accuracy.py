"""2AFC accuracy against human preferences on labeled pairs, and complementarity of metrics.

Reference:
    Chen, Wu, Ma, Zhang: Toward Generalized Image Quality Assessment: Relaxing the Perfect Reference Quality
    Assumption, CVPR 2025, https://arxiv.org/abs/2503.11221 (the accuracy, and how it counts ties).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from iqa_sr.stats.bootstrap import Interval, mean_interval

__all__ = [
    "Accuracy",
    "Complement",
    "Gap",
    "Ties",
    "accuracy",
    "complementarity",
    "correct_pairs",
    "decided",
    "gap_to_best",
    "observer_accuracy",
]

Ties = Literal["leave-out", "count"]
"""Treatment of pairs of which observers prefer neither image: left out, or right where a metric's qualities are the
same, which is A-FINE's rule and for most metrics means wrong."""


@dataclass(frozen=True)
class Accuracy:
    """2AFC accuracy of a metric.

    Attributes:
        value: Share of the pairs, 0 to 1; NaN where there are none.
        interval: 95 % interval, contents drawn with replacement.
        pairs: Number of the pairs.
        undecided: Number of the pairs for which the metric has the same quality for both images, or none for one of
            them (NaN). Unless observers prefer neither and `ties` is `count`, that is wrong.
    """

    value: float
    interval: Interval
    pairs: int
    undecided: int


def decided(preferred: np.ndarray, ties: Ties) -> np.ndarray:
    """`(N,)` of bool: which pairs are counted.

    Args:
        preferred: Preference of the observers, `(N,)`: 1 where they prefer the first image, 0 the second, 0.5 neither.
        ties: Treatment of pairs of which observers prefer neither image.
    """
    return np.ones(len(preferred), bool) if ties == "count" else preferred != 0.5


def correct_pairs(first: np.ndarray, second: np.ndarray, preferred: np.ndarray) -> np.ndarray:
    """`(N,)` of bool: where a metric has the larger quality for the image that observers prefer.

    Where they prefer neither it is right with equal qualities. NaN is never right.

    Args:
        first: `(N,)`, the metric's qualities of the first images; larger is better.
        second: `(N,)`, its qualities of the second images.
        preferred: Same as in `decided`.
    """
    with np.errstate(invalid="ignore"):  # of inf - inf; infinite qualities that are equal are caught by ==
        choice = np.where(first == second, 0.0, np.sign(first - second))
    right: np.ndarray = choice == np.sign(preferred - 0.5)
    return right


def accuracy(
    first: np.ndarray, second: np.ndarray, preferred: np.ndarray, contents: np.ndarray, resamples: int
) -> Accuracy:
    """The 2AFC accuracy of a metric on the pairs that are counted.

    Args:
        first: Same as in `correct_pairs`.
        second: Same as in `correct_pairs`.
        preferred: Same as in `decided`.
        contents: `(N,)`, names or numbers; pairs of one content depend on each other.
        resamples: Number of resamples of the bootstrap.
    """
    if not len(preferred):
        return Accuracy(math.nan, (math.nan, math.nan), 0, 0)
    right = correct_pairs(first, second, preferred)
    undecided = (first == second) | np.isnan(first) | np.isnan(second)
    interval = mean_interval(right.astype(float), contents, resamples)
    return Accuracy(float(right.mean()), interval, len(right), int(undecided.sum()))


def observer_accuracy(shares: Sequence[float | None], preferred: np.ndarray) -> float:
    """Share of single votes that agree with the majority, 0 to 1; a tie vote counts half.

    A little more than a further person would reach, because each vote helped to make the majority that it is compared
    with.

    Args:
        shares: Share of the votes for the first image of each pair, `(N,)`; None where it is not known.
        preferred: Preference of the observers, as for `decided`; ties are left out.

    Returns:
        NaN where the votes on a pair are not known, or there are no pairs.
    """
    own = [share for share, target in zip(shares, preferred, strict=True) if target != 0.5]
    if not own or any(share is None for share in own):
        return math.nan
    return float(np.mean([max(share, 1 - share) for share in own if share is not None]))


# --- Several metrics --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Gap:
    """Gap of a metric to the best one on the same pairs.

    Attributes:
        best: The metric with the highest accuracy, the first of several.
        value: Accuracy of the best metric minus that of this one.
        interval: 95 % interval; where it holds 0, the two cannot be told apart.
    """

    best: str
    value: float
    interval: Interval


def gap_to_best(right: Mapping[str, np.ndarray], contents: np.ndarray, resamples: int) -> dict[str, Gap]:
    """Gap of each metric but the best.

    Args:
        right: Pairs that a metric gets right, `(N,)` of bool by metric as `correct_pairs` gives it, on the same pairs.
        contents: Names or numbers of the content of each pair, `(N,)`.
        resamples: Number of resamples of the bootstrap; both metrics have the same draws.
    """
    best = max(right, key=lambda name: right[name].mean(), default="")
    found = {}
    for name, own in right.items():
        if name != best:
            lead = right[best].astype(float) - own
            found[name] = Gap(best, float(lead.mean()), mean_interval(lead, contents, resamples))
    return found


@dataclass(frozen=True)
class Complement:
    """Accuracy of a second metric where a first one is wrong.

    Attributes:
        metric: Name of the first metric.
        other: Name of the second metric; empty for "any of the others".
        wrong: Number of pairs that the first gets wrong.
        right: Number of those pairs that the second gets right.
        interval: 95 % interval of the share.
    """

    metric: str
    other: str
    wrong: int
    right: int
    interval: Interval

    @property
    def share(self) -> float:
        """`right` of `wrong`; NaN where the first is never wrong."""
        return self.right / self.wrong if self.wrong else math.nan


def complementarity(right: Mapping[str, np.ndarray], contents: np.ndarray, resamples: int) -> list[Complement]:
    """Complementarity of each metric with each other one, and with all others together, of which one at least is right.

    Args:
        right: Pairs that a metric gets right, `(N,)` of bool by metric as `correct_pairs` gives it, on the same pairs.
        contents: Names or numbers of the content of each pair, `(N,)`.
        resamples: Number of resamples of the bootstrap.
    """
    found = []
    for metric, own in right.items():
        others = {name: values for name, values in right.items() if name != metric}
        if others:
            others[""] = np.any(list(others.values()), axis=0)
        for other, values in others.items():
            helped = values[~own]
            interval = mean_interval(helped.astype(float), contents[~own], resamples)
            found.append(Complement(metric, other, len(helped), int(helped.sum()), interval))
    return found
