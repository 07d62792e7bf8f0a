"""Checks of tables of scores, the same for every kind of collection."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from iqa_sr.data.file_lookup import FileFinder
from iqa_sr.data.problems import DataError, DataProblems, Problem
from iqa_sr.io.tables import as_number

__all__ = ["RowReader", "check_levels", "errors_named"]


class RowReader:
    """Finds the images of a table's rows and reads their scores.

    Args:
        root: The collection's folder.
        score_range: Lowest and highest possible score.
        problems: Takes one problem for each row that cannot be used.
        need_images: Whether a row whose image is not there is a problem; else the table's own path stands for it.
    """

    def __init__(
        self, root: Path, score_range: tuple[float, float], problems: DataProblems, need_images: bool = True
    ) -> None:
        self._root, self._range, self._problems, self._need_images = root, score_range, problems, need_images
        self._finder = FileFinder()
        self._seen: set[str] = set()

    def read(
        self, images: Sequence[str], published: Mapping[str, Any], wrong: Problem | None = None
    ) -> tuple[Path, dict[str, float]] | None:
        """The image of a row and its scores as numbers; None where something is wrong with it.

        Args:
            images: Possible paths of the image below the root; the first of these that exists is meant, and where none
                does and none is needed, the very first.
            published: Scores by aspect, as they stand in the table.
            wrong: Problem that the caller has found in the row; None for none.
        """
        path = next((found for name in images if (found := self._finder.find(self._root / name))), None)
        if path is None and not self._need_images and not Path(images[0]).anchor:
            path = self._root / images[0].replace("\\", "/")
        scores = {aspect: as_number(value) for aspect, value in published.items()}
        named = os.path.normpath(path or self._root / images[0])
        if named in self._seen:
            problem: Problem | None = Problem("double images", f"{images[0]} is named more than once")
        elif path is None:
            problem = Problem("missing images", f"{images[0]} is not there")
        else:
            problem = wrong or self._score_problem(images[0], scores, published)
        self._seen.add(named)
        if problem is not None:
            self._problems.add(problem.kind, problem.text)
        return None if problem is not None or path is None else (path, scores)

    def _score_problem(self, name: str, scores: Mapping[str, float], published: Mapping[str, Any]) -> Problem | None:
        low, high = self._range
        for aspect, score in scores.items():
            if not math.isfinite(score):
                return Problem("scores that are not numbers", f"{name}: {aspect} is {published[aspect]!r}")
            if not low <= score <= high:
                text = f"{name}: {aspect} is {score:g}, declared range {low:g} to {high:g} (score_range)"
                return Problem("scores outside the declared range", text)
        return None


def check_levels(scores: Mapping[str, Sequence[float]], problems: DataProblems, of: str = "") -> None:
    """Find scores that are all the same.

    Args:
        scores: Scores of several images, by aspect.
        problems: Collected problems; each such aspect is added.
        of: Set of the images as text for messages, for example ` of this split`.
    """
    for aspect, values in scores.items():
        if len(values) > 1 and len(set(values)) == 1:
            text = f"{aspect} is the same for all {len(values)} images{of}: nothing can be learned from that"
            problems.add("single rating level", text)


@contextmanager
def errors_named(where: str) -> Iterator[None]:
    """Put the place in the option file before what a reader of tables raises; a ValueError becomes a DataError."""
    try:
        yield
    except (FileNotFoundError, ModuleNotFoundError) as error:
        raise type(error)(f"{where}: {error}") from error
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error
