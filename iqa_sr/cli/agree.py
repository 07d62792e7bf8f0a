"""The words of the command line that measures judges against people."""

import argparse

__all__ = ["LAYOUT_NAMES", "add_agree_arguments"]

# As in iqa_sr.data.pair_layouts, which takes too long to import for a help text; a test compares them.
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


def add_agree_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `iqa-sr agree`."""
    parser.add_argument("dataset", metavar="DIR", help="folder of the data set; the pictures' paths start here")
    parser.add_argument(
        "--layout", required=True, metavar="NAME", help=f"how it is published: {', '.join(LAYOUT_NAMES)}"
    )
    parser.add_argument(
        "--metric",
        default="",
        metavar="NAMES",
        help="metrics to score with, separated by commas; what is there is kept",
    )
    parser.add_argument(
        "--scores", nargs="+", default=[], metavar="FILE", help="score tables made elsewhere, of any judge"
    )
    parser.add_argument(
        "--output", required=True, metavar="DIR", help="where scores.csv, agreement.csv and complementarity.csv go"
    )
    parser.add_argument("--labels", metavar="FILE", help="the file of the labels, where it is not in its usual place")
    parser.add_argument(
        "--part", choices=["train", "val", "test", "all"], default="all", help="of the data set (default all)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of partners and of splits (default 0)")
    parser.add_argument(
        "--ties",
        choices=["leave-out", "count"],
        default="leave-out",
        help="pairs of which people prefer neither: left out (default), or right where the scores are equal (A-FINE)",
    )
    parser.add_argument(
        "--score-range",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="lowest and highest possible score, for mos-csv",
    )
    parser.add_argument("--lower-is-better", action="store_true", help="the direction of the scores, for mos-csv")
    parser.add_argument("--resamples", type=int, default=1000, metavar="N", help="of the bootstrap (default 1000)")
    parser.add_argument("--batch", type=int, default=8, metavar="N", help="pictures of one size at a time (default 8)")
