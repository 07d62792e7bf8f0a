"""Degraded copies that are made before their turn: of a large photograph that takes seconds."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from iqa_sr.labeling.known_pairs import degraded_key
from iqa_sr.labeling.questions import Questions

__all__ = ["CopiesAhead"]


class CopiesAhead:
    """Makes the copy of the next known pair in a thread of its own.

    What fails here is told when the pair's turn has come, where it is tried again.

    Args:
        questions: Questions of the session.
        seed: Seed of the copies.
    """

    def __init__(self, questions: Questions, seed: int) -> None:
        self._questions, self._seed = questions, seed
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="known-pairs")
        self._last = 0  # number of the question whose copy was asked for

    def after(self, answers: int) -> None:
        """Ask for the copy of the first known pair behind the question that follows so many answers."""
        draft = self._questions.next_known(answers + 2)
        if draft.number > self._last:
            self._last = draft.number
            self._thread.submit(self._make, draft.content.versions[draft.pair[0]])

    def close(self) -> None:
        """Begin no further copy."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _make(self, key: str) -> None:
        with suppress(OSError, ValueError):
            degraded_key(self._questions.collection.root, key, self._seed)
