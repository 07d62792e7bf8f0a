"""Several differentiable quality metrics as one loss: a cautious committee."""

import math
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from iqa_sr.config.sections import Section, read_section
from iqa_sr.losses.iqa_loss import Aggregation, QualityLoss, QualityLossOptions, RewardMetric, RewardMetricName
from iqa_sr.metrics.registry import metric_info

__all__ = ["EnsembleIQALoss", "EnsembleIQALossOptions", "EnsembleMember"]


class EnsembleMember(Section):
    """One metric of a committee.

    Attributes:
        metric: Name of the metric.
        mean: Usual score, for example the mean over the ground truths, which becomes a quality of 0; given with `std`.
        std: Spread of the scores, given with `mean`: a score better by it becomes a quality of 1. Both may be left out
            for a metric whose range is finite, which then becomes 0 to 1.
        metric_options: Options that `create_metric` takes for this metric, for example `checkpoint`.
    """

    metric: RewardMetricName
    mean: float | None = None
    std: float | None = Field(None, gt=0)
    metric_options: dict[str, Any] = {}

    @property
    def unit(self) -> tuple[float, float]:
        """The scores that become a quality of 0 and 1.

        Raises:
            ValueError: If there is one of `mean` and `std` alone, or none and no finite range.
        """
        info = metric_info(self.metric)
        if (self.mean is None) != (self.std is None):
            raise ValueError(f"{self.metric}: mean and std go together, only one of them came")
        if self.mean is not None and self.std is not None:
            return self.mean, self.mean + (self.std if info.higher_is_better else -self.std)
        low, high = info.score_range
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(
                f"the scores of {self.metric} have no finite range; say what is usual:\n"
                f"{{metric: {self.metric}, mean: ..., std: ...}}, for example over your ground truths (iqa-sr score); "
                "or set normalize: true, and it is measured"
            )
        return (low, high) if info.higher_is_better else (high, low)


def _has_unit(section: EnsembleMember, info: ValidationInfo) -> EnsembleMember:
    """Unit of its own, unless units are measured."""
    if not info.data.get("normalize"):
        _ = section.unit
    elif section.mean is not None or section.std is not None:
        raise ValueError(
            f"{section.metric}: mean and std are measured with normalize: true; leave out the one or the other"
        )
    return section


class EnsembleIQALossOptions(QualityLossOptions):
    """The section of an `EnsembleIQALoss`; see there."""

    metrics: list[Annotated[EnsembleMember, AfterValidator(_has_unit)]] = Field(min_length=2)
    aggregation: Aggregation = "mean-std"

    @field_validator("metrics", mode="before")
    @classmethod
    def _sections(cls, metrics: Any) -> Any:
        """A name alone stands for a section."""
        if not isinstance(metrics, list):
            return metrics
        return [{"metric": one} if isinstance(one, str) else one for one in metrics]

    @property
    def reward_metrics(self) -> dict[str, dict[str, Any]]:
        """The metrics that are optimized, and their options."""
        return {section.metric: section.metric_options for section in self.metrics}


class EnsembleIQALoss(QualityLoss):
    """`-loss_weight` times what several metrics agree on: an artifact that fools one of them gains little.

    Every score is turned so that larger is better and brought to one unit before the metrics are joined. Ranges say
    little of how far the scores of similar images lie apart: with `normalize` no metric dominates.

    Args:
        metrics: Two or more names, or sections with `metric`, `mean`, `std`, `metric_options` (see `EnsembleMember`).
        loss_weight: Factor of the loss.
        ceiling: No reward beyond the ground truth's own quality.
        visible: No reward for a gain that cannot be seen; this and the next three as of `IQALoss`.
        score_per_jod: Gain that a change of one JOD may bring, in units of quality; None: what the ground truth's may.
        rounded: Whether images are rounded to 8 bit before the metrics, as saving does.
        normalize: Whether the unit of each metric is measured at the start; else `mean` and `std` or its range say it.
        views: Random views before the metrics, see `ViewOptions`. Each metric and view is one member of the committee.
        aggregation: `mean-std`: the mean minus `k` standard deviations over the members; `soft-min`:
            `-t log mean exp(-q / t)`, near the harshest member; or the `mean`.
        k: Standard deviations that `mean-std` takes off.
        temperature: The `t` of `soft-min`, in units of quality.

    Raises:
        ValueError: If a metric does not exist, is not differentiable, or has no finite range and no `mean` and `std`.
        FileNotFoundError: If weights are missing.
    """

    Options = EnsembleIQALossOptions

    def __init__(
        self,
        metrics: list[Any],
        loss_weight: float = 1.0,
        ceiling: bool = False,
        visible: bool = False,
        score_per_jod: float | None = None,
        rounded: bool = False,
        normalize: bool = False,
        views: dict[str, Any] | None = None,
        aggregation: Aggregation = "mean-std",
        k: float = 1.0,
        temperature: float = 0.1,
    ) -> None:
        given = {
            "metrics": metrics,
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
        }
        options = read_section(EnsembleIQALossOptions, given, "EnsembleIQALoss")
        units = [None if options.normalize else one.unit for one in options.metrics]
        reward_metrics = [
            RewardMetric(one.metric, one.metric_options, unit) for one, unit in zip(options.metrics, units, strict=True)
        ]
        super().__init__(options, reward_metrics)
