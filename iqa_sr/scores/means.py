"""Mean scores of an evaluation: over the references of each picture first, then over the pictures."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from iqa_sr.scores.result_folder import split_picture
from iqa_sr.scores.score_table import ScoreTable
from iqa_sr.stats.score_formula import Formula

__all__ = ["mean_scores", "not_defined", "summary_rows"]

Means = dict[tuple[str, str, str], float]
"""Mean by label, data set and metric."""


def mean_scores(table: ScoreTable) -> Means:
    """The means of a table; pictures on which a metric is not defined are left out, and NaN where it is on none."""
    pictures: dict[tuple[str, str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in table.rows:
        dataset, _ = split_picture(row.picture)
        pictures[row.checkpoint, dataset, row.metric][row.picture].append(row.score)
    return {key: _mean(_mean(scores) for scores in found.values()) for key, found in pictures.items()}


def _mean(scores: Iterable[float]) -> float:
    known = [score for score in scores if not math.isnan(score)]
    return math.fsum(known) / len(known) if known else math.nan


def not_defined(table: ScoreTable) -> dict[tuple[str, str], int]:
    """By data set and metric: on how many pictures the metric is not defined."""
    found = {(split_picture(row.picture)[0], row.metric, row.picture) for row in table.rows if math.isnan(row.score)}
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for dataset, metric, _ in sorted(found):
        counts[dataset, metric] += 1
    return dict(counts)


def summary_rows(
    table: ScoreTable, dataset: str, labels: Sequence[str], formula: tuple[str, str] | None = None
) -> list[tuple[str, ...]]:
    """The cells of a table of one data set: the heading, then a line for each label that has scores.

    Args:
        table: The scores.
        dataset: Its name.
        labels: In the order wanted.
        formula: Name and text of a score to be computed from the means, where there are all that it needs.
    """
    means = mean_scores(table)
    metrics = [name for name in table.facts if any((label, dataset, name) in means for label in labels)]
    heading = [f"{name} {'up' if table.facts[name].higher_is_better else 'down'}" for name in metrics]
    rows = [(dataset, *heading, *([f"{formula[0]} up"] if formula else []))]
    for label in labels:
        found = {name: means[label, dataset, name] for name in metrics if (label, dataset, name) in means}
        if found:
            cells = [_number(found.get(name)) for name in metrics]
            rows.append((label, *cells, *([_number(_by_formula(formula[1], found))] if formula else [])))
    return rows


def _by_formula(text: str, means: dict[str, float]) -> float | None:
    formula = Formula(text)
    if not set(formula.names) <= means.keys():
        return None
    return float(formula({name: np.array([means[name]]) for name in formula.names})[0])


def _number(score: float | None) -> str:
    return "-" if score is None or math.isnan(score) else f"{score:.4f}"
