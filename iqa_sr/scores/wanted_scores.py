"""Scores of image files that are wanted, and those that a table has: by content, not by name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from iqa_sr.io.image_stores import ImageStore, name_problem
from iqa_sr.metrics.registry import metric_info, metric_spec
from iqa_sr.scores.image_batches import read_digests
from iqa_sr.scores.reference_names import NameTemplate
from iqa_sr.scores.score_table import MetricFacts, Names, Origin, ScoreRow, ScoreTable

__all__ = ["References", "ScoringRules", "SortedScores", "WantedScores"]

NO_REFERENCE = "no reference of the same name"


@dataclass(frozen=True)
class ScoringRules:
    """Rules by which files are scored, beside the metrics' own.

    Attributes:
        border: Pixels cut from each side of image and reference before scoring, at least 0.
        template: How images are called after their references; None: as these are.
        find: Function of the images' keys, the folder of references and the template that finds several references of
            each, in several parts; None: there is one, of the same path.

    Raises:
        ValueError: If the border is negative.
    """

    border: int = 0
    template: NameTemplate | None = None
    find: "Callable[[Sequence[str], Path, NameTemplate | None], Sequence[References]] | None" = None

    def __post_init__(self) -> None:
        if self.border < 0:
            raise ValueError(f"`border`: expected at least 0 px, got {self.border}")


@dataclass(frozen=True)
class References:
    """References of images, and reasons why some have none.

    Attributes:
        store: Store of the references; None where there are none.
        keys: Key of the reference in that store, by the image's key.
        names: Text of the column `reference`, by the image's key.
        problems: Reason why an image has no reference, where it is not simply missing, by the image's key.
    """

    store: ImageStore | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


def _text(folder: Path) -> str:
    """The absolute path in one line of text, whatever its name holds, with forward slashes."""
    path = folder.resolve().as_posix()
    return path if path.isprintable() else ascii(path)


class SortedScores(NamedTuple):
    """Scores that are wanted, sorted by whether they are there.

    Attributes:
        kept: Rows of the scores that are there, of the files as they are now.
        copied: Rows among `kept` that were there under another name or folder only.
        stale: Rows that are there under the names wanted, and are of other files or do not say of which.
        missing: Metrics that have to be computed, by the image's key.
    """

    kept: list[ScoreRow]
    copied: list[ScoreRow]
    stale: set[tuple[Names, Origin]]
    missing: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class WantedScores:
    """Scores that are wanted of the images below one root.

    Attributes:
        root: Folder that the keys are relative to.
        keys: Keys of the images.
        metrics: Own names of the metrics, each once.
        references: References that the full-reference metrics compare with.
        border: Pixels cut from each side before scoring.
    """

    root: Path
    keys: Sequence[str]
    metrics: Sequence[str]
    references: References
    border: int = 0

    @property
    def facts(self) -> list[MetricFacts]:
        """Facts of the metrics; a border that is cut belongs to what a score is."""
        crop = f"; crop {self.border}" if self.border else ""
        infos = [metric_info(name) for name in self.metrics]
        return [MetricFacts(info.name, info.higher_is_better, metric_spec(info.name) + crop) for info in infos]

    def row(self, key: str, metric: str, score: float, digests: tuple[str, str]) -> ScoreRow:
        """The row of a score: `digests` are those of the image and of its reference."""
        folder, (digest, reference_digest) = _text(self.root), digests
        if metric_info(metric).reference == "none":
            return ScoreRow("", key, "", metric, score, Origin(folder, "", "", digest))
        assert self.references.store is not None
        reference_folder = _text(self.references.store.root)
        origin = Origin(folder, reference_folder, reference_digest, digest)
        return ScoreRow("", key, self.references.names[key], metric, score, origin)

    def usable(self, key: str) -> list[str]:
        """The metrics that an image can be scored by: with a reference, or without; none if its name has no line."""
        if name_problem(key):
            return []
        return [name for name in self.metrics if key in self.references.keys or metric_info(name).reference == "none"]

    def lacking(self) -> dict[str, str]:
        """Reasons why some of the metrics cannot be had, by the image's key."""
        keys = [key for key in self.keys if len(self.usable(key)) < len(self.metrics)]
        return {key: name_problem(key) or self.references.problems.get(key, NO_REFERENCE) for key in keys}

    def sorted_by(self, tables: Sequence[ScoreTable], digests: Mapping[str, str] | None = None) -> SortedScores:
        """Sort the wanted scores into those that tables hold and those that are missing.

        Args:
            tables: Tables that may hold the scores; of two of the same files the later table's counts.
            digests: Digests of images and references by key, where both have one root and were read already; None: they
                are read, unless there is no score at all.
        """
        result = SortedScores([], [], set(), {})
        known = {(row.metric, row.origin[2:]): row.score for table in tables for row in table.rows if row.origin.digest}
        images, references = self._digests(any(map(len, tables))) if digests is None else (digests, digests)
        for key in self.keys:
            missing = []
            for metric in self.usable(key):
                row = self.row(key, metric, 0.0, (images.get(key, ""), self._reference(references, key)))
                found = {folders: one for table in tables for folders, one in table.found(row[:4]).items()}
                same_names = [found[folders] for folders in (row.origin[:2], ("", "")) if folders in found]
                if not row.origin.digest or (row.reference and not row.origin.reference_digest):
                    # What cannot be read cannot be scored: whatever is there stays.
                    result.kept.extend(same_names[:1])
                    missing += [metric] if not same_names else []
                elif (score := known.get((metric, row.origin[2:]))) is not None:
                    row = row._replace(score=score)
                    result.kept.append(row)
                    result.copied.extend([row] if row.origin not in [one.origin for one in same_names] else [])
                    result.stale.update((one[:4], one.origin) for one in same_names if one.origin != row.origin)
                else:
                    missing.append(metric)
                    result.stale.update((one[:4], one.origin) for one in same_names)
            if missing:
                result.missing[key] = tuple(missing)
        return result

    def _digests(self, needed: bool) -> tuple[dict[str, str], dict[str, str]]:
        """Digests of the images and of their references, by the keys of each."""
        if not needed:
            return {}, {}
        store, wanted = self.references.store, self.references.keys
        keys = [wanted[key] for key in self.keys if key in wanted]
        return read_digests(ImageStore(self.root), self.keys), read_digests(store, keys) if store else {}

    def _reference(self, digests: Mapping[str, str], key: str) -> str:
        return digests.get(self.references.keys.get(key, ""), "")
