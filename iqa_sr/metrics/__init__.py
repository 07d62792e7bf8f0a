"""The table of quality metrics: their facts without building anything, and the metrics themselves by name."""

import inspect
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch

from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.metrics.fidelity import PSNR, PSNR_INFO, PSNRY_BASICSR_INFO, PSNRY_INFO
from iqa_sr.metrics.niqe import NIQE, NIQE_BASICSR_INFO, NIQE_INFO
from iqa_sr.options import nearest

__all__ = ["MetricInfo", "QualityMetric", "create_metric", "metric_info", "metric_names", "shared_metric"]

# One line for each metric: its facts and what builds it.
_METRICS: dict[str, tuple[MetricInfo, Callable[..., QualityMetric]]] = {
    info.name: (info, partial(build, info))
    for info, build in (
        (NIQE_INFO, NIQE),
        (NIQE_BASICSR_INFO, NIQE),
        (PSNR_INFO, PSNR),
        (PSNRY_INFO, PSNR),
        (PSNRY_BASICSR_INFO, PSNR),
    )
}


def metric_names() -> list[str]:
    """The names of all metrics, sorted."""
    return sorted(_METRICS)


def metric_info(name: str) -> MetricInfo:
    """The facts of a metric; builds nothing.

    Raises:
        ValueError: If there is no such metric; the text has the nearest names.
    """
    return _entry(name)[0]


def create_metric(name: str, device: str | torch.device = "cpu", **options: Any) -> QualityMetric:
    """A new metric on a device, frozen and in evaluation mode.

    Args:
        name: One of `metric_names()`.
        device: Where its weights are to be.
        **options: What this metric takes besides, for example `regressor` of `reiqa`.

    Raises:
        ValueError: If there is no such metric; the text has the nearest names. Or if it takes no such option.
        FileNotFoundError: If its weights are not on the machine; the text says what to do.
    """
    build = _entry(name)[1]
    known = list(inspect.signature(build).parameters)
    for option in options:
        if option not in known:
            raise ValueError(f"{name} takes no option {option!r}; {nearest(option, known)}")
    return build(**options).to(device)


def shared_metric(name: str, device: str | torch.device) -> QualityMetric:
    """The metric that all of this process share; built at the first call for a name and device.

    Raises:
        ValueError: As `create_metric`.
        FileNotFoundError: As `create_metric`.
    """
    device = torch.device(device)
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", torch.cuda.current_device())
    return _shared(name, device)


@cache
def _shared(name: str, device: torch.device) -> QualityMetric:
    return create_metric(name, device)


def _entry(name: str) -> tuple[MetricInfo, Callable[..., QualityMetric]]:
    if name not in _METRICS:
        raise ValueError(f"there is no metric {name!r}; {nearest(name, _METRICS)}")
    return _METRICS[name]
