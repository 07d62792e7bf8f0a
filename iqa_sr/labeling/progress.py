"""How far a session has come."""

from dataclasses import dataclass

__all__ = ["Progress", "StaleAnswer"]


class StaleAnswer(ValueError):
    """An answer to another question than the one that is asked now: of a second browser, or a repeated request."""


@dataclass(frozen=True)
class Progress:
    """How far a session has come, and what its answers so far are worth.

    Attributes:
        answered: Number of questions that were answered, skipped ones included.
        planned: Number of questions of the whole session; None where it is open-ended.
        message: What the answers so far are worth, a line of text without names of versions; may be empty.
        finished: Whether nothing is asked any more.
    """

    answered: int
    planned: int | None
    message: str
    finished: bool
