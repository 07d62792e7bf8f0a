"""Values of option files that describe scores, with their checks."""

import math
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator

from iqa_sr.errors import did_you_mean

__all__ = ["ScoreRange", "known", "rising"]


def known(names: Iterable[str], what: str = "layout") -> AfterValidator:
    """A check that a text is one of these names, for `Annotated[str, known(names)]`."""
    names = tuple(names)

    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"there is no such {what}; {did_you_mean(name, names)}")
        return name

    return AfterValidator(check)


def rising(score_range: tuple[float, float]) -> tuple[float, float]:
    """Score range as it is, checked: two finite ends, the lower one first.

    Raises:
        ValueError: If it does not rise, or has no ends.
    """
    low, high = score_range
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError("expected the lowest and the highest possible score")
    return score_range


ScoreRange = Annotated[tuple[float, float], AfterValidator(rising)]
"""Lowest and highest possible score."""
