"""What a page asks of a session and gets: values for JSON, without HTTP."""

import hmac
import threading
from typing import Any, Literal

from pydantic import Field

from iqa_sr.config.sections import Section, read_section
from iqa_sr.data.answers.records import Choice, Question
from iqa_sr.errors import OptionError
from iqa_sr.labeling.progress import StaleAnswer
from iqa_sr.labeling.session import LabelSession

__all__ = ["SIDES", "Exchange", "UnknownImage"]

SIDES = ("left", "right", "lq", "original")
"""Images of a question by what a page calls them. In `groups` the left one is the version and the right one the
original."""
_GROUPS = {"better": "left", "similar": "same", "worse": "right"}
_PAIRS = {"left": "left", "right": "right", "same": "same", "skip": "skip"}


class UnknownImage(LookupError):
    """An image is asked for that the current question does not have."""


class _AnswerRequest(Section):
    number: int = Field(ge=1)
    question: str
    choice: Literal["left", "right", "same", "skip", "better", "similar", "worse"]
    seconds: float = Field(ge=0, le=1e6)


class _UndoRequest(Section):
    answered: int = Field(ge=0)


class Exchange:
    """A session as pages see it; changes happen one after another, whichever page asks.

    A page says which question it answers by number and digest, and after how many answers it undoes: what comes twice,
    or from a page that another one has left behind, changes nothing.

    Args:
        session: Session of one rater.
        secret: Key of the digests, so that they tell nothing about the images.
    """

    def __init__(self, session: LabelSession, secret: str) -> None:
        self.session = session
        self._secret = secret.encode()
        self._compared = frozenset(key for one in session.collection.contents for key in one.versions.values())
        self._lock = threading.Lock()

    def state(self) -> dict[str, Any]:
        """What a page shows now; nothing in it names a version before the session has ended.

        Raises:
            OSError: If what the question needs cannot be written or read.
            ValueError: If the data set has changed under the session.
        """
        question, progress = self.session.current(), self.session.progress()
        return {
            "mode": self.session.mode,
            "rater": self.session.rater,
            "question": None if question is None else self._shown(question),
            "progress": {
                "answered": progress.answered,
                "planned": progress.planned,
                "message": progress.message,
                "finished": progress.finished,
            },
            "summary": self._summary() if question is None else None,
        }

    def answer(self, request: Any) -> bool:
        """Take an answer.

        Args:
            request: `number`, `question`, `choice`, `seconds`.

        Returns:
            Whether it was taken; not if another question is the current one.

        Raises:
            OptionError: If the request is none of this mode.
            OSError: If the answer cannot be written; then it was not taken.
            ValueError: If the data set has changed under the session.
        """
        given = read_section(_AnswerRequest, request, "answer")
        choices = _GROUPS if self.session.mode == "groups" else _PAIRS
        if given.choice not in choices:
            raise OptionError(f"answer: choice: expected one of {', '.join(choices)}, got {given.choice}")
        with self._lock:
            if given.number <= self.session.progress().answered:
                return False  # also where the question after it cannot be made
            question = self.session.current()
            if question is None or question.number != given.number or self._digest(question) != given.question:
                return False
            try:
                self.session.answer(given.number, _choice(question, choices[given.choice]), given.seconds)
            except StaleAnswer:
                return False
            return True

    def undo(self, request: Any) -> bool:
        """Take the last answer back.

        Args:
            request: `answered`: how many answers there are, as far as the page knows.

        Returns:
            Whether it was taken back; not if there are more or fewer answers.

        Raises:
            OptionError: If the request is none.
            OSError: If it cannot be written; then the answer stays.
        """
        given = read_section(_UndoRequest, request, "undo")
        with self._lock:
            if self.session.progress().answered != given.answered:
                return False
            self.session.undo()
            return True

    def image(self, number: int, digest: str, side: str) -> bytes:
        """PNG of an image of the current question.

        Args:
            number: Number of the question.
            digest: Its digest.
            side: One of `SIDES`.

        Raises:
            UnknownImage: If another question is the current one, or it has no such image.
            OSError: If the image cannot be read.
            ValueError: If its file is damaged.
        """
        question = self.session.current()
        if question is None or question.number != number or self._digest(question) != digest:
            raise UnknownImage(f"question {number} is not asked now")
        key = self._images(question)[side]
        if key is None:
            raise UnknownImage(f"question {number} has no image of this kind")
        try:
            return self.session.image(key)
        except KeyError:  # answered in between
            raise UnknownImage(f"question {number} is not asked now") from None

    def close(self) -> None:
        """Wait for a change that has begun; none begins any more."""
        self._lock.acquire(timeout=10)

    def _summary(self) -> list[str]:
        try:
            return self.session.summary()
        except (OSError, ValueError) as error:  # such as another rater's log
            return [f"Every answer is kept, but there is no summary: {error}"]

    def _shown(self, question: Question) -> dict[str, Any]:
        digest = self._digest(question)
        addresses = {
            side: None if key is None else f"/image/{question.number}/{side}.png?question={digest}"
            for side, key in self._images(question).items()
        }
        return {"number": question.number, "question": digest, "crop": question.crop, **addresses}

    def _images(self, question: Question) -> dict[str, str | None]:
        """Key of each image by its side.

        LQ image and original are not given where raters compare them with others: shown under their names, or absent
        from a question, they would tell which of its images is which.
        """
        left, right = (getattr(question, side) for side in (question.left, _other(question.left)))
        lq, original = (None if key in self._compared else key for key in (question.lq, question.reference))
        return {"left": left, "right": right, "lq": lq, "original": original}

    def _digest(self, question: Question) -> str:
        return hmac.digest(self._secret, question.model_dump_json().encode(), "sha256").hex()[:32]


def _choice(question: Question, side: str) -> Choice:
    """The answer, of which a page knows the side alone."""
    choices: dict[str, Choice] = {"left": question.left, "right": _other(question.left), "same": "same", "skip": "skip"}
    return choices[side]


def _other(side: Literal["first", "second"]) -> Literal["first", "second"]:
    return "second" if side == "first" else "first"
