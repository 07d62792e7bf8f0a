"""From a batch of MultiGTDataset to LQ and ground truth, on the device: degradation, choice, statistics."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from iqa_sr.degradations.pipelines import Degradation
from iqa_sr.models.sampler_statistics import SamplerStatistics
from iqa_sr.samplers.base import Candidates, Choice, GroundTruthSampler, crop_windows

__all__ = ["GroundTruthFeed"]


class GroundTruthFeed:
    """Makes the LQ where there is no ready one, and lets the sampler choose.

    Args:
        sampler: That of the data set.
        degradation: That of the data set.
        crop: Side of the training crops in px of the ground truth.
        device: Where the batches are worked on.
        folders: Names of the ground-truth folders in the data set's order, for the statistics.
    """

    def __init__(
        self,
        sampler: GroundTruthSampler,
        degradation: Degradation,
        crop: int,
        device: torch.device,
        folders: Sequence[str] = (),
    ) -> None:
        self.sampler, self.degradation = sampler, degradation
        self.crop, self.scale, self.device = crop, degradation.scale, device
        self.statistics = SamplerStatistics(folders)

    @torch.no_grad()
    def __call__(self, data: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
        """`(N, 3, crop / scale, crop / scale)` LQ and `(N, 3, crop, crop)` ground truth of a batch, float32 RGB."""
        return self._lq(data), self._choose(data)

    def _move(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, non_blocking=True)

    def _lq(self, data: Mapping[str, Any]) -> Tensor:
        if "lq" in data:
            return self._move(data["lq"])
        degraded = self.degradation(self._move(data["original"]), data["seed"])
        return crop_windows(degraded, data["original_offset"] // self.scale, self.crop // self.scale).contiguous()

    def _choose(self, data: Mapping[str, Any]) -> Tensor:
        candidates = Candidates(self._move(data["gts"]), self._move(data["gts_valid"]), data["gts_offset"], self.crop)
        choice = self.sampler.choose(candidates)
        self._count(choice, data)
        return choice.gt

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
