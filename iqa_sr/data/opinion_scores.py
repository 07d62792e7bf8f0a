"""Pictures and what people thought of them: scores checked against their pictures, and splits that share no content."""

import hashlib
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from iqa_sr.data.opinion_layouts import Row, Table, read_table
from iqa_sr.data.problems import DataError, DataProblems

__all__ = ["SPLITS", "Opinion", "collect_opinions", "own_splits", "read_opinions", "split_by_content"]

SPLITS = ("train", "val", "test")
"""Names of the parts of a collection."""
_SPLIT_WORDS = {"train": "train", "training": "train", "val": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class Opinion:
    """A picture and its score.

    Attributes:
        path: The picture's file.
        score: As published.
        content: Pictures of one reference have the same.
        quality: The score in [0, 1] of its declared range, larger is better.
        split: Part that the table itself puts it into, one of `SPLITS`; None where it does not say.
    """

    path: Path
    score: float
    content: str
    quality: float
    split: str | None = None


def read_opinions(
    layout: str,
    root: Path,
    scores_file: Path | None = None,
    *,
    score_range: tuple[float, float] | None = None,
    higher_is_better: bool | None = None,
) -> list[Opinion]:
    """The pictures of a collection and their scores, in the order of its file.

    Args:
        layout: A key of `iqa_sr.data.opinion_layouts.LAYOUTS`.
        root: The collection's folder.
        scores_file: The file with the scores; None for the published place below `root`.
        score_range: Lowest and highest possible score; None for the layout's own, which `csv` has not.
        higher_is_better: The scores' direction; None for the layout's own, which is True for `csv`.

    Raises:
        ValueError: If there is no such layout, the file has another form, or the range is unknown.
        FileNotFoundError: If the file does not exist.
        ModuleNotFoundError: If a package that reads this kind of file is not installed.
        DataError: If pictures are missing or named twice, scores are no numbers, outside their range or all the same,
            or a content is in two splits; with counts.
    """
    opinions, problems, file = collect_opinions(
        layout, root, scores_file, score_range=score_range, higher_is_better=higher_is_better
    )
    if len(problems):
        raise DataError(problems.summary(str(file)))
    return opinions


def collect_opinions(
    layout: str,
    root: Path,
    scores_file: Path | None = None,
    *,
    score_range: tuple[float, float] | None = None,
    higher_is_better: bool | None = None,
) -> tuple[list[Opinion], DataProblems, Path]:
    """As `read_opinions`, with what is wrong instead of a DataError: usable rows, problems, the file of the scores."""
    table = read_table(layout, root, scores_file)
    low, high = _range(table, score_range)
    better = table.higher_is_better if higher_is_better is None else higher_is_better
    problems, finder = DataProblems(), _Finder()
    opinions: list[Opinion] = []
    seen: set[str] = set()
    for row in table.rows:
        path, score = finder.find(root / row.picture), _number(row.score)
        split = _SPLIT_WORDS.get((row.split or "").lower())
        named = os.path.normpath(path or root / row.picture)
        problem = _row_problem(row, path, score, (low, high))
        if row.split is not None and split is None:
            problem = ("unknown splits", f"{row.picture} is in the split {row.split!r}, expected {', '.join(SPLITS)}")
        if named in seen:
            problem = ("double pictures", f"{row.picture} is named more than once")
        seen.add(named)
        if problem:
            problems.add(*problem)
        elif path is not None:
            quality = (score - low) / (high - low)
            opinions.append(Opinion(path, score, row.content, quality if better else 1 - quality, split))
    _check_whole(table, opinions, problems)
    return opinions, problems, table.file


def _row_problem(row: Row, path: Path | None, score: float, score_range: tuple[float, float]) -> tuple[str, str] | None:
    low, high = score_range
    if path is None:
        return "missing pictures", f"{row.picture} is not there"
    if not math.isfinite(score):
        return "scores that are no numbers", f"{row.picture} has the score {row.score!r}"
    if not low <= score <= high:
        text = f"{row.picture} has the score {score:g}, declared range {low:g} to {high:g} (score_range)"
        return "scores outside the declared range", text
    return None


def _check_whole(table: Table, opinions: Sequence[Opinion], problems: DataProblems) -> None:
    """What no single row shows."""
    if not table.rows:
        problems.add("empty file", f"{table.file} names no picture")
    if len(opinions) > 1 and len({opinion.score for opinion in opinions}) == 1:
        text = f"all {len(opinions)} pictures have the score {opinions[0].score:g}: nothing can be learnt from that"
        problems.add("single rating level", text)
    parts: dict[str, set[str]] = {}
    for opinion in opinions:
        if opinion.split is not None:
            parts.setdefault(opinion.content, set()).add(opinion.split)
    for content, splits in parts.items():
        if len(splits) > 1:
            names = " and ".join(split for split in SPLITS if split in splits)
            problems.add("contents in several splits", f"the content {content} is in {names}")


def _range(table: Table, score_range: tuple[float, float] | None) -> tuple[float, float]:
    found = score_range or table.score_range
    if found is None:
        raise ValueError(
            f"{table.file}: this format does not say which scores are possible; "
            "set score_range, for example [1, 5] or [0, 100]"
        )
    if not (math.isfinite(found[0]) and math.isfinite(found[1]) and found[0] < found[1]):
        raise ValueError(f"score_range: expected the lowest and the highest possible score, got {list(found)}")
    return found


def _number(value: object) -> float:
    """NaN where it is none."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan


class _Finder:
    """Finds files whatever the case of their names; every folder is listed once."""

    def __init__(self) -> None:
        self._folders: dict[Path, tuple[set[str], dict[str, str]]] = {}

    def find(self, path: Path) -> Path | None:
        if path.parent not in self._folders:
            names = os.listdir(path.parent) if path.parent.is_dir() else []
            self._folders[path.parent] = set(names), {name.lower(): name for name in sorted(names, reverse=True)}
        exact, lower = self._folders[path.parent]
        if path.name in exact:
            return path
        name = lower.get(path.name.lower())
        return path.with_name(name) if name else None


# --- Splits -----------------------------------------------------------------------------------------------------------


def split_by_content(
    opinions: Iterable[Opinion], seed: int, shares: tuple[int, int, int] = (7, 1, 2)
) -> dict[str, list[Opinion]]:
    """Training, validation and test part; all pictures of one content are in the same.

    A pure function of the contents' names, the seed and the shares: contents are sorted by the SHA-256 of
    `seed:content`, and the parts are cut off in turn, none of them empty.

    Args:
        opinions: The collection; its order does not matter, and is kept within a part.
        seed: Of the split.
        shares: Of the contents, in the order of `SPLITS`.

    Raises:
        ValueError: If there are fewer contents than parts.
    """
    opinions = list(opinions)
    contents = sorted({opinion.content for opinion in opinions}, key=lambda content: _place(seed, content))
    counts = _counts(len(contents), shares)
    names = [name for name, count in zip(SPLITS, counts, strict=True) for _ in range(count)]
    part = dict(zip(contents, names, strict=True))
    return {name: [opinion for opinion in opinions if part[opinion.content] == name] for name in SPLITS}


def _place(seed: int, content: str) -> tuple[str, str]:
    return hashlib.sha256(f"{seed}:{content}".encode()).hexdigest(), content


def _counts(total: int, shares: Sequence[int]) -> list[int]:
    """Whole numbers in proportion: rounded down, the rest to the largest remainders, none of them 0."""
    if total < len(shares):
        raise ValueError(
            f"{total} contents cannot be split {':'.join(map(str, shares))}, at least {len(shares)} are needed; "
            "use split: all, or another collection"
        )
    exact = [total * share / sum(shares) for share in shares]
    counts = [math.floor(count) for count in exact]
    for place in sorted(range(len(shares)), key=lambda i: (counts[i] - exact[i], i))[: total - sum(counts)]:
        counts[place] += 1
    while min(counts) == 0:
        counts[counts.index(max(counts))] -= 1
        counts[counts.index(0)] += 1
    return counts


def own_splits(opinions: Iterable[Opinion]) -> dict[str, list[Opinion]]:
    """The parts that the collection's own file names.

    Raises:
        ValueError: If it names none.
    """
    opinions = list(opinions)
    if all(opinion.split is None for opinion in opinions):
        raise ValueError("the file of the scores has no column of splits; set split_seed to split it by content")
    return {name: [opinion for opinion in opinions if opinion.split == name] for name in SPLITS}
