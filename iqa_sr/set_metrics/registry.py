"""The table of the metrics of sets."""

from iqa_sr.errors import did_you_mean, same_name
from iqa_sr.set_metrics import cmmd, fid, kid
from iqa_sr.set_metrics.base import SetMetric, SetMetricInfo

__all__ = ["SET_METRICS", "create_set_metric", "set_metric_info"]

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


def create_set_metric(name: str) -> SetMetric:
    """A metric of sets by its name; no weights are read yet.

    Raises:
        ValueError: As `set_metric_info`.
    """
    info = set_metric_info(name)
    return next(make(info) for one, make in _ALL if one is info)
