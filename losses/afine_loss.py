"""A-FINE as a loss: it may reward an image that is better than its ground truth."""

from typing import Any, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from iqa_sr.config.sections import Section, read_section
from iqa_sr.metrics.afine import AFINE
from iqa_sr.metrics.registry import shared_metric

__all__ = ["AFINELoss", "AFINELossOptions"]

Term = Literal["all", "fidelity", "naturalness"]


class AFINELossOptions(Section):
    """The section of an `AFINELoss`; see there."""

    loss_weight: float = Field(1.0, gt=0, allow_inf_nan=False)
    term: Term = "all"
    reduction: Literal["mean", "sum"] = "mean"
    checkpoint: bool = False

    @property
    def reward_metrics(self) -> dict[str, dict[str, Any]]:
        """The metric that is optimized, and its options."""
        name = "afine" if self.term == "all" else f"afine-{self.term}"
        return {name: {"checkpoint": True} if self.checkpoint else {}}


class AFINELoss(nn.Module):
    """`loss_weight * mean(score)` of a batch; A-FINE's scores fall as images get better, so this is minimized.

    The network is shared with all that use A-FINE in this process, stays out of checkpoints, and follows the images'
    device. The ground truth's features are computed once per batch, without gradient.

    The fidelity divides by the variances of CLIP's channels. Where one is nearly constant, single pixels can have a far
    larger gradient than the rest; clip the gradient of the network that is trained.

    Args:
        loss_weight: Factor of the loss.
        term: `all`: the D score, which has no lower bound; `fidelity`: its fidelity term in (-2, 2); `naturalness`: its
            naturalness term in (-2, 2), which needs no ground truth.
        reduction: `mean` or `sum` over the images.
        checkpoint: Whether CLIP's blocks are computed again in the backward pass, to save memory.

    Raises:
        ValueError: If an argument is none of these.
        FileNotFoundError: If the weights are not on the machine.

    Reference:
        Chen, Wu, Ma, Zhang: Toward Generalized Image Quality Assessment: Relaxing the Perfect Reference Quality
        Assumption, CVPR 2025.
    """

    Options = AFINELossOptions

    def __init__(
        self,
        loss_weight: float = 1.0,
        term: Term = "all",
        reduction: Literal["mean", "sum"] = "mean",
        checkpoint: bool = False,
    ) -> None:
        super().__init__()
        given = {"loss_weight": loss_weight, "term": term, "reduction": reduction, "checkpoint": checkpoint}
        self.options = read_section(AFINELossOptions, given, "AFINELoss")
        self.loss_weight = self.options.loss_weight
        # Built now, so that a missing file ends a run before it begins; on the device where it will be wanted.
        self._metric("cuda" if torch.cuda.is_available() else "cpu")

    def forward(self, output: Tensor, gt: Tensor | None = None, weight: Tensor | None = None, **_: Any) -> Tensor:
        """The loss of a batch.

        Args:
            output: Results of the network, `(N, 3, H, W)` float RGB in [0, 1]; values a little outside are fine.
            gt: Ground truths of the same shape; not needed for the naturalness. No gradient reaches them.
            weight: Weight per pixel, not used: taken because BasicSR's losses take it.

        Returns:
            A scalar; falling means that the images get better. Not finite where an image that is looked at is not.

        Raises:
            ValueError: If the ground truth is needed and missing, or has another shape.
        """
        metric, term = self._metric(output.device), self.options.term
        if term == "naturalness":
            scores = metric.features(output).naturalness  # (N,)
        else:
            if gt is None:
                raise ValueError(
                    f"AFINELoss: the term {term!r} compares with a ground truth, but none was given; "
                    "only 'naturalness' needs none"
                )
            if gt.shape != output.shape:
                shapes = f"output {tuple(output.shape)} and ground truth {tuple(gt.shape)}"
                raise ValueError(f"AFINELoss: {shapes} differ in shape")
            with torch.no_grad():
                gt_features = metric.features(gt)
            compare = metric.fidelity if term == "fidelity" else metric.compare
            scores = compare(metric.features(output), gt_features)  # (N,)
        return self.loss_weight * (scores.mean() if self.options.reduction == "mean" else scores.sum())

    def _metric(self, device: torch.device | str) -> AFINE:
        options = {"checkpoint": True} if self.options.checkpoint else {}  # else it is the one that validation uses
        return cast(AFINE, shared_metric("afine", device, **options))
