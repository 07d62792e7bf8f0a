"""The data set of label-free ranking: crops of one image at rising levels of one degradation or of several."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from pydantic import Field
from torch.utils.data import Dataset

from iqa_sr.config.sections import read_section
from iqa_sr.datasets.pristine_crops import CropOptions, PristineCrops
from iqa_sr.distortions.registry import LEVELS, Step, apply_chain, draw_chain
from iqa_sr.ops.seeded_random import SeededRandom

__all__ = ["RankingDataset", "RankingDatasetOptions"]


class RankingDatasetOptions(CropOptions):
    """A section `datasets:<phase>` of type RankingDataset.

    Attributes:
        levels: Number of levels in a sample, the untouched one included.
        mixture: Share of samples with a chain of degradations whose levels rise together.
        shift: Farthest that the second place of a sample lies from the first, in px down and across; with less than
            `crop` the two overlap. Null: anywhere.
        samples: Validation: number of samples; training: not used.
    """

    type: Literal["RankingDataset"] = "RankingDataset"
    levels: int = Field(4, ge=2, le=6)
    mixture: float = Field(0.25, ge=0, le=1)
    shift: int | None = Field(None, ge=0)
    samples: int = Field(200, ge=1, le=1_000_000)


class RankingDataset(Dataset[dict[str, Any]]):
    """Samples of `2 L` crops: two places of one image, each at `L` rising levels of the same degradation.

    A sample holds `image` `(2, L, 3, crop, crop)` float32 RGB in [0, 1]; `level` `(L,)` float32, 0 first; `path`.
    The two places differ (`shift`: by how much), and so does the noise in them; within one only the level differs. A
    validation set has `samples` samples, at the whole levels 0 to 5 of each kind in turn, the same every time.

    Args:
        opt: The section of the option file.

    Raises:
        OptionError: If the section is wrong or names no images.
        FileNotFoundError: If a folder does not exist or holds no images.
        DataError: If images are smaller than a crop.
    """

    Options = RankingDatasetOptions

    def __init__(self, opt: RankingDatasetOptions | Mapping[str, Any]) -> None:
        self.opt = dict(opt)
        where = f"datasets:{self.opt.get('phase', 'train')}"
        self.options = options = read_section(RankingDatasetOptions, opt, where)
        self.training = options.phase == "train"
        self.crops = PristineCrops(options, where)

    def __len__(self) -> int:
        return len(self.crops.source) if self.training else self.options.samples

    def __getitem__(self, index: int) -> dict[str, Any]:
        seed = int(torch.randint(2**63 - 1, ())) if self.training else index
        draw = SeededRandom(seed)
        image = index % len(self.crops.source)
        clean = self.crops.image(image, draw)
        if self.training:
            levels = self._random_levels(draw)
            chain = self._random_chain(draw)
        else:
            levels = list(range(LEVELS + 1))
            kinds = self.crops.kinds
            chain = (Step(kinds[index % len(kinds)], LEVELS, draw.seed()),)
        positions = []
        at: tuple[int, int] | None = None
        for _ in range(2):
            window, at = self.crops.window(clean, draw, at, self.options.shift)
            noise_seed = draw.seed()
            rows = []
            for level in levels:  # all steps of the chain in proportion
                steps = [Step(step.kind, step.level * level / LEVELS, step.seed) for step in chain]
                rows.append(self.crops.inside(apply_chain(window, steps, noise_seed)))
            positions.append(torch.stack(rows))
        return {
            "image": torch.stack(positions),
            "level": torch.tensor(levels, dtype=torch.float32),
            "path": self.crops.source.name(image),
        }

    def _random_levels(self, draw: SeededRandom) -> list[float]:
        """0, and rising levels with at least half a level in between, up to 5; near both ends more often than between.

        What is hard is there: the least that can be seen, and what is distorted beyond recognition.
        """
        count = self.options.levels - 1
        room = LEVELS - 0.5 * count
        positions = sorted((1 - math.cos(math.pi * draw.uniform(0, 1))) / 2 for _ in range(count))
        return [0.0] + [0.5 * (number + 1) + room * position for number, position in enumerate(positions)]

    def _random_chain(self, draw: SeededRandom) -> Sequence[Step]:
        if not draw.chance(self.options.mixture):
            return (Step(self.crops.kind(draw), LEVELS, draw.seed()),)
        generator = torch.Generator().manual_seed(draw.seed())
        return draw_chain(generator, longest=3, levels=None, kinds=self.crops.kinds)
