"""The lines of a score table: what a score is of, what has to be known of its metric, and both as text."""

import csv
import json
import math
import re
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import NamedTuple

from iqa_sr.io.json_files import parse_json
from iqa_sr.io.tables import RENAMED, as_number
from iqa_sr.metrics.base import MetricInfo

__all__ = ["COLUMNS", "ORIGIN_COLUMNS", "MetricFacts", "Origin", "ScoreRow", "facts_text", "read_line", "row_text"]

COLUMNS = ("checkpoint", "image", "reference", "metric", "score")
# The last column has 16 digits or none: a line that was torn while it was written cannot pass for a whole one.
ORIGIN_COLUMNS = ("folder", "reference_folder", "reference_sha256", "sha256")
NOT_FINITE = ("nan", "inf", "-inf")  # as they are written
DIGEST = re.compile(r"[0-9a-f]{16}")


class Origin(NamedTuple):
    """The files that a score was computed of; empty texts where that is not known.

    Attributes:
        folder: Absolute path of the folder in which the image lies under its key.
        reference_folder: Absolute path of the folder of the reference; empty for no-reference metrics.
        reference_digest: First 16 hexadecimal digits of the SHA-256 of the reference's file.
        digest: First 16 hexadecimal digits of the SHA-256 of the image's file.
    """

    folder: str = ""
    reference_folder: str = ""
    reference_digest: str = ""
    digest: str = ""


class ScoreRow(NamedTuple):
    """A row of a score table: one score of one image by one metric.

    Attributes:
        checkpoint: Label of the checkpoint or method that made the image, for example `500` or `bicubic`; empty for
            images that were scored as they are.
        image: Key of the image: its path relative to the root that was scored, with forward slashes.
        reference: Name of the reference that the image was compared with; empty for no-reference metrics.
        metric: Name of the metric.
        score: Score on the metric's own scale; NaN where the metric is not defined.
        origin: Folders and digests of the files; unknown in tables of evaluations and trainings, and in those that
            older versions wrote.
    """

    checkpoint: str
    image: str
    reference: str
    metric: str
    score: float
    origin: Origin = Origin()


@dataclass(frozen=True)
class MetricFacts:
    """Facts of a metric that its scores are read with.

    Attributes:
        name: Name of the metric, as in the column `metric`.
        higher_is_better: Direction of the metric: True where a higher score is better.
        spec: Text of one line that pins down the variant.
    """

    name: str
    higher_is_better: bool
    spec: str = ""

    @classmethod
    def of(cls, info: MetricInfo) -> "MetricFacts":
        """The facts of one of our metrics."""
        return cls(info.name, info.higher_is_better, info.spec)


# --- As text ----------------------------------------------------------------------------------------------------------


def facts_text(facts: MetricFacts) -> str:
    """Line of a score table with the facts of a metric."""
    return f"# {json.dumps(asdict(facts))}\n"


def row_text(rows: Iterable[ScoreRow], with_origin: bool) -> str:
    """Lines of a score table, one for each score."""
    lines = []
    for row in rows:
        origin = map(_quoted, row.origin) if with_origin else ()
        lines.append(",".join([*map(_quoted, row[:4]), repr(float(row.score)), *origin]) + "\n")
    return "".join(lines)


def _quoted(name: str) -> str:
    """A cell; csv's own rule of quoting does not know that readers take # for the start of a comment."""
    return '"' + name.replace('"', '""') + '"' if set(',"#') & set(name) else name


def read_line(line: str, columns: tuple[str, ...] = COLUMNS) -> MetricFacts | tuple[str, ...] | ScoreRow:
    """Content of a line: the facts of a metric, the columns of the lines below it as they stand there, or a score.

    Args:
        line: Text of the line without its end.
        columns: Names of the columns of a score.

    Raises:
        ValueError: If it is not what it should be.
    """
    if line.startswith("#"):
        return _read_facts(line)
    try:
        fields = tuple(next(csv.reader([line], strict=True), []))
    except csv.Error:
        fields = ()
    if tuple(RENAMED.get(field, field) for field in fields) in (COLUMNS, COLUMNS + ORIGIN_COLUMNS):
        return fields
    if len(fields) != len(columns):
        raise ValueError(f"expected the columns {','.join(columns)}, got {line[:80]!r}")
    score = float(fields[4]) if fields[4] in NOT_FINITE else as_number(fields[4])
    if not math.isfinite(score) and fields[4] not in NOT_FINITE:
        raise ValueError(f"the score must be a number, got {fields[4]!r}")
    origin = Origin(*map(sys.intern, fields[len(COLUMNS) :]))
    for digest in (origin.reference_digest, origin.digest):
        if digest and not DIGEST.fullmatch(digest):
            raise ValueError(f"expected 16 hexadecimal digits of a SHA-256, got {digest!r}")
    checkpoint, image, reference, metric = fields[:4]
    return ScoreRow(checkpoint, image, reference, metric, score, origin)


def _read_facts(line: str) -> MetricFacts:
    try:
        facts = MetricFacts(**parse_json(line[1:]))
    except (ValueError, TypeError):
        raise ValueError(f"expected # and the facts of a metric as JSON, got {line[:80]!r}") from None
    if not isinstance(facts.name, str) or not isinstance(facts.higher_is_better, bool):
        raise ValueError(f"expected a name and true or false for higher_is_better, got {line[:80]!r}")
    if not isinstance(facts.spec, str):
        raise ValueError(f"expected a text for spec, got {repr(facts.spec)[:80]}")
    return facts
