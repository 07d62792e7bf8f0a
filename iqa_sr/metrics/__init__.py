"""Quality metrics: one `QualityMetric` per file, and the registry that names them."""

from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.metrics.registry import (
    create_metric,
    metric_info,
    metric_names,
    metric_spec,
    shared_metric,
)

__all__ = [
    "MetricInfo",
    "QualityMetric",
    "create_metric",
    "metric_info",
    "metric_names",
    "metric_spec",
    "shared_metric",
]
