"""`iqa-sr metrics`: what there is to score with."""

import argparse
from typing import TYPE_CHECKING

from iqa_sr.cli.arguments import read_device, split_names
from iqa_sr.io.text_table import aligned

if TYPE_CHECKING:
    from iqa_sr.attacks.records import AttackRecord
    from iqa_sr.metrics.verification import Verification
    from iqa_sr.weights.published_file import WeightFile

__all__ = ["add_arguments", "metrics_markdown", "robustness_markdown", "run"]

RESULTS = {
    "missing": "weights are not here",
    "unknown": "computed",
    "agrees": "agrees",
    "unusable": "NOT COMPUTED",
    "differs": "DIFFERS",
}
"""The outcomes of `--verify` as the table has them, in the order of its rows: the last lines are seen first."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: the form of the list, or the check of weight files by scores."""
    parser.add_argument(
        "--markdown", action="store_true", help="the table of docs/metrics.md, with licenses and papers"
    )
    parser.add_argument(
        "--robustness", action="store_true", help="the table of docs/metrics.md: attacks on the metrics"
    )
    parser.add_argument(
        "--verify",
        nargs="?",
        const="",
        metavar="NAMES",
        help="compute metrics with the weight files on this machine and compare with known scores of scikit-image's "
        "photographs (default: all metrics)",
    )
    parser.add_argument(
        "--images", metavar="DIR", help="with --verify: TID2013's five pairs in IQA-PyTorch's ResultsCalibra instead"
    )
    parser.add_argument("--device", help="with --verify: cpu, cuda or cuda:N (default: cpu)")


def run(args: argparse.Namespace) -> int:
    """One line for each metric: reference, direction, range, smallest image, gradient, license, weights, robustness.

    With `--verify` 1 if scores differ from known ones.
    """
    if args.verify is not None:
        return _verify(args)
    for argument in ("images", "device"):
        if getattr(args, argument) is not None:
            raise ValueError(f"--{argument}: expected with --verify, got without; `iqa-sr metrics --verify`")
    if args.markdown or args.robustness:
        print(metrics_markdown() if args.markdown else robustness_markdown())
        return 0

    from iqa_sr.attacks.records import read_records
    from iqa_sr.metrics import metric_info, metric_names
    from iqa_sr.weights.store import is_present, weight_file

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
                _state(list(map(weight_file, info.weights)), missing),
                _unseen_gain(records.get(name), info.spec),
                "non-commercial" if info.noncommercial else "free",
                info.weights_license,
            )
        )
    print(aligned(rows))
    print(
        "Missing weights are downloaded when they are needed, folders (those with a size) by `iqa-sr weights pull` "
        "alone; `iqa-sr weights list` names the files."
    )
    print(
        "unseen gain: by how much of the distance between bicubic x2 results and originals attacks raise a score "
        "while nobody sees a change (JOD >= 9.99); -: not measured, by `iqa-sr attack`"
    )
    print("\nof whole sets of images, by `--set` of `evaluate` and `score`:")
    print(aligned(_of_sets()))
    return 0


def _state(files: "list[WeightFile]", missing: list[str]) -> str:
    """State of a metric's weights on this machine."""
    from iqa_sr.weights.store import size_text

    if missing:
        return ", ".join(["missing", *(size_text(file) for file in files if file.is_folder)])
    lacking = [file.package.name for file in files if file.package and file.package.problem()]
    return f"no {lacking[0]}" if lacking else "present" if files else "none needed"


def _of_sets() -> list[tuple[str, ...]]:
    """Rows of the metrics of sets of images."""
    from iqa_sr.set_metrics.registry import SET_METRICS
    from iqa_sr.weights.store import is_present

    rows: list[tuple[str, ...]] = [("name", "better", "weights", "license of weights")]
    for name, info in sorted(SET_METRICS.items()):
        better = "higher" if info.higher_is_better else "lower"
        present = "present" if is_present(info.features.weights) else "missing"
        rows.append((name, better, present, info.weights_license))
    return rows


def _verify(args: argparse.Namespace) -> int:
    """Compare scores with known ones, metric by metric; 1 if some differ, or a named metric was not computed."""
    from iqa_sr.metrics import metric_names
    from iqa_sr.metrics.registry import own_names
    from iqa_sr.metrics.verification import find_pairs, known_scores, photograph_pairs, verify_metric

    named = own_names(split_names(args.verify, "--verify"), "verify") if args.verify else ()
    device = read_device(args.device or "cpu", half=False)
    pairs = photograph_pairs() if args.images is None else find_pairs(args.images)
    sets = known_scores("scikit-image"), known_scores("tid2013")
    known, other = sets if args.images is None else sets[::-1]
    hint = f"known {'with' if args.images is None else 'without'} --images"
    found = [verify_metric(name, pairs, known, device) for name in named or metric_names()]
    found.sort(key=lambda one: list(RESULTS).index(one.result))
    rows = [("metric", "result", "score", "")]
    for one in found:
        score = "known" if one.known else hint if one.metric in other else "not known"
        rows.append((one.metric, RESULTS[one.result], score, _detail(one)))
    print(aligned(rows))
    results = [one.result for one in found]
    print("; ".join(f"{text}: {results.count(key)}" for key, text in RESULTS.items() if key in results))
    sources: dict[str, list[str]] = {}
    for one in found:
        if one.known and one.scores:
            sources.setdefault(one.known.obtained, []).append(one.metric)
    for source, metrics in sources.items():
        print(f"Known scores of {', '.join(metrics)}: {source}.")
    return int(any(result in ("differs", "unusable") or (named and result == "missing") for result in results))


def _detail(one: "Verification") -> str:
    """What stands behind a result: the difference, the scores, or the reason."""
    here = " ".join(f"{score:.7g}" for score in one.scores)
    if one.known is None or not one.scores:
        return one.reason or here
    within = f"by at most {one.difference:.2g}, tolerance {one.known.tolerance:g}"
    if one.result == "agrees":
        return within
    return f"{within}; here {here}, known {' '.join(f'{score:.7g}' for score in one.known.scores)}"


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
