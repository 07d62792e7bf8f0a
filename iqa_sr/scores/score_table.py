"""ScoreTable: the one file format for scores of pictures, a CSV file with the facts of its metrics on top.

    # {"name": "niqe", "higher_is_better": false, "spec": "YIQ luma 0..255, rounded; ..."}
    checkpoint,picture,reference,metric,score
    ,original/p0.png,,niqe,3.2104

With pandas: `pandas.read_csv(path, comment="#", keep_default_na=False, na_values={"score": "nan"})`.

Of several processes each writes a shard, a table of its own; the shards are merged into one.
"""

import csv
import glob
import json
import math
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from iqa_sr.errors import nearest
from iqa_sr.io.files import atomic_write, read_file
from iqa_sr.io.json_files import parse_json
from iqa_sr.metrics.base import MetricInfo
from iqa_sr.scores.means import image_means, mean

__all__ = ["BASELINE", "MetricFacts", "ScoreRow", "ScoreTable", "merge_tables", "shard_path", "unfinished_shards"]

# In the column checkpoint: bicubic upscaling, which is no checkpoint.
BASELINE = "bicubic"
COLUMNS = ("checkpoint", "picture", "reference", "metric", "score")


class ScoreRow(NamedTuple):
    """One score.

    Attributes:
        checkpoint: What made the picture, for example `bicubic` or `500`; empty for pictures that were just there.
        picture: The picture's key: its path relative to the root that was scored, with forward slashes.
        reference: What it was compared with; empty for no-reference metrics.
        metric: The metric's name.
        score: On the metric's own scale; NaN where the metric is not defined.
    """

    checkpoint: str
    picture: str
    reference: str
    metric: str
    score: float


@dataclass(frozen=True)
class MetricFacts:
    """What has to be known of a metric to read its scores.

    Attributes:
        name: As in the column `metric`.
        higher_is_better: Its direction.
        spec: One line that pins down the variant.
    """

    name: str
    higher_is_better: bool
    spec: str = ""

    @classmethod
    def of(cls, info: MetricInfo) -> "MetricFacts":
        """The facts of one of our metrics."""
        return cls(info.name, info.higher_is_better, info.spec)


class ScoreTable:
    """Scores, at most one for each checkpoint, picture, reference and metric: a later row replaces an earlier one.

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
        self._scores: dict[tuple[str, str, str, str], float] = {}
        for one in facts:
            self.add_facts(one)
        if rows:
            self.append(rows)

    # --- Files --------------------------------------------------------------------------------------------------------

    @classmethod
    def read(cls, path: str | Path) -> "ScoreTable":
        """The table in a file. A last line without its end, left by a crash, is dropped.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If a line is not what it should be; the text names file and line.
        """
        content = read_file(path, "score table")
        try:  # names of files need not be UTF-8: theirs keep their own bytes
            text = content[: content.rfind(b"\n") + 1].decode("utf-8", "surrogateescape")
            text.partition("\n")[0].encode("utf-8")
        except UnicodeError as error:
            raise ValueError(f"{path}: not a score table, not even text ({error})") from None
        table = cls()
        for number, line in enumerate(text.split("\n")[:-1], start=1):
            try:
                table._read_line(line.removesuffix("\r"))
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from None
        return table

    @classmethod
    def open(cls, path: str | Path, facts: Iterable[MetricFacts] = ()) -> "ScoreTable":
        """The table in a file, made if need be, to which `append` adds at once; for one process at a time.

        Args:
            path: The file; its folder is made.
            facts: Metrics that are added if the file does not have them.

        Raises:
            ValueError: If the file is not a score table, or has other facts of a metric.
            OSError: If it cannot be written.
        """
        path = Path(path)
        table = cls.read(path) if path.exists() else cls()
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
        lines = [f"# {json.dumps(asdict(facts))}" for facts in self.facts.values()]
        atomic_write(path, "\n".join([*lines, ",".join(COLUMNS)]) + "\n" + _text(self.rows))

    # --- Rows ---------------------------------------------------------------------------------------------------------

    @property
    def rows(self) -> list[ScoreRow]:
        """All scores in the order in which they came."""
        return [ScoreRow(*key, score) for key, score in self._scores.items()]

    def __len__(self) -> int:
        return len(self._scores)

    def __contains__(self, key: tuple[str, str, str, str]) -> bool:
        return tuple(key) in self._scores

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
            for name in row[:4]:
                if "\n" in name or "\r" in name:
                    raise ValueError(f"a name in a score table cannot hold a line break, got {name!r}")
        if self.path is not None and rows:
            with self.path.open("a", encoding="utf-8", errors="surrogateescape", newline="") as file:
                file.write(_text(rows))
                file.flush()
                os.fsync(file.fileno())
        self._scores |= {row[:4]: float(row.score) for row in rows}

    def drop(self, predicate: Callable[[ScoreRow], bool]) -> int:
        """Remove the rows for which `predicate` holds, also from the file; returns how many they were."""
        kept = [row for row in self.rows if not predicate(row)]
        dropped = len(self) - len(kept)
        if dropped:
            self._scores = {row[:4]: row.score for row in kept}
            if self.path is not None:
                self.write(self.path)
        return dropped

    # --- Reading scores -----------------------------------------------------------------------------------------------

    def lookup(self, metric: str, checkpoint: str = "", reference: str = "") -> dict[str, float]:
        """The score of each picture.

        Raises:
            ValueError: If the table does not have the metric.
        """
        self._known(metric)
        wanted = (checkpoint, reference, metric)
        return {row.picture: row.score for row in self.rows if (row.checkpoint, row.reference, row.metric) == wanted}

    def oriented(self, metric: str, checkpoint: str = "", reference: str = "") -> dict[str, float]:
        """The quality of each picture: its score, turned so that larger is better.

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
        self._known(metric)
        found = mean(image_means(self.rows).get((checkpoint, metric), {}).values())
        return None if math.isnan(found) else found

    # --- Details ------------------------------------------------------------------------------------------------------

    def _known(self, metric: str) -> MetricFacts:
        if metric not in self.facts:
            raise ValueError(f"the score table has no metric {metric!r}; {nearest(metric, self.facts)}")
        return self.facts[metric]

    def _read_line(self, line: str) -> None:
        if line.startswith("#"):
            try:
                facts = MetricFacts(**parse_json(line[1:]))
            except (ValueError, TypeError):
                raise ValueError(f"expected # and the facts of a metric as JSON, got {line[:80]!r}") from None
            if not isinstance(facts.name, str) or not isinstance(facts.higher_is_better, bool):
                raise ValueError(f"expected a name and true or false for higher_is_better, got {line[:80]!r}")
            if not isinstance(facts.spec, str):
                raise ValueError(f"expected a text for spec, got {repr(facts.spec)[:80]}")
            self.add_facts(facts)
            return
        try:
            fields = tuple(next(csv.reader([line], strict=True), []))
        except csv.Error:
            fields = ()
        if len(fields) != len(COLUMNS):
            raise ValueError(f"expected the columns {','.join(COLUMNS)}, got {line[:80]!r}")
        if fields == COLUMNS:
            return
        checkpoint, picture, reference, metric, text = fields
        try:
            score = float(text)
        except ValueError:
            raise ValueError(f"the score must be a number, got {text!r}") from None
        if metric not in self.facts:
            raise ValueError(f'no line above says # {{"name": "{metric}", "higher_is_better": ...}}')
        self._scores[checkpoint, picture, reference, metric] = score


def _text(rows: Iterable[ScoreRow]) -> str:
    lines = []
    for row in rows:  # csv's own rule of quoting does not know that readers take # for the start of a comment
        names = ('"' + name.replace('"', '""') + '"' if set(',"#') & set(name) else name for name in row[:4])
        lines.append(",".join([*names, repr(float(row.score))]) + "\n")
    return "".join(lines)


# --- Shards -----------------------------------------------------------------------------------------------------------


def shard_path(output: str | Path, shard: tuple[int, int]) -> Path:
    """Where a process writes: the output itself, or with several processes `OUTPUT.shard-RANK-of-WORLD`."""
    output, (rank, world) = Path(output), shard
    return output if world == 1 else output.with_name(f"{output.name}.shard-{rank}-of-{world}")


def unfinished_shards(output: str | Path) -> list[Path]:
    """Shards of any run into this output that were not merged yet, sorted."""
    output = Path(output)
    return sorted(output.parent.glob(f"{glob.escape(output.name)}.shard-*-of-*"))


def merge_tables(paths: Iterable[str | Path], output: str | Path) -> ScoreTable:
    """Join score tables into one file; rows are sorted by picture, so that the number of shards leaves no trace.

    Args:
        paths: The tables; of two scores for the same thing the later table's counts.
        output: The joint table; may be one of them.

    Raises:
        FileNotFoundError: If a table does not exist.
        ValueError: If a file is not a score table, or two tables hold different kinds of one metric.
    """
    tables = [ScoreTable.read(path) for path in paths]
    joint = ScoreTable(facts for table in tables for facts in table.facts.values())
    joint.append(row for table in tables for row in table.rows)
    joint = ScoreTable(joint.facts.values(), sorted(joint.rows, key=lambda row: row[:4]))
    joint.write(output)
    return joint
