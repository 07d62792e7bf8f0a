"""`iqa-sr metrics`: what there is to score with."""

import argparse
from typing import TYPE_CHECKING

from iqa_sr.io.text_table import aligned

if TYPE_CHECKING:
    from iqa_sr.attacks.records import AttackRecord

__all__ = ["add_arguments", "metrics_markdown", "robustness_markdown", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: the form of the list."""
    parser.add_argument(
        "--markdown", action="store_true", help="the table of docs/metrics.md, with licenses and papers"
    )
    parser.add_argument(
        "--robustness", action="store_true", help="the table of docs/metrics.md: attacks on the metrics"
    )


def run(args: argparse.Namespace) -> int:
    """One line for each metric: reference, direction, range, smallest image, gradient, license, weights, robustness."""
    if args.markdown or args.robustness:
        print(metrics_markdown() if args.markdown else robustness_markdown())
        return 0

    from iqa_sr.attacks.records import read_records
    from iqa_sr.metrics import metric_info, metric_names
    from iqa_sr.weights.store import is_present

    rows = [
        (
            "name",
            "compares with",
            "better",
            "range",
            "min px",
            "gradient",
            "weights",
            "unseen gain",
            "use",
            "license of weights",
        )
    ]
    records = read_records()
    for name in metric_names():
        info = metric_info(name)
        missing = [file for file in info.weights if not is_present(file)]
        rows.append(
            (
                name,
                "reference" if info.reference == "full" else "nothing",
                "higher" if info.higher_is_better else "lower",
                "{:g}..{:g}".format(*info.score_range),
                str(info.min_size),
                "yes" if info.differentiable else "no",
                "none needed" if not info.weights else "missing" if missing else "present",
                _unseen_gain(records.get(name), info.spec),
                "non-commercial" if info.noncommercial else "free",
                info.weights_license,
            )
        )
    print(aligned(rows))
    print("Missing weights are downloaded when they are needed; `iqa-sr weights list` names the files.")
    print(
        "unseen gain: by how much of the distance between bicubic x2 results and originals attacks raise a score "
        "while nobody sees a change (JOD >= 9.99); -: not measured, by `iqa-sr attack`"
    )
    return 0


def _unseen_gain(record: "AttackRecord | None", spec: str) -> str:
    """A measurement counts for the variant of the metric that it was made of."""
    return "-" if record is None or record.spec != spec else record.summary.of_gap(record.summary.unseen)


def metrics_markdown() -> str:
    """The table of docs/metrics.md: metrics that differ in nothing but their weights share a line."""
    from iqa_sr.metrics import metric_info, metric_names

    lines: dict[tuple[str, ...], list[str]] = {}
    for name in metric_names():
        info = metric_info(name)
        facts = (
            "reference" if info.reference == "full" else "nothing",
            "higher" if info.higher_is_better else "lower",
            f"{info.min_size} px",
            info.weights_license + (f"; **non-commercial**: {info.noncommercial}" if info.noncommercial else ""),
            info.paper,
        )
        lines.setdefault(facts, []).append(name)
    rows: list[tuple[str, ...]] = [
        ("metric", "compares with", "better", "from", "license of the weights", "paper"),
        ("---",) * 6,
    ]
    rows += [(", ".join(f"`{name}`" for name in names), *facts) for facts, names in lines.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def robustness_markdown() -> str:
    """The table of docs/metrics.md: what attacks gain by the measurements that come with this package."""
    from iqa_sr.attacks.records import read_records

    rows: list[tuple[str, ...]] = [
        (
            "metric",
            "gap",
            "gain of APGD",
            "of the gap",
            "its JOD",
            "best tile, of the gap",
            "gain at JOD >= 9.99",
            "of the gap",
            "R-score",
            "signs of masked gradients",
            "measured",
        ),
        ("---",) * 11,
    ]
    for metric, record in read_records().items():
        summary = record.summary
        apgd, tile = (
            max((line for line in summary.lines if line.attack == name), key=lambda line: line.gain, default=None)
            for name in ("apgd", "tile")
        )
        rows.append(
            (
                f"`{metric}`",
                f"{summary.gap:.3g}",
                *((f"{apgd.gain:.3g}", summary.of_gap(apgd.gain), f"{apgd.jod:.2f}") if apgd else ("-",) * 3),
                summary.of_gap(tile.gain) if tile else "-",
                f"{summary.unseen:.3g}",
                f"**{summary.of_gap(summary.unseen)}**",
                f"{summary.robustness:.2f}",
                summary.signs,
                f"{record.date}, {record.version}",
            )
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
