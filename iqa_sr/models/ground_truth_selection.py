"""Selection of LQ and ground truth from a batch of MultiGTDataset, on the device: degradation, choice, statistics."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from iqa_sr.degradations.pipelines import Degradation
from iqa_sr.models.sampler_statistics import SamplerStatistics
from iqa_sr.ops.blur import sharpen
from iqa_sr.samplers.base import Candidates, Choice, GroundTruthSampler, crop_windows

__all__ = ["GroundTruthSelector"]


@dataclass
class GroundTruthSelector:
    """Makes the LQ where there is no ready one, and lets the sampler choose.

    Attributes:
        sampler: Sampler of the data set.
        degradation: Degradation of the data set.
        crop: Side of the training crops in px of the ground truth.
        device: Device on which batches are degraded and ground truths chosen.
        statistics: Statistics of what was chosen.
        gt_usm: Whether the chosen crops are sharpened.
    """

    sampler: GroundTruthSampler
    degradation: Degradation
    crop: int
    device: torch.device
    statistics: SamplerStatistics = field(default_factory=SamplerStatistics)
    gt_usm: bool = False

    @torch.no_grad()
    def __call__(self, data: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
        """`(N, 3, crop / scale, crop / scale)` LQ and `(N, 3, crop, crop)` ground truth of a batch, float32 RGB."""
        moved = {
            key: data[key].to(self.device, non_blocking=True)
            for key in ("lq" if "lq" in data else "original", "gts", "gts_valid")
        }
        if "lq" in data:
            lq = moved["lq"]
        else:
            scale = self.degradation.scale
            degraded = self.degradation(moved["original"], data["seed"])
            lq = crop_windows(degraded, data["original_offset"] // scale, self.crop // scale).contiguous()
        choice = self.sampler.choose(Candidates(moved["gts"], moved["gts_valid"], data["gts_offset"], self.crop))
        self._count(choice, data)
        return lq, sharpen(choice.gt) if self.gt_usm else choice.gt

    def _count(self, choice: Choice, data: Mapping[str, Any]) -> None:
        """Tell the statistics which ground truths were chosen, with the qualities known on the device or offline."""
        column = choice.index.cpu()[:, None]
        folder, index = data["gts_folder"].gather(1, column)[:, 0], data["gts_index"]
        if choice.qualities is not None:
            first = choice.qualities[:, 0].cpu()
            original = first.where(index[:, 0] == 0, torch.full_like(first, float("nan")))
            self.statistics.add(folder, choice.qualities, column[:, 0], original)
        elif "qualities" in data:
            self.statistics.add(folder, data["qualities"], index.gather(1, column)[:, 0], data["qualities"][:, 0])
        else:
            self.statistics.add(folder)
