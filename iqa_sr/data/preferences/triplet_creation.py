"""Lists of triplets made from data sets in their published layouts: DiffIQA's votes, and the scores of older sets.

Reference:
    Chen, Wu, Ma, Zhang: Toward Generalized Image Quality Assessment: Relaxing the Perfect Reference Quality
    Assumption, CVPR 2025, https://arxiv.org/abs/2503.11221 (DiffIQA, its pairs, and the pairs of the older sets).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from pathlib import Path

from iqa_sr.data.file_lookup import find_folder
from iqa_sr.data.label_files import decided, read_label_files
from iqa_sr.data.mos.reference_sets import partner_triplets, read_scored_set
from iqa_sr.data.multi_gt.records import Label
from iqa_sr.data.preferences.triplets import TIE, Triplet, write_triplets
from iqa_sr.data.problems import DataError, DataProblems
from iqa_sr.data.splits import SPLITS, split_by_content
from iqa_sr.errors import did_you_mean
from iqa_sr.io.image_stores import list_images

__all__ = ["DIFFIQA_TEST_KINDS", "LAYOUTS", "Made", "Rated", "label_pairs", "make_triplets", "read_diffiqa"]

DIFFIQA_TEST_KINDS = ("PSY", "PNY", "PYY", "SNY", "NYY")
"""Content of DiffIQA's validation and test lists: the pairs that observers could tell apart."""

_AGAINST_REFERENCE = {Label.POSITIVE: 1.0, Label.SIMILAR: TIE, Label.NEGATIVE: 0.0}
_BEST_FIRST = (Label.POSITIVE, Label.SIMILAR, Label.NEGATIVE)


@dataclass
class Made:
    """Summary of what was made of a data set.

    Attributes:
        lists: Triplets by split.
        notes: Remarks on what was left out and why, one line each.
    """

    lists: dict[str, list[Triplet]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """Lines with the numbers of each list."""
        lines = []
        for name, triplets in self.lists.items():
            kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(t.kind for t in triplets).most_common())
            references = len({triplet.reference for triplet in triplets})
            lines.append(f"{name}.txt: {len(triplets)} triplets of {references} references ({kinds})")
        return "\n".join(lines + self.notes)


def make_triplets(layout: str, source: str | Path, output: str | Path, seed: int = 0) -> Made:
    """Write `train.txt`, `val.txt` and `test.txt` with the triplets of a data set, 7:1:2 by reference.

    The same data and seed give the same lists.

    Args:
        layout: A key of `LAYOUTS`.
        source: The data set as published; the paths in the lists start here.
        output: Folder of the lists; made when it is not there.
        seed: Seed of the split, where none is published, and of the partners.

    Raises:
        ValueError: If there is no such layout, or there are too few references to split them.
        FileNotFoundError: If a part of the data set is not there.
        FileExistsError: If the folder has one of the lists already.
        DataError: If images or labels are missing or cannot be understood; with counts.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"`layout`: there is no layout {layout!r} of triplets; {did_you_mean(layout, LAYOUTS)}")
    source, output = Path(source).expanduser(), Path(output).expanduser()
    if not source.is_dir():
        raise FileNotFoundError(f"`source`: folder {source} does not exist")
    there = [name for name in SPLITS if (output / f"{name}.txt").exists()]
    if there:
        raise FileExistsError(f"`output`: {output} has {there[0]}.txt already; nothing was written")
    made = LAYOUTS[layout](source, seed)
    commas = [image for triplets in made.lists.values() for t in triplets for image in t.images if "," in image]
    if commas:
        raise DataError(f"{source}: {len(set(commas))} names hold a comma, which separates the fields: {commas[0]}")
    output.mkdir(parents=True, exist_ok=True)
    for name, triplets in made.lists.items():
        write_triplets(output / f"{name}.txt", triplets)
    return made


# --- DiffIQA ----------------------------------------------------------------------------------------------------------


@dataclass
class Rated:
    """A reference and the majority labels of its enhanced images, by their paths."""

    reference: str
    labels: dict[str, Label] = field(default_factory=dict)

    @property
    def content(self) -> str:
        """Name of the content, which no two splits share: the path of the reference."""
        return self.reference


def _diffiqa(root: Path, seed: int) -> Made:
    """Its published split; without one the references are split by the seed."""
    made = Made()
    rated = read_diffiqa(root, made.notes)
    for name, references in (split_by_content(rated[""], seed) if "" in rated else rated).items():
        triplets = [triplet for one in references for triplet in label_pairs(one.reference, one.labels)]
        kept = triplets if name == "train" else [t for t in triplets if t.kind in DIFFIQA_TEST_KINDS]
        made.lists[name] = kept
    return made


def read_diffiqa(root: Path, notes: list[str]) -> Mapping[str, Sequence[Rated]]:
    """`images/01/NAME_01.png` to `06`, `images/Original/NAME.png`, `labels/A/01/NAME_01.json` of three observers.

    Args:
        root: The data set as published.
        notes: Takes what was left out.

    Returns:
        By part, where folders `Train`, `Val` and `Test` each hold these; else everything under the empty name.

    Raises:
        FileNotFoundError: If a part of the data set is not there.
        DataError: If images or labels are missing or cannot be understood; with counts.
    """
    parts = {name: folder for name in SPLITS if (folder := find_folder(root, name)) is not None}
    problems = DataProblems()
    rated = {name: _diffiqa_part(folder, root, notes, problems) for name, folder in (parts or {"": root}).items()}
    if len(problems):
        raise DataError(problems.summary(f"{root}"))
    return rated


def _diffiqa_part(folder: Path, root: Path, notes: list[str], problems: DataProblems) -> list[Rated]:
    """References of a folder with the labels of those images on which most observers agree."""
    images, labels = find_folder(folder, "images"), find_folder(folder, "labels")
    originals = find_folder(images, "Original") if images else None
    if images is None or labels is None or originals is None:
        raise FileNotFoundError(
            f"{folder} is not in DiffIQA's layout: expected images/Original, images/01 to 06, and labels/A/01 and so on"
        )
    votes = _read_votes(labels, problems)
    rated = {path.stem: Rated(path.relative_to(root).as_posix()) for path in list_images(originals)}
    undecided = unlabeled = 0
    for version in sorted(path for path in images.iterdir() if path.is_dir() and path != originals):
        for path in list_images(version):
            name = path.stem.removesuffix(f"_{version.name}")
            given = votes.pop((version.name, path.stem), [])
            label = decided(given)
            if name not in rated:
                problems.add("missing reference", f"{path} has no image {name} in {originals}")
            elif not given:
                unlabeled += 1
            elif label is None:
                undecided += 1
            else:
                rated[name].labels[path.relative_to(root).as_posix()] = label
    for version_name, stem in votes:
        problems.add("missing image", f"{images / version_name / stem}.png is not there, but has labels")
    if undecided:
        notes.append(f"{undecided} images of {folder} left out: no label has most of the votes")
    if unlabeled:
        notes.append(f"{unlabeled} images of {folder} left out: nobody labeled them")
    return [one for one in rated.values() if one.labels]


def _read_votes(folder: Path, problems: DataProblems) -> dict[tuple[str, str], list[Label]]:
    """The labels that the observers gave each image, by version and stem."""
    files = sorted(folder.glob("*/*/*.json"))
    if not files:
        raise FileNotFoundError(f"{folder} holds no labels; expected A/01/NAME_01.json and so on")
    votes: dict[tuple[str, str], list[Label]] = {}
    expected = "expected Image_AI with a Label"
    for path, label in read_label_files(
        files, lambda _, content: Label.of(content["Image_AI"]["Label"]), expected, problems
    ):
        votes.setdefault((path.parent.name, path.stem), []).append(label)
    return votes


def label_pairs(reference: str, labels: Mapping[str, Label]) -> list[Triplet]:
    """Pairs of different labels, the better one first, pairs of similar ones, and each image with its reference.

    Two images that are both better than the reference, or both worse, were not compared with each other.

    Args:
        reference: Path of the reference.
        labels: Human labels of the enhanced images, each compared with the reference, by the path of the image.
    """
    ordered = [path for label in _BEST_FIRST for path, own in labels.items() if own is label]
    against = {path: _AGAINST_REFERENCE[label] for path, label in labels.items()}
    triplets = []
    for first, second in combinations(ordered, 2):
        if against[first] != against[second]:
            triplets.append(Triplet(first, second, reference, (1.0, against[first], against[second])))
        elif against[first] == TIE:
            triplets.append(Triplet(first, second, reference, (TIE, TIE, TIE)))
    for path in ordered:
        triplets.append(Triplet(path, reference, reference, (against[path], against[path], TIE)))
    return triplets


# --- Sets with scores -------------------------------------------------------------------------------------------------


def _scored(name: str, root: Path, seed: int) -> Made:
    """Lists of a set with scores."""
    scored = read_scored_set(name, root)
    parts = split_by_content(scored.opinions, seed)
    return Made({part: partner_triplets(scored, opinions, seed) for part, opinions in parts.items()})


LAYOUTS: Mapping[str, Callable[[Path, int], Made]] = {
    "diffiqa": _diffiqa,
    "kadid": partial(_scored, "kadid10k"),
    "pipal": partial(_scored, "pipal"),
    "tid2013": partial(_scored, "tid2013"),
}
"""Names of layouts."""
