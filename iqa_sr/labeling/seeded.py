"""Random decisions that depend on a seed and on what is decided alone, and on nothing that was decided before.

An order by such numbers stays what it was when something is added or taken away: a session goes on where it was.
"""

import hashlib
from collections.abc import Iterable
from typing import TypeVar

__all__ = ["drawn", "shuffled"]

Item = TypeVar("Item")


def drawn(seed: int, *what: object) -> int:
    """A number in [0, 2^64), as good as random, for a seed and what it is drawn for."""
    text = "\0".join(map(str, (seed, *what)))
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")


def shuffled(items: Iterable[Item], seed: int, *what: object) -> list[Item]:
    """Items in an order that the seed gives them, each by what it prints as."""
    return sorted(items, key=lambda item: (drawn(seed, *what, item), str(item)))
