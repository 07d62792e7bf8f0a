"""What the command line says of adapters, wherever they are used."""

import argparse

__all__ = ["add_strength_argument"]


def add_strength_argument(parser: argparse.ArgumentParser) -> None:
    """`--strength S`, once for each `--adapter`."""
    parser.add_argument(
        "--strength",
        action="append",
        type=float,
        default=[],
        metavar="S",
        help="of each adapter in order: 0 is the base, 1 what was trained, at most 1.5 (default 1)",
    )
