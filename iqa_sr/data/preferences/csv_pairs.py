"""A CSV file of pairs, one line each: how collections of side-by-side comparisons are kept, SBS180K among them.

With the column `rater` a line is one answer of one person, as `iqa-sr label` writes it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from iqa_sr.data.preferences.answers import Crop, PairAnswer, joined_pairs
from iqa_sr.data.preferences.records import ALL, HumanLabels, PreferencePair, joined_contents, preferred_of
from iqa_sr.data.problems import DataError, DataProblems
from iqa_sr.data.splits import SPLITS
from iqa_sr.errors import did_you_mean
from iqa_sr.io.tables import as_number, read_lines

__all__ = ["FILE", "read_answer_table", "read_pair_table"]

FILE = "pairs.csv"
"""File of the pairs below the data set's folder, unless another file is named."""

_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "first": ("left", "image1", "im1", "image_a"),
    "second": ("right", "image2", "im2", "image_b"),
    "preference": ("probability", "prob"),
    "votes_first": ("votes_left", "votes1", "votes_a"),
    "votes_second": ("votes_right", "votes2", "votes_b"),
    "votes_tie": ("votes_equal",),
    "reference": ("ref",),
    "content": (),
    "kind": ("group",),
    "split": ("part",),
    "rater": (),
    "seconds": (),
    "time": (),
    "side": (),
    "crop": (),
}
"""Other names that a column may have."""
_OWN_NAMES = {spelling: own for own, others in _SPELLINGS.items() for spelling in (own, *others)}

Row = Mapping[str, str]


def read_pair_table(root: Path, file: Path, part: str) -> HumanLabels:
    """Pairs of a CSV file with a heading.

    Columns `first` and `second` hold the images' paths below the folder. The label is `preference`, the share
    of them who prefer the first, from 0 to 1, or `votes_first` and `votes_second`, numbers of votes, and if need be
    `votes_tie`. A preference that is 0, 0.5 or 1 everywhere says who won, and not by how many votes. May be there:
    `reference`, for full-reference metrics; `content`, without which pairs that share an image or a reference are one
    content; `kind`, the group that a pair is counted in besides all; `split`, `train`, `val` or `test`.

    With the column `rater` each line is one answer, and the lines of the same two images are one pair: its preference
    is the mean of the raters', each of them the mean of their answers, and its kind `asked` unless all lines have
    another one, such as `known`. `seconds`, `time`, `side` and `crop` may stand beside it.

    The columns of SBS180K's own list could not be looked at; with these names, or those of `_SPELLINGS`, it is read.

    Args:
        root: The folder of the images, which are not looked for.
        file: The table.
        part: One of `SPLITS`, or `all`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If columns are missing or unknown.
        DataError: If a line cannot be understood, or a pair stands there twice and nobody says who the raters are;
            with counts.
    """
    answers, references = _read(file, part)
    pairs = []
    for pair in joined_pairs(answers):
        groups = (pair.kind, ALL) if pair.kind else (ALL,)
        pairs.append(
            PreferencePair(pair.content, pair.first, pair.second, preferred_of(pair.share), groups, pair.share)
        )
    if all(pair.share in (0, 0.5, 1) for pair in pairs) and not answers[0].counted:
        pairs = [pair._replace(share=None) for pair in pairs]  # who won, and not how many said so
    return HumanLabels(root, pairs, references=references)


def read_answer_table(file: Path, part: str = "all") -> list[PairAnswer]:
    """The lines of a table of pairs one by one: with the column `rater` the answers of people, else the pairs.

    Args:
        file: The table, as for `read_pair_table`.
        part: One of `SPLITS`, or `all`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If columns are missing or unknown.
        DataError: As `read_pair_table`.
    """
    return _read(file, part)[0]


def _read(file: Path, part: str) -> tuple[list[PairAnswer], dict[str, str]]:
    """The lines of the part, and the references of their images."""
    rows = _rows(file)
    problems, answers, references = DataProblems(), list[PairAnswer](), dict[str, str]()
    seen: dict[frozenset[str], tuple[int, str]] = {}
    contents = _contents(rows)
    for number, (row, content) in enumerate(zip(rows, contents, strict=True), start=1):
        first, second, where = row["first"], row["second"], f"{file.name}, pair {number}"
        share, crop = _share(row, where, problems), _crop(row, where, problems)
        before, before_content = seen.setdefault(frozenset((first, second)), (number, content))
        if not first or not second or first == second:
            problems.add("pairs without two images", f"{where}: expected two images, got {first!r} and {second!r}")
        elif before != number and "rater" not in row:
            text = f"{where}: {first} and {second} are pair {before} already; add up their votes, or name each rater"
            problems.add("double pairs", f"{text} in a column rater")
        elif before_content != content:
            text = (
                f"{where}: {first} and {second} are of content {content} here and of {before_content} in pair {before}"
            )
            problems.add("pairs of two contents", text)
        elif not row.get("rater", "-"):
            problems.add("answers without a rater", f"{where}: expected a name in the column rater, got an empty cell")
        elif _wanted(row, part, where, problems) and share is not None:
            kind, rater = row.get("kind", ""), row.get("rater", "")
            counted = "preference" not in row
            answers.append(PairAnswer(content, first, second, share, kind, rater, crop, counted))
            _add_reference(row, references, where, problems)
    if not rows:
        problems.add("empty file", f"{file} holds no pairs")
    if len(problems):
        raise DataError(problems.summary(str(file)))
    if not answers:
        raise DataError(f"{file}: none of the {len(rows)} pairs is in the part {part}")
    return answers, references


def _rows(file: Path) -> Sequence[Row]:
    """The lines by the columns' own names, paths with forward slashes."""
    if not file.exists():
        raise FileNotFoundError(f"the table of pairs {file} does not exist; name it with `file` FILE")
    lines = read_lines(file)
    names = lines[0] if lines else []
    if len(names) == 1 and set(names[0]) & {";", "\t"}:
        raise ValueError(f"{file}: separate the columns by commas; the first line is {names[0][:80]!r}")
    for name in names:
        if name and name.lower() not in _OWN_NAMES:
            raise ValueError(f"{file}: unknown column {name!r}; {did_you_mean(name, _OWN_NAMES)}; rename or remove it")
    heading = [_OWN_NAMES.get(name.lower(), "") for name in names]  # one without a name has row numbers, mostly
    doubles = sorted({name for name in heading if name and heading.count(name) > 1})
    if doubles:
        raise ValueError(f"{file}: more than one column says {', '.join(doubles)}: {', '.join(names)}")
    if not {"first", "second"} <= set(heading) or not (
        "preference" in heading or {"votes_first", "votes_second"} <= set(heading)
    ):
        raise ValueError(
            f"{file}: expected the columns first, second, and preference or votes_first and votes_second, "
            f"found {', '.join(heading) or 'nothing'}"
        )
    empty = [""] * len(heading)
    for number, line in enumerate(lines[1:], start=1):
        if any(line[len(heading) :]):
            surplus = ", ".join(line[len(heading) :])
            raise ValueError(f"{file}: pair {number} has more cells than there are columns: {surplus}")
    rows = [dict(zip(heading, [*line, *empty], strict=False)) for line in lines[1:]]
    for row in rows:
        for name in {"first", "second", "reference"} & row.keys():
            row[name] = row[name].replace("\\", "/").removeprefix("./")
    return rows


def _share(row: Row, where: str, problems: DataProblems) -> float | None:
    """The share of the votes for the first image."""
    if "preference" in row:
        share = as_number(row["preference"])
        if not 0 <= share <= 1:
            got = repr(row["preference"])
            text = f"{where}: expected a preference from 0 to 1, the share of observers who prefer the first, got {got}"
            problems.add("labels out of range", text)
            return None
        return share
    cells = row["votes_first"], row["votes_second"], row.get("votes_tie") or "0"
    first, second, tie = (as_number(cell) for cell in cells)
    total = first + second + tie
    if not (min(first, second, tie) >= 0 and 0 < total < float("inf")):
        text = f"{where}: expected numbers of votes, at least one of them above 0, got {', '.join(map(repr, cells))}"
        problems.add("labels out of range", text)
        return None
    return (first + tie / 2) / total


def _crop(row: Row, where: str, problems: DataProblems) -> Crop | None:
    """The place that was looked at; None for the whole image."""
    cell = row.get("crop", "")
    if not cell:
        return None
    numbers = cell.split()
    if len(numbers) != 4 or not all(number.isdecimal() for number in numbers) or "0" in numbers[2:]:
        text = f"{where}: expected a crop as top, left, height and width in px, such as `0 64 256 256`, got {cell!r}"
        problems.add("crops that cannot be understood", text)
        return None
    top, left, height, width = map(int, numbers)
    return top, left, height, width


def _wanted(row: Row, part: str, where: str, problems: DataProblems) -> bool:
    """Check whether the pair is in the part."""
    split = row.get("split", "")
    if split not in ("", *SPLITS):
        problems.add("unknown splits", f"{where}: expected {', '.join(SPLITS)}, got {split!r}")
    return part in ("all", split)


def _add_reference(row: Row, references: dict[str, str], where: str, problems: DataProblems) -> None:
    if row.get("reference"):
        for key in (row["first"], row["second"]):
            known = references.setdefault(key, row["reference"])
            if known != row["reference"]:
                text = f"{where}: {key} is compared with {row['reference']} here and with {known} above"
                problems.add("images with two references", text)


def _contents(rows: Sequence[Row]) -> list[str]:
    """The column `content`; where it is empty, what images and references have in common."""
    links = [(row["first"], row["second"]) for row in rows]
    links += [(row["first"], row.get("reference") or row["first"]) for row in rows]
    joined = joined_contents(links)[: len(rows)]
    return [row.get("content") or own for row, own in zip(rows, joined, strict=True)]
