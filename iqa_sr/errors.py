"""The exceptions that users see, and the nearest valid names for their texts."""

import difflib
import reprlib
import unicodedata
from collections.abc import Iterable
from typing import Any

__all__ = [
    "OptionError",
    "OtherProcessFailed",
    "TrainingStopped",
    "UnknownNetwork",
    "UnusableNetwork",
    "did_you_mean",
    "same_name",
    "set_metric_call",
    "set_metric_problem",
    "shown",
    "visible",
]


class TrainingStopped(RuntimeError):
    """Training cannot go on, for a reason that the text gives in full."""


class OtherProcessFailed(TrainingStopped):
    """Another process of the run has failed and says why; this one cannot go on without it."""


class OptionError(ValueError):
    """A value in an option file that cannot be used: the text says where, what was expected and what came."""


class UnknownNetwork(ValueError):
    """Weights are of a network that whoever was asked does not know."""


class UnusableNetwork(ValueError):
    """Weights are of a network that is known, but not one from RGB to RGB images."""


_LISTED = 100
"""Most names that an error lists."""


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """Text naming the valid names nearest to `name`, whatever its case, or all of them when none is near."""
    valid = sorted(valid)
    by_case = {visible(one.lower()): one for one in valid}
    close = difflib.get_close_matches(visible(str(name)[:200].lower()), by_case, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(visible(by_case[one]) for one in close)}?"
    more = f" and {len(valid) - _LISTED} more" if len(valid) > _LISTED else ""
    return f"valid: {', '.join(valid[:_LISTED])}{more}" if valid else "there are none"


def same_name(name: str, valid: Iterable[str]) -> str:
    """The valid name that is meant: `name` itself, or the only one that differs in case, `-` and `_` alone.

    Returns:
        `name` where there is none, or several.
    """
    valid = list(valid)
    alike = [one for one in valid if _plain(one) == _plain(name)]
    return alike[0] if len(alike) == 1 and name not in valid else name


# Names of the metrics of sets, which `iqa_sr.set_metrics` has.
_OF_SETS = ("fid", "fid-clean", "kid", "kid-clean", "cmmd")


def set_metric_call(name: str) -> str:
    """The arguments that compute a metric of sets: of `fid@256` they are `--set fid --patches 256`; else empty."""
    own, _, patches = name.partition("@")
    own = same_name(own, _OF_SETS)
    return f"--set {own}{f' --patches {patches}' if patches else ''}" if own in _OF_SETS else ""


def set_metric_problem(name: str) -> str:
    """Why a metric of sets is none of images, and where it goes instead; empty for any other name."""
    call = set_metric_call(name)
    if not call:
        family = name.lower().replace("_", "-").partition("-")[0] in _OF_SETS
        return f"there is no metric {shown(name)}; those of sets are {', '.join(_OF_SETS)}" if family else ""
    own = same_name(name.partition("@")[0], _OF_SETS)
    return (
        f"{own} is a metric of sets and has no score of an image: it can be no loss, reward or held-out metric, and no "
        f"checkpoint is chosen by it; `iqa-sr evaluate {call}` and `iqa-sr score {call}` compute it"
    )


def _plain(name: str) -> str:
    return str(name).lower().replace("-", "").replace("_", "")


_short = reprlib.Repr()
_short.maxlevel, _short.maxdict, _short.maxlist, _short.maxtuple = 4, 8, 12, 12
_short.maxlong, _short.maxstring, _short.maxother = 60, 200, 200


def shown(value: Any, quotes: bool = True) -> str:
    """A value as an error shows it: as Python writes it, and shortened where it is long or deep.

    Args:
        value: Anything.
        quotes: Whether a text keeps its quotes.
    """
    text = visible(_short.repr(value))
    if quotes or not isinstance(value, str):
        return text
    return visible(value) if len(value) <= 200 and value.isprintable() else text[1:-1]


def visible(text: str) -> str:
    """A text whose characters that Unicode writes in two ways are escapes where they are in the rarer one.

    File systems tell a letter with its accent from a letter and an accent, a screen does not: names that look the same
    are shown as they differ.
    """
    if unicodedata.is_normalized("NFC", text):
        return text
    parts, before = [], ""
    for character in text:
        joined = unicodedata.normalize("NFC", before + character)
        plain = joined == before + character
        parts.append(character if plain else f"\\u{ord(character):04x}")
        before = joined[-1:]
    return "".join(parts)
