"""Answers of people who compared two images: what they were shown and what they said; the lines of a rater's log."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from iqa_sr.config.sections import Section

__all__ = [
    "CHOICES",
    "FORMAT",
    "Answer",
    "Choice",
    "Mode",
    "Order",
    "Purpose",
    "Question",
    "SessionFacts",
]

FORMAT = 1
Mode = Literal["groups", "pairs", "checkpoints"]
"""Kind of question: each version against its original, any two versions, or the results of two checkpoints."""
Order = Literal["active", "random"]
Purpose = Literal["asked", "repeat", "known"]
"""Why a question is asked: for its answer; again, for the rater's agreement with themselves; a version against its own
degraded copy, of which the answer is known."""
Choice = Literal["first", "second", "same", "skip"]
"""Answer: which image is better, both are the same, or none. Of `groups` the first image is the version and the second
the original: HGGT's labels Positive, Negative and Similar."""
CHOICES: tuple[Choice, ...] = get_args(Choice)

Side = Annotated[int, Field(ge=0)]


class Question(Section):
    """Two images of one content that are compared.

    Attributes:
        number: Number of the question in the rater's session, from 1.
        purpose: Why it is asked.
        content: Name of the content that both images show.
        first: Key of the first image: its path below the folder of the labels, with forward slashes.
        second: Key of the second image. Of a known pair the first image is the version, the second its degraded copy.
        first_version: Version of the first image: the name of its folder or of its checkpoint.
        second_version: Version of the second image; of a known pair empty.
        left: Which image is shown first, or at the left.
        reference: Key of the original; null if there is none.
        lq: Key of the LQ image; null if there is none.
        crop: Where the versions differ most: top, left, height and width in px.
        sizes: Sizes of both images' files in bytes, by which a session notices that they are no longer those that were
            shown; null: not known.
    """

    number: int = Field(ge=1)
    purpose: Purpose = "asked"
    content: str
    first: str
    second: str
    first_version: str
    second_version: str
    left: Literal["first", "second"] = "first"
    reference: str | None = None
    lq: str | None = None
    crop: tuple[Side, Side, Side, Side]
    sizes: tuple[Side, Side] | None = None

    @property
    def images(self) -> frozenset[str]:
        """Keys of the two images, whichever is first."""
        return frozenset((self.first, self.second))


class Answer(Section):
    """An answer of a rater.

    Attributes:
        question: Question that was answered.
        choice: Answer.
        seconds: Seconds from the first sight of the question to the answer, without those in which the page was hidden.
        time: Time of the answer, UTC, as `2026-01-31T12:00:00Z`.
    """

    question: Question
    choice: Choice
    seconds: float = Field(ge=0)
    time: str

    @property
    def preference(self) -> float | None:
        """1 where the first image is preferred, 0 the second, 0.5 neither; None where the question was skipped."""
        return {"first": 1.0, "second": 0.0, "same": 0.5, "skip": None}[self.choice]


class SessionFacts(Section):
    """What all answers in a rater's log have in common: its first line.

    Attributes:
        format: Format of the log.
        rater: Name of the rater.
        mode: Kind of question.
        order: How the next question is chosen.
        seed: Seed of order, sides, repeats and known pairs.
        digest: Digest of what the questions are about: names and sizes of the images' files.
        settings: Whatever else decides which questions come.
    """

    format: Literal[1] = 1
    rater: str
    mode: Mode
    order: Order
    seed: int = Field(ge=0)
    digest: str
    settings: dict[str, Any] = {}
