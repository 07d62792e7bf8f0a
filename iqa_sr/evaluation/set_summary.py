"""Metrics of sets in the summary of an evaluation: columns, what they are, and how far they can be trusted."""

import math
from collections.abc import Sequence
from dataclasses import replace

from iqa_sr.set_metrics.folders import few_images_warning
from iqa_sr.set_metrics.result_scores import SetResult, set_titles

__all__ = ["set_warnings", "with_set_columns"]


def with_set_columns(
    rows: Sequence[tuple[str, ...]], dataset: str, results: Sequence[SetResult], titles: dict[tuple[str, str], str]
) -> list[tuple[str, ...]]:
    """The rows of `summary_rows` with a column for each metric of sets that has numbers of their labels.

    Args:
        rows: The rows, the heading first.
        dataset: Name of the data set.
        results: Numbers of the result folder.
        titles: Titles of the columns, as `set_titles` gives them.
    """
    labels = [row[0] for row in rows[1:]]
    own = [one for one in results if one.dataset == dataset and one.label in labels]
    cells = {(one.label, titles[one.name, one.spec]): _text(one) for one in own}
    columns = {titles[one.name, one.spec]: "up" if one.higher_is_better else "down" for one in own}
    added = [tuple(f"{title} {better}" for title, better in columns.items())]
    added += [tuple(cells.get((label, title), "-") for title in columns) for label in labels]
    return [(*row, *more) for row, more in zip(rows, added, strict=True)]


def _text(result: SetResult) -> str:
    score = result.score
    return f"{score.value:.5g}" + ("" if math.isnan(score.error) else f" +- {score.interval[1] - score.value:.2g}")


def set_warnings(results: Sequence[SetResult]) -> list[str]:
    """A warning for each column with numbers of few images: the one with the widest interval."""
    titles, widest = set_titles(results), dict[str, SetResult]()
    for one in sorted(results, key=lambda one: math.inf if math.isnan(one.score.error) else one.score.error):
        if few_images_warning(one.score):
            widest[titles[one.name, one.spec]] = one
    return [
        f"{one.label}, {one.dataset}: {few_images_warning(replace(one.score, metric=title))}"
        for title, one in widest.items()
    ]
