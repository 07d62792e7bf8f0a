"""Images and human ratings: scores checked against their images, and the splits of collections."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import model_validator

from iqa_sr.config.sections import Section
from iqa_sr.data.image_checks import check_images
from iqa_sr.data.mos.layouts import LAYOUTS, MOSTable, read_table
from iqa_sr.data.problems import DataError, DataProblems, Problem
from iqa_sr.data.row_checks import RowReader, check_levels, errors_named
from iqa_sr.data.score_options import ScoreRange, known, rising
from iqa_sr.data.splits import SPLITS
from iqa_sr.errors import OptionError

__all__ = [
    "Opinion",
    "OpinionSource",
    "own_splits",
    "read_opinions",
    "read_source",
]

_SPLIT_WORDS = {"train": "train", "training": "train", "val": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class Opinion:
    """An image with its opinion score, content and split.

    Attributes:
        path: Path of the image file.
        score: Opinion score as published.
        content: Name of the content: the same for all images of one reference.
        quality: The score in [0, 1] of its declared range, larger is better.
        split: Part that the table itself puts it into, one of `SPLITS`; None where it does not say.
    """

    path: Path
    score: float
    content: str
    quality: float
    split: str | None = None


class OpinionSource(Section):
    """Keys of an option file that name a collection.

    Attributes:
        layout: Name of the published layout, see `iqa_sr.data.mos.layouts`; `csv` for a file of your own with the
            columns `image,score` and, if you have them, `content` and `split`.
        dataroot: Folder of the collection.
        scores_file: The file of the scores; null for the published place.
        score_range: Lowest and highest possible score; null for the published one. `csv` has none.
        higher_is_better: The scores' direction; null for the published one, which is true for `csv`.
    """

    layout: Annotated[str, known(LAYOUTS)]
    dataroot: str
    scores_file: str | None = None
    score_range: ScoreRange | None = None
    higher_is_better: bool | None = None

    @model_validator(mode="after")
    def _ranged(self) -> "OpinionSource":
        if self.layout == "csv" and self.score_range is None:
            raise ValueError("the layout csv needs score_range, the lowest and highest possible score")
        return self


def read_opinions(
    layout: str,
    root: Path,
    scores_file: Path | None = None,
    *,
    score_range: tuple[float, float] | None = None,
    higher_is_better: bool | None = None,
    need_images: bool = True,
) -> list[Opinion]:
    """The images of a collection and their scores, in the order of its file.

    Args:
        layout: A key of `iqa_sr.data.mos.layouts.LAYOUTS`.
        root: The collection's folder.
        scores_file: The file with the scores; None for the published place below `root`.
        score_range: Lowest and highest possible score; None for the layout's own, which `csv` has not.
        higher_is_better: The scores' direction; None for the layout's own, which is True for `csv`.
        need_images: Whether a missing image is an error; else it has the path that the file of the scores names.

    Raises:
        ValueError: If there is no such layout, the file has another form, or the range is unknown.
        FileNotFoundError: If the file does not exist.
        ModuleNotFoundError: If a package that reads this kind of file is not installed.
        DataError: If images are missing or named twice, scores are not numbers, outside their range or all the same,
            or a content is in two splits; with counts.
    """
    opinions, problems, file = _collect(
        layout,
        root,
        scores_file,
        score_range=score_range,
        higher_is_better=higher_is_better,
        need_images=need_images,
    )
    if len(problems):
        raise DataError(problems.summary(str(file)))
    return opinions


def _collect(
    layout: str,
    root: Path,
    scores_file: Path | None,
    *,
    score_range: tuple[float, float] | None,
    higher_is_better: bool | None,
    need_images: bool = True,
) -> tuple[list[Opinion], DataProblems, Path]:
    """Read opinions as `read_opinions` does, but return what is wrong instead of raising a DataError.

    Returns:
        Usable opinions, problems, and the file of the scores.
    """
    table = read_table(layout, root, scores_file)
    low, high = _range(table, score_range)
    better = table.higher_is_better if higher_is_better is None else higher_is_better
    problems = DataProblems()
    reader = RowReader(root, (low, high), problems, need_images)
    opinions: list[Opinion] = []
    for row in table.rows:
        split, wrong = _SPLIT_WORDS.get((row.split or "").lower()), None
        if row.split is not None and split is None:
            text = f"{row.image} is in the split {row.split!r}, expected {', '.join(SPLITS)}"
            wrong = Problem("unknown splits", text)
        found = reader.read([row.image], {"score": row.score}, wrong)
        if found is not None:
            path, score = found[0], found[1]["score"]
            quality = (score - low) / (high - low)
            opinions.append(Opinion(path, score, row.content, quality if better else 1 - quality, split))
    _check_whole(table, opinions, problems)
    return opinions, problems, table.file


def read_source(
    source: OpinionSource, where: str, smallest: int, split: Callable[[list[Opinion]], dict[str, list[Opinion]]]
) -> dict[str, list[Opinion]]:
    """Wanted parts of a collection named in an option file, with everything checked.

    Args:
        source: Section of the option file that names the collection.
        where: Location of the section in the option file, for error messages.
        smallest: Least height and width of the images in px.
        split: Function of the whole collection that returns its wanted parts by name.

    Raises:
        FileNotFoundError, ModuleNotFoundError: As `read_opinions`.
        DataError: As `read_opinions`; or if the file has another form, or in a wanted part images cannot be used or
            are too small, or all scores are the same.
    """
    with errors_named(where):
        opinions, problems, file = _collect(
            source.layout,
            Path(source.dataroot).expanduser(),
            Path(source.scores_file).expanduser() if source.scores_file else None,
            score_range=source.score_range,
            higher_is_better=source.higher_is_better,
        )
    if len(problems):  # rows are missing, so there are no parts yet
        parts = {"": opinions}
    else:
        try:
            parts = split(opinions)
        except OptionError as error:
            raise OptionError(f"{error} (the scores are those of {file})") from None
        for name, part in parts.items():
            check_levels({"score": [opinion.score for opinion in part]}, problems, f" of the part {name}")
    check_images((opinion.path for part in parts.values() for opinion in part), smallest, problems)
    if len(problems):
        raise DataError(problems.summary(f"{where}: {file}"))
    return parts


def _check_whole(table: MOSTable, opinions: Sequence[Opinion], problems: DataProblems) -> None:
    """Problems that no single row shows."""
    if not table.rows:
        problems.add("empty file", f"{table.file} names no image")
    check_levels({"score": [opinion.score for opinion in opinions]}, problems)
    parts: dict[str, set[str]] = {}
    for opinion in opinions:
        if opinion.split is not None:
            parts.setdefault(opinion.content, set()).add(opinion.split)
    for content, splits in parts.items():
        if len(splits) > 1:
            names = " and ".join(split for split in SPLITS if split in splits)
            problems.add("contents in several splits", f"the content {content} is in {names}")


def _range(table: MOSTable, score_range: tuple[float, float] | None) -> tuple[float, float]:
    found = score_range or table.score_range
    if found is None:
        raise ValueError(
            f"{table.file}: this format does not say which scores are possible; "
            "set score_range, for example [1, 5] or [0, 100]"
        )
    try:
        return rising(found)
    except ValueError as error:
        raise ValueError(f"score_range: {error}, got {list(found)}") from None


def own_splits(opinions: Iterable[Opinion]) -> dict[str, list[Opinion]]:
    """The parts that the collection's own file names.

    Raises:
        ValueError: If it names none.
    """
    opinions = list(opinions)
    if all(opinion.split is None for opinion in opinions):
        raise ValueError("the file of the scores has no column of splits; set split_seed to split it by content")
    return {name: [opinion for opinion in opinions if opinion.split == name] for name in SPLITS}
