"""Signals that ask a run to stop: heard between iterations, at once where nothing is lost, never during a save."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

__all__ = ["STOPPING", "Interrupted", "Interrupts"]

STOPPING = tuple(number for number in signal.Signals if number.name in ("SIGINT", "SIGTERM", "SIGHUP"))  # Windows: two
# Seconds. One Ctrl-C, `timeout` or scancel comes twice, from the sender and from torchrun, which passes it on.
ONE_REQUEST = 3.0


class Interrupted(KeyboardInterrupt):
    """A signal has come while what runs may be left at once."""


@dataclass
class Interrupts:
    """Ctrl-C, SIGTERM and SIGHUP ask a loop to stop, which asks whether one has come.

    They are one request however often they come; only a Ctrl-C that is repeated by hand, more than three seconds later,
    raises KeyboardInterrupt, and not before a save is done.

    Attributes:
        received: The number of the first one.
    """

    received: int | None = None
    _first: float = 0.0
    _at_once: bool = False
    _holding: bool = False
    _impatient: bool = False

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received is None:
            self.received, self._first = number, time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - self._first > ONE_REQUEST:
            self._impatient = True
        self._raise_if_wanted()

    def _raise_if_wanted(self) -> None:
        if self._holding:
            return
        if self._impatient:
            self._impatient = False
            raise KeyboardInterrupt
        if self._at_once and self.received is not None:
            self._at_once = False
            raise Interrupted

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Context in which the signals are received, but for ignored ones; the former handlers return at its end."""
        heard = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._receive) for number in heard}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Context in which a signal raises Interrupted, also one that has come before."""
        self._at_once = True
        try:
            self._raise_if_wanted()
            yield
        finally:
            self._at_once = False

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Context in which no signal interrupts anything; what has come by its end takes effect then."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        self._raise_if_wanted()
