"""`iqa-sr evaluate`: checkpoints on data sets by metrics, into a result folder, and the means on the terminal."""

import argparse
import logging
import sys
from typing import TYPE_CHECKING

from iqa_sr.cli.arguments import add_quiet_argument, read_device, read_tile, split_names
from iqa_sr.io.text_table import aligned

if TYPE_CHECKING:
    from iqa_sr.evaluation.plan import EvaluationPlan
    from iqa_sr.evaluation.run import Evaluation
    from iqa_sr.set_metrics.result_scores import SetResult

__all__ = ["add_arguments", "run"]

logger = logging.getLogger(__name__)
SET_NAMES = "docs/metrics.md has a table of them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: checkpoints, images, metrics and output of an evaluation."""
    parser.add_argument(
        "checkpoints",
        nargs="+",
        metavar="CHECKPOINT",
        help="file, LABEL=FILE, folder of checkpoints, or experiments/NAME (then its own validation sets by default)",
    )
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="[NAME=]DIR",
        help="ground truths: images, original/ with 01/ 02/ .., HGGT's layout, LMDB; may be repeated",
    )
    parser.add_argument(
        "--lq",
        action="append",
        default=[],
        metavar="[NAME=]DIR",
        help="ready LQ images of that data set (default: made from the originals), or of one without ground truths",
    )
    parser.add_argument(
        "--degradation",
        metavar="NAME",
        help="how LQ images are made: bicubic (default), hggt-one-stage, ..., at scale 1 jpeg, denoise, deblur, or "
        "'{type: jpeg, jpeg_range: [10, 10]}'",
    )
    parser.add_argument(
        "--protocol",
        metavar="NAME",
        help="fixed metrics and rules: hggt-test100, sr-classic, restoration, realsr-dm, ntire2025, ntire2026 or paper",
    )
    parser.add_argument(
        "--without", metavar="NAMES", help="metrics of the protocol that are left out, e.g. qalign of paper; by commas"
    )
    parser.add_argument(
        "--metric",
        dest="metrics",
        metavar="NAMES",
        help="by commas, with --protocol on top of its own (default: psnr,ssim,cvvdp,niqe,jod-lite)",
    )
    parser.add_argument(
        "--set",
        dest="set_metrics",
        metavar="NAMES",
        help="all results of a data set against its originals: fid, fid-clean, kid, kid-clean, cmmd; by commas "
        "(default: those of the protocol)",
    )
    parser.add_argument(
        "--patches",
        metavar="SIDE",
        help="with --set: patches of SIDE x SIDE px instead of whole images; 256+128, hific: as of iqa-sr score",
    )
    parser.add_argument("--border", type=int, metavar="N", help="px cut from each side before scoring (default 0)")
    parser.add_argument(
        "--against",
        choices=["original", "positives", "base"],
        help="full-reference metrics: the original (default), each positive ground truth, averaged, or what the "
        "fine-tuned network's base makes",
    )
    parser.add_argument(
        "--base",
        action="append",
        default=[],
        metavar="[NAME=]PATH",
        help="with --against base: its checkpoint, or its results, a folder for each data set (default: what the "
        "checkpoints' training began with)",
    )
    parser.add_argument("--output", metavar="DIR", help="default: results/ and the name of the experiment or file")
    parser.add_argument("--overwrite", action="store_true", help="remove what another evaluation has left there")
    parser.add_argument(
        "--no-baseline", action="store_true", help="leave out bicubic (input), original and gold standard"
    )
    parser.add_argument(
        "-opt", dest="options", metavar="FILE", help="option file of the networks, where it is not found"
    )
    parser.add_argument(
        "--param-key", metavar="KEY", help="which weights of the files (default: params_ema, else params)"
    )
    parser.add_argument("--tile", default="none", metavar="N", help="side in px of the LQ, auto, or none (default)")
    parser.add_argument("--overlap", type=int, default=32, metavar="N", help="px that tiles share (default 32)")
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda or cuda:N (default: CUDA where there is one)")
    parser.add_argument("--half", action="store_true", help="networks in half precision, on CUDA")
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="images computed at a time (default 2; 1: less memory)",
    )
    add_quiet_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate; several processes share the images, and the first one prints.

    Returns:
        1 if another process has failed, or memory did not suffice for some scores; the others are there.
    """
    from iqa_sr.evaluation.plan import EvaluationConfig
    from iqa_sr.evaluation.run import run_evaluation

    config = EvaluationConfig(
        checkpoints=args.checkpoints,
        data=args.data,
        lq=args.lq,
        degradation=args.degradation,
        protocol=args.protocol,
        metrics=None if args.metrics is None else split_names(args.metrics),
        without=() if args.without is None else split_names(args.without, "--without"),
        set_metrics=None if args.set_metrics is None else split_names(args.set_metrics, "--set", SET_NAMES),
        patches=args.patches,
        border=args.border,
        against=args.against,
        base=args.base,
        output=args.output,
        overwrite=args.overwrite,
        baseline=not args.no_baseline,
        options=args.options,
        param_key=args.param_key,
        tile=read_tile(args.tile, args.overlap),
        overlap=args.overlap,
        device=read_device(args.device, args.half),
        half=args.half,
        workers=args.workers,
        command=sys.argv[1:],
    )
    evaluation = run_evaluation(config)
    if evaluation is None:
        return 1
    if evaluation.table is None:
        return 0
    _print_means(evaluation)
    if evaluation.missing:
        print(
            f"{evaluation.missing} scores are missing, for which memory did not suffice; the same command computes "
            "them, with --workers 1 in less memory",
            file=sys.stderr,
        )
    return 1 if evaluation.missing else 0


def _print_means(evaluation: "Evaluation") -> None:
    from iqa_sr.evaluation.scores import not_defined, summary_rows
    from iqa_sr.evaluation.set_summary import with_set_columns
    from iqa_sr.metrics import metric_info
    from iqa_sr.scores.result_folder import GOLD_STANDARD, ORIGINAL
    from iqa_sr.scores.score_table import baseline_label
    from iqa_sr.set_metrics.result_scores import set_titles

    plan, table = evaluation.plan, evaluation.table
    assert table is not None
    labels = [baseline_label(plan.run.scale), *(file.label for file in plan.files), ORIGINAL, GOLD_STANDARD]
    protocol = plan.protocol
    formula = (protocol.name, protocol.formula) if protocol and protocol.formula else None
    datasets = [dataset.name for dataset in plan.sets]
    sets = [one for one in evaluation.sets if one.dataset in datasets and one.label in labels]
    for dataset in plan.sets:
        rows = summary_rows(table, dataset.name, labels, formula)
        rows = with_set_columns(rows, dataset.name, sets, set_titles(sets))
        if len(rows) > 1:
            print(aligned(rows, numbers=True), end="\n\n")
    _print_sets(evaluation.plan, sets)
    for (name, metric), count in not_defined(table).items():
        print(f"{metric}: not defined on {count} images of {name}, which are too small for it; left out of its means")
    for dataset in plan.sets:
        without = sum(not plan.scorer.references(record) for record in dataset.records)
        if without and any(metric_info(name).reference == "full" for name in plan.scorer.metrics):
            kind = "positive ground truth" if plan.scorer.against == "positives" else "reference"
            print(f"{dataset.name}: {without} of {len(dataset.records)} images have no {kind}: scored without one")
    if protocol:
        for name, reason in protocol.left_out.items():
            print(f"{name}: left out of the protocol {protocol.name}: {reason}")
        computed = {*plan.set_plan.metrics, *(one.name for one in sets)}
        for name in (one for one in protocol.set_metrics if one not in computed):
            print(f"{name}: of the protocol {protocol.name}, but not asked for by --set")
    if plan.base:
        print(f"base: {plan.base.source}")
    if plan.assumed:
        print(f"assumed: {', '.join(plan.assumed)}; if trained otherwise, give the option file: -opt FILE")
    for file in plan.files:
        if file.also:
            print(f"{', '.join(file.also)}: the same as {file.label}, evaluated once")
    print(f"{plan.folder}: {evaluation.done} images computed or scored; means over the images; up: higher is better")


def _print_sets(plan: "EvaluationPlan", shown: "list[SetResult]") -> None:
    """What the columns of sets are, what there is none of, and how far they can be trusted."""
    from iqa_sr.evaluation.set_summary import set_warnings
    from iqa_sr.set_metrics.result_scores import set_titles

    for (_, spec), title in set_titles(shown).items():
        print(f"{title}: {spec}; +-: its 95 % interval")
    for dataset, reason in plan.set_plan.left_out:
        print(f"{dataset}: no {', '.join(plan.set_plan.metrics)}, it has {reason}")
    for text in set_warnings(shown):
        logger.warning("%s", text)
