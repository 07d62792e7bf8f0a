"""Any differentiable quality metric as a loss, and what it shares with the committee of several."""

import math
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import torch
from pydantic import AfterValidator, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import Self

from iqa_sr.config.sections import Section, read_section
from iqa_sr.io.image_tensors import as_8_bit
from iqa_sr.losses.score_units import ScoreUnits
from iqa_sr.losses.views import View, ViewOptions, draw_views, smallest_view
from iqa_sr.losses.visibility import IDENTICAL, lost_jod, visible_amount
from iqa_sr.metrics.registry import metric_info, metric_names, shared_metric

__all__ = [
    "Aggregation",
    "IQALoss",
    "IQALossOptions",
    "QualityLoss",
    "QualityLossOptions",
    "RewardMetric",
    "RewardMetricName",
    "too_small",
]

Aggregation = Literal["mean", "mean-std", "soft-min"]

LEAST_GAP = 0.1  # JOD: a ground truth that looks like the base's result has nothing to give


def _differentiable(name: str) -> str:
    info = metric_info(name)
    if not info.differentiable:
        others = [other for other in metric_names() if other != info.name and not metric_info(other).differentiable]
        raise ValueError(
            f"{name} is not differentiable and cannot be a loss; of the metrics here all others are but "
            f"{', '.join(others)}; jod-lite needs no download"
        )
    return info.name


RewardMetricName = Annotated[str, AfterValidator(_differentiable)]


class QualityLossOptions(Section):
    """Options of all quality losses."""

    loss_weight: float = Field(1.0, gt=0, allow_inf_nan=False)
    ceiling: bool = False
    visible: bool = False
    score_per_jod: float | None = Field(None, gt=0)
    rounded: bool = False
    normalize: bool = False
    views: ViewOptions | None = None
    aggregation: Aggregation = "mean"
    k: float = Field(1.0, ge=0)
    temperature: float = Field(0.1, gt=0)

    @model_validator(mode="after")
    def _bound_is_set(self) -> Self:
        if self.score_per_jod is not None and not self.visible:
            raise ValueError("score_per_jod is read with visible: true only; set that, or leave score_per_jod out")
        return self

    @property
    def needs_ground_truth(self) -> bool:
        """Check whether the ground truth's own score is needed."""
        return self.ceiling or self.normalize or (self.visible and self.score_per_jod is None)


class IQALossOptions(QualityLossOptions):
    """The section of an `IQALoss`; see there."""

    metric: RewardMetricName
    metric_options: dict[str, Any] = {}

    @property
    def reward_metrics(self) -> dict[str, dict[str, Any]]:
        """The metric that is optimized, and its options."""
        return {self.metric: self.metric_options}


def too_small(reward_metrics: Iterable[str], views: ViewOptions | None, side: int) -> str | None:
    """Problem of training images of so small a side; None if the metrics can score every view of them."""
    smallest = smallest_view(views, side)
    if views is not None and views.shift >= smallest:
        return f"views of down to {smallest} px cannot be moved by {views.shift} px; take a smaller views:shift"
    for name in reward_metrics:
        needed = metric_info(name).min_size
        if smallest < needed:
            seen = f"images of {side} px" if views is None else f"views of down to {smallest} px of images of {side}"
            return (
                f"{name} needs at least {needed} px and would see {seen}; train on larger ones or with another metric"
            )
    return None


class RewardMetric:
    """A metric, shared with all that use it in this process, and the unit of its scores.

    Args:
        name: Name of the metric.
        options: Options that `create_metric` takes for it.
        unit: Scores `(zero, one)` that become a quality of 0 and 1; None for the score itself.
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
    """`-loss_weight * mean quality` of a batch, as the metrics see it.

    Attributes:
        figures: Figures of the last call, what the log tells beside the loss: with `visible`, `cut`, the share of
            images that have gained more than is visible, and `jod`, the mean JOD between the results and those of the
            base.
    """

    Options: type[QualityLossOptions]

    def __init__(self, options: QualityLossOptions, reward_metrics: list[RewardMetric]) -> None:
        super().__init__()
        self.options = options
        self.loss_weight = options.loss_weight
        self.reward_metrics = reward_metrics
        self.units = ScoreUnits(len(reward_metrics)) if options.normalize else None
        self.figures: dict[str, Tensor] = {}
        if options.visible:  # built now, as the reward metrics are
            shared_metric("cvvdp", "cuda" if torch.cuda.is_available() else "cpu")

    @property
    def needs_base(self) -> bool:
        """Check whether a call needs what the network made of the batch before it was trained with this loss."""
        return self.options.visible

    def forward(
        self,
        output: Tensor,
        gt: Tensor | None = None,
        weight: Tensor | None = None,
        *,
        base: Tensor | None = None,
        **_: Any,
    ) -> Tensor:
        """The loss of a batch.

        Args:
            output: Results of the network, `(N, 3, H, W)` float RGB in [0, 1]; values a little outside are fine.
            gt: Ground truths of the same shape; needed by full-reference metrics, `ceiling`, `normalize`, and `visible`
                without `score_per_jod`. No gradient reaches them.
            weight: Weight per pixel, not used: taken because BasicSR's losses take it.
            base: Results of the network for the same batch before it was trained with this loss, of the same shape;
                needed with `visible`. No gradient reaches them.

        Returns:
            A scalar; falling means that the images get better. Not finite where an image that is looked at is not.

        Raises:
            ValueError: If a ground truth or a base is needed and missing, or an image is too small for a metric.
        """
        self._check(output, gt, base)
        gt, base = (None if image is None else image.detach() for image in (gt, base))
        if self.options.rounded:
            output = _rounded(output)
            gt, base = (None if image is None else _rounded(image) for image in (gt, base))
        views = draw_views(self.options.views, *output.shape[-2:])
        of_gt = None
        with torch.no_grad():
            if gt is not None and self.units is not None and self.units.measuring:
                start = output if base is None else base
                self.units.add(*(self._scores(image, gt, views).mean(0) for image in (start, gt)))
            if gt is not None and self.options.needs_ground_truth:
                of_gt = self._quality(gt, gt, views)  # (N,)
        quality = self._quality(output, gt, views)  # (N,)
        if base is not None and self.options.visible:
            bound, lost = self._bound(output, gt, base, of_gt, views)  # (N,) each
            self.figures = {"cut": (quality > bound).float().mean(), "jod": IDENTICAL - lost.mean()}
            # Above the bound a constant, without gradient: that of the bound would pay for any visible change. Of equal
            # ones the gradient stays, else no run could leave its base.
            quality = quality - F.relu(quality - bound)
        if of_gt is not None and self.options.ceiling:
            # Of equal ones no gradient, and what is NaN stays so, on either side. Not by clamp, whose gradient at its
            # limit depends on the version of torch.
            above = quality - of_gt
            quality = quality - torch.where(above < 0, 0, above)
        return -self.loss_weight * quality.mean()

    def _check(self, output: Tensor, gt: Tensor | None, base: Tensor | None) -> None:
        name, side = type(self).__name__, min(output.shape[-2:])
        compares = any(metric.info.reference == "full" for metric in self.reward_metrics)
        if gt is None and (self.options.needs_ground_truth or compares):
            raise ValueError(
                f"{name}: a ground truth is needed by ceiling, normalize, visible without score_per_jod, or a "
                "full-reference metric; none came"
            )
        if base is None and self.needs_base:
            raise ValueError(
                f"{name}: visible compares with the base's result, and none came (`base`); IQASRModel gives it, models "
                "of BasicSR do not"
            )
        problem = too_small((metric.info.name for metric in self.reward_metrics), self.options.views, side)
        if problem is not None:  # a view that is too small may be drawn in any iteration
            raise ValueError(f"{name}: {problem}")

    @torch.no_grad()
    def _bound(
        self, output: Tensor, gt: Tensor | None, base: Tensor, of_gt: Tensor | None, views: list[View]
    ) -> tuple[Tensor, Tensor]:
        """`(N,)` the quality up to which a result is rewarded: its base's and what its visible change is worth.

        And `(N,)` the JOD between the two that are lost.
        """
        of_base, lost = self._quality(base, gt, views), lost_jod(output, base)  # (N,) each
        rate: Any = self.options.score_per_jod
        if rate is None:
            assert gt is not None and of_gt is not None
            gap = visible_amount(lost_jod(gt, base).clamp(min=LEAST_GAP))
            rate = (of_gt - of_base).clamp(min=0) / gap
        return of_base + rate * visible_amount(lost), lost

    def _quality(self, image: Tensor, gt: Tensor | None, views: list[View]) -> Tensor:
        """`(N, 3, H, W)` to `(N,)`: what all metrics and views agree on."""
        options, scores = self.options, self._scores(image, gt, views)
        members = (scores if self.units is None else self.units(scores)).flatten(0, 1)  # (views * metrics, N)
        mean = members.mean(0)  # (N,)
        if options.aggregation == "mean" or len(members) == 1:
            return mean
        if options.aggregation == "soft-min":
            steepness = -1 / options.temperature
            return (torch.logsumexp(members * steepness, 0) - math.log(len(members))) / steepness
        # The small number keeps the gradient finite where all members agree.
        return mean - options.k * ((members - mean).square().mean(0) + 1e-12).sqrt()

    def _scores(self, image: Tensor, gt: Tensor | None, views: list[View]) -> Tensor:
        """`(N, 3, H, W)` to `(views, metrics, N)`."""
        scores = []
        for view in views:
            seen, reference = view(image), None if gt is None else view(gt)
            scores.append(torch.stack([metric.quality(seen, reference) for metric in self.reward_metrics]))
        return torch.stack(scores)


def _rounded(image: Tensor) -> Tensor:
    """Saved values of `(N, 3, H, W)`; the gradient goes straight through the rounding, and ends outside of [0, 1]."""
    # Not by clamp, whose gradient at 0 and 1 depends on the version of torch.
    inside = torch.where((image < 0) | (image > 1), image.detach(), image)
    return inside + (as_8_bit(image) - inside).detach()


class IQALoss(QualityLoss):
    """`-loss_weight * mean(score)`, or `+loss_weight * mean(score)` for a metric of which less is better.

    Args:
        metric: Name of a differentiable metric; a full-reference one compares with the ground truth.
        loss_weight: Factor of the loss, above 0; the log of the first iteration says what one unit of it means.
        ceiling: No reward beyond the ground truth's own score: an image that the metric likes better than its ground
            truth has a gradient of zero. Costs a second forward, without gradient.
        visible: The gain over the base's own result counts only as far as it is visible: per image
            `f(base) + min(f(output) - f(base), c * V(base, output))`, V the `visible_amount` of what `cvvdp` sees. An
            image that has gained more has a gradient of zero: the change is neither paid nor undone, and no other
            change is paid for being visible. Costs a forward of the metric and one or two of `cvvdp`, without gradient.
        score_per_jod: The c of `visible`: what a change of one JOD may gain. None: the gap between the scores of each
            image's ground truth and its base's result, by the visible amount of their difference. Whoever has gone half
            of that amount may have gained half of the gap, and nothing where the ground truth does not score higher.
            Of each image alone, so that nothing has to be estimated or resumed.
        rounded: Whether result, base and ground truth are rounded to 8 bit before metric and `cvvdp`, as by saving:
            what that removes does not count. The gradient passes as if nothing were rounded; outside of [0, 1] it ends.
        normalize: Whether scores are brought to the unit of `ScoreUnits`, measured at the start of the run: 1 is the
            mean distance between what it begins with and the ground truths. `loss_weight`, `score_per_jod` and
            `temperature` are then in that unit, and several quality losses of one weight pull about equally.
        views: Random views before the metric, see `ViewOptions`; null for the image as it is.
        aggregation: Way to join several views: `mean`, `mean-std` (minus `k` standard deviations) or `soft-min`.
        k: Standard deviations that `mean-std` takes off.
        temperature: Softness of `soft-min`, in the unit of the score.
        metric_options: Options that `create_metric` takes for this metric, for example `checkpoint: true`.

    Raises:
        ValueError: If there is no such metric or it is not differentiable; names the others that are not.
        FileNotFoundError: If its weights are missing.

    Reference:
        Zhang, Rangrej, Aumentado-Armstrong, Fazly, Levinshtein: Augmenting Perceptual Super-Resolution via Image
        Quality Predictors, CVPR 2025 (the term `-lambda Q`). The straight-through gradient: Bengio, Leonard, Courville:
        Estimating or Propagating Gradients Through Stochastic Neurons, 2013, https://arxiv.org/abs/1308.3432.
    """

    Options = IQALossOptions

    def __init__(
        self,
        metric: str,
        loss_weight: float = 1.0,
        ceiling: bool = False,
        visible: bool = False,
        score_per_jod: float | None = None,
        rounded: bool = False,
        normalize: bool = False,
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
            "visible": visible,
            "score_per_jod": score_per_jod,
            "rounded": rounded,
            "normalize": normalize,
            "views": views,
            "aggregation": aggregation,
            "k": k,
            "temperature": temperature,
            "metric_options": metric_options or {},
        }
        options = read_section(IQALossOptions, given, "IQALoss")
        super().__init__(options, [RewardMetric(options.metric, options.metric_options)])
