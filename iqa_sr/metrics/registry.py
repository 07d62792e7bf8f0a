"""The table of quality metrics: their facts without building anything, and the metrics themselves by name."""

import inspect
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import torch

from iqa_sr.errors import did_you_mean, same_name, set_metric_problem, shown
from iqa_sr.metrics import (
    afine,
    ahiq,
    arniqa,
    augmentiq,
    brisque,
    ckdn,
    clipiqa,
    cnniqa,
    cvvdp,
    cw_ssim,
    dists,
    fsim,
    gmsd,
    hyperiqa,
    ilniqe,
    jod_lite,
    liqe,
    lpips,
    mad,
    maniqa,
    musiq,
    nima,
    niqe,
    nlpd,
    nrqm,
    paq2piq,
    pcqi,
    piqe,
    psnr,
    qalign,
    qualiclip,
    rankiqa,
    reiqa,
    sfsn,
    ssim,
    ssim_basicsr,
    stlpips,
    topiq,
    vif,
    vsi,
)
from iqa_sr.metrics.base import MetricInfo, QualityMetric
from iqa_sr.metrics.pyiqa_adapter import PREFIX, PyiqaMetric, pyiqa_info
from iqa_sr.runtime import rng_state
from iqa_sr.weights.store import weights_hash

__all__ = [
    "MetricInfo",
    "QualityMetric",
    "create_metric",
    "metric_info",
    "metric_names",
    "metric_spec",
    "own_names",
    "shared_metric",
]

# Each family of metrics lists its own: facts, and what builds the metric from them.
_FAMILIES = (
    afine,
    ahiq,
    arniqa,
    augmentiq,
    brisque,
    ckdn,
    clipiqa,
    cnniqa,
    cvvdp,
    cw_ssim,
    dists,
    psnr,
    fsim,
    gmsd,
    hyperiqa,
    ilniqe,
    jod_lite,
    liqe,
    lpips,
    mad,
    maniqa,
    musiq,
    nima,
    niqe,
    nlpd,
    nrqm,
    paq2piq,
    pcqi,
    piqe,
    qalign,
    qualiclip,
    rankiqa,
    reiqa,
    sfsn,
    ssim,
    ssim_basicsr,
    stlpips,
    topiq,
    vif,
    vsi,
)
_METRICS: dict[str, tuple[MetricInfo, Callable[..., QualityMetric]]] = {
    info.name: (info, partial(build, info)) for family in _FAMILIES for info, build in family.METRICS
}


def metric_names() -> list[str]:
    """The names of all metrics, sorted."""
    return sorted(_METRICS)


def metric_info(name: str) -> MetricInfo:
    """The facts of a metric; builds nothing.

    Args:
        name: One of `metric_names()`, in upper or lower case, with `-` for `_` or without: `PSNR`, `MS-SSIM`. The name
            in the facts is the metric's own.

    Raises:
        ValueError: If there is no such metric; the text has the nearest names.
    """
    if name.lower().startswith(PREFIX):
        return pyiqa_info(PREFIX + name[len(PREFIX) :])
    own = same_name(name, _METRICS)
    if own not in _METRICS:
        raise ValueError(
            set_metric_problem(name) or f"there is no metric {shown(name)}; {did_you_mean(name, _METRICS)}"
        )
    return _METRICS[own][0]


def own_names(names: Sequence[str], argument: str = "metrics") -> tuple[str, ...]:
    """The own names of metrics, as their facts have them, each once.

    Args:
        names: Names of metrics, as `metric_info` takes them.
        argument: Name of the argument that gave them, for the error.

    Raises:
        ValueError: If there is no such metric; the text has the argument and the nearest names.
    """
    try:
        return tuple(dict.fromkeys(metric_info(name).name for name in names))
    except ValueError as error:
        raise ValueError(f"`{argument}`: {error}") from None


def metric_spec(name: str) -> str:
    """One line that pins down what a number of this metric is: the variant, and the hash of each weights file in use.

    Raises:
        ValueError: If there is no such metric.
        FileNotFoundError: If its weights are missing.
    """
    info = metric_info(name)
    return "; ".join([info.spec, *(f"{file} sha256 {weights_hash(file)[:12]}" for file in info.weights)])


def create_metric(name: str, device: str | torch.device = "cpu", **options: Any) -> QualityMetric:
    """A new metric on a device, frozen and in evaluation mode.

    Args:
        name: Name of the metric, as `metric_info` takes it.
        device: Device of the metric's weights.
        **options: Options of this metric, for example `regressor` of `reiqa`.

    Raises:
        ValueError: If there is no such metric; the text has the nearest names. Or if it takes no such option, or its
            weights' files hold something else.
        FileNotFoundError: If its weights are not on the machine; the text says what to do.
    """
    info = metric_info(name)
    build = partial(PyiqaMetric, info) if info.name.startswith(PREFIX) else _METRICS[info.name][1]
    known = list(inspect.signature(build).parameters)
    for option in options:
        if option not in known:
            raise ValueError(f"{name} takes no option {option!r}; {did_you_mean(option, known)}")
    try:
        with rng_state.preserved():  # weights are drawn before those of a file take their place, in the middle of a run
            return build(**options).to(device)
    except torch.OutOfMemoryError:
        raise
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError) as error:
        if not (info.weights or options):  # no file was read
            raise
        reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"
        files = ", ".join([*info.weights, *map(str, options.values())])
        raise ValueError(
            f"{name}: its weights, {files}, hold something else than expected ({reason})\n"
            "`iqa-sr weights verify` compares them with the published files."
        ) from error


def shared_metric(name: str, device: str | torch.device, **options: Any) -> QualityMetric:
    """The metric that all of this process share; built at the first call for a name, device and options.

    Raises:
        ValueError: As `create_metric`.
        FileNotFoundError: As `create_metric`.
    """
    device = torch.device(device)
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", torch.cuda.current_device())
    return _shared(metric_info(name).name, device, tuple(sorted(options.items())))


@cache
def _shared(name: str, device: torch.device, options: tuple[tuple[str, Any], ...]) -> QualityMetric:
    return create_metric(name, device, **dict(options))
