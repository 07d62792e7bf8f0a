"""The data set of ARNIQA's training: patches of two different images, distorted by the same chain of distortions."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import torch
from pydantic import AfterValidator, Field, field_validator
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from iqa_sr.config.sections import read_section
from iqa_sr.data.creation.unlabeled_images import ImageSource, ImageSourceOptions
from iqa_sr.datasets.loader_options import LoaderOptions
from iqa_sr.distortions.registry import LEVELS, Step, apply_chain, check_names, draw_chain
from iqa_sr.errors import OptionError
from iqa_sr.io.image_tensors import as_8_bit, to_tensor
from iqa_sr.metrics.arniqa import half_scale
from iqa_sr.ops.seeded_random import SeededRandom

__all__ = ["ChainDataset", "ChainDatasetOptions"]


class ChainDatasetOptions(LoaderOptions, ImageSourceOptions):
    """A section `datasets:<phase>` of type ChainDataset.

    Attributes:
        crop: Side of the patches in px.
        longest: Largest number of distortions in a chain.
        kinds: Names of the distortions; null for all.
        level_weights: Relative frequencies of the levels 1 to 5: the authors' figures, which are rounded and add up to
            0.99.
        pristine: Share of training samples that are not distorted, the authors' 5 %.
        use_hflip: Whether patches are flipped at random.
        samples: Validation: number of samples.
    """

    type: Literal["ChainDataset"] = "ChainDataset"
    crop: int = Field(224, ge=32)
    longest: int = Field(4, ge=1)
    kinds: Annotated[list[str] | None, AfterValidator(check_names)] = None
    level_weights: list[float] = [0.29, 0.27, 0.21, 0.14, 0.08]
    pristine: float = Field(0.05, ge=0, lt=1)
    use_hflip: bool = True
    samples: int = Field(100, ge=2, le=1_000_000)

    @field_validator("level_weights")
    @classmethod
    def _one_for_each_level(cls, weights: list[float]) -> list[float]:
        if len(weights) != LEVELS or not all(0 <= weight < math.inf for weight in weights) or not any(weights):
            raise ValueError(f"expected {LEVELS} numbers of 0 or more, not all 0")
        return weights


class ChainDataset(Dataset[dict[str, Any]]):
    """Pairs of patches `image` `(2, 3, crop, crop)` float32 RGB in [0, 1] with one chain of distortions; `path`.

    The first patch is of the sample's own image, the second of another one. They share kinds, levels and parameters;
    noise, and where patterns and blocks begin, are drawn for each patch. Training samples have `half`, too: patches of
    the same form and with the same chain, of the untouched images shrunk to half, distorted after that; black to the
    right and below where a shrunk image is smaller than a patch. Validation samples are the same every time, and all
    are distorted.

    Args:
        opt: The section of the option file.

    Raises:
        OptionError: If the section is wrong or names fewer than two images.
        FileNotFoundError: If a folder does not exist or holds no images.
        DataError: If images are smaller than a patch.
    """

    Options = ChainDatasetOptions

    def __init__(self, opt: ChainDatasetOptions | Mapping[str, Any]) -> None:
        self.opt = dict(opt)
        where = f"datasets:{self.opt.get('phase', 'train')}"
        self.options = options = read_section(ChainDatasetOptions, opt, where)
        self.training = options.phase == "train"
        self.source = ImageSource(options, options.crop, where)
        if len(self.source) < 2:
            raise OptionError(f"{where}: pairs of different images are needed, found {len(self.source)} image")

    def __len__(self) -> int:
        return len(self.source) if self.training else self.options.samples

    def __getitem__(self, index: int) -> dict[str, Any]:
        draw = SeededRandom(int(torch.randint(2**63 - 1, ())) if self.training else index)
        first = index % len(self.source)
        second = (first + 1 + int(draw.uniform(0, len(self.source) - 1))) % len(self.source)
        while self.source.name(second) == self.source.name(first):  # photographs may come several times
            second = (second + 1) % len(self.source)
        chain = draw_chain(
            torch.Generator().manual_seed(draw.seed()),
            self.options.longest,
            self.options.level_weights,
            self.options.kinds,
        )
        if self.training and draw.chance(self.options.pristine):
            chain = ()
        images = [to_tensor(self.source.image(number)) for number in (first, second)]
        sample: dict[str, Any] = {"path": self.source.name(first)}
        sample["image"] = torch.stack([self._patch(image, chain, draw) for image in images])
        if self.training:
            shrunk = [as_8_bit(half_scale(image[None])[0]) for image in images]
            sample["half"] = torch.stack([self._patch(image, chain, draw) for image in shrunk])
        return sample

    def _patch(self, image: Tensor, chain: Sequence[Step], draw: SeededRandom) -> Tensor:
        """A distorted patch `(3, crop, crop)` of an image `(3, H, W)`, at random and perhaps flipped."""
        side = self.options.crop
        below, beside = (max(0, side - length) for length in image.shape[1:])
        image = F.pad(image, (0, beside, 0, below))
        top, left = (int(draw.uniform(0, length - side + 1)) for length in image.shape[1:])
        patch = image[:, top : top + side, left : left + side]
        if self.options.use_hflip and draw.chance(0.5):
            patch = patch.flip(2)
        return apply_chain(patch, chain, draw.seed())
