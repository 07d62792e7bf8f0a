"""`iqa-sr metrics`: what there is to score with."""

import argparse

from iqa_sr.io.text_table import aligned

__all__ = ["add_arguments", "metrics_markdown", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How the list is written."""
    parser.add_argument("--markdown", action="store_true", help="the table of the README, with licences and papers")


def run(args: argparse.Namespace) -> int:
    """One line for each metric: reference, direction, range, smallest picture, gradient, licence, weights."""
    if args.markdown:
        print(metrics_markdown())
        return 0

    from iqa_sr.metrics import metric_info, metric_names
    from iqa_sr.weights.store import is_present

    rows = [("name", "compares with", "better", "range", "min px", "gradient", "weights", "use", "licence of weights")]
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
                "non-commercial" if info.noncommercial else "free",
                info.weights_license,
            )
        )
    print(aligned(rows))
    print("Missing weights are downloaded when they are needed; `iqa-sr weights list` names the files.")
    return 0


def metrics_markdown() -> str:
    """The README's table: metrics that differ in nothing but their weights share a line."""
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
        ("metric", "compares with", "better", "from", "licence of the weights", "paper"),
        ("---",) * 6,
    ]
    rows += [(", ".join(f"`{name}`" for name in names), *facts) for facts, names in lines.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
