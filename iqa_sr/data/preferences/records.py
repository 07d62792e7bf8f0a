"""What people said of pictures: pairs of which they preferred one, and opinion scores; the form that judges are
measured in."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from iqa_sr.data.preferences.triplets import TIE

__all__ = ["ALL", "Labelled", "LabelledPair", "RatedPicture", "joined_contents", "preferred_of"]

ALL = "All"
"""The group of all pairs."""
_ORDER = ("PSY", "PNY", "PYY", "SNY", "NYY", "ref<test", "ref>test", "Reg", "Gen")
"""In which order the published groups are shown; others come before them, all pairs come last."""


class LabelledPair(NamedTuple):
    """Two pictures and which of them people prefer.

    Attributes:
        content: What they show. Pairs of one content depend on each other, those of different contents do not.
        first: Key of a picture: its path below the data set's folder, with forward slashes.
        second: Key of the other one.
        preferred: 1 where people prefer the first, 0 the second, 0.5 where neither.
        groups: What the pair is counted in, for example `("PSY", "ref<test", "All")`.
        share: Share of the votes that the first picture got, ties by half; None where nobody compared these two.
    """

    content: str
    first: str
    second: str
    preferred: float
    groups: tuple[str, ...] = (ALL,)
    share: float | None = None


class RatedPicture(NamedTuple):
    """A picture and its opinion score.

    Attributes:
        picture: Its key.
        content: What it shows.
        quality: The score, turned so that larger is better.
    """

    picture: str
    content: str
    quality: float


@dataclass(frozen=True)
class Labelled:
    """What people said of a data set.

    Attributes:
        root: Its folder, where the keys start.
        pairs: Pairs, if there are any.
        rated: Pictures with scores, if there are any.
        references: Key of the picture that full-reference metrics compare a picture with.
        notes: What is worth knowing, a line each.
    """

    root: Path
    pairs: Sequence[LabelledPair] = ()
    rated: Sequence[RatedPicture] = ()
    references: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def pictures(self) -> list[str]:
        """The keys of all pictures that people judged, each once."""
        pairs = (key for pair in self.pairs for key in (pair.first, pair.second))
        return list(dict.fromkeys([*pairs, *(one.picture for one in self.rated)]))

    @property
    def groups(self) -> dict[str, int]:
        """Number of pairs of each group, in the order in which they are shown."""
        counts = Counter(group for pair in self.pairs for group in pair.groups)
        places = {name: place for place, name in enumerate((*_ORDER, ALL), start=1)}
        return {name: counts[name] for name in sorted(counts, key=lambda name: places.get(name, 0))}


def preferred_of(share: float) -> float:
    """1, 0 or, where just half of the votes are for the first picture, 0.5."""
    return TIE if share == 0.5 else float(share > 0.5)


def joined_contents(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """A content for each pair of a list that names none: pairs that share a picture, also by way of others, are one.

    Returns:
        For each pair the name of one picture of its content, the same for all pairs of it.
    """
    pairs, parent = list(pairs), dict[str, str]()

    def top(key: str) -> str:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for first, second in pairs:
        one, other = top(first), top(second)
        parent[other] = one
    return [top(first) for first, _ in pairs]
