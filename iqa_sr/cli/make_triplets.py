"""`iqa-sr make-triplets`: lists of triplets for A-FINE's training."""

import argparse

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: layout and folder of the data set, output and seed."""
    parser.add_argument("--layout", required=True, metavar="NAME", help="diffiqa, kadid, pipal or tid2013")
    parser.add_argument("--input", dest="source", required=True, metavar="DIR", help="the data set as published")
    parser.add_argument("--output", required=True, metavar="DIR", help="where train.txt, val.txt and test.txt go")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of splits and partners (default 0)")


def run(args: argparse.Namespace) -> int:
    """Write the lists of triplets and print their counts."""
    from iqa_sr.data.preferences.triplet_creation import make_triplets

    print(make_triplets(args.layout, args.source, args.output, args.seed).summary())
    return 0
