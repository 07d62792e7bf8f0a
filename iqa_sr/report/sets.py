"""Metrics of sets in a report: a column for each data set and metric, with what may be concluded from it."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from iqa_sr.report.collect import Report
from iqa_sr.set_metrics.folders import few_images_warning
from iqa_sr.set_metrics.result_scores import SetResult, set_titles

__all__ = ["sets_content"]

_Column = tuple[str, str, str]
"""Data set, name and spec."""


def sets_content(report: Report) -> list[dict[str, Any]]:
    """Columns of numbers of whole sets, as values for JSON, those of one data set together.

    Args:
        report: Report with the rows.

    Returns:
        `name`, `dataset`, `higher` and `spec` of each; `values`: number, interval and count of images of each row, null
        where there is none; `best`: the best checkpoint, null where it cannot be told; `near`: those whose intervals
        reach its number; `cautions`: why differences are not to be trusted.
    """
    columns: dict[_Column, dict[int, SetResult]] = {}
    for row, entry in enumerate(report.entries):
        for source in entry.sources:
            for one in source.sets:
                if one.label == entry.checkpoint.label:
                    columns.setdefault((one.dataset, one.name, one.spec), {}).setdefault(row, one)
    order = {name: place for place, name in enumerate(report.datasets)}
    content: list[dict[str, Any]] = []
    seen: dict[str, list[SetResult]] = {}
    for (dataset, name, spec), results in sorted(columns.items(), key=lambda one: order.get(one[0][0], len(order))):
        own = seen.setdefault(dataset, [])
        own.append(next(iter(results.values())))
        title = set_titles(own)[name, spec]
        content.append({"name": title, "dataset": dataset, "spec": spec, **_column(report, results, title)})
    return content


def _column(report: Report, results: Mapping[int, SetResult], title: str) -> dict[str, Any]:
    higher = next(iter(results.values())).higher_is_better
    own = {row: one for row, one in results.items() if not report.entries[row].checkpoint.reserved}
    most = max(min(one.score.images) for one in results.values())
    fewer = [report.entries[row].name for row, one in results.items() if min(one.score.images) < most]
    best, near = _best({row: one for row, one in own.items() if min(one.score.images) == most}, higher)
    cautions = [_few(own or results, title)]
    if fewer:
        cautions.append(f"{', '.join(fewer)}: of fewer images than the others, and not compared with them.")
    return {
        "higher": higher,
        "values": [_value(results[row]) if row in results else None for row in range(len(report.entries))],
        "best": best,
        "near": near,
        "cautions": [text for text in cautions if text],
    }


def _best(results: Mapping[int, SetResult], higher: bool) -> tuple[int | None, list[int]]:
    """The best row and those near it; none of a single one, and none without intervals."""
    if len(results) < 2 or any(math.isnan(one.score.error) for one in results.values()):
        return None, []
    sign = -1 if higher else 1
    best = min(results, key=lambda row: sign * results[row].score.value)
    reached = results[best].score.value
    near = [row for row, one in results.items() if min(sign * end for end in one.score.interval) <= sign * reached]
    return best, [row for row in near if row != best]


def _few(results: Mapping[int, SetResult], title: str) -> str:
    """The warning on few images where the interval is widest."""
    texts = {
        math.inf if math.isnan(one.score.error) else one.score.error: few_images_warning(
            replace(one.score, metric=title)
        )
        for one in results.values()
    }
    widest = texts[max(texts)]
    return f"{widest}." if widest else ""


def _value(result: SetResult) -> dict[str, Any]:
    score = result.score
    return {
        "value": _number(score.value),
        "interval": None if math.isnan(score.error) else [_number(end) for end in score.interval],
        "images": score.images[0],
        "references": score.images[1],
    }


def _number(value: float) -> float:
    return float(f"{value:.6g}")
