"""Lists of triplets, two images and their reference: reading, writing, and everything that is wrong with them."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from iqa_sr.data.problems import DataProblems
from iqa_sr.data.splits import SPLITS
from iqa_sr.io.files import atomic_write, read_text
from iqa_sr.io.tables import as_number, split_lines

__all__ = ["TIE", "Triplet", "check_splits", "read_triplets", "write_triplets"]

TIE = 0.5
_LETTERS = {1.0: "P", TIE: "S", 0.0: "N"}


@dataclass(frozen=True, slots=True)  # there are hundreds of thousands
class Triplet:
    """Two images of one reference, and which of them observers prefer; a line of a list.

    Attributes:
        first: Path of the first image below the list's images, with forward slashes.
        second: Path of the second one.
        reference: Path of the reference, which may be one of the two.
        targets: Share of observers who prefer the first to the second, the first to the reference, and the second to
            the reference: 1, 0.5 or 0 each.
    """

    first: str
    second: str
    reference: str
    targets: tuple[float, float, float]

    @property
    def images(self) -> tuple[str, str, str]:
        """Paths of the first image, the second and the reference."""
        return self.first, self.second, self.reference

    @property
    def kind(self) -> str:
        """Three letters such as PSY, for each image: better than its reference (P), similar (S), worse (N), or the
        reference itself (Y)."""
        pairs = zip((self.first, self.second), self.targets[1:], strict=True)
        return "".join("Y" if path == self.reference else _LETTERS[target] for path, target in pairs) + "Y"

    @property
    def line(self) -> str:
        """The triplet as a line of a list: `first,second,reference,g12,g1r,g2r`."""
        return ",".join([*self.images, *(f"{target:g}" for target in self.targets)])


def read_triplets(path: Path, problems: DataProblems) -> list[Triplet]:
    """The triplets of a list; empty lines are passed over.

    Args:
        path: Text with a line `x1,x2,ref,g12,g1ref,g2ref` for each, as A-FINE's authors write them.
        problems: Takes lines that cannot be used and lines that stand twice.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no text.
    """
    if not path.exists():
        raise FileNotFoundError(f"the list of triplets {path} does not exist; `iqa-sr make-triplets` makes them")
    lines = split_lines(read_text(path, "list of triplets"))
    found: dict[Triplet, None] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            triplet = _parse(line)
        except ValueError as error:
            problems.add("unusable line", f"{path}, line {number}: {error}")
            continue
        if triplet in found:
            problems.add("double line", f"{path}, line {number}: {line.strip()} stands there already")
        found[triplet] = None
    if not any(line.strip() for line in lines):
        problems.add("empty list", f"{path} holds no triplets")
    return list(found)


def _parse(line: str) -> Triplet:
    fields = [field.strip() for field in line.split(",")]
    if len(fields) != 6 or not all(fields):
        raise ValueError(f"expected x1,x2,ref,g12,g1ref,g2ref, got {line.strip()[:80]!r}")
    first, second, reference = (sys.intern(field.replace("\\", "/")) for field in fields[:3])
    g12, g1r, g2r = (as_number(field) for field in fields[3:])
    if not {g12, g1r, g2r} <= _LETTERS.keys():
        raise ValueError(f"expected preferences of 0, 0.5 or 1, got {', '.join(fields[3:])}")
    if first == second:
        raise ValueError(f"compares {first} with itself")
    for name, path, target in (("first", first, g1r), ("second", second, g2r)):
        if path == reference and target != TIE:
            raise ValueError(f"the {name} image is the reference, so its preference is 0.5, got {target:g}")
    # One preference is named twice where an image is the reference.
    if (second == reference and g12 != g1r) or (first == reference and g12 != 1 - g2r):
        raise ValueError(f"contradicts itself: {', '.join(fields[3:])} where one image is the reference")
    return Triplet(first, second, reference, (g12, g1r, g2r))


def write_triplets(path: Path, triplets: Iterable[Triplet]) -> None:
    """Write a list, whole or not at all; the folder exists."""
    atomic_write(path, "".join(f"{triplet.line}\n" for triplet in triplets))


def check_splits(path: Path, triplets: Sequence[Triplet], problems: DataProblems) -> None:
    """Find references that stand in another list beside this one, too: `train.txt`, `val.txt` and `test.txt`.

    Args:
        path: Path of the list; one of another name is not compared.
        triplets: Triplets of the list.
        problems: Collected problems; each such reference is added once for each other list.
    """
    if path.stem.lower() not in SPLITS:
        return
    own = {triplet.reference for triplet in triplets}
    for name in SPLITS:
        other = path.with_name(f"{name}.txt")
        if name == path.stem.lower() or not other.is_file():
            continue
        theirs = {triplet.reference for triplet in read_triplets(other, DataProblems())}
        for reference in sorted(own & theirs):
            problems.add(
                "reference in two splits", f"{reference} is in {path.name} and in {other.name} of {path.parent}"
            )
