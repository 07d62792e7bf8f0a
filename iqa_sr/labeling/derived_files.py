"""Files that are made of the logs, and can be made of them again at any time: labels of groups, the table of pairs.

labels/<rater>/<stem>.json    groups: a rater's labels in HGGT's layout (of its ranges labels/<range>/<rater>/...)
pairs.csv                     pairs and checkpoints: the answers of all raters, one line each
"""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from iqa_sr.data.answers.log import LABELS, LOG, AnswerLog, read_logs
from iqa_sr.data.answers.records import Answer
from iqa_sr.data.multi_gt.records import Label
from iqa_sr.data.preferences.csv_pairs import FILE
from iqa_sr.io.files import atomic_write
from iqa_sr.io.json_files import write_json
from iqa_sr.labeling.collection import Collection, Content
from iqa_sr.labeling.sources import read_collection

__all__ = ["COLUMNS", "check_free", "write_all", "write_labels", "write_pairs"]

COLUMNS = (
    "first", "second", "preference", "content", "kind", "reference", "rater", "seconds", "time", "side", "crop"
)  # fmt: skip
_HEADING = ",".join(COLUMNS)
_LABELS = {"first": Label.POSITIVE, "same": Label.SIMILAR, "second": Label.NEGATIVE}
_TRIES = 10


def check_free(collection: Collection, rater: str) -> None:
    """Check that a rater who has no log yet overwrites nothing that was made otherwise.

    Raises:
        FileExistsError: If there are labels of this name, or a table of pairs that no session has written.
    """
    if collection.mode == "groups":
        folders = {collection.root / content.labels / rater for content in collection.contents}
        for folder in sorted(folders):
            if file := next(folder.glob("*.json"), None):
                raise FileExistsError(
                    f"{file} was not made by this rater's session, which would replace it: take another name (`rater`)"
                )
        return
    table = collection.root / FILE
    if table.is_file() and table.read_bytes()[: len(_HEADING) + 1].rstrip(b"\r\n") != _HEADING.encode():
        raise FileExistsError(
            f"{table} was not made by a session, which would replace it: move it away, or give another `output`"
        )


def write_labels(collection: Collection, rater: str, answers: Sequence[Answer], contents: Iterable[str]) -> None:
    """Write a rater's labels of some contents in HGGT's layout; what has none any more is removed.

    Repeats and known pairs are no labels, and a version that was skipped has none.

    Raises:
        OSError: If a file cannot be written.
    """
    given: dict[str, dict[str, tuple[str, Label]]] = {}
    for answer in answers:
        if answer.question.purpose == "asked" and answer.choice in _LABELS:
            label = answer.question.first, _LABELS[answer.choice]
            given.setdefault(answer.question.content, {})[answer.question.first_version] = label
    known = {content.name: content for content in collection.contents}
    for name in contents:
        if name in known:
            file = collection.root / known[name].labels / rater / f"{name}.json"
            if name in given:
                file.parent.mkdir(parents=True, exist_ok=True)
                write_json(file, _label_file(collection, known[name], given[name]), indent=1)
            else:
                file.unlink(missing_ok=True)


def _label_file(collection: Collection, content: Content, labels: dict[str, tuple[str, Label]]) -> dict[str, Any]:
    """All versions that have a label, also those that this session does not ask about."""
    entries = []
    for version in dict.fromkeys((*collection.versions, *labels)):
        if version == collection.original or version in labels:
            key, label = labels[version] if version in labels else (content.versions[version], None)
            name = key.rpartition("/")[2]
            entries.append({"Name": name, "File": version, "Label": label.value if label else "None"})
    return {f"Image_{number}": entry for number, entry in enumerate(entries, start=1)}


def write_pairs(root: Path) -> None:
    """Write the table of the pairs of all raters' logs.

    Another rater's session may write it at the same time: whoever finds a log longer than it was before the logs were
    read, writes again, so that the last one to write has read all answers.

    Raises:
        OSError: If it cannot be written.
        ValueError: If a log cannot be understood.
    """
    for _ in range(_TRIES):
        before = _lengths(root)
        atomic_write(root / FILE, _table(read_logs(root / LABELS)))
        if _lengths(root) == before:
            return


def write_all(sources: Sequence[str | Path], root: Path) -> list[str]:
    """Write all files that are made of the logs below a folder; returns what could not be written and why.

    Args:
        sources: Sources of the sessions, which labels of groups need.
        root: Folder of the labels.
    """
    logs = list(read_logs(root / LABELS))
    grouped = [log for log in logs if log.facts is not None and log.facts.mode == "groups"]
    failed = []
    try:
        if len(logs) > len(grouped):
            write_pairs(root)
        collection = read_collection(sources, "groups", output=root) if grouped else None
        for log in grouped:
            assert collection is not None and log.facts is not None
            write_labels(collection, log.facts.rater, log.answers, [one.name for one in collection.contents])
    except (OSError, ValueError) as error:
        failed.append(f"{FILE} and the labels of groups are not up to date: {error}")
    return failed


def _lengths(root: Path) -> dict[Path, int]:
    return {file: file.stat().st_size for file in (root / LABELS).glob(f"*/{LOG}")}


def _table(logs: Iterable[AnswerLog]) -> str:
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(COLUMNS)
    for log in logs:
        if log.facts is None or log.facts.mode == "groups":
            continue
        for answer in log.answers:
            if answer.preference is not None:
                writer.writerow(_row(log.facts.rater, answer))
    return lines.getvalue()


def _row(rater: str, answer: Answer) -> list[str]:
    question = answer.question
    numbers = f"{answer.preference:g}", f"{answer.seconds:g}"
    shown = question.left, " ".join(map(str, question.crop))
    images = question.first, question.second
    about = question.content, question.purpose, question.reference or "", rater
    return [*images, numbers[0], *about, numbers[1], answer.time, *shown]
