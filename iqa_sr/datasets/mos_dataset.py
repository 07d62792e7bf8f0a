"""The data set of opinion scores: images and human ratings, in the layouts that collections have."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from pydantic import Field, model_validator
from torch.utils.data import Dataset

from iqa_sr.config.sections import read_section
from iqa_sr.data.mos.scores import Opinion, OpinionSource, own_splits, read_source
from iqa_sr.data.splits import Part, split_by_content
from iqa_sr.datasets.augmentation import Symmetry, cut, draw_position
from iqa_sr.datasets.loader_options import LoaderOptions
from iqa_sr.errors import OptionError
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import read_image

__all__ = ["OpinionDataset", "OpinionDatasetOptions"]

logger = logging.getLogger(__name__)

SMALLEST = 48
"""Least height and width of an image that is scored whole, in px."""


class OpinionDatasetOptions(LoaderOptions, OpinionSource):
    """A section `datasets:<phase>` of type OpinionDataset; the collection is named as `OpinionSource` says.

    Attributes:
        split: Part of the collection; null for that of the phase.
        split_seed: The collection is split 7:1:2 by content with this seed; null for the file's own column of splits.
        resize: The image's shorter side is made this, in px; null leaves images as they are, which is how the
            metric sees them.
        crop: Side of the crop in px, at random for training, else the middle; null for the whole image (validation).
        use_hflip: Whether training crops are flipped at random.
    """

    type: Literal["OpinionDataset"] = "OpinionDataset"
    split: Part | None = None
    split_seed: int | None = Field(None, ge=0)
    resize: int | None = Field(None, ge=SMALLEST)
    crop: int | None = Field(None, ge=SMALLEST)
    use_hflip: bool = True

    @model_validator(mode="after")
    def _fitting(self) -> "OpinionDatasetOptions":
        if self.phase == "train" and self.crop is None:
            raise ValueError("training needs crop, the side of the crops in px")
        if self.crop is not None and self.resize is not None and self.resize < self.crop:
            raise ValueError(f"expected resize of at least crop {self.crop}")
        return self


class OpinionDataset(Dataset[dict[str, Any]]):
    """Images of one part of a collection, with their quality.

    A sample holds `image` `(3, H, W)` float32 RGB in [0, 1]; `quality` `()` float32 in [0, 1] of the declared range,
    larger is better; `path`. Training samples are random crops, flipped at random, from torch's global generator;
    validation samples are whole images or their middles, the same every time.

    Args:
        opt: The section of the option file.

    Attributes:
        opt: The section as given.
        opinions: The images of this part.

    Raises:
        OptionError: If the section is wrong, or the collection cannot be split.
        FileNotFoundError: If the file of the scores does not exist.
        ModuleNotFoundError: If a package that reads that file is not installed.
        DataError: If images are missing, named twice, damaged or smaller than the crop, scores are not numbers,
            outside the declared range or all the same, or a content is in two splits; with counts.
    """

    Options = OpinionDatasetOptions

    def __init__(self, opt: OpinionDatasetOptions | Mapping[str, Any]) -> None:
        self.opt = dict(opt)
        where = f"datasets:{self.opt.get('phase', 'train')}"
        self.options = options = read_section(OpinionDatasetOptions, opt, where)
        self.training = options.phase == "train"
        part = options.split or ("train" if self.training else "val")
        smallest = 1 if options.resize else options.crop or SMALLEST
        found = read_source(options, where, smallest, lambda opinions: {part: self._part(opinions, part, where)})
        self.opinions = found[part]
        numbers = len(self.opinions), len(self.contents())
        logger.info("%s: %d images of %d contents (%s of %s)", where, *numbers, part, options.dataroot)

    def contents(self) -> set[str]:
        """Keys that `check_together` compares: the collection with each of the contents."""
        root = Path(self.options.dataroot).expanduser().resolve()
        return {f"{root}: {opinion.content}" for opinion in self.opinions}

    def _part(self, opinions: list[Opinion], part: str, where: str) -> list[Opinion]:
        if part == "all":
            return opinions
        seed = self.options.split_seed
        try:
            splits = own_splits(opinions) if seed is None else split_by_content(opinions, seed)
        except ValueError as error:
            raise OptionError(f"{where}:split_seed: {error}") from error
        if not splits[part]:
            raise OptionError(f"{where}:split: no image is in the split {part} of {self.options.dataroot}")
        return splits[part]

    def __len__(self) -> int:
        return len(self.opinions)

    def __getitem__(self, index: int) -> dict[str, Any]:
        opinion = self.opinions[index]
        image = _resized(read_image(opinion.path), self.options.resize)
        crop, size = self.options.crop, image.shape[:2]
        if crop is not None and self.training:
            generator = torch.Generator().manual_seed(int(torch.randint(2**63 - 1, ())))
            top, left = (draw_position(side, crop, 1, generator) for side in size)
            flip = self.options.use_hflip and bool(torch.rand((), generator=generator) < 0.5)
            image = Symmetry(columns=flip).image(cut(image, top, left, crop))
        elif crop is not None:
            image = cut(image, (size[0] - crop) // 2, (size[1] - crop) // 2, crop)
        return {
            "image": to_tensor(image),
            "quality": torch.tensor(opinion.quality, dtype=torch.float32),
            "path": str(opinion.path),
        }


def _resized(image: np.ndarray, shorter: int | None) -> np.ndarray:
    """The image with its shorter side of this length, 8 bit; Pillow is quick enough for a telephone's images."""
    height, width = image.shape[:2]
    if shorter is None or min(height, width) == shorter:
        return image
    factor = shorter / min(height, width)
    size = max(shorter, round(width * factor)), max(shorter, round(height * factor))
    image = image if image.dtype == np.uint8 else (image // 257).astype(np.uint8)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
