"""Metrics of sets in a result folder: `set_scores.json`, its one writer and its one reader.

    format      1
    sets        a list of numbers: checkpoint, dataset, metric, patches, value, error, interval, halves, images, rows,
                paired, spec, higher_is_better, digest

The images are those of `images/<checkpoint>/<dataset>`, the references those of `images/original/<dataset>`.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from iqa_sr.config.sections import Section, read_section
from iqa_sr.errors import did_you_mean
from iqa_sr.io.json_files import read_json, write_json
from iqa_sr.scores.result_folder import RUN_FILE, SETS_FILE, RunFacts, read_run
from iqa_sr.scores.score_table import BASELINES
from iqa_sr.set_metrics.base import SetScore

__all__ = ["SetResult", "read_set_results", "set_titles", "write_set_results"]

FORMAT = 1
ADVICE = "delete it and evaluate again with --set"


@dataclass(frozen=True)
class SetResult:
    """A metric of the set of images that a checkpoint made of a data set.

    Attributes:
        label: Label of the checkpoint, or of the baseline.
        dataset: Name of the data set.
        patches: Name of the patches that the images were cut into, as `256` or `256+128`; None for whole images.
        score: The number with its interval.
        spec: One line that pins down what the number is, the hash of the weights included.
        higher_is_better: Direction of the number.
        digest: Digest of the files of images and references; another one is another number.
    """

    label: str
    dataset: str
    patches: str | None
    score: SetScore
    spec: str
    higher_is_better: bool
    digest: str

    @property
    def name(self) -> str:
        """Name of the metric as tables have it: `fid`, of patches `fid@256`."""
        return self.score.metric if self.patches is None else f"{self.score.metric}@{self.patches}"

    @property
    def place(self) -> tuple[str, str, str]:
        """What there is one number of: label, data set and name."""
        return self.label, self.dataset, self.name


class _Entry(Section):
    """A number as the file has it; null is what few images leave unknown."""

    checkpoint: str
    dataset: str
    metric: str
    patches: str | None
    value: float
    error: float | None
    interval: tuple[float | None, float | None]
    halves: float | None
    images: tuple[int, int]
    rows: tuple[int, int]
    paired: bool
    spec: str
    higher_is_better: bool
    digest: str


class _File(Section):
    """Content of `set_scores.json`."""

    format: Literal[1]
    sets: tuple[_Entry, ...]


def write_set_results(folder: str | Path, results: Iterable[SetResult]) -> Path:
    """Write all numbers of a result folder, the whole file or none of it.

    Raises:
        OSError: If it cannot be written.
    """
    path = Path(folder) / SETS_FILE
    write_json(path, {"format": FORMAT, "sets": [_entry(one).model_dump() for one in results]}, indent=1)
    return path


def read_set_results(folder: str | Path) -> list[SetResult]:
    """The numbers of a result folder; none where there is no file of them.

    Raises:
        FileNotFoundError: If there are some, but no `run.json` beside them.
        ValueError: If the file is damaged, or has numbers of a checkpoint or data set that the run does not have.
    """
    path = Path(folder) / SETS_FILE
    try:
        content = read_json(path)
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise ValueError(f"{error}; {ADVICE}") from None
    found = content.get("format") if isinstance(content, dict) else None
    if isinstance(found, int) and found != FORMAT:
        raise ValueError(
            f"{path}: expected format {FORMAT}, got {found}; it was written by another version of iqa-sr: use that "
            f"one, or {ADVICE}"
        )
    run = read_run(folder)
    try:
        entries = read_section(_File, content, str(path)).sets
        _check_entries(entries, run, path)
    except ValueError as error:
        raise ValueError(f"{error}\nIf nobody has edited it, {ADVICE}.") from None
    return [_result(one) for one in entries]


def _check_entries(entries: Sequence[_Entry], run: RunFacts, path: Path) -> None:
    """Check that each number is of what the run has, and stands there once."""
    for one in entries:
        for kind, name, known in (
            ("checkpoint", one.checkpoint, [*run.checkpoints, *BASELINES]),
            ("data set", one.dataset, list(run.datasets)),
        ):
            if name not in known:
                raise ValueError(
                    f"{path}: the {kind} {name!r} is not in {RUN_FILE} beside it; {did_you_mean(name, known)}"
                )
    places = [_result(one).place for one in entries]
    for place in places:
        if places.count(place) > 1:
            label, dataset, name = place
            raise ValueError(f"{path}: expected one {name} of {label}, {dataset}, got {places.count(place)}")


def set_titles(results: Sequence[SetResult]) -> dict[tuple[str, str], str]:
    """Titles of columns by name and spec: the name, and `fid (2)` of another spec, whose numbers are not comparable."""
    titles: dict[tuple[str, str], str] = {}
    for name, spec in dict.fromkeys((one.name, one.spec) for one in results):
        variant = 1 + sum(other == name for other, _ in titles)
        titles[name, spec] = name if variant == 1 else f"{name} ({variant})"
    return titles


def _entry(result: SetResult) -> _Entry:
    score = result.score
    low, high = (_known(end) for end in score.interval)
    return _Entry(
        checkpoint=result.label,
        dataset=result.dataset,
        metric=score.metric,
        patches=result.patches,
        value=score.value,
        error=_known(score.error),
        interval=(low, high),
        halves=_known(score.halves),
        images=score.images,
        rows=score.rows,
        paired=score.paired,
        spec=result.spec,
        higher_is_better=result.higher_is_better,
        digest=result.digest,
    )


def _result(entry: _Entry) -> SetResult:
    low, high = (math.nan if end is None else end for end in entry.interval)
    score = SetScore(
        metric=entry.metric,
        value=entry.value,
        error=math.nan if entry.error is None else entry.error,
        interval=(low, high),
        halves=math.nan if entry.halves is None else entry.halves,
        images=entry.images,
        rows=entry.rows,
        paired=entry.paired,
    )
    return SetResult(
        entry.checkpoint, entry.dataset, entry.patches, score, entry.spec, entry.higher_is_better, entry.digest
    )


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
