"""The sampler that scores the training crops themselves and takes the best."""

from typing import Annotated, Literal

import torch
from pydantic import AfterValidator, Field
from torch import Tensor

from iqa_sr.config.sections import Section
from iqa_sr.data.multi_gt.records import Record
from iqa_sr.metrics.registry import metric_info, shared_metric
from iqa_sr.samplers.base import Candidates, Choice, GroundTruthSampler, Shortlist, crop_windows

__all__ = ["ArgmaxOnlineOptions", "ArgmaxOnlineSampler"]


def _no_reference(name: str) -> str:
    info = metric_info(name)
    if info.reference == "full":
        raise ValueError(f"expected a no-reference metric, and {name} compares with a reference image")
    return info.name


class ArgmaxOnlineOptions(Section):
    """The section of the argmax-online sampler.

    Attributes:
        type: `argmax-online`.
        metric: Name of a no-reference metric.
        pool: `all` ground truths (the paper's), or the `positives` that observers preferred to the original.
        max_batch: Largest number of windows in one forward of the metric, where memory is short; null for all at once.
    """

    type: Literal["argmax-online"] = "argmax-online"
    metric: Annotated[str, AfterValidator(_no_reference)]
    pool: Literal["all", "positives"] = "all"
    max_batch: int | None = Field(None, ge=1)


class ArgmaxOnlineSampler(GroundTruthSampler):
    """Takes the ground truth whose crop the metric finds best: the paper's AMO.

    Of equally good ones the first counts, the original before the others. A window whose score is NaN is never taken,
    unless all are so; then the first is. What is scored is the crop, or, where the metric needs a larger image, the
    smallest window around it that it can score.

    Args:
        options: Options of the sampler in the option file.

    Reference:
        Zhang, Rangrej, Aumentado-Armstrong, Fazly, Levinshtein: Augmenting Perceptual Super-Resolution via Image
        Quality Predictors, CVPR 2025.
    """

    name = "argmax-online"

    def __init__(self, options: ArgmaxOnlineOptions) -> None:
        self.options = options
        self.info = metric_info(options.metric)

    def usable(self, record: Record) -> bool:
        """Check whether there is something to choose from."""
        return self.options.pool == "all" or bool(record.positives)

    def window(self, crop: int) -> int:
        """The crop's side, or the metric's smallest size, rounded up to its multiple."""
        unit = self.info.multiple_of
        return -(-max(crop, self.info.min_size) // unit) * unit

    def shortlist(self, record: Record, generator: torch.Generator) -> Shortlist:
        """Shortlist of the whole pool; draws nothing."""
        pool = record.positives if self.options.pool == "positives" else range(len(record.ground_truths))
        return Shortlist(tuple(pool))

    @torch.no_grad()
    def choose(self, candidates: Candidates) -> Choice:
        """Score all valid windows of the batch in one forward, and take each sample's best.

        Args:
            candidates: Ground truths of the batch as windows, `(N, K, 3, H, W)`; with K = 1 there is nothing to choose
                and nothing is scored.

        Returns:
            The crops; with K > 1 the qualities of all candidates, too.
        """
        if candidates.windows.shape[1] == 1:
            return super().choose(candidates)
        valid = candidates.valid
        qualities = torch.full(valid.shape, torch.nan, device=valid.device)
        seen = candidates.windows[valid]
        metric = shared_metric(self.info.name, seen.device)
        parts = seen.split(self.options.max_batch or max(1, len(seen)))
        qualities[valid] = self.info.oriented(torch.cat([metric(part, check_range=False) for part in parts]))
        index = _best(qualities, valid)
        windows = candidates.windows[torch.arange(len(index), device=index.device), index]
        return Choice(crop_windows(windows, candidates.offsets, candidates.crop), index, qualities)


def _best(qualities: Tensor, valid: Tensor) -> Tensor:
    """Position of each row's largest quality, the first of equal ones; the first valid one where all are NaN."""
    scored = valid & ~qualities.isnan()
    eligible = torch.where(scored.any(1, keepdim=True), scored, valid)
    values = torch.where(eligible, qualities.nan_to_num(0.0, torch.inf, -torch.inf), -torch.inf)
    return (eligible & (values == values.amax(1, keepdim=True))).int().argmax(1)
