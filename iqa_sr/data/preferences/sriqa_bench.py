"""SRIQA-Bench: ten super-resolution networks and the original, each compared with each by ten observers.

Reference:
    Chen, Wu, Ma, Zhang: Toward Generalized Image Quality Assessment: Relaxing the Perfect Reference Quality
    Assumption, CVPR 2025, https://arxiv.org/abs/2503.11221.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from iqa_sr.data.label_files import read_label_files
from iqa_sr.data.multi_gt.records import Label
from iqa_sr.data.preferences.records import ALL, HumanLabels, PreferencePair, RatedImage, preferred_of
from iqa_sr.data.problems import DataError, DataProblems
from iqa_sr.io.files import read_text
from iqa_sr.io.tables import as_number, split_lines

__all__ = ["REGRESSION", "read_sriqa_scores", "read_sriqa_votes"]

REGRESSION = ("SwinIR", "RealESRNet")
"""The networks without a generative loss; with the originals they are the group Reg, all others with them Gen."""
ORIGINAL = "Original"
_FOLDERS = {"Reg": "MOS_Reg", "Gen": "MOS_Gen", ALL: "MOS"}
_ROUNDING = 1e-6  # the published scores leave 0 to 100 by that of their normalization

Scores = dict[str, dict[str, float]]
"""By content: the scores by method."""


def read_sriqa_scores(root: Path) -> HumanLabels:
    """Pairs as in the paper: all inside a content, of which observers prefer the one with the higher score.

    Read are `MOS/NAME.txt`, `MOS_Reg/NAME.txt` and `MOS_Gen/NAME.txt` with lines `NAME_METHODx4.png,score` and
    `NAME_Original.png,score`, from 0 to 100; each of the three was made from the votes on its own images, so that
    their orders may differ. Without the last two, the groups Reg and Gen are those pairs of `MOS` (a note says so).
    Images are `images/METHOD/NAME_METHODx4.png` (or `images/METHODx4/...`) and `images/Original/NAME_Original.png`,
    which are the references; they are not looked for.

    Args:
        root: The folder of the data set.

    Raises:
        FileNotFoundError: If there are no scores.
        DataError: If a file cannot be understood, names an image twice or one of another content, or a folder lacks a
            content that another one has; with counts.
    """
    problems, notes = DataProblems(), []
    scores = {group: _read_folder(root / name, problems) for group, name in _FOLDERS.items()}
    _check_contents(scores, root, problems)
    if len(problems):
        raise DataError(problems.summary(str(root)))
    if not scores[ALL]:
        raise FileNotFoundError(f"{root} is not in SRIQA-Bench's layout: expected MOS/NAME.txt")
    most = max(len(own) for own in scores[ALL].values())
    fewer = [content for content, own in scores[ALL].items() if len(own) < most]
    if fewer:
        first = ", ".join(fewer[:3] + ["..."] * (len(fewer) > 3))
        notes.append(f"{len(fewer)} of {len(scores[ALL])} contents have fewer than {most} scores in MOS: {first}")
    for group in ("Reg", "Gen"):
        if not scores[group]:
            scores[group] = {content: _of_group(group, own) for content, own in scores[ALL].items()}
            notes.append(f"no {_FOLDERS[group]}: the pairs of {group} follow the scores in MOS")
    folders = _folders(root)
    pairs = [pair for group, contents in scores.items() for pair in _score_pairs(group, contents, folders)]
    rated = [
        RatedImage(_key(folders, content, method), content, score)
        for content, own in scores[ALL].items()
        for method, score in own.items()
    ]
    return HumanLabels(root, pairs, rated, _references(pairs), tuple(notes))


def _folders(root: Path) -> set[str]:
    """The names of the folders of images, if they are there."""
    images = root / "images"
    return {path.name for path in images.iterdir()} if images.is_dir() else set()


def _key(folders: set[str], content: str, method: str) -> str:
    """Key of an image; `method` as its name has it, `SwinIRx4`."""
    return f"images/{method if method in folders else _plain(method)}/{content}_{method}.png"


def _references(pairs: Iterable[PreferencePair]) -> dict[str, str]:
    """The original of each image."""
    return {
        key: f"images/{ORIGINAL}/{pair.content}_{ORIGINAL}.png" for pair in pairs for key in (pair.first, pair.second)
    }


def _plain(method: str) -> str:
    return method.removesuffix("x4")


def _of_group(group: str, scores: Mapping[str, float]) -> dict[str, float]:
    """The methods of a group, the original among them."""
    return {
        method: score
        for method, score in scores.items()
        if method == ORIGINAL or (_plain(method) in REGRESSION) == (group == "Reg")
    }


def _read_folder(folder: Path, problems: DataProblems) -> Scores:
    """Nothing where there is no such folder."""
    found: Scores = {}
    for file in sorted(folder.glob("*.txt")):
        scores = found.setdefault(file.stem, {})
        lines = split_lines(read_text(file, "list of scores", errors="replace"))
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{file}, line {number}"
            name, _, text = line.strip().replace(",", " ").partition(" ")
            own, _, method = Path(name).stem.rpartition("_")
            score = as_number(text)
            if own != file.stem or not method:
                problems.add("images of another content", f"{where}: expected {file.stem}_METHODx4.png, got {name!r}")
            elif method in scores:
                problems.add("double images", f"{where}: {name} has a score already")
            elif not -_ROUNDING <= score <= 100 + _ROUNDING:
                problems.add("labels out of range", f"{where}: expected a score from 0 to 100, got {text.strip()!r}")
            else:
                scores[method] = score
        if len(scores) < 2:
            problems.add("contents without pairs", f"{file} has {len(scores)} images")
    return found


def _check_contents(scores: Mapping[str, Scores], root: Path, problems: DataProblems) -> None:
    """Check whether those of the three folders that are there hold the same contents."""
    there = {group: own for group, own in scores.items() if own}
    for content in sorted({content for own in there.values() for content in own}):
        for group in there:
            if content not in there[group]:
                file = root / _FOLDERS[group] / f"{content}.txt"
                problems.add("contents without scores", f"{file} is missing, other folders have this content")


def _score_pairs(group: str, contents: Scores, folders: set[str]) -> Iterator[PreferencePair]:
    for content, scores in contents.items():
        for (first, one), (second, other) in combinations(scores.items(), 2):
            preferred = 0.5 if one == other else float(one > other)
            keys = _key(folders, content, first), _key(folders, content, second)
            yield PreferencePair(content, *keys, preferred, (group,))


# --- Votes ------------------------------------------------------------------------------------------------------------

_POINTS = {Label.POSITIVE: 1, Label.SIMILAR: 0, Label.NEGATIVE: -1}


def read_sriqa_votes(root: Path) -> HumanLabels:
    """Pairs by the majority of the observers who compared these two, `labels/A/NAME/NAME_M1_M2.json` to `labels/J`.

    A file has `Image_01` and `Image_02`, each with a `Name` and a `Label`, `Positive`, `Similar` or `Negative`; the
    better label has the vote, equal ones are a tie. Not the paper's protocol, which goes by the scores made of all
    votes on a content; these votes also say how far observers agree with each other.

    Args:
        root: The folder of the data set.

    Raises:
        FileNotFoundError: If there are no labels.
        DataError: If files cannot be understood; with counts.
    """
    files = sorted((root / "labels").glob("*/*/*.json"))
    if not files:
        raise FileNotFoundError(f"{root} has no labels/A/NAME/NAME_M1_M2.json; the layout sriqa-bench reads MOS/")
    problems, shares = DataProblems(), dict[tuple[str, str, str], list[float]]()
    expected = "expected Image_01 and Image_02 with Name and Label"
    for file, vote in read_label_files(files, _parse_vote, expected, problems):
        if isinstance(vote, str):
            problems.add("unreadable label", f"{file}: {vote}")
        else:
            first, second, share = vote
            shares.setdefault((file.parent.name, first, second), []).append(share)
    if len(problems):
        raise DataError(problems.summary(str(root / "labels")))
    folders = _folders(root)
    pairs = []
    for (content, first, second), own in shares.items():
        share, both = sum(own) / len(own), {first: 0.0, second: 0.0}
        groups = tuple(group for group in ("Reg", "Gen") if len(_of_group(group, both)) == 2)
        keys = _key(folders, content, first), _key(folders, content, second)
        pairs.append(PreferencePair(content, *keys, preferred_of(share), (*groups, ALL), share))
    observers = sorted({len(own) for own in shares.values()})
    notes = (f"{' or '.join(map(str, observers))} votes on each pair",)
    return HumanLabels(root, pairs, references=_references(pairs), notes=notes)


def _parse_vote(file: Path, content: Any) -> tuple[str, str, float] | str:
    """The two methods in the order of their names and the share of this vote for the first, or what is wrong."""
    points = {}
    for key in ("Image_01", "Image_02"):
        own, _, method = Path(str(content[key]["Name"])).stem.rpartition("_")
        if own != file.parent.name:
            return f"expected images of {file.parent.name}, got {content[key]['Name']!r}"
        points[method] = _POINTS[Label.of(content[key]["Label"])]
    if len(points) < 2:
        return "compares an image with itself"
    (first, one), (second, other) = sorted(points.items())
    return first, second, preferred_of(0.5 + (one - other) / 4)
