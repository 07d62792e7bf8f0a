"""The data set of label-free ranking: crops of one picture at rising levels of one degradation or of several."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import AfterValidator, Field, field_validator
from torch import Tensor
from torch.utils.data import Dataset

from iqa_sr.config.sections import read_section
from iqa_sr.data.creation.unlabeled_images import PictureSource, PictureSourceOptions
from iqa_sr.datasets.loader_options import LoaderOptions
from iqa_sr.distortions.registry import KINDS, LEVELS, Step, apply_chain, draw_chain, known_kinds
from iqa_sr.errors import OptionError, nearest
from iqa_sr.io.image_tensors import as_8_bit, to_tensor
from iqa_sr.ops.blur import blur, gaussian_kernel
from iqa_sr.ops.resize import resize_bicubic
from iqa_sr.ops.seeded_random import ParameterDraw

__all__ = ["RankingDataset", "RankingDatasetOptions"]

_MARGIN = 16  # px around a crop that are spoilt with it, so that no filter sees the crop's border


class RankingDatasetOptions(LoaderOptions, PictureSourceOptions):
    """A section `datasets:<phase>` of type RankingDataset.

    Attributes:
        crop: Side of the crops in px.
        levels: Number of levels in a sample, the untouched one included.
        kinds: Names of the degradations; null for all.
        emphasis: How often a group of degradations is drawn against the others, by name; 1 where nothing is said.
            Chains draw from all groups alike.
        mixture: Share of samples with a chain of degradations whose levels rise together.
        smallest_scale: Pictures are made smaller by a random factor between this and 1 before the crop, which makes
            them sharper than any camera's and their content more varied.
        softest: Of 40 % of the untouched pictures the sharpness is lowered by a Gaussian of up to this sigma in px, to
            that of photographs at full resolution: what counts as too sharp must not depend on it.
        tint: How far the untouched picture's colours, brightness and contrast vary.
        shift: Farthest that the second place of a sample lies from the first, in px down and across; with less than
            `crop` the two overlap. Null: anywhere.
        samples: Validation: number of samples; training: not used.
    """

    type: Literal["RankingDataset"] = "RankingDataset"
    crop: int = Field(64, ge=16)
    levels: int = Field(4, ge=2, le=6)
    kinds: Annotated[list[str] | None, AfterValidator(known_kinds)] = None
    emphasis: dict[str, float] = Field(default_factory=dict)
    mixture: float = Field(0.25, ge=0, le=1)
    smallest_scale: float = Field(0.4, gt=0, le=1)
    softest: float = Field(0.8, ge=0)
    tint: float = Field(0.15, ge=0, le=1)
    shift: int | None = Field(None, ge=0)
    samples: int = Field(200, ge=1, le=1_000_000)

    @field_validator("emphasis")
    @classmethod
    def _groups(cls, emphasis: dict[str, float]) -> dict[str, float]:
        groups = {kind.group for kind in KINDS.values()}
        for group, weight in emphasis.items():
            if group not in groups:
                raise ValueError(f"there is no group of degradations {group!r}; {nearest(group, groups)}")
            if not (weight >= 0 and math.isfinite(weight)):
                raise ValueError(f"{group} must be 0 or more, not {weight}")
        return emphasis


class RankingDataset(Dataset[dict[str, Any]]):
    """Samples of `2 L` crops: two places of one picture, each at `L` rising levels of the same degradation.

    A sample holds `image` `(2, L, 3, crop, crop)` float32 RGB in [0, 1]; `level` `(L,)` float32, 0 first; `path`.
    The two places differ (`shift`: by how much), and so does the noise in them; within one only the level differs. A
    validation set has `samples` samples, at the whole levels 0 to 5 of each kind in turn, the same every time.

    Args:
        opt: The section of the option file.

    Raises:
        OptionError: If the section is wrong or names no pictures.
        FileNotFoundError: If a folder does not exist or holds no pictures.
        DataError: If pictures are smaller than a crop.
    """

    Options = RankingDatasetOptions

    def __init__(self, opt: RankingDatasetOptions | Mapping[str, Any]) -> None:
        self.opt = dict(opt)
        where = f"datasets:{self.opt.get('phase', 'train')}"
        self.options = options = read_section(RankingDatasetOptions, opt, where)
        self.training = options.phase == "train"
        self.kinds = options.kinds or list(KINDS)
        self.groups: dict[str, list[str]] = {}
        for kind in self.kinds:
            self.groups.setdefault(KINDS[kind].group, []).append(kind)
        self.weights = [options.emphasis.get(group, 1.0) for group in self.groups]
        if not any(self.weights):
            raise OptionError(f"{where}:emphasis leaves nothing to draw: every group of {self.kinds} has weight 0")
        self.source = PictureSource(options, options.crop, where)

    def __len__(self) -> int:
        return len(self.source) if self.training else self.options.samples

    def __getitem__(self, index: int) -> dict[str, Any]:
        seed = int(torch.randint(2**63 - 1, ())) if self.training else index
        draw = ParameterDraw(seed)
        picture = index % len(self.source)
        clean = self._varied(to_tensor(self.source.picture(picture)), draw)
        if self.training:
            levels = self._random_levels(draw)
            chain = self._random_chain(draw)
        else:
            levels = list(range(LEVELS + 1))
            chain = (Step(self.kinds[index % len(self.kinds)], LEVELS, draw.seed()),)
        places, inside = [], slice(_MARGIN, _MARGIN + self.options.crop)
        at: tuple[int, int] | None = None
        for _ in range(2):
            window, at = self._crop(clean, draw, at)
            noise_seed = draw.seed()
            rows = []
            for level in levels:  # all steps of the chain in proportion
                steps = [Step(step.kind, step.level * level / LEVELS, step.seed) for step in chain]
                rows.append(apply_chain(window, steps, noise_seed)[:, inside, inside])
            places.append(torch.stack(rows))
        return {
            "image": torch.stack(places),
            "level": torch.tensor(levels, dtype=torch.float32),
            "path": self.source.name(picture),
        }

    def _random_levels(self, draw: ParameterDraw) -> list[float]:
        """0, and rising levels with at least half a level in between, up to 5; near both ends more often than between.

        What is hard is there: the least that can be seen, and what is spoilt beyond recognition.
        """
        count = self.options.levels - 1
        room = LEVELS - 0.5 * count
        places = sorted((1 - math.cos(math.pi * draw.uniform(0, 1))) / 2 for _ in range(count))
        return [0.0] + [0.5 * (number + 1) + room * place for number, place in enumerate(places)]

    def _random_chain(self, draw: ParameterDraw) -> Sequence[Step]:
        if not draw.chance(self.options.mixture):
            group = list(self.groups)[draw.index(self.weights)]  # however many kinds it has
            return (Step(draw.one_of(self.groups[group]), LEVELS, draw.seed()),)
        generator = torch.Generator().manual_seed(draw.seed())
        return draw_chain(generator, longest=3, levels=None, kinds=self.kinds)

    def _varied(self, picture: Tensor, draw: ParameterDraw) -> Tensor:
        """An untouched picture out of one: smaller, a little softer, in other colours."""
        smallest = self.options.crop + 2 * _MARGIN
        least = max(self.options.smallest_scale, smallest / min(picture.shape[1:]))
        if least < 1 and draw.chance(0.7):
            factor = draw.uniform(least, 1)
            size = [max(smallest, round(side * factor)) for side in picture.shape[1:]]
            picture = resize_bicubic(picture[None], *size)[0].clamp(0, 1)
        if self.options.softest and draw.chance(0.4):
            sigma = draw.uniform(0.25, max(0.25, self.options.softest))
            picture = blur(picture[None], gaussian_kernel(2 * math.ceil(3 * sigma) + 1, sigma, sigma))[0]
        tint = self.options.tint
        if tint and draw.chance(0.7):
            order = torch.tensor(draw.one_of([(0, 1, 2), (0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1), (1, 2, 0)]))
            gains = torch.tensor([draw.uniform(1 - tint, 1 + tint) for _ in range(3)]).view(3, 1, 1)
            picture = (picture[order] * gains).clamp(0, 1) ** (2 ** draw.uniform(-2 * tint, 2 * tint))
        return as_8_bit(picture)

    def _crop(
        self, picture: Tensor, draw: ParameterDraw, near: tuple[int, int] | None
    ) -> tuple[Tensor, tuple[int, int]]:
        """A window with its margin, flipped and turned: of two the one with more contrast, for flat ones teach little.

        Pictures that are too small for the margin are mirrored.

        Args:
            picture: `(3, H, W)`.
            draw: What is random.
            near: Row and column of the sample's other window, from which it lies no farther than `shift`.

        Returns:
            The window and its row and column.
        """
        side = self.options.crop + 2 * _MARGIN
        missing = [max(0, side - length) for length in picture.shape[1:]]
        if any(missing):
            pad = [(0, 0), *((short // 2, short - short // 2) for short in missing)]
            picture = torch.from_numpy(np.pad(picture.numpy(), pad, mode="symmetric"))
        rooms = [(0, length - side) for length in picture.shape[1:]]
        if near is not None and self.options.shift is not None:
            far = self.options.shift
            rooms = [(max(0, at - far), min(most, at + far)) for at, (_, most) in zip(near, rooms, strict=True)]
        windows = []
        for _ in range(2):
            top, left = (int(draw.uniform(least, most + 1)) for least, most in rooms)
            windows.append((picture[:, top : top + side, left : left + side], (top, left)))
        window, place = max(windows, key=lambda one: float(one[0].std((1, 2)).sum()))
        if draw.chance(0.5):
            window = window.flip(2)
        return torch.rot90(window, int(draw.uniform(0, 4)), (1, 2)).contiguous(), place
