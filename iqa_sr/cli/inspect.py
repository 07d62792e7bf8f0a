"""`iqa-sr inspect`: which network is in a file, how its weights lie there, and what may be done with it."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from iqa_sr.io.text_table import aligned

if TYPE_CHECKING:
    from iqa_sr.checkpoint.inspection import AdapterReport, CheckpointReport, WeightsReport
    from iqa_sr.checkpoint.loading import LoadedNetwork

    Report = AdapterReport | CheckpointReport

__all__ = ["add_arguments", "run"]

_NAMES = 16  # columns


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: files and the form of the output."""
    parser.add_argument("paths", nargs="+", metavar="FILE", help="checkpoint, or folder of an adapter")
    parser.add_argument("-opt", metavar="FILE", help="option file that they were trained with, where it is not found")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print a JSON list with everything")
    form.add_argument("--table", action="store_true", help="print one line for each file")


def run(args: argparse.Namespace) -> int:
    """Print what is in each file; 1 if one cannot be read, or it is not known which network it holds."""
    from iqa_sr.checkpoint.inspection import inspect_path

    reports, problems = [], []
    for path in args.paths:
        try:
            reports.append(inspect_path(path, args.opt))
        except (ValueError, OSError) as error:
            problems.append(str(error))
    unknown = [report for report in reports if getattr(report, "problem", "")]
    if args.json:
        print(json.dumps([_content(report) for report in reports], indent=2))
    elif args.table:
        print(aligned([_HEAD, *(_row(report) for report in reports)]))
    else:
        print("\n\n".join(_text(report) for report in reports))
    for problem in problems + ([report.problem for report in unknown] if args.table else []):  # type: ignore[union-attr]
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems or unknown else 0


# --- For people -------------------------------------------------------------------------------------------------------


def _text(report: "Report") -> str:
    from iqa_sr.checkpoint.inspection import CheckpointReport

    rows = _checkpoint_rows(report) if isinstance(report, CheckpointReport) else _adapter_rows(report)
    below = "\n" + " " * (_NAMES + 3)
    lines = [f"  {name:<{_NAMES}} {text.replace(chr(10), below)}" for name, text in rows if text]
    return "\n".join([str(report.path), *lines])


def _checkpoint_rows(report: "CheckpointReport") -> list[tuple[str, str]]:
    network, weights = report.network, report.weights
    rows = _network_rows(network) if network else [("network", report.problem)]
    if weights:
        where = f"under {report.key}" if report.key else "the file itself"
        rows += [("weights", f"{where}: {_weights(weights)}"), ("first names", ", ".join(weights.first))]
    others = ", ".join(f"{key} ({told})" for key, told in report.others.items())
    rows += [("other keys", others), ("file", f"{report.kind}, {report.bytes:,} bytes"), ("sha256", report.sha256)]
    return rows + ([("weights' digest", network.digest)] if network else [])


def _network_rows(network: "LoadedNetwork") -> list[tuple[str, str]]:
    tags = f" ({', '.join(network.tags)})" if network.tags else ""
    half = {True: "yes", False: "no", None: ""}[network.supports_half]
    return [
        ("architecture", f"{network.architecture}{tags}, as {network.source} says"),
        ("scale", f"x{network.scale}"),
        ("channels", f"{network.input_channels} to {network.output_channels}"),
        ("parameters", f"{network.parameters:,}"),
        ("sizes", _sizes(network)),
        ("half precision", half),
        ("license", _license(network)),
        ("options", ", ".join(f"{name} {_value(value)}" for name, value in network.hyperparameters.items())),
        ("assumed", f"{', '.join(network.assumed)}: no weight tells" if network.assumed else ""),
    ]


def _adapter_rows(report: "AdapterReport") -> list[tuple[str, str]]:
    layers = ", ".join(report.layers[:3]) + (", ..." if len(report.layers) > 3 else "")
    kind = report.base.network.get("type", "unknown")
    return [
        ("adapter", f"LoRA of rank {report.rank}, alpha {report.alpha:g}"),
        ("layers", f"{len(report.layers)}: {layers}"),
        ("parameters", f"{report.parameters:,}"),
        ("base", f"{kind}, {report.base.file} (sha256 of its weights: {report.base.digest[:12]})"),
        ("weights", _weights(report.weights)),
        ("sha256", report.sha256),
    ]


def _weights(weights: "WeightsReport") -> str:
    kinds = list(weights.precision.items())
    told = kinds[0][0] if len(kinds) == 1 else ", ".join(f"{count} {kind}" for kind, count in kinds)
    return f"{weights.tensors} tensors, {told}"


def _sizes(network: "LoadedNetwork") -> str:
    least = f"at least {network.minimum} px" if network.minimum > 1 else ""
    multiple = f"multiples of {network.multiple_of} px" if network.multiple_of > 1 else ""
    wanted = ", ".join(text for text in (least, multiple, "squares" if network.square else "") if text)
    return f"{wanted}; others are padded" if wanted else "any"


def _license(network: "LoadedNetwork") -> str:
    reason = network.license.noncommercial
    return f"{network.license.name} (the architecture's code){f': {reason}' if reason else ''}"


def _value(value: Any) -> str:
    return "[" + ", ".join(map(_value, value)) + "]" if isinstance(value, list) else str(value)


_HEAD = ("file", "architecture", "scale", "parameters", "precision", "key", "license", "weights' digest")


def _row(report: "Report") -> Sequence[str]:
    from iqa_sr.checkpoint.inspection import CheckpointReport

    if not isinstance(report, CheckpointReport):
        kind = f"LoRA of {report.base.network.get('type', 'unknown')}"
        cells = [kind, "", f"{report.parameters:,}", "+".join(report.weights.precision), "", "", report.sha256[:12]]
        return [str(report.path), *cells]
    precision = "+".join(report.weights.precision) if report.weights else ""
    if report.network is None:
        return [str(report.path), "unknown", "", "", precision, report.key or "", "", ""]
    network = report.network
    known = [network.architecture, f"x{network.scale}", f"{network.parameters:,}", precision, report.key or ""]
    return [str(report.path), *known, network.license.name, network.digest]


# --- For programs -----------------------------------------------------------------------------------------------------


def _content(report: "Report") -> dict[str, Any]:
    from iqa_sr.checkpoint.inspection import CheckpointReport, network_facts

    if not isinstance(report, CheckpointReport):
        return {"path": str(report.path), **_known(report), "base": report.base.model_dump()}
    network = network_facts(report.network) if report.network else None
    return {"path": str(report.path), **_known(report), "network": network}


def _known(report: "Report") -> dict[str, Any]:
    """All but paths and networks."""
    found = {key: value for key, value in vars(report).items() if key not in ("path", "network", "base")}
    return found | {"weights": asdict(report.weights) if report.weights else None}
