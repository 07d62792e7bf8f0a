"""Output of `iqa-sr agree`: accuracies, correlations, and which metric helps which."""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from iqa_sr.agreement.evaluation import Agreement, Group
from iqa_sr.agreement.metric_scores import AGREEMENT, COMPLEMENTARITY
from iqa_sr.data.preferences.records import ALL
from iqa_sr.io.files import atomic_write
from iqa_sr.io.text_table import aligned
from iqa_sr.stats.bootstrap import Interval
from iqa_sr.stats.correlation import Correlations
from iqa_sr.stats.pairwise_accuracy import Ties

__all__ = ["agreement_text", "write_agreement"]

OBSERVER = "one observer's vote"
_COLUMNS = 4  # with intervals, on a terminal
_MEASURES = {"srcc": "SRCC", "krcc": "KRCC", "plcc": "PLCC (logistic)", "plcc_linear": "PLCC (linear)"}


# --- On the terminal --------------------------------------------------------------------------------------------------


def agreement_text(found: Agreement, ties: Ties) -> str:
    """The tables, the best metric first, with what has to be known to read them."""
    parts: list[str] = []
    if found.groups:
        parts += _accuracy_text(found, ties)
    if found.complements:
        metrics = _best_first(found.groups[-1])
        table = {(one.metric, one.other): one for one in found.complements}
        rows = [("", "wrong", *metrics, "any other")]
        for metric in metrics:
            cells = ["-" if other == metric else _percent(table[metric, other].share) for other in (*metrics, "")]
            rows.append((metric, str(table[metric, ""].wrong), *cells))
        head = f"where the metric of the row is wrong ({ALL}), how often in % the one of the column is right"
        parts += ["", head, aligned(rows, numbers=True)]
    if found.correlations:
        parts += [""] * bool(parts) + [*_correlation_text(found)]
    return "\n".join(parts)


def _best_first(group: Group) -> list[str]:
    return sorted(group.metrics, key=lambda name: -group.metrics[name].value if group.pairs else 0)


def _accuracy_text(found: Agreement, ties: Ties) -> Iterator[str]:
    """Several tables below each other where there are many groups; the last has how far the others are behind."""
    yield "2AFC accuracy in %, in brackets 95 % intervals over contents"
    groups, best_first = found.groups, _best_first(found.groups[-1])
    for start in range(0, len(groups), _COLUMNS):
        shown = groups[start : start + _COLUMNS]
        rows = [["", *(f"{group.name} ({group.pairs})" for group in shown)]]
        for metric in best_first:
            own = [group.metrics[metric] for group in shown]
            rows.append([metric, *(_percent(one.value, one.interval) for one in own)])
        if found.behind and shown[-1] is groups[-1]:
            rows[0].append("behind the best")
            for row in rows[1:]:
                behind = found.behind.get(row[0])
                row.append(_percent(behind.value, behind.interval) if behind else "")
        if any(not math.isnan(group.observer_accuracy) for group in shown):
            votes = [OBSERVER, *(_percent(group.observer_accuracy) for group in shown)]
            rows.append(votes + [""] * (len(rows[0]) - len(votes)))
        yield aligned(rows, numbers=True)
    tied = [f"{group.ties} of {group.name}" for group in groups if group.ties]
    if tied and ties == "count":
        yield f"pairs of which observers prefer neither count as right where the scores are equal: {', '.join(tied)}"
    elif tied:
        yield f"left out, because observers prefer neither: {', '.join(tied)}"
    for metric in best_first:
        undecided = groups[-1].metrics[metric].undecided
        if undecided:
            yield f"{metric} has equal scores or none for {undecided} pairs of {groups[-1].name}, which is no choice"


def _correlation_text(found: Agreement) -> Iterator[str]:
    yield "correlation with opinion scores, in brackets 95 % intervals over contents"
    usable = {metric: own for metric, own in found.correlations.items() if isinstance(own, Correlations)}
    rows = [("", *_MEASURES.values(), "images")]
    for metric in sorted(usable, key=lambda name: -usable[name].srcc):
        row = [metric]
        for name in _MEASURES:
            value, interval = getattr(usable[metric], name), usable[metric].intervals.get(name)
            ends = _bracket([f"{end:.3f}" for end in interval]) if interval else ""
            row.append("-" if value is None else f"{value:.3f}{ends}")
        rows.append((*row, str(usable[metric].images)))
    yield aligned(rows, numbers=True)
    for metric, own in found.correlations.items():
        if isinstance(own, str):
            yield f"{metric}: no correlation: {own}"
            continue
        if own.problem:
            yield f"{metric}: no PLCC with the logistic function: {own.problem}"
        elif own.plcc is not None and own.plcc < 0:
            yield f"{metric}: the fitted logistic function falls, the metric is the wrong way round; PLCC is negative"
        if own.left_out:
            yield f"{metric}: {own.left_out} images without a finite score are left out"


def _percent(value: float, interval: Interval | None = None) -> str:
    if math.isnan(value):
        return "-"
    return f"{100 * value:.2f}" + (_bracket([f"{100 * end:.1f}" for end in interval]) if interval else "")


def _bracket(ends: Sequence[str]) -> str:
    """Nothing where there is no interval: of one content alone."""
    return "" if "nan" in ends else f" [{', '.join(ends)}]"


# --- Files ------------------------------------------------------------------------------------------------------------


def write_agreement(found: Agreement, folder: Path, ties: Ties) -> None:
    """Write the numbers, each file whole or not at all; those of an earlier call are replaced, or removed."""
    columns = ("metric", "group", "measure", "value", "low", "high", "count", "undecided", "ties", "note")
    _write(folder / AGREEMENT, columns, [*_agreement_rows(found, ties)])
    (folder / COMPLEMENTARITY).unlink(missing_ok=True)
    if found.complements:
        rows = [
            (one.metric, one.other or "any other", one.wrong, one.right, _plain(one.share), *map(_plain, one.interval))
            for one in found.complements
        ]
        _write(folder / COMPLEMENTARITY, ("metric", "other", "wrong", "other_right", "share", "low", "high"), rows)


def _agreement_rows(found: Agreement, ties: Ties) -> Iterator[tuple[object, ...]]:
    for group in found.groups:
        for metric, one in group.metrics.items():
            numbers = (_plain(one.value), *map(_plain, one.interval), one.pairs, one.undecided, group.ties)
            yield (metric, group.name, "2afc", *numbers, f"ties: {ties}" if group.ties else "")
        if not math.isnan(group.observer_accuracy):
            count = group.pairs - (group.ties if ties == "count" else 0)  # a tie has no majority
            yield (OBSERVER, group.name, "2afc", _plain(group.observer_accuracy), "", "", count, "", group.ties, "")
    for metric, behind in found.behind.items():
        numbers = (_plain(behind.value), *map(_plain, behind.interval), found.groups[-1].pairs)
        yield (metric, ALL, "2afc_behind_best", *numbers, "", "", f"best: {behind.best}")
    for metric, own in found.correlations.items():
        if isinstance(own, str):
            yield (metric, ALL, "srcc", *[""] * 6, own)
            continue
        for name in _MEASURES:
            value, interval = getattr(own, name), own.intervals.get(name, (math.nan, math.nan))
            note = own.problem if value is None else ""
            ends = (_plain(math.nan if value is None else value), *map(_plain, interval))
            yield (metric, ALL, name, *ends, own.images, own.left_out, "", note)


def _plain(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6f}"


def _write(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    atomic_write(path, text.getvalue())
