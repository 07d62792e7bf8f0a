"""`iqa-sr make-gts`: enhanced ground truths from a folder of images."""

import argparse

from iqa_sr.cli.arguments import add_quiet_argument

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: images, enhancers and output."""
    parser.add_argument("--input", dest="input_dir", required=True, metavar="DIR", help="folder of images")
    parser.add_argument(
        "--output",
        dest="output_dir",
        required=True,
        metavar="DIR",
        help="root of the data set: original/, 01/, 02/, ...",
    )
    parser.add_argument(
        "--enhancer",
        dest="enhancers",
        action="append",
        metavar="NAME",
        help="of 01/; repeated, of 02/, ...: unsharp, detail, nlm-sharp, clahe (default: all four) or a network's file",
    )
    parser.add_argument("--device", default="cpu", metavar="NAME", help="where networks run (default cpu)")
    parser.add_argument("--overwrite", action="store_true", help="make again what is there already")
    add_quiet_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Make the ground truths; 1 if some images could not be used."""
    from iqa_sr.data.creation.enhanced_gts import ENHANCERS, make_gts

    names = args.enhancers or list(ENHANCERS)
    made = make_gts(args.input_dir, args.output_dir, names, overwrite=args.overwrite, device=args.device)
    print(made.summary())
    return 1 if made.failed else 0
