"""`iqa-sr check-data`: everything that is wrong with the data sets of an option file."""

import argparse

from iqa_sr.cli.arguments import add_quiet_argument

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: the option file and changes of its keys."""
    parser.add_argument("-opt", required=True, metavar="FILE", help="option file (YAML)")
    parser.add_argument(
        "--force_yml", dest="overrides", nargs="+", default=[], metavar="KEY=VALUE", help="as for training"
    )
    add_quiet_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Print what is found; 0 if nothing is wrong."""
    from iqa_sr.training.data_checks import check_option_file

    fine = True
    for ok, text in check_option_file(args.opt, args.overrides):
        print(text)
        fine = fine and ok
    return 0 if fine else 1
