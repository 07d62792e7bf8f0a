"""The data set of one's own taste: pairs of images that people compared, cut and flipped alike."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from pydantic import Field
from torch.utils.data import Dataset

from iqa_sr.config.sections import read_section
from iqa_sr.data.image_checks import measure_images
from iqa_sr.data.preferences.answers import KNOWN, AnsweredPair, Crop, joined_pairs, reliabilities
from iqa_sr.data.preferences.csv_pairs import FILE, read_answer_table
from iqa_sr.data.problems import DataError, DataProblems
from iqa_sr.data.splits import held_out_contents
from iqa_sr.datasets.augmentation import Symmetry, cut, draw_position, draw_symmetry, window_start
from iqa_sr.datasets.loader_options import LoaderOptions
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import read_image

__all__ = ["PreferenceDataset", "PreferenceDatasetOptions"]

logger = logging.getLogger(__name__)

SMALLEST = 32
"""Least side of a crop in px."""
FEWEST_HELD_OUT = 5
"""Contents with which a better network can be told from the start at all: half of 2^4 ways to set signs are 1/16."""


class PreferenceDatasetOptions(LoaderOptions):
    """A section `datasets:<phase>` of type PreferenceDataset; both phases read the same answers.

    Attributes:
        dataroot: Folder of the images and of the answers.
        file: Table of the answers or pairs, in the layout `pairs-csv`; null for `pairs.csv` in the folder.
        held_out: Share of the contents that training does not see and validation has, at least 5 of 10 or more.
        split_seed: Seed of that choice; the same number in both sections.
        crop: Side of the crop in px, cut out of both images at one place: of a training sample within what was
            compared, at random, else in its middle.
        use_hflip: Whether training samples are flipped at random.
        use_rot: Whether training samples are turned by 90 degrees at random.
        known_weight: Weight of a known pair, of which everybody sees the degraded copy; 0 leaves them out.
    """

    type: Literal["PreferenceDataset"] = "PreferenceDataset"
    dataroot: str
    file: str | None = None
    held_out: float = Field(0.3, gt=0, lt=1)
    split_seed: int = Field(0, ge=0)
    crop: int = Field(128, ge=SMALLEST)
    use_hflip: bool = True
    use_rot: bool = False
    known_weight: float = Field(0.5, ge=0)


class _Pair(NamedTuple):
    """A pair as it is learned from."""

    pair: AnsweredPair
    share: float
    weight: float


class PreferenceDataset(Dataset[dict[str, Any]]):
    """Pairs of one part of the answers, with the share of the answers that prefer the first image.

    A sample holds `first` and `second`, `(3, S, S)` float32 RGB in [0, 1], the same place of both images;
    `preference` `()` float32 in [0, 1]; `weight` `()` float32, of mean 1 over the part; `content`, and `path` of the
    first image.

    Every answer counts with its rater's weight (`reliabilities`): a pair that was answered twice has twice the weight,
    and where the two contradict one another, the preference 0.5. Pairs without any weight are left out; known pairs
    are trained on, not validated with, since they say nothing about taste. Contents are held out by `split_seed`;
    a column `split` is not used.

    Args:
        opt: The section of the option file.

    Attributes:
        opt: The section as given.
        pairs: The pairs of this part, each with its share and weight.

    Raises:
        OptionError: If the section is wrong.
        FileNotFoundError: If the table does not exist.
        ValueError: If its columns are missing or unknown.
        DataError: If lines or images cannot be used, or no pair is left; one for everything, with counts.
    """

    Options = PreferenceDatasetOptions

    def __init__(self, opt: PreferenceDatasetOptions | Mapping[str, Any]) -> None:
        self.opt = dict(opt)
        where = f"datasets:{self.opt.get('phase', 'train')}"
        self.options = options = read_section(PreferenceDatasetOptions, opt, where)
        self.training = options.phase == "train"
        self.root = Path(options.dataroot).expanduser()
        self.file = Path(options.file).expanduser() if options.file else self.root / FILE
        answers = read_answer_table(self.file)
        pairs = self._part(joined_pairs(answers), where)
        self._check_images(pairs, where)
        raters = reliabilities(answers)
        self.pairs = _weighed(pairs, raters, options.known_weight)
        if not self.pairs:
            raise DataError(f"{where}: no pair of {self.file} has a weight{_told(raters)}")
        numbers = len(self.pairs), len({one.pair.content for one in self.pairs})
        part = "training" if self.training else "held out"
        logger.info("%s: %d pairs of %d contents, %s%s", where, *numbers, part, _told(raters))

    def _part(self, pairs: Sequence[AnsweredPair], where: str) -> list[AnsweredPair]:
        """The pairs of the phase; a content that has known pairs alone is trained on."""
        options = self.options
        contents = [pair.content for pair in pairs if pair.kind != KNOWN]
        try:
            held_out = held_out_contents(contents, options.split_seed, options.held_out, FEWEST_HELD_OUT)
        except ValueError as error:
            raise DataError(f"{where}: {self.file}: {error}; compare images of other contents, too") from error
        if self.training:
            return [pair for pair in pairs if pair.content not in held_out]
        return [pair for pair in pairs if pair.content in held_out and pair.kind != KNOWN]

    def _check_images(self, pairs: Sequence[AnsweredPair], where: str) -> None:
        problems, crop = DataProblems(), self.options.crop
        paths = {name: self.root / name for pair in pairs for name in (pair.first, pair.second)}
        measured = measure_images(paths.values(), problems)
        for pair in pairs:
            first, second = (measured.get(paths[name]) for name in (pair.first, pair.second))
            if first is None or second is None:
                continue
            shown = f"{pair.first} is {first[0]}x{first[1]} (HxW)"
            if first != second:
                text = f"{shown}, and {pair.second}, which it is compared with, {second[0]}x{second[1]}"
                problems.add("sizes that differ", text)
            elif min(first) < crop:
                text = f"{shown}, smaller than the crop of {crop}; set crop to {min(first)} or less"
                problems.add("smaller than the crop", text)
            elif pair.crop and (pair.crop[0] + pair.crop[2] > first[0] or pair.crop[1] + pair.crop[3] > first[1]):
                text = f"{shown} and was compared at {' '.join(map(str, pair.crop))} (top, left, height, width)"
                problems.add("crops outside of the image", f"{text}; is it another image by now?")
        if len(problems):
            raise DataError(problems.summary(where))

    def contents(self) -> set[str]:
        """Keys that `check_together` compares: the table with each of the contents."""
        return {f"{self.file.resolve()}: {one.pair.content}" for one in self.pairs}

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> dict[str, Any]:
        pair, share, weight = self.pairs[index]
        images = [read_image(self.root / name) for name in (pair.first, pair.second)]
        side, generator = self.options.crop, None
        symmetry = Symmetry()
        if self.training:
            generator = torch.Generator().manual_seed(int(torch.randint(2**63 - 1, ())))
            symmetry = draw_symmetry(self.options.use_hflip, self.options.use_rot, generator)
        height, width = images[0].shape[:2]
        top, left = _place(pair.crop or (0, 0, height, width), (height, width), side, generator)
        first, second = (to_tensor(symmetry.image(cut(image, top, left, side))) for image in images)
        return {
            "first": first,
            "second": second,
            "preference": torch.tensor(share, dtype=torch.float32),
            "weight": torch.tensor(weight, dtype=torch.float32),
            "content": pair.content,
            "path": str(self.root / pair.first),
        }


def _place(seen: Crop, size: tuple[int, int], side: int, generator: torch.Generator | None) -> tuple[int, int]:
    """Top and left of a crop within what was seen, or, where that is smaller, around it; without generator its middle.

    Args:
        seen: The place that was compared.
        size: Height and width of the image, at least `side`.
        side: Side of the crop in px.
        generator: Source of random numbers.
    """
    place = []
    for start, length, whole in zip(seen[:2], seen[2:], size, strict=True):
        if length < side:
            place.append(window_start(start, length, side, whole))
        elif generator is None:
            place.append(start + (length - side) // 2)
        else:
            place.append(start + draw_position(length, side, 1, generator))
    return place[0], place[1]


def _weighed(pairs: Sequence[AnsweredPair], raters: Mapping[str, float], known_weight: float) -> list[_Pair]:
    """The pairs whose weight is above 0, with shares and weights."""
    found = []
    for pair in pairs:
        share, weight = pair.weighed(raters)
        weight *= known_weight if pair.kind == KNOWN else 1
        if weight:
            found.append(_Pair(pair, share, weight))
    mean = sum(one.weight for one in found) / max(1, len(found))
    return [one._replace(weight=one.weight / mean) for one in found]


def _told(raters: Mapping[str, float]) -> str:
    """The raters' weights as text; empty where nobody is named."""
    named = [f"{rater or 'unnamed'} {weight:.2f}" for rater, weight in sorted(raters.items())]
    return "" if set(raters) == {""} else f"; weights of the raters by their known pairs: {', '.join(named)}"
