"""Selection of a checkpoint where metrics disagree: limits, a rule, the Pareto front, and how sure the choice is."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np

from iqa_sr.scores.paired_scores import Means, PairedScores
from iqa_sr.selection.rules import ByPeople, Rule
from iqa_sr.stats.bootstrap import bootstrap_counts
from iqa_sr.stats.pareto import pareto_front

__all__ = ["Limit", "RankOrder", "Resampling", "Selection", "choose", "ranked"]


@dataclass(frozen=True)
class Limit:
    """A metric's mean may not be worse than the best checkpoint's by more than this.

    Attributes:
        metric: Name of the metric.
        distance: Largest distance to the best checkpoint's mean, at least 0, in the metric's own unit.
    """

    metric: str
    distance: float

    def met(self, means: Means) -> np.ndarray:
        """`(C,)` bool: which checkpoints keep it; the best always does."""
        quality = means.quality([self.metric])[:, 0]
        rounding = 1e-9 * max(np.abs(quality).max(), self.distance)
        return quality >= quality.max() - self.distance - rounding


@dataclass(frozen=True)
class RankOrder:
    """Order of the checkpoints by a rule, within the limits.

    Attributes:
        kept: `(C,)` bool: those that keep all limits.
        values: `(C,)`, the rule's value among those; NaN for the others.
        ranks: `(C,)`, 1 for the best, the same for equal ones; 0 for those that do not keep the limits.
        best: Position of the best, of several equal ones the first; None if no checkpoint keeps all limits.
    """

    kept: np.ndarray
    values: np.ndarray
    ranks: np.ndarray
    best: int | None


@dataclass(frozen=True)
class Resampling:
    """Results of the same selection on other draws of the images, or of the contents that people compared.

    Attributes:
        shares: `(C,)`, the share of the draws in which each checkpoint is chosen; they add up to 1 less `none`.
        none: The share in which no checkpoint keeps all limits.
        count: Number of draws.
        units: Number of what was drawn.
        unit: What was drawn: `images` or `contents`.
    """

    shares: np.ndarray
    none: float
    count: int
    units: int
    unit: Literal["images", "contents"]


@dataclass(frozen=True)
class Selection:
    """A choice and what speaks for it.

    Attributes:
        scores: Scores that the choice was made from.
        rule: Rule by which it was made.
        limits: Limits that were demanded beside it.
        counted: Names of the metrics of the Pareto front.
        order: Order of the checkpoints.
        front: Pareto front of all the checkpoints, `(C,)` bool.
        resampling: Results on other draws of the images, which say how sure the choice is; None where that cannot be
            told.
    """

    scores: PairedScores
    rule: Rule
    limits: tuple[Limit, ...]
    counted: tuple[str, ...]
    order: RankOrder
    front: np.ndarray
    resampling: Resampling | None

    @property
    def best(self) -> int | None:
        """Position of the chosen checkpoint; None if no checkpoint keeps all limits."""
        return self.order.best


def choose(
    scores: PairedScores,
    rule: Rule,
    limits: Sequence[Limit] = (),
    counted: Sequence[str] | None = None,
    resamplings: int = 1000,
    seed: int = 0,
) -> Selection:
    """Choose a checkpoint: those that keep all limits are ordered by the rule, among themselves.

    Args:
        scores: Scores of every checkpoint on the same images.
        rule: Rule that orders the checkpoints.
        limits: Limits that checkpoints have to keep; each compares with the best of all the checkpoints.
        counted: Metrics of the Pareto front; None: the rule's.
        resamplings: Number of draws of the bootstrap; 0: none.
        seed: Seed of the draws. A rule of people's answers has its own draws.

    Raises:
        ValueError: If the rule's value of a checkpoint that keeps the limits is not finite.
    """
    means = scores.means()
    counted = tuple(counted or rule.metrics)
    order = _order(means, rule, limits)
    wrong = [scores.checkpoints[index] for index in np.flatnonzero(order.kept & ~np.isfinite(order.values))]
    if wrong:
        raise ValueError(f"{rule.title} gives no finite value for {', '.join(wrong[:3])}; is something divided by 0?")
    can_be_told = len(scores.images) > 1 and not scores.of_data_sets
    if isinstance(rule, ByPeople):
        drawn = _people_resampled(scores.checkpoints, rule, order)
    else:
        drawn = _resample(scores, rule, limits, resamplings, seed) if resamplings and can_be_told else None
    return Selection(scores, rule, tuple(limits), counted, order, pareto_front(means.quality(counted)), drawn)


def _order(means: Means, rule: Rule, limits: Sequence[Limit]) -> RankOrder:
    count = len(means.scores)
    kept = np.ones(count, dtype=bool)
    for limit in limits:
        kept &= limit.met(means)
    values, ranks = np.full(count, np.nan), np.zeros(count, dtype=int)
    if not kept.any():
        return RankOrder(kept, values, ranks, None)
    columns = rule.values(means.rows(kept))
    values[kept] = columns[:, 0]
    ranks[kept] = ranked(np.where(np.isfinite(columns), columns, -np.inf))
    return RankOrder(kept, values, ranks, int(np.flatnonzero(ranks == 1)[0]))


def ranked(columns: np.ndarray) -> np.ndarray:
    """`(C,)` from 1: by the first column, larger first, then by the next; equal rows have the same."""
    order = np.lexsort(-columns.T[::-1])
    ranks = np.empty(len(columns), dtype=int)
    for index, row in enumerate(order):
        same = index > 0 and bool((columns[row] == columns[order[index - 1]]).all())
        ranks[row] = ranks[order[index - 1]] if same else index + 1
    return ranks


def _resample(scores: PairedScores, rule: Rule, limits: Sequence[Limit], times: int, seed: int) -> Resampling | None:
    """Make the whole choice again on as many images drawn with replacement, the same for all checkpoints.

    A draw that leaves a metric without an image that it is defined on is left out.
    """
    chosen: list[int | None] = []
    for counts in chain.from_iterable(bootstrap_counts(len(scores.images), times, seed)):
        means = scores.means(counts)
        if np.isfinite(means.scores).all():
            chosen.append(_order(means, rule, limits).best)
    if not chosen:
        return None
    counts = np.bincount([index for index in chosen if index is not None], minlength=len(scores.checkpoints))
    none = chosen.count(None) / len(chosen)
    return Resampling(counts / len(chosen), none, len(chosen), len(scores.images), "images")


def _people_resampled(checkpoints: Sequence[str], rule: ByPeople, order: RankOrder) -> Resampling | None:
    """The choice on other draws of the contents that people compared, within the limits as they are."""
    count = len(rule.people.fit.drawn)
    if not count or order.best is None:
        return None
    chances = rule.people.chances(label for label, kept in zip(checkpoints, order.kept, strict=True) if kept)
    shares = np.array([chances.get(label, 0.0) for label in checkpoints])
    return Resampling(shares, 0.0, count, rule.people.contents, "contents")
