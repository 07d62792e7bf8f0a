"""The section `val` and the entries of `val:metrics`: our metrics and BasicSR's."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from iqa_sr.basicsr_compat import METRIC_REGISTRY, needs_basicsr, registered
from iqa_sr.config.class_arguments import check_arguments
from iqa_sr.config.sections import Section, read_section
from iqa_sr.config.values import FileName, Iterations
from iqa_sr.errors import OptionError, did_you_mean, shown
from iqa_sr.metrics.registry import metric_info

__all__ = ["Against", "CalculateIQAOptions", "MetricConfig", "ValSection", "read_metric"]

Against = Literal["original", "nearest", "positives", "base"]


class ValSection(Section):
    """`val`: when to validate, what to keep, which metrics."""

    val_freq: Iterations = Field(gt=0)
    save_img: bool = False
    pbar: bool = False
    suffix: str | None = None
    baseline: Literal["auto", "bicubic", "input"] | None = "auto"
    metrics: dict[FileName, dict[str, Any]] = {}  # the best checkpoint of each is a file with its name

    @field_validator("metrics", mode="before")
    @classmethod
    def _none(cls, metrics: Any) -> Any:
        return {} if metrics is None else metrics  # as in BasicSR: `metrics:` whose entries are comments


class CalculateIQAOptions(Section):
    """A metric of ours under `val:metrics`.

    Attributes:
        metric: Name of the metric, for example `niqe`.
        against: Reference of full-reference metrics: the original, the ground truth of the group that gives the best
            score, every positive ground truth, averaged (HGGT's protocol), or what the network that the run began with
            makes of the same LQ.
        crop_border: Pixels cut from each side before scoring.
        better: Direction of the metric, BasicSR's `higher` or `lower`; not needed, and refused when the metric says
            otherwise.
    """

    type: Literal["calculate_iqa"] = "calculate_iqa"
    metric: str
    against: Against = "original"
    crop_border: int = Field(0, ge=0, le=1024)
    better: Literal["higher", "lower"] | None = None

    @property
    def needs_base(self) -> bool:
        """Check whether the network that the run began with has to upscale the images, too."""
        return self.against == "base" and metric_info(self.metric).reference == "full"

    @field_validator("metric")
    @classmethod
    def _known(cls, name: str) -> str:
        return metric_info(name).name

    @field_validator("better")
    @classmethod
    def _as_the_metric_says(cls, better: str | None, info: ValidationInfo) -> str | None:
        name = info.data.get("metric")
        if better is not None and name is not None and better != direction(name):
            raise ValueError(f"{name} is better when {direction(name)}")
        return better


class _BasicSRMetric(Section):
    """Options that BasicSR's metrics share; the rest are their own arguments."""

    model_config = {**Section.model_config, "extra": "allow"}
    type: str
    crop_border: int = Field(0, ge=0, le=1024)
    input_order: Literal["HWC", "CHW"] = "HWC"
    test_y_channel: bool = False
    better: Literal["higher", "lower"] | None = None


MetricConfig = CalculateIQAOptions | Mapping[str, Any]
"""An entry of `val:metrics`: typed where the metric is ours, as it stands in the file where it is BasicSR's."""


def direction(name: str) -> Literal["higher", "lower"]:
    """BasicSR's word for when a metric of ours is better."""
    return "higher" if metric_info(name).higher_is_better else "lower"


def read_metric(section: Any, path: str) -> MetricConfig:
    """One entry of `val:metrics`, ours or BasicSR's, checked.

    Raises:
        OptionError: If there is no such metric, or a key or value of the entry is wrong.
    """
    if not isinstance(section, Mapping):
        raise OptionError(f"{path}: expected a section with keys, got {shown(section)}")
    kind = section.get("type")
    if kind == "calculate_iqa":
        return read_section(CalculateIQAOptions, section, path)
    known = registered(METRIC_REGISTRY)
    if not isinstance(kind, str) or kind not in known:
        unknown = needs_basicsr(kind) or f"there is no metric {shown(kind)}; {did_you_mean(str(kind), known)}"
        raise OptionError(f"{path}:type: {unknown}")
    plain = {key: value for key, value in section.items() if key != "better"}
    check_arguments(METRIC_REGISTRY.get(kind), plain, path, given=("img", "img2"))
    return read_section(_BasicSRMetric, section, path).model_dump(exclude_unset=True)
