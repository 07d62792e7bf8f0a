"""The table of the metrics of sets."""

from collections.abc import Sequence

from iqa_sr.errors import did_you_mean, same_name, set_metric_call
from iqa_sr.metrics.registry import metric_names
from iqa_sr.set_metrics import cmmd, fid, kid
from iqa_sr.set_metrics.base import SetMetric, SetMetricInfo

__all__ = ["SET_METRICS", "create_set_metric", "own_set_names", "set_metric_info"]

_ALL = (*fid.METRICS, *kid.METRICS, *cmmd.METRICS)
SET_METRICS: dict[str, SetMetricInfo] = {info.name: info for info, _ in _ALL}


def set_metric_info(name: str) -> SetMetricInfo:
    """The facts of a metric of sets.

    Raises:
        ValueError: If there is none of that name; the text has the nearest names.
    """
    own = same_name(name, SET_METRICS)
    if own not in SET_METRICS:
        raise ValueError(f"no metric of sets is called {name!r}; {did_you_mean(name, SET_METRICS)}")
    return SET_METRICS[own]


def own_set_names(names: Sequence[str], argument: str = "set_metrics") -> tuple[str, ...]:
    """The own names of metrics of sets, each once.

    Args:
        names: Names of metrics of sets.
        argument: Name of the argument that gave them, for the error.

    Raises:
        ValueError: If there is no such metric, or it is one of images, or a column's name with the patches in it.
    """
    for name in names:
        if same_name(name, metric_names()) in metric_names():
            raise ValueError(f"`{argument}`: {name} scores single images; it belongs to `metrics`")
        if "@" in name and (call := set_metric_call(name)):
            raise ValueError(f"`{argument}`: {name} is called by {call}")
    try:
        return tuple(dict.fromkeys(set_metric_info(name).name for name in names))
    except ValueError as error:
        raise ValueError(f"`{argument}`: {error}") from None


def create_set_metric(name: str) -> SetMetric:
    """A metric of sets by its name; no weights are read yet.

    Raises:
        ValueError: As `set_metric_info`.
    """
    info = set_metric_info(name)
    return next(make(info) for one, make in _ALL if one is info)
