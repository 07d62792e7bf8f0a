"""Content of a report's page, as plain lists and dictionaries: scores, statistics, images, histories."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np

from iqa_sr.report.collect import Report
from iqa_sr.report.images import ReportImages
from iqa_sr.report.people import people_content
from iqa_sr.report.sets import sets_content
from iqa_sr.stats.bootstrap import indistinguishable, intervals, means, resampled_counts
from iqa_sr.stats.pareto import pareto_front

__all__ = ["ALL", "page_content"]

ALL = "all data sets"
ENOUGH = 0.9
"""Share of the images that a row must have a score of, to be compared with the others by its mean."""


def page_content(report: Report, images: ReportImages, title: str, made: str) -> dict[str, Any]:
    """Content of a page as values for JSON; `null` stands for what is not known.

    Args:
        report: Report with the scores.
        images: Addresses and sizes of the images.
        title: Title of the page.
        made: Text that says when and by which version the page is made.
    """
    names = report.datasets
    sets = np.array([image.partition("/")[0] for image in report.images], dtype=object)
    scopes = [(ALL if len(names) > 1 else "".join(names), np.arange(len(sets)))]
    scopes += [(name, np.flatnonzero(sets == name)) for name in names if len(names) > 1]
    return {
        "title": title,
        "made": made,
        "metrics": [
            {"name": facts.name, "higher": facts.higher_is_better, "spec": facts.spec, "compared": compared}
            for facts, compared in zip(report.metrics, report.compared, strict=True)
        ],
        "entries": [
            {
                "name": entry.name,
                "reserved": entry.checkpoint.label if entry.checkpoint.reserved else None,
                "run": entry.sources[0].name,
                "iteration": entry.checkpoint.iteration,
                "series": entry.checkpoint.series,
                "details": dict(entry.checkpoint.details),
            }
            for entry in report.entries
        ],
        "images": [
            {
                "name": name,
                "size": images.sizes.get(column),
                "files": [images.addresses.get((row, column)) for row in range(len(report.entries))],
            }
            for column, name in enumerate(report.images)
        ],
        "scores": _numbers(report.scores),
        "sets": sets_content(report),
        "scopes": [_scope(report, name, columns) for name, columns in scopes],
        "histories": [
            {"run": run, "charts": [asdict(chart) for chart in charts]} for run, charts in report.charts.items()
        ],
        "runs": [{"name": source.name, "details": source.details} for source in report.sources],
        "notes": [*report.notes, *images.notes],
    }


# --- Statistics -------------------------------------------------------------------------------------------------------


def _scope(report: Report, name: str, columns: np.ndarray) -> dict[str, Any]:
    """Statistics over some of the images.

    Means are compared of rows over about the same images: the others have another data set's, or too few. Of each
    metric's best checkpoint, those are named that the images do not suffice to tell from it.
    """
    scores = report.scores[:, :, columns]
    counts = resampled_counts(len(columns)) if len(columns) else np.zeros((1, 0))
    compared: list[list[int]] = []
    checkpoints: list[list[int]] = []
    qualities: list[np.ndarray] = []
    best: list[dict[str, Any] | None] = []
    for one, facts in zip(scores, report.metrics, strict=True):
        known, quality = np.isfinite(one), one if facts.higher_is_better else -one
        wanted = ENOUGH * known.any(axis=0).sum()
        rows = [row for row, count in enumerate(known.sum(axis=1)) if 0 < wanted <= count]
        own = [row for row in rows if not report.entries[row].checkpoint.reserved]
        first = int(np.argmax(means(quality)[own])) if own else None
        near = [] if first is None else indistinguishable(quality[own], first, counts)
        best.append(None if first is None else {"row": own[first], "near": [own[index] for index in near]})
        compared.append(rows)
        checkpoints.append(own)
        qualities.append(quality)
    return {
        "name": name,
        "images": columns.tolist(),
        "summaries": [_summaries(one, counts) for one in scores],
        "compared": compared,
        "best": best,
        "fronts": _fronts(qualities, checkpoints),
        "people": people_content(report, [report.images[column] for column in columns]),
    }


def _summaries(scores: np.ndarray, counts: np.ndarray) -> list[dict[str, Any] | None]:
    """Of each row: mean, interval, number of images."""
    found: list[dict[str, Any] | None] = []
    for mean, ends, known in zip(means(scores), intervals(scores, counts), np.isfinite(scores), strict=True):
        interval = None if math.isnan(ends[0]) else _numbers(ends)
        one = {"mean": _number(mean), "interval": interval, "images": int(known.sum())}
        found.append(None if math.isnan(mean) else one)
    return found


def _fronts(qualities: Sequence[np.ndarray], checkpoints: Sequence[Sequence[int]]) -> dict[str, list[int]]:
    """The Pareto front of the checkpoints for each two metrics, by `<number>,<number>`; best by the first one first."""
    averages = [means(one) for one in qualities]
    fronts = {}
    for first, second in combinations(range(len(averages)), 2):
        rows = [row for row in checkpoints[first] if row in checkpoints[second]]
        quality = np.stack([averages[first][rows], averages[second][rows]], axis=1)
        on_front, order = pareto_front(quality), np.lexsort((quality[:, 1], -quality[:, 0]))
        fronts[f"{first},{second}"] = [rows[index] for index in order if on_front[index]]
    return fronts


# --- Numbers ----------------------------------------------------------------------------------------------------------


def _number(value: float) -> float | None:
    """Six digits, which is more than any score has."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _numbers(values: np.ndarray) -> list[Any]:
    return [_numbers(one) if one.ndim else _number(float(one)) for one in values]
