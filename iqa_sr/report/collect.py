"""Result folders and experiments, joined: every score of every checkpoint of any number of them."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from iqa_sr.data.answers.log import AnswerLog
from iqa_sr.data.answers.people import answer_logs
from iqa_sr.report.experiments import experiment_source, is_experiment, training_charts
from iqa_sr.report.sources import ReportSource, SourceCheckpoint, evaluation_source
from iqa_sr.report.training_curves import Chart
from iqa_sr.scores.experiment_folder import ExperimentFolder
from iqa_sr.scores.means import image_means
from iqa_sr.scores.result_folder import RUN_FILE
from iqa_sr.scores.score_table import BASELINES, MetricFacts

__all__ = ["Entry", "Report", "read_report"]

_Scores = dict[tuple[str, str], float]


@dataclass
class Entry:
    """A row of the report: a checkpoint, or what checkpoints are compared with.

    Attributes:
        name: Name of the row, unique in the report.
        checkpoint: Checkpoint of the row, as its folder describes it.
        sources: Folders that it comes from: one, or several for baselines and references.
    """

    name: str
    checkpoint: SourceCheckpoint
    sources: list[ReportSource]

    def image(self, image: str) -> Path | None:
        """The file with what it made of an image."""
        found = (source.image(self.checkpoint.label, image) for source in self.sources)
        return next((path for path in found if path is not None), None)


@dataclass
class Report:
    """Metrics, rows, scores and charts that a page shows, before statistics.

    Attributes:
        metrics: Metrics, one for each column; two variants of one metric are two of them, with names that tell them
            apart.
        entries: Rows: LQ first, then the checkpoints, then the references.
        images: Names of the images, `<data set>/<key>`.
        scores: Scores `(M, C, P)` float64 of M metrics, C rows and P images; the mean over the references where there
            are several, NaN where there is no score.
        compared: Whether the scores of each metric compare with a reference.
        sources: Folders of the report.
        charts: Charts of the history of trainings, by the folder's name.
        notes: Notes for the reader.
        answers: Logs of the people who compared images of the folders, each with the folder that its keys are below.
    """

    metrics: list[MetricFacts]
    entries: list[Entry]
    images: list[str]
    scores: np.ndarray
    compared: list[bool]
    sources: list[ReportSource]
    charts: dict[str, list[Chart]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    answers: list[tuple[Path, AnswerLog]] = field(default_factory=list)

    @property
    def datasets(self) -> list[str]:
        """Names of the data sets in the order of the images."""
        return list(dict.fromkeys(image.partition("/")[0] for image in self.images))


def read_report(folders: Sequence[str | Path]) -> Report:
    """Read folders of evaluations and trainings and join them.

    Args:
        folders: Any number, in any mixture.

    Raises:
        FileNotFoundError: If a folder does not exist or holds neither; says what was looked for.
        ValueError: If what it holds is damaged, or there is nothing to show.
    """
    sources = [_source(path) for path in {os.path.realpath(folder): Path(folder) for folder in folders}.values()]
    _name_apart(sources)
    _name_sets_apart(sources)
    columns = _Columns(sources)
    entries = _entries(sources, columns)
    images = sorted({image for _, scores in entries for _, image in scores})
    entries = [row for row in entries if row[1] or any(row[0].image(image) for image in images)]
    histories = _histories(sources)
    if not images and not histories:
        raise ValueError(f"nothing to report: {', '.join(str(source.path) for source in sources)} hold no scores yet")
    metrics = columns.facts
    array = np.full((len(metrics), len(entries), len(images)), np.nan)
    numbers = {facts.name: number for number, facts in enumerate(metrics)}
    indices = {image: number for number, image in enumerate(images)}
    for row, (_, scores) in enumerate(entries):
        for (column, image), score in scores.items():
            array[numbers[column], row, indices[image]] = score
    return Report(
        metrics=metrics,
        entries=[entry for entry, _ in entries],
        images=images,
        scores=array,
        compared=[facts in columns.compared for facts in columns.names],
        sources=sources,
        charts=histories,
        notes=[*(note for source in sources for note in source.notes), *columns.notes],
        answers=answer_logs([source.path for source in sources]),
    )


# --- Folders ----------------------------------------------------------------------------------------------------------


def _source(path: Path) -> ReportSource:
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: expected a folder that `iqa-sr evaluate` or a training has written, got none")
    if os.path.lexists(path / RUN_FILE):
        return evaluation_source(path)
    if is_experiment(path):
        return experiment_source(path)
    inside = [
        inner
        for inner in sorted(path.iterdir())
        if (inner / RUN_FILE).is_file() or ExperimentFolder(inner).scores_file.is_file()
    ]
    hint = f"; did you mean {' '.join(str(inner) for inner in inside[:3])}?" if inside else ""
    raise FileNotFoundError(
        f"{path}: expected {RUN_FILE} and scores.csv of an evaluation, or scores.csv of a training, found neither{hint}"
    )


def _name_apart(sources: Sequence[ReportSource]) -> None:
    """Folders of one name get their parent's in front."""
    names = [source.name for source in sources]
    for source in sources:
        if names.count(source.name) > 1:
            source.name = "/".join(source.path.absolute().parts[-2:])
    for number, source in enumerate(sources, start=1):
        if [other.name for other in sources].count(source.name) > 1:
            source.name = f"{source.name} ({number})"


def _name_sets_apart(sources: Sequence[ReportSource]) -> None:
    """Another data set of the same name, as its digest tells, gets the folder's name behind its own."""
    first: dict[str, str] = {}
    for source in sources:
        others = [name for name, digest in source.digests.items() if first.setdefault(name, digest) != digest]
        if others:
            source.rename_sets({name: f"{name} ({source.name.replace('/', ' ')})" for name in others})
            source.notes.append(
                f"{', '.join(others)} of {source.name} holds other files than the data set of this name in the folders "
                "before it, or its LQ images are made otherwise: it is a data set of its own here"
            )


def _histories(sources: Sequence[ReportSource]) -> dict[str, list[Chart]]:
    """The charts of each training, once: under its own folder's name, or that of the first evaluation of it."""
    found: dict[str, list[Chart]] = {}
    known: set[Path] = set()
    for source in sorted(sources, key=lambda one: one.experiment is not None):
        training, charts = Path(source.experiment or source.path), source.charts
        if training.resolve() in known:
            continue
        known.add(training.resolve())
        if source.experiment is not None and training.is_dir():
            charts, notes = training_charts(training)
            source.notes += notes
        if charts:
            found[source.name] = charts
    return found


# --- Columns ----------------------------------------------------------------------------------------------------------


class _Columns:
    """The metrics of all sources: one column for each name and variant.

    Args:
        sources: The folders.
    """

    def __init__(self, sources: Sequence[ReportSource]) -> None:
        self.names: dict[MetricFacts, str] = {}
        self.compared: set[MetricFacts] = set()
        self.notes: list[str] = []
        for source in sources:
            for facts in source.scores.facts.values():
                variants = [known for known in self.names if known.name == facts.name]
                if facts in variants:
                    continue
                self.names[facts] = f"{facts.name} ({len(variants) + 1})" if variants else facts.name
                if len(variants) == 1:
                    self.notes.append(
                        f"{facts.name} was computed in different ways: the columns cannot be compared; "
                        "see what the numbers are"
                    )
            self.compared |= {source.scores.facts[row.metric] for row in source.scores.rows if row.reference}

    @property
    def facts(self) -> list[MetricFacts]:
        """The facts of each column, under the column's name."""
        return [MetricFacts(name, facts.higher_is_better, facts.spec) for facts, name in self.names.items()]

    def scores(self, source: ReportSource, label: str) -> _Scores:
        """The score of each column and image, without those that are not finite."""
        rows = (row for row in source.scores.rows if row.checkpoint == label and math.isfinite(row.score))
        return {
            (self.names[source.scores.facts[metric]], image): score
            for (_, metric), images in image_means(rows).items()
            for image, score in images.items()
        }


# --- Rows -------------------------------------------------------------------------------------------------------------


def _entries(sources: Sequence[ReportSource], columns: _Columns) -> list[tuple[Entry, _Scores]]:
    """LQ, then the checkpoints by folder, training and iteration, then what else they are compared with."""
    rows: list[tuple[tuple[int, int, str, float], Entry, _Scores]] = []
    for number, source in enumerate(sources):
        for label, one in source.checkpoints.items():
            scores = columns.scores(source, label)
            if not (scores or one.reserved) or (one.reserved and _join(rows, source, label, scores)):
                continue
            holders = [other for other in sources if label in other.checkpoints]
            if one.reserved:
                unclear = holders[0] is not source
            else:
                unclear = len(sources) > 1 and (len(holders) > 1 or label.isdigit())
            name = f"{source.name} {label}" if unclear else label or source.name
            group = 1 if not one.reserved else 0 if label in BASELINES else 2
            position = (group, number, one.series, math.inf if one.iteration is None else one.iteration)
            rows.append((position, Entry(name, one, [source]), scores))
    return [(entry, scores) for _, entry, scores in sorted(rows, key=lambda row: row[0])]


def _join(rows: Sequence[tuple[object, Entry, _Scores]], source: ReportSource, label: str, scores: _Scores) -> bool:
    """The baseline of one folder is that of another, if nothing contradicts it."""
    for _, entry, known in rows:
        if entry.checkpoint.label != label or entry.sources[0].scale != source.scale:
            continue
        if all(math.isclose(known.get(key, score), score, rel_tol=1e-4, abs_tol=1e-6) for key, score in scores.items()):
            entry.sources.append(source)
            known.update(scores)
            return True
    return False
