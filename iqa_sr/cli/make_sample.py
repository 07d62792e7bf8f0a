"""`iqa-sr make-sample`: the sample data set."""

import argparse
from pathlib import Path

from iqa_sr.cli.arguments import add_quiet_argument

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: the output folder."""
    parser.add_argument("--output", default="datasets/sample", metavar="DIR", help="default: datasets/sample")
    add_quiet_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Make the sample data set where nothing is yet."""
    if Path(args.output).exists():
        raise FileExistsError(f"--output {args.output} exists already; nothing was written. Choose another folder")

    from iqa_sr.data.creation.sample_dataset import make_sample

    make_sample(args.output)
    print(f"made {args.output}: train/ and val/, each with original/ and 01/ to 04/ (README.txt names the sources)")
    return 0
