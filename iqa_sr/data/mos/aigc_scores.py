"""AI-generated images, their prompts and human ratings, as AGIQA-3K and AIGCIQA2023 publish it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from iqa_sr.data.image_checks import check_images
from iqa_sr.data.mos.aigc_layouts import AIGC_LAYOUTS
from iqa_sr.data.problems import DataError, DataProblems, Problem
from iqa_sr.data.row_checks import RowReader, check_levels
from iqa_sr.errors import did_you_mean

__all__ = ["Rating", "check_ratings", "collect_ratings", "read_ratings"]


@dataclass(frozen=True)
class Rating:
    """A generated image, its prompt, and human ratings.

    Attributes:
        path: The image's file.
        prompt: The text that it was made from.
        scores: Scores by name, in [0, 1] of the declared range, larger is better: `quality`, and as far as the
            collection has them `authenticity` and `alignment` with the prompt.
    """

    path: Path
    prompt: str
    scores: Mapping[str, float]

    @property
    def content(self) -> str:
        """The prompt without what upper case and spaces add: images of the same belong together."""
        return " ".join(self.prompt.casefold().split())


def read_ratings(layout: str, root: Path, score_range: tuple[float, float] | None = None) -> list[Rating]:
    """The images of a collection, their prompts and scores, in its own order.

    Args:
        layout: A key of `AIGC_LAYOUTS`.
        root: The collection's folder.
        score_range: Lowest and highest possible score; None for the published ones.

    Raises:
        ValueError: If there is no such layout or a file has another form.
        FileNotFoundError: If a file of the collection does not exist.
        ModuleNotFoundError: If a package that reads one of its files is not installed.
        DataError: If images are missing or named twice, prompts are empty, scores are not numbers, outside the
            declared range or all the same; with counts.
    """
    ratings, problems, file = collect_ratings(layout, root, score_range)
    if len(problems):
        raise DataError(problems.summary(str(file)))
    return ratings


def collect_ratings(
    layout: str, root: Path, score_range: tuple[float, float] | None = None
) -> tuple[list[Rating], DataProblems, Path]:
    """Read ratings as `read_ratings` does, but return what is wrong instead of raising a DataError.

    Returns:
        Usable ratings, problems, and the file of the scores.
    """
    if layout not in AIGC_LAYOUTS:
        raise ValueError(f"there is no layout {layout!r} of generated images; {did_you_mean(layout, AIGC_LAYOUTS)}")
    published = AIGC_LAYOUTS[layout]
    table = published.read(root)
    low, high = score_range or published.score_range
    problems = DataProblems()
    reader = RowReader(root, (low, high), problems)
    ratings: list[Rating] = []
    for row in table.rows:
        wrong = None if row.prompt.strip() else Problem("empty prompts", f"{row.images[0]} has no prompt")
        found = reader.read(row.images, row.scores, wrong)
        if found is not None:
            scores = {aspect: (score - low) / (high - low) for aspect, score in found[1].items()}
            ratings.append(Rating(found[0], row.prompt, scores))
    if not table.rows:
        problems.add("empty file", f"{table.file} names no image")
    check_levels(_by_aspect(ratings), problems)
    return ratings, problems, table.file


def check_ratings(ratings: Sequence[Rating], smallest: int, problems: DataProblems, of: str) -> None:
    """Find what is wrong with a part of a collection: one single rating level, unusable images, small ones.

    Args:
        ratings: Ratings of the part.
        smallest: Least height and width in px.
        problems: Collected problems, to which new ones are added; rating levels are looked at only where there is none
            yet.
        of: Part of the collection as text for messages, for example ` of the part val`.
    """
    if not len(problems):
        check_levels(_by_aspect(ratings), problems, of)
    check_images((rating.path for rating in ratings), smallest, problems)


def _by_aspect(ratings: Sequence[Rating]) -> dict[str, list[float]]:
    return {aspect: [rating.scores[aspect] for rating in ratings] for aspect in (ratings[0].scores if ratings else ())}
