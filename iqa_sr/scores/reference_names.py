"""Which reference belongs to which image: the one of the same name, or of a part of the name."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from iqa_sr.io.file_names import composed
from iqa_sr.io.image_types import is_image_name

__all__ = ["Matches", "NameTemplate", "Proposal", "match_references", "proposed_template"]

_GAP = "{}"
SEPARATORS = "_-. "


class NameTemplate:
    """How an image is called after its reference: `{}_SwinIR_x4.png` is the image whose reference is called `{}`.

    Args:
        text: Name of an image with `{}` for that of its reference without suffix; with or without the image's own
            suffix, without folders.
        reference: Name of a reference, likewise, where it has more than what it shares with the image: `{}_HR`.

    Raises:
        ValueError: If `{}` is not there just once in a name, or there are folders.
    """

    def __init__(self, text: str = _GAP, reference: str = _GAP) -> None:
        for argument, one, example in (
            ("template", text, f"'{_GAP}_SwinIR_x4.png' for x_SwinIR_x4.png and its reference x.png"),
            ("reference_template", reference, f"'{_GAP}_HR.png' for x.png and its reference x_HR.png"),
        ):
            if one.count(_GAP) != 1 or set(one) & set("/\\"):
                what = "an image" if argument == "template" else "a reference"
                raise ValueError(
                    f"`{argument}`: expected the name of {what} with {_GAP} once for what both names share and "
                    f"without folders, got {one!r}; such as {example}"
                )
        self.text = text
        self.reference = reference
        self._before, _, self._after = composed(text).partition(_GAP)
        self._reference_suffix = PurePosixPath(reference).suffix if is_image_name(f"x{reference}") else ""
        self._reference = composed(reference.removesuffix(self._reference_suffix))

    def __str__(self) -> str:
        return self.text if self.reference == _GAP else f"{self.text} and {self.reference}"

    def __repr__(self) -> str:
        return f"NameTemplate({self.text!r}, {self.reference!r})"

    def stem(self, key: str) -> str | None:
        """Path of the reference without its suffix, by that of the image; None where the image's name does not fit.

        What a template is called by ends before the suffix unless it has one itself.
        """
        path = PurePosixPath(composed(key))
        name = path.name if is_image_name(f"x{self._after}") else path.stem
        inner = name.removeprefix(self._before).removesuffix(self._after)
        fits = inner and name == f"{self._before}{inner}{self._after}"
        return str(path.with_name(self._reference.replace(_GAP, inner))) if fits else None

    def is_reference(self, candidate: str) -> bool:
        """Check whether a file has the suffix that the template of references asks for, if it asks for one."""
        return candidate.endswith(self._reference_suffix)


class Matches(NamedTuple):
    """References found for images, and those that are ambiguous.

    Attributes:
        found: The one reference of each image that has one, by key.
        ambiguous: Candidates among which nothing decides, by the image's key.
    """

    found: dict[str, str]
    ambiguous: dict[str, list[str]]


def match_references(keys: Sequence[str], candidates: Sequence[str], template: NameTemplate | None = None) -> Matches:
    """Match each image with the reference of its path, or the only one of that path with another suffix.

    Accents may be written in either way: copies that were made on macOS have them apart.

    Args:
        keys: Paths of the images relative to their root.
        candidates: Paths of the references relative to theirs.
        template: How images are called after their references; None: as these are.
    """
    exact = set(candidates) if template is None else set()
    by_stem: dict[str, list[str]] = defaultdict(list)
    for candidate in candidates:
        if template is None or template.is_reference(candidate):
            by_stem[_stem(candidate)].append(candidate)
    matches = Matches({}, {})
    for key in keys:
        stem = template.stem(key) if template else _stem(key)
        same = [key] if key in exact else by_stem.get(stem or "", [])
        if len(same) == 1:
            matches.found[key] = same[0]
        elif same:
            matches.ambiguous[key] = same
    return matches


def _stem(key: str) -> str:
    return composed(str(PurePosixPath(key).with_suffix("")))


# --- Names that differ ------------------------------------------------------------------------------------------------


class Proposal(NamedTuple):
    """A template that would give images their references.

    Attributes:
        template: The template.
        images: Number of images that it gives one.
        example: One of these images and its reference.
    """

    template: NameTemplate
    images: int
    example: tuple[str, str]

    @property
    def text(self) -> str:
        """What to type, and what it does."""
        own, reference, (image, found) = self.template.text, self.template.reference, self.example
        typed = []
        if own != _GAP:
            short = own.startswith(_GAP) and own[2] != "-"
            typed.append(f"`suffix` {own[2:]}" if short else f"`template` '{own}'")
        if reference != _GAP:
            typed.append(f"`reference_template` '{reference}'")
        return f"{' '.join(typed)} gives {self.images} of them one: {image} is compared with {found}"


def proposed_template(keys: Sequence[str], candidates: Sequence[str]) -> Proposal | None:
    """The template that gives most of these images a reference: they have its name and something before or after it.

    What the names of all references end in, such as `_HR`, is not taken for a part of what both share.

    Args:
        keys: Paths of images that have no reference.
        candidates: Paths of the references.
    """
    ends = {"": _GAP}
    if end := _common_end(candidates):
        ends[end] = f"{_GAP}{end}"
    counts, examples = Counter[tuple[str, str]](), dict[tuple[str, str], tuple[str, str]]()
    for end, reference in ends.items():
        by_stem = {_stem(candidate).removesuffix(end): candidate for candidate in candidates}
        for key in keys:
            path = PurePosixPath(_stem(key))
            for inner, text in _splits(path.name):
                found = by_stem.get(str(path.with_name(inner)))
                if found is not None and (text, reference) != (_GAP, _GAP):
                    counts[text, reference] += 1
                    examples.setdefault((text, reference), (key, found))
                    break
    if not counts:
        return None
    parts, count = counts.most_common(1)[0]
    return Proposal(NameTemplate(*parts), count, examples[parts])


def _splits(name: str) -> Iterator[tuple[str, str]]:
    """Parts of an image's name that may be its reference's: the longest first, and what is followed before the rest."""
    yield name, _GAP
    for end in range(len(name) - 1, 0, -1):
        yield name[:end], _GAP + name[end:]
    for start in range(1, len(name)):
        yield name[start:], name[:start] + _GAP


def _common_end(candidates: Sequence[str]) -> str:
    """What the names of several files end in before their suffixes, from a separator on: `_HR`; or nothing."""
    names = [PurePosixPath(_stem(candidate)).name for candidate in candidates]
    if len(names) < 2:
        return ""
    first = names[0]
    starts = [at for at in range(1, len(first) - 1) if first[at] in SEPARATORS]
    ends = (first[at:] for at in starts)
    return next((end for end in ends if all(name.endswith(end) and name != end for name in names)), "")
