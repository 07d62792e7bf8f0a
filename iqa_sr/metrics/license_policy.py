"""The option `license_policy`: metrics whose code or weights may not be used commercially are refused by name."""

from collections.abc import Iterable
from typing import Literal, get_args

from iqa_sr.errors import OptionError
from iqa_sr.metrics.registry import metric_info, metric_names

__all__ = ["LicensePolicy", "check_licenses"]

LicensePolicy = Literal["any", "permissive"]
KINDS = {"full": "full-reference", "none": "no-reference"}


def check_licenses(names: Iterable[str], policy: LicensePolicy, path: str) -> None:
    """Refuse metrics that a policy does not allow; nothing is built.

    Args:
        names: Names of metrics.
        policy: License policy: `any` allows all; `permissive` those for which `MetricInfo.noncommercial` is empty.
        path: Place of the policy in the option file, for the error.

    Raises:
        OptionError: With each refused metric and its reason, and the permissive metrics of the same reference kind.
        ValueError: If there is no such metric.
    """
    if policy not in get_args(LicensePolicy):
        raise OptionError(f"{path}: expected any or permissive, got {policy!r}")
    infos = [metric_info(name) for name in dict.fromkeys(names)]
    refused = [info for info in infos if info.noncommercial]
    if policy == "any" or not refused:
        return
    reasons = [f"{info.name}: {info.noncommercial}" for info in refused]
    lines = [f"{path}: permissive refuses {reasons[0]}"]
    if reasons[1:]:
        lines.append("; ".join(reasons[1:]))
    allowed = [info for info in map(metric_info, metric_names()) if not info.noncommercial]
    for kind in dict.fromkeys(info.reference for info in refused):
        others = ", ".join(info.name for info in allowed if info.reference == kind)
        lines.append(f"permissive {KINDS[kind]} metrics: {others or 'none'}")
    raise OptionError("\n".join(lines))
