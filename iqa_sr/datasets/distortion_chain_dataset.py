"""The data set of ARNIQA's training: patches of two different pictures, spoilt by the same chain of distortions."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import AfterValidator, Field
from torch.utils.data import Dataset

from iqa_sr.config.sections import read_section
from iqa_sr.data.creation.unlabeled_images import PictureSource, PictureSourceOptions
from iqa_sr.datasets.loader_options import LoaderOptions
from iqa_sr.distortions.registry import apply_chain, draw_chain, known_kinds
from iqa_sr.errors import OptionError
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.ops.seeded_random import ParameterDraw

__all__ = ["ChainDataset", "ChainDatasetOptions"]


class ChainDatasetOptions(LoaderOptions, PictureSourceOptions):
    """A section `datasets:<phase>` of type ChainDataset.

    Attributes:
        crop: Side of the patches in px.
        longest: Largest number of distortions in a chain.
        kinds: Names of the distortions; null for all.
        use_hflip: Whether patches are flipped at random.
        samples: Validation: number of samples.
    """

    type: Literal["ChainDataset"] = "ChainDataset"
    crop: int = Field(224, ge=32)
    longest: int = Field(4, ge=1)
    kinds: Annotated[list[str] | None, AfterValidator(known_kinds)] = None
    use_hflip: bool = True
    samples: int = Field(100, ge=2, le=1_000_000)


class ChainDataset(Dataset[dict[str, Any]]):
    """Pairs of patches `image` `(2, 3, crop, crop)` float32 RGB in [0, 1] with one chain of distortions; `path`.

    The first patch is of the sample's own picture, the second of another one. They share kinds, levels and parameters;
    noise, and where patterns and blocks begin, are drawn for each patch. Validation samples are the same every time.

    Args:
        opt: The section of the option file.

    Raises:
        OptionError: If the section is wrong or names fewer than two pictures.
        FileNotFoundError: If a folder does not exist or holds no pictures.
        DataError: If pictures are smaller than a patch.
    """

    Options = ChainDatasetOptions

    def __init__(self, opt: ChainDatasetOptions | Mapping[str, Any]) -> None:
        self.opt = dict(opt)
        where = f"datasets:{self.opt.get('phase', 'train')}"
        self.options = options = read_section(ChainDatasetOptions, opt, where)
        self.training = options.phase == "train"
        self.source = PictureSource(options, options.crop, where)
        if len(self.source) < 2:
            raise OptionError(f"{where}: pairs of different pictures are needed, found {len(self.source)} picture")

    def __len__(self) -> int:
        return len(self.source) if self.training else self.options.samples

    def __getitem__(self, index: int) -> dict[str, Any]:
        draw = ParameterDraw(int(torch.randint(2**63 - 1, ())) if self.training else index)
        first = index % len(self.source)
        second = (first + 1 + int(draw.uniform(0, len(self.source) - 1))) % len(self.source)
        while self.source.name(second) == self.source.name(first):  # photographs may come several times
            second = (second + 1) % len(self.source)
        chain = draw_chain(torch.Generator().manual_seed(draw.seed()), self.options.longest, kinds=self.options.kinds)
        side, patches = self.options.crop, []
        for picture in (self.source.picture(first), self.source.picture(second)):
            top, left = (int(draw.uniform(0, length - side + 1)) for length in picture.shape[:2])
            patch = to_tensor(picture[top : top + side, left : left + side])
            if self.options.use_hflip and draw.chance(0.5):
                patch = patch.flip(2)
            patches.append(apply_chain(patch, chain, draw.seed()))
        return {"image": torch.stack(patches), "path": self.source.name(first)}
