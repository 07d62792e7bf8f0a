"""The table of mean scores that ends an evaluation: by data set, label and metric."""

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from iqa_sr.scores.means import image_means, mean
from iqa_sr.scores.result_folder import split_picture
from iqa_sr.scores.score_table import ScoreTable
from iqa_sr.stats.score_formula import Formula

__all__ = ["mean_scores", "not_defined", "summary_rows"]

Means = dict[tuple[str, str, str], float]
"""Mean by label, data set and metric."""


def mean_scores(table: ScoreTable) -> Means:
    """The means of a table; pictures on which a metric is not defined are left out, and NaN where it is on none."""
    scores: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for (checkpoint, metric), images in image_means(table.rows).items():
        for image, score in images.items():
            scores[checkpoint, split_picture(image)[0], metric].append(score)
    return {key: mean(found) for key, found in scores.items()}


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
