"""The log of a rater's answers: lines of JSON that are on the disk before the next question is shown.

LABELS/<rater>/answers.jsonl
{"session": {...}}        SessionFacts, the first line
{"answer": {...}}         Answer
{"undo": 17}              the answer to question 17, the last one, is taken back
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from iqa_sr.config.sections import read_section
from iqa_sr.data.answers.records import Answer, SessionFacts
from iqa_sr.io.files import check_file
from iqa_sr.io.json_files import parse_json

__all__ = ["LABELS", "LOG", "AnswerLog", "read_logs"]

LABELS = "labels"
"""Folder of the raters' folders below a data set or a result folder."""
LOG = "answers.jsonl"


class AnswerLog:
    """Log of a rater's answers; each of them is on the disk when `append` returns.

    A line that a crash has cut off was never answered to; it is removed when the log is opened for writing.

    Args:
        file: File of the log.

    Attributes:
        file: File of the log.
        facts: What its answers have in common; None of a log that has not begun.
        answers: Answers that were not taken back, in their order.

    Raises:
        ValueError: If a line cannot be understood; says which.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.facts: SessionFacts | None = None
        self.answers: list[Answer] = []
        self._length = 0  # bytes of whole lines
        if os.path.lexists(file):
            self._read()

    def begin(self, facts: SessionFacts) -> None:
        """Write the first line; the folder is made.

        Raises:
            ValueError: If the log has begun already.
            OSError: If it cannot be written.
        """
        if self.facts is not None:
            raise ValueError(f"{self.file}: the log has begun already")
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._append("session", facts.model_dump(mode="json"))
        self.facts = facts

    def append(self, answer: Answer) -> None:
        """Keep an answer.

        Raises:
            OSError: If it cannot be written; then it is not kept, and may be given again.
        """
        self._append("answer", answer.model_dump(mode="json"))
        self.answers.append(answer)

    def undo(self) -> Answer | None:
        """Take the last answer back; None if there is none.

        Raises:
            OSError: If it cannot be written; then the answer stays.
        """
        if not self.answers:
            return None
        self._append("undo", self.answers[-1].question.number)
        return self.answers.pop()

    def _append(self, event: str, content: Any) -> None:
        line = (json.dumps({event: content}, ensure_ascii=True) + "\n").encode("ascii")
        create = 0 if self._length else os.O_CREAT
        descriptor = os.open(self.file, os.O_RDWR | create | getattr(os, "O_BINARY", 0), 0o666)
        try:
            self._check_own(descriptor)
            os.ftruncate(descriptor, self._length)  # what a crash or a full disk has left of a line
            os.lseek(descriptor, 0, os.SEEK_END)
            written = 0
            try:
                while written < len(line):
                    written += os.write(descriptor, line[written:])
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, self._length)
                raise
        finally:
            os.close(descriptor)
        if not self._length:
            _sync_folder(self.file.parent)  # the name of the new file
        self._length += len(line)

    def _check_own(self, descriptor: int) -> None:
        """Check that nobody else has changed the file, where there are no locks: nothing is cut off, nothing padded."""
        length = os.fstat(descriptor).st_size
        os.lseek(descriptor, self._length, os.SEEK_SET)
        if length < self._length or b"\n" in os.read(descriptor, max(0, length - self._length)):
            raise OSError(f"{self.file}: another program has changed this log; start the command again, only once")

    def _read(self) -> None:
        check_file(self.file, "log of answers")
        content = self.file.read_bytes()
        lines = content.split(b"\n")
        self._length = len(content) - len(lines[-1])
        for number, line in enumerate(lines[:-1], start=1):
            where = f"{self.file}, line {number}"
            try:
                entry = parse_json(line.decode("utf-8"))
                if not isinstance(entry, dict) or len(entry) != 1:
                    raise ValueError(f"expected one of session, answer and undo, got {line[:80]!r}")
                ((event, value),) = entry.items()
                self._take(event, value, where)
            except ValueError as error:
                text = str(error)
                raise ValueError(text if text.startswith(where) else f"{where}: {text}") from None

    def _take(self, event: str, value: Any, where: str) -> None:
        if (event == "session") != (self.facts is None):
            raise ValueError("expected the facts of the session in the first line, and nowhere else")
        if event == "session":
            self.facts = read_section(SessionFacts, value, where)
        elif event == "answer":
            answer = read_section(Answer, value, where)
            if answer.question.number != len(self.answers) + 1:
                raise ValueError(f"expected question {len(self.answers) + 1}, got {answer.question.number}")
            self.answers.append(answer)
        elif event == "undo" and self.answers and value == len(self.answers):
            self.answers.pop()
        else:
            raise ValueError(f"expected an answer, or undo of question {len(self.answers)}, got {event!r}")


def read_logs(folder: Path) -> Iterator[AnswerLog]:
    """The logs of all raters below a folder of labels that have begun, by the raters' names.

    Args:
        folder: Holds a folder for each rater; need not be there.

    Raises:
        ValueError: If a log cannot be understood.
    """
    for file in sorted(folder.glob(f"*/{LOG}")):
        log = AnswerLog(file)
        if log.facts is not None:
            yield log


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # it has no descriptors of folders
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
