"""`iqa-sr train` and `train_sr.py`: training as an option file says."""

import argparse
import sys
from collections.abc import Sequence

from iqa_sr.cli.arguments import add_quiet_argument

__all__ = ["add_arguments", "main", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: BasicSR's, and ours."""
    parser.add_argument("-opt", required=True, metavar="FILE", help="option file (YAML)")
    parser.add_argument("--launcher", choices=["none", "pytorch"], default="none", help="torchrun is found by itself")
    parser.add_argument("--auto_resume", action="store_true", help="resume from the newest complete training state")
    parser.add_argument(
        "--force_yml", dest="overrides", nargs="+", default=[], metavar="KEY=VALUE", help="e.g. train:total_iter=500"
    )
    parser.add_argument("--dry-run", action="store_true", help="build everything, run two steps, report, stop")
    add_quiet_argument(parser)
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Train; 0 at the end, 128 + the signal's number after a signal."""
    from iqa_sr.runtime.command_line import own_command
    from iqa_sr.training.launch import run_training

    command = own_command(args.argv)
    return run_training(args.opt, args.overrides, args.auto_resume, args.dry_run, args.launcher, command, args.quiet)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of train_sr.py.

    Args:
        arguments: Arguments of the command line; None for the process's own.

    Returns:
        0 at the end, 1 after an error, 128 + the signal's number after a signal.
    """
    from iqa_sr.cli.main import report_errors
    from iqa_sr.cli.terminal import safe_output

    parser = argparse.ArgumentParser(
        prog="train_sr.py", description="Train a super-resolution network guided by image quality assessment."
    )
    add_arguments(parser)
    parser.add_argument("--debug", action="store_true", help="show the stack trace of an error")
    argv = sys.argv[1:] if arguments is None else list(arguments)
    with safe_output():
        args = parser.parse_args(argv, argparse.Namespace(argv=argv))
    return report_errors(lambda: run(args), args.debug, parser, args.quiet)
