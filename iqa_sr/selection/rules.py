"""Rules that say which of several checkpoints is best, given their mean scores by several metrics.

Reference:
    Borda: Memoire sur les elections au scrutin, Histoire de l'Academie Royale des Sciences, 1784;
    Emerson: The original Borda count and partial voting, Social Choice and Welfare 40, 2013 (the points at a tie).
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence

import numpy as np

from iqa_sr.data.answers.people import PeopleScores
from iqa_sr.errors import did_you_mean, same_name, set_metric_problem
from iqa_sr.scores.paired_scores import Means, settled
from iqa_sr.selection.people import PEOPLE
from iqa_sr.stats.score_formula import PUBLISHED, Formula

__all__ = ["Borda", "ByFormula", "ByPeople", "MeanZScore", "OneMetric", "Rule", "build_rule"]

_TITLES = {
    "ntire2025": "the perceptual score of NTIRE 2025",
    "ntire2026": "the perceptual score of NTIRE 2026",
}


class Rule(ABC):
    """A rule that orders checkpoints by their mean scores.

    Attributes:
        name: Short name, for the heading of a column.
        title: Description of the rule, to follow `by` in a sentence.
        metrics: Names of the metrics that it looks at.
    """

    def __init__(self, name: str, title: str, metrics: Sequence[str]) -> None:
        self.name, self.title, self.metrics = name, title, tuple(metrics)

    @abstractmethod
    def values(self, means: Means) -> np.ndarray:
        """`(C, K)`: larger is better in the first column; what is equal there is ordered by the next."""


class Borda(Rule):
    """Each metric gives a checkpoint a point for each one that it beats there, half a point for each equal one.

    Checkpoints with the same sum are ordered by their mean z-score.
    """

    def __init__(self, metrics: Sequence[str]) -> None:
        super().__init__("borda", f"the Borda count over {_listed(metrics)}", metrics)

    def values(self, means: Means) -> np.ndarray:
        """`(C, 2)`: points, at most (C - 1) * M; mean z-score."""
        quality = means.quality(self.metrics)
        points = np.zeros(len(quality))
        for column in quality.T:
            ordered = np.sort(column)
            below, up_to = (np.searchsorted(ordered, column, side) for side in ("left", "right"))
            points += (below + up_to - 1) / 2
        return np.stack([points, MeanZScore(self.metrics).values(means)[:, 0]], axis=1)


class MeanZScore(Rule):
    """The mean over the metrics of (quality - mean) / standard deviation, both over the checkpoints."""

    def __init__(self, metrics: Sequence[str]) -> None:
        super().__init__("z-score", f"the mean z-score over {_listed(metrics)}", metrics)

    def values(self, means: Means) -> np.ndarray:
        """`(C, 1)`; 0 from a metric by which all are equal."""
        quality = means.quality(self.metrics)
        spread = quality.std(axis=0)
        equal = quality.max(axis=0) == quality.min(axis=0)  # there, rounding may leave a spread above 0
        z_scores = (quality - quality.mean(axis=0)) / np.where(equal, np.inf, spread)
        return settled(z_scores.mean(axis=1, keepdims=True))


class OneMetric(Rule):
    """Order of the checkpoints by the mean score of one metric."""

    def __init__(self, metric: str) -> None:
        super().__init__(metric, metric, [metric])

    def values(self, means: Means) -> np.ndarray:
        """`(C, 1)`: the mean score, turned so that larger is better."""
        return means.quality(self.metrics)


class ByFormula(Rule):
    """A formula over the mean scores; larger is better.

    Args:
        formula: The formula.
        name: Name of a published one; empty for the user's own.
    """

    def __init__(self, formula: Formula, name: str = "") -> None:
        super().__init__(name or "formula", _TITLES.get(name, f"the formula {formula.text}"), formula.names)
        self.formula = formula

    def values(self, means: Means) -> np.ndarray:
        """`(C, 1)`: the formula of the mean scores; not finite where something is divided by 0."""
        values = self.formula({metric: means.of(metric) for metric in self.metrics})
        return settled(np.broadcast_to(values, len(means.scores))[:, None])

    def against_direction(self, means: Means) -> list[str]:
        """The metrics with which the formula falls when they get a little better; most likely a wrong sign."""
        before = self.values(means)[:, 0]
        found = []
        for metric in self.metrics:
            column = means.metrics.index(metric)
            step = 1e-3 * max(np.abs(means.scores[:, column]).max(), 1e-3)
            better = means.scores.copy()
            better[:, column] += step if means.higher[column] else -step
            if (self.values(Means(means.metrics, means.higher, better, means.checkpoints))[:, 0] < before).any():
                found.append(metric)
        return found


class ByPeople(Rule):
    """Order of the checkpoints by the people who compared their images.

    Args:
        people: Scores of all checkpoints that are ordered, and perhaps of others.
    """

    def __init__(self, people: PeopleScores) -> None:
        super().__init__(PEOPLE, "people's answers", ())
        self.people = people

    def values(self, means: Means) -> np.ndarray:
        """`(C, 1)`: Bradley-Terry scores, in logits."""
        scores = dict(zip(self.people.versions, self.people.fit.scores, strict=True))
        return settled(np.array([[scores[label]] for label in means.checkpoints]))


def build_rule(by: str, formula: str | None, counted: Sequence[str], known: Collection[str]) -> Rule:
    """The rule with this name.

    Args:
        by: `borda`, `z-score`, a published score, or a metric.
        formula: Text of a formula, which then is the rule; None: `by` says.
        counted: The metrics that Borda's count and the z-score are taken over.
        known: All metrics with scores.

    Raises:
        ValueError: If there is no such rule, or there are no scores of a metric that it needs.
    """
    if formula is not None:
        own = Formula(formula)
        if problem := next(filter(None, (set_metric_problem(name) for name in own.names if name not in known)), ""):
            raise ValueError(f"`formula`: {problem}")
        own.check_names(known)
        return ByFormula(own)
    if by in PUBLISHED:
        published = Formula(PUBLISHED[by])
        missing = [name for name in published.names if name not in known]
        if missing:
            needed, lacking = ", ".join(published.names), ", ".join(missing)
            raise ValueError(f"`by` {by} needs scores of {needed}; there are none of {lacking}")
        return ByFormula(published, by)
    rules: dict[str, type[Borda] | type[MeanZScore]] = {"borda": Borda, "z-score": MeanZScore}
    if (metric := same_name(by, known)) in known and by not in rules:
        return OneMetric(metric)
    if by not in rules:
        if problem := set_metric_problem(by):
            raise ValueError(f"`by`: {problem}")
        raise ValueError(
            f"`by`: there is no rule or metric {by!r}; {did_you_mean(by, [*rules, PEOPLE, *PUBLISHED, *known])}"
        )
    return rules[by](counted)


def _listed(metrics: Sequence[str]) -> str:
    return f"{len(metrics)} metric{'s' * (len(metrics) > 1)} ({', '.join(metrics)})"
