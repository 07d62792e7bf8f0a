"""Several differentiable quality metrics as one loss: a cautious committee."""

import math
from typing import Any

from pydantic import Field, field_validator, model_validator

from iqa_sr.config.sections import Section, read_section
from iqa_sr.losses.iqa_loss import Aggregation, Judge, JudgeName, QualityLoss, QualityLossOptions
from iqa_sr.metrics.registry import metric_info

__all__ = ["EnsembleIQALoss", "EnsembleIQALossOptions", "JudgeOptions"]


class JudgeOptions(Section):
    """One metric of a committee.

    Attributes:
        metric: Its name.
        mean: With `std`, the usual score and its spread, for example over the ground truths: a quality of 0 is usual.
        std: See `mean`; both may be left out for a metric whose range is finite, which then becomes 0 to 1.
        metric_options: What `create_metric` takes for this metric, for example `checkpoint`.
    """

    metric: JudgeName
    mean: float | None = None
    std: float | None = Field(None, gt=0)
    metric_options: dict[str, Any] = {}

    @model_validator(mode="after")
    def _has_unit(self) -> "JudgeOptions":
        _ = self.unit
        return self

    @property
    def unit(self) -> tuple[float, float]:
        """The scores that become a quality of 0 and 1."""
        info = metric_info(self.metric)
        if (self.mean is None) != (self.std is None):
            raise ValueError(f"{self.metric}: mean and std go together, only one of them came")
        if self.mean is not None and self.std is not None:
            return self.mean, self.mean + (self.std if info.higher_is_better else -self.std)
        low, high = info.score_range
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(
                f"the scores of {self.metric} have no finite range; say what is usual:\n"
                f"{{metric: {self.metric}, mean: ..., std: ...}}, for example over your ground truths (iqa-sr score)"
            )
        return (low, high) if info.higher_is_better else (high, low)


class EnsembleIQALossOptions(QualityLossOptions):
    """The section of an `EnsembleIQALoss`; see there."""

    metrics: list[JudgeOptions] = Field(min_length=2)
    aggregation: Aggregation = "mean-std"

    @field_validator("metrics", mode="before")
    @classmethod
    def _sections(cls, metrics: Any) -> Any:
        """A name alone stands for a section."""
        if not isinstance(metrics, list):
            return metrics
        return [{"metric": one} if isinstance(one, str) else one for one in metrics]

    @property
    def judges(self) -> dict[str, dict[str, Any]]:
        """The metrics that are optimised, and their options."""
        return {section.metric: section.metric_options for section in self.metrics}


class EnsembleIQALoss(QualityLoss):
    """`-loss_weight` times what several judges agree on: an artefact that fools one of them gains little.

    Every score is turned so that larger is better and brought to one unit before the judges are joined.

    Args:
        metrics: Two or more names, or sections with `metric`, `mean`, `std`, `metric_options` (see `JudgeOptions`).
        loss_weight: Factor of the loss.
        ceiling: No reward beyond the ground truth's own quality.
        views: Random views before the judges, see `ViewOptions`. Each judge and view is one member of the committee.
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
        views: dict[str, Any] | None = None,
        aggregation: Aggregation = "mean-std",
        k: float = 1.0,
        temperature: float = 0.1,
    ) -> None:
        given = {
            "metrics": metrics,
            "loss_weight": loss_weight,
            "ceiling": ceiling,
            "views": views,
            "aggregation": aggregation,
            "k": k,
            "temperature": temperature,
        }
        options = read_section(EnsembleIQALossOptions, given, "EnsembleIQALoss")
        super().__init__(options, [Judge(one.metric, one.metric_options, one.unit) for one in options.metrics])
