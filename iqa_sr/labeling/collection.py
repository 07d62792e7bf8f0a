"""What questions are asked about: contents, and the versions of each."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from iqa_sr.data.answers.log import LABELS
from iqa_sr.data.answers.records import Mode
from iqa_sr.data.problems import DataError
from iqa_sr.errors import did_you_mean

__all__ = ["Collection", "Content"]


@dataclass(frozen=True)
class Content:
    """What several images show, each a version of it.

    Attributes:
        name: Name of the content, unique in its collection.
        versions: Key of each version's image by the version's name.
        size: `(height, width)` in px of all of them.
        reference: Key of the original; None if there is none.
        lq: Key of the LQ image, enlarged; None if there is none.
        labels: Folder below the root that a group's labels go to, with forward slashes.
    """

    name: str
    versions: Mapping[str, str]
    size: tuple[int, int]
    reference: str | None = None
    lq: str | None = None
    labels: str = LABELS


@dataclass(frozen=True)
class Collection:
    """Contents that raters are asked about.

    Attributes:
        root: Folder that all keys are relative to, and where the labels go.
        mode: Kind of question.
        contents: Contents, sorted by name; each has two versions at least.
        versions: Names of all versions; the order in which two of them are first and second.
        files: Size of each image's file in bytes, by key.
        original: Version that the others are compared with, in `groups`.
        notes: Remarks for the user, a line each.
    """

    root: Path
    mode: Mode
    contents: tuple[Content, ...]
    versions: tuple[str, ...]
    files: Mapping[str, int]
    original: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of names and sizes of the files: cheap, and another one where the data set was changed."""
        lines = (f"{size} {key}\n" for key, size in sorted(self.files.items()))
        return hashlib.sha256("".join(lines).encode("utf-8", "surrogatepass")).hexdigest()

    def pairs_of(self, content: Content) -> Iterator[tuple[str, str]]:
        """The pairs of versions of a content that may be asked for; in `groups` each version and the original."""
        present = [version for version in self.versions if version in content.versions]
        if self.mode != "groups":
            yield from combinations(present, 2)
            return
        assert self.original is not None
        yield from ((version, self.original) for version in present if version != self.original)

    def only(self, versions: Sequence[str]) -> "Collection":
        """The same with these versions alone; in `groups` the original stays, too.

        Raises:
            ValueError: If there is no such version, or fewer than two are named.
            DataError: If no content has two of them.
        """
        for version in versions:
            if version not in self.versions:
                known = did_you_mean(version, self.versions)
                raise ValueError(f"`checkpoints`: there are no images of {version!r}; {known}")
        if len(set(versions)) < 2 and self.original is None:
            raise ValueError(f"`checkpoints`: expected two names or more, got {', '.join(versions) or 'none'}")
        if self.original is not None:
            versions = [*versions, self.original]
        contents = []
        for content in self.contents:
            kept = {version: key for version, key in content.versions.items() if version in versions}
            if len(kept) > 1:
                contents.append(replace(content, versions=kept))
        if not contents:
            raise DataError(f"{self.root}: no image was made by two of {', '.join(versions)}")
        return replace(self, contents=tuple(contents), versions=tuple(one for one in self.versions if one in versions))
