"""Splitting a collection into training, validation and test part, so that no content is in two of them."""

import hashlib
import math
from collections.abc import Iterable, Sequence
from typing import Literal, Protocol, TypeVar

__all__ = ["SPLITS", "Part", "held_out_contents", "split_by_content"]

SPLITS = ("train", "val", "test")
"""Names of the parts of a collection."""
Part = Literal["train", "val", "test", "all"]
"""Options of an option file."""


class _HasContent(Protocol):
    @property
    def content(self) -> str: ...


_Item = TypeVar("_Item", bound=_HasContent)


def split_by_content(
    items: Iterable[_Item], seed: int, shares: tuple[int, int, int] = (7, 1, 2)
) -> dict[str, list[_Item]]:
    """Training, validation and test part; all items of one content are in the same.

    A pure function of the contents' names, the seed and the shares: contents are sorted by the SHA-256 of
    `seed:content`, and the parts are cut off in turn, none of them empty.

    Args:
        items: The collection; its order does not matter, and is kept within a part.
        seed: Seed of the split.
        shares: Shares of the contents, in the order of `SPLITS`.

    Raises:
        ValueError: If there are fewer contents than parts.
    """
    items = list(items)
    contents = _drawn({item.content for item in items}, seed)
    counts = _counts(len(contents), shares)
    names = [name for name, count in zip(SPLITS, counts, strict=True) for _ in range(count)]
    part = dict(zip(contents, names, strict=True))
    return {name: [item for item in items if part[item.content] == name] for name in SPLITS}


def held_out_contents(contents: Iterable[str], seed: int, share: float, fewest: int = 1) -> frozenset[str]:
    """Contents that training does not see, drawn as `split_by_content` does.

    Args:
        contents: Names of all contents; one may come several times.
        seed: Seed of the split.
        share: Share of the contents, in (0, 1).
        fewest: How many it is at least, as long as it is no more than half of them.

    Raises:
        ValueError: If there are fewer than two contents.
    """
    drawn = _drawn(set(contents), seed)
    if len(drawn) < 2:
        raise ValueError(f"{len(drawn)} contents cannot be split, at least 2 are needed")
    count = max(round(share * len(drawn)), min(fewest, len(drawn) // 2), 1)
    return frozenset(drawn[: min(count, len(drawn) - 1)])


def _drawn(contents: set[str], seed: int) -> list[str]:
    """The contents in the seed's order."""
    return sorted(contents, key=lambda one: (hashlib.sha256(f"{seed}:{one}".encode()).hexdigest(), one))


def _counts(total: int, shares: Sequence[int]) -> list[int]:
    """Whole numbers in proportion: rounded down, the rest to the largest remainders, none of them 0."""
    if total < len(shares):
        raise ValueError(
            f"{total} contents cannot be split {':'.join(map(str, shares))}, at least {len(shares)} are needed; "
            "use split: all, or another collection"
        )
    exact = [total * share / sum(shares) for share in shares]
    counts = [math.floor(count) for count in exact]
    for index in sorted(range(len(shares)), key=lambda i: (counts[i] - exact[i], i))[: total - sum(counts)]:
        counts[index] += 1
    while min(counts) == 0:
        counts[counts.index(max(counts))] -= 1
        counts[counts.index(0)] += 1
    return counts
