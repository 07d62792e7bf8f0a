"""`iqa-sr verify-resume`: shows on a user's own options that a resumed run is the uninterrupted one, bit by bit."""

import argparse

from iqa_sr.cli.arguments import add_quiet_argument

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: the run, and where it is interrupted."""
    parser.add_argument("-opt", required=True, metavar="FILE", help="option file (YAML)")
    parser.add_argument("--at", type=int, default=5, metavar="N", help="interrupt after N iterations of 2N (default 5)")
    parser.add_argument(
        "--force_yml", dest="overrides", nargs="+", default=[], metavar="KEY=VALUE", help="as for training"
    )
    add_quiet_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Train twice and compare; 0 if all is identical."""
    if args.at < 1:
        raise ValueError(f"--at: expected at least 1, got {args.at}")

    from iqa_sr.training.verify_resume import verify_resume

    def progress(line: str) -> None:
        if not args.quiet:
            print(line, flush=True)

    checked = verify_resume(args.opt, args.at, args.overrides, progress=progress)
    total, compared = 2 * args.at, ", ".join(str(file) for file in checked.files)
    if checked.differences:
        print(f"NOT identical after {total} iterations ({compared}):", *checked.differences[:10], sep="\n  ")
        return 1
    print(f"identical, bit by bit, after {total} iterations with an interruption at {args.at}: {compared}")
    return 0
