"""Result folders and experiments, joined: every score of every checkpoint of any number of them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from iqa_sr.report.experiments import experiment_source, is_experiment, training_charts
from iqa_sr.report.sources import Source, SourceCheckpoint, evaluation_source
from iqa_sr.report.training_curves import Chart
from iqa_sr.scores.experiment_folder import ExperimentFolder
from iqa_sr.scores.means import image_means
from iqa_sr.scores.result_folder import RESERVED, RUN_FILE
from iqa_sr.scores.score_table import MetricFacts

__all__ = ["Entry", "Report", "read_report"]

_Scores = dict[tuple[str, str], float]


@dataclass
class Entry:
    """A row of the report: a checkpoint, or what checkpoints are compared with.

    Attributes:
        name: What it is called, unique in the report.
        checkpoint: What its folder knows of it.
        sources: The folders it comes from: one, or several for bicubic upscaling and references.
    """

    name: str
    checkpoint: SourceCheckpoint
    sources: list[Source]

    def image(self, picture: str) -> Path | None:
        """The file with what it made of a picture."""
        found = (source.image(self.checkpoint.label, picture) for source in self.sources)
        return next((path for path in found if path is not None), None)


@dataclass
class Report:
    """All that a page shows, before statistics.

    Attributes:
        metrics: The columns; two variants of one metric are two of them, with names that tell them apart.
        entries: The rows: LQ first, then the checkpoints, then the references.
        pictures: Names of the pictures, `<data set>/<key>`.
        scores: `(M, C, P)` float64; the mean over the references where there are several, NaN where there is no score.
        compared: For each column, whether its scores compare with a reference.
        sources: The folders.
        charts: The history of trainings, by the folder's name.
        notes: What a reader should know.
    """

    metrics: list[MetricFacts]
    entries: list[Entry]
    pictures: list[str]
    scores: np.ndarray
    compared: list[bool]
    sources: list[Source]
    charts: dict[str, list[Chart]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def datasets(self) -> list[str]:
        """Names of the data sets in the order of the pictures."""
        return list(dict.fromkeys(picture.partition("/")[0] for picture in self.pictures))


def read_report(folders: Sequence[str | Path]) -> Report:
    """Read folders of evaluations and trainings and join them.

    Args:
        folders: Any number, in any mixture.

    Raises:
        FileNotFoundError: If a folder does not exist or holds neither; says what was looked for.
        ValueError: If what it holds is damaged, or there is nothing to show.
    """
    sources = [_source(path) for path in _unique_paths(folders)]
    _name_apart(sources)
    columns = _Columns(sources)
    entries = _entries(sources, columns)
    pictures = sorted({picture for _, scores in entries for _, picture in scores})
    entries = [row for row in entries if row[1] or any(row[0].image(picture) for picture in pictures)]
    histories = _histories(sources)
    if not pictures and not histories:
        raise ValueError(f"nothing to report: {', '.join(str(source.path) for source in sources)} hold no scores yet")
    return Report(
        metrics=columns.facts,
        entries=[entry for entry, _ in entries],
        pictures=pictures,
        scores=_array([scores for _, scores in entries], columns.facts, pictures),
        compared=[facts in columns.compared for facts in columns.names],
        sources=sources,
        charts=histories,
        notes=[*(note for source in sources for note in source.notes), *columns.notes],
    )


# --- Folders ----------------------------------------------------------------------------------------------------------


def _unique_paths(folders: Iterable[str | Path]) -> list[Path]:
    return list({Path(folder).resolve(): Path(folder) for folder in folders}.values())


def _source(path: Path) -> Source:
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: expected a folder that `iqa-sr evaluate` or a training has written, got none")
    if (path / RUN_FILE).is_file():
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


def _name_apart(sources: Sequence[Source]) -> None:
    """Folders of one name get their parent's in front."""
    names = [source.name for source in sources]
    for source in sources:
        if names.count(source.name) > 1:
            source.name = "/".join(source.path.absolute().parts[-2:])
    for number, source in enumerate(sources, start=1):
        if [other.name for other in sources].count(source.name) > 1:
            source.name = f"{source.name} ({number})"


def _histories(sources: Sequence[Source]) -> dict[str, list[Chart]]:
    """The charts of each training, once: under its own folder's name, or that of the first evaluation of it."""
    found: dict[str, list[Chart]] = {}
    known: set[Path] = set()
    for source in sorted(sources, key=lambda one: one.experiment is not None):
        training = Path(source.experiment or source.path).resolve()
        if training not in known and (charts := _history(source)):
            found[source.name] = charts
        known.add(training)
    return found


def _history(source: Source) -> list[Chart]:
    """The charts of a training, or of the training that the checkpoints of an evaluation come from."""
    if source.experiment is None or not Path(source.experiment).is_dir():
        return source.charts
    charts, notes = training_charts(Path(source.experiment))
    source.notes += notes
    return charts


# --- Columns ----------------------------------------------------------------------------------------------------------


class _Columns:
    """The metrics of all sources: one column for each name and variant.

    Args:
        sources: The folders.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self.names: dict[MetricFacts, str] = {}
        self.compared: set[MetricFacts] = set()
        self.notes: list[str] = []
        for source in sources:
            for facts in source.scores.facts.values():
                if facts not in self.names:
                    self._add(facts)
            self.compared |= {source.scores.facts[row.metric] for row in source.scores.rows if row.reference}

    def _add(self, facts: MetricFacts) -> None:
        variants = [known for known in self.names if known.name == facts.name]
        self.names[facts] = f"{facts.name} ({len(variants) + 1})" if variants else facts.name
        if len(variants) == 1:
            self.notes.append(
                f"{facts.name} was computed in different ways: the columns cannot be compared; see what the numbers are"
            )

    @property
    def facts(self) -> list[MetricFacts]:
        """The facts of each column, under the column's name."""
        return [MetricFacts(name, facts.higher_is_better, facts.spec) for facts, name in self.names.items()]

    def scores(self, source: Source, label: str) -> _Scores:
        """The score of each column and image, without those that are not finite."""
        rows = (row for row in source.scores.rows if row.checkpoint == label and math.isfinite(row.score))
        return {
            (self.names[source.scores.facts[metric]], image): score
            for (_, metric), images in image_means(rows).items()
            for image, score in images.items()
        }


# --- Rows -------------------------------------------------------------------------------------------------------------


def _entries(sources: Sequence[Source], columns: _Columns) -> list[tuple[Entry, _Scores]]:
    rows: list[tuple[Entry, _Scores]] = []
    for source in sources:
        for label, checkpoint in source.checkpoints.items():
            scores = columns.scores(source, label)
            if checkpoint.reserved and _join(rows, source, label, scores):
                continue
            if scores or checkpoint.reserved:
                rows.append((Entry(_name(source, label, sources), checkpoint, [source]), scores))
    return sorted(rows, key=lambda row: _place(row[0], sources))


def _place(entry: Entry, sources: Sequence[Source]) -> tuple[int, int, str, float]:
    """LQ, then the checkpoints by folder, training and iteration, then what else they are compared with."""
    one = entry.checkpoint
    group = 1 if not one.reserved else 0 if one.label == "bicubic" else 2
    return group, sources.index(entry.sources[0]), one.series, math.inf if one.iteration is None else one.iteration


def _join(rows: Sequence[tuple[Entry, _Scores]], source: Source, label: str, scores: _Scores) -> bool:
    """Bicubic upscaling of one folder is that of another, if nothing contradicts it."""
    for entry, known in rows:
        if entry.checkpoint.label != label or entry.sources[0].scale != source.scale:
            continue
        if all(math.isclose(known.get(key, score), score, rel_tol=1e-4, abs_tol=1e-6) for key, score in scores.items()):
            entry.sources.append(source)
            known.update(scores)
            return True
    return False


def _name(source: Source, label: str, sources: Sequence[Source]) -> str:
    """The label, with the folder's name where it would not be clear."""
    holders = [other for other in sources if label in other.checkpoints]
    if label in RESERVED:
        return label if holders[0] is source else f"{source.name} {label}"
    if len(sources) > 1 and (len(holders) > 1 or label.isdigit()):
        return f"{source.name} {label}"
    return label or source.name


def _array(rows: Sequence[_Scores], metrics: Sequence[MetricFacts], pictures: Sequence[str]) -> np.ndarray:
    scores = np.full((len(metrics), len(rows), len(pictures)), np.nan)
    columns = {facts.name: number for number, facts in enumerate(metrics)}
    places = {picture: number for number, picture in enumerate(pictures)}
    for row, found in enumerate(rows):
        for (column, picture), score in found.items():
            scores[columns[column], row, places[picture]] = score
    return scores
