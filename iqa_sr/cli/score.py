"""`iqa-sr score`: a table of images and metrics."""

import argparse
import math
import sys

from iqa_sr.cli.arguments import add_quiet_argument, split_names
from iqa_sr.io.text_table import aligned

__all__ = ["add_arguments", "run"]

# More images than this are summed up: nobody reads a longer table on a terminal.
SHOWN = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: images, metrics, references and output."""
    parser.add_argument("path", metavar="PATH", help="image, or folder that is searched with its sub-folders")
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--metric", dest="metrics", metavar="NAMES", help="metrics, separated by commas")
    kind.add_argument(
        "--set",
        dest="sets",
        metavar="NAMES",
        help="metrics of the whole folder against --reference: fid, fid-clean, kid, kid-clean; separated by commas",
    )
    parser.add_argument(
        "--patches", type=int, metavar="SIDE", help="with --set: patches of SIDE x SIDE px instead of whole images"
    )
    parser.add_argument(
        "--reference", metavar="PATH", help="image or folder that full-reference metrics and --set compare with"
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="score table (.csv; scores of these very files are not computed again) or .json; of --set .json",
    )
    parser.add_argument(
        "--batch",
        type=int,
        default=8,
        metavar="N",
        help="most images of one size at a time (default 8; fewer of large ones)",
    )
    add_quiet_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Score and print a table; 1 if some images could not be scored."""
    if args.sets is not None:
        from iqa_sr.cli.set_scores import run_sets

        return run_sets(args)
    if args.patches is not None:
        raise ValueError(f"--patches: cuts images for --set, got {args.patches} with --metric; leave it out")
    from iqa_sr.metrics.registry import metric_info, own_names
    from iqa_sr.scores.means import mean
    from iqa_sr.scores.scoring_run import run_scoring

    metrics = own_names(split_names(args.metrics))
    result, first = run_scoring(args.path, metrics, args.reference, args.output, args.batch)
    if not first:
        return 0  # the first one says what is wrong: torchrun would end it as soon as another one fails
    scores: dict[str, dict[str, float]] = {}
    for row in result.rows:
        scores.setdefault(row.image, {})[row.metric] = row.score
    rows = [("image", *(f"{name} {'up' if metric_info(name).higher_is_better else 'down'}" for name in metrics))]
    if len(scores) <= SHOWN:
        rows += [(image, *(_number(found.get(name)) for name in metrics)) for image, found in sorted(scores.items())]
    means = [[found[name] for found in scores.values() if math.isfinite(found.get(name, math.nan))] for name in metrics]
    rows.append((f"mean of {len(scores)}", *(_number(mean(one) if one else None) for one in means)))
    print(aligned(rows, numbers=True))
    print("up: higher is better; down: lower is better")
    if args.output is not None:
        print(f"{args.output}: {result.scored} new scores, {result.kept} were there already")
        if result.stale:
            print(f"{len(result.stale)} scores of these names were there, but not known to be of these files: removed")
    elif len(scores) > SHOWN:
        print("--output FILE.csv or FILE.json for every image")
    for key, text in sorted(result.problems.items()):
        print(f"  not scored: {key}: {text}", file=sys.stderr)
    return 1 if result.problems else 0


def _number(score: float | None) -> str:
    return "-" if score is None else f"{score:.4f}"
