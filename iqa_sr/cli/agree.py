"""`iqa-sr agree`: how well metrics agree with human ratings."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from iqa_sr.cli.arguments import add_quiet_argument, split_names

if TYPE_CHECKING:
    from iqa_sr.data.preferences.records import HumanLabels

__all__ = ["LAYOUT_NAMES", "add_arguments", "run"]

# As in iqa_sr.data.preferences.layouts, which takes too long to import for a help text; a test compares them.
LAYOUT_NAMES = (
    "pairs-csv",
    "triplets",
    "hggt",
    "diffiqa",
    "sriqa-bench",
    "sriqa-bench-votes",
    "csiq",
    "flive",
    "kadid10k",
    "koniq10k",
    "live",
    "pipal",
    "spaq",
    "tid2013",
    "mos-csv",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: labels, scores, and how they are compared."""
    parser.add_argument("dataset", metavar="DIR", help="folder of the data set; the images' paths start here")
    parser.add_argument(
        "--layout", required=True, metavar="NAME", help=f"how it is published: {', '.join(LAYOUT_NAMES)}"
    )
    parser.add_argument(
        "--metric",
        dest="metrics",
        metavar="NAMES",
        help="metrics to score with, separated by commas; what is there is kept",
    )
    parser.add_argument(
        "--scores",
        dest="tables",
        nargs="+",
        default=[],
        metavar="FILE",
        help="score tables made elsewhere, of any metric",
    )
    parser.add_argument(
        "--output",
        dest="folder",
        required=True,
        metavar="DIR",
        help="where scores.csv, agreement.csv and complementarity.csv go",
    )
    parser.add_argument(
        "--labels", dest="file", metavar="FILE", help="the file of the labels, where it is not in its usual place"
    )
    parser.add_argument(
        "--part", choices=["train", "val", "test", "all"], default="all", help="of the data set (default all)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of partners and of splits (default 0)")
    parser.add_argument(
        "--ties",
        choices=["leave-out", "count"],
        default="leave-out",
        help="pairs without a preference: left out (default), or right where the scores are equal (A-FINE)",
    )
    parser.add_argument(
        "--score-range",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="lowest and highest possible score, for mos-csv",
    )
    parser.add_argument(
        "--lower-is-better",
        dest="higher_is_better",
        action="store_const",
        const=False,
        help="the direction of the scores, for mos-csv",
    )
    parser.add_argument("--resamples", type=int, default=1000, metavar="N", help="of the bootstrap (default 1000)")
    parser.add_argument("--batch", type=int, default=8, metavar="N", help="images of one size at a time (default 8)")
    parser.add_argument(
        "--allow-missing",
        action="store_true",
        help="leave out, and count, images without every score whose files are not there",
    )
    add_quiet_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Read the labels, score what has no score yet, print the tables and write them."""
    from iqa_sr.agreement.evaluation import measure
    from iqa_sr.agreement.held_images import missing_text
    from iqa_sr.agreement.metric_scores import AGREEMENT, COMPLEMENTARITY, SCORES, collect_scores
    from iqa_sr.agreement.output import agreement_text, write_agreement
    from iqa_sr.data.preferences.layouts import LabelOptions, read_human_labels
    from iqa_sr.metrics import metric_names

    for name, value in (("--resamples", args.resamples), ("--batch", args.batch)):
        if value < 1:
            raise ValueError(f"{name}: expected at least 1, got {value}")
    metrics = split_names(args.metrics) if args.metrics else ()
    root, folder = Path(args.dataset).expanduser(), Path(args.folder).expanduser()
    options = LabelOptions(
        Path(args.file).expanduser() if args.file else None,
        args.part,
        args.seed,
        tuple(args.score_range) if args.score_range else None,
        args.higher_is_better,
    )
    labeled = read_human_labels(args.layout, root, options)
    votes = any(pair.share is not None for pair in labeled.pairs)  # then observers can be measured themselves
    if not (metrics or args.tables or (folder / SCORES).exists() or votes):
        raise ValueError("nothing to measure: name metrics with --metric, or tables of scores with --scores")
    if not args.quiet:
        print(_labels_text(labeled, args.layout), file=sys.stderr)
    for note in labeled.notes:
        print(note, file=sys.stderr)
    tables = [Path(file).expanduser() for file in args.tables]
    scores = collect_scores(labeled, metrics, tables, folder, args.batch, args.allow_missing)
    if text := missing_text(labeled, scores.labeled):
        print(text, file=sys.stderr)
    total = len(scores.labeled.images)
    for name, count in scores.stale.items():
        print(f"{name}: {count} scores of older files, or not known to be of these, were removed", file=sys.stderr)
    for name, count in scores.incomplete.items():
        more = f"; --metric {name} scores the others" if name in metric_names() else ""
        print(f"{name} is left out: {count} of {total} scores are there{more}", file=sys.stderr)
    if not scores.qualities and (metrics or tables or scores.incomplete or not votes):
        raise ValueError(f"no metric has scores of all {total} images; --metric NAMES computes them from the images")
    found = measure(scores.labeled, scores.qualities, args.ties, args.resamples)
    write_agreement(found, folder, args.ties)
    print(agreement_text(found, args.ties))
    written = [AGREEMENT, *[COMPLEMENTARITY] * bool(found.complements)]
    print(f"{folder}: {SCORES} ({scores.scored} new scores, {scores.kept} were there already), {', '.join(written)}")
    return 0


def _labels_text(labeled: "HumanLabels", layout: str) -> str:
    """A line about what was read, printed before the long work begins."""
    counts = []
    if labeled.pairs:
        contents = len({pair.content for pair in labeled.pairs})
        groups = ", ".join(f"{name} {count}" for name, count in labeled.groups.items())
        counts.append(f"pairs of {contents} contents: {groups}")
    if labeled.rated:
        counts.append(f"{len(labeled.rated)} images with opinion scores")
    return f"{layout}: {'; '.join(counts)}; {len(labeled.images)} images"
