"""Data sets of distorted images with opinion scores and their references: TID2013, KADID-10k, PIPAL, LIVE, CSIQ."""

import math
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from iqa_sr.data.file_lookup import find_folder
from iqa_sr.data.mos.scores import Opinion, read_opinions
from iqa_sr.data.preferences.triplets import TIE, Triplet
from iqa_sr.data.problems import DataError, DataProblems
from iqa_sr.data.row_checks import check_levels
from iqa_sr.io.files import read_text
from iqa_sr.io.image_stores import list_images
from iqa_sr.io.tables import as_number, split_lines

__all__ = ["REFERENCE_FOLDERS", "ScoredSet", "partner_triplets", "read_scored_set"]

REFERENCE_FOLDERS: Mapping[str, str] = {
    "csiq": "src_imgs",
    "kadid10k": "images",
    "live": "refimgs",
    "tid2013": "reference_images",
}
"""Folders in which a layout of opinion scores keeps its references, which are called as the contents."""
_REFERENCE_SUFFIXES = {"tid2013": ".BMP"}
"""Suffixes of references that are not those of the images."""


@dataclass(frozen=True)
class ScoredSet:
    """Images, their scores and their references.

    Attributes:
        root: The data set's folder.
        opinions: The scores.
        references: The reference of each content.
    """

    root: Path
    opinions: Sequence[Opinion]
    references: Mapping[str, Path]

    def key(self, path: Path) -> str:
        """An image's path below the root, with forward slashes."""
        return path.relative_to(self.root).as_posix()


def read_scored_set(name: str, root: Path, need_images: bool = True) -> ScoredSet:
    """Read the images, scores and references of a data set as published.

    Args:
        name: Name of the data set: `pipal`, or a key of `REFERENCE_FOLDERS`.
        root: Folder of the data set.
        need_images: Whether missing images and references are errors; else they have the paths that they are published
            under, those of PIPAL, whose folders are not known, their names alone.

    Raises:
        FileNotFoundError: If a part of it is not there.
        ValueError: If the file of its scores has another form.
        ModuleNotFoundError: If a package that reads such files is not installed.
        DataError: If images, references or scores are missing or cannot be understood; with counts.
    """
    if name == "pipal":
        opinions, folders = _read_pipal(root, need_images)
    else:
        opinions = read_opinions(name, root, need_images=need_images)
        folders = [folder] if (folder := find_folder(root, REFERENCE_FOLDERS[name])) else []
    # The reference of a content is the image of its stem, whatever its case, in one of the folders.
    known: dict[str, list[Path]] = {}
    for path in (path for folder in dict.fromkeys(folders) for path in list_images(folder)):
        known.setdefault(path.stem.lower(), []).append(path)
    problems, references = DataProblems(), {}
    for content, suffix in {opinion.content: opinion.path.suffix for opinion in opinions}.items():
        found = known.get(content.lower(), [])
        if len(found) > 1:
            names = ", ".join(path.relative_to(root).as_posix() for path in found)
            problems.add("ambiguous reference", f"{content} in {root}: {names}; which one is meant?")
        elif found:
            references[content] = found[0]
        elif not need_images:
            file = f"{content}{_REFERENCE_SUFFIXES.get(name, suffix)}"
            references[content] = root / REFERENCE_FOLDERS.get(name, "") / file
        else:
            problems.add("missing reference", f"there is no image {content} in {root}")
    if len(problems):
        raise DataError(problems.summary(str(root)))
    return ScoredSet(root, opinions, references)


def _read_pipal(root: Path, need_images: bool) -> tuple[list[Opinion], list[Path]]:
    """The training part: `Train_Label/A0001.txt`, and the images in whichever folders they were unpacked into."""
    labels = find_folder(root, "Train_Label")
    if labels is None:
        raise FileNotFoundError(f"{root} is not in PIPAL's layout: expected the folder Train_Label")
    folders = [path for path in sorted(root.rglob("*")) if path.is_dir() and path != labels]
    images = {path.name.lower(): path for folder in folders for path in list_images(folder)}
    problems, opinions = DataProblems(), []
    for file in sorted(labels.glob("*.txt")):
        lines = split_lines(read_text(file, "list of scores"))
        if not any(map(str.strip, lines)):
            problems.add("empty list", f"{file} holds no scores")
        for number, line in enumerate(lines, start=1):
            name, _, score = (part.strip() for part in line.partition(","))
            if not name:
                continue
            path, value = images.get(name.lower(), None if need_images else root / name), as_number(score)
            if path is None:
                problems.add("missing image", f"{name} of {file.name} is in no folder of {root}")
            elif not math.isfinite(value):
                problems.add("score that is not a number", f"{file}, line {number}: {line.strip()[:60]!r}")
            else:
                opinions.append(Opinion(path, value, file.stem, value))
    doubles = [path for path, count in Counter(opinion.path for opinion in opinions).items() if count > 1]
    for path in doubles:
        problems.add("double image", f"{path.name} has more than one score")
    if not opinions and not len(problems):
        problems.add("empty list", f"{labels} holds no scores")
    check_levels({"score": [opinion.score for opinion in opinions]}, problems)
    if len(problems):
        raise DataError(problems.summary(str(root)))
    return opinions, [path.parent for path in images.values()]


# --- Pairs ------------------------------------------------------------------------------------------------------------


def partner_triplets(scored: ScoredSet, opinions: Iterable[Opinion], seed: int) -> list[Triplet]:
    """Each image of a reference, and the reference, with round(log2(n)) random others of the n; it always wins.

    Args:
        scored: The data set.
        opinions: Opinions of the data set that are wanted: all of a content or none.
        seed: Seed of the partners; which ones an image gets depends on it and on the images of its reference alone.
    """
    groups: dict[str, dict[str, float]] = {}
    for opinion in opinions:
        reference = scored.key(scored.references[opinion.content])
        groups.setdefault(reference, {})[scored.key(opinion.path)] = opinion.quality
    triplets = []
    for reference, quality in groups.items():
        rated = {**quality, reference: math.inf}
        names = sorted(rated)
        generator = torch.Generator().manual_seed(zlib.crc32(f"{seed}:{reference}".encode()))
        count = min(round(math.log2(len(names))), len(names) - 1)
        for index, name in enumerate(names):
            for drawn in torch.randperm(len(names) - 1, generator=generator)[:count].tolist():
                other = names[drawn + (drawn >= index)]
                pairs = (name, other), (name, reference), (other, reference)
                g12, g1r, g2r = (TIE if rated[a] == rated[b] else float(rated[a] > rated[b]) for a, b in pairs)
                triplets.append(Triplet(name, other, reference, (g12, g1r, g2r)))
    return triplets
