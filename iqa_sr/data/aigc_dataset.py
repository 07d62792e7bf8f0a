"""The data set of AI-generated pictures with their prompts and opinion scores."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import field_validator
from torch.utils.data import Dataset

from iqa_sr.data.aigc_layouts import AIGC_LAYOUTS
from iqa_sr.data.aigc_scores import Rating, collect_ratings, split_ratings
from iqa_sr.data.loader_options import LoaderOptions
from iqa_sr.data.opinion_scores import SPLITS
from iqa_sr.data.problems import DataError, DataProblems
from iqa_sr.image_io import inspect_image
from iqa_sr.options import OptionError, nearest, read_section

__all__ = ["AIGCDataset", "AIGCDatasetOptions"]

logger = logging.getLogger("basicsr")

SMALLEST = 32
"""Least height and width of a picture in px: both scales of it are judged."""


class AIGCDatasetOptions(LoaderOptions):
    """A section `datasets:<phase>` of type AIGCDataset.

    Attributes:
        layout: `agiqa3k` or `aigciqa2023`, as published; see `iqa_sr.data.aigc_layouts`.
        dataroot: The collection's folder.
        score_range: Lowest and highest possible score; null for the published ones.
        quality: What the quality head learns: `quality`, or in AIGCIQA2023 `authenticity`.
        split: Part of the collection; null for that of the phase.
        split_seed: The collection is split 7:1:2 by prompt with this seed; the same number in all sections.
    """

    type: Literal["AIGCDataset"] = "AIGCDataset"
    layout: str
    dataroot: str
    score_range: tuple[float, float] | None = None
    quality: Literal["quality", "authenticity"] = "quality"
    split: Literal["train", "val", "test", "all"] | None = None
    split_seed: int = 2026

    @field_validator("layout")
    @classmethod
    def _known(cls, layout: str) -> str:
        if layout not in AIGC_LAYOUTS:
            raise ValueError(f"there is no such layout; {nearest(layout, AIGC_LAYOUTS)}")
        return layout

    @field_validator("score_range")
    @classmethod
    def _rising(cls, score_range: tuple[float, float] | None) -> tuple[float, float] | None:
        if score_range is not None and not score_range[0] < score_range[1]:
            raise ValueError("expected the lowest and the highest possible score")
        return score_range


class AIGCDataset(Dataset[dict[str, Any]]):
    """Generated pictures of one part of a collection: where they are, their prompts and scores.

    A sample holds `path` and `prompt`, texts; `quality` `()` float32 in [0, 1] of the declared range, larger is better;
    `alignment` with the prompt likewise, where the collection has it. It holds no picture: encoders that do not learn
    need to see each one only once, whole and as it is, so the objective reads it when it meets it for the first time
    (see `FrozenFeatures`), and pictures of several sizes go into one batch. Nothing is random.

    Args:
        opt: The section of the option file.

    Attributes:
        opt: The section as given.
        ratings: The pictures of this part.

    Raises:
        OptionError: If the section is wrong, or the collection cannot be split or lacks the aspect.
        FileNotFoundError: If a file of the collection does not exist.
        ModuleNotFoundError: If a package that reads one of its files is not installed.
        DataError: If pictures are missing, named twice, damaged or too small, prompts are empty, scores are no numbers,
            outside the declared range or all the same; with counts.
    """

    Options = AIGCDatasetOptions

    def __init__(self, opt: Mapping[str, Any]) -> None:
        self.opt = opt
        where = f"datasets:{opt.get('phase', 'train')}"
        self.options = options = read_section(AIGCDatasetOptions, opt, where)
        everything, problems, file = self._collect(where)
        part = options.split or ("train" if options.phase == "train" else "val")
        self.ratings = everything if len(problems) else self._part(everything, part, where)
        self._check_part(problems)
        _check_files(self.ratings, problems)
        if len(problems):
            raise DataError(problems.summary(f"{where}: {file}"))
        if options.quality not in self.ratings[0].scores:
            raise OptionError(f"{where}:quality: {options.dataroot} has no scores of {options.quality}")
        prompts = len({rating.content for rating in self.ratings})
        logger.info("%s: %d pictures of %d prompts (%s of %s)", where, len(self.ratings), prompts, part, file)

    def _collect(self, where: str) -> tuple[list[Rating], DataProblems, Path]:
        options = self.options
        try:
            return collect_ratings(options.layout, Path(options.dataroot).expanduser(), options.score_range)
        except (FileNotFoundError, ModuleNotFoundError) as error:
            raise type(error)(f"{where}: {error}") from error
        except ValueError as error:
            raise DataError(f"{where}: {error}") from error

    def _part(self, ratings: list[Rating], part: str, where: str) -> list[Rating]:
        if part == "all":
            return ratings
        try:
            return split_ratings(ratings, self.options.split_seed)[part]
        except ValueError as error:
            raise OptionError(f"{where}:split: {', '.join(SPLITS)} are parts 7:1:2 of the prompts: {error}") from error

    def _check_part(self, problems: DataProblems) -> None:
        """What is wrong with this part only: of the whole collection it has been said."""
        if len(problems) or len(self.ratings) < 2:
            return
        for aspect in self.ratings[0].scores:
            if len({rating.scores[aspect] for rating in self.ratings}) == 1:
                text = f"{aspect} is the same for all {len(self.ratings)} pictures of this split"
                problems.add("single rating level", text)

    def __len__(self) -> int:
        return len(self.ratings)

    def __getitem__(self, index: int) -> dict[str, Any]:
        rating = self.ratings[index]
        sample: dict[str, Any] = {
            "path": str(rating.path),
            "prompt": rating.prompt,
            "quality": torch.tensor(rating.scores[self.options.quality], dtype=torch.float32),
        }
        if "alignment" in rating.scores:
            sample["alignment"] = torch.tensor(rating.scores["alignment"], dtype=torch.float32)
        return sample


def _check_files(ratings: list[Rating], problems: DataProblems) -> None:
    """Damage and sizes."""
    for rating in ratings:
        try:
            height, width = inspect_image(rating.path)
        except (ValueError, OSError) as error:
            problems.add("damaged pictures", str(error))
            continue
        if min(height, width) < SMALLEST:
            text = f"{rating.path.name} is {height}x{width} (HxW), smaller than {SMALLEST} px"
            problems.add("pictures that are too small", text)
