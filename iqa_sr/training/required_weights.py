"""What a run needs besides its data: the metrics that its options name, and the weight files of everything."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from iqa_sr.losses.afine_loss import AFINELoss
from iqa_sr.losses.lpips_loss import TRUNKS
from iqa_sr.metrics import metric_info
from iqa_sr.metrics.license_policy import check_licenses
from iqa_sr.models.options import losses_of
from iqa_sr.objectives import read_objective
from iqa_sr.scores.image_scores import LR_CONSISTENCY
from iqa_sr.weights.store import find_all

__all__ = ["check_policy", "find_run_weights", "metrics_of"]


def metrics_of(opt: Mapping[str, Any]) -> list[str]:
    """Names of our metrics that the options mention: in samplers, losses, guard and validation; each once."""
    found = [name for section in (opt["datasets"], opt["train"], opt.get("val") or {}) for name in _named(section)]
    return [name for name in dict.fromkeys(found) if name != LR_CONSISTENCY]  # which needs nothing


def _named(section: Any) -> Iterator[str]:
    """What stands under `metric` or in a list `metrics` or `held_out`, at any depth; a loss's own metric."""
    if isinstance(section, Mapping):
        if section.get("type") == AFINELoss.__name__:
            yield "afine"
        for key, value in section.items():
            if key == "metric" and isinstance(value, str):
                yield value
            elif key in ("metrics", "held_out") and isinstance(value, list):
                yield from (one for one in value if isinstance(one, str))
                yield from _named([one for one in value if not isinstance(one, str)])
            else:
                yield from _named(value)
    elif isinstance(section, list):
        for one in section:
            yield from _named(one)


def check_policy(opt: Mapping[str, Any]) -> None:
    """Refuse metrics that the option file's `license_policy` does not allow.

    Raises:
        OptionError: With each refused metric, its reason and the metrics that are allowed.
    """
    check_licenses(metrics_of(opt), opt.get("license_policy", "any"), "license_policy")


def find_run_weights(opt: Mapping[str, Any]) -> dict[str, Path]:
    """Local copies of all weight files that a run needs, downloaded before its first iteration.

    Raises:
        FileNotFoundError: One for all files that are missing, with their sizes, sources and places.
    """
    # The facts of a metric of pyiqa come with building it: its own download happens here, too.
    files = [file for name in metrics_of(opt) for file in metric_info(name).weights]
    files += [
        TRUNKS[section.get("net", "vgg")]
        for section in _losses(opt)
        if section.get("type") == "LPIPSLoss" and section.get("net", "vgg") in TRUNKS
    ]
    if any(section.get("metric_options", {}).get("regressor") for section in _losses(opt)):
        files = [file for file in files if file != "reiqa_regressor.pth"]  # the option names the user's own
    if opt["model_type"] == "QualityModel":
        objective, options = read_objective(opt["train"]["objective"])
        files += objective.weight_files(options, opt["network_g"])
    return find_all(dict.fromkeys(files))


def _losses(opt: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for section in losses_of(opt["train"]).values():
        yield section
        if isinstance(section.get("loss"), Mapping):  # PerceptualSlot
            yield cast(Mapping[str, Any], section["loss"])
