"""Human labels of images: pairs of which they preferred one, and opinion scores; the form that metrics are
measured in."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from iqa_sr.data.preferences.triplets import TIE

__all__ = ["ALL", "HumanLabels", "PreferencePair", "RatedImage", "joined_contents", "preferred_of"]

ALL = "All"
"""The group of all pairs."""
_ORDER = ("PSY", "PNY", "PYY", "SNY", "NYY", "ref<test", "ref>test", "Reg", "Gen")
"""In which order the published groups are shown; others come before them, all pairs come last."""


class PreferencePair(NamedTuple):
    """Two images and which of them observers prefer.

    Attributes:
        content: Name of the content that both images show. Pairs of one content depend on each other, those of
            different contents do not.
        first: Key of the first image: its path below the data set's folder, with forward slashes.
        second: Key of the second image.
        preferred: Preference of the observers: 1 for the first image, 0 for the second, 0.5 for neither.
        groups: Names of the groups that the pair is counted in, for example `("PSY", "ref<test", "All")`.
        share: Share of the votes that the first image got, ties by half; None where nobody compared these two.
    """

    content: str
    first: str
    second: str
    preferred: float
    groups: tuple[str, ...] = (ALL,)
    share: float | None = None


class RatedImage(NamedTuple):
    """An image and its opinion score.

    Attributes:
        image: Key of the image: its path below the data set's folder, with forward slashes.
        content: Name of the content that the image shows.
        quality: Opinion score, turned so that larger is better.
    """

    image: str
    content: str
    quality: float


@dataclass(frozen=True)
class HumanLabels:
    """Human labels of a data set: pairs, references, groups and opinion scores.

    Attributes:
        root: Folder of the data set, which the keys are relative to.
        pairs: Pairs that observers compared, if there are any.
        rated: Images with opinion scores, if there are any.
        references: Key of the reference that full-reference metrics compare an image with, by the key of the image.
        notes: Remarks on what is worth knowing, one line each.
    """

    root: Path
    pairs: Sequence[PreferencePair] = ()
    rated: Sequence[RatedImage] = ()
    references: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def images(self) -> list[str]:
        """The keys of all images that observers rated, each once."""
        pairs = (key for pair in self.pairs for key in (pair.first, pair.second))
        return list(dict.fromkeys([*pairs, *(one.image for one in self.rated)]))

    def without(self, images: Collection[str]) -> "HumanLabels":
        """The labels that need none of these images; the groups have what is left of them."""
        return replace(
            self,
            pairs=[pair for pair in self.pairs if pair.first not in images and pair.second not in images],
            rated=[one for one in self.rated if one.image not in images],
        )

    @property
    def groups(self) -> dict[str, int]:
        """Number of pairs of each group, in the order in which they are shown."""
        counts = Counter(group for pair in self.pairs for group in pair.groups)
        positions = {name: position for position, name in enumerate((*_ORDER, ALL), start=1)}
        return {name: counts[name] for name in sorted(counts, key=lambda name: positions.get(name, 0))}


def preferred_of(share: float) -> float:
    """1, 0 or, where just half of the votes are for the first image, 0.5."""
    return TIE if share == 0.5 else float(share > 0.5)


def joined_contents(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """A content for each pair of a list that names none: pairs that share an image, also by way of others, are one.

    Returns:
        For each pair the name of one image of its content, the same for all pairs of it.
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
