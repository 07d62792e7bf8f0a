"""The words of `iqa-sr pick`."""

import argparse

__all__ = ["add_pick_arguments"]


def add_pick_arguments(parser: argparse.ArgumentParser) -> None:
    """What is chosen from, by what, and where the choice goes."""
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="experiments/NAME, results/RUN or a score table")
    parser.add_argument("--metric", metavar="NAMES", help="those that count, separated by commas (default: all)")
    rule = parser.add_mutually_exclusive_group()
    rule.add_argument("--by", metavar="RULE", help="borda (default), z-score, ntire2025, or one metric's name")
    rule.add_argument(
        "--formula",
        metavar="TEXT",
        help="larger is better: \"psnr - 20 * 'lpips-vgg'\"; + - * / ( ) min max, quotes around names with other signs",
    )
    parser.add_argument(
        "--within",
        action="append",
        default=[],
        metavar="METRIC=X",
        help="no worse than the best checkpoint by more than X in the metric's unit, e.g. psnr=0.3; may be repeated",
    )
    parser.add_argument("--pictures", metavar="PATTERN", help="only those, by their names in the table, e.g. 'Set5/*'")
    parser.add_argument("--common", action="store_true", help="use the pictures that all checkpoints have")
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="LABEL", help="a checkpoint that is not to be chosen"
    )
    parser.add_argument(
        "--checkpoints",
        nargs="+",
        default=[],
        metavar="LABEL=FILE",
        help="the files of the checkpoints in a score table, or the folder of an experiment",
    )
    parser.add_argument(
        "--resamples", type=int, default=1000, metavar="N", help="draws of the bootstrap (default 1000)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the bootstrap (default 0)")
    parser.add_argument("--output", metavar="DIR", help="where best.pth and best.json go (default: the first source)")
    parser.add_argument("--overwrite", action="store_true", help="replace a best.pth that is there")
    parser.add_argument("--no-copy", action="store_true", help="show the choice and write nothing")
