"""The exceptions that users see, and the nearest valid names for their texts."""

import difflib
from collections.abc import Iterable

__all__ = ["OptionError", "OtherProcessFailed", "TrainingStopped", "nearest", "same_name"]


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
    if not close:  # PSNRR is near to psnr
        lower = {one.lower(): one for one in valid}
        close = [lower[one] for one in difflib.get_close_matches(str(name).lower(), lower, n=3, cutoff=0.5)]
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"valid: {', '.join(valid)}" if valid else "there are none"


def same_name(name: str, valid: Iterable[str]) -> str:
    """The valid name that is meant: `name` itself, or the only one that differs in case, `-` and `_` alone.

    Returns:
        `name` where there is none, or several.
    """
    valid = list(valid)
    alike = [one for one in valid if _plain(one) == _plain(name)]
    return alike[0] if len(alike) == 1 and name not in valid else name


def _plain(name: str) -> str:
    return str(name).lower().replace("-", "").replace("_", "")
