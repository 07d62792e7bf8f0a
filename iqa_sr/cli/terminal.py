"""Output of commands, made safe for the terminal: texts hold names of files, which may hold anything."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

__all__ = ["escaped", "safe_output"]

# Control characters but tabs and line ends, which a terminal obeys; marks that turn the direction of writing around.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_BAR = re.compile(r"(\r?)(.*?)(\r?)", re.DOTALL)  # tqdm begins a line anew, or leaves it empty
_CURSOR = re.compile("(\x1b\\[A)+")  # tqdm goes up to the bar of an outer loop


def escaped(text: str, encoding: str | None = None) -> str:
    """A text as a terminal can show it: what it would obey, or cannot print, becomes an escape as `\\x1b`.

    Args:
        text: Lines stay lines.
        encoding: Encoding of the terminal; None: whatever it is given.
    """
    text = _UNSAFE.sub(lambda match: ascii(match[0])[1:-1], text)
    return text.encode(encoding, "backslashreplace").decode(encoding) if encoding else text


class _Escaping:
    """A stream that writes `escaped` texts, and is the stream it was given in all else.

    Args:
        stream: Stream that the texts are written to.
        quiet: Deny being a terminal: tqdm draws its bars on terminals only.
    """

    def __init__(self, stream: TextIO, quiet: bool) -> None:
        self._stream, self._quiet = stream, quiet

    def isatty(self) -> bool:
        """Terminal capability check: whether progress bars may be drawn here."""
        return not self._quiet and self._stream.isatty()

    def write(self, text: str) -> int:
        """Write a text; a progress bar keeps its own control characters."""
        if _CURSOR.fullmatch(text):
            return self._stream.write(text)
        bar = _BAR.fullmatch(text)
        assert bar is not None  # everything matches
        self._stream.write(bar[1] + escaped(bar[2], self._stream.encoding) + bar[3])
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each of the texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def safe_output(quiet: bool = False) -> Iterator[None]:
    """Context in which any text can be printed, and with `quiet` no progress bar is shown."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, _Escaping(stream, quiet)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
