"""Content of a paper's table: means of checkpoints by data set, of the scores that `iqa-sr pick` chooses by."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from iqa_sr.errors import same_name
from iqa_sr.scores.paired_scores import PairedScores, metrics_of, no_scores, paired_scores
from iqa_sr.scores.protocols import Protocol
from iqa_sr.scores.result_folder import read_run
from iqa_sr.scores.score_table import BASELINES, ScoreRow, ScoreTable
from iqa_sr.selection.gold_standard import gold_means
from iqa_sr.selection.sources import CandidateCheckpoints
from iqa_sr.stats.score_formula import Formula
from iqa_sr.table.columns import Column, metric_columns
from iqa_sr.table.set_columns import SetColumns, no_number

__all__ = ["DataSetBlock", "PaperTable", "make_table"]

_CUT = re.compile(r"; (?:against \w+, )?crop (\d+)")
_SET_VARIANT = re.compile(r"[-@]")  # what stands behind `fid` in `fid-clean@256`
Means = tuple[float | None, ...]
"""A mean for each column; None where there is none."""


@dataclass(frozen=True)
class DataSetBlock:
    """Rows of a table that are means over the images of one data set.

    Attributes:
        dataset: Name of the data set; empty where the scores name none.
        images: Number of images.
        of_data_set: Whether what is counted as an image is the mean of a data set.
        rows: Means of each checkpoint by its name.
        gold: Means of the gold standard; None where there is none over the same images.
    """

    dataset: str
    images: int
    of_data_set: bool
    rows: Mapping[str, Means]
    gold: Means | None


@dataclass(frozen=True)
class PaperTable:
    """A table of checkpoints by metrics.

    Attributes:
        columns: Columns of the metrics.
        blocks: Rows by data set, at least one block.
        notes: What has to be known to read it, in sentences.
    """

    columns: tuple[Column, ...]
    blocks: tuple[DataSetBlock, ...]
    notes: tuple[str, ...]


def make_table(
    source: CandidateCheckpoints,
    protocol: Protocol | None,
    metrics: Sequence[str] | None,
    by_data_set: bool = True,
    common: bool = False,
    baseline: bool = False,
    sets: SetColumns | None = None,
) -> PaperTable:
    """Make the table of all checkpoints of a source.

    Args:
        source: Checkpoints and their scores, at least one.
        protocol: Protocol whose metrics are the columns; None for those that are asked for.
        metrics: Names of metrics, with a protocol on top of its own; None for none on top, or all.
        by_data_set: Whether the names of images begin with their data set's, and each has means of its own; of bare
            tables nobody knows what stands before the slash.
        common: Leave out the images that some checkpoint lacks a score of.
        baseline: Whether bicubic, at scale 1 the input, has a row, the first one.
        sets: Metrics of sets, which are columns as those of images are. None of tables that are not by data set.

    Raises:
        ValueError: If there are no scores of a metric or of the baseline, the checkpoints were not scored on the same
            images, or scores are not what the protocol fixes.
    """
    labels = list(source.files)
    known = metrics_of(source.table, labels)
    if not known:
        raise ValueError(f"{source.folder}: there are no scores of the checkpoints; found no metric in the table")
    if protocol is not None:
        _check_rules(source, protocol)
    names = _row_names(source)
    if baseline:
        label = source.baseline()
        if label is None:
            raise ValueError(
                f"`baseline`: expected scores of {' or '.join(BASELINES)}, got none; evaluate without --no-baseline"
            )
        labels.insert(0, label)
        title = label.rpartition("/")[2]
        names[label] = label if title in names.values() else title
    tables = _by_data_set(source.table) if by_data_set else {"": source.table}
    sets = sets.of(labels) if sets is not None and by_data_set else SetColumns()
    wanted, missing = _metrics(known, protocol, metrics, sets)
    sets = sets.only([name for name in wanted if name not in known])
    directions = {
        name: source.table.facts[name].higher_is_better if name in known else sets.higher_is_better(name)
        for name in wanted
    }
    columns = metric_columns(directions, {} if protocol is None else protocol.decimals)
    if protocol is not None and protocol.formula and set(Formula(protocol.formula).names) <= directions.keys():
        columns.append(Column(protocol.name, f"{protocol.name} score", True, 4))
    blocks = []
    for dataset, table in tables.items():
        own = [name for name in metrics_of(table, labels) if name in directions]
        if own:
            scores = paired_scores(table, labels, own, common)
            blocks.append(_block(dataset, scores, replace(source, table=table), columns, protocol, names, sets))
        elif count := sets.images(dataset):
            rows = {names[label]: tuple(sets.value(label, dataset, one.metric) for one in columns) for label in labels}
            blocks.append(DataSetBlock(dataset, count, False, rows, None))
    notes = (*_notes(columns, blocks, protocol, missing, source), *sets.notes())
    return PaperTable(tuple(columns), tuple(blocks), notes)


def _metrics(
    known: Sequence[str], protocol: Protocol | None, metrics: Sequence[str] | None, sets: SetColumns
) -> tuple[list[str], list[str]]:
    """The metrics of the columns, and those of the protocol that have no scores."""
    every = [*known, *sets.names]
    asked = [same_name(name, every) for name in metrics or ()]
    for name in asked:
        if name not in every:
            raise ValueError(f"`metrics`: {no_number(name) or no_scores(name, every)}")
    if protocol is None:
        return asked or every, []
    found = [name for name in protocol.metrics if name in known]
    missing = [name for name in protocol.metrics if name not in known]
    if not found:
        raise ValueError(
            f"`protocol` {protocol.name}: expected scores of {', '.join(missing)}, got none of them; there are "
            f"{', '.join(known)}.\nEvaluate with --protocol {protocol.name}, or name the columns by `metrics` alone."
        )
    of_sets = [name for name in protocol.set_metrics if name in sets.names]
    return list(dict.fromkeys([*found, *of_sets, *asked])), missing


def _check_rules(source: CandidateCheckpoints, protocol: Protocol) -> None:
    """Refuse scores of evaluations that cut another border, or compared with other references."""
    for folder in source.results:
        run = read_run(folder)
        if protocol.scale not in (None, run.scale):
            raise ValueError(f"`protocol` {protocol.name} is defined for x{protocol.scale}, {folder} is x{run.scale}")
        border = run.scale if protocol.border is None else protocol.border
        expected = {"border": border, "against": protocol.against}
        found = {name: run.settings.get(name, value) for name, value in expected.items()}
        if found != expected:
            raise ValueError(
                f"`protocol` {protocol.name}: expected scores with {border} px of each border cut, against "
                f"{protocol.against}; {folder} has {found['border']} px, against {found['against']}.\n"
                f"Evaluate into another folder with --protocol {protocol.name}, or leave `protocol` out and name the "
                "columns by `metrics`."
            )
    for name in protocol.metrics if protocol.border is not None and not source.results else ():
        facts = source.table.facts.get(name)
        cut = _CUT.search(facts.spec) if facts else None
        if cut and int(cut[1]) != protocol.border:
            raise ValueError(
                f"`protocol` {protocol.name}: expected scores with {protocol.border} px of each border cut, those of "
                f"{name} have {cut[1]}.\nScore again with --protocol {protocol.name}, or name the columns by `metrics`."
            )


def _row_names(source: CandidateCheckpoints) -> dict[str, str]:
    """Name of each checkpoint's row: a result folder that has only one checkpoint gives it its name."""
    names = {label: label for label in source.files}
    for labels in source.results.values():
        own = {label: name for label, name in labels.items() if name in source.files}
        for label, name in own.items() if len(own) == 1 else ():
            folder = name.removesuffix(label).removesuffix("/")
            names[name] = folder if folder and folder not in names.values() else name
    return names


def _by_data_set(table: ScoreTable) -> dict[str, ScoreTable]:
    rows: dict[str, list[ScoreRow]] = {}
    for row in table.rows:
        dataset, slash, _ = row.image.partition("/")
        rows.setdefault(dataset if slash else "", []).append(row)
    return {dataset: ScoreTable(table.facts.values(), found) for dataset, found in rows.items()}


def _block(
    dataset: str,
    scores: PairedScores,
    source: CandidateCheckpoints,
    columns: Sequence[Column],
    protocol: Protocol | None,
    names: Mapping[str, str],
    sets: SetColumns,
) -> DataSetBlock:
    means = scores.means()
    values = {metric: means.of(metric) for metric in means.metrics}
    if protocol is not None and protocol.formula:
        formula = Formula(protocol.formula)
        if set(formula.names) <= values.keys():
            values[protocol.name] = formula(values)
    rows = {
        names[label]: tuple(
            float(values[one.metric][row]) if one.metric in values else sets.value(label, dataset, one.metric)
            for one in columns
        )
        for row, label in enumerate(scores.checkpoints)
    }
    gold = {one.metric: one.gold for one in gold_means(scores, source.gold_standard()) if one.complete}
    standard = tuple(gold.get(column.metric) for column in columns) if gold else None
    return DataSetBlock(dataset, len(scores.images), scores.of_data_sets, rows, standard)


def _notes(
    columns: Sequence[Column],
    blocks: Sequence[DataSetBlock],
    protocol: Protocol | None,
    missing: Sequence[str],
    source: CandidateCheckpoints,
) -> tuple[str, ...]:
    counted = ["the data set" if one.of_data_set else f"{one.images} image{'s' * (one.images > 1)}" for one in blocks]
    each = [f"{count} of {one.dataset}" if one.dataset else count for count, one in zip(counted, blocks, strict=True)]
    notes = [f"Means over {', '.join(each)}{f'; protocol {protocol.name}: {protocol.reference}' if protocol else ''}."]
    metrics = [one for one in columns if protocol is None or one.metric != protocol.name]
    if told := [f"{one.title} is {one.metric}" for one in metrics if one.title.lower() != one.metric]:
        notes.append(f"{', '.join(told)}.")
    if protocol is None:
        return tuple(notes)
    shown = [one.metric for one in columns]
    notes += [
        f"{name} is left out: {reason}."
        for name, reason in protocol.left_out.items()
        if name not in [one.title for one in columns]
    ]
    for name in protocol.set_metrics:
        family = _SET_VARIANT.split(name)[0]
        others = [one for one in shown if _SET_VARIANT.split(one)[0] == family]
        if name not in shown and others:
            notes.append(f"{', '.join(others)} is not the protocol's {family.upper()}, which is {name}.")
        elif name not in shown:
            notes.append(f"{name}: of the protocol, without a value here; `iqa-sr evaluate --set {name}` computes it.")
    if missing:
        notes.append(f"{', '.join(missing)}: of the protocol, without scores here.")
    checked = {name for labels in source.results.values() for name in labels.values()}
    if not checked.issuperset(source.files):
        notes.append("Not all scores are of result folders: whether they keep the protocol's rules was not checked.")
    return tuple(notes)
