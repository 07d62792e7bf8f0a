"""The data set of blind JOD: pristine crops, what degradations and super-resolution make of them, and their JOD."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.utils.data import Dataset

from iqa_sr.config.sections import read_section
from iqa_sr.datasets.pristine_crops import CropOptions, PristineCrops
from iqa_sr.datasets.upscaled_results import UpscaledResults
from iqa_sr.distortions.registry import KINDS, LEVELS, Step, apply_chain, distort, draw_chain
from iqa_sr.metrics import create_metric
from iqa_sr.ops.seeded_random import SeededRandom

__all__ = ["JODDataset", "JODDatasetOptions"]

_WEAKEST = 0.15  # level: mostly below what is visible
_BLIND = ("colour", "tone")  # groups that nobody can rate without the original
_LONGEST = 3  # steps of a chain


class JODDatasetOptions(CropOptions):
    """A section `datasets:<phase>` of type JODDataset.

    Attributes:
        pairs: Kinds in a training sample, each at two levels.
        chains: Chains of degradations in it.
        results: Results of super-resolution in it, all of one LQ.
        networks: Files of super-resolution networks that make some of the results.
        scales: Factors of super-resolution.
        degraded: Share of the results whose LQ is also blurred, noisy and compressed (`hggt-one-stage`).
        samples: Validation: number of samples; training: not used.
    """

    type: Literal["JODDataset"] = "JODDataset"
    pairs: int = Field(2, ge=0, le=16)
    chains: int = Field(1, ge=0, le=16)
    results: int = Field(2, ge=0, le=16)
    networks: list[str] = Field(default_factory=list)
    scales: Annotated[list[Annotated[int, Field(ge=2, le=8)]], Field(min_length=1)] = [2, 3, 4]
    degraded: float = Field(0.3, ge=0, le=1)
    samples: int = Field(200, ge=1, le=1_000_000)

    @model_validator(mode="after")
    def _something(self) -> "JODDatasetOptions":
        if not (self.pairs or self.chains or self.results):
            raise ValueError("one of pairs, chains and results must be above 0")
        return self


class JODDataset(Dataset[dict[str, Any]]):
    """Versions of one pristine crop with their JOD against it, by the metric `cvvdp`.

    A sample holds `image` `(V, 3, crop, crop)` float32 RGB in [0, 1], the pristine crop first; `jod` `(V,)` float32,
    10 for the pristine one; `path`. In training V is `1 + 2 pairs + chains + results`. A validation set has `samples`
    samples, the same every time: in turn each kind at the whole levels 1 to 5, a chain whose levels rise together, and
    five results of super-resolution; `graded` tells the last ones, whose order is not that of their quality.

    Args:
        opt: The section of the option file.

    Raises:
        OptionError: If the section is wrong or names no images.
        FileNotFoundError: If a folder or a network does not exist, or a folder holds no images.
        ValueError: If it is not known which network a file holds.
        DataError: If images are smaller than a crop.
    """

    Options = JODDatasetOptions

    def __init__(self, opt: JODDatasetOptions | Mapping[str, Any]) -> None:
        self.opt = dict(opt)
        where = f"datasets:{self.opt.get('phase', 'train')}"
        self.options = options = read_section(JODDatasetOptions, opt, where)
        self.training = options.phase == "train"
        self.crops = PristineCrops(options, where)
        self._upscaled = UpscaledResults(options.networks, options.scales, options.degraded, where)
        self._jod = create_metric("cvvdp")
        self._known: dict[int, Tensor] = {}  # labels of validation samples: they take longer than the images

    def __len__(self) -> int:
        return len(self.crops.source) if self.training else self.options.samples

    def __getitem__(self, index: int) -> dict[str, Any]:
        draw = SeededRandom(int(torch.randint(2**63 - 1, ())) if self.training else index)
        number = index % len(self.crops.source)
        window, _ = self.crops.window(self.crops.image(number, draw), draw)
        sample: dict[str, Any] = {"path": self.crops.source.name(number)}
        if self.training:
            versions = [*self._pairs(window, draw), *self._chains(window, draw)]
            versions += self._upscaled(window, self.options.results, draw)
        else:
            versions, sample["graded"] = self._graded(window, index, draw)
        image = torch.stack([self.crops.inside(version) for version in (window, *versions)])
        known = self._known.get(index)
        if known is None:
            known = self._labels(image)
            if not self.training:
                self._known[index] = known
        return {**sample, "image": image, "jod": known}

    def _labels(self, image: Tensor) -> Tensor:
        with torch.no_grad():
            return self._jod(image, image[:1].expand_as(image).contiguous())

    def _pairs(self, window: Tensor, draw: SeededRandom) -> Iterator[Tensor]:
        for _ in range(self.options.pairs):
            kind, seed, noise_seed = self.crops.kind(draw), draw.seed(), draw.seed()
            strong = draw.uniform(2 * _WEAKEST, LEVELS)
            for level in (draw.uniform(_WEAKEST, strong), strong):
                yield distort(window, kind, level, seed, noise_seed)

    def _chains(self, window: Tensor, draw: SeededRandom) -> Iterator[Tensor]:
        for _ in range(self.options.chains):
            yield _weakened(window, self._chain(draw), draw.uniform(0.3, 1), draw.seed())

    def _chain(self, draw: SeededRandom) -> tuple[Step, ...]:
        seen = [kind for kind in self.crops.kinds if KINDS[kind].group not in _BLIND] or self.crops.kinds
        kinds = self.crops.kinds if draw.chance(0.1) else seen
        return draw_chain(torch.Generator().manual_seed(draw.seed()), _LONGEST, levels=None, kinds=kinds)

    def _graded(self, window: Tensor, index: int, draw: SeededRandom) -> tuple[list[Tensor], bool]:
        """Five versions of a validation sample, and whether each is worse than the one before."""
        turn = index % (len(self.crops.kinds) + 2)
        if turn == len(self.crops.kinds) + 1:
            return self._upscaled(window, LEVELS, draw), False
        chain = self._chain(draw)
        if turn < len(self.crops.kinds):
            chain = (Step(self.crops.kinds[turn], LEVELS, draw.seed()),)
        noise_seed = draw.seed()
        return [_weakened(window, chain, (level + 1) / LEVELS, noise_seed) for level in range(LEVELS)], True


def _weakened(window: Tensor, chain: tuple[Step, ...], share: float, noise_seed: int) -> Tensor:
    """A chain applied with all its levels in proportion."""
    return apply_chain(window, [Step(step.kind, step.level * share, step.seed) for step in chain], noise_seed)
