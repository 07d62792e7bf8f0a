"""What a report's page holds, as plain lists and dictionaries: scores, statistics, pictures, histories."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from iqa_sr.report import Entry, Report
from iqa_sr.report_pictures import Pictures
from iqa_sr.statistics_of_scores import indistinguishable, intervals, means, pareto_front, resampled_counts

__all__ = ["ALL", "page_content"]

ALL = "all data sets"


def page_content(report: Report, pictures: Pictures, title: str, made: str) -> dict[str, Any]:
    """Everything that the page shows; `null` stands for what is not known.

    Args:
        report: The scores.
        pictures: Where the pictures are.
        title: Of the page.
        made: When and by which version.
    """
    return {
        "title": title,
        "made": made,
        "metrics": [
            {"name": facts.name, "higher": facts.higher_is_better, "spec": facts.spec, "compared": compared}
            for facts, compared in zip(report.metrics, report.compared, strict=True)
        ],
        "entries": [_entry(entry) for entry in report.entries],
        "pictures": [_picture(report, pictures, column) for column in range(len(report.pictures))],
        "scores": _numbers(report.scores),
        "scopes": [_scope(report, name, columns) for name, columns in _scopes(report)],
        "histories": [
            {"run": run, "charts": [asdict(chart) for chart in charts]} for run, charts in report.charts.items()
        ],
        "runs": [{"name": source.name, "details": source.details} for source in report.sources],
        "notes": [*report.notes, *pictures.notes],
    }


def _entry(entry: Entry) -> dict[str, Any]:
    checkpoint = entry.checkpoint
    return {
        "name": entry.name,
        "reserved": checkpoint.label if checkpoint.reserved else None,
        "run": entry.sources[0].name,
        "iteration": checkpoint.iteration,
        "series": checkpoint.series,
        "details": dict(checkpoint.details),
    }


def _picture(report: Report, pictures: Pictures, column: int) -> dict[str, Any]:
    rows = range(len(report.entries))
    return {
        "name": report.pictures[column],
        "size": pictures.sizes.get(column),
        "images": [pictures.addresses.get((row, column)) for row in rows],
    }


def _scopes(report: Report) -> list[tuple[str, np.ndarray]]:
    """The columns of all pictures and, where there are several, of each data set."""
    sets = np.array([picture.partition("/")[0] for picture in report.pictures], dtype=object)
    names = report.datasets
    whole = (ALL if len(names) > 1 else "".join(names), np.arange(len(sets)))
    return [whole, *((name, np.flatnonzero(sets == name)) for name in names if len(names) > 1)]


# --- Statistics -------------------------------------------------------------------------------------------------------


def _scope(report: Report, name: str, columns: np.ndarray) -> dict[str, Any]:
    """Statistics over some of the pictures."""
    scores = report.scores[:, :, columns]
    counts = resampled_counts(len(columns)) if len(columns) else np.zeros((1, 0))
    checkpoints = [row for row, entry in enumerate(report.entries) if not entry.checkpoint.reserved]
    return {
        "name": name,
        "pictures": columns.tolist(),
        "summaries": [_summaries(one, counts) for one in scores],
        "best": [
            _best(_quality(one, facts.higher_is_better), checkpoints, counts)
            for one, facts in zip(scores, report.metrics, strict=True)
        ],
        "fronts": _fronts(report, scores, checkpoints),
    }


def _summaries(scores: np.ndarray, counts: np.ndarray) -> list[dict[str, Any] | None]:
    """Of each row: mean, interval, number of pictures."""
    found: list[dict[str, Any] | None] = []
    for mean, ends, known in zip(means(scores), intervals(scores, counts), np.isfinite(scores), strict=True):
        interval = None if math.isnan(ends[0]) else _numbers(ends)
        one = {"mean": _number(mean), "interval": interval, "pictures": int(known.sum())}
        found.append(None if math.isnan(mean) else one)
    return found


def _quality(scores: np.ndarray, higher_is_better: bool) -> np.ndarray:
    return scores if higher_is_better else -scores


def _best(quality: np.ndarray, checkpoints: Sequence[int], counts: np.ndarray) -> dict[str, Any] | None:
    """The best checkpoint, and those that the pictures do not suffice to tell from it."""
    average = means(quality)
    known = [row for row in checkpoints if not math.isnan(average[row])]
    if not known:
        return None
    best = max(known, key=lambda row: average[row])
    near = indistinguishable(quality[known], known.index(best), counts)
    return {"row": best, "near": [known[place] for place in near]}


def _fronts(report: Report, scores: np.ndarray, checkpoints: Sequence[int]) -> dict[str, list[int]]:
    """The Pareto front of the checkpoints for each two metrics, by `<number>,<number>`."""
    averages = [
        means(_quality(one, facts.higher_is_better))[list(checkpoints)]
        for one, facts in zip(scores, report.metrics, strict=True)
    ]
    return {
        f"{first},{second}": [checkpoints[place] for place in pareto_front(averages[first], averages[second])]
        for first in range(len(averages))
        for second in range(first + 1, len(averages))
    }


# --- Numbers ----------------------------------------------------------------------------------------------------------


def _number(value: float) -> float | None:
    """Six digits, which is more than any score has."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _numbers(values: np.ndarray) -> list[Any]:
    return [_numbers(one) if one.ndim else _number(float(one)) for one in values]
