"""AI-generated pictures, their prompts and what people thought of them, as AGIQA-3K and AIGCIQA2023 publish it."""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from iqa_sr.data.aigc_layouts import AIGC_LAYOUTS, Row, Table, number
from iqa_sr.data.opinion_scores import Opinion, split_by_content
from iqa_sr.data.problems import DataError, DataProblems
from iqa_sr.options import nearest

__all__ = ["Rating", "collect_ratings", "read_ratings", "split_ratings"]


@dataclass(frozen=True)
class Rating:
    """A generated picture, its prompt, and what people thought of it.

    Attributes:
        path: The picture's file.
        prompt: The text that it was made from.
        scores: In [0, 1] of the declared range, larger is better: `quality`, and as far as the collection has them
            `authenticity` and `alignment` with the prompt.
    """

    path: Path
    prompt: str
    scores: Mapping[str, float]

    @property
    def content(self) -> str:
        """The prompt without what upper case and spaces add: pictures of the same belong together."""
        return " ".join(self.prompt.casefold().split())


def read_ratings(layout: str, root: Path, score_range: tuple[float, float] | None = None) -> list[Rating]:
    """The pictures of a collection, their prompts and scores, in its own order.

    Args:
        layout: A key of `AIGC_LAYOUTS`.
        root: The collection's folder.
        score_range: Lowest and highest possible score; None for the published ones.

    Raises:
        ValueError: If there is no such layout or a file has another form.
        FileNotFoundError: If a file of the collection does not exist.
        ModuleNotFoundError: If a package that reads one of its files is not installed.
        DataError: If pictures are missing or named twice, prompts are empty, scores are no numbers, outside the
            declared range or all the same; with counts.
    """
    ratings, problems, file = collect_ratings(layout, root, score_range)
    if len(problems):
        raise DataError(problems.summary(str(file)))
    return ratings


def collect_ratings(
    layout: str, root: Path, score_range: tuple[float, float] | None = None
) -> tuple[list[Rating], DataProblems, Path]:
    """As `read_ratings`, with what is wrong instead of a DataError: usable rows, problems, the file of the scores."""
    if layout not in AIGC_LAYOUTS:
        raise ValueError(f"there is no layout {layout!r} of generated pictures; {nearest(layout, AIGC_LAYOUTS)}")
    published = AIGC_LAYOUTS[layout]
    table = published.read(root)
    low, high = score_range or published.score_range
    problems, folders = DataProblems(), _Folders()
    ratings: list[Rating] = []
    seen: set[str] = set()
    for row in table.rows:
        path = next((found for name in row.pictures if (found := folders.find(root / name))), None)
        scores = {aspect: number(value) for aspect, value in row.scores.items()}
        problem = _problem(row, path, scores, (low, high))
        named = os.path.normpath(path or row.pictures[0])
        if named in seen:
            problem = ("double pictures", f"{row.pictures[0]} is named more than once")
        seen.add(named)
        if problem:
            problems.add(*problem)
        elif path is not None:
            parts = {aspect: (score - low) / (high - low) for aspect, score in scores.items()}
            ratings.append(Rating(path, row.prompt, parts))
    _check_whole(table, ratings, problems)
    return ratings, problems, table.file


def _problem(
    row: Row, path: Path | None, scores: Mapping[str, float], score_range: tuple[float, float]
) -> tuple[str, str] | None:
    low, high = score_range
    name = row.pictures[0]
    if path is None:
        return "missing pictures", f"{name} is not there"
    if not row.prompt.strip():
        return "empty prompts", f"{name} has no prompt"
    for aspect, score in scores.items():
        if not math.isfinite(score):
            return "scores that are no numbers", f"{name}: {aspect} is {row.scores[aspect]!r}"
        if not low <= score <= high:
            text = f"{name}: {aspect} is {score:g}, declared range {low:g} to {high:g} (score_range)"
            return "scores outside the declared range", text
    return None


def _check_whole(table: Table, ratings: Sequence[Rating], problems: DataProblems) -> None:
    """What no single row shows."""
    if not table.rows:
        problems.add("empty file", f"{table.file} names no picture")
    for aspect in table.rows[0].scores if table.rows else ():
        levels = {rating.scores[aspect] for rating in ratings}
        if len(ratings) > 1 and len(levels) == 1:
            text = f"{aspect} is the same for all {len(ratings)} pictures: nothing can be learnt from that"
            problems.add("single rating level", text)


class _Folders:
    """Finds files whatever the case of their names; every folder is listed once."""

    def __init__(self) -> None:
        self._names: dict[Path, dict[str, str]] = {}

    def find(self, path: Path) -> Path | None:
        """The file, under the name that it has; None where there is none."""
        if path.parent not in self._names:
            names = os.listdir(path.parent) if path.parent.is_dir() else []
            self._names[path.parent] = {name.lower(): name for name in names} | {name: name for name in names}
        known = self._names[path.parent]
        name = known.get(path.name) or known.get(path.name.lower())
        return path.with_name(name) if name else None


def split_ratings(ratings: Iterable[Rating], seed: int) -> dict[str, list[Rating]]:
    """Training, validation and test part, 7:1:2 by content: all pictures of one prompt are in the same.

    A pure function of the prompts and the seed; see `split_by_content`.

    Raises:
        ValueError: If there are fewer prompts than parts.
    """
    ratings = list(ratings)
    opinions = [Opinion(rating.path, 0.0, rating.content, 0.0) for rating in ratings]
    by_path = {rating.path: rating for rating in ratings}
    parts = split_by_content(opinions, seed)
    return {name: [by_path[opinion.path] for opinion in part] for name, part in parts.items()}
