"""Which reference belongs to which image: the one of the same name, or of a part of the name."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from iqa_sr.io.file_names import composed
from iqa_sr.io.image_types import is_image_name

__all__ = ["Matches", "NameTemplate", "Proposal", "match_references", "proposed_template"]

_GAP = "{}"


class NameTemplate:
    """How an image is called after its reference: `{}_SwinIR_x4.png` is the image whose reference is called `{}`.

    Args:
        text: Name of an image with `{}` for that of its reference without suffix; with or without the image's own
            suffix, without folders.

    Raises:
        ValueError: If `{}` is not there just once, or there are folders.
    """

    def __init__(self, text: str) -> None:
        if text.count(_GAP) != 1 or set(text) & set("/\\"):
            raise ValueError(
                f"`template`: expected the name of an image with {_GAP} once for its reference's name and without "
                f"folders, got {text!r}; such as '{_GAP}_SwinIR_x4.png' for x_SwinIR_x4.png and its reference x.png"
            )
        self.text = text
        self._before, _, self._after = composed(text).partition(_GAP)

    def __repr__(self) -> str:
        return f"NameTemplate({self.text!r})"

    def stem(self, key: str) -> str | None:
        """Path of the reference without its suffix, by that of the image; None where the image's name does not fit.

        What a template is called by ends before the suffix unless it has one itself.
        """
        path = PurePosixPath(composed(key))
        name = path.name if is_image_name(f"x{self._after}") else path.stem
        inner = name.removeprefix(self._before).removesuffix(self._after)
        fits = inner and name == f"{self._before}{inner}{self._after}"
        return str(path.with_name(inner)) if fits else None


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
        own, (image, reference) = self.template.text, self.example
        typed = f"`suffix` {own[2:]}" if own.startswith(_GAP) and own[2] != "-" else f"`template` '{own}'"
        return f"{typed} gives {self.images} of them one: {image} is compared with {reference}"


def proposed_template(keys: Sequence[str], candidates: Sequence[str]) -> Proposal | None:
    """The template that gives most of these images a reference: they have its name and something before or after it.

    Args:
        keys: Paths of images that have no reference.
        candidates: Paths of the references.
    """
    by_stem = {_stem(candidate): candidate for candidate in candidates}
    counts, examples = Counter[str](), dict[str, tuple[str, str]]()
    for key in keys:
        path = PurePosixPath(_stem(key))
        name = path.name
        splits = [(name[:end], _GAP + name[end:]) for end in range(len(name) - 1, 0, -1)]
        splits += [(name[start:], name[:start] + _GAP) for start in range(1, len(name))]
        for inner, text in splits:  # the longest name of a reference first, and what follows it before what precedes
            reference = by_stem.get(str(path.with_name(inner)))
            if reference is not None:
                counts[text] += 1
                examples.setdefault(text, (key, reference))
                break
    if not counts:
        return None
    text, count = counts.most_common(1)[0]
    return Proposal(NameTemplate(text), count, examples[text])
