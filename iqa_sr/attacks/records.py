"""Measured gains of attacks on metrics: written by `iqa-sr attack --record`, read by lists and documents."""

from pathlib import Path
from typing import NamedTuple

from iqa_sr.attacks.summary import AttackSummary, Line
from iqa_sr.io.json_files import read_json, write_json

__all__ = ["SHIPPED", "AttackRecord", "read_records", "write_records"]

SHIPPED = Path(__file__).parent / "data" / "robustness.json"
"""The measurements that come with this package."""


class AttackRecord(NamedTuple):
    """Robustness of one metric, with the images, date and versions of its measurement.

    Attributes:
        summary: Results of the attacks on the metric.
        spec: The metric's variant that was measured, as its facts had it.
        version: Version of this package.
        date: Date of the measurement (UTC), for example 2026-01-31.
        images: Description of the attacked images, for example `4 of 192 px, bicubic x2`.
    """

    summary: AttackSummary
    spec: str
    version: str
    date: str
    images: str


def read_records(path: Path = SHIPPED) -> dict[str, AttackRecord]:
    """The measurements in a file by the metrics' names.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is another kind of file.
    """
    content = read_json(path, "record of attacks")
    try:
        return {name: _record(name, dict(entry)) for name, entry in content.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: expected a file that `iqa-sr attack --record` writes ({type(error).__name__}: {error})"
        ) from error


def write_records(path: Path, records: dict[str, AttackRecord]) -> None:
    """Write measurements into a file; those of other metrics that it holds stay.

    Raises:
        ValueError: If the file is there and of another kind.
        OSError: If it cannot be written.
    """
    everything = {**(read_records(path) if path.exists() else {}), **records}
    content = {}
    for name, record in sorted(everything.items()):
        entry = {**record._asdict(), "summary": record.summary._asdict()}
        entry["summary"]["lines"] = [line._asdict() for line in record.summary.lines]
        content[name] = entry
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, content, indent=1)


def _record(name: str, entry: dict[str, object]) -> AttackRecord:
    summary = dict(entry.pop("summary"))  # type: ignore[call-overload]
    lines = tuple(Line(**line) for line in summary.pop("lines"))
    masking = tuple(summary.pop("masking"))
    return AttackRecord(summary=AttackSummary(**summary, lines=lines, masking=masking), **entry)  # type: ignore[arg-type]
