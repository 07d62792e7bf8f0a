"""The data set of AI-generated images with their prompts and opinion scores."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch.utils.data import Dataset

from iqa_sr.config.sections import read_section
from iqa_sr.data.mos.aigc_layouts import AIGC_LAYOUTS
from iqa_sr.data.mos.aigc_scores import check_ratings, collect_ratings
from iqa_sr.data.problems import DataError
from iqa_sr.data.row_checks import errors_named
from iqa_sr.data.score_options import ScoreRange, known
from iqa_sr.data.splits import SPLITS, Part, split_by_content
from iqa_sr.datasets.loader_options import LoaderOptions
from iqa_sr.errors import OptionError

__all__ = ["AIGCDataset", "AIGCDatasetOptions"]

logger = logging.getLogger(__name__)

SMALLEST = 32
"""Least height and width of an image in px: both scales of it are scored."""


class AIGCDatasetOptions(LoaderOptions):
    """A section `datasets:<phase>` of type AIGCDataset.

    Attributes:
        layout: `agiqa3k` or `aigciqa2023`, as published; see `iqa_sr.data.mos.aigc_layouts`.
        dataroot: The collection's folder.
        score_range: Lowest and highest possible score; null for the published ones.
        quality: Aspect that the quality head learns: `quality`, or in AIGCIQA2023 `authenticity`.
        split: Part of the collection; null for that of the phase.
        split_seed: Seed of the split by prompt, 7:1:2; the same number in all sections.
    """

    type: Literal["AIGCDataset"] = "AIGCDataset"
    layout: Annotated[str, known(AIGC_LAYOUTS)]
    dataroot: str
    score_range: ScoreRange | None = None
    quality: Literal["quality", "authenticity"] = "quality"
    split: Part | None = None
    split_seed: int = Field(2026, ge=0)


class AIGCDataset(Dataset[dict[str, Any]]):
    """Generated images of one part of a collection: where they are, their prompts and scores.

    A sample holds `path` and `prompt`, texts; `quality` `()` float32 in [0, 1] of the declared range, larger is better;
    `alignment` with the prompt likewise, where the collection has it. It holds no image: encoders that do not learn
    need to see each one only once, whole and as it is, so the objective reads it when it meets it for the first time
    (see `FrozenFeatures`), and images of several sizes go into one batch. Nothing is random.

    Args:
        opt: The section of the option file.

    Attributes:
        opt: The section as given.
        ratings: The images of this part.

    Raises:
        OptionError: If the section is wrong, or the collection cannot be split or lacks the aspect.
        FileNotFoundError: If a file of the collection does not exist.
        ModuleNotFoundError: If a package that reads one of its files is not installed.
        DataError: If images are missing, named twice, damaged or too small, prompts are empty, scores are not numbers,
            outside the declared range or all the same; with counts.
    """

    Options = AIGCDatasetOptions

    def __init__(self, opt: AIGCDatasetOptions | Mapping[str, Any]) -> None:
        self.opt = dict(opt)
        where = f"datasets:{self.opt.get('phase', 'train')}"
        self.options = options = read_section(AIGCDatasetOptions, opt, where)
        with errors_named(where):
            root = Path(options.dataroot).expanduser()
            everything, problems, file = collect_ratings(options.layout, root, options.score_range)
        part = options.split or ("train" if options.phase == "train" else "val")
        self.ratings = everything
        if part != "all" and not len(problems):
            try:
                self.ratings = split_by_content(everything, options.split_seed)[part]
            except ValueError as error:
                names = ", ".join(SPLITS)
                raise OptionError(f"{where}:split: {names} are parts 7:1:2 of the prompts: {error}") from error
        check_ratings(self.ratings, SMALLEST, problems, f" of the part {part}")
        if len(problems):
            raise DataError(problems.summary(f"{where}: {file}"))
        if options.quality not in self.ratings[0].scores:
            raise OptionError(f"{where}:quality: {options.dataroot} has no scores of {options.quality}")
        numbers = len(self.ratings), len(self.contents())
        logger.info("%s: %d images of %d prompts (%s of %s)", where, *numbers, part, options.dataroot)

    def contents(self) -> set[str]:
        """Keys that `check_together` compares: the collection with each of the prompts."""
        root = Path(self.options.dataroot).expanduser().resolve()
        return {f"{root}: {rating.content}" for rating in self.ratings}

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
