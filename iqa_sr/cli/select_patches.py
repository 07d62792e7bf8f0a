"""`iqa-sr select-patches`: detailed patches of images."""

import argparse

from iqa_sr.cli.arguments import add_quiet_argument

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: images, patches and output."""
    parser.add_argument(
        "--input",
        dest="input_dir",
        required=True,
        metavar="DIR",
        help="folder of images, or a data set with versions",
    )
    parser.add_argument("--output", dest="output_dir", required=True, metavar="DIR", help="where the patches go")
    for name, value, text in (
        ("--size", 512, "side of a patch in pixels"),
        ("--stride", 288, "distance of the positions in pixels"),
        ("--jitter", 16, "largest random move of a position in pixels"),
        ("--seed", 0, "of the random moves"),
    ):
        parser.add_argument(name, type=int, default=value, metavar="N", help=f"{text} (default {value})")
    parser.add_argument("--min-std", type=float, default=30, metavar="X", help="least gray deviation (default 30)")
    parser.add_argument(
        "--min-laplacian", type=float, default=30, metavar="X", help="least Laplacian variance (default 30)"
    )
    add_quiet_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Cut the patches out and print how many."""
    from iqa_sr.data.creation.patches import select_patches

    names = ("size", "stride", "jitter", "min_std", "min_laplacian", "seed")
    print(select_patches(args.input_dir, args.output_dir, **{name: getattr(args, name) for name in names}).summary())
    return 0
