"""The unit of each metric's scores, measured while a run begins."""

import torch
from torch import Tensor, nn

from iqa_sr.runtime import distributed

__all__ = ["ScoreUnits"]

IMAGES = 64  # of all processes together, from which the units are measured
LEAST = 1e-6  # of a unit


class ScoreUnits(nn.Module):
    """Quality 0 is the mean score of what a run begins with, and 1 lies the mean distance to the ground truth above it.

    The distance is `mean |score(ground truth) - score(start)|`: what a metric can be expected to gain at best, and no
    small number for one that cannot tell the two apart. A metric whose scores spread a hundred times as far as those of
    another has a unit a hundred times as large, so that none dominates. Measured over the first 64 images or a few
    more, then fixed. Its buffers are part of a training state of IQASRModel.

    Args:
        metrics: Number of metrics.
    """

    images: Tensor
    starts: Tensor
    distances: Tensor

    def __init__(self, metrics: int) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros((), dtype=torch.float64))
        self.register_buffer("starts", torch.zeros(metrics, dtype=torch.float64))
        self.register_buffer("distances", torch.zeros(metrics, dtype=torch.float64))

    @property
    def measuring(self) -> bool:
        """Check whether more images are wanted; the same in all processes."""
        return float(self.images) < IMAGES

    def add(self, start: Tensor, gt: Tensor) -> None:
        """Take the scores of a batch, of all processes; images with one that is not finite are left out.

        Args:
            start: Scores of what the run begins with, `(metrics, N)`, larger is better.
            gt: Scores of the ground truths, of the same shape.
        """
        finite = (start.isfinite() & gt.isfinite()).all(0)  # (N,)
        start, gt = start[:, finite].double(), gt[:, finite].double()  # (metrics, finite ones) each
        sums = torch.cat([finite.sum()[None].double(), start.sum(1), (gt - start).abs().sum(1)])  # (1 + 2 metrics,)
        total = torch.stack(distributed.gather_objects(sums.cpu())).sum(0)
        images, starts, distances = total.split([1, len(start), len(start)])
        self.images += images[0].to(self.images)
        self.starts += starts.to(self.starts)
        self.distances += distances.to(self.distances)

    def forward(self, scores: Tensor) -> Tensor:
        """Qualities from scores `(V, metrics, N)`, in the same shape."""
        images = self.images.clamp(min=1)
        units = (self.distances / images).clamp(min=LEAST)  # (metrics,)
        return (scores - (self.starts / images)[:, None].to(scores)) / units[:, None].to(scores)
