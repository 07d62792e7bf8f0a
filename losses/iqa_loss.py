"""Any differentiable quality metric as a loss, and what it shares with the committee of several."""

import math
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import torch
from pydantic import AfterValidator, Field
from torch import Tensor, nn

from iqa_sr.config.sections import Section, read_section
from iqa_sr.losses.views import View, ViewOptions, draw_views, smallest_view
from iqa_sr.metrics.registry import metric_info, metric_names, shared_metric

__all__ = [
    "Aggregation",
    "IQALoss",
    "IQALossOptions",
    "Judge",
    "JudgeName",
    "QualityLoss",
    "QualityLossOptions",
    "too_small",
]

Aggregation = Literal["mean", "mean-std", "soft-min"]


def _differentiable(name: str) -> str:
    info = metric_info(name)
    if not info.differentiable:
        usable = [other for other in metric_names() if metric_info(other).differentiable]
        raise ValueError(f"{name} is not differentiable and cannot be a loss; those that are: {', '.join(usable)}")
    return info.name


JudgeName = Annotated[str, AfterValidator(_differentiable)]


class QualityLossOptions(Section):
    """What the sections of all quality losses have."""

    loss_weight: float = Field(1.0, gt=0, allow_inf_nan=False)
    ceiling: bool = False
    views: ViewOptions | None = None
    aggregation: Aggregation = "mean"
    k: float = Field(1.0, ge=0)
    temperature: float = Field(0.1, gt=0)


class IQALossOptions(QualityLossOptions):
    """The section of an `IQALoss`; see there."""

    metric: JudgeName
    metric_options: dict[str, Any] = {}

    @property
    def judges(self) -> dict[str, dict[str, Any]]:
        """The metric that is optimised, and its options."""
        return {self.metric: self.metric_options}


def too_small(judges: Iterable[str], views: ViewOptions | None, side: int) -> str | None:
    """What is wrong with training pictures of so small a side; None if the judges can score every view of them."""
    smallest = smallest_view(views, side)
    for name in judges:
        needed = metric_info(name).min_size
        if smallest < needed:
            seen = (
                f"pictures of {side} px" if views is None else f"views of down to {smallest} px of pictures of {side}"
            )
            return f"{name} needs at least {needed} px and would see {seen}; train on larger ones or with another judge"
    return None


class Judge:
    """A metric, shared with all that use it in this process, and the unit of its scores.

    Args:
        name: The metric's name.
        options: What `create_metric` takes for it.
        unit: `(zero, one)`: the scores that become a quality of 0 and 1; None for the score itself.
    """

    def __init__(self, name: str, options: dict[str, Any], unit: tuple[float, float] | None = None) -> None:
        self.info = metric_info(name)
        self.options = options
        self.unit = unit
        # Built now, so that a missing file ends a run before it begins; on the device where it will be wanted.
        shared_metric(name, "cuda" if torch.cuda.is_available() else "cpu", **options)

    def quality(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """`(N,)`, larger is better; NaN for an image that is not finite."""
        scores = shared_metric(self.info.name, image.device, **self.options)(image, reference, check_range=False)
        if self.unit is None:
            return self.info.oriented(scores)
        zero, one = self.unit
        return (scores - zero) / (one - zero)


class QualityLoss(nn.Module):
    """`-loss_weight * mean quality` of a batch, as the judges see it."""

    Options: type[QualityLossOptions]

    def __init__(self, options: QualityLossOptions, judges: list[Judge]) -> None:
        super().__init__()
        self.options = options
        self.loss_weight = options.loss_weight
        self.judges = judges

    def forward(self, output: Tensor, gt: Tensor | None = None, weight: Tensor | None = None, **_: Any) -> Tensor:
        """The loss of a batch.

        Args:
            output: `(N, 3, H, W)` float RGB in [0, 1]; values a little outside are fine.
            gt: The same shape; needed by full-reference metrics and by the ceiling. No gradient reaches it.
            weight: Taken because BasicSR's losses take it; a quality has no weight per pixel.

        Returns:
            A scalar; falling means that the pictures get better. Not finite where an image that is looked at is not.

        Raises:
            ValueError: If a ground truth is needed and missing, or a picture is too small for a judge.
        """
        name = type(self).__name__
        if gt is None and (self.options.ceiling or any(judge.info.reference == "full" for judge in self.judges)):
            raise ValueError(f"{name}: a ground truth is needed by the ceiling or a full-reference metric; none came")
        problem = too_small((judge.info.name for judge in self.judges), self.options.views, min(output.shape[-2:]))
        if problem is not None:  # a view that is too small may be drawn in any iteration
            raise ValueError(f"{name}: {problem}")
        gt = None if gt is None else gt.detach()
        views = draw_views(self.options.views, *output.shape[-2:])
        quality = self._quality(output, gt, views)
        if self.options.ceiling:
            assert gt is not None
            with torch.no_grad():
                limit = self._quality(gt, gt, views)
            # No minimum and no choice: of equal ones no gradient, and what is no number stays so, on either side.
            quality = quality - (quality - limit).clamp(min=0)
        return -self.loss_weight * quality.mean()

    def _quality(self, image: Tensor, gt: Tensor | None, views: list[View]) -> Tensor:
        """`(N, 3, H, W)` to `(N,)`: what all judges and views agree on."""
        options, scores = self.options, []
        for view in views:
            seen, reference = view(image), None if gt is None else view(gt)
            scores += [judge.quality(seen, reference) for judge in self.judges]
        members = torch.stack(scores)  # (judges * views, N)
        mean = members.mean(0)
        if options.aggregation == "mean" or len(members) == 1:
            return mean
        if options.aggregation == "soft-min":
            steepness = -1 / options.temperature
            return (torch.logsumexp(members * steepness, 0) - math.log(len(members))) / steepness
        # The small number keeps the gradient finite where all members agree.
        return mean - options.k * ((members - mean).square().mean(0) + 1e-12).sqrt()


class IQALoss(QualityLoss):
    """`-loss_weight * mean(score)`, or `+loss_weight * mean(score)` for a metric of which less is better.

    Args:
        metric: A differentiable metric; a full-reference one compares with the ground truth.
        loss_weight: Factor of the loss, above 0; the log of the first iteration says what one unit of it means.
        ceiling: No reward beyond the ground truth's own score: a picture that the judge likes better than its ground
            truth has a gradient of zero. Costs a second forward, without gradient.
        views: Random views before the judge, see `ViewOptions`; null for the picture as it is.
        aggregation: How several views are joined: `mean`, `mean-std` (minus `k` standard deviations) or `soft-min`.
        k: Standard deviations that `mean-std` takes off.
        temperature: Softness of `soft-min`, in the unit of the score.
        metric_options: What `create_metric` takes for this metric, for example `checkpoint: true`.

    Raises:
        ValueError: If there is no such metric or it is not differentiable; lists those that are.
        FileNotFoundError: If its weights are missing.

    Reference:
        Zhang, Rangrej, Aumentado-Armstrong, Fazly, Levinshtein: Augmenting Perceptual Super-Resolution via Image
        Quality Predictors, CVPR 2025 (the term `-lambda Q`).
    """

    Options = IQALossOptions

    def __init__(
        self,
        metric: str,
        loss_weight: float = 1.0,
        ceiling: bool = False,
        views: dict[str, Any] | None = None,
        aggregation: Aggregation = "mean",
        k: float = 1.0,
        temperature: float = 0.1,
        metric_options: dict[str, Any] | None = None,
    ) -> None:
        given = {
            "metric": metric,
            "loss_weight": loss_weight,
            "ceiling": ceiling,
            "views": views,
            "aggregation": aggregation,
            "k": k,
            "temperature": temperature,
            "metric_options": metric_options or {},
        }
        options = read_section(IQALossOptions, given, "IQALoss")
        super().__init__(options, [Judge(options.metric, options.metric_options)])
