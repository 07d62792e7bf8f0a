"""The exceptions that users see, and the nearest valid names for their texts."""

import difflib
from collections.abc import Iterable

__all__ = ["OptionError", "OtherProcessFailed", "TrainingStopped", "nearest"]


class TrainingStopped(RuntimeError):
    """Training cannot go on, for a reason that the text gives in full."""


class OtherProcessFailed(TrainingStopped):
    """Another process of the run has failed and says why; this one cannot go on without it."""


class OptionError(ValueError):
    """A value in an option file that cannot be used: the text says where, what was expected and what came."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Text naming the valid names nearest to `name`, or all of them when none is near."""
    valid = sorted(valid)
    close = difflib.get_close_matches(str(name), valid, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"valid: {', '.join(valid)}" if valid else "there are none"
