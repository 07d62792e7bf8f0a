"""ScoreTable: the one file format for scores of images, a CSV file with the facts of its metrics on top.

    # {"name": "niqe", "higher_is_better": false, "spec": "YIQ luma 0..255, rounded; ..."}
    checkpoint,image,reference,metric,score,folder,reference_folder,reference_sha256,sha256
    ,original/p0.png,,niqe,3.2104,/data/HGGT,,,91b6f0c7a51d40ae

The last four columns are an Origin: which files the score is of. A table of which no score has one does without them.

With pandas: `pandas.read_csv(path, comment="#", keep_default_na=False, na_values={"score": "nan"})`, and
`dtype={"sha256": str, "reference_sha256": str}` for the digests.
"""

import codecs
import logging
import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch

from iqa_sr.errors import did_you_mean, same_name
from iqa_sr.io.file_kinds import describe_content
from iqa_sr.io.files import atomic_write, read_file
from iqa_sr.io.tables import current_names
from iqa_sr.metrics.base import MetricInfo
from iqa_sr.scores.means import image_means, mean
from iqa_sr.scores.score_rows import (
    COLUMNS,
    ORIGIN_COLUMNS,
    MetricFacts,
    Origin,
    ScoreRow,
    facts_text,
    read_line,
    row_text,
)

__all__ = ["BASELINE", "BASELINES", "INPUT", "MetricFacts", "Origin", "ScoreRow", "ScoreTable", "baseline_label"]

# In the column checkpoint, what is none: bicubic upscaling, and at scale 1 the untouched input.
BASELINE, INPUT = "bicubic", "input"
BASELINES = (BASELINE, INPUT)

logger = logging.getLogger(__name__)

Names = tuple[str, str, str, str]
"""Checkpoint, image, reference, metric."""
Folders = tuple[str, str]
"""Those of the image and of the reference, from the row's origin."""


def baseline_label(scale: int) -> str:
    """Label of what a network of this scale is compared with."""
    return INPUT if scale == 1 else BASELINE


class ScoreTable:
    """Scores, at most one for each checkpoint, image, reference, metric and their folders: a later row replaces an
    earlier one, and a row whose folder is known one whose folder is not.

    Args:
        facts: The metrics that may occur.
        rows: The scores.

    Attributes:
        facts: The facts by the metric's name.
        path: The file that `append` writes to, or None.
    """

    def __init__(self, facts: Iterable[MetricFacts] = (), rows: Iterable[ScoreRow] = ()) -> None:
        self.facts: dict[str, MetricFacts] = {}
        self.path: Path | None = None
        self._rows: dict[Names, dict[Folders, ScoreRow]] = {}
        for one in facts:
            self.add_facts(one)
        if rows:
            self.append(rows)

    # --- Files --------------------------------------------------------------------------------------------------------

    @classmethod
    def read(cls, path: str | Path) -> "ScoreTable":
        """The table in a file. A last line without its end counts if it is whole; what a crash has torn is dropped.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If a line is not what it should be; the text names file and line.
        """
        return cls._read(path)[0]

    @classmethod
    def open(cls, path: str | Path, facts: Iterable[MetricFacts] = ()) -> "ScoreTable":
        """The table in a file, made if need be, to which `append` adds at once; for one process at a time.

        A last line without its end is dropped where only its end would tell whether it is whole: without an origin.

        Args:
            path: The file; its folder is made.
            facts: Metrics that are added if the file does not have them.

        Raises:
            ValueError: If the file is not a score table, or has other facts of a metric.
            OSError: If it cannot be written.
        """
        path = Path(path)
        table, doubtful = cls._read(path) if path.exists() else (cls(), None)
        if doubtful is not None:
            table._rows[doubtful[:4]].pop(doubtful.origin[:2])
        try:
            for one in facts:
                table.add_facts(one)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        table.path = path
        table.write(path)  # puts new facts to the top and removes a torn last line
        return table

    def write(self, path: str | Path) -> None:
        """Write the whole table, or nothing; the folder is made."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = self.rows
        # What is appended to has the columns of the origin: with them a torn line is known.
        with_origin = self.path is not None or any(any(row.origin) for row in rows)
        columns = COLUMNS + ORIGIN_COLUMNS if with_origin else COLUMNS
        lines = [*map(facts_text, self.facts.values()), ",".join(columns) + "\n", row_text(rows, with_origin)]
        atomic_write(path, "".join(lines).encode("utf-8", "surrogateescape"))  # names of files need not be UTF-8

    # --- Rows ---------------------------------------------------------------------------------------------------------

    @property
    def rows(self) -> list[ScoreRow]:
        """Scores in the order in which they came."""
        return [row for found in self._rows.values() for row in found.values()]

    def __len__(self) -> int:
        return sum(map(len, self._rows.values()))

    def __contains__(self, names: Names) -> bool:
        return bool(self._rows.get(names))

    def found(self, names: Names) -> Mapping[Folders, ScoreRow]:
        """The scores of these names, one for each pair of folders of image and reference."""
        return self._rows.get(names, {})

    def add_facts(self, facts: MetricFacts) -> None:
        """Make a metric known, before its first row.

        Raises:
            ValueError: If other facts of it are known.
        """
        known = self.facts.get(facts.name, facts)
        if known != facts:
            raise ValueError(
                f"two kinds of {facts.name} cannot be in one table:\n  {known}\n  {facts}\n"
                "Write the new scores into another file, or remove the old ones."
            )
        if facts.name not in self.facts:
            self.facts[facts.name] = facts
            if self.path is not None:
                self.write(self.path)

    def append(self, rows: Iterable[ScoreRow]) -> None:
        """Add rows, also to the file if the table was opened with one.

        Raises:
            ValueError: If a row's metric has no facts, or a name holds a line break.
        """
        rows = list(rows)
        for row in rows:
            if row.metric not in self.facts:
                raise ValueError(
                    f"there are no facts of the metric {row.metric!r}; add_facts() comes before its first row"
                )
            for name in (*row[:4], *row.origin):
                if "\n" in name or "\r" in name:
                    raise ValueError(f"a name in a score table cannot hold a line break, got {name!r}")
        if self.path is not None and rows:
            with self.path.open("ab") as file:
                file.write(row_text(rows, with_origin=True).encode("utf-8", "surrogateescape"))
                file.flush()
                os.fsync(file.fileno())
        for row in rows:
            self._put(row._replace(score=float(row.score)))

    def _put(self, row: ScoreRow) -> None:
        found = self._rows.setdefault(row[:4], {})
        if row.origin.folder:
            found.pop(("", ""), None)  # of nobody knows what: it may be this very one
        found[row.origin[:2]] = row

    def drop(self, predicate: Callable[[ScoreRow], bool]) -> int:
        """Remove the rows for which `predicate` holds, also from the file; returns how many they were."""
        kept = [row for row in self.rows if not predicate(row)]
        dropped = len(self) - len(kept)
        if dropped:
            self._rows = {}
            for row in kept:
                self._put(row)
            if self.path is not None:
                self.write(self.path)
        return dropped

    # --- Reading scores -----------------------------------------------------------------------------------------------

    def lookup(self, metric: str, checkpoint: str = "", reference: str = "") -> dict[str, float]:
        """Scores of a metric for one checkpoint and reference, by image.

        Raises:
            ValueError: If the table does not have the metric, or has different scores of an image, of several folders.
        """
        metric, scores = self._known(metric).name, {}
        for names, found in self._rows.items():
            if (names[0], *names[2:]) == (checkpoint, reference, metric) and found:
                scores[names[1]] = self._only(names).score
        return scores

    def digests(self, metric: str) -> dict[str, str]:
        """Digest of the file that the score of each image without reference is of, where that is known.

        Raises:
            ValueError: As `lookup`.
        """
        metric = self._known(metric).name
        keys = [names for names, found in self._rows.items() if (names[0], *names[2:]) == ("", "", metric) and found]
        known = {names[1]: self._only(names).origin.digest for names in keys}
        return {image: digest for image, digest in known.items() if digest}

    def check_folders(self) -> None:
        """Make sure that there is one score for each checkpoint, image, reference and metric.

        Raises:
            ValueError: If there are several of images or references of one name in different folders.
        """
        for names in self._rows:
            self._only(names)

    def oriented(self, metric: str, checkpoint: str = "", reference: str = "") -> dict[str, float]:
        """The quality of each image: its score, turned so that larger is better.

        Raises:
            ValueError: If the table does not have the metric.
        """
        scores = self.lookup(metric, checkpoint, reference)
        known = self._known(metric)
        info = MetricInfo(metric, "none", known.higher_is_better, (-math.inf, math.inf))
        qualities = info.oriented(torch.tensor(list(scores.values()), dtype=torch.float64)).tolist()
        return dict(zip(scores, qualities, strict=True))

    def mean(self, checkpoint: str, metric: str) -> float | None:
        """The mean score over a checkpoint's images, each over its references first; None where there are none.

        Raises:
            ValueError: If the table does not have the metric.
        """
        metric = self._known(metric).name
        found = mean(image_means(self.rows).get((checkpoint, metric), {}).values())
        return None if math.isnan(found) else found

    # --- Details ------------------------------------------------------------------------------------------------------

    def _known(self, metric: str) -> MetricFacts:
        own = same_name(metric, self.facts)
        if own not in self.facts:
            raise ValueError(f"the score table has no metric {metric!r}; {did_you_mean(metric, self.facts)}")
        return self.facts[own]

    def _only(self, names: Names) -> ScoreRow:
        """The score of these names; the last one of several that are the same."""
        found = list(self._rows[names].values())
        if len({repr(row.score) for row in found}) > 1:
            folders = " and ".join(dict.fromkeys(" against ".join(filter(None, row.origin[:2])) for row in found))
            raise ValueError(
                f"the score table has different scores of {names[3]} for {names[1]}: those of {folders}\n"
                "Score each folder into a table of its own (iqa-sr score FOLDER --output ANOTHER.csv)"
            )
        return found[-1]

    @classmethod
    def _read(cls, path: str | Path) -> tuple["ScoreTable", ScoreRow | None]:
        """The table, and the row of a last line without its end if only that would tell that it is whole."""
        content = read_file(path, "score table").removeprefix(codecs.BOM_UTF8)
        try:
            content.partition(b"\n")[0].decode("utf-8")
        except UnicodeDecodeError as error:
            kind = describe_content(content)
            seems = f"; it is {kind}" if kind else f", not even text ({error})"
            raise ValueError(f"{path}: not a score table{seems}") from None
        *lines, last = content.decode("utf-8", "surrogateescape").split("\n")
        table: ScoreTable = cls()
        columns: tuple[str, ...] = COLUMNS
        for number, line in enumerate(lines, start=1):
            try:
                columns, _ = table._take(line, columns, path)
            except ValueError as error:
                kind = describe_content(content) if number == 1 else ""
                if kind and not kind.startswith("text that"):
                    raise ValueError(f"{path}: not a score table; it is {kind}") from None
                raise ValueError(f"{path}, line {number}: {error}") from None
        try:
            columns, row = table._take(last, columns, path) if last else (columns, None)
        except ValueError as error:
            if not lines:  # no table was torn in its first line and has kept nothing of it
                kind = describe_content(content)
                raise ValueError(f"{path}: not a score table; {f'it is {kind}' if kind else error}") from None
            logger.warning("%s: the last line, which has no end, is torn and left out: %.80r", path, last)
            return table, None
        return table, row if columns == COLUMNS else None

    def _take(self, line: str, columns: tuple[str, ...], path: str | Path) -> tuple[tuple[str, ...], ScoreRow | None]:
        """Take up what a line says; returns the columns of the lines below it, and its score if it has one."""
        found = read_line(line.removesuffix("\r"), columns)
        if isinstance(found, MetricFacts):
            self.add_facts(found)
            return columns, None
        if not isinstance(found, ScoreRow):
            return tuple(current_names(found, COLUMNS, path)), None
        if found.metric not in self.facts:
            raise ValueError(f'no line above says # {{"name": "{found.metric}", "higher_is_better": ...}}')
        self._put(found)
        return columns, found
