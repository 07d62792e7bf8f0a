"""A rater's session: the question that is asked now, and what becomes of the answer. Knows no browser."""

import logging
import math
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from iqa_sr.data.answers.log import LABELS, LOG, AnswerLog
from iqa_sr.data.answers.records import CHOICES, Answer, Choice, Mode, Order, Question
from iqa_sr.labeling.ahead import CopiesAhead
from iqa_sr.labeling.beginning import check_same, new_facts, read_until
from iqa_sr.labeling.collection import Collection
from iqa_sr.labeling.derived_files import check_free, write_labels, write_pairs
from iqa_sr.labeling.pixels import as_png, read_pixels
from iqa_sr.labeling.preparation import check_answered, prepared
from iqa_sr.labeling.progress import Progress, StaleAnswer
from iqa_sr.labeling.questions import Draft, Questions
from iqa_sr.labeling.raters import check_rater
from iqa_sr.labeling.sources import read_collection
from iqa_sr.labeling.summary import WIDTH, summary_lines, worth_so_far
from iqa_sr.labeling.worth import MARGIN, Until
from iqa_sr.runtime.folder_lock import locked

__all__ = ["LabelSession", "open_session"]

logger = logging.getLogger(__name__)

COUNT = 200
"""Number of questions of a session about pairs, where no other is asked for."""


class LabelSession:
    """Session of one rater; all methods may be called by several threads at once.

    To be opened by `open_session`, and closed: as a context, or by `close`.

    Args:
        collection: Collection that is asked about.
        log: The rater's log; it has begun.
        count: Largest number of questions, known pairs and repeats included; None: until every pair was asked for.
        until: Sequential test that ends the session as soon as it has decided; None: there is none.
        width: Wanted width of the scores' 95 % intervals, in logits, which progress and summary go by.

    Attributes:
        collection: Collection that is asked about.
        until: Sequential test that ends the session.
        width: Wanted width of the scores' intervals.
        rater: Name of the rater.
        mode: Kind of question.
        notes: Remarks for the user at the beginning, a line each.
    """

    rater: str
    mode: Mode

    def __init__(
        self,
        collection: Collection,
        log: AnswerLog,
        count: int | None,
        until: Until | None = None,
        width: float = WIDTH,
    ) -> None:
        assert log.facts is not None
        self.collection, self.until, self.width = collection, until, width
        self.rater, self.mode = log.facts.rater, log.facts.mode
        self._log = log
        self._questions = Questions(collection, log.facts.order, log.facts.seed)
        self._count = count
        self._planned = self._questions.planned(count, log.answers)
        self._seed = log.facts.seed
        self._draft: Draft | None = self._next_draft()
        self._current: Question | None = None  # the draft with its images, once it was asked for
        self._lock = threading.RLock()
        self._opened = ExitStack()
        self._unwritten = ""
        self._ahead: CopiesAhead | None = None
        self.notes = list(collection.notes)

    @property
    def folder(self) -> Path:
        """Folder of the rater's log."""
        return self._log.file.parent

    def current(self) -> Question | None:
        """The question that is asked now; None where the session has ended.

        The degraded copy of a known pair is on the disk when it returns.

        Raises:
            DataError: If an image is gone, damaged or another one: the data set has changed under the session.
            OSError: If the degraded copy cannot be written; may be asked again.
        """
        with self._lock:
            if self._current is None and self._draft is not None:
                self._current = prepared(self._draft, self.collection, self._seed)
            return self._current

    def answer(self, number: int, choice: Choice, seconds: float) -> None:
        """Take the answer to the question that is asked now; it is on the disk when this returns.

        Args:
            number: Number of the question that is answered.
            choice: Answer, one of `CHOICES`.
            seconds: Seconds from the first sight of the question to the answer.

        Raises:
            StaleAnswer: If another question is asked now, or none.
            ValueError: If there is no such choice, or the time is no finite number of at least 0.
            OSError: If the answer cannot be written; then it is not taken, and may be given again.
        """
        with self._lock:
            question = self.current()
            if question is None or question.number != number:
                now = "nothing" if question is None else f"question {question.number}"
                raise StaleAnswer(f"{now} is asked now, not question {number}")
            if choice not in CHOICES:
                raise ValueError(f"expected one of {', '.join(CHOICES)}, got {choice!r}")
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            self._log.append(Answer(question=question, choice=choice, seconds=round(seconds, 3), time=now))
            self._changed(question)

    def undo(self) -> None:
        """Take the last answer back; its question is asked again, the same. Without an answer nothing happens.

        Raises:
            OSError: If that cannot be written; then the answer stays.
        """
        with self._lock:
            taken_back = self._log.undo()
            if taken_back is not None:
                self._changed(taken_back.question)
                # As the draft, but for images that have changed meanwhile: it is the same question.
                self._current = taken_back.question

    def progress(self) -> Progress:
        """How far the session has come."""
        with self._lock:
            answers = self._log.answers
            planned = None if self.until else max(self._planned, len(answers))
            message = self._unwritten or worth_so_far(self.mode, answers, self.until, self.width)
            return Progress(len(answers), planned, message, self._draft is None and self._current is None)

    @property
    def could_go_on(self) -> bool:
        """Check whether the session has ended by its number of questions alone, and a larger one would ask more."""
        with self._lock:
            answers = self._log.answers
            decided = self.until is not None and self.until.test(answers).decision != "undecided"
            return self.progress().finished and not decided and self._questions.next(answers) is not None

    def image(self, key: str) -> bytes:
        """PNG of an image of the question that is asked now: 8-bit RGB, its true pixels, and nothing else.

        Raises:
            KeyError: If the key is not that of an image of this question.
            FileNotFoundError, ValueError: If the image is gone or damaged.
        """
        question = self.current()
        if question is None or key not in {question.first, question.second, question.reference, question.lq} - {None}:
            raise KeyError(key)
        return as_png(read_pixels(self.collection.root, key))

    def summary(self) -> list[str]:
        """What the answers of all raters are worth, lines of text with the names of the versions.

        Raises:
            ValueError, OSError: If another rater's log cannot be read.
        """
        return summary_lines(self.collection.root, self.width, self.until)

    def close(self) -> None:
        """Let other processes have the rater's log."""
        self._opened.close()

    def prepare_ahead(self) -> None:
        """From now on, make the degraded copy of the next known pair while the questions before it are answered."""
        with self._lock:
            if self._ahead is None:
                self._ahead = CopiesAhead(self._questions, self._seed)
                self._opened.callback(self._ahead.close)
                self._ahead.after(len(self._log.answers))

    def write_derived(self) -> None:
        """Write all that is made of the logs; where it fails, `progress` tells, and the next answer tries again."""
        with self._lock:
            self._write_derived({content.name for content in self.collection.contents})

    def _write_derived(self, contents: set[str]) -> None:
        try:
            if self.mode == "groups":
                write_labels(self.collection, self.rater, self._log.answers, contents)
            else:
                write_pairs(self.collection.root)
            self._unwritten = ""
        except (OSError, ValueError) as error:  # no answer is lost by it
            self._unwritten = f"The answers are kept, but what is made of them could not be written: {error}"
            logger.warning("%s", self._unwritten)

    def _changed(self, question: Question) -> None:
        self._draft, self._current = self._next_draft(), None
        if self._ahead is not None and self._draft is not None:
            self._ahead.after(len(self._log.answers))
        everything = {content.name for content in self.collection.contents}
        self._write_derived(everything if self._unwritten else {question.content})

    def _next_draft(self) -> Draft | None:
        answers = self._log.answers
        if self.until is not None and self.until.test(answers).decision != "undecided":
            return None
        return self._questions.next(answers) if self._count is None or len(answers) < self._count else None

    def __enter__(self) -> "LabelSession":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_session(
    sources: Sequence[str | Path],
    rater: str,
    *,
    mode: Mode | None = None,
    order: Order | None = None,
    seed: int | None = None,
    count: int | None = None,
    checkpoints: Sequence[str] = (),
    until: float | None = None,
    margin: float = MARGIN,
    width: float = WIDTH,
    output: str | Path | None = None,
    command: str = "iqa-sr label",
) -> LabelSession:
    """Begin a rater's session, or go on with it.

    Args:
        sources: A multi-GT data set, result folders, or a folder of folders; see `read_collection`.
        rater: Name of the rater.
        mode: Kind of question; None: what goes with the sources.
        order: Order of the questions; None: that of the session, of a new one `active` for pairs of three versions and
            more, else `random`.
        seed: Seed of the questions; None: that of the session, of a new one 0.
        count: Number of questions after which the session ends; None: 200, or all if there are fewer; of groups, and
            with `until`, all.
        checkpoints: Versions that are asked about; empty: see `read_collection`.
        until: Confidence in (0, 1) with which two versions are told apart, or are shown to be alike, when the session
            ends; None: it does not end by that.
        margin: Distance of the preference from 0.5 below which two versions are alike, in [0, 0.5).
        width: Wanted width of the scores' 95 % intervals, in logits.
        output: Folder of the labels, above all images; None: see `read_collection`.
        command: Command that this process runs, for the error of another one of the same rater.

    Raises:
        FileNotFoundError, ValueError, DataError: As `read_collection`; or if the name, the count or the seed cannot be
            used, the session has begun otherwise, or images that were answered about are gone or others.
        FileExistsError: If the session would replace labels or pairs that no session has made.
        TrainingStopped: If another process has the rater's session; says which.
        OSError: If the log cannot be read or written.
    """
    rater = check_rater(rater)
    for name, value, least in (("count", count, 1), ("seed", seed, 0)):
        if value is not None and value < least:
            raise ValueError(f"`{name}`: expected at least {least}, got {value}")
    if not 0 < width < math.inf:
        raise ValueError(f"`width`: expected a number of logits above 0, got {width}; usual is {WIDTH:g}")
    collection = read_collection(sources, mode, checkpoints, output)
    ending = read_until(collection, checkpoints, until, margin)
    if count is None and collection.mode != "groups" and ending is None:
        count = COUNT
    folder = collection.root / LABELS / rater
    with ExitStack() as opened:
        opened.enter_context(locked(folder, command))
        log = AnswerLog(folder / LOG)
        if log.facts is None:
            check_free(collection, rater)
            log.begin(new_facts(collection, rater, order, seed))
        else:
            check_same(log.facts, rater, collection.mode, order, seed)
            check_answered(collection.root, log)
        session = LabelSession(collection, log, count, ending, width)
        session.write_derived()
        if log.facts is not None and log.facts.digest != collection.digest:
            session.notes.append(f"the images have changed since {rater} began; the session goes on with those of now")
        if session.could_go_on:
            more = len(log.answers) + COUNT
            session.notes.append(
                f"all {len(log.answers)} questions that were planned are answered; count {more} asks more"
            )
        session._opened = opened.pop_all()
    return session
